"""Take records over from another log, entry by entry, as they stood there.

Entries keep their commit times and their places; only what is derived is derived
again. Used by a log that follows another one (``succession``), and by whoever keeps a
copy of a log (``mirror``).
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.ledger.rows import OTHER_KEYS, derive_rows
from jenkins_notary.ports import Batch, Head, Row
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.tlog.tiles import grow_tiles
from jenkins_notary.values.envelope import idempotency_key
from jenkins_notary.values.leaf import check_agreement, format_trust_entry, parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ports import LogName, Store

    Item = tuple[bytes, bytes | None]
    """An entry and its envelope; None for one that was erased."""


_ROWS = 500
"""Rows that are added in one commit."""


class _Part:
    """What one commit takes."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.trust: list[bytes] = []
        self.envelopes: dict[bytes, bytes] = {}
        self.rows: list[Row] = []
        self.at_ms = 0

    @property
    def keys(self) -> int:
        """Return how many keys it has so far."""
        return len(self.rows) + OTHER_KEYS * len(self.entries)


class Transfer:
    """Write entries into a store of their own, in order.

    Attributes:
        main: The main log's frontier.
        trust: The trust log's frontier.
        erased: Indexes of the records that came without an envelope.
    """

    def __init__(self, store: Store, *, resume: bool = False) -> None:
        """Begin with an empty store, or go on behind what was taken over before.

        Raises:
            UsageError: It has records, and should have none.
        """
        head = store.head()
        if head is not None and not resume:
            raise UsageError("new ledger", expected="an empty one", got="records")
        self._store = store
        self._head: Head | None = head
        self.main = Frontier() if head is None else Frontier.decode(head.main)
        self.trust = Frontier() if head is None else Frontier.decode(head.trust)
        self.erased: list[int] = []

    def add(self, items: Sequence[Item]) -> None:
        """Commit the next entries with their envelopes.

        Raises:
            IntegrityError: An entry is no leaf, or an envelope does not agree with it.
            StorageError: The disk is full.
        """
        part = _Part()
        for index, (entry, data) in enumerate(items, self.main.size):
            where = f"record #{index}"
            leaf = parse_leaf(entry, subject=where)
            rows: list[Row] = []
            statement = None
            if data is None:
                self.erased.append(index)
            else:
                envelope, statement = check_agreement(leaf, data, subject=where)
                rows.append(Row("statement", idempotency_key(envelope), index))
            rows += derive_rows(index, leaf, statement)
            if part.keys + len(rows) + OTHER_KEYS > self._store.max_keys:
                self._commit(part)
                part = _Part()
            if data is not None:
                part.envelopes[bytes.fromhex(leaf.envelope_hex)] = data
            part.rows += rows
            part.entries.append(entry)
            if leaf.counts_for_trust:
                part.trust.append(format_trust_entry(index, leaf))
            part.at_ms = max(part.at_ms, leaf.at_ms)
        self._commit(part)

    def _commit(self, part: _Part) -> None:
        """Commit entries with all that belongs to them."""
        tiles: dict[tuple[LogName, int, int], bytes] = {}
        main = self._grow("main", self.main, part.entries, tiles)
        trust = self._grow("trust", self.trust, part.trust, tiles)
        at_ms = max(part.at_ms, 0 if self._head is None else self._head.at_ms)
        head = Head(main.encode(), trust.encode(), at_ms)
        batch = Batch(
            head,
            self.main.size,
            part.entries,
            self.trust.size,
            part.trust,
            part.envelopes,
            tiles,
            part.rows,
        )
        self._store.commit(batch, onto=self._head)
        self._head, self.main, self.trust = head, main, trust

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Commit rows that only the other log could tell: those of erased records."""
        for start in range(0, 0 if self._head is None else len(rows), _ROWS):
            assert self._head is not None  # noqa: S101 - as the line above asks
            some = rows[start : start + _ROWS]
            batch = Batch(
                self._head, self.main.size, [], self.trust.size, [], {}, {}, some
            )
            self._store.commit(batch, onto=self._head)

    def _grow(
        self,
        log: LogName,
        frontier: Frontier,
        entries: Sequence[bytes],
        tiles: dict[tuple[LogName, int, int], bytes],
    ) -> Frontier:
        """Add the tiles that entries complete; return the frontier behind them."""
        hashes = [hash_leaf(entry) for entry in entries]

        def read_tail(level: int, n: int, width: int) -> bytes:
            return self._store.tile(log, level, n, width)

        grown = grow_tiles(frontier.size, hashes, read_tail)
        tiles.update({(log, level, n): data for (level, n), data in grown.items()})
        return frontier.append(hashes)


def find_statement_rows(store: Store, erased: set[int]) -> list[Row]:
    """Return the rows that find erased records when they are handed in again."""
    if not erased:
        return []
    return [row for row in store.scan_rows("statement") if row.index in erased]
