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

import os
import time
from _thread import allocate_lock

from jenkins_notary.errors import (
    HeadMovedError,
    IntegrityError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.ledger.rows import OTHER_KEYS, derive_keys
from jenkins_notary.ledger.seal import check_open
from jenkins_notary.ports import Appended, Batch, Head, Row
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    TreeHead,
    format_checkpoint,
    open_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.tlog.note import sign_note
from jenkins_notary.tlog.proofs import consistency_proof, verify_consistency
from jenkins_notary.tlog.tiles import TileHashReader, grow_tiles
from jenkins_notary.trust.record import check_author
from jenkins_notary.values.envelope import idempotency_key, parse_envelope
from jenkins_notary.values.leaf import (
    format_leaf,
    format_trust_entry,
    parse_leaf,
    project_leaf,
    stamp_leaf,
)
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jenkins_notary.ledger.seal import Seals
    from jenkins_notary.ports import (
        Clock,
        LogName,
        LogReader,
        RowKind,
        Store,
        Verifier,
    )
    from jenkins_notary.tlog.note import NoteSigner, NoteVerifier
    from jenkins_notary.values.leaf import Leaf

DEADLINE_S = 60.0
"""How long lost races are tried again before the caller hears of it."""

MAX_TIME_MS = (1 << 53) - 1
"""The latest commit time that a leaf can hold."""


class _Prepared(NamedTuple):
    """An envelope that has been read and may be appended.

    Attributes:
        data: Its bytes.
        key: Its key for idempotency.
        leaf: Its leaf, with no commit time yet.
        entry: The leaf's bytes, with none yet either.
        keys: Kind and key of each derived row.
    """

    data: bytes
    key: bytes
    leaf: Leaf
    entry: bytes
    keys: Sequence[tuple[RowKind, bytes]]


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
        *,
        authors: Verifier | None = None,
        seals: Seals | None = None,
    ) -> None:
        """Hold the store and the ledger's key.

        Args:
            store: Where the log lives.
            signer: The ledger's key; its name is the log's origin.
            verifiers: The public keys that may have signed the checkpoint so far.
            clock: Commit times.
            authors: Checks that each envelope is by the signer that its leaf names
                (``trust.record.check_author``). None: the caller made the envelopes,
                or has checked them. A ledger that takes in what others made needs it.
            seals: Who may seal the log here and open it; None: nobody.
        """
        self._store = store
        self._signer = signer
        self._verifiers = verifiers
        self._clock = clock
        self._authors = authors
        self._seals = seals
        self._commit_lock = allocate_lock()
        self._queue_lock = allocate_lock()
        self._queue: list[_Waiting] = []

    @property
    def origin(self) -> str:
        """Return the log's name."""
        return self._signer.name

    @property
    def reader(self) -> LogReader:
        """Return the store, as verifiers read it."""
        return self._store

    def append(self, envelopes: Sequence[bytes]) -> list[Appended]:
        """Append envelopes in one commit; return where each stands, once durable.

        An envelope whose statement was recorded before is not appended again: its
        first place is returned.

        Args:
            envelopes: DSSE envelopes; their signatures are the caller's affair,
                unless ``authors`` was given.

        Raises:
            IntegrityError: An envelope is malformed or not by its signer, or the log
                in the store is not the one that was signed.
            UsageError: The leaf would be longer than a tile can hold.
            UnavailableError: Races were lost for a minute, or the store is away.
            StorageError: The disk is full or read-only; nothing was written, unless
                the message says that only the checkpoint is missing.
            ConfigurationError: The log was sealed: it goes on elsewhere.
        """
        # All that can be wrong with an envelope is found here, in its own thread.
        waiting = _Waiting([_prepare(data, self._authors) for data in envelopes])
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
            results = []
            for part in self._cut([one for item in group for one in item.prepared]):
                results += self._commit(part)
        except BaseException as error:
            # An interrupt is the leader's own; the others' records may be durable.
            told = error if isinstance(error, Exception) else _interrupted()
            for item in group:
                item.error, item.done = told, True
            if not isinstance(error, Exception):
                raise
            return
        place = 0
        for item in group:
            item.results = results[place : place + len(item.prepared)]
            item.done = True
            place += len(item.prepared)

    def _cut(self, prepared: Sequence[_Prepared]) -> Iterator[Sequence[_Prepared]]:
        """Yield as many envelopes as one commit of the store takes, all in order."""
        room = self._store.max_keys
        part: list[_Prepared] = []
        left = room
        for one in prepared:
            need = len(one.keys) + OTHER_KEYS
            if part and need > left:
                yield part
                part, left = [], room
            part.append(one)
            left -= need
        # To append nothing publishes what an earlier writer could not.
        if part or not prepared:
            yield part

    def _commit(self, prepared: Sequence[_Prepared]) -> list[Appended]:
        """Commit envelopes, again after each lost race, until the deadline."""
        deadline = time.monotonic() + DEADLINE_S
        pause = 0.002
        while True:
            try:
                return self._try_commit(prepared)
            except HeadMovedError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        "ledger",
                        expected=f"a commit within {DEADLINE_S:.0f} s",
                        got="other writers were always first",
                        advice="try again",
                    ) from error
            # Jitter keeps writers that lost together from meeting again.
            time.sleep(pause * os.urandom(1)[0] / 255)
            pause = min(pause * 2, 0.25)

    def _try_commit(self, prepared: Sequence[_Prepared]) -> list[Appended]:
        """Build a batch on the head, commit it, and publish its checkpoint."""
        head, main, trust = read_head(self._store, self._verifiers)
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
            entries.append(stamp_leaf(one.entry, at_ms))
            if one.leaf.counts_for_trust:
                leaf = one.leaf._replace(at_ms=at_ms)
                trust_entries.append(format_trust_entry(index, leaf))
            envelopes[bytes.fromhex(one.leaf.envelope_hex)] = one.data
            rows += [Row(kind, key, index) for kind, key in one.keys]
            known[one.key] = Appended(index, at_ms, is_new=False)
            results.append(Appended(index, at_ms, is_new=True))
        if not entries:
            self._publish(main, trust)
            return results
        added = [*envelopes.values()]
        if all(one.leaf.type != "administration" for one in prepared):
            # Only such an act seals or opens, so the others need not be looked at.
            added = added[:1]
        check_open(self._store, main.size, added, self._seals)
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
        try:
            self._publish(main_after, trust_after)
        except StorageError as error:
            # Not "nothing was written": whoever tries again writes a second record.
            raise StorageError(
                f"checkpoint of {self.origin} at size {main_after.size}",
                expected="room to publish it",
                got=error.got,
                advice=f"{len(entries)} records are in the log, from #{main.size}: "
                "free space, and the next write publishes them",
            ) from error
        return results

    def _find_known(self, prepared: Sequence[_Prepared]) -> dict[bytes, Appended]:
        """Return where statements stand that were recorded before."""
        known = {}
        found = self._store.first_rows([one.key for one in prepared])
        for key, index in found.items():
            leaf = _read_leaf(self._store, index)
            _check_same(self._store, leaf, key, index)
            known[key] = Appended(index, leaf.at_ms, is_new=False)
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


