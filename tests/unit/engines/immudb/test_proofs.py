"""A newer state of immudb only adds to an older one, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.engines.immudb.headers import (
    TxHeader,
    check_header,
    hash_entry,
    hash_header,
)
from jenkins_notary.engines.immudb.proofs import State, verify_dual_proof, verify_entry
from jenkins_notary.errors import IntegrityError
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.tlog.proofs import inclusion_proof
from tests.unit.engines.immudb.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.engines.immudb.proofs import DualProof

KEPT_UP = [tx - 1 for tx in range(1, 18)]
BEHIND = [0, 0, 0, 2, 2, 4, 4, 4, 8, 8, 8, 11, 11, 11, 11, 15, 15]


def pairs(count: int) -> Iterator[tuple[int, int]]:
    """Yield every older and newer transaction."""
    for target in range(1, count + 1):
        for source in range(1, target + 1):
            yield source, target


@pytest.mark.parametrize("linked", [KEPT_UP, BEHIND], ids=["kept-up", "behind"])
def test_every_newer_state_is_proven_from_every_older_one(linked: list[int]) -> None:
    chain = Chain(linked)

    for source, target in pairs(len(linked)):
        proof = chain.prove(source, target)
        verify_dual_proof(proof, chain.state(source), chain.state(target))


@pytest.mark.parametrize("linked", [KEPT_UP, BEHIND], ids=["kept-up", "behind"])
def test_a_proof_with_any_hash_changed_or_cut_is_refused(linked: list[int]) -> None:
    chain = Chain(linked)

    for source, target in pairs(len(linked)):
        proof = chain.prove(source, target)
        for bad in spoil(proof):
            with pytest.raises(IntegrityError):
                verify_dual_proof(bad, chain.state(source), chain.state(target))


def spoil(proof: DualProof) -> Iterator[DualProof]:
    """Yield a proof with each of its hashes changed, and each list cut and grown."""
    changes: list[dict[str, Any]] = []
    for name in ("inclusion", "consistency", "last_inclusion", "chain"):
        changes += [{name: one} for one in spoil_list([*getattr(proof, name)])]
    if proof.target.linked:
        changes.append({"last_alh": bytes(32)})
    advance = spoil_list([*proof.advance_chain])
    changes += [{"advance_chain": one} for one in advance]
    if proof.advance_inclusions:
        changes.append({"advance_inclusions": proof.advance_inclusions[1:]})
    for place, inclusion in enumerate(proof.advance_inclusions):
        for changed in spoil_list([*inclusion]):
            listed = [*proof.advance_inclusions]
            listed[place] = changed
            changes.append({"advance_inclusions": listed})
    for name in ("source", "target"):
        header: TxHeader = getattr(proof, name)
        changes += [
            {name: header._replace(previous=b"x" * 32)},
            {name: header._replace(entries_root=b"x" * 32)},
            {name: header._replace(linked_root=b"x" * 32)},
            {name: header._replace(at_s=header.at_s + 1)},
        ]
    yield from (proof._replace(**one) for one in changes)


def spoil_list(listed: list[bytes]) -> Iterator[list[bytes]]:
    """Yield a list with each hash changed or left out, and with one more."""
    for place, one in enumerate(listed):
        flipped = bytes([one[0] ^ 1]) + one[1:]
        yield [*listed[:place], flipped, *listed[place + 1 :]]
        yield [*listed[:place], *listed[place + 1 :]]
        yield [*listed[:place], one[:31], *listed[place + 1 :]]
    if listed:
        yield [*listed, bytes(32)]


def test_states_of_another_order_or_hash_are_refused() -> None:
    chain = Chain(BEHIND)
    proof = chain.prove(3, 9)

    for source, target in (
        (State(3, bytes(32)), chain.state(9)),
        (chain.state(3), State(9, bytes(32))),
        (chain.state(4), chain.state(9)),
        (chain.state(3), chain.state(10)),
    ):
        with pytest.raises(IntegrityError):
            verify_dual_proof(proof, source, target)
    backwards = proof._replace(source=proof.target, target=proof.source)
    with pytest.raises(IntegrityError) as caught:
        verify_dual_proof(backwards, chain.state(9), chain.state(3))
    assert "older" in str(caught.value)


@pytest.mark.parametrize("faked", range(2, 13))
def test_a_transaction_that_is_another_in_the_tree_is_found(faked: int) -> None:
    """The linear fake: the chain has shown one transaction, the tree holds another."""
    # The tree lags, so that the chain is what is believed for some time.
    chain = Chain([0] * 12)
    chain.in_tree[faked] = bytes([faked]) * 32
    chain.add(13, 12)
    chain.add(14, 13)

    # Whoever is behind it has believed the real one.
    for source in range(faked, 13):
        for target in (13, 14):
            with pytest.raises(IntegrityError):
                verify_dual_proof(
                    chain.prove(source, target),
                    chain.state(source),
                    chain.state(target),
                )


def test_a_tree_that_ends_in_another_transaction_than_the_source_is_refused() -> None:
    """Where the tree ends with the older state itself, it must be that one."""
    chain = Chain([0, 1])
    chain.in_tree[2] = b"x" * 32
    chain.add(3, 2)

    with pytest.raises(IntegrityError):
        verify_dual_proof(chain.prove(2, 3), chain.state(2), chain.state(3))


@pytest.mark.parametrize("version", [0, 1])
def test_an_entry_is_proven_in_its_transaction(version: int) -> None:
    digests = [
        hash_entry(b"\x00key%d" % n, bytes([n]) * 32, b"", version) for n in range(5)
    ]
    leaves = [hash_leaf(one) for one in digests]
    header = TxHeader(1, bytes(32), 5, version, b"", 5, root_of(leaves), 0, bytes(32))

    def read(level: int, n: int) -> bytes:
        return root_of(leaves[n << level : (n + 1) << level])

    for place, digest in enumerate(digests):
        proof = inclusion_proof(place, 5, read)
        verify_entry(digest, header, place, proof)
        for wrong in (place - 1, place + 1, 5, -1):
            with pytest.raises(IntegrityError):
                verify_entry(digest, header, wrong, proof)
        with pytest.raises(IntegrityError):
            verify_entry(bytes(32), header, place, proof)


HEADER = TxHeader(2, bytes(32), 5, 1, b"m", 3, bytes(32), 1, bytes(32))


@pytest.mark.parametrize(
    "change",
    [
        {"tx": 0},
        {"tx": 1 << 63},
        {"linked": 2},
        {"linked": -1},
        {"count": 0},
        {"count": 1 << 31},
        {"at_s": -1},
        {"version": 2},
        {"version": 0},
        {"metadata": b"m" * 300},
        {"previous": b""},
        {"entries_root": bytes(33)},
        {"linked_root": bytes(31)},
    ],
    ids=str,
)
def test_a_header_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    check_header(HEADER)

    with pytest.raises(IntegrityError):
        hash_header(HEADER._replace(**change))


def test_each_field_of_a_header_changes_its_hash() -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"tx": 3},
        {"previous": b"x" * 32},
        {"at_s": 6},
        {"metadata": b""},
        {"count": 4},
        {"entries_root": b"x" * 32},
        {"linked": 0},
        {"linked_root": b"x" * 32},
        {"version": 0, "metadata": b""},
    )
    hashes = {hash_header(HEADER._replace(**one)) for one in changes}

    assert len(hashes | {hash_header(HEADER)}) == len(changes) + 1
