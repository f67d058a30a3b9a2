"""Follow one database: every state is proven to add to the state before.

What is remembered is the newest state that was verified: its transaction and Alh. It is
bound to the address that was asked, not to what the server calls itself: a server that
takes another's place must prove that it has the same past (CVE-2022-39199). Whoever
names the server's public key has each state's signature checked as well.

Wherever a state is kept between runs, missing means first contact; a damaged one is an
error of its keeper, never first contact.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any

from jenkins_notary.engines.immudb.answers import (
    digest_entry,
    read_dual_proof,
    read_header,
)
from jenkins_notary.engines.immudb.headers import hash_header
from jenkins_notary.engines.immudb.proofs import State, verify_dual_proof, verify_entry
from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.shapes import NamedTuple, Protocol
from jenkins_notary.tlog.merkle import hash_leaf, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.engines.immudb.connection import Link
    from jenkins_notary.engines.immudb.proofs import DualProof


class StateKeeper(Protocol):
    """Where the newest verified state is kept between runs."""

    def load(self) -> State | None:
        """Return it, None if there never was one.

        Raises:
            IntegrityError: It is damaged.
        """

    def save(self, state: State) -> None:
        """Keep it, unless a newer one is kept."""


class StateVerifier(Protocol):
    """The check of a server's signature, so that no key library is needed here."""

    def is_valid(self, signature: bytes, message: bytes) -> bool:
        """Return whether the server's key has signed."""


class Found(NamedTuple):
    """A value that is proven to have been set.

    Attributes:
        value: Its bytes.
        tx: The transaction that set it.
    """

    value: bytes
    tx: int


