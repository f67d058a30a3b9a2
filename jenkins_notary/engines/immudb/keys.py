"""Name what lies in immudb: the keys, readable with immudb's own client.

==================================== =========================================
``head``                             both frontiers and the last time
``checkpoint``                       the newest published note behind its size
``setting/NAME``                     a small setting
``main/INDEX``                       a leaf, as JSON
``trust/INDEX``                      an entry of the trust log
``tile/LOG/LEVEL/N``                 hashes of a tile
``envelope/SHA256``                  an envelope, encrypted, or its pieces
``piece/SHA256/N``                   a piece of an envelope that is long
``sha256/DIGEST/INDEX``              the record #INDEX is about this digest
``job/INSTANCE:NAME#NUMBER/INDEX``   the record #INDEX is of this build
``statement/SHA256``                 the record that holds this statement
``KIND/KEY/INDEX``                   any other derived row
==================================== =========================================

Numbers are 16 hex digits, LEVEL is two. The row of a statement that was the first has
its index as value, so that many are looked up in one call. Rows sort as (key, index)
does: keys of fixed size are hex; a ``name`` key is bytes with its zeros escaped. A key
longer than immudb takes is cut and ends in its hash; its row holds it as the value.

>>> format_row(Row("subject", bytes(2), 5))
(b'sha256/0000/0000000000000005', b'')
"""

from __future__ import annotations

from hashlib import sha256

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ports import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import LogName, RowKind

HEAD = b"head"
CHECKPOINT = b"checkpoint"
MAX_KEY_BYTES = 1024

_PREFIXES: dict[RowKind, bytes] = {
    "subject": b"sha256/",
    "job": b"job-sha256/",
    "name": b"name/",
    "signer": b"signer/",
    "commit": b"commit/",
    "statement": b"statement/",
}
_KINDS = {prefix: kind for kind, prefix in _PREFIXES.items()}
_ESCAPED = frozenset({"name"})
_CUT = 900
_END, _CUT_END = b"\x00\x01", b"\x00\x02"
_HEX_END = b"/"
_NUMBER = 16


def log_prefix(log: LogName) -> bytes:
    """Return how the keys of a log's entries begin."""
    return _LOGS[log] + b"/"


def format_entry(log: LogName, index: int) -> bytes:
    """Return the key of a log's entry."""
    return b"%s/%016x" % (_LOGS[log], index)


def format_tile(log: LogName, level: int, n: int) -> bytes:
    """Return the key of a tile."""
    return b"tile/%s/%02x/%016x" % (_LOGS[log], level, n)


def parse_tile(log: LogName, key: bytes) -> tuple[int, int]:
    """Return (level, n) of a tile's key."""
    parts = key.removeprefix(tiles_prefix(log)).split(b"/")
    return int(parts[0], 16), int(parts[1], 16)


def tiles_prefix(log: LogName) -> bytes:
    """Return how the keys of a log's tiles begin."""
    return b"tile/%s/" % _LOGS[log]


def format_setting(name: str) -> bytes:
    """Return the key of a setting."""
    return b"setting/" + name.encode()


def format_envelope(digest: bytes) -> bytes:
    """Return the key of an envelope."""
    return b"envelope/" + digest.hex().encode()


def parse_envelope(key: bytes) -> bytes:
    """Return the digest in an envelope's key."""
    return bytes.fromhex(key.removeprefix(b"envelope/").decode())


def format_piece(digest: bytes, number: int) -> bytes:
    """Return the key of a piece of an envelope."""
    return b"piece/%s/%016x" % (digest.hex().encode(), number)


def rows_prefix(kind: RowKind) -> bytes:
    """Return how the keys of a kind's rows begin."""
    return _PREFIXES[kind]


def format_row(row: Row) -> tuple[bytes, bytes]:
    """Return (key, value) of a row."""
    prefix, text = _PREFIXES[row.kind], _escape(row.kind, row.key)
    number = b"%016x" % row.index
    if len(text) <= _CUT:
        return prefix + text + _end(row.kind) + number, b""
    cut = text[:_CUT] + _CUT_END + sha256(text).hexdigest().encode()
    return prefix + cut + _HEX_END + number, row.key


def format_first(row: Row) -> tuple[bytes, bytes]:
    """Return (key, value) of the first row of a statement."""
    return first_key(row.key), b"%016x" % row.index


def first_key(key: bytes) -> bytes:
    """Return the key of the first row of a statement."""
    return _PREFIXES["statement"] + key.hex().encode()


def parse_row(kind: RowKind, key: bytes, value: bytes) -> Row:
    """Return the row of a key and its value; the inverse of :func:`format_row`.

    Raises:
        IntegrityError: It is no row of that kind.
    """
    text = key[len(_PREFIXES[kind]) :]
    try:
        if kind == "statement" and b"/" not in text:
            found = Row(kind, bytes.fromhex(text.decode()), int(value, 16))
            made = format_first(found)
        else:
            own, index = (
                text[:-_NUMBER].removesuffix(_end(kind)),
                int(text[-_NUMBER:], 16),
            )
            found = Row(kind, value or _unescape(kind, own), index)
            made = format_row(found)
    except ValueError:
        made = None
    if made != (key, value):
        raise IntegrityError(
            f"immudb {kind} row {key[:80]!r}", expected="a row of this program"
        )
    return found


def row_bound(kind: RowKind, key: bytes) -> bytes:
    """Return where rows with this key, or behind it, begin in immudb."""
    return _PREFIXES[kind] + _escape(kind, key)[:_CUT]


def group_of(kind: RowKind, key: bytes) -> bytes | None:
    """Return what the keys of rows share that immudb does not sort among themselves.

    They are those with long keys, and those of one statement; None for any other.
    """
    size = len(_PREFIXES[kind]) + (64 if kind == "statement" else _CUT)
    return key[:size] if len(key) > size or kind == "statement" else None


def format_job(row: Row) -> bytes | None:
    """Return the key under which a person finds a build, None if it would be long.

    Args:
        row: A row of the kind ``name``; see ``ports.ROW_KINDS``.
    """
    name, zero, rest = row.key.partition(b"\x00")
    if not zero or len(rest) < 8 or b"\x00" in rest[8:]:
        return None
    number, instance = int.from_bytes(rest[:8], "big"), rest[8:]
    where = instance + b":" if instance else b""
    key = b"job/%s%s#%d/%016x" % (where, name, number, row.index)
    return key if len(key) <= MAX_KEY_BYTES - 1 else None


def _escape(kind: RowKind, key: bytes) -> bytes:
    """Return a row's key in the form that sorts."""
    if kind in _ESCAPED:
        return key.replace(b"\x00", b"\x00\xff")
    return key.hex().encode()


def _unescape(kind: RowKind, text: bytes) -> bytes:
    """Return a row's key from the form that sorts."""
    if kind in _ESCAPED:
        return text.replace(b"\x00\xff", b"\x00")
    return bytes.fromhex(text.decode())


def _end(kind: RowKind) -> bytes:
    """Return what ends a row's key; it sorts before whatever may follow."""
    return _END if kind in _ESCAPED else _HEX_END


_LOGS: dict[LogName, bytes] = {"main": b"main", "trust": b"trust"}
