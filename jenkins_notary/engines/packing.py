"""Pack log entries and envelopes for a store, and restore their exact bytes.

A packed value is one codec byte and a body:

==== ==========================================================================
0    Nothing: what an erased value is overwritten with. Never restored.
1    The raw bytes.
2    A raw deflate stream primed with :data:`LEAF_WORDS`: a log entry.
3    One primed with :data:`STATEMENT_WORDS`: an envelope's bytes.
4    The same, of an envelope in parts: payload, then key id and signature of each
     signature behind their lengths (``>HI``), then the payload's length (``>I``).
==== ==========================================================================

Codec 4 leaves out the base64, which deflate cannot see through; it is used only for
an envelope that :func:`format_envelope` makes again byte for byte.

>>> unpack_entry(pack_entry(b'{"type":"notarization","v":1}'))
b'{"type":"notarization","v":1}'

The words of a codec never change: better ones are a new codec. What a store hands
back may be altered, so restoring is bounded by the longest value that can be valid.

Source: RFC 1951 (deflate), zlib's ``deflateSetDictionary``: words likely to occur
stand at the end.
"""

from __future__ import annotations

import re
import zlib
from binascii import Error as BinasciiError
from binascii import a2b_base64
from struct import Struct
from struct import error as StructError  # noqa: N812 - the module names it in lower case

from jenkins_notary.errors import IntegrityError
from jenkins_notary.values.envelope import MAX_BYTES as MAX_ENVELOPE_BYTES
from jenkins_notary.values.envelope import (
    MAX_SIGNATURES,
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    format_envelope,
)
from jenkins_notary.values.leaf import MAX_BYTES as MAX_LEAF_BYTES

ERASED, RAW, LEAF, ENVELOPE, ENVELOPE_PARTS = range(5)
_DEFLATED_ENVELOPES = frozenset({ENVELOPE, ENVELOPE_PARTS})

MAX_ENTRY_BYTES = MAX_LEAF_BYTES + 64
"""An entry of the trust log is a leaf and its index."""

LARGE_BYTES = 16 << 10
"""From here on deflate's fastest level: it halves the time and adds a tenth."""

LEAF_WORDS = (
    b'"supersedes":[],"type":"corroboration","type":"administration","type":"erasure",'
    b'"type":"attestation","type":"provenance","type":"attachment","type":"deletion",'
    b'"type":"alias","type":"import","type":"gate","type":"log","type":"test-result",'
    b'"status":"UNSUPPORTED","status":"UNTRUSTED",{"index":1,"leaf":{"at":18'
    b'"type":"trust","v":1}}0123456789abcdef{"at":17,"envelope":"","job":"",'
    b'"signer":"0x","status":"TRUSTED","subjects":["","],"type":"notarization","v":1}'
)

