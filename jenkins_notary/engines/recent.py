"""Keep at hand what a long-lived writer has just committed.

Whoever answers the requests of a group reads each of its records again, to prove it:
from a :class:`RecentStore` these come from memory. It holds the last batch that it
committed itself, and the leaf hashes behind the last full tile, which are otherwise
made of up to 255 entries. What it holds is what stands in the log: the head was
compared when it was committed, and a log only grows. All else is read from the file.
"""

from __future__ import annotations

from hashlib import sha256

from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.tiles import TILE_WIDTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jenkins_notary.engines.sqlite_file import Database
    from jenkins_notary.ports import Batch, Head, LogName, Row

_HASH_BYTES = 32


class RecentStore(SqliteStore):
    """A SqliteStore of one thread that reads what it wrote last from memory."""

    def __init__(self, database: Database) -> None:
        """Hold an open database; nothing is known yet."""
        super().__init__(database)
        self._start = 0
        self._entries: Sequence[bytes] = ()
        self._envelopes: Mapping[bytes, bytes] = {}
        self._tail_tile = -1
        self._tail = b""

    def commit(self, batch: Batch, *, onto: Head | None) -> None:
        """Make a batch durable, and remember it."""
        tail = self._read_tail(batch.main_start)
        self._forget()
        super().commit(batch, onto=onto)
        self._start, self._entries = batch.main_start, batch.main
        # One that was there before stays as it is; it is this one if its digest is.
        self._envelopes = {
            digest: raw
            for digest, raw in batch.envelopes.items()
            if sha256(raw).digest() == digest
        }
        hashes = tail + b"".join([hash_leaf(entry) for entry in batch.main])
        end = batch.main_start + len(batch.main)
        self._tail_tile, width = divmod(end, TILE_WIDTH)
        self._tail = hashes[len(hashes) - width * _HASH_BYTES :]

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        first, last = start - self._start, stop - self._start
        if log == "main" and 0 <= first < last <= len(self._entries):
            return self._entries[first:last]
        return super().entries(log, start, stop)

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a hash tile."""
        size = width * _HASH_BYTES
        is_tail = log == "main" and level == 0 and n == self._tail_tile
        if is_tail and 0 < size <= len(self._tail):
            return self._tail[:size]
        return super().tile(log, level, n, width)

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        if self._envelopes.keys() >= set(digests):
            return {digest: self._envelopes[digest] for digest in digests}
        return super().envelopes(digests)

    def erase(self, digests: Iterable[bytes], rows: Iterable[Row]) -> None:
        """Destroy envelopes (by SHA-256) and rows beyond recovery from the file."""
        self._forget()
        super().erase(digests, rows)

    def _forget(self) -> None:
        """Know nothing but what the file holds."""
        self._start, self._entries, self._envelopes = 0, (), {}
        self._tail_tile, self._tail = -1, b""

    def _read_tail(self, size: int) -> bytes:
        """Return the leaf hashes behind the last full tile of a log of some size."""
        tile, width = divmod(size, TILE_WIDTH)
        return self.tile("main", 0, tile, width) if width else b""
