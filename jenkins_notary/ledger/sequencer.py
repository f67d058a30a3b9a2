"""Append records to a store: order them, commit them durably, sign the checkpoint.

One commit is atomic: entries of both logs, envelopes, tiles, derived rows and the
head, on the condition that the head is still the one that the batch was built on.
Whoever loses that race reads the head again and builds again, so many processes
write into one log and never fork it.

Threads of one process share commits: each puts its envelopes into a queue, one of
them commits all that wait (group commit), and every caller returns only after its own
records are durable.

A checkpoint is signed over a committed head only. Should the process die between
commit and publication, the head is ahead of the published checkpoint; the next writer
proves that the head extends what was signed before it signs again.

Source: DESIGN section 5; Sunlight's lock on the checkpoint (compare-and-swap).
"""

from __future__ import annotations

import random
import threading
import time
from typing import NamedTuple

from jenkins_notary.errors import HeadMovedError, IntegrityError, UnavailableError
from jenkins_notary.ledger.rows import derive_rows, exact_range
from jenkins_notary.ports import Appended, Batch, Head, Row
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.tlog.note import sign_note
from jenkins_notary.tlog.proofs import tree_root
from jenkins_notary.tlog.tiles import TileHashReader, grow_tiles
from jenkins_notary.values.envelope import idempotency_key, parse_envelope
from jenkins_notary.values.leaf import format_leaf, format_trust_entry, project_leaf
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ports import Clock, LogName, LogReader, Store
    from jenkins_notary.tlog.note import NoteSigner, NoteVerifier
    from jenkins_notary.values.envelope import Envelope
    from jenkins_notary.values.statement import Statement

DEADLINE_S = 60.0
"""How long lost races are tried again before the caller hears of it."""


class _Prepared(NamedTuple):
    """An envelope that has been read and may be appended."""

    data: bytes
    envelope: Envelope
    statement: Statement
    key: bytes


class _Waiting:
    """One caller's envelopes in the queue, and what came of them."""

    __slots__ = ("done", "error", "prepared", "results")

    def __init__(self, prepared: Sequence[_Prepared]) -> None:
        """Keep what is to be appended."""
        self.prepared = prepared
        self.results: list[Appended] = []
        self.error: BaseException | None = None
        self.done = False


