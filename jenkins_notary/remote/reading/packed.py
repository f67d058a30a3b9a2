"""Pack records for a slow link, and bring back the very bytes.

An envelope is base64, which hides from a compressor what records have in common, and
an import holds another one inside. On the way each is taken apart::

    {"s": [["0x...", "<base64>"]], "p": {"_type": ..., "predicate": ...}}

``s`` are the signatures, ``p`` the signed statement as JSON, in which the envelope of
an import is taken apart too. What would not come back byte for byte goes as text.
A record is its envelope and its commit time, from which its leaf follows::

    {"at": 1767323045000, "e": {"s": ..., "p": ...}}
    {"leaf": "{...}", "e": null}

The second form is for a record that was erased, or whose leaf does not follow. A page
of records, or of envelopes, is one JSON list in one Zstandard frame.

All that is unpacked is a claim: it is held against digests and proofs as if it had come
in any other way. It is bounded before it is expanded.
"""

from __future__ import annotations

import binascii
import json

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.envelope import Signature, format_envelope, parse_envelope
from jenkins_notary.values.leaf import format_leaf, project_leaf
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, NoReturn

MEDIA_TYPE = "application/zstd"
MAX_BYTES = 64 << 20
"""Bytes of a page once it is expanded."""

MAX_SENT_BYTES = 16 << 20
"""The same of a page of envelopes, which a client sends."""

_LEVEL = 12


class PackedRecord(NamedTuple):
    """A record on its way.

    Attributes:
        entry: Its entry in the log.
        envelope: Its envelope, or None for one that is gone.
    """

    entry: bytes
    envelope: bytes | None


def pack_records(records: Iterable[PackedRecord]) -> bytes:
    """Return a page of records."""
    return _compress([_shape_record(one) for one in records])


def unpack_records(data: bytes) -> list[PackedRecord]:
    """Return the records of a page.

    Raises:
        IntegrityError: It is none.
    """
    return [_restore_record(one) for one in _expand(data, MAX_BYTES)]


def pack_envelopes(envelopes: Iterable[bytes]) -> bytes:
    """Return a page of envelopes."""
    return _compress([take_apart(one) for one in envelopes])


def unpack_envelopes(data: bytes) -> list[bytes]:
    """Return the envelopes of a page.

    Raises:
        IntegrityError: It is none.
    """
    return [put_together(one) for one in _expand(data, MAX_SENT_BYTES)]


def take_apart(envelope: bytes) -> object:
    """Return an envelope without base64 if that comes back, else its text."""
    text = envelope.decode()
    try:
        payload, _, signatures = parse_envelope(envelope)
        statement = load_json(payload, subject="payload")
        _turn_inner(statement, str, lambda one: take_apart(one.encode()))
        shaped = {
            "p": statement,
            "s": [[one.keyid, _encode(one.sig)] for one in signatures],
        }
        is_same = put_together(shaped) == envelope
    except (IntegrityError, UnicodeError):
        return text
    return shaped if is_same else text


def put_together(value: object) -> bytes:
    """Return the envelope that was taken apart; ``value`` is not left as it was.

    Raises:
        IntegrityError: It is none.
    """
    try:
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, dict):
            _refuse("an envelope")
        statement = json.loads(canonical_json(value["p"]))
        _turn_inner(statement, dict, lambda one: put_together(one).decode())
        signatures = [
            Signature(keyid, binascii.a2b_base64(sig)) for keyid, sig in value["s"]
        ]
        return format_envelope(canonical_json(statement), tuple(signatures))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise IntegrityError("packed envelope", got=str(error)[:80]) from error


def _turn_inner(
    statement: Any,  # noqa: ANN401 - JSON
    kind: type,
    turn: Any,  # noqa: ANN401 - of the one form into the other
) -> None:
    """Turn the envelope inside an import's statement, if there is one."""
    kept = statement
    for key in ("predicate", "imported", "envelope"):
        kept = kept.get(key) if isinstance(kept, dict) else None
    if isinstance(kept, dict) and isinstance(kept.get("text"), kind):
        kept["text"] = turn(kept["text"])


def _shape_record(record: PackedRecord) -> dict[str, object]:
    """Return a record as JSON."""
    entry, envelope = record
    if envelope is None:
        return {"leaf": entry.decode(), "e": None}
    value = load_json(entry, subject="leaf")
    at_ms = value.get("at") if isinstance(value, dict) else None
    shaped = take_apart(envelope)
    if type(at_ms) is int and _derive(envelope, at_ms) == entry:
        return {"at": at_ms, "e": shaped}
    return {"leaf": entry.decode(), "e": shaped}


def _restore_record(value: object) -> PackedRecord:
    """Return a record from its JSON."""
    if not isinstance(value, dict) or "e" not in value:
        _refuse("a record")
    envelope = None if value["e"] is None else put_together(value["e"])
    leaf, at_ms = value.get("leaf"), value.get("at")
    if isinstance(leaf, str):
        return PackedRecord(leaf.encode("utf-8", "replace"), envelope)
    if type(at_ms) is not int or envelope is None:
        _refuse("a leaf, or an envelope and its time")
    return PackedRecord(_derive(envelope, at_ms), envelope)


def _derive(envelope: bytes, at_ms: int) -> bytes:
    """Return the entry that follows from an envelope and its commit time."""
    parsed = parse_envelope(envelope)
    statement = parse_statement(parsed.payload)
    return format_leaf(project_leaf(envelope, parsed, statement, at_ms))


def _compress(values: Sequence[object]) -> bytes:
    """Return values as one frame."""
    from zstandard import ZstdCompressor

    return ZstdCompressor(level=_LEVEL).compress(canonical_json(values))


def _expand(data: bytes, limit: int) -> list[object]:
    """Return the values of a frame, bounded."""
    import zstandard

    try:
        size = zstandard.get_frame_parameters(data).content_size
        if not 0 < size <= limit:
            _refuse(f"at most {limit} bytes")
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise IntegrityError("packed records", got=str(error)[:80]) from error
    value = load_json(raw, subject="packed records")
    if not isinstance(value, list):
        _refuse("a list")
    return value


def _encode(sig: bytes) -> str:
    """Return base64."""
    return binascii.b2a_base64(sig, newline=False).decode()


def _refuse(expected: str) -> NoReturn:
    """Raise the error for what nobody packed."""
    raise IntegrityError("packed records", expected=expected, got="something else")