class Trail:
    """The verified past of one database; threads may share it."""

    def __init__(
        self,
        connection: Link,
        keeper: StateKeeper,
        signatures: StateVerifier | None = None,
    ) -> None:
        """Read what is known; nothing is asked yet.

        Args:
            connection: The server.
            keeper: Where the newest state is kept.
            signatures: Check of the server's signatures, or None for none.
        """
        self._connection = connection
        self._keeper = keeper
        self._signatures = signatures
        self._lock = threading.Lock()
        self._state = keeper.load()
        self._signed: State | None = None

    def set(
        self, entries: Sequence[tuple[bytes, bytes]], preconditions: Sequence[Any]
    ) -> int:
        """Set keys in one transaction; return its id, proven.

        Args:
            entries: (key, value), each key once.
            preconditions: Messages of what must hold.

        Raises:
            HeadMovedError: A precondition does not hold.
            UnavailableError: It may have been done, or not.
            IntegrityError: The server's answer does not prove it.
        """
        from jenkins_notary.engines.immudb.wire import MESSAGES

        key_value = MESSAGES["KeyValue"]
        listed = [key_value(key=key, value=value) for key, value in entries]
        asked = MESSAGES["SetRequest"](entries=listed, preconditions=preconditions)
        with self._lock:
            state = self._begin()
            answer = self._connection.write(
                "VerifiableSet", set=asked, since=state.tx if state else 0
            )
            header = read_header(answer.tx.header)
            _check_entries(header.count, header.entries_root, header.version, entries)
            proven = State(header.tx, hash_header(header))
            proof = read_dual_proof(answer.dualProof)
            self._advance(proof, proven, answer.signature)
            return proven.tx

    @property
    def state(self) -> State | None:
        """Return the newest verified state, None before the first."""
        return self._state

    @property
    def is_signed(self) -> bool:
        """Return whether that state's signature was checked with the pinned key.

        One that was kept by an earlier run may have been taken without the key.
        """
        return self._state is not None and self._signed == self._state

    def get(self, key: bytes, *, at_tx: int = 0) -> Found:
        """Return a value that is proven to have been set under a key.

        That it is the newest one is not proven by immudb: the log's own checkpoint is.

        Args:
            key: The key.
            at_tx: The transaction that set it; 0 for the newest that did.

        Raises:
            NotFoundError: There is no such key, or not in that transaction.
            IntegrityError: It is not proven.
        """
        from jenkins_notary.engines.immudb.wire import MESSAGES

        with self._lock:
            state = self._begin()
            try:
                answer = self._connection.read(
                    "VerifiableGet",
                    key=MESSAGES["KeyRequest"](key=key, atTx=at_tx),
                    since=state.tx if state else 0,
                )
            except NotFoundError:
                # Whoever empties a database must not look like one who begins it.
                self._check()
                raise
            entry, proof = answer.entry, read_dual_proof(answer.verifiableTx.dualProof)
            subject = f"immudb key {key[:80]!r}"
            if entry.HasField("referencedBy") or entry.key != key:
                raise IntegrityError(subject, expected="a value of its own")
            if at_tx not in {0, entry.tx}:
                raise IntegrityError(
                    subject, expected=f"transaction {at_tx}", got=f"{entry.tx}"
                )
            self._check_get(entry.tx, proof, answer.verifiableTx.signature)
            header = proof.source if proof.source.tx == entry.tx else proof.target
            metadata = entry.metadata if entry.HasField("metadata") else None
            digest = digest_entry(key, entry.value, metadata, header.version)
            where = answer.inclusionProof
            if where.width != header.count:
                raise IntegrityError(subject, expected="a proof in its transaction")
            verify_entry(digest, header, where.leaf, tuple(where.terms))
            return Found(entry.value, entry.tx)

    def _check(self) -> None:
        """Verify the newest state."""
        state = self._begin()
        if state is None:
            return
        try:
            now = self._connection.read("CurrentState")
        except NotFoundError as error:
            raise self._rolled_back(0, state.tx) from error
        newest = State(now.txId, now.txHash)
        if newest.tx < state.tx:
            raise self._rolled_back(newest.tx, state.tx)
        if newest != state:
            answer = self._connection.read(
                "VerifiableTxById", tx=newest.tx, since=state.tx
            )
            proof = read_dual_proof(answer.dualProof)
            self._advance(proof, newest, now.signature)

    def _begin(self) -> State | None:
        """Return the known state; take the server's at first contact."""
        if self._state is None:
            now = self._connection.read("CurrentState")
            if now.txId:
                state = State(now.txId, now.txHash)
                self._check_signature(state, now.signature)
                self._keep(state)
        return self._state

    def _check_get(self, tx: int, proof: DualProof, signature: Any) -> None:  # noqa: ANN401 - a message
        """Check that a transaction is of the known past, or adds to it."""
        state = self._state
        if state is None:
            raise IntegrityError(
                self._connection.server.name, expected="a state", got="none"
            )
        if tx >= state.tx:
            self._advance(proof, State(tx, hash_header(proof.target)), signature)
        else:
            old = State(tx, hash_header(proof.source))
            verify_dual_proof(proof, old, state)

    def _advance(self, proof: DualProof, proven: State, signature: Any) -> None:  # noqa: ANN401 - a message
        """Verify that a state adds to the known one, and keep it."""
        if self._state is not None:
            if proven.tx < self._state.tx:
                raise self._rolled_back(proven.tx, self._state.tx)
            verify_dual_proof(proof, self._state, proven)
        self._check_signature(proven, signature)
        self._keep(proven)

    def _keep(self, state: State) -> None:
        """Remember a state."""
        self._state = state
        self._keeper.save(state)

    def _check_signature(self, state: State, signature: Any) -> None:  # noqa: ANN401 - a message
        """Check the server's signature, if its key is known."""
        if self._signatures is None:
            return
        name = self._connection.server.database.encode()
        message = (
            struct.pack(">I", len(name))
            + name
            + struct.pack(">Q", state.tx)
            + state.alh
        )
        if not self._signatures.is_valid(signature.signature, message):
            raise IntegrityError(
                f"{self._connection.server.name} state {state.tx}",
                expected="a signature by the server's pinned key",
                got="none that is good",
            )
        self._signed = state

    def _rolled_back(self, got: int, known: int) -> IntegrityError:
        """Return the error for a database that has lost its newest part."""
        return IntegrityError(
            self._connection.server.name,
            expected=f"transaction {known}, which was seen before",
            got=f"{got} transactions",
            advice="it was rolled back or replaced: find the newer copy, or restore "
            "and let administrators begin a successor",
        )


def _check_entries(
    count: int, root: bytes, version: int, entries: Sequence[tuple[bytes, bytes]]
) -> None:
    """Check that a transaction holds what was sent, all of it and nothing else."""
    leaves = [
        hash_leaf(digest_entry(key, value, None, version)) for key, value in entries
    ]
    if count != len(leaves) or root_of(leaves) != root:
        raise IntegrityError(
            "immudb transaction", expected="the entries that were sent", got="others"
        )
