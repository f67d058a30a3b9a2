r"""Write and read the archive of a pack: a plain tar of which one form is allowed.

Each member is a POSIX ustar header of one block, the bytes, and zeros up to the next
block; two blocks of zeros end it. Every header follows from name and size alone: mode
0644, owner 0, time 0, a regular file. So the same content gives the same bytes, and a
reader makes the header again and compares: links, devices, long names, extensions and
all else that tar can do are another form, and refused.

>>> header = format_header("jenkins-notary-pack/checkpoint", 5)
>>> len(header), header[124:135]
(512, b'00000000005')

Members come in one order, each once, and only under names that a pack has::

    pack.json              what was packed, by whose choice
    checkpoint             the log's signed note
    trust.jsonl            the trust log's entries, a line each
    records/<index>.leaf.json, .tlog-proof, .dsse.json
    bodies/<sha256>        logs, attachments
    policy.yaml            the policy that was given, if any
    index.html, report.md  the same facts for a person
    verify.py              a verifier that needs this project no more

An archive that is not compressed takes no more to read than its own length.

Source: POSIX.1-1988 ustar interchange format.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

FOLDER = "jenkins-notary-pack/"
HEAD, CHECKPOINT, TRUST = "pack.json", "checkpoint", "trust.jsonl"
POLICY, PAGE, REPORT, VERIFIER = "policy.yaml", "index.html", "report.md", "verify.py"
LEAF, PROOF, ENVELOPE = ".leaf.json", ".tlog-proof", ".dsse.json"

MAX_MEMBER = (8 << 30) - 1
"""The longest member: what eleven octal digits tell."""

MAX_MEMBERS = 1_000_000

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_FILES = (HEAD, CHECKPOINT, TRUST, "records/", "bodies/", POLICY, PAGE, REPORT)
_ORDER = {name: place for place, name in enumerate((*_FILES, VERIFIER))}
_NUMBERED = re.compile(
    r"(records/)[0-9]{16}\.(?:dsse\.json|leaf\.json|tlog-proof)|(bodies/)[0-9a-f]{64}"
)


class Member(NamedTuple):
    """Where a member's bytes lie.

    Attributes:
        offset: Of the first byte.
        size: How many.
    """

    offset: int
    size: int


def record_name(index: int, suffix: str) -> str:
    """Return the name of a record's member.

    >>> record_name(42, LEAF)
    'records/0000000000000042.leaf.json'
    """
    return f"records/{index:016d}{suffix}"


def body_name(sha256_hex: str) -> str:
    """Return the name of a body's member."""
    return f"bodies/{sha256_hex}"


def format_header(path: str, size: int) -> bytes:
    """Return the block that a member begins with.

    Raises:
        UsageError: It cannot be told in a header.
    """
    if size > MAX_MEMBER or not path.isascii() or len(path) > 100:
        raise UsageError(
            f"{path[:200]} in a pack",
            expected=f"at most {MAX_MEMBER} bytes",
            got=f"{size}",
            advice="pack without bodies, and hand the body over beside the pack",
        )
    fields = b"".join(
        (
            path.encode().ljust(100, b"\0"),
            b"0000644\0" + b"0000000\0" * 2,
            b"%011o\0" % size,
            b"%011o\0" % 0,
            b" " * 8,
            b"0".ljust(101, b"\0"),
            b"ustar\x0000".ljust(72, b"\0"),
            b"0000000\0" * 2,
        )
    ).ljust(_BLOCK, b"\0")
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def write_member(name: str, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of one member; the pieces come to its size."""
    yield format_header(FOLDER + name, size)
    yield from pieces
    yield bytes(-size % _BLOCK)


def write_end() -> bytes:
    """Return what ends an archive."""
    return _END


def read_members(file: BinaryIO) -> dict[str, Member]:
    """Return the members of an archive by name; only their headers are read.

    Args:
        file: A file that can seek.

    Raises:
        IntegrityError: Not in the one form: another kind of member, a name that no pack
            has or that stands twice, another order, an end too early or too late.
    """
    length = file.seek(0, 2)
    members: dict[str, Member] = {}
    offset, last = 0, (-1, "")
    while True:
        file.seek(offset)
        block = file.read(_BLOCK)
        if not any(block):
            break
        name, size = _read_header(block, offset)
        rank = _rank(name)
        if rank <= last or len(members) >= MAX_MEMBERS:
            raise _malformed(f"member {name}", "each once, in order", "another place")
        last = rank
        members[name] = Member(offset + _BLOCK, size)
        offset += _BLOCK + size + -size % _BLOCK
        if offset > length:
            raise _malformed(f"member {name}", f"{size} bytes", "an archive cut short")
    file.seek(offset)
    if length != offset + len(_END) or file.read(len(_END)) != _END:
        raise _malformed("end", f"{len(_END)} zero bytes", f"{length - offset} bytes")
    _check_padding(file, members)
    return members


def _read_header(block: bytes, offset: int) -> tuple[str, int]:
    """Return (name, size) of a header, which must be as this module writes it."""
    path = block[:100].rstrip(b"\0").decode("ascii", "replace")
    digits = block[124:135]
    if path.startswith(FOLDER) and re.fullmatch(rb"[0-7]{11}", digits):
        size = int(digits, 8)
        if path.isascii() and format_header(path, size) == block:
            return path[len(FOLDER) :], size
    raise _malformed(f"member at byte {offset}", "a header of a pack", repr(path)[:120])


def _rank(name: str) -> tuple[int, str]:
    """Return where a member stands.

    Raises:
        IntegrityError: No pack has a member of that name.
    """
    found = _NUMBERED.fullmatch(name)
    kind = name if found is None else found[1] or found[2]
    if kind not in _ORDER or (found is None and kind.endswith("/")):
        raise _malformed(f"member {name[:120]!r}", "a name that a pack has", "another")
    return _ORDER[kind], name


def _check_padding(file: BinaryIO, members: dict[str, Member]) -> None:
    """Check that nothing hides between the members."""
    for name, (offset, size) in members.items():
        if size % _BLOCK:
            file.seek(offset + size)
            if any(file.read(-size % _BLOCK)):
                raise _malformed(f"member {name}", "zeros behind it", "other bytes")


def _malformed(subject: str, expected: str, got: str) -> IntegrityError:
    """Return the error for an archive that no pack is."""
    return IntegrityError(
        f"pack: {subject}",
        expected=expected,
        got=got,
        advice="it was altered or cut short: get it again from whoever made it",
    )
