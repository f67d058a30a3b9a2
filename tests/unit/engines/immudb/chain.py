"""A small immudb of a test's own: transactions, their chain, the tree behind it."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING

from jenkins_notary.engines.immudb.headers import TxHeader, hash_header
from jenkins_notary.engines.immudb.proofs import DualProof, State
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.tlog.proofs import consistency_proof, inclusion_proof

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Chain:
    """Transactions, and what a server of them would send.

    Attributes:
        headers: By id, from 1; the first place is empty.
        alhs: By id; that of 0 is what the first transaction has before it.
        in_tree: What the server puts into its tree, by id: the same, if it is honest.
    """

    def __init__(self, linked: Sequence[int]) -> None:
        """Make transactions.

        Args:
            linked: For each how many are in the tree when it is made.
        """
        self.headers: list[TxHeader] = []
        self.alhs = [sha256(b"").digest()]
        self.in_tree = [b""]
        for tx, size in enumerate(linked, 1):
            self.add(tx, size)

    def add(self, tx: int, size: int, *, entry: bytes = b"entry") -> None:
        """Make the next transaction."""
        root = sha256(entry + struct.pack(">Q", tx)).digest()
        header = TxHeader(
            tx, self.alhs[-1], 1000 + tx, 1, b"", 2, root, size, self.root(size)
        )
        self.headers.append(header)
        self.alhs.append(hash_header(header))
        self.in_tree.append(self.alhs[-1])

    def root(self, size: int) -> bytes:
        """Return the root of the tree of the first transactions."""
        return root_of(self._leaves()[:size]) if size else bytes(32)

    def state(self, tx: int) -> State:
        """Return the state after a transaction."""
        return State(tx, self.alhs[tx])

    def inner(self, tx: int) -> bytes:
        """Return a transaction's inner hash."""
        one = self.headers[tx - 1]
        return sha256(
            struct.pack(">QHHI", one.at_s, 1, 0, one.count)
            + one.entries_root
            + struct.pack(">Q", one.linked)
            + one.linked_root
        ).digest()

    def prove(self, source: int, target: int) -> DualProof:
        """Return the proof that a server sends."""
        old, new = self.headers[source - 1], self.headers[target - 1]
        size, read = new.linked, self._reader()
        start = max(source, size)
        until = min(size, source)
        first = old.linked
        has_advance = until > first + 1
        steps = range(first + 1, until) if has_advance else ()
        consistency: tuple[bytes, ...] = ()
        if 0 < first < size:
            consistency = consistency_proof(first, size, read)
            if first & (first - 1) == 0:
                consistency = (self.root(first), *consistency)
        return DualProof(
            old,
            new,
            inclusion_proof(source - 1, size, read) if source < size else (),
            consistency,
            self.in_tree[size] if size else bytes(32),
            inclusion_proof(size - 1, size, read) if size else (),
            [
                self.alhs[start],
                *[self.inner(tx) for tx in range(start + 1, target + 1)],
            ],
            [self.alhs[first + 1], *[self.inner(tx + 1) for tx in steps]]
            if has_advance
            else (),
            [inclusion_proof(tx - 1, size, read) for tx in steps],
        )

    def _leaves(self) -> list[bytes]:
        return [hash_leaf(one) for one in self.in_tree[1:]]

    def _reader(self) -> Callable[[int, int], bytes]:
        leaves = self._leaves()
        return lambda level, n: root_of(leaves[n << level : (n + 1) << level])
