"""Check immudb's dual proofs: that a newer state only adds to an older one.

A state is (id, Alh) of a transaction. A dual proof leads from an older to a newer one::

      tree behind the older      tree behind the newer
    |======================|==============|
    1 ------------------ B1 --- older --- B2 ---------- newer     the chain of Alhs

(1) each header hashes to its state; (2) the older transaction is in the newer one's
tree, or the chain leads on from it; (3) the older tree is a part of the newer one;
(4) the last transaction of the newer tree is there with the Alh that the chain starts
from; (5) the chain leads to the newer state; (6) every transaction of the chain that
went into the newer tree since the older one, is there with the Alh of the chain.
Without (6) a server could put one transaction into its tree and show another one in the
chain (CVE-2022-36111); the numbers of steps in (5) and (6) are fixed, not claimed.

Everything here is pure. The trees are those of RFC 6962, so :mod:`tlog.proofs` checks
them, strictly: a proof has exactly the hashes that it needs.

Source: immudb 1.11.1, embedded/store/verification.go (what is proven);
GHSA-672p-m5jq-mrh8 (what must be).
"""

from __future__ import annotations

from jenkins_notary.engines.immudb.headers import HASH_SIZE, hash_header, link
from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.proofs import verify_consistency, verify_inclusion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.engines.immudb.headers import TxHeader


class State(NamedTuple):
    """A transaction, and with it everything before it.

    Attributes:
        tx: Its id, from 1.
        alh: Its Alh, 32 bytes.
    """

    tx: int
    alh: bytes


class DualProof(NamedTuple):
    """What a server sends to prove that one state follows from another.

    Attributes:
        source: Header of the older transaction.
        target: Header of the newer one.
        inclusion: Proof of the older one in the newer tree.
        consistency: Proof between both trees.
        last_alh: Alh of the last transaction of the newer tree.
        last_inclusion: Proof of it in that tree.
        chain: The Alh that the chain starts from, then an inner hash a step.
        advance_chain: An Alh, then an inner hash a step, over what the tree took in.
        advance_inclusions: Proofs in the newer tree for each step between.
    """

    source: TxHeader
    target: TxHeader
    inclusion: Sequence[bytes]
    consistency: Sequence[bytes]
    last_alh: bytes
    last_inclusion: Sequence[bytes]
    chain: Sequence[bytes]
    advance_chain: Sequence[bytes]
    advance_inclusions: Sequence[Sequence[bytes]]


def verify_dual_proof(proof: DualProof, source: State, target: State) -> None:
    """Check that the newer state only adds to the older one.

    Args:
        proof: What the server sent.
        source: The older state, which is trusted.
        target: The newer one.

    Cost: a hash for each step of the chain and for each level of the trees.

    Raises:
        IntegrityError: It does not, or is not proven to.
    """
    subject = f"immudb transaction {target.tx} after {source.tx}"
    _check_state(proof.source, source, subject)  # (1)
    _check_state(proof.target, target, subject)
    if source.tx > target.tx:
        raise IntegrityError(subject, expected="a newer state", got="an older one")
    size, root = proof.target.linked, proof.target.linked_root
    is_inside = source.tx < size
    if is_inside:  # (2)
        _verify_in_tree(source, proof.inclusion, size, root)
    _verify_trees(proof)  # (3)
    last = State(size, proof.last_alh)
    if size:  # (4)
        _verify_in_tree(last, proof.last_inclusion, size, root)
    if source.tx == size and source.alh != last.alh:
        raise IntegrityError(
            subject, expected=f"transaction {size} in the tree", got="another"
        )
    start = last if is_inside else source
    _verify_chain(proof.chain, start, target, subject)  # (5)
    until = source if is_inside else last
    _verify_advance(proof, until, subject)  # (6)


