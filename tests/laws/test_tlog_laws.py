"""Laws of the log formats, for trees, texts and changes of every shape."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from jenkins_notary.errors import NotaryError
from jenkins_notary.tlog import ed25519
from jenkins_notary.tlog.canonical import (
    MAX_NUMBER,
    decode_base64,
    encode_base64,
    parse_decimal,
)
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.cosignature import (
    Cosignature,
    format_cosignature,
    parse_cosignature,
)
from jenkins_notary.tlog.merkle import Frontier, root_of
from jenkins_notary.tlog.note import (
    NoteSignature,
    SignedNote,
    VerifierKey,
    format_note,
    format_vkey,
    is_key_name,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)
from jenkins_notary.tlog.proofs import (
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from jenkins_notary.tlog.receipt import (
    Receipt,
    format_receipt,
    parse_receipt,
    verify_receipt,
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
from tests.unit.tlog.builders import ReferenceTree, Signer, check_signature

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 600
TREE = ReferenceTree(LARGEST)
WIDE = ReferenceTree(66_000)
LOG = Signer("example.com/log")

numbers = st.integers(0, MAX_NUMBER)
hashes = st.binary(min_size=32, max_size=32)
names = st.text(min_size=1, max_size=40).filter(is_key_name)
lines = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1
)
signatures = st.builds(
    NoteSignature,
    names,
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=1, max_size=80),
)
sizes = st.integers(1, LARGEST)


@st.composite
def leaf_and_size(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(sizes)
    return draw(st.integers(0, size - 1)), size


@st.composite
def two_sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(sizes)
    return draw(st.integers(0, size)), size


@st.composite
def cuts(draw: st.DrawFn, limit: int = LARGEST) -> list[int]:
    """Return a start and the ends of batches after it, in order."""
    return sorted(draw(st.lists(st.integers(0, limit), min_size=2, max_size=12)))


class TestTrees:
    """RFC 6962 section 2.1, whatever the size and the batches."""

    @given(cuts())
    @example([0, LARGEST])
    def test_frontier_is_the_root_in_any_batches(self, ends: list[int]) -> None:
        frontier = Frontier().append(TREE.leaves[: ends[0]])
        for start, end in pairwise(ends):
            frontier = frontier.append(TREE.leaves[start:end])

            assert frontier.size == end
            assert frontier.root() == root_of(TREE.leaves[:end]) == TREE.root(end)
            assert Frontier.decode(frontier.encode()) == frontier

    @given(st.binary(max_size=200))
    def test_a_frontier_is_read_exactly_or_refused(self, data: bytes) -> None:
        try:
            frontier = Frontier.decode(data)
        except NotaryError:
            return
        assert frontier.encode() == data

    @given(leaf_and_size())
    def test_every_leaf_is_proven(self, place: tuple[int, int]) -> None:
        index, size = place
        proof = inclusion_proof(index, size, TREE.read)

        verify_inclusion(TREE.leaves[index], index, size, proof, TREE.root(size))

    @given(two_sizes())
    @example((0, 1))
    @example((LARGEST, LARGEST))
    def test_every_prefix_is_consistent(self, pair: tuple[int, int]) -> None:
        old, size = pair
        proof = consistency_proof(old, size, TREE.read)

        verify_consistency(old, TREE.root(old), size, TREE.root(size), proof)

    @given(leaf_and_size(), st.data())
    def test_a_changed_inclusion_proof_is_refused(
        self, place: tuple[int, int], data: st.DataObject
    ) -> None:
        index, size = place
        proof = inclusion_proof(index, size, TREE.read)
        changed = data.draw(changes(proof))

        with pytest.raises(NotaryError):
            verify_inclusion(TREE.leaves[index], index, size, changed, TREE.root(size))

    @given(two_sizes(), st.data())
    def test_a_changed_consistency_proof_is_refused(
        self, pair: tuple[int, int], data: st.DataObject
    ) -> None:
        old, size = pair
        proof = consistency_proof(old, size, TREE.read)
        changed = data.draw(changes(proof))

        with pytest.raises(NotaryError):
            verify_consistency(old, TREE.root(old), size, TREE.root(size), changed)

    @given(leaf_and_size(), st.integers(0, LARGEST - 1))
    def test_a_proof_holds_for_its_leaf_only(
        self, place: tuple[int, int], other: int
    ) -> None:
        index, size = place
        proof = inclusion_proof(index, size, TREE.read)
        if other == index:
            return

        with pytest.raises(NotaryError):
            verify_inclusion(TREE.leaves[other], index, size, proof, TREE.root(size))
        with pytest.raises(NotaryError):
            verify_inclusion(TREE.leaves[index], other, size, proof, TREE.root(size))

    @given(two_sizes(), st.integers(0, LARGEST))
    def test_a_rewritten_past_is_never_consistent(
        self, pair: tuple[int, int], at: int
    ) -> None:
        """A log that changes a leaf below the old size cannot prove it away."""
        old, size = pair
        if not old:
            return
        forged = ReferenceTree(size)
        forged.leaves[at % old] = bytes(32)
        proof = consistency_proof(old, size, forged.read)

        with pytest.raises(NotaryError):
            verify_consistency(old, TREE.root(old), size, forged.root(size), proof)

    @given(
        st.tuples(numbers, numbers),
        st.tuples(hashes, hashes),
        st.lists(st.binary(max_size=40), max_size=70),
    )
    def test_foreign_proofs_are_refused_and_never_crash(
        self, sizes: tuple[int, int], ends: tuple[bytes, bytes], proof: list[bytes]
    ) -> None:
        first, second = sizes
        one, other = ends
        assume(one != other)

        with pytest.raises(NotaryError):
            verify_inclusion(one, first, second, proof, other)
        with pytest.raises(NotaryError):
            verify_consistency(first, one, second, other, proof)


class TestTiles:
    """C2SP tlog-tiles: the same tiles, however the log grew."""

    @settings(max_examples=20)  # Each builds hundreds of tiles.
    @given(cuts(limit=66_000))
    @example([0, 255, 256, 257, 65_535, 65_536, 66_000])
    def test_tiles_grow_the_same_in_any_batches(self, ends: list[int]) -> None:
        kept: dict[tuple[int, int], bytes] = {}

        def read_tail(level: int, n: int, width: int) -> bytes:
            # Level 0 is not kept while partial: the writer hashes its entries again.
            return WIDE.tile(0, n, width) if level == 0 else kept[level, n]

        start = 0
        for end in ends:
            kept.update(grow_tiles(start, WIDE.leaves[start:end], read_tail))
            start = end

        assert kept == {
            (level, n): WIDE.tile(level, n, width)
            for level, n, width in tiles_of(start)
            if level or width == 256
        }

    @given(st.integers(1, 66_000), st.integers(0, 16), st.integers(0))
    def test_every_subtree_is_read_from_tiles(
        self, size: int, level: int, place: int
    ) -> None:
        reader = TileHashReader(size, WIDE.tile)
        if count := size >> level:
            assert reader(level, place % count) == WIDE.read(level, place % count)
        assert tree_root(size, reader) == WIDE.root(size)

    @given(st.integers(0, 63), numbers, st.integers(1, 256))
    def test_paths_are_read_back(self, level: int, n: int, width: int) -> None:
        assert parse_tile_path(tile_path(level, n, width)) == Tile(level, n, width)
        assert parse_entries_path(entries_path(n, width)) == (n, width)

    @given(st.text() | st.text("tilenrs/x019.p").map(lambda tail: f"tile/{tail}"))
    @example("tile/0/x000/000")
    def test_a_path_is_read_exactly_or_refused(self, path: str) -> None:
        def is_exact(read_and_write: Callable[[], str]) -> bool:
            try:
                return read_and_write() == path
            except NotaryError:
                return True

        assert is_exact(lambda: tile_path(*parse_tile_path(path)))
        assert is_exact(lambda: entries_path(*parse_entries_path(path)))

    @given(st.lists(st.binary(max_size=300), max_size=256))
    def test_bundles_are_read_back(self, entries: list[bytes]) -> None:
        data = encode_bundle(entries)

        assert decode_bundle(data, len(entries)) == tuple(entries)

    @given(st.binary(max_size=600), st.integers(0, 256))
    def test_a_bundle_is_read_exactly_or_refused(self, data: bytes, count: int) -> None:
        try:
            entries = decode_bundle(data, count)
        except NotaryError:
            return
        assert encode_bundle(entries) == data


class TestTexts:
    """Each format reads what it wrote; what it reads, it writes again the same."""

    @given(st.binary())
    def test_base64(self, data: bytes) -> None:
        assert decode_base64(encode_base64(data), "data") == data

    @given(numbers)
    def test_decimals(self, number: int) -> None:
        assert parse_decimal(str(number), "number") == number

    @given(names, hashes, st.sampled_from([1, 4]))
    def test_verifier_keys(self, name: str, public: bytes, algorithm: int) -> None:
        key = VerifierKey.make(name, public, algorithm=algorithm)

        assert parse_vkey(format_vkey(key)) == key

    @given(st.lists(lines | st.just("")), st.lists(signatures, min_size=1, max_size=20))
    def test_notes(self, text: list[str], signed: list[NoteSignature]) -> None:
        note = SignedNote("\n".join([*text, ""]) or "\n", tuple(signed))

        assert parse_note(format_note(note)) == note

    @given(lines, numbers, hashes, st.lists(lines))
    def test_checkpoints(
        self, origin: str, size: int, root: bytes, extensions: list[str]
    ) -> None:
        checkpoint = Checkpoint(origin, size, root, tuple(extensions))

        assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint

    @given(
        numbers, hashes, st.lists(lines.filter(lambda x: not x.startswith("trust ")))
    )
    def test_trust_lines(self, size: int, root: bytes, others: list[str]) -> None:
        extensions = (*others, trust_extension(size, root))

        assert Checkpoint("log", 0, root, extensions).trust == (size, root)

    @given(numbers, st.binary(min_size=64, max_size=64))
    def test_cosignatures(self, timestamp: int, signature: bytes) -> None:
        cosignature = Cosignature(timestamp, signature)

        assert parse_cosignature(format_cosignature(cosignature)) == cosignature

    @given(
        numbers,
        st.lists(hashes, max_size=63),
        st.binary(),
        st.none() | st.binary(min_size=1),
    )
    def test_receipts(
        self, index: int, proof: list[bytes], note: bytes, extra: bytes | None
    ) -> None:
        receipt = Receipt(index, tuple(proof), note, extra)

        assert parse_receipt(format_receipt(receipt)) == receipt


def proven_receipt(index: int, size: int) -> bytes:
    """Return a receipt of the small tree, signed by its log."""
    checkpoint = Checkpoint(LOG.name, size, TREE.root(size))
    return format_receipt(
        Receipt(
            index,
            inclusion_proof(index, size, TREE.read),
            sign_note(format_checkpoint(checkpoint), [LOG]),
            TREE.entries[index],
        )
    )


class TestHostile:
    """Whatever the bytes: a value that is written back the same, or a refusal."""

    @given(leaf_and_size())
    def test_every_receipt_proves_its_leaf(self, place: tuple[int, int]) -> None:
        receipt = parse_receipt(proven_receipt(*place))

        assert verify_receipt(receipt, [LOG.verifier]).size == place[1]

    @given(leaf_and_size(), st.data())
    def test_an_edited_receipt_is_refused(
        self, place: tuple[int, int], data: st.DataObject
    ) -> None:
        whole = proven_receipt(*place)
        edited = data.draw(edits(whole))

        with pytest.raises(NotaryError):
            verify_receipt(parse_receipt(edited), [LOG.verifier])

    @given(st.data())
    def test_an_edited_checkpoint_is_refused(self, data: st.DataObject) -> None:
        text = format_checkpoint(Checkpoint(LOG.name, 9, bytes(32)))
        edited = data.draw(edits(sign_note(text, [LOG])))

        with pytest.raises(NotaryError):
            open_checkpoint(edited, [LOG.verifier])

    @given(st.binary() | st.text().map(lambda text: text.encode(errors="replace")))
    def test_foreign_bytes_are_read_exactly_or_refused(self, data: bytes) -> None:
        def is_exact(read_and_write: Callable[[], bytes]) -> bool:
            try:
                return read_and_write() == data
            except NotaryError:
                return True

        text = data.decode("utf-8", "surrogateescape")
        assert is_exact(lambda: format_note(parse_note(data)))
        assert is_exact(lambda: format_receipt(parse_receipt(data)))
        assert is_exact(lambda: format_cosignature(parse_cosignature(data)))
        assert is_exact(lambda: format_vkey(parse_vkey(text)).encode())
        with pytest.raises(NotaryError):
            open_note(data, [LOG.verifier])

    @given(st.text())
    def test_foreign_text_is_a_checkpoint_exactly_or_refused(self, text: str) -> None:
        try:
            checkpoint = parse_checkpoint(text)
        except NotaryError:
            return
        assert format_checkpoint(checkpoint) == text

    @given(st.binary(max_size=64), hashes, st.integers(0, 511))
    def test_the_pure_check_agrees_with_the_library(
        self, message: bytes, seed: bytes, bit: int
    ) -> None:
        signer = Signer("log", seed)
        signature = signer.sign(message)
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8

        assert ed25519.verify(signer.key.public, message, signature)
        assert check_signature(signer.key.public, message, signature)
        assert not ed25519.verify(signer.key.public, message, bytes(changed))
        assert not check_signature(signer.key.public, message, bytes(changed))


def changes(proof: tuple[bytes, ...]) -> st.SearchStrategy[tuple[bytes, ...]]:
    """Return proofs that differ by one hash: bit changed, dropped, added or swapped."""
    places = range(len(proof) + 1)
    added = st.builds(
        lambda at, item: (*proof[:at], item, *proof[at:]),
        st.sampled_from(places),
        hashes,
    )
    if not proof:
        return added
    inside = st.integers(0, len(proof) - 1)
    bits = st.integers(0, 255)

    def flip(at: int, bit: int) -> tuple[bytes, ...]:
        number = int.from_bytes(proof[at], "big") ^ 1 << bit
        return (*proof[:at], number.to_bytes(32, "big"), *proof[at + 1 :])

    return st.one_of(
        added,
        st.builds(flip, inside, bits),
        inside.map(lambda at: proof[:at] + proof[at + 1 :]),
        st.permutations(proof).map(tuple).filter(lambda other: other != proof),
    )


def edits(whole: bytes) -> st.SearchStrategy[bytes]:
    """Return the bytes with one stretch replaced by others."""
    place = st.integers(0, len(whole))

    def edit(start: int, length: int, inserted: bytes) -> bytes:
        return whole[:start] + inserted + whole[start + length :]

    return st.builds(edit, place, st.integers(0, 40), st.binary(max_size=40)).filter(
        lambda edited: edited != whole
    )
