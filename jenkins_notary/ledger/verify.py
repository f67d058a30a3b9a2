"""Check a whole ledger: everything on the disk is hashed and derived again.

What is compared with what:

1. every entry with the stored tiles of every level, the head's frontiers and roots,
   and the signed checkpoint: of the main log and of the trust log;
2. the trust log with exactly the main log's records that count for it, in order;
3. every envelope with its entry, byte for byte of the leaf that it gives again, and
   its signature with the signer's key; an envelope that is gone, with the erasure
   record of an administrator or of its own signer; one that no entry names;
4. every derived row with those that entries and statements give again;
5. commit times, the genesis, entries and tiles beyond the head;
6. the bodies, if their store is given.

Everything that does not hold is reported, not only the first. Records that others
append meanwhile are left to the next run. Memory is constant: hashes and keyed sums,
and one page of records for each process.

What it cannot find: a log that was written anew from an early record on, by someone
who holds the data and the ledger's key. Pins, receipts and witnesses find that.

Source: DESIGN section 5; FEATURES D13 and H9.
"""

from __future__ import annotations

import os

from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.ledger.findings import Findings, no_progress, raise_findings
from jenkins_notary.ledger.regrow import Regrowth, check_stored_tiles
from jenkins_notary.ledger.reread import PAGE, Scope, check_tile, read_entries
from jenkins_notary.ledger.rowcheck import check_envelopes, check_rows, show_key
from jenkins_notary.ledger.rowsums import KEY_BYTES, RowSums
from jenkins_notary.ledger.view import LedgerView
from jenkins_notary.ledger.workers import Marks, Workers
from jenkins_notary.ports import ROW_KINDS
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import Checkpoint, open_checkpoint, trust_extension
from jenkins_notary.tlog.merkle import Frontier, hash_leaf, root_of
from jenkins_notary.tlog.tiles import TILE_WIDTH
from jenkins_notary.trust.signers import Trust
from jenkins_notary.values.leaf import parse_trust_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jenkins_notary.ledger.findings import Finding, Progress
    from jenkins_notary.ledger.reread import RangeResult
    from jenkins_notary.ports import Blobs, Head, LogName, Store, Verifier
    from jenkins_notary.tlog.note import NoteVerifier

_ATTEMPTS = 5

RANGE = 4096
"""Records that a process checks at a time; a multiple of ``reread.PAGE``."""


class VerifyOptions(NamedTuple):
    """How much is checked, and with how many processes.

    Attributes:
        with_signatures: Check every record's signature too.
        workers: Processes; 1 checks in this one.
        open_store: Opens the same ledger again, in another process: a callable that
            can be pickled. None checks in this process.
        open_blobs: Opens the bodies' store, likewise; None leaves bodies out.
    """

    with_signatures: bool = True
    workers: int = 1
    open_store: Callable[[], Store] | None = None
    open_blobs: Callable[[], Blobs] | None = None


class VerifyReport(NamedTuple):
    """What a check of a whole ledger found.

    Attributes:
        origin: The log's origin, "" if there is no checkpoint to read it from.
        size: Records that were checked.
        root_hex: Root over them, computed from the entries.
        signed_size: Records under the published checkpoint; 0 without a good one.
        trust_size: Entries of the trust log.
        erased: Records whose envelope was erased, by a record that says so.
        signatures: Signatures that hold.
        unchecked: Records whose signer's key nobody knows.
        rows: Derived rows that the store holds.
        tiles: Stored tiles.
        bodies: Bodies that were hashed again.
        findings: The first findings, warnings among them.
        total: How many errors there are.
    """

    origin: str
    size: int
    root_hex: str
    signed_size: int
    trust_size: int
    erased: int
    signatures: int
    unchecked: int
    rows: int
    tiles: int
    bodies: int
    findings: tuple[Finding, ...]
    total: int

    @property
    def is_sound(self) -> bool:
        """Return whether nothing was altered, lost or forged."""
        return self.total == 0

    def raise_findings(self) -> None:
        """Raise every kept error at once.

        Raises:
            FaultsError: There is at least one; its exit code is 65.
        """
        raise_findings(self.findings, self.total)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            **self._asdict(),
            "findings": [one.to_dict() for one in self.findings],
            "sound": self.is_sound,
        }


