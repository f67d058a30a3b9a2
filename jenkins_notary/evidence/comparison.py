r"""Compare a log as it was recorded with the log as it is served now.

Both are read once, a piece at a time, whatever their size. Of the first difference the
line's number is told, and both lines around the place where they part, bounded.

>>> found = compare_logs([b"one\ntwo\n"], [b"one\n", b"too\n"])
>>> found.line, found.recorded, found.served, found.is_same
(2, b'two', b'too', False)
"""

from __future__ import annotations

import hashlib

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHOWN = 300
"""The most bytes of a line that are shown on each side of the difference."""


class Comparison(NamedTuple):
    """How two logs compare.

    Attributes:
        recorded_size: Bytes of the recorded log that were read.
        served_size: Bytes of the served log.
        served_sha256: SHA-256 hex of all that was served.
        offset: Where they part, in bytes; None if they are the same.
        line: Number of the first line that differs, from 1; None if none does.
        recorded: That line in the recorded log, cut to what surrounds the difference;
            None where the log ends before it.
        served: The same of the served log.
    """

    recorded_size: int
    served_size: int
    served_sha256: str
    offset: int | None = None
    line: int | None = None
    recorded: bytes | None = None
    served: bytes | None = None

    @property
    def is_same(self) -> bool:
        """Return whether they are the same, byte for byte."""
        return self.offset is None

    @property
    def is_prefix(self) -> bool:
        """Return whether the served log only goes on where the recorded one ends."""
        return self.offset is not None and self.offset == self.recorded_size


def compare_logs(recorded: Iterable[bytes], served: Iterable[bytes]) -> Comparison:
    """Compare two logs; read both to their end.

    What either raises while it is read comes through as it is.
    """
    digest = hashlib.sha256()
    ours, theirs = _Side(recorded), _Side(_hashed(served, digest))
    place = _Place()
    while ours.fill() and theirs.fill():
        length = min(len(ours.held), len(theirs.held))
        same = _common_length(ours.held, theirs.held, length)
        place.pass_by(ours.held[:same])
        ours.drop(same)
        theirs.drop(same)
        if same < length:
            break
    if not ours.fill() and not theirs.fill():
        return Comparison(ours.size, theirs.size, digest.hexdigest())
    lines = [place.show(one.look_ahead()) for one in (ours, theirs)]
    for one in (ours, theirs):
        one.read_on()
    return Comparison(
        ours.size,
        theirs.size,
        digest.hexdigest(),
        place.offset,
        place.line,
        lines[0],
        lines[1],
    )


class _Side:
    """One of two logs, read piece by piece."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Begin with nothing read."""
        self._pieces = iter(pieces)
        self.held = b""
        self.size = 0

    def fill(self) -> bool:
        """Hold at least one byte; return whether there is one."""
        while not self.held:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self.size += len(piece)
            self.held = piece
        return True

    def drop(self, length: int) -> None:
        """Let go of the first bytes that are held."""
        self.held = self.held[length:]

    def look_ahead(self) -> bytes | None:
        """Return the bytes up to the end of the line, bounded; None at the end."""
        if not self.fill():
            return None
        while len(self.held) < SHOWN and b"\n" not in self.held:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self.size += len(piece)
            self.held += piece
        return self.held[:SHOWN].partition(b"\n")[0]

    def read_on(self) -> None:
        """Read to the end, for its size."""
        for piece in self._pieces:
            self.size += len(piece)


class _Place:
    """Where the reading of two equal logs has come to."""

    def __init__(self) -> None:
        """Begin at the first byte of line 1."""
        self.offset = 0
        self.line = 1
        self._before = b""

    def pass_by(self, data: bytes) -> None:
        """Take bytes that are the same in both."""
        self.offset += len(data)
        self.line += data.count(b"\n")
        _, mark, rest = data.rpartition(b"\n")
        self._before = (rest if mark else self._before + data[-SHOWN:])[-SHOWN:]

    def show(self, ahead: bytes | None) -> bytes | None:
        """Return the line around the place, given what comes in one of the logs."""
        if ahead is None:
            # It ends here; within a line it has what both have of it.
            return self._before or None
        return self._before + ahead


def _common_length(first: bytes, second: bytes, length: int) -> int:
    """Return how many of the first bytes are the same."""
    if first[:length] == second[:length]:
        return length
    low, high = 0, length
    # Halving: comparing slices runs at the speed of memory, a loop over bytes not.
    while high - low > 1:
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _hashed(pieces: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield pieces, each put into a digest first."""
    for piece in pieces:
        digest.update(piece)
        yield piece
