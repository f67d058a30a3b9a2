"""Grow a tree again from its leaf hashes and compare it with the stored one.

Leaf hashes come in groups of 256, as roots; the tiles above them are compared with
the stored ones as soon as they are full. What stays in memory is one open tile a
level and the frontier.
"""

from __future__ import annotations

from jenkins_notary.ledger.reread import check_tile
from jenkins_notary.tlog.merkle import Frontier, root_of
from jenkins_notary.tlog.tiles import TILE_WIDTH, tile_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ledger.findings import Findings
    from jenkins_notary.ports import LogName, Store


class Regrowth:
    """One log's tree, grown again in order."""

    def __init__(self, store: Store, log: LogName, findings: Findings) -> None:
        """Start with the empty tree."""
        self._store = store
        self._log = log
        self._findings = findings
        self._groups = Frontier()
        self._open: list[bytes] = []
        self._tiles: dict[int, list[bytes]] = {}
        self._counts: dict[int, int] = {}

    def add_groups(self, roots: Sequence[bytes]) -> None:
        """Add the roots of the next whole groups of 256 leaves."""
        self._groups = self._groups.append(roots)
        for root in roots:
            self._add(1, root)

    def finish(self, open_hashes: Sequence[bytes]) -> None:
        """Add the leaf hashes of the last, open group; compare the open tiles."""
        self._open = list(open_hashes)
        for level, hashes in sorted(self._tiles.items()):
            if hashes:
                place = level, self._counts.get(level, 0)
                check_tile(
                    self._store, self._log, place, hashes, findings=self._findings
                )

    def frontier(self, open_hashes: Sequence[bytes] | None = None) -> Frontier:
        """Return the frontier so far, with the leaves of an open group."""
        rest = Frontier().append(self._open if open_hashes is None else open_hashes)
        size = self._groups.size * TILE_WIDTH + rest.size
        return Frontier(size, self._groups.hashes + rest.hashes)

    def frontier_at(
        self, roots: Sequence[bytes], cut_hashes: Sequence[bytes]
    ) -> Frontier:
        """Return the frontier after some more groups and an open one, unchanged."""
        groups = self._groups.append(roots)
        rest = Frontier().append(cut_hashes)
        return Frontier(
            groups.size * TILE_WIDTH + rest.size, groups.hashes + rest.hashes
        )

    def _add(self, level: int, root: bytes) -> None:
        """Add a hash to the open tile of a level; compare the tile once it is full."""
        hashes = self._tiles.setdefault(level, [])
        hashes.append(root)
        if len(hashes) < TILE_WIDTH:
            return
        n = self._counts.get(level, 0)
        check_tile(self._store, self._log, (level, n), hashes, findings=self._findings)
        self._tiles[level], self._counts[level] = [], n + 1
        self._add(level + 1, root_of(hashes))


def check_stored_tiles(
    store: Store, log: LogName, sizes: tuple[int, int], findings: Findings
) -> int:
    """Check that a store holds the tiles of a tree and no others; return how many.

    What the tiles hold is compared elsewhere.

    Args:
        store: The ledger.
        log: Which log.
        sizes: The size that was checked, and the present one: never smaller.
        findings: Where a missing or additional tile goes.
    """
    size, present = sizes
    seen: dict[int, bytearray] = {}
    count = 0
    for level, n, hashes in store.scan_tiles(log):
        count += 1
        whole = _whole_tiles(present, level)
        where = (
            f"{log} log, {tile_path(level, n) if _is_place(level, n) else (level, n)}"
        )
        if not 0 <= n < whole or len(hashes) > _width(present, level, n) * 32:
            findings.add(
                "tile",
                where,
                expected=f"none beyond a tree of {present}",
                got=f"{len(hashes)} bytes",
            )
            continue
        marks = seen.setdefault(level, bytearray(_whole_tiles(size, level)))
        if n < len(marks):
            marks[n] = 1
    level = 0
    while _whole_tiles(size, level):
        marks = seen.get(level, bytearray(_whole_tiles(size, level)))
        for n in range(len(marks)):
            if not marks[n]:
                findings.add("tile", f"{log} log, {tile_path(level, n)}", got="none")
        level += 1
    return count


def _is_place(level: int, n: int) -> bool:
    """Return whether a tile can be named by a path."""
    return 0 <= level <= 63 and 0 <= n < 1 << 62


def _whole_tiles(size: int, level: int) -> int:
    """Return how many tiles of a level a store keeps: full ones only at level 0."""
    hashes = size >> (8 * level) if level >= 0 else 0
    return hashes // TILE_WIDTH if level == 0 else -(-hashes // TILE_WIDTH)


def _width(size: int, level: int, n: int) -> int:
    """Return how many hashes a tile has in a tree."""
    return min(TILE_WIDTH, (size >> (8 * level)) - n * TILE_WIDTH)