def read_head(
    store: Store, verifiers: Sequence[NoteVerifier]
) -> tuple[Head | None, Frontier, Frontier]:
    """Return the committed head and both its frontiers, which extend what was signed.

    Args:
        store: The log.
        verifiers: The public keys that may have signed the checkpoint.

    Raises:
        IntegrityError: The checkpoint is badly signed, or the head is not the log
            that was signed, or one with more records.
    """
    # The checkpoint first: another writer may commit and publish between the two
    # reads, and a head that is read later is never behind it.
    note = store.checkpoint()
    head = store.head()
    if head is None:
        if note is not None:
            raise _altered("head", "the head that the checkpoint signs", "none")
        return None, Frontier(), Frontier()
    main, trust = Frontier.decode(head.main), Frontier.decode(head.trust)
    # Only a store that died in its first commit has a head and no checkpoint.
    if note is not None:
        signed = open_checkpoint(note, verifiers).checkpoint
        _check_extends(store, "main", main, TreeHead(signed.size, signed.root))
        _check_extends(store, "trust", trust, signed.trust)
    return head, main, trust


def _check_extends(
    store: LogReader, log: LogName, frontier: Frontier, signed: TreeHead
) -> None:
    """Check that a frontier is a signed tree, or that tree with more leaves."""
    size, root = signed
    if frontier.size < size:
        raise _altered(f"{log} head", f"at least {size} records", f"{frontier.size}")
    if frontier.size == size:
        if frontier.root() != root:
            raise _altered(f"{log} head", "the signed root", "another")
        return
    hashes = read_hashes(store, log, frontier.size)
    proof = consistency_proof(size, frontier.size, hashes)
    try:
        verify_consistency(size, root, frontier.size, frontier.root(), proof)
    except IntegrityError as error:
        raise _altered(
            f"{log} head",
            f"the log that was signed at size {size}, and more",
            "another",
        ) from error


def _read_leaf(reader: LogReader, index: int) -> Leaf:
    """Return the leaf that a row leads to, unproven."""
    found = reader.entries("main", index, index + 1)
    if not found:
        raise _altered(f"statement row of #{index}", "a record", "none")
    return parse_leaf(found[0], subject=f"leaf {index}")


def _check_same(reader: LogReader, leaf: Leaf, key: bytes, index: int) -> None:
    """Check that a record is of the statement that its row claims.

    A forged row would otherwise make a caller believe that its record is in the log.
    An erased record cannot be checked; its row stays as it was.
    """
    digest = bytes.fromhex(leaf.envelope_hex)
    data = reader.envelopes([digest]).get(digest)
    if data is not None and idempotency_key(parse_envelope(data)) != key:
        raise _altered(
            f"statement row of #{index}", "the statement's record", "another"
        )


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


def _prepare(data: bytes, authors: Verifier | None) -> _Prepared:
    """Read an envelope that is to be appended."""
    envelope = parse_envelope(data)
    statement = parse_statement(envelope.payload)
    if authors is not None:
        check_author(envelope, statement, authors, subject="envelope")
    key = idempotency_key(envelope)
    leaf = project_leaf(data, envelope, statement, MAX_TIME_MS)
    keys = [*derive_keys(leaf, statement), ("statement", key)]
    return _Prepared(data, key, leaf, format_leaf(leaf), keys)


def _interrupted() -> UnavailableError:
    """Return what the others of a group hear when its leader was interrupted."""
    return UnavailableError(
        "ledger",
        expected="a commit",
        got="an interrupt in the thread that made it",
        advice="try again; what was recorded is not recorded twice",
    )


def _altered(subject: str, expected: str, got: str) -> IntegrityError:
    """Return the error for a store that is not what was signed."""
    return IntegrityError(
        subject,
        expected=expected,
        got=got,
        advice="it was altered or rolled back: run jenkins-notary ledger verify",
    )
