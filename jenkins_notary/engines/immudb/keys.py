"""Name what lies in immudb: the keys, readable with immudb's own client.

==================================== =========================================
``head``                             both frontiers and the last time
``checkpoint``                       the newest published note behind its size
``setting/NAME``                     a small setting
``main/INDEX``                       a leaf, as JSON
``trust/INDEX``                      an entry of the trust log
``tile/LOG/LEVEL/N``                 hashes of a tile
``envelope/`` and 32 bytes           an envelope, encrypted, or its pieces
``piece/SHA256/PLACE/N``             a piece of an envelope that is long
``sha256/DIGEST``                    the records about this digest
``job/NAME#NUMBER:INSTANCE``         the records of this build
``commit/ID``                        the records of this git commit
``job-sha256/`` and 32 bytes         the records of this job id
``statement/`` and 32 bytes          the record that holds this statement
``signer/ID/INDEX``                  this signer's records in one commit
==================================== =========================================

INDEX and N are 16 hex digits, LEVEL is two, NUMBER is 10 decimal digits (``~`` and 20
for what needs more), so that keys sort as what they name does: a prefix finds all
builds of a job, or all jobs of a folder, in order. Of a job's name, bytes up to ``$``
(a space, for one) stand behind a ``$``. A key longer than immudb takes is cut and ends
in its hash. What stands under the keys of records:
:mod:`~jenkins_notary.engines.immudb.listing`.

>>> format_row_key("subject", bytes(2))
b'sha256/0000'
>>> format_row_key("name", b"a/my job" + bytes([0, 0, 0, 0, 0, 0, 0, 0, 42]) + b"ci")
b'job/a/my$ job#0000000042:ci'
"""

from __future__ import annotations

import re
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import LogName, RowKind

HEAD = b"head"
CHECKPOINT = b"checkpoint"
ENVELOPES = b"envelope/"
PIECES = b"piece/"
MAX_KEY_BYTES = 1024

_PREFIXES: dict[RowKind, bytes] = {
    "subject": b"sha256/",
    "job": b"job-sha256/",
    "name": b"job/",
    "signer": b"signer/",
    "commit": b"commit/",
    "statement": b"statement/",
}
_RAW = frozenset({"job", "statement"})
_TILE = re.compile(rb"([0-9a-f]{2})/([0-9a-f]{16})")
_CUT = 900
_CUT_END = b"\x00\x02"
_RUN = re.compile(rb"/[0-9a-f]{16}")
_RUN_BYTES = 17
_ESCAPE = b"$"
_ESCAPED = re.compile(rb"[\x00-$]")
_UNESCAPED = re.compile(rb"\$(.)", re.DOTALL)
_NUMBER_BYTES = 8
_MANY = 10**10
_BUILD = re.compile(
    rb"((?:[^\x00-$]|\$[\x00-$])*)"
    rb"(?:#(\d{10}|~\d{20})(?:!([0-7])|:((?:[^\x00-$]|\$[\x00-$])*)))?",
    re.DOTALL,
)


def format_entry(log: LogName, index: int) -> bytes:
    """Return the key of a log's entry."""
    return b"%s/%016x" % (_LOGS[log], index)


def format_tile(log: LogName, level: int, n: int) -> bytes:
    """Return the key of a tile."""
    return b"tile/%s/%02x/%016x" % (_LOGS[log], level, n)


def parse_tile(log: LogName, key: bytes) -> tuple[int, int]:
    """Return (level, n) of a tile's key.

    Raises:
        ValueError: It is none.
    """
    found = _TILE.fullmatch(key.removeprefix(tiles_prefix(log)))
    if found is None:
        raise ValueError
    return int(found[1], 16), int(found[2], 16)


def tiles_prefix(log: LogName) -> bytes:
    """Return how the keys of a log's tiles begin."""
    return b"tile/%s/" % _LOGS[log]


def format_setting(name: str) -> bytes:
    """Return the key of a setting."""
    return b"setting/" + name.encode()


def format_envelope(digest: bytes) -> bytes:
    """Return the key of an envelope."""
    return ENVELOPES + digest


def parse_envelope(key: bytes) -> bytes:
    """Return the digest in an envelope's key."""
    return key.removeprefix(ENVELOPES)


