"""Keep a ledger in memory: for tests of programs that use this package.

It answers as the other engines do and forgets everything with the process:

>>> store = MemoryStore()
>>> store.engine, store.head(), store.entries("main", 0, 10)
('memory', None, [])
"""

from __future__ import annotations

from _thread import allocate_lock
from bisect import bisect_left, bisect_right

from jenkins_notary.errors import HeadMovedError, IntegrityError
from jenkins_notary.ports import ROW_KINDS, Row
from jenkins_notary.tlog.merkle import hash_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jenkins_notary.ports import Batch, Head, LogName, RowKind

_TILE_WIDTH = 256


class MemoryStore:
    """A Store of plain lists and dicts, shared by threads behind one lock."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = allocate_lock()
        self._head: Head | None = None
        self._checkpoint: tuple[int, bytes] | None = None
        self._settings: dict[str, bytes] = {}
        self._entries: dict[str, list[bytes]] = {"main": [], "trust": []}
        self._tiles: dict[tuple[LogName, int, int], bytes] = {}
        self._envelopes: dict[bytes, bytes] = {}
        self._rows: dict[str, list[tuple[bytes, int]]] = {k: [] for k in ROW_KINDS}

    @property
    def engine(self) -> str:
        """Return ``memory``."""
        return "memory"

    @property
    def max_keys(self) -> int:
        """Return no bound that matters."""
        return 1 << 30

    def head(self) -> Head | None:
        """Return the committed head, or None in a new store."""
        return self._head

    def commit(self, batch: Batch, *, onto: Head | None) -> None:
        """Take a batch if the store still has the head it was built on."""
        # Whatever can fail is done on copies, so nothing is ever half taken.
        logs = {
            "main": (batch.main_start, list(batch.main)),
            "trust": (batch.trust_start, list(batch.trust)),
        }
        tiles, envelopes = dict(batch.tiles), dict(batch.envelopes)
        rows = [(self._rows[kind], (key, index)) for kind, key, index in batch.rows]
        with self._lock:
            if self._head != onto:
                raise HeadMovedError(
                    "ledger in memory",
                    expected="the head that the batch was built on",
                    got="another",
                    advice="read the head and build again",
                )
            for log, (start, added) in logs.items():
                if added and start != len(self._entries[log]):
                    raise IntegrityError(
                        f"ledger in memory {log} log",
                        expected=f"{start} entries, as the head says",
                        got=f"{len(self._entries[log])}",
                    )
            for log, (_, added) in logs.items():
                self._entries[log] += added
            self._tiles.update(tiles)
            for digest, raw in envelopes.items():
                self._envelopes.setdefault(digest, raw)
            for table, pair in rows:
                place = bisect_left(table, pair)
                if table[place : place + 1] != [pair]:
                    table.insert(place, pair)
            self._head = batch.head

    def checkpoint(self) -> bytes | None:
        """Return the newest published checkpoint note, or None before the first."""
        kept = self._checkpoint
        return None if kept is None else kept[1]

    def publish(self, checkpoint: bytes, *, size: int) -> None:
        """Keep a checkpoint note unless a larger one is kept."""
        with self._lock:
            if self._checkpoint is None or self._checkpoint[0] <= size:
                self._checkpoint = size, checkpoint

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        return self._entries[log][start:stop] if 0 <= start < stop else []

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a hash tile."""
        if width <= 0:
            return b""
        kept = self._tiles.get((log, level, n))
        if kept is not None:
            return kept[: width * 32]
        start = n * _TILE_WIDTH
        partial = self.entries(log, start, start + min(width, _TILE_WIDTH))
        return b"" if level else b"".join([hash_leaf(entry) for entry in partial])

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
        """Return derived rows with ``low <= key < high``, sorted by (key, index)."""
        with self._lock:
            table = self._rows[kind]
            first, last = bisect_left(table, (low, -1)), bisect_left(table, (high, -1))
            if after is not None and newest_first:
                last = min(last, bisect_left(table, after))
            elif after is not None:
                first = max(first, bisect_right(table, after))
            found = table[first:last]
        if newest_first:
            found.reverse()
        return [Row(kind, *pair) for pair in found[: max(limit, 0)]]

    def first_rows(self, statements: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the index of the first record of each statement that is there."""
        found = {}
        for one in statements:
            for row in self.rows("statement", one, one + b"\x00", limit=1):
                found[one] = row.index
        return found

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        kept = self._envelopes
        return {digest: kept[digest] for digest in digests if digest in kept}

    def get_setting(self, name: str) -> bytes | None:
        """Return a small setting, or None."""
        return self._settings.get(name)

    def put_setting(self, name: str, value: bytes) -> None:
        """Put a setting."""
        self._settings[name] = value

    def erase(self, digests: Iterable[bytes], rows: Iterable[Row]) -> None:
        """Forget envelopes (by SHA-256) and rows."""
        gone = set(digests)
        pairs = [(kind, (key, index)) for kind, key, index in rows]
        with self._lock:
            self._envelopes = {
                digest: raw
                for digest, raw in self._envelopes.items()
                if digest not in gone
            }
            for kind, pair in pairs:
                if pair in self._rows[kind]:
                    self._rows[kind].remove(pair)

    def scan_rows(self, kind: RowKind) -> Iterator[Row]:
        """Yield all rows of a kind, sorted by (key, index)."""
        with self._lock:
            table = list(self._rows[kind])
        return (Row(kind, *pair) for pair in table)

    def scan_envelopes(self) -> Iterator[bytes]:
        """Yield the SHA-256 of every stored envelope, sorted."""
        return iter(sorted(self._envelopes))

    def scan_tiles(self, log: LogName) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, n, hashes) of every stored tile, sorted."""
        with self._lock:
            tiles = sorted(self._tiles.items())
        return ((level, n, hashes) for (name, level, n), hashes in tiles if name == log)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