STATEMENT_WORDS = (
    b"application/vnd.in-toto+jsonhttps://slsa.dev/provenance/v1https://cyclonedx.org/"
    b'bomjenkinsNotary_record"resolvedDependencies":[{"uri":"git+https://github.com/'
    b'"buildDefinition":{"buildType":""externalParameters":{"runDetails":{"builder":{"'
    b'"byproducts":[{"mime":"text/plain","attachments":[{"body":{"chunkSize":262144,'
    b'"root":"","sha256":"","size":"label":"build","mime":"application/json","name":"'
    b'"kind":"directory","kind":"image","kind":"git","kind":"digest","kind":"url","os"'
    b'"platform":"linux/amd64","tag":"latest","author":"","tree":"","dirty":false,'
    b'"gitCommit":"","gitTree":"","mode":"","executable":true,"reason":"","supersedes":['
    b'"status":"UNSUPPORTED","status":"UNTRUSTED","identity":"asserted","parameters":{'
    b'"BUILD_ID":"BUILD_NUMBER":"BUILD_TAG":"jenkins-BUILD_URL":"EXECUTOR_NUMBER":"'
    b'"GIT_BRANCH":"origin/GIT_COMMIT":"GIT_URL":"JENKINS_URL":"JOB_NAME":"NODE_NAME":"'
    b'"CI_COMMIT_SHA":"CI_JOB_ID":"CI_PROJECT_PATH":"GITHUB_REPOSITORY":"GITHUB_SHA":"'
    b"urn:jenkins-notary:log:v1urn:jenkins-notary:attachment:v1urn:jenkins-notary:gate:v1"
    b"target/classes/com/exampleorg/src/main/java/.class.tar.gz.whl.json.txt.xml.js.py"
    b"0123456789abcdef-1.0.0-SNAPSHOT.jar"
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"assets":[{"kind":"file",'
    b'"name":"app-1.0.jar","size":1,"subjects":[0]},{"kind":"file","name":"'
    b'"attributes":{"branch":"main","build":"","commit":"","release":"1.","version":"'
    b'"claimedAt":"2026-01-01T00:00:00Z","job":{"branch":"main","cause":"push",'
    b'"commit":"","id":"ci.example.com:/main#1","instance":"","name":"","number":1,'
    b'"node":"agent-1","startedAt":"2026-","url":"https://ci.example.com/job//job/main/"'
    b'},"recordId":"","signer":{"id":"0x","publicKey":"MCowBQYDK2VwAyEA="},'
    b'"status":"TRUSTED"},"predicateType":"urn:jenkins-notary:notarization:v1",'
    b'"subject":[{"digest":{"sha256":""},"name":"app.jar"},{"digest":{"sha256":""}]}'
)

_FRAME = re.compile(rb'\{"payload":"([^"]*)",[^\[]*\[(.*)\]\}')
_SIGNED = re.compile(rb'\{"keyid":"([ -!#-\[\]-~]{0,256})","sig":"([^"]*)"\}')
_SIGNATURE = Struct(">HI")
_LENGTH = Struct(">I")


def pack_entry(entry: bytes) -> bytes:
    """Return a log entry as it is stored."""
    return _shortest(LEAF, entry, entry)


def unpack_entry(packed: object, *, subject: str = "entry") -> bytes:
    """Return the entry in a stored value.

    Raises:
        IntegrityError: Altered, too long, or written by a newer program.
    """
    codec, body = _split(packed, subject)
    if codec == LEAF:
        return _inflate(body, LEAF_WORDS, MAX_ENTRY_BYTES, subject)
    if codec == RAW:
        return body
    raise _unknown(codec, subject)


def pack_envelope(envelope: bytes) -> bytes:
    """Return an envelope as it is stored."""
    parts = _take_apart(envelope)
    if parts is None:
        return _shortest(ENVELOPE, envelope, envelope)
    return _shortest(ENVELOPE_PARTS, parts, envelope)


def unpack_envelope(packed: object, *, subject: str = "envelope") -> bytes:
    """Return the envelope in a stored value, byte for byte as it was packed.

    Raises:
        IntegrityError: Altered, too long, or written by a newer program.
    """
    found = unpack_parts(packed, subject=subject)
    if isinstance(found, bytes):
        return found
    return format_envelope(found.payload, found.signatures)


def unpack_parts(packed: object, *, subject: str = "envelope") -> Envelope | bytes:
    """Return the envelope in a stored value: in parts if that is how it is stored.

    The parts are a claim like the bytes: none of them was checked for its form. The
    envelope's bytes are those that :func:`format_envelope` makes of them.

    Raises:
        IntegrityError: Altered, too long, or written by a newer program.
    """
    codec, body = _split(packed, subject)
    if codec == RAW:
        return body
    if codec not in _DEFLATED_ENVELOPES:
        raise _unknown(codec, subject)
    raw = _inflate(body, STATEMENT_WORDS, MAX_ENVELOPE_BYTES, subject)
    return raw if codec == ENVELOPE else _put_together(raw, subject)


def _shortest(codec: int, data: bytes, raw: bytes) -> bytes:
    """Return data deflated under a codec, or the raw bytes where that is shorter."""
    words = LEAF_WORDS if codec == LEAF else STATEMENT_WORDS
    level = 6 if len(data) < LARGE_BYTES else 1
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, 8, zdict=words)
    packed = deflate.compress(data) + deflate.flush()
    if len(packed) < len(raw):
        return bytes((codec,)) + packed
    return bytes((RAW,)) + raw


def _inflate(body: bytes, words: bytes, limit: int, subject: str) -> bytes:
    """Return what a deflate stream holds, at most ``limit`` bytes."""
    inflate = zlib.decompressobj(-15, zdict=words)
    try:
        raw = inflate.decompress(body, limit)
    except zlib.error as error:
        raise IntegrityError(
            subject, expected="a deflate stream", got=str(error)
        ) from error
    if not inflate.eof or inflate.unused_data:
        raise IntegrityError(
            subject,
            expected=f"one whole stream of at most {limit} bytes",
            got="another",
        )
    return raw


def _take_apart(envelope: bytes) -> bytes | None:
    """Return an envelope's parts, or None if they do not give its bytes again."""
    # Read by its frame, which is sooner done than parsing it: what is found counts
    # only if the same bytes can be made of it again.
    found = _FRAME.fullmatch(envelope)
    if found is None:
        return None
    try:
        payload = a2b_base64(found[1])
        signatures = tuple(
            Signature(keyid.decode("ascii"), a2b_base64(sig))
            for keyid, sig in _SIGNED.findall(found[2])
        )
    except BinasciiError:
        return None
    is_usual = 0 < len(signatures) <= MAX_SIGNATURES
    if not is_usual or format_envelope(payload, signatures) != envelope:
        return None
    parts = [payload]
    for keyid, sig in signatures:
        parts += [_SIGNATURE.pack(len(keyid), len(sig)), keyid.encode("ascii"), sig]
    return b"".join([*parts, _LENGTH.pack(len(payload))])


def _put_together(raw: bytes, subject: str) -> Envelope:
    """Return the envelope of its parts; inverse of :func:`_take_apart`."""
    end = len(raw) - _LENGTH.size
    signatures = []
    try:
        (place,) = _LENGTH.unpack_from(raw, end)
        payload = raw[:place]
        while place < end:
            keyid_bytes, sig_bytes = _SIGNATURE.unpack_from(raw, place)
            middle = place + _SIGNATURE.size + keyid_bytes
            place = middle + sig_bytes
            keyid = raw[middle - keyid_bytes : middle].decode("ascii")
            signatures.append(Signature(keyid, raw[middle:place]))
    except (StructError, UnicodeDecodeError) as error:
        raise IntegrityError(
            subject, expected="an envelope's parts", got=str(error)
        ) from error
    if place != end:
        raise IntegrityError(subject, expected="an envelope's parts", got="a cut one")
    return Envelope(payload, PAYLOAD_TYPE, tuple(signatures))


def _split(packed: object, subject: str) -> tuple[int, bytes]:
    """Return (codec, body) of a stored value."""
    if not isinstance(packed, bytes) or not packed:
        raise IntegrityError(
            subject, expected="packed bytes", got=type(packed).__name__
        )
    return packed[0], packed[1:]


def _unknown(codec: int, subject: str) -> IntegrityError:
    """Return the error for a codec that this program does not have."""
    return IntegrityError(
        subject,
        expected="a known codec",
        got=str(codec),
        advice="a newer program may have written it: upgrade",
    )
