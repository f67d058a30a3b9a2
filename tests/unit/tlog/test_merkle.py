"""Hashes and frontiers are those of RFC 6962."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    hash_leaf,
    hash_node,
    hash_pairs,
    join_subtrees,
    root_of,
)
from tests.unit.tlog.builders import ReferenceTree, load_vectors

VECTORS = load_vectors("rfc6962.json")
LEAVES = [hash_leaf(bytes.fromhex(entry)) for entry in VECTORS["entries"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert root_of(LEAVES[:size]) == ROOTS[size]
    assert Frontier().append(LEAVES[:size]).root() == ROOTS[size]


def test_leaf_and_node_hashes_differ_for_the_same_bytes() -> None:
    left, right = LEAVES[:2]

    assert hash_leaf(left + right) != hash_node(left, right)


def test_pairs_leave_out_an_odd_last_hash() -> None:
    assert hash_pairs(LEAVES[:3]) == [hash_node(LEAVES[0], LEAVES[1])]
    assert hash_pairs(LEAVES[:1]) == []


def test_no_subtrees_join_to_the_empty_root() -> None:
    assert join_subtrees(()) == EMPTY_ROOT == Frontier().root()


def test_frontier_after_each_single_leaf_has_the_root_of_all() -> None:
    tree = ReferenceTree(300)
    frontier = Frontier()
    for size, leaf in enumerate(tree.leaves, start=1):
        frontier = frontier.append([leaf])

        assert frontier.root() == tree.root(size)


def test_frontier_is_not_changed_by_appending() -> None:
    before = Frontier().append(LEAVES[:3])
    stored = before.encode()
    before.append(LEAVES[3:])

    assert before.encode() == stored


def test_appending_nothing_changes_nothing() -> None:
    frontier = Frontier().append(LEAVES[:5])

    assert frontier.append([]) == frontier


@pytest.mark.parametrize("length", [0, 31, 33])
def test_append_refuses_what_is_no_hash(length: int) -> None:
    with pytest.raises(UsageError, match="each 32 bytes"):
        Frontier().append([LEAVES[0], bytes(length)])


def test_appending_beyond_the_largest_tree_is_refused() -> None:
    full = Frontier(2**63 - 1, (bytes(32),) * 63)

    with pytest.raises(IntegrityError, match=r"2\*\*63"):
        full.append(LEAVES[:1])


def test_empty_frontier_is_stored_as_its_size() -> None:
    assert Frontier().encode() == bytes(8)
    assert Frontier.decode(bytes(8)) == Frontier()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(7), id="cut size"),
        pytest.param(bytes(8) + bytes(32), id="a hash for size 0"),
        pytest.param((3).to_bytes(8, "big") + bytes(32), id="a hash too few"),
        pytest.param((3).to_bytes(8, "big") + bytes(96), id="a hash too many"),
        pytest.param((3).to_bytes(8, "big") + bytes(63), id="a cut hash"),
        pytest.param((3).to_bytes(8, "big") + bytes(65), id="a byte too many"),
        pytest.param(b"\x80" + bytes(7) + bytes(32), id="size 2**63"),
        pytest.param(b"\xff" * 8 + bytes(32 * 64), id="size 2**64 - 1"),
    ],
)
def test_a_frontier_that_does_not_fit_its_size_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="frontier"):
        Frontier.decode(data)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(IntegrityError, match="frontier"):
        Frontier(-1, ())
