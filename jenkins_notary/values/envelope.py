"""Hold a signed statement: the DSSE envelope, its signed bytes and its identity.

An envelope of ours is compact JSON, in this key order::

    {"payload":"<base64>","payloadType":"application/vnd.in-toto+json",
     "signatures":[{"keyid":"0x<40 hex>","sig":"<base64>"}]}

The bytes that were signed are the DSSE pre-authentication encoding of the payload.
Their SHA-256 is the record's key for idempotency: the same statement handed in
twice is one record, whatever its signatures.

>>> pae("t", b"body")
b'DSSEv1 1 t 4 body'

Source: DSSE v1.0.2, protocol.md and envelope.md. Differences on reading: standard
base64 only (the format's URL-safe variant is refused, so that an envelope has one
spelling) and at least one signature.
"""

from __future__ import annotations

import binascii
import hashlib

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import load_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_BYTES = 16 << 20
MAX_SIGNATURES = 16


class Signature(NamedTuple):
    """One signature of an envelope.

    Attributes:
        keyid: The signer id, ``0x`` and 40 hex digits; a hint until verified.
        sig: The raw signature: 64 bytes for Ed25519, DER for ECDSA.
    """

    keyid: str
    sig: bytes


class Envelope(NamedTuple):
    """A parsed envelope whose signatures are not yet verified.

    Attributes:
        payload: The signed statement's bytes, exactly.
        payload_type: The media type, always :data:`PAYLOAD_TYPE`.
        signatures: At least one, at most :data:`MAX_SIGNATURES`.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the DSSE pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signed_bytes(envelope: Envelope) -> bytes:
    """Return the bytes that every signature of the envelope covers."""
    return pae(envelope.payload_type, envelope.payload)


def idempotency_key(envelope: Envelope) -> bytes:
    """Return the 32 bytes that are equal for resubmissions of one statement."""
    return hashlib.sha256(signed_bytes(envelope)).digest()


def format_envelope(payload: bytes, signatures: tuple[Signature, ...]) -> bytes:
    """Return the envelope's JSON in the one form that this project writes.

    Args:
        payload: The statement's bytes.
        signatures: At least one; key ids are ASCII without quotes.

    Returns:
        Compact JSON, no final newline.
    """
    signed = [
        b'{"keyid":"%b","sig":"%b"}'
        % (keyid.encode(), binascii.b2a_base64(sig, newline=False))
        for keyid, sig in signatures
    ]
    return b'{"payload":"%b","payloadType":"%b","signatures":[%b]}' % (
        binascii.b2a_base64(payload, newline=False),
        PAYLOAD_TYPE.encode(),
        b",".join(signed),
    )


def parse_envelope(data: bytes, *, subject: str = "envelope") -> Envelope:
    """Return the envelope in JSON from anywhere, with nothing verified.

    Args:
        data: The JSON text; unknown keys are ignored, as DSSE asks.
        subject: What the bytes are, for the message.

    Returns:
        The parsed envelope.

    Raises:
        IntegrityError: Not a DSSE envelope of an in-toto statement, or too large.
    """
    value = load_json(data, subject=subject, limit=MAX_BYTES)
    if not isinstance(value, dict):
        raise IntegrityError(subject, expected="a DSSE envelope", got="no JSON object")
    if value.get("payloadType") != PAYLOAD_TYPE:
        raise IntegrityError(
            subject,
            expected=f"payloadType {PAYLOAD_TYPE}",
            got=repr(value.get("payloadType"))[:80],
        )
    listed = value.get("signatures")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_SIGNATURES:
        raise IntegrityError(
            subject, expected=f"1 to {MAX_SIGNATURES} signatures", got=str(listed)[:40]
        )
    payload = _decode(value.get("payload"), f"{subject} payload")
    return Envelope(
        payload, PAYLOAD_TYPE, tuple(_parse_signature(one, subject) for one in listed)
    )


def _parse_signature(value: object, subject: str) -> Signature:
    """Return one entry of ``signatures``."""
    if not isinstance(value, dict) or not isinstance(value.get("keyid", ""), str):
        raise IntegrityError(f"{subject} signature", expected="keyid and sig")
    keyid = value.get("keyid", "")
    # The writer puts the key id between quotes as it is.
    plain = keyid.isascii() and (not keyid or keyid.isprintable())
    if not plain or len(keyid) > 256 or '"' in keyid or "\\" in keyid:
        raise IntegrityError(f"{subject} signature", expected="a plain ASCII keyid")
    return Signature(keyid, _decode(value.get("sig"), f"{subject} signature"))


def _decode(text: object, subject: str) -> bytes:
    """Return the bytes of strict standard base64."""
    if not isinstance(text, str):
        raise IntegrityError(subject, expected="base64 text", got=type(text).__name__)
    try:
        data = binascii.a2b_base64(text)
    except (binascii.Error, ValueError) as error:
        raise IntegrityError(subject, expected="base64", got=str(error)) from error
    # The decoder skips foreign characters and stray bits; one spelling only counts.
    if binascii.b2a_base64(data, newline=False).decode() != text:
        raise IntegrityError(subject, expected="canonical base64", got="another form")
    return data