class Sequencer:
    """The one writer of a store in this process; any number of processes have one."""

    def __init__(
        self,
        store: Store,
        signer: NoteSigner,
        verifiers: Sequence[NoteVerifier],
        clock: Clock,
    ) -> None:
        """Hold the store and the ledger's key.

        Args:
            store: Where the log lives.
            signer: The ledger's key; its name is the log's origin.
            verifiers: The public keys that may have signed the checkpoint so far.
            clock: Commit times.
        """
        self._store = store
        self._signer = signer
        self._verifiers = verifiers
        self._clock = clock
        self._commit_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []

    @property
    def reader(self) -> LogReader:
        """Return the store, as verifiers read it."""
        return self._store

    def append(self, envelopes: Sequence[bytes]) -> list[Appended]:
        """Append envelopes in one commit; return where each stands, once durable.

        An envelope whose statement was recorded before is not appended again: its
        first place is returned.

        Args:
            envelopes: DSSE envelopes; signatures are the caller's affair.

        Raises:
            IntegrityError: An envelope is malformed, or the log in the store is not
                the one that was signed.
            UnavailableError: Races were lost for a minute, or the store is away.
            StorageError: The disk is full or read-only; nothing was written.
        """
        waiting = _Waiting([_prepare(data) for data in envelopes])
        with self._queue_lock:
            self._queue.append(waiting)
        with self._commit_lock:
            if not waiting.done:
                self._commit_queue()
        if waiting.error is not None:
            raise waiting.error
        return waiting.results

    def _commit_queue(self) -> None:
        """Commit what waits; the callers find their results when they get the lock."""
        with self._queue_lock:
            group, self._queue = self._queue, []
        try:
            results = self._commit([one for item in group for one in item.prepared])
        except BaseException as error:
            for item in group:
                item.error, item.done = error, True
            if not isinstance(error, Exception):
                raise
            return
        place = 0
        for item in group:
            item.results = results[place : place + len(item.prepared)]
            item.done = True
            place += len(item.prepared)

    def _commit(self, prepared: Sequence[_Prepared]) -> list[Appended]:
        """Commit envelopes, again after each lost race, until the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        pause = 0.002
        while True:
            head = self._store.head()
            try:
                return self._try_commit(prepared, head)
            except HeadMovedError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        "ledger",
                        expected=f"a commit within {DEADLINE_S:.0f} s",
                        got="other writers were always first",
                        advice="try again",
                    ) from error
            # Jitter keeps writers that lost together from meeting again.
            time.sleep(pause * random.random())  # noqa: S311 - no secret
            pause = min(pause * 2, 0.25)

    def _try_commit(
        self, prepared: Sequence[_Prepared], head: Head | None
    ) -> list[Appended]:
        """Build a batch on a head, commit it, and publish its checkpoint."""
        main, trust = check_head(self._store, head, self._verifiers)
        known = self._find_known(prepared)
        at_ms = max(self._clock.now_ms(), 0 if head is None else head.at_ms)
        results: list[Appended] = []
        entries: list[bytes] = []
        trust_entries: list[bytes] = []
        envelopes: dict[bytes, bytes] = {}
        rows: list[Row] = []
        for one in prepared:
            if one.key in known:
                results.append(known[one.key])
                continue
            index = main.size + len(entries)
            leaf = project_leaf(one.data, one.envelope, one.statement, at_ms)
            entries.append(format_leaf(leaf))
            if leaf.counts_for_trust:
                trust_entries.append(format_trust_entry(index, leaf))
            envelopes[bytes.fromhex(leaf.envelope_hex)] = one.data
            rows += derive_rows(index, leaf, one.statement)
            rows.append(Row("statement", one.key, index))
            known[one.key] = Appended(index, at_ms, is_new=False)
            results.append(Appended(index, at_ms, is_new=True))
        if not entries:
            self._publish(main, trust)
            return results
        grown, main_after = _grow(self._store, "main", main, entries)
        trust_grown, trust_after = _grow(self._store, "trust", trust, trust_entries)
        batch = Batch(
            Head(main_after.encode(), trust_after.encode(), at_ms),
            main.size,
            entries,
            trust.size,
            trust_entries,
            envelopes,
            {**grown, **trust_grown},
            rows,
        )
        self._store.commit(batch, onto=head)
        self._publish(main_after, trust_after)
        return results

    def _find_known(self, prepared: Sequence[_Prepared]) -> dict[bytes, Appended]:
        """Return where statements stand that were recorded before."""
        known = {}
        for one in prepared:
            key = exact_range(one.key)
            for row in self._store.rows("statement", *key, limit=1):
                known[one.key] = Appended(
                    row.index, read_commit_time(self._store, row.index), is_new=False
                )
        return known

    def _publish(self, main: Frontier, trust: Frontier) -> None:
        """Sign and publish the checkpoint of a committed head."""
        checkpoint = Checkpoint(
            self._signer.name,
            main.size,
            main.root(),
            (trust_extension(trust.size, trust.root()),),
        )
        note = sign_note(format_checkpoint(checkpoint), [self._signer])
        self._store.publish(note, size=main.size)


def check_head(
    store: LogReader, head: Head | None, verifiers: Sequence[NoteVerifier]
) -> tuple[Frontier, Frontier]:
    """Return both frontiers of a head that extends what was signed before.

    Args:
        store: The log.
        head: Its committed head, None for a new one.
        verifiers: The public keys that may have signed the checkpoint.

    Raises:
        IntegrityError: The checkpoint is missing or badly signed, or the head is
            not the log that was signed, or one with more records.
    """
    note = store.checkpoint()
    if head is None:
        if note is not None:
            raise _altered("head", "the head that the checkpoint signs", "none")
        return Frontier(), Frontier()
    main, trust = Frontier.decode(head.main), Frontier.decode(head.trust)
    if note is None:
        # Only a store that died in its first commit has a head and no checkpoint.
        signed = Checkpoint("", 0, Frontier().root(), ())
        signed_trust = (0, Frontier().root())
    else:
        signed = open_checkpoint(note, verifiers).checkpoint
        signed_trust = signed.trust
    _check_extends(store, "main", main, signed.size, signed.root)
    _check_extends(store, "trust", trust, *signed_trust)
    return main, trust


def read_commit_time(reader: LogReader, index: int) -> int:
    """Return the commit time (ms UTC) of the record at an index, unproven."""
    from jenkins_notary.values.leaf import parse_leaf  # noqa: PLC0415 - rare

    (entry,) = reader.entries("main", index, index + 1)
    return parse_leaf(entry, subject=f"leaf {index}").at_ms


def _check_extends(
    store: LogReader, log: LogName, frontier: Frontier, size: int, root: bytes
) -> None:
    """Check that a frontier is a signed tree, or that tree with more leaves."""
    if frontier.size < size:
        raise _altered(f"{log} head", f"at least {size} records", f"{frontier.size}")
    if frontier.size == size:
        if frontier.root() != root:
            raise _altered(f"{log} head", "the signed root", "another")
        return
    hashes = read_hashes(store, log, frontier.size)
    if size and tree_root(size, hashes) != root:
        raise _altered(f"{log} log", f"the signed root at size {size}", "another")
    if tree_root(frontier.size, hashes) != frontier.root():
        raise _altered(f"{log} head", "the root of the stored tiles", "another")


def read_hashes(reader: LogReader, log: LogName, size: int) -> TileHashReader:
    """Return the subtree hashes of a log at a size, as its reader gives them."""

    def fetch_tile(level: int, n: int, width: int) -> bytes:
        return reader.tile(log, level, n, width)

    return TileHashReader(size, fetch_tile)


def _grow(
    store: Store, log: LogName, frontier: Frontier, entries: Sequence[bytes]
) -> tuple[dict[tuple[LogName, int, int], bytes], Frontier]:
    """Return the tiles that new entries complete, and the frontier behind them."""
    hashes = [hash_leaf(entry) for entry in entries]

    def read_tail(level: int, n: int, width: int) -> bytes:
        return store.tile(log, level, n, width)

    tiles = grow_tiles(frontier.size, hashes, read_tail)
    named = {(log, level, n): data for (level, n), data in tiles.items()}
    return named, frontier.append(hashes)


def _prepare(data: bytes) -> _Prepared:
    """Read an envelope that is to be appended."""
    envelope = parse_envelope(data)
    statement = parse_statement(envelope.payload)
    return _Prepared(data, envelope, statement, idempotency_key(envelope))


def _altered(subject: str, expected: str, got: str) -> IntegrityError:
    """Return the error for a store that is not what was signed."""
    return IntegrityError(
        subject,
        expected=expected,
        got=got,
        advice="the ledger was altered or rolled back: run jenkins-notary ledger verify",
    )