def verify_entry(
    digest: bytes, header: TxHeader, index: int, proof: Sequence[bytes]
) -> None:
    """Check that an entry is one of a transaction.

    Args:
        digest: The entry's digest, see ``headers.hash_entry``.
        header: The transaction, whose Alh is proven.
        index: The entry's place, from 0.
        proof: The hashes beside its way to the root.

    Raises:
        IntegrityError: It is none.
    """
    if not 0 <= index < header.count:
        raise IntegrityError(
            f"immudb transaction {header.tx}",
            expected=f"an entry below {header.count}",
            got=f"{index}",
        )
    verify_inclusion(hash_leaf(digest), index, header.count, proof, header.entries_root)


def _check_state(header: TxHeader, state: State, subject: str) -> None:
    """Check that a header is that of a state."""
    if header.tx != state.tx or hash_header(header) != state.alh:
        raise IntegrityError(
            subject,
            expected=f"transaction {state.tx} with the hash {state.alh.hex()}",
            got=f"transaction {header.tx} with another",
        )


def _verify_in_tree(
    state: State, proof: Sequence[bytes], size: int, root: bytes
) -> None:
    """Check that a transaction is in the tree behind the chain."""
    verify_inclusion(hash_leaf(state.alh), state.tx - 1, size, proof, root)


def _verify_trees(proof: DualProof) -> None:
    """Check that the older tree is a part of the newer one (3)."""
    old, new = proof.source, proof.target
    if old.linked == 0:
        return
    # For one and the same tree immudb sends hashes too; its root alone tells.
    hashes = () if old.linked == new.linked else proof.consistency
    if old.linked & (old.linked - 1) == 0 and old.linked < new.linked:
        # immudb sends the older root as well where RFC 6962 knows it already.
        if not hashes or hashes[0] != old.linked_root:
            raise IntegrityError(
                f"immudb tree of {new.linked}", expected="the older root", got="another"
            )
        hashes = hashes[1:]
    verify_consistency(old.linked, old.linked_root, new.linked, new.linked_root, hashes)


def _verify_chain(
    chain: Sequence[bytes], start: State, end: State, subject: str
) -> None:
    """Check that the chain leads from one state to another (5)."""
    _check_count(chain, end.tx - start.tx + 1, subject)
    alh = chain[0]
    if alh != start.alh:
        raise IntegrityError(
            subject, expected=f"a chain from {start.tx}", got="one from elsewhere"
        )
    for tx, inner in enumerate(chain[1:], start.tx + 1):
        alh = link(tx, alh, inner)
    if alh != end.alh:
        raise IntegrityError(
            subject, expected=f"a chain to {end.tx}", got="one to elsewhere"
        )


def _verify_advance(proof: DualProof, until: State, subject: str) -> None:
    """Check what of the chain the tree has taken in since the older one (6)."""
    first, size = proof.source.linked, proof.target.linked
    if until.tx <= first + 1:
        return
    chain, inclusions = proof.advance_chain, proof.advance_inclusions
    _check_count(chain, until.tx - first, subject)
    if len(inclusions) != until.tx - first - 1:
        raise IntegrityError(
            subject,
            expected=f"{until.tx - first - 1} proofs in the tree",
            got=f"{len(inclusions)}",
        )
    alh = chain[0]
    steps = zip(range(first + 1, until.tx), inclusions, chain[1:], strict=True)
    for tx, inclusion, inner in steps:
        _verify_in_tree(State(tx, alh), inclusion, size, proof.target.linked_root)
        alh = link(tx + 1, alh, inner)
    if alh != until.alh:
        raise IntegrityError(
            subject, expected=f"the chain of transaction {until.tx}", got="another"
        )


def _check_count(hashes: Sequence[bytes], count: int, subject: str) -> None:
    """Check that a chain has a hash for each step."""
    if len(hashes) != count or any(len(one) != HASH_SIZE for one in hashes):
        raise IntegrityError(
            subject, expected=f"a chain of {count} hashes", got=f"{len(hashes)}"
        )
