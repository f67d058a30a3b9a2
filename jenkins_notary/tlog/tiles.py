r"""Name, cut, read and grow the tiles of a log, and bundle its entries.

A *tile* is up to 256 hashes of one level, laid end to end. Tile *n* of level *l* holds
the hashes of perfect subtrees of ``256**l`` leaves, from subtree ``256 * n`` on. A
*bundle* holds the entries under one tile of level 0, each after its length in two
bytes, big-endian. A tile or bundle with fewer than 256 is *partial*. Paths, and a
bundle of two entries:

>>> tile_path(0, 1234067)
'tile/0/x001/x234/067'
>>> parse_tile_path("tile/1/000.p/17")
Tile(level=1, n=0, width=17)
>>> entries_path(273, 112)
'tile/entries/273.p/112'
>>> decode_bundle(b"\x00\x03one\x00\x05three", 2)
(b'one', b'three')

The tiles of a tree follow from its size alone:

>>> [tile_path(*tile) for tile in tiles_of(256)]
['tile/0/000', 'tile/1/000.p/1']

Rules: levels 0 to 63; tile numbers in groups of three digits, all but the last after
an ``x``; no leading zeros elsewhere; a full tile has no ``.p`` suffix; an empty tile
does not exist.

The hashes in a tile are not proven: proofs made from them are verified against a
signed checkpoint (:mod:`~jenkins_notary.tlog.proofs`).

Source: C2SP tlog-tiles, "Merkle Tree", "Partial Tiles" and "Log entries".
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.canonical import HASH_SIZE, MAX_NUMBER, show
from jenkins_notary.tlog.merkle import hash_pairs, root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    Value = TypeVar("Value")
    FetchTile = Callable[[int, int, int], bytes]

TILE_HEIGHT = 8
"""Tree levels from one tile to the next."""

TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile."""

MAX_ENTRY_SIZE = 65_535
"""Bytes of the longest entry: what its length field holds."""

_NODE_HEIGHT = 4
"""Nodes over ``2**4`` hashes and more are kept: 31 of a tile's 255."""

_FOUND_KEPT = 2048
"""Hashes that were asked for last: proofs of neighbours share most of theirs."""

_MAX_LEVEL = 63
_MAX_PATH = 64
_LENGTH_BYTES = 2
_GROUP = 1000


class Tile(NamedTuple):
    """Which tile: a plain triple, so ``tile_path(*tile)`` names it.

    Attributes:
        level: 0 for leaf hashes, up to 63.
        n: Number within the level, from 0.
        width: Hashes in it, 1 to 256.
    """

    level: int
    n: int
    width: int


