"""Encode the two values that change with each commit: head and checkpoint.

Both begin with a byte that says how the whole database is laid out, so that whoever
reads either, and everybody does, refuses another layout.
"""

from __future__ import annotations

import struct

from jenkins_notary.errors import ConfigurationError, IntegrityError
from jenkins_notary.ports import Head
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LAYOUT = 2
"""What lies under which key; a database of another layout is refused."""

_FIRST_TEXT = b" "
"""What begins so is text that somebody put there, and no layout."""

_HEAD = struct.Struct(">BQQQI")
_NOTE = struct.Struct(">BQ")


class StoredHead(NamedTuple):
    """The head as it is stored.

    Attributes:
        head: The head.
        sizes: Entries of each log.
        tx: The transaction that set it.
    """

    head: Head
    sizes: Mapping[str, int]
    tx: int

    def encode(self) -> bytes:
        """Return its value in immudb."""
        head, sizes = self.head, self.sizes
        start = _HEAD.pack(
            LAYOUT, sizes["main"], sizes["trust"], head.at_ms, len(head.main)
        )
        return start + head.main + head.trust

    @classmethod
    def decode(cls, value: bytes, tx: int, name: str) -> StoredHead:
        """Return the head of a value; the inverse of :meth:`encode`."""
        _check_layout(value, name)
        try:
            _, main, trust, at_ms, length = _HEAD.unpack_from(value)
        except struct.error as error:
            raise IntegrityError(f"ledger {name} head", expected="a head") from error
        rest = value[_HEAD.size :]
        head = Head(rest[:length], rest[length:], at_ms)
        return cls(head, {"main": main, "trust": trust}, tx)


class StoredNote(NamedTuple):
    """A published checkpoint as it is stored.

    Attributes:
        size: The size that it is of.
        note: The signed note.
    """

    size: int
    note: bytes

    def encode(self) -> bytes:
        """Return its value in immudb."""
        return _NOTE.pack(LAYOUT, self.size) + self.note

    @classmethod
    def decode(cls, value: bytes, name: str) -> StoredNote:
        """Return the checkpoint of a value; the inverse of :meth:`encode`."""
        _check_layout(value, name)
        try:
            _, size = _NOTE.unpack_from(value)
        except struct.error as error:
            raise IntegrityError(
                f"ledger {name} checkpoint", expected="a checkpoint"
            ) from error
        return cls(size, value[_NOTE.size :])


def _check_layout(value: bytes, name: str) -> None:
    """Check that a database is laid out as this program does.

    Raises:
        ConfigurationError: Another version of it did.
        IntegrityError: None ever will.
    """
    if value[:1] >= _FIRST_TEXT:
        raise IntegrityError(f"ledger {name}", expected="a head or checkpoint")
    if value[:1] != bytes([LAYOUT]):
        # What began with a size had zeros there.
        got = max(int.from_bytes(value[:1], "big"), 1)
        raise ConfigurationError(
            f"ledger {name}",
            expected=f"layout {LAYOUT}",
            got=f"layout {got}",
            advice="with the version of jenkins-notary that made it migrate it into a "
            "file, and from there to immudb with this one",
        )
