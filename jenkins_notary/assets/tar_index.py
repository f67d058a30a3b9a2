"""List the members of a tar file that nobody vouches for, without extracting any.

The standard library's reader takes a header's word for sizes and reads extension
headers whole into memory; this one reads 512 bytes at a time, bounds everything, and
refuses by name what an image archive never has: compressed input, names that leave the
archive, sparse files, a name that stands twice. Data is read later, by offset.

Source: POSIX.1-2017 pax (ustar and pax headers), GNU tar's ``L``/``K`` long names and
base-256 numbers.
"""

from __future__ import annotations

import posixpath

from jenkins_notary.assets.asset import printable
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

MAX_MEMBERS = 50_000
"""Members that one archive may have."""

MAX_EXTENSION_BYTES = 64 * 1024
"""Longest pax header or GNU long name."""

_BLOCK = 512
_FILE_TYPES = (b"0", b"\0", b"7")
_LINK_TYPES = {b"1": "hard link", b"2": "link"}
_OTHER_TYPES = {b"5": "folder", b"3": "device", b"4": "device", b"6": "pipe"}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}


class Member(NamedTuple):
    """One entry of an archive.

    Attributes:
        name: Its path, normalized, with ``/``; never absolute, never with ``..``.
        kind: ``file``, ``link``, ``hard link``, ``folder``.
        offset: Where its data starts in the archive.
        size: Bytes of data.
        target: Links: what they name, as it stands there.
    """

    name: str
    kind: str
    offset: int
    size: int
    target: str


def index_tar(file: BinaryIO, total_bytes: int, what: str) -> dict[str, Member]:
    """Return every member of a tar file by name.

    Args:
        file: The archive, seekable.
        total_bytes: Its length.
        what: How messages call it.

    Raises:
        UsageError: It is compressed, no tar file, or exceeds a limit.
        IntegrityError: It is cut off, a header is damaged, or a member is one that an
            image archive never has.
    """
    members: dict[str, Member] = {}
    offset = 0
    extra: dict[str, str] = {}
    while True:
        header = _read_at(file, offset, _BLOCK)
        if offset == 0:
            _check_is_tar(header, what)
        if len(header) < _BLOCK or not header.strip(b"\0"):
            if len(header) not in (0, _BLOCK):
                raise _damaged(what, "a whole header", "a cut off one")
            return members
        _check_sum(header, what)
        size = _number(header[124:136], what)
        kind = header[156:157]
        data = offset + _BLOCK
        if kind in (b"x", b"g", b"L", b"K"):
            extra.update(_read_extension(file, kind, (data, size), what))
            offset = data + -(-size // _BLOCK) * _BLOCK
            continue
        member = _make_member(header, extra, data, what)
        extra = {}
        if data + member.size > total_bytes:
            raise _damaged(what, f"{member.size} bytes of {member.name}", "fewer")
        if member.name in members and member.kind != "folder":
            raise _damaged(what, "each name once", f"{member.name} twice")
        members[member.name] = member
        if len(members) > MAX_MEMBERS:
            raise UsageError(
                what, expected=f"at most {MAX_MEMBERS} members", got="more"
            )
        offset = data + -(-member.size // _BLOCK) * _BLOCK


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _check_is_tar(header: bytes, what: str) -> None:
    """Say what the file is, if it is no tar file."""
    compression = _COMPRESSED.get(header[:2])
    if compression:
        raise UsageError(
            what,
            expected="a plain tar file",
            got=f"one compressed with {compression}",
            advice="decompress it first",
        )
    if len(header) < _BLOCK or header[257:262] != b"ustar":
        raise UsageError(what, expected="a tar file", got="something else")


def _check_sum(header: bytes, what: str) -> None:
    """Compare the header's checksum: its bytes summed, its own field as spaces."""
    actual = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
    if _number(header[148:156], what) != actual:
        raise _damaged(what, "a header with its checksum", "another sum")


def _number(field: bytes, what: str) -> int:
    """Read an octal field, or GNU's base-256 one (first bit set)."""
    if field[0] == 0x80:  # A positive base-256 number.
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not all(0x30 <= digit <= 0x37 for digit in digits):  # 0 to 7.
        raise _damaged(what, "an octal number in a header", "another value")
    return int(digits or b"0", 8)


def _read_extension(
    file: BinaryIO, kind: bytes, span: tuple[int, int], what: str
) -> dict[str, str]:
    """Return what a pax header or GNU long name says of the next member."""
    offset, size = span
    if size > MAX_EXTENSION_BYTES:
        limit = f"header extensions of at most {MAX_EXTENSION_BYTES} bytes"
        raise UsageError(what, expected=limit, got=str(size))
    content = _read_at(file, offset, size)
    if len(content) < size:
        raise _damaged(what, "a whole header extension", "a cut off one")
    if kind in (b"L", b"K"):
        text = _text(content.rstrip(b"\0"), what)
        return {"path" if kind == b"L" else "linkpath": text}
    found: dict[str, str] = {}
    while content:
        # Each record is "<length> <key>=<value>\n"; the length counts all of it.
        length, space, _ = content.partition(b" ")
        end = int(length) if space and length.isdigit() and len(length) < 7 else 0
        record = content[len(length) + 1 : end]
        key, equals, value = record.partition(b"=")
        if end > len(content) or not equals or not value.endswith(b"\n"):
            raise _damaged(what, "a pax record", "another structure")
        name = _text(key, what)
        if name.startswith("GNU.sparse") or (kind == b"g" and name in _OVERRIDES):
            raise _damaged(what, "plain members", f"pax key {printable(name)}")
        if name in _OVERRIDES:
            found[name] = _text(value[:-1], what)
        content = content[end:]
    return found


_OVERRIDES = ("path", "linkpath", "size")


def _make_member(header: bytes, extra: dict[str, str], data: int, what: str) -> Member:
    """Return the member that a header and its extensions describe."""
    name = _field(header[:100], what)
    prefix = _field(header[345:500], what) if header[257:263] == b"ustar\0" else ""
    name = extra.get("path", f"{prefix}/{name}" if prefix else name)
    kind = header[156:157]
    target = extra.get("linkpath", _field(header[157:257], what))
    is_file = kind in _FILE_TYPES
    if is_file and name.endswith("/"):
        kind, is_file = b"5", False
    label = "file" if is_file else _LINK_TYPES.get(kind, _OTHER_TYPES.get(kind, ""))
    if label not in ("file", "link", "hard link", "folder"):
        got = label or f"type {printable(repr(kind))}"
        raise _damaged(what, "files, folders and links", f"{printable(name)}: {got}")
    size = _number(header[124:136], what)
    if "size" in extra:
        if not extra["size"].isdigit() or len(extra["size"]) > 18:
            raise _damaged(what, "a size", "another value")
        size = int(extra["size"])
    clean = posixpath.normpath(name)
    if name.startswith("/") or clean.startswith("../") or clean == "..":
        raise _damaged(what, "names inside of the archive", printable(name))
    return Member(clean, label, data, size if is_file else 0, target)


def _field(field: bytes, what: str) -> str:
    """Return a NUL-ended text field."""
    return _text(field.partition(b"\0")[0], what)


def _text(content: bytes, what: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _damaged(what, "names in UTF-8", "other bytes") from error
    if "\0" in text:
        raise _damaged(what, "names without NUL", "one")
    return text


def _damaged(what: str, expected: str, got: str) -> IntegrityError:
    return IntegrityError(what, expected=expected, got=got)
