"""Read a ledger no faster than a given number of bytes a second."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jenkins_notary.ports import LogName, LogReader, Row, RowKind


class Pace:
    """Count bytes, and wait where they come too fast.

    Attributes:
        total: Bytes so far.
    """

    def __init__(
        self,
        rate: int | None,
        clock: Callable[[], float],
        pause: Callable[[float], object],
    ) -> None:
        """Begin to count.

        Args:
            rate: Bytes a second; None for as fast as it goes.
            clock: Monotonic seconds.
            pause: Waits.
        """
        self.total = 0
        self._rate = rate
        self._clock = clock
        self._pause = pause
        self._free_at = clock()

    def count(self, size: int) -> None:
        """Count bytes that were moved; return when the next may be."""
        self.total += size
        if self._rate is None:
            return
        # Time that nobody used is not saved up.
        now = self._clock()
        self._free_at = max(self._free_at, now) + size / self._rate
        self._pause(self._free_at - now)


class PacedReader:
    """A ``LogReader`` that counts what another one gives."""

    def __init__(self, reader: LogReader, pace: Pace) -> None:
        """Hold both."""
        self._reader = reader
        self._pace = pace

    def checkpoint(self) -> bytes | None:
        """Return the newest checkpoint note."""
        note = self._reader.checkpoint()
        self._pace.count(len(note or b""))
        return note

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return entries."""
        found = self._reader.entries(log, start, stop)
        self._pace.count(sum(map(len, found)))
        return found

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return a hash tile."""
        found = self._reader.tile(log, level, n, width)
        self._pace.count(len(found))
        return found

    def rows(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        limit: int,
        after: tuple[bytes, int] | None = None,
        newest_first: bool = False,
    ) -> Sequence[Row]:
        """Return derived rows."""
        found = self._reader.rows(
            kind, low, high, limit=limit, after=after, newest_first=newest_first
        )
        self._pace.count(sum(len(one.key) for one in found))
        return found

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return envelopes."""
        found = self._reader.envelopes(digests)
        self._pace.count(sum(map(len, found.values())))
        return found
