"""Keep at hand what a writer has just committed, and what never changes.

Whoever appends needs the entries behind the last full tile, and whether statements were
recorded before. Both would make immudb write its index out at each commit
(:mod:`~jenkins_notary.engines.immudb.reading`). While one process writes alone, what it
committed since it last asked is all that is new: :class:`Known` holds that much.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from jenkins_notary.tlog.canonical import HASH_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.ports import Batch, LogName

STATEMENTS_KEPT = 50_000
ENTRIES_KEPT = 1024
TILES_KEPT = 512
"""Tiles of up to 8 KiB that are kept."""


class Known:
    """What one store has in memory; threads may share it."""

    def __init__(self) -> None:
        """Know nothing."""
        self._since_tx = 0
        self._newest_tx = 0
        self._statements: dict[bytes, int] = {}
        self._entries: tuple[int, Sequence[bytes]] = (0, ())
        self._tiles: dict[tuple[LogName, int, int], bytes] = {}

    def statements_since(self, tx: int) -> tuple[int, Mapping[bytes, int]]:
        """Return (transaction, first records of statements since then).

        Args:
            tx: The transaction that set the head that was read last.

        Returns:
            What was committed up to that transaction is to be asked for; all later
            statements are those returned.
        """
        if tx != self._newest_tx or len(self._statements) > STATEMENTS_KEPT:
            self._since_tx, self._newest_tx, self._statements = tx, tx, {}
        return self._since_tx, self._statements

    def add(self, batch: Batch, tx: int, onto_tx: int) -> None:
        """Remember a batch that was committed.

        Args:
            batch: The batch.
            tx: Its transaction.
            onto_tx: The transaction of the head that it was built on.
        """
        if onto_tx == self._newest_tx:
            for kind, key, index in batch.rows:
                if kind == "statement":
                    self._statements.setdefault(key, index)
            self._newest_tx = tx
            # The first commit of a database: there was nothing to ask for.
            self._since_tx = self._since_tx or tx
        start, entries = self._entries
        if start + len(entries) != batch.main_start:
            start, entries = batch.main_start, ()
        entries = (*entries, *batch.main)
        surplus = max(len(entries) - ENTRIES_KEPT, 0)
        self._entries = start + surplus, entries[surplus:]

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes] | None:
        """Return entries that were committed here, None if any was not."""
        first, kept = self._entries
        if log != "main" or not first <= start < stop <= first + len(kept):
            return None
        return kept[start - first : stop - first]

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes | None:
        """Return the first hashes of a tile that was read before, or None."""
        found = self._tiles.get((log, level, n), b"")[: width * HASH_SIZE]
        return found if len(found) == width * HASH_SIZE else None

    def keep_tile(self, log: LogName, level: int, n: int, hashes: bytes) -> None:
        """Keep a tile as far as it is there: hashes never change, they become more."""
        self._tiles[log, level, n] = hashes
        for oldest in [*islice(self._tiles, max(len(self._tiles) - TILES_KEPT, 0))]:
            self._tiles.pop(oldest, None)

    def forget_statements(self) -> None:
        """Ask for all statements again: rows were erased."""
        self._newest_tx = -1