def tile_path(level: int, n: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile below the log's prefix.

    Raises:
        UsageError: There can be no such tile.
    """
    if not 0 <= level <= _MAX_LEVEL:
        raise UsageError(f"tile level {level}", expected="0 to 63")
    return f"tile/{level}/{_number_path(n, width)}"


def parse_tile_path(path: str) -> Tile:
    """Return the tile of a path; the inverse of :func:`tile_path`.

    Raises:
        UsageError: Not the canonical path of a tile.
    """
    level, n, width = _parse_path(path)
    if level is None:
        raise UsageError(f"tile path {show(path)}", expected="tile/<level>/<number>")
    return Tile(level, n, width)


def entries_path(n: int, width: int = TILE_WIDTH) -> str:
    """Return the path of an entry bundle below the log's prefix.

    Raises:
        UsageError: There can be no such bundle.
    """
    return f"tile/entries/{_number_path(n, width)}"


def parse_entries_path(path: str) -> tuple[int, int]:
    """Return number and width of a bundle; the inverse of :func:`entries_path`.

    Raises:
        UsageError: Not the canonical path of a bundle.
    """
    level, n, width = _parse_path(path)
    if level is not None:
        raise UsageError(f"tile path {show(path)}", expected="tile/entries/<number>")
    return n, width


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bundle of the entries, in order.

    Raises:
        UsageError: An entry is longer than 65,535 bytes, or there are more than 256.
    """
    if len(entries) > TILE_WIDTH:
        raise UsageError(
            "entry bundle",
            expected=f"at most {TILE_WIDTH} entries",
            got=f"{len(entries)}",
        )
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_SIZE:
            raise UsageError(
                "log entry",
                expected=f"at most {MAX_ENTRY_SIZE} bytes",
                got=f"{len(entry)}",
            )
        parts += (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, expected_count: int) -> tuple[bytes, ...]:
    """Return the entries of a bundle.

    Args:
        data: The whole bundle.
        expected_count: How many entries it must hold, 0 to 256.

    Raises:
        IntegrityError: Another number of entries, or a length that does not fit.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data) and len(entries) < expected_count:
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "big")
        entries.append(data[start:position])
    # A cut bundle ends before the position that its last length field names; a cut
    # length field names one beyond the end too.
    if position != len(data) or len(entries) != expected_count:
        raise IntegrityError(
            "entry bundle",
            expected=f"{expected_count} entries in {position} bytes",
            got=f"{len(entries)} in {len(data)}",
        )
    return tuple(entries)


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield every tile of a tree, full ones and the partial one of each level.

    Source: C2SP tlog-tiles, "Partial Tiles": width is floor(size / 256**level) mod 256.
    """
    level, count = 0, size
    while count > 0:
        full, partial = divmod(count, TILE_WIDTH)
        for n in range(full):
            yield Tile(level, n, TILE_WIDTH)
        if partial:
            yield Tile(level, full, partial)
        level, count = level + 1, full


class TileHashReader:
    """Read subtree hashes out of the tiles of one tree: a ``HashReader`` for proofs.

    Tiles are kept, the least recently used dropped. What is dear in a tile are the
    nodes over its 256 hashes; those from 16 hashes up are kept for many more tiles
    than the tiles themselves, so that a long-lived reader computes a dozen hashes a
    tile, wherever it looks.

    Not for several threads at once; one is cheap to make.

    Cost: one tile for each 8 levels; a proof in a tree of a million leaves reads 3
    tiles and computes at most 500 hashes, 40 when their nodes are kept.
    """

    __slots__ = (
        "_fetch_tile",
        "_found",
        "_found_limit",
        "_nodes",
        "_nodes_limit",
        "_size",
        "_tiles",
        "_tiles_limit",
    )

    def __init__(
        self,
        size: int,
        fetch_tile: FetchTile,
        *,
        tiles_kept: int = 64,
        nodes_kept: int = 4096,
    ) -> None:
        """Hold where tiles come from.

        Args:
            size: Leaves in the tree; only hashes of this tree are read.
            fetch_tile: ``fetch_tile(level, n, width)`` returns exactly ``width``
                hashes, the width that the tile has in a tree of this size.
            tiles_kept: How many tiles to remember; one takes 8 kB.
            nodes_kept: For how many tiles to remember the nodes; one takes 2 kB.
        """
        self._size = size
        self._fetch_tile = fetch_tile
        self._tiles_limit = tiles_kept
        self._nodes_limit = nodes_kept
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._nodes: dict[tuple[int, int], list[list[bytes]]] = {}
        self._found_limit = min(_FOUND_KEPT, tiles_kept * TILE_WIDTH)
        self._found: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of the perfect subtree of ``2**level`` leaves at an index.

        Raises:
            UsageError: The subtree does not lie whole in the tree.
            IntegrityError: A tile has the wrong length.
        """
        if level < 0 or not 0 <= index < self._size >> level:
            raise UsageError(
                f"subtree {index} of level {level}",
                expected=f"one within a tree of {self._size} leaves",
            )
        if not level:
            return self._read(level, index)
        found = self._found.get((level, index))
        if found is None:
            found = self._read(level, index)
            _keep(self._found, (level, index), found, self._found_limit)
        return found

    def _read(self, level: int, index: int) -> bytes:
        """Return the hash of a subtree of this tree from its tile."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        width_bits = TILE_HEIGHT - height
        tile = tile_level, index >> width_bits
        place = index & ((1 << width_bits) - 1)
        if height < _NODE_HEIGHT:
            start, stop = (place << height), (place + 1) << height
            data = self._tile(*tile)[start * HASH_SIZE : stop * HASH_SIZE]
            return _climb(_cut(data), height)
        rows = self._rows(tile)
        # Rows above the first are computed when first asked for.
        while len(rows) <= height - _NODE_HEIGHT:
            rows.append(hash_pairs(rows[-1]))
        return rows[height - _NODE_HEIGHT][place]

    def _tile(self, level: int, n: int) -> bytes:
        """Return the hashes of a tile, as wide as it is in this tree."""
        data = self._tiles.pop((level, n), None)
        if data is None:
            whole = (self._size >> (TILE_HEIGHT * level)) - n * TILE_WIDTH
            width = min(whole, TILE_WIDTH)
            data = self._fetch_tile(level, n, width)
            _check_length(level, n, width, data)
        _keep(self._tiles, (level, n), data, self._tiles_limit)
        return data

    def _rows(self, tile: tuple[int, int]) -> list[list[bytes]]:
        """Return the rows of nodes known of a tile, those over 16 hashes first."""
        rows = self._nodes.pop(tile, None)
        if rows is None:
            row = _cut(self._tile(*tile))
            for _ in range(_NODE_HEIGHT):
                row = hash_pairs(row)
            rows = [row]
        _keep(self._nodes, tile, rows, self._nodes_limit)
        return rows


def grow_tiles(
    old_size: int, leaf_hashes: Sequence[bytes], read_tail: FetchTile
) -> dict[tuple[int, int], bytes]:
    """Return the tiles to write when leaves are appended.

    Level 0 is written when full only: until then the writer has the entries. Higher
    levels grow once in 256 leaves and are written each time.

    Args:
        old_size: Leaves before.
        leaf_hashes: Hashes of the new leaves, in order.
        read_tail: ``read_tail(level, n, width)`` returns the ``width`` hashes that the
            last, partial tile of a level has so far. Asked for at most once a level,
            and only when that tile is written now.

    Returns:
        Level and number of each tile, with its hashes: 256 for level 0, 1 to 256 above.

    Raises:
        UsageError: A leaf hash is not 32 bytes long, or the size is negative.
        IntegrityError: A tail has the wrong length.
    """
    if old_size < 0 or not set(map(len, leaf_hashes)) <= {HASH_SIZE}:
        raise UsageError(
            "leaves to append", expected="hashes of 32 bytes after a size of 0 or more"
        )
    grown: dict[tuple[int, int], bytes] = {}
    level, count, fresh = 0, old_size, list(leaf_hashes)
    while fresh:
        n, width = divmod(count, TILE_WIDTH)
        if level == 0 and width + len(fresh) < TILE_WIDTH:
            break
        if width:
            tail = read_tail(level, n, width)
            _check_length(level, n, width, tail)
            fresh = _cut(tail) + fresh
        roots = []
        for start in range(0, len(fresh), TILE_WIDTH):
            hashes = fresh[start : start + TILE_WIDTH]
            is_full = len(hashes) == TILE_WIDTH
            if is_full:
                roots.append(root_of(hashes))
            if is_full or level:
                grown[level, n + start // TILE_WIDTH] = b"".join(hashes)
        level, count, fresh = level + 1, n, roots
    return grown


def _check_length(level: int, n: int, width: int, data: bytes) -> None:
    """Refuse a tile of the wrong length, by name."""
    if len(data) != width * HASH_SIZE:
        raise IntegrityError(
            tile_path(level, n, width),
            expected=f"{width * HASH_SIZE} bytes",
            got=f"{len(data)}",
            advice="the stored tile was cut or replaced; verify the whole ledger",
        )


def _cut(data: bytes) -> list[bytes]:
    """Return the single hashes of a tile, or of a part of one."""
    return [data[start : start + HASH_SIZE] for start in range(0, len(data), HASH_SIZE)]


def _climb(hashes: list[bytes], height: int) -> bytes:
    """Return the node that stands a number of rows above ``2**height`` hashes."""
    for _ in range(height):
        hashes = hash_pairs(hashes)
    return hashes[0]


def _keep(
    kept: dict[tuple[int, int], Value], key: tuple[int, int], value: Value, limit: int
) -> None:
    """Keep a value as the latest used, and drop the least recently used one."""
    kept[key] = value
    if len(kept) > limit:
        del kept[next(iter(kept))]


def _number_path(n: int, width: int) -> str:
    """Return the part of a path that numbers a tile: ``x001/067.p/5``."""
    if not 0 <= n <= MAX_NUMBER or not 1 <= width <= TILE_WIDTH:
        raise UsageError(
            f"tile {n} of width {width}",
            expected=f"a number of 0 or more, a width of 1 to {TILE_WIDTH}",
        )
    n, group = divmod(n, _GROUP)
    path = f"{group:03}"
    while n:
        n, group = divmod(n, _GROUP)
        path = f"x{group:03}/{path}"
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def _parse_path(path: str) -> tuple[int | None, int, int]:
    """Return level (None for entries), number and width of any canonical path."""
    kind = path[:_MAX_PATH].split("/", 2)
    number, _, partial = kind[-1].partition(".p/")
    digits = number.replace("/x", "").replace("/", "").lstrip("x")
    fields = [digits, partial or f"{TILE_WIDTH}"]
    is_entries = kind[:2] == ["tile", "entries"]
    if not is_entries:
        fields += kind[1:2]
    # Read generously, then written again: only the one right spelling comes out equal.
    if path.isascii() and all(map(str.isdigit, fields)):
        n, width, *levels = map(int, fields)
        level = levels[0] if levels else None
        try:
            written = (
                entries_path(n, width) if level is None else tile_path(level, n, width)
            )
        except UsageError:
            written = ""
        if written == path:
            return level, n, width
    raise UsageError(
        f"tile path {show(path)}", expected="tile/<level>/<number>[.p/<width>]"
    )
