"""Keys of which any can be destroyed for good."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines.immudb.erasable import KeyTree
from jenkins_notary.errors import ConfigurationError, IntegrityError

SECRET = bytes(range(32))
PLACES = st.lists(
    st.integers(0, 40) | st.integers(0, (1 << 64) - 1), min_size=1, max_size=8
)


@given(kept=PLACES, gone=PLACES)
def test_every_key_but_those_destroyed_is_as_it_was(
    kept: list[int], gone: list[int]
) -> None:
    tree = KeyTree.create(SECRET)
    before = {one: tree.key(one) for one in kept if one not in gone}
    after = tree.destroy(gone)

    assert {one: after.key(one) for one in before} == before
    assert [after.key(one) for one in gone] == [None] * len(gone)
    read = KeyTree.decode(after.encode(), subject="keys")
    assert read.nodes == after.nodes
    assert {one: read.key(one) for one in reversed(before)} == before


@given(places=PLACES)
def test_a_key_is_the_same_whatever_was_derived_before(places: list[int]) -> None:
    tree = KeyTree.create(SECRET)

    found = [tree.key(one) for one in places]
    assert found == [KeyTree.create(SECRET).key(one) for one in places]
    assert len(set(found)) == len(set(places))


def test_nothing_that_is_kept_leads_to_a_destroyed_key() -> None:
    tree = KeyTree.create(SECRET)
    key = tree.key(1 << 63)
    after = tree.destroy([1 << 63, 7])

    assert key not in after.nodes.values()
    assert SECRET not in after.nodes.values()
    assert len(after.nodes) <= 2 * 64
    # Each node stands beside the way, so none is above the leaf.
    assert not any((1 << 63) >> (64 - bits) == path for bits, path in after.nodes)


def test_to_destroy_again_changes_nothing() -> None:
    once = KeyTree.create(SECRET).destroy([1])

    assert once.destroy([1]).nodes == once.nodes


def test_each_ledger_has_keys_of_its_own() -> None:
    assert KeyTree.create(bytes(32)).key(0) != KeyTree.create(SECRET).key(0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"nodes": {}}',
        b'{"v": 2}',
        b'{"v": 2, "nodes": []}',
        b'{"v": 2, "nodes": {"0:0": "00"}}',
        b'{"v": 2, "nodes": {"65:0": "%s"}}' % (b"00" * 32),
        b'{"v": 2, "nodes": {"1:2": "%s"}}' % (b"00" * 32),
        b'{"v": 2, "nodes": {"a": "%s"}}' % (b"00" * 32),
    ],
)
def test_a_damaged_file_is_never_a_new_one(data: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        KeyTree.decode(data, subject="keys")

    assert "backup" in str(caught.value)


@pytest.mark.parametrize("version", [1, 3])
def test_a_file_of_another_version_is_said_to_be_one(version: int) -> None:
    data = b'{"v": %d, "nodes": {}, "again": {}}' % version

    with pytest.raises(ConfigurationError, match=f"version 2.*{version}"):
        KeyTree.decode(data, subject="keys")


def test_the_file_grows_with_erasures_and_less_where_they_are_neighbours() -> None:
    tree = KeyTree.create(SECRET)

    assert len(json.loads(tree.destroy([1]).encode())["nodes"]) == 64
    assert len(tree.destroy(range(1 << 10)).nodes) == 64 - 10
