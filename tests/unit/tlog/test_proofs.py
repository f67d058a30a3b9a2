"""Proofs are the published ones, and nothing but the right proof verifies."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.tlog.merkle import EMPTY_ROOT, hash_leaf
from jenkins_notary.tlog.proofs import (
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.unit.tlog.builders import ReferenceTree, load_vectors

VECTORS = load_vectors("rfc6962.json")
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
TREE = ReferenceTree(0)
TREE.leaves = [hash_leaf(bytes.fromhex(entry)) for entry in VECTORS["entries"]]
BIG = ReferenceTree(70)


def unhex(proof: list[str]) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, proof))


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=str)
def test_inclusion_proofs_are_the_published_ones(vector: dict[str, object]) -> None:
    index, size, proof = vector.values()
    assert isinstance(index, int)
    assert isinstance(size, int)
    assert isinstance(proof, list)

    assert inclusion_proof(index, size, TREE.read) == unhex(proof)
    verify_inclusion(TREE.leaves[index], index, size, unhex(proof), ROOTS[size])


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=str)
def test_consistency_proofs_are_the_published_ones(vector: dict[str, object]) -> None:
    old, size, proof = vector.values()
    assert isinstance(old, int)
    assert isinstance(size, int)
    assert isinstance(proof, list)

    assert consistency_proof(old, size, TREE.read) == unhex(proof)
    verify_consistency(old, ROOTS[old], size, ROOTS[size], unhex(proof))


@pytest.mark.parametrize("size", range(71))
def test_root_is_read_out_of_whole_subtrees(size: int) -> None:
    assert tree_root(size, BIG.read) == BIG.root(size)


def test_every_leaf_of_every_small_tree_is_proven() -> None:
    for size in range(1, 71):
        for index in range(size):
            proof = inclusion_proof(index, size, BIG.read)
            verify_inclusion(BIG.leaves[index], index, size, proof, BIG.root(size))


def test_every_small_tree_is_proven_consistent_with_every_larger_one() -> None:
    for size in range(71):
        for old in range(size + 1):
            proof = consistency_proof(old, size, BIG.read)
            verify_consistency(old, BIG.root(old), size, BIG.root(size), proof)


def test_a_proof_reads_at_most_two_subtrees_a_level() -> None:
    for size in range(1, 71):
        for index in range(size):
            BIG.reads = 0
            inclusion_proof(index, size, BIG.read)
            consistency_proof(index + 1, size, BIG.read)

            assert BIG.reads <= 4 * size.bit_length()


@pytest.mark.parametrize(
    ("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5), (6, 5), (0, -1)]
)
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(UsageError, match="inclusion proof"):
        inclusion_proof(index, size, BIG.read)


@pytest.mark.parametrize(("old", "size"), [(6, 5), (-1, 5), (0, -1), (-2, -1)])
def test_a_larger_tree_is_no_prefix(old: int, size: int) -> None:
    with pytest.raises(UsageError, match="consistency proof"):
        consistency_proof(old, size, BIG.read)


def test_a_negative_size_has_no_root() -> None:
    with pytest.raises(UsageError, match="tree root"):
        tree_root(-1, BIG.read)


class TestRefusedInclusion:
    leaf = BIG.leaves[42]
    root = BIG.root(70)
    proof = inclusion_proof(42, 70, BIG.read)

    @pytest.mark.parametrize(
        ("index", "size"),
        [
            pytest.param(41, 70, id="another index"),
            pytest.param(43, 70, id="the sibling's index"),
            pytest.param(70, 70, id="index at the size"),
            pytest.param(71, 70, id="index above the size"),
            pytest.param(-1, 70, id="negative index"),
            pytest.param(42, 42, id="size at the index"),
            pytest.param(42, 0, id="empty tree"),
            pytest.param(42, -70, id="negative size"),
            pytest.param(42, 43, id="smaller size"),
            pytest.param(42, 129, id="larger size, higher"),
            pytest.param(42, 2**63, id="size 2**63"),
            pytest.param(42 + 64, 70 + 64, id="both moved"),
        ],
    )
    def test_wrong_place(self, index: int, size: int) -> None:
        with pytest.raises(IntegrityError, match="inclusion of leaf"):
            verify_inclusion(self.leaf, index, size, self.proof, self.root)

    @pytest.mark.parametrize(
        "proof",
        [
            pytest.param((), id="empty"),
            pytest.param(proof[:-1], id="cut"),
            pytest.param(proof[1:], id="beheaded"),
            pytest.param((*proof, bytes(32)), id="longer"),
            pytest.param((bytes(32), *proof), id="longer at the head"),
            pytest.param((*proof, root), id="with the root"),
            pytest.param((leaf, *proof), id="with the leaf"),
            pytest.param(tuple(reversed(proof)), id="reversed"),
            pytest.param((proof[0][:31], *proof[1:]), id="short hash"),
            pytest.param((proof[0] + b"\0", *proof[1:]), id="long hash"),
            pytest.param((b"", *proof[1:]), id="empty hash"),
            pytest.param((proof[0] + proof[1], *proof[2:]), id="two in one"),
        ],
    )
    def test_wrong_proof(self, proof: tuple[bytes, ...]) -> None:
        with pytest.raises(IntegrityError, match="inclusion of leaf 42"):
            verify_inclusion(self.leaf, 42, 70, proof, self.root)

    def test_every_changed_byte(self) -> None:
        for position, hashed in enumerate(self.proof):
            for byte in range(32):
                changed = bytearray(hashed)
                changed[byte] ^= 1
                proof = list(self.proof)
                proof[position] = bytes(changed)

                with pytest.raises(IntegrityError):
                    verify_inclusion(self.leaf, 42, 70, proof, self.root)

    @pytest.mark.parametrize(
        ("leaf", "root"),
        [
            pytest.param(BIG.leaves[41], root, id="another leaf"),
            pytest.param(leaf, BIG.root(69), id="another root"),
            pytest.param(leaf, b"", id="no root"),
            pytest.param(b"", root, id="no leaf"),
            pytest.param(leaf[:31], root, id="short leaf"),
        ],
    )
    def test_wrong_ends(self, leaf: bytes, root: bytes) -> None:
        with pytest.raises(IntegrityError):
            verify_inclusion(leaf, 42, 70, self.proof, root)

    def test_a_root_that_is_no_hash_is_no_leaf_either(self) -> None:
        with pytest.raises(IntegrityError, match="hashes of 32 bytes"):
            verify_inclusion(b"", 0, 1, (), b"")

    def test_a_node_is_not_taken_for_a_leaf(self) -> None:
        """A subtree's hash must not pass as a leaf of a smaller tree."""
        node = BIG.read(1, 21)

        with pytest.raises(IntegrityError):
            verify_inclusion(node, 21, 35, self.proof[1:], BIG.root(70)[::-1])
        with pytest.raises(IntegrityError):
            verify_inclusion(node, 42, 70, self.proof[1:], self.root)