def format_piece(digest: bytes, place: int, number: int) -> bytes:
    """Return the key of a piece of an envelope that was sealed at a place."""
    return PIECES + b"%s/%016x/%02x" % (digest.hex().encode(), place, number)


def rows_prefix(kind: RowKind) -> bytes:
    """Return how the keys of a kind's rows begin."""
    return _PREFIXES[kind]


def is_in_runs(kind: RowKind) -> bool:
    """Return whether each commit has a key of its own for a row's key.

    Others have one key, which each commit sets anew: their lists are short.
    """
    return kind == "signer"


def format_row_key(kind: RowKind, key: bytes) -> bytes:
    """Return the key that lists the records of a row's key, cut where it is long."""
    text = _encode(kind, key)
    if len(text) > _CUT:
        text = text[:_CUT] + _CUT_END + sha256(text).hexdigest().encode()
    return _PREFIXES[kind] + text


def format_run(kind: RowKind, key: bytes, last: int) -> bytes:
    """Return the key of a commit's records of a row's key, by the last of them."""
    return b"%s/%016x" % (format_row_key(kind, key), last)


def is_cut(kind: RowKind, key: bytes) -> bool:
    """Return whether a row's key does not stand whole in its key."""
    return len(_encode(kind, key)) > _CUT


def parse_row_key(kind: RowKind, key: bytes) -> bytes:
    """Return the row's key that a key lists records of, if it was not cut.

    Raises:
        ValueError: It is none of that kind.
    """
    text = key[len(_PREFIXES[kind]) :]
    if is_in_runs(kind):
        if not _RUN.fullmatch(text[-_RUN_BYTES:]):
            raise ValueError
        text = text[:-_RUN_BYTES]
    return _decode(kind, text)


def row_bound(kind: RowKind, key: bytes) -> bytes:
    """Return where rows with this key, or behind it, begin in immudb."""
    return _PREFIXES[kind] + _encode(kind, key)[:_CUT]


def group_of(kind: RowKind, key: bytes) -> bytes | None:
    """Return what the keys of rows share that immudb does not sort among themselves.

    They are those with long keys; None for any other.
    """
    size = len(_PREFIXES[kind]) + _CUT
    return key[:size] if len(key) > size else None


def _encode(kind: RowKind, key: bytes) -> bytes:
    """Return a row's key in the form that sorts."""
    if kind == "name":
        return _encode_build(key)
    return key if kind in _RAW else key.hex().encode()


def _decode(kind: RowKind, text: bytes) -> bytes:
    """Return a row's key from the form that sorts; the inverse of :func:`_encode`."""
    if kind == "name":
        return _decode_build(text)
    return text if kind in _RAW else bytes.fromhex(text.decode("ascii"))


def _encode_build(key: bytes) -> bytes:
    """Return a build's key; one that breaks off in its number sorts before it."""
    name, zero, rest = key.partition(b"\x00")
    if not zero:
        return _escape(name)
    digits = rest[:_NUMBER_BYTES]
    number = int.from_bytes(digits.ljust(_NUMBER_BYTES, b"\x00"), "big")
    text = b"%010d" % number if number < _MANY else b"~%020d" % number
    if len(digits) < _NUMBER_BYTES:
        return b"%b#%b!%d" % (_escape(name), text, len(digits))
    return b"%b#%b:%b" % (_escape(name), text, _escape(rest[_NUMBER_BYTES:]))


def _decode_build(text: bytes) -> bytes:
    """Return the row's key of a build's key; the inverse of :func:`_encode_build`."""
    found = _BUILD.fullmatch(text)
    if found is None:
        raise ValueError
    name, number, cut, instance = found.groups()
    if number is None:
        return _unescape(name)
    digits = int(number.removeprefix(b"~")).to_bytes(_NUMBER_BYTES, "big")
    digits = digits if cut is None else digits[: int(cut)]
    return b"%b\x00%b%b" % (_unescape(name), digits, _unescape(instance or b""))


def _escape(text: bytes) -> bytes:
    """Return text without any byte up to ``$`` that stands alone; it sorts as text."""
    return _ESCAPED.sub(lambda found: _ESCAPE + found[0], text)


def _unescape(text: bytes) -> bytes:
    """Return text as it was; the inverse of :func:`_escape`."""
    return _UNESCAPED.sub(lambda found: found[1], text)


_LOGS: dict[LogName, bytes] = {"main": b"main", "trust": b"trust"}
