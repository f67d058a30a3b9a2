"""Tiles are named, cut and grown as C2SP tlog-tiles says."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.tlog.proofs import (
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_inclusion,
)
from jenkins_notary.tlog.tiles import (
    Tile,
    TileHashReader,
    decode_bundle,
    encode_bundle,
    entries_path,
    grow_tiles,
    parse_entries_path,
    parse_tile_path,
    tile_path,
    tiles_of,
)
from tests.unit.tlog.builders import ReferenceTree, load_vectors

VECTORS = load_vectors("tiles.json")
TREE = ReferenceTree(70_000)


@pytest.mark.parametrize(("path", "parts"), VECTORS["paths"].items())
def test_paths_are_those_of_the_specification(path: str, parts: list[int]) -> None:
    tile = Tile(*parts)

    assert tile_path(*tile) == path
    assert parse_tile_path(path) == tile


def test_entry_paths_differ_in_the_level_only() -> None:
    assert entries_path(1234067, 9) == "tile/entries/x001/x234/067.p/9"
    assert parse_entries_path("tile/entries/x001/x234/067.p/9") == (1234067, 9)
    assert parse_entries_path("tile/entries/000") == (0, 256)


NUMBER_FAULTS = [
    pytest.param("", id="nothing"),
    pytest.param("0", id="one digit"),
    pytest.param("0000", id="four digits"),
    pytest.param("1234", id="no group"),
    pytest.param("x001", id="no last group"),
    pytest.param("x000/001", id="needless group"),
    pytest.param("001/001", id="group without x"),
    pytest.param("x001/x001", id="last group with x"),
    pytest.param("xx001/001", id="two x"),
    pytest.param("-01", id="sign"),
    pytest.param("0\u0661\u0661", id="arabic digits"),
    pytest.param("000/", id="trailing slash"),
    pytest.param("000.p", id="no width"),
    pytest.param("000.p/", id="empty width"),
    pytest.param("000.p/0", id="width 0"),
    pytest.param("000.p/256", id="full width"),
    pytest.param("000.p/257", id="too wide"),
    pytest.param("000.p/01", id="leading zero"),
    pytest.param("000.p/1.p/1", id="two widths"),
    pytest.param("000.p/1/", id="slash after the width"),
    pytest.param("../../etc/passwd", id="traversal"),
    pytest.param("000\n", id="newline"),
    pytest.param("x999/" * 2000 + "999", id="endless"),
    pytest.param("x999/x999/x999/x999/x999/x999/x999/999", id="above 2**63"),
]


@pytest.mark.parametrize("number", NUMBER_FAULTS)
def test_a_path_with_another_number_is_refused(number: str) -> None:
    with pytest.raises(UsageError, match="tile path"):
        parse_tile_path(f"tile/0/{number}")
    with pytest.raises(UsageError, match="tile path"):
        parse_entries_path(f"tile/entries/{number}")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="nothing"),
        pytest.param("000", id="number only"),
        pytest.param("tile", id="tile only"),
        pytest.param("tile/000", id="no level"),
        pytest.param("tile/64/000", id="level 64"),
        pytest.param("tile/00/000", id="level with leading zero"),
        pytest.param("tile/-1/000", id="negative level"),
        pytest.param("tile/data/000", id="data"),
        pytest.param("/tile/0/000", id="leading slash"),
        pytest.param("Tile/0/000", id="capital"),
        pytest.param("tile//000", id="empty level"),
        pytest.param("tile/8/0/000", id="path with a height"),
        pytest.param("tile/entries/000", id="entries"),
    ],
)
def test_other_paths_are_no_tiles(path: str) -> None:
    with pytest.raises(UsageError, match="tile path"):
        parse_tile_path(path)


def test_a_tile_is_no_entry_bundle() -> None:
    with pytest.raises(UsageError, match="tile path"):
        parse_entries_path("tile/0/000")


@pytest.mark.parametrize(
    "tile",
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)],
    ids=str,
)
def test_a_tile_that_cannot_be_has_no_path(tile: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="tile"):
        tile_path(*tile)


class TestBundles:
    def test_lengths_stand_before_entries(self) -> None:
        assert encode_bundle([b"one", b"", b"three"]) == (
            b"\x00\x03one\x00\x00\x00\x05three"
        )
        assert decode_bundle(b"\x00\x03one\x00\x00\x00\x05three", 3) == (
            b"one",
            b"",
            b"three",
        )

    def test_the_longest_entries_fit(self) -> None:
        entries = (b"x" * 65_535,) * 256

        assert decode_bundle(encode_bundle(entries), 256) == entries

    def test_a_longer_entry_is_refused(self) -> None:
        with pytest.raises(UsageError, match="at most 65535 bytes, got 65536"):
            encode_bundle([b"x" * 65_536])

    def test_more_entries_are_refused(self) -> None:
        with pytest.raises(UsageError, match="at most 256 entries, got 257"):
            encode_bundle([b""] * 257)

    @pytest.mark.parametrize("count", [0, 1, 3, 256])
    def test_another_count_is_refused(self, count: int) -> None:
        with pytest.raises(IntegrityError, match=f"expected {count} entries"):
            decode_bundle(b"\x00\x01a\x00\x01b", count)

    @pytest.mark.parametrize("end", range(1, 12))
    def test_a_cut_bundle_is_refused(self, end: int) -> None:
        with pytest.raises(IntegrityError, match="entry bundle"):
            decode_bundle(b"\x00\x03one\x00\x05three"[:-end], 2)

    def test_bytes_after_the_last_entry_are_refused(self) -> None:
        with pytest.raises(IntegrityError, match="entry bundle"):
            decode_bundle(b"\x00\x01a\x00", 1)

    def test_nothing_holds_no_entries(self) -> None:
        assert decode_bundle(b"", 0) == ()


@pytest.mark.parametrize(("size", "widths"), VECTORS["sizes"].items())
def test_tiles_of_a_size_are_those_of_the_specification(
    size: str, widths: dict[str, list[int]]
) -> None:
    expected = []
    for level, (full, partial) in enumerate(
        zip(
            widths["full"] + [0] * (len(widths["partial"]) - len(widths["full"])),
            widths["partial"],
            strict=True,
        )
    ):
        expected += [Tile(level, n, 256) for n in range(full)]
        expected += [Tile(level, full, partial)] if partial else []

    assert list(tiles_of(int(size))) == expected


def test_a_negative_size_has_no_tiles() -> None:
    assert list(tiles_of(-1)) == []


class TestReader:
    def test_every_subtree_on_the_edges_is_read(self) -> None:
        reader = TileHashReader(70_000, TREE.tile)
        for level in range(17):
            last = (70_000 >> level) - 1
            for index in {0, 1, last // 2, last - 1, last} & set(range(last + 1)):
                assert reader(level, index) == TREE.read(level, index)

    @pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 65_536, 70_000])
    def test_root_of_every_shape_is_read(self, size: int) -> None:
        assert tree_root(size, TileHashReader(size, TREE.tile)) == TREE.root(size)

    def test_proofs_are_made_from_tiles(self) -> None:
        reader = TileHashReader(70_000, TREE.tile)

        proof = inclusion_proof(69_999, 70_000, reader)

        assert proof == inclusion_proof(69_999, 70_000, TREE.read)
        verify_inclusion(TREE.leaves[-1], 69_999, 70_000, proof, TREE.root(70_000))
        assert consistency_proof(66_001, 70_000, reader) == consistency_proof(
            66_001, 70_000, TREE.read
        )

    def test_each_tile_is_fetched_once(self) -> None:
        fetched: list[tuple[int, int, int]] = []

        def fetch(level: int, n: int, width: int) -> bytes:
            fetched.append((level, n, width))
            return TREE.tile(level, n, width)

        reader = TileHashReader(70_000, fetch)
        for index in range(69_888, 70_000):
            inclusion_proof(index, 70_000, reader)

        assert sorted(fetched) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]

    def test_only_the_latest_tiles_are_kept(self) -> None:
        fetched: list[int] = []

        def fetch(level: int, n: int, width: int) -> bytes:
            fetched.append(n)
            return TREE.tile(level, n, width)

        reader = TileHashReader(70_000, fetch, tiles_kept=2)
        for n in (0, 1, 0, 2, 0, 1):
            reader(0, n * 256)

        assert fetched == [0, 1, 2, 1]

    def test_a_reader_may_keep_nothing(self) -> None:
        reader = TileHashReader(70_000, TREE.tile, tiles_kept=0)

        assert reader(3, 4) == TREE.read(3, 4)

    @pytest.mark.parametrize(
        ("level", "index"),
        [(0, 70_000), (0, -1), (-1, 0), (16, 1), (17, 0), (10**9, 0), (8, 273)],
    )
    def test_a_subtree_outside_the_tree_is_refused(
        self, level: int, index: int
    ) -> None:
        reader = TileHashReader(70_000, TREE.tile)

        with pytest.raises(UsageError, match="within a tree of 70000 leaves"):
            reader(level, index)

    @pytest.mark.parametrize("length", [0, 1, 112 * 32 - 1, 112 * 32 + 1, 8192])
    def test_a_tile_of_the_wrong_length_is_named(self, length: int) -> None:
        reader = TileHashReader(70_000, lambda *_: bytes(length))

        with pytest.raises(IntegrityError, match=r"tile/0/273\.p/112: expected 3584"):
            reader(0, 69_999)


class TestGrowing:
    def test_a_batch_that_fills_no_tile_writes_none(self) -> None:
        assert grow_tiles(0, TREE.leaves[:255], TREE.tile) == {}
        assert grow_tiles(256, TREE.leaves[256:300], TREE.tile) == {}
        assert grow_tiles(7, [], TREE.tile) == {}

    def test_the_tail_is_read_only_when_its_tile_is_written(self) -> None:
        asked: list[tuple[int, int, int]] = []

        def read_tail(level: int, n: int, width: int) -> bytes:
            asked.append((level, n, width))
            return TREE.tile(level, n, width)

        grow_tiles(600, TREE.leaves[600:700], read_tail)
        assert asked == []

        written = grow_tiles(600, TREE.leaves[600:800], read_tail)

        assert asked == [(0, 2, 88), (1, 0, 2)]
        assert sorted(written) == [(0, 2), (1, 0)]
        assert written[1, 0] == TREE.tile(1, 0, 3)

    def test_one_batch_makes_every_tile_of_the_tree(self) -> None:
        written = grow_tiles(0, TREE.leaves, TREE.tile)

        assert written == {
            (level, n): TREE.tile(level, n, width)
            for level, n, width in tiles_of(70_000)
            if level or width == 256
        }

    def test_the_65536th_leaf_fills_two_levels_and_opens_a_third(self) -> None:
        written = grow_tiles(65_535, TREE.leaves[65_535:65_536], TREE.tile)

        assert written == {
            (0, 255): TREE.tile(0, 255, 256),
            (1, 0): TREE.tile(1, 0, 256),
            (2, 0): TREE.tile(2, 0, 1),
        }

    def test_a_tail_of_the_wrong_length_is_named(self) -> None:
        with pytest.raises(IntegrityError, match=r"tile/0/000\.p/255: expected 8160"):
            grow_tiles(255, TREE.leaves[255:256], lambda *_: b"")

    @pytest.mark.parametrize(
        ("old_size", "leaves"), [(-1, [bytes(32)]), (0, [bytes(31)]), (0, [b""])]
    )
    def test_what_is_no_tree_or_hash_is_refused(
        self, old_size: int, leaves: list[bytes]
    ) -> None:
        with pytest.raises(UsageError, match="leaves to append"):
            grow_tiles(old_size, leaves, TREE.tile)