class TestRefusedConsistency:
    old_root = BIG.root(42)
    root = BIG.root(70)
    proof = consistency_proof(42, 70, BIG.read)

    @pytest.mark.parametrize(
        ("old", "size"),
        [
            pytest.param(41, 70, id="another old size"),
            pytest.param(43, 70, id="larger old size"),
            pytest.param(71, 70, id="old above new"),
            pytest.param(-1, 70, id="negative old"),
            pytest.param(0, 70, id="old of nothing"),
            pytest.param(70, 70, id="equal sizes"),
            pytest.param(42, 42, id="equal smaller sizes"),
            pytest.param(42, 200, id="larger new size"),
            pytest.param(42, -1, id="negative new"),
            pytest.param(42, 2**63, id="size 2**63"),
            pytest.param(32, 70, id="old size without seed"),
        ],
    )
    def test_wrong_sizes(self, old: int, size: int) -> None:
        with pytest.raises(IntegrityError, match="consistency of tree size"):
            verify_consistency(old, self.old_root, size, self.root, self.proof)

    @pytest.mark.parametrize(
        "proof",
        [
            pytest.param((), id="empty"),
            pytest.param(proof[:-1], id="cut"),
            pytest.param(proof[1:], id="beheaded"),
            pytest.param((*proof, bytes(32)), id="longer"),
            pytest.param((bytes(32), *proof), id="longer at the head"),
            pytest.param((old_root, *proof), id="with the old root"),
            pytest.param((*proof, root), id="with the root"),
            pytest.param(tuple(reversed(proof)), id="reversed"),
            pytest.param((proof[0][:31], *proof[1:]), id="short hash"),
            pytest.param((b"", *proof[1:]), id="empty hash"),
        ],
    )
    def test_wrong_proof(self, proof: tuple[bytes, ...]) -> None:
        with pytest.raises(IntegrityError, match="consistency of tree size 42 with 70"):
            verify_consistency(42, self.old_root, 70, self.root, proof)

    def test_every_changed_byte(self) -> None:
        for position, hashed in enumerate(self.proof):
            for byte in range(32):
                changed = bytearray(hashed)
                changed[byte] ^= 1
                proof = list(self.proof)
                proof[position] = bytes(changed)

                with pytest.raises(IntegrityError):
                    verify_consistency(42, self.old_root, 70, self.root, proof)

    @pytest.mark.parametrize(
        ("old_root", "new_root", "which"),
        [
            pytest.param(BIG.root(41), root, "old root", id="another old root"),
            pytest.param(old_root, BIG.root(69), "new root", id="another new root"),
            pytest.param(root, old_root, "old root", id="swapped"),
            pytest.param(b"", root, "hashes of 32 bytes", id="no old root"),
            pytest.param(old_root, b"", "hashes of 32 bytes", id="no new root"),
        ],
    )
    def test_wrong_roots(self, old_root: bytes, new_root: bytes, which: str) -> None:
        with pytest.raises(IntegrityError, match=which):
            verify_consistency(42, old_root, 70, new_root, self.proof)

    @pytest.mark.parametrize(
        ("old", "new", "proof"),
        [
            pytest.param((0, EMPTY_ROOT), (70, root), (root,), id="needless hash"),
            pytest.param((0, root), (70, root), (), id="root for nothing"),
            pytest.param((0, EMPTY_ROOT), (0, root), (), id="nothing with a root"),
            pytest.param((0, root), (0, root), (), id="nothing twice with a root"),
            pytest.param((70, old_root), (70, root), (), id="a fork at one size"),
            pytest.param((70, root), (70, root), (root,), id="equal, needless hash"),
            pytest.param((64, BIG.root(63)), (70, root), (), id="subtree, no proof"),
            pytest.param((70, b"x"), (70, b"x"), (), id="roots that are no hashes"),
        ],
    )
    def test_edges(
        self, old: tuple[int, bytes], new: tuple[int, bytes], proof: tuple[bytes, ...]
    ) -> None:
        with pytest.raises(IntegrityError, match="consistency"):
            verify_consistency(*old, *new, proof)


def test_the_empty_tree_is_a_prefix_of_every_tree() -> None:
    verify_consistency(0, EMPTY_ROOT, 70, BIG.root(70), ())
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())


def test_the_largest_tree_is_climbed() -> None:
    size = 2**63 - 1
    proof = [bytes([level]) * 32 for level in range(62)]

    with pytest.raises(IntegrityError, match="a proof of 63 hashes"):
        verify_inclusion(bytes(32), 0, size, proof, bytes(32))
    with pytest.raises(IntegrityError, match="root"):
        verify_inclusion(bytes(32), 0, size, [*proof, bytes(32)], bytes(32))
