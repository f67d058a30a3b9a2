"""Keys of which any can be destroyed for good."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines.immudb.erasable import KeyTree
from jenkins_notary.errors import IntegrityError

SECRET = bytes(range(32))
DIGESTS = st.lists(
    st.binary(min_size=32, max_size=32),
    min_size=1,
    max_size=8,
    unique_by=lambda d: d[:8],
)


def digest(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


@given(kept=DIGESTS, gone=DIGESTS)
def test_every_key_but_those_destroyed_is_as_it_was(
    kept: list[bytes], gone: list[bytes]
) -> None:
    tree = KeyTree.create(SECRET)
    places = {one[:8] for one in gone}
    before = {one: tree.key(one) for one in kept if one[:8] not in places}
    after = tree.destroy(gone)

    assert {one: after.key(one) for one in before} == before
    assert [after.key(one) for one in gone] == [None] * len(gone)
    assert KeyTree.decode(after.encode(), subject="keys") == after


def test_nothing_that_is_kept_leads_to_a_destroyed_key() -> None:
    tree = KeyTree.create(SECRET)
    key = tree.key(digest(1))
    after = tree.destroy([digest(1), digest(2)])

    assert key not in after.nodes.values()
    assert SECRET not in after.nodes.values()
    assert len(after.nodes) <= 2 * 64
    # Each node stands beside the way, so none is above the leaf.
    place = int.from_bytes(digest(1)[:8], "big")
    assert not any(place >> (64 - bits) == path for bits, path in after.nodes)


def test_to_destroy_again_changes_nothing() -> None:
    once = KeyTree.create(SECRET).destroy([digest(1)])

    assert once.destroy([digest(1)]) == once


def test_what_comes_again_has_a_new_key_that_can_be_destroyed() -> None:
    tree = KeyTree.create(SECRET)
    old = tree.key(digest(1))
    renewed = tree.destroy([digest(1)]).renew(digest(1), b"n" * 32)

    assert renewed.key(digest(1)) == b"n" * 32 != old
    assert KeyTree.decode(renewed.encode(), subject="keys") == renewed
    assert renewed.destroy([digest(1)]).key(digest(1)) is None


def test_each_digest_has_a_key_of_its_own() -> None:
    tree = KeyTree.create(SECRET)
    keys = {tree.key(digest(number)) for number in range(200)}

    assert len(keys) == 200
    assert KeyTree.create(bytes(32)).key(digest(0)) not in keys


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"v": 2, "nodes": {}, "again": {}}',
        b'{"v": 1, "nodes": {}}',
        b'{"v": 1, "nodes": [], "again": {}}',
        b'{"v": 1, "nodes": {"0:0": "00"}, "again": {}}',
        b'{"v": 1, "nodes": {"65:0": "%s"}, "again": {}}' % (b"00" * 32),
        b'{"v": 1, "nodes": {"1:2": "%s"}, "again": {}}' % (b"00" * 32),
        b'{"v": 1, "nodes": {"a": "%s"}, "again": {}}' % (b"00" * 32),
        b'{"v": 1, "nodes": {}, "again": {"zz": "%s"}}' % (b"00" * 32),
    ],
)
def test_a_damaged_file_is_never_a_new_one(data: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        KeyTree.decode(data, subject="keys")

    assert "backup" in str(caught.value)


def test_the_file_grows_with_erasures_and_with_nothing_else() -> None:
    tree = KeyTree.create(SECRET).destroy([digest(1)])

    assert len(json.loads(tree.encode())["nodes"]) == 64
