"""Hold DSSE envelopes in one spelling, and refuse every other."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.values.envelope import (
    MAX_BYTES,
    MAX_SIGNATURES,
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    format_envelope,
    idempotency_key,
    pae,
    parse_envelope,
    signed_bytes,
)

KEY = "0x" + "ab" * 20
GOOD = format_envelope(b"{}", (Signature(KEY, b"\x01" * 64),))


def make(**changes: object) -> bytes:
    """Return an envelope's JSON with some keys changed; None removes one."""
    value = {**json.loads(GOOD), **changes}
    kept = {key: one for key, one in value.items() if one is not None}
    return json.dumps(kept).encode()


def test_an_envelope_has_the_documented_form() -> None:
    sig = b64encode(b"\x01" * 64)

    assert (
        b'{"payload":"e30=","payloadType":"application/vnd.in-toto+json",'
        b'"signatures":[{"keyid":"%b","sig":"%b"}]}' % (KEY.encode(), sig)
    ) == GOOD


def test_format_and_parse_are_inverse() -> None:
    signatures = (Signature(KEY, b"a"), Signature("", b""), Signature("other", b"c"))
    data = format_envelope(b"\x00payload", signatures)

    assert parse_envelope(data) == Envelope(b"\x00payload", PAYLOAD_TYPE, signatures)


def test_pre_authentication_encoding_is_that_of_the_specification() -> None:
    # The example of DSSE v1.0.2, protocol.md.
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_the_length_counts_bytes_not_characters() -> None:
    assert pae("\u00e9", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_one_statement_has_one_key_whatever_its_signatures() -> None:
    one = parse_envelope(GOOD)
    other = one._replace(signatures=(Signature("x", b"y"),))

    assert signed_bytes(one) == pae(PAYLOAD_TYPE, b"{}")
    assert idempotency_key(one) == idempotency_key(other)
    assert idempotency_key(one) != idempotency_key(one._replace(payload=b"{ }"))


def test_unknown_keys_are_ignored_as_dsse_asks() -> None:
    assert parse_envelope(make(later=[1])) == parse_envelope(GOOD)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[]", id="no object"),
        pytest.param(b"null", id="null"),
        pytest.param(make(payloadType=None), id="no type"),
        pytest.param(make(payloadType="text/plain"), id="another type"),
        pytest.param(make(payloadType=[PAYLOAD_TYPE]), id="type in a list"),
        pytest.param(make(payload=None), id="no payload"),
        pytest.param(make(payload=7), id="payload a number"),
        pytest.param(make(payload="e30"), id="no padding"),
        pytest.param(make(payload="e30=\n"), id="line end in base64"),
        pytest.param(make(payload="e3 0="), id="space in base64"),
        pytest.param(make(payload="e31="), id="stray bits"),
        pytest.param(make(payload="-_8="), id="URL-safe alphabet"),
        pytest.param(make(payload="\u00e9"), id="no ASCII"),
        pytest.param(make(payload="e30=e30="), id="two in one"),
        pytest.param(make(signatures=None), id="no signatures"),
        pytest.param(make(signatures=[]), id="empty list"),
        pytest.param(make(signatures={}), id="signatures an object"),
        pytest.param(make(signatures=[[]]), id="signature a list"),
        pytest.param(make(signatures=[{"keyid": "a"}]), id="no sig"),
        pytest.param(make(signatures=[{"keyid": 7, "sig": ""}]), id="keyid a number"),
        pytest.param(make(signatures=[{"keyid": None, "sig": ""}]), id="keyid null"),
        pytest.param(make(signatures=[{"sig": ""}] * 17), id="too many"),
    ],
)
def test_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"^record 3 envelope"):
        parse_envelope(data, subject="record 3 envelope")


@pytest.mark.parametrize(
    "keyid",
    ['a"b', "a\\b", "a\nb", "a\x00", "\x7f", "\u00e9", "\ud800", "a" * 257],
    ids=ascii,
)
def test_a_key_id_that_would_break_the_written_form_is_refused(keyid: str) -> None:
    with pytest.raises(IntegrityError, match="plain ASCII keyid"):
        parse_envelope(make(signatures=[{"keyid": keyid, "sig": ""}]))


def test_as_many_signatures_as_allowed_are_read() -> None:
    data = make(signatures=[{"sig": ""}] * MAX_SIGNATURES)

    assert parse_envelope(data).signatures == (Signature("", b""),) * MAX_SIGNATURES


def test_an_envelope_beyond_the_limit_is_not_parsed() -> None:
    with pytest.raises(IntegrityError, match=f"at most {MAX_BYTES} bytes"):
        parse_envelope(b" " * MAX_BYTES + GOOD)