def verify_ledger(
    store: Store,
    verifiers: Sequence[NoteVerifier],
    make_verifier: Callable[[], Verifier],
    options: VerifyOptions = VerifyOptions(),  # noqa: B008 - an immutable value
    *,
    progress: Progress = no_progress,
) -> VerifyReport:
    """Check everything that a store holds.

    Args:
        store: The ledger.
        verifiers: The public keys that may have signed the checkpoint.
        make_verifier: Makes the signature checks; can be pickled.
        options: How much is checked, and with how many processes.
        progress: Called with (phase, done, total).

    Returns:
        What was checked and found; nothing is raised for what was altered.

    Raises:
        UnavailableError: The store does not answer.
        StorageError: The disk fails.
    """
    run = _Verification(store, make_verifier, options, progress)
    return run.verify(verifiers)


class _Verification:
    """One run over one ledger."""

    def __init__(
        self,
        store: Store,
        make_verifier: Callable[[], Verifier],
        options: VerifyOptions,
        progress: Progress,
    ) -> None:
        """Hold the parts of the run."""
        self._store = store
        self._make_verifier = make_verifier
        self._options = options
        self._progress = progress
        self._findings = Findings()
        sums_key = os.urandom(KEY_BYTES)
        kinds = (*ROW_KINDS, "envelope")
        self._sums = {kind: RowSums(sums_key) for kind in kinds}
        self._sums_key = sums_key
        self._erased = bytearray()
        self._unread = bytearray()
        self._counts = {"erased": 0, "signed": 0, "unchecked": 0, "bodies": 0}
        self._last_at_ms = -1

    def verify(self, verifiers: Sequence[NoteVerifier]) -> VerifyReport:
        """Run all phases in order."""
        signed = self._open_checkpoint(verifiers)
        head = self._read_head()
        if head is None:
            return self._verify_empty(signed)
        main = _decode(head.main, "main", self._findings)
        trust = _decode(head.trust, "trust", self._findings)
        scope = self._make_scope(signed, main, trust)
        self._erased = bytearray(main.size // 8 + 1)
        self._unread = bytearray(main.size // 8 + 1)
        options = self._options
        with Workers(
            self._store,
            scope,
            make_verifier=self._make_verifier if options.with_signatures else None,
            open_store=options.open_store,
            open_blobs=options.open_blobs,
            workers=options.workers,
        ) as workers:
            trust_log = _TrustLog(self._store, trust.size, self._findings)
            grown = self._check_records(workers, main.size, signed, trust_log)
            self._compare_head(grown, main, "main")
            self._compare_head(trust_log.finish(signed), trust, "trust")
            self._check_time(head)
            rows, tiles = self._check_derived(workers, main.size, trust.size)
        counts = self._counts
        return VerifyReport(
            "" if signed is None else signed.origin,
            main.size,
            grown.root().hex(),
            0 if signed is None else signed.size,
            trust.size,
            counts["erased"],
            counts["signed"],
            counts["unchecked"],
            rows,
            tiles,
            counts["bodies"],
            tuple(self._findings.kept),
            self._findings.total,
        )

    def _open_checkpoint(self, verifiers: Sequence[NoteVerifier]) -> Checkpoint | None:
        """Return the published checkpoint if its log has signed it."""
        try:
            note = self._store.checkpoint()
            if note is None:
                raise IntegrityError("checkpoint", expected="a signed one", got="none")  # noqa: TRY301 - one handler for all
            checkpoint = open_checkpoint(note, verifiers).checkpoint
            _ = checkpoint.trust
        except IntegrityError as error:
            self._findings.add_error("checkpoint", "the published one", error)
            return None
        return checkpoint

    def _read_head(self) -> Head | None:
        """Return the committed head, None if there is none that can be read."""
        try:
            return self._store.head()
        except IntegrityError as error:
            self._findings.add_error("head", "the committed one", error)
            return None

    def _verify_empty(self, signed: Checkpoint | None) -> VerifyReport:
        """Report on a store that has no head: nothing may stand in it."""
        if signed is not None and not self._findings.total:
            self._findings.add(
                "head",
                "the committed one",
                expected=f"{signed.size} records",
                got="none",
            )
        origin, size = ("", 0) if signed is None else (signed.origin, signed.size)
        return VerifyReport(
            origin,
            0,
            Frontier().root().hex(),
            size,
            *(0,) * 7,
            tuple(self._findings.kept),
            self._findings.total,
        )

    def _make_scope(
        self, signed: Checkpoint | None, main: Frontier, trust: Frontier
    ) -> Scope:
        """Fold the trust records, and return what the ranges are checked against."""
        origin = "" if signed is None else signed.origin
        extension = trust_extension(trust.size, trust.root())
        head = Checkpoint(origin, main.size, main.root(), (extension,))
        verifier = self._make_verifier()
        view = LedgerView(self._store, head, b"", verifier)
        folded = Trust(verifier)
        administrators: list[tuple[int, frozenset[str]]] = []
        try:
            for index in _trust_indexes(self._store, trust.size):
                folded.apply(view.record(index))
                valid = frozenset(folded.administrators)
                if not administrators or administrators[-1][1] != valid:
                    administrators.append((index, valid))
        except (IntegrityError, NotFoundError) as error:
            self._findings.add_error("trust record", error.subject, error)
        if main.size and not folded.origin and not self._findings.total:
            self._findings.add("genesis", "record #0", got="none in the trust log")
        if origin and folded.origin and folded.origin != origin:
            self._findings.add(
                "genesis", "record #0", expected=f"origin {origin}", got=folded.origin
            )
        cuts = {0 if signed is None else min(signed.size, main.size)} - {0}
        return Scope(
            main.size,
            tuple(cuts),
            {signer: one.public_der for signer, one in folded.signers.items()},
            tuple(administrators),
            self._sums_key,
        )

    def _check_records(
        self,
        workers: Workers,
        size: int,
        signed: Checkpoint | None,
        trust_log: _TrustLog,
    ) -> Frontier:
        """Check all records and grow the main log's tree; return its frontier."""
        regrowth = Regrowth(self._store, "main", self._findings)
        self._progress("records", 0, size)
        open_hashes: tuple[bytes, ...] = ()
        starts = range(0, size, RANGE)
        ranges = [(start, min(start + RANGE, size)) for start in starts]
        for result in workers.check_ranges(ranges):
            self._take(result)
            trust_log.compare(result.trust)
            if signed is not None and signed.size in result.cut_hashes:
                whole = (signed.size - 1 - result.start) // TILE_WIDTH
                reached = regrowth.frontier_at(
                    result.group_roots[:whole], result.cut_hashes[signed.size]
                )
                self._compare_signed(reached, signed)
            regrowth.add_groups(result.group_roots)
            open_hashes = result.open_hashes
            self._progress("records", result.stop, size)
        regrowth.finish(open_hashes)
        if signed is not None and signed.size > size:
            self._findings.add(
                "head",
                "main log",
                expected=f"at least the {signed.size} signed records",
                got=f"{size}: records are lost, or an older copy was put in its place",
            )
        elif signed is not None and signed.size < size:
            self._findings.add(
                "checkpoint",
                f"tree size {signed.size}",
                expected=f"{size}",
                got="the last records are not signed yet; the next write signs them",
                severity="warning",
            )
        return regrowth.frontier()

    def _take(self, result: RangeResult) -> None:
        """Add what a range showed to the run's sums."""
        self._findings.extend(result.kept, result.total)
        for kind, (sums, count) in result.sums.items():
            self._sums[kind].merge(sums, count)
        for index in result.erased:
            self._erased[index >> 3] |= 1 << (index & 7)
        for index in result.unread:
            self._unread[index >> 3] |= 1 << (index & 7)
        self._counts["erased"] += len(result.erased)
        self._counts["signed"] += result.signed
        self._counts["unchecked"] += result.unchecked
        self._counts["bodies"] += result.bodies
        if 0 <= result.first_at_ms < self._last_at_ms:
            self._findings.add(
                "commit time",
                f"record #{result.start}",
                expected=f"at least {self._last_at_ms}",
                got=f"{result.first_at_ms}",
            )
        self._last_at_ms = max(self._last_at_ms, result.last_at_ms)

    def _compare_signed(self, reached: Frontier, signed: Checkpoint) -> None:
        """Compare the tree over the entries with the signed one."""
        if reached.root() != signed.root:
            self._findings.add(
                "root",
                f"main log at the signed size {signed.size}",
                expected=f"{signed.root.hex()} (signed)",
                got=f"{reached.root().hex()} (the entries as stored)",
            )

    def _compare_head(self, grown: Frontier, head: Frontier, log: str) -> None:
        """Compare a log's grown frontier with the head's, subtree by subtree."""
        if grown.size != head.size:
            self._findings.add(
                "entry",
                f"{log} log",
                expected=f"{head.size} of them",
                got=f"{grown.size}",
            )
            return
        first = 0
        for one, other in zip(grown.hashes, head.hashes, strict=True):
            span = 1 << ((head.size - first).bit_length() - 1)
            if one != other:
                self._findings.add(
                    "head",
                    f"{log} log, entries #{first} to #{first + span - 1}",
                    expected=f"{other.hex()} (the head)",
                    got=f"{one.hex()} (the entries as stored)",
                )
            first += span

    def _check_time(self, head: Head) -> None:
        """Compare the head's time with that of the last record."""
        if head.at_ms != self._last_at_ms:
            self._findings.add(
                "head",
                "commit time",
                expected=f"{self._last_at_ms}",
                got=f"{head.at_ms}",
            )

    def _check_derived(
        self, workers: Workers, size: int, trust_size: int
    ) -> tuple[int, int]:
        """Check rows, envelopes, tiles, and what lies beyond the head."""
        sum_envelopes = workers.sum_envelopes()
        rows, later = check_rows(
            workers,
            {kind: self._sums[kind] for kind in ROW_KINDS},
            Marks(bytes(self._erased), bytes(self._unread)),
            findings=self._findings,
            progress=self._progress,
        )
        present = self._read_sizes(size, trust_size)[0]
        for kind, key, index in later:
            if index >= present:
                self._findings.add(
                    "row",
                    f"{kind} row of record #{index}",
                    expected=f"none beyond the {present} records",
                    got=show_key(kind, key),
                )
        envelopes = RowSums(self._sums_key)
        envelopes.merge(*sum_envelopes())
        check_envelopes(
            self._store,
            (self._sums["envelope"], envelopes),
            lambda: self._read_sizes(size, trust_size)[0],
            self._findings,
        )
        return rows, self._check_stored(size, trust_size)

    def _check_stored(self, size: int, trust_size: int) -> int:
        """Check that both logs have the tiles of their trees, and nothing beyond.

        Records that come meanwhile bring tiles and entries; then it is checked again.
        Where they never cease to come, that counts which two checks have found: what
        was new at the first is known to the second.
        """
        before: set[tuple[str, str]] = set()
        for attempt in range(_ATTEMPTS):
            found = Findings()
            present = self._read_sizes(size, trust_size)
            tiles = check_stored_tiles(self._store, "main", (size, present[0]), found)
            tiles += check_stored_tiles(
                self._store, "trust", (trust_size, present[1]), found
            )
            self._check_beyond("main", present[0], found)
            self._check_beyond("trust", present[1], found)
            self._check_strays(present, found)
            is_still = self._read_sizes(size, trust_size) == present
            if not found.total or is_still:
                break
            if attempt == _ATTEMPTS - 1 and not found.is_full:
                found = found.among(before)
            before = {(one.what, one.where) for one in found.kept}
        self._findings.extend(found.kept, found.total)
        return tiles

    def _read_sizes(self, size: int, trust_size: int) -> tuple[int, int]:
        """Return how long both logs are now; never less than what was checked."""
        present = self._store.head()
        if present is None:
            return size, trust_size
        silent = Findings(limit=0)
        return (
            max(size, _decode(present.main, "main", silent).size),
            max(trust_size, _decode(present.trust, "trust", silent).size),
        )

    def _check_strays(self, sizes: tuple[int, int], findings: Findings) -> None:
        """Check that an engine of keys has none that a ledger has no use for."""
        scan = getattr(self._store, "scan_strays", None)
        if scan is None:
            return
        for name in scan({"main": sizes[0], "trust": sizes[1]}):
            findings.add("key", name, expected="none of this name")

    def _check_beyond(self, log: LogName, size: int, findings: Findings) -> None:
        """Check that no entry stands behind the head."""
        try:
            is_there = bool(self._store.entries(log, size, size + 1))
        except IntegrityError:
            # Something stands behind a gap.
            is_there = True
        if is_there:
            where = f"{log} log, #{size} or later"
            findings.add("entry", where, expected="none beyond the head")


class _TrustLog:
    """The trust log, compared with the main log's records as these are checked."""

    def __init__(self, store: Store, size: int, findings: Findings) -> None:
        """Start before the first entry."""
        self._store = store
        self._size = size
        self._findings = findings
        self._regrowth = Regrowth(store, "trust", findings)
        self._hashes: list[bytes] = []
        self._entries = self._read()
        self._next = next(self._entries, None)

    def compare(self, wanted: Sequence[tuple[int, bytes]]) -> None:
        """Compare the next entries with those that the main log asks for."""
        for index, leaf_hash in wanted:
            while self._next is not None and self._next[0] < index:
                self._add_foreign(self._next)
                self._next = next(self._entries, None)
            if self._next is None or self._next[0] > index:
                self._findings.add(
                    "trust record",
                    f"record #{index}",
                    expected="its entry in the trust log",
                    got="none: it was hidden",
                )
                continue
            if self._next[1] != leaf_hash:
                self._findings.add(
                    "trust record",
                    f"record #{index}",
                    expected="the main log's leaf in the trust log",
                    got="another",
                )
            self._next = next(self._entries, None)

    def finish(self, signed: Checkpoint | None) -> Frontier:
        """Compare what is left; return the trust log's frontier."""
        while self._next is not None:
            self._add_foreign(self._next)
            self._next = next(self._entries, None)
        self._regrowth.finish(self._hashes)
        frontier = self._regrowth.frontier()
        if signed is not None and signed.trust.size <= self._size:
            root = _root_at(self._store, signed.trust.size, self._findings)
            if root != signed.trust.root:
                self._findings.add(
                    "root",
                    f"trust log at the signed size {signed.trust.size}",
                    expected=f"{signed.trust.root.hex()} (signed)",
                    got=f"{root.hex()} (the entries as stored)",
                )
        elif signed is not None:
            self._findings.add(
                "head",
                "trust log",
                expected=f"at least the {signed.trust.size} signed entries",
                got=f"{self._size}: trust records are lost or hidden",
            )
        return frontier

    def _add_foreign(self, entry: tuple[int, bytes, int]) -> None:
        """Note an entry that the main log does not ask for here."""
        self._findings.add(
            "trust record",
            f"trust log, #{entry[2]}",
            expected="a record of the main log that counts for it, in order",
            got=f"record #{entry[0]}" if entry[0] >= 0 else "no trust entry",
        )

    def _read(self) -> Iterator[tuple[int, bytes, int]]:
        """Yield (index in the main log, leaf hash, place) of each entry."""
        for place, entry in _iterate(self._store, "trust", self._size, self._findings):
            leaf_hash = hash_leaf(entry)
            self._hashes.append(leaf_hash)
            if len(self._hashes) == TILE_WIDTH:
                check_tile(
                    self._store,
                    "trust",
                    (0, place // TILE_WIDTH),
                    self._hashes,
                    findings=self._findings,
                )
                self._regrowth.add_groups([root_of(self._hashes)])
                self._hashes = []
            try:
                index, _ = parse_trust_entry(entry)
            except IntegrityError:
                index = -1
            yield index, leaf_hash, place


def _decode(data: bytes, log: str, findings: Findings) -> Frontier:
    """Return a frontier of the head; the empty one, and a finding, if malformed."""
    try:
        return Frontier.decode(data)
    except IntegrityError as error:
        findings.add_error("head", f"{log} log", error)
        return Frontier()


def _iterate(
    store: Store, log: LogName, size: int, findings: Findings
) -> Iterator[tuple[int, bytes]]:
    """Yield (place, entry) of each entry of a log, page by page."""
    for first in range(0, size, PAGE):
        last = min(first + PAGE, size)
        yield from enumerate(
            read_entries(store, log, first, last, findings=findings), first
        )


def _root_at(store: Store, size: int, findings: Findings) -> bytes:
    """Return the root over the first entries of the trust log."""
    frontier = Frontier()
    page: list[bytes] = []
    silent = Findings(limit=0) if findings.total else findings
    for _, entry in _iterate(store, "trust", size, silent):
        page.append(hash_leaf(entry))
        if len(page) == PAGE:
            frontier, page = frontier.append(page), []
    return frontier.append(page).root()


def _trust_indexes(store: Store, size: int) -> Iterator[int]:
    """Yield the index in the main log of each record of type ``trust``."""
    for _, entry in _iterate(store, "trust", size, Findings(limit=0)):
        if b'"type":"trust"' in entry:
            index, _ = parse_trust_entry(entry)
            yield index
