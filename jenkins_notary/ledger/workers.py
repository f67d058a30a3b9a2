"""Share the check of a ledger among processes; the caller sees results in order.

Processes are started anew (``spawn``): no lock, thread or database handle of this
process reaches them. Each opens the store for itself. A small ledger is checked in
this process, because starting others takes longer.
"""

from __future__ import annotations

from functools import partial
from itertools import islice

from jenkins_notary.ledger.findings import Findings
from jenkins_notary.ledger.reread import RangeCheck
from jenkins_notary.ledger.rowsums import RowSums, envelope_place
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import ProcessPoolExecutor
    from types import TracebackType
    from typing import Self

    from jenkins_notary.ledger.findings import Finding
    from jenkins_notary.ledger.reread import RangeResult, Scope
    from jenkins_notary.ports import Blobs, RowKind, Store, Verifier

PARALLEL_FROM = 20_000
"""Records from which on starting processes pays."""


_LATER = 20
"""How many rows of later records are remembered, the highest among them."""

_HELD = 1 << 15
"""Rows that are gathered before they are summed: it is faster in bulk."""

_PAGE = 1000


class ScanResult(NamedTuple):
    """What a scan over stored rows or envelopes showed.

    Attributes:
        sums: Sum by bucket.
        summed: How many were summed.
        stored: How many the store holds.
        later: Some of those that lead to records behind the checked size.
        highest: The highest index that was seen, -1 for none.
        kept: The first findings.
        total: How many errors there are.
    """

    sums: dict[int, int]
    summed: int
    stored: int
    later: tuple[tuple[bytes, int], ...]
    highest: int
    kept: tuple[Finding, ...]
    total: int


class Marks(NamedTuple):
    """Marked records: a bit for each index, the least significant first.

    Attributes:
        erased: Their envelopes were erased: one ``statement`` row may stand or be
            gone.
        unread: They are broken, and were reported: rows of theirs are not judged.
    """

    erased: bytes
    unread: bytes


class _Setup(NamedTuple):
    """What a process needs to begin: all of it can be pickled."""

    open_store: Callable[[], Store]
    open_blobs: Callable[[], Blobs] | None
    make_verifier: Callable[[], Verifier] | None
    scope: Scope


class Workers:
    """Processes that check parts of one ledger, or this process alone."""

    def __init__(
        self,
        store: Store,
        scope: Scope,
        *,
        make_verifier: Callable[[], Verifier] | None,
        open_store: Callable[[], Store] | None,
        open_blobs: Callable[[], Blobs] | None,
        workers: int,
    ) -> None:
        """Hold what is checked; processes start on entering the context.

        Args:
            store: The ledger, for work in this process.
            scope: What is checked.
            make_verifier: Makes the signature checks; None leaves signatures out.
            open_store: Opens the ledger in another process; None stays in this one.
            open_blobs: Opens the bodies' store; None leaves bodies out.
            workers: How many processes.
        """
        self.store = store
        self.scope = scope
        self._make_verifier = make_verifier
        self._open_blobs = open_blobs
        self._setup = None
        if open_store is not None and workers > 1 and scope.size >= PARALLEL_FROM:
            self._setup = _Setup(open_store, open_blobs, make_verifier, scope)
        self._count = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Start the processes, if there is enough to do."""
        if self._setup is not None:
            from concurrent.futures import ProcessPoolExecutor
            from multiprocessing import get_context

            self._executor = ProcessPoolExecutor(
                self._count,
                get_context("spawn"),
                initializer=_begin,
                initargs=(self._setup,),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the processes; after a failure without what they still had to do."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=kind is not None)

    def check_ranges(self, ranges: Sequence[tuple[int, int]]) -> Iterator[RangeResult]:
        """Yield the result of each range of records, in order."""
        if self._executor is not None:
            yield from self._executor.map(_check_range, ranges)
            return
        check = RangeCheck(
            self.store,
            self.scope,
            verifier=None if self._make_verifier is None else self._make_verifier(),
            blobs=None if self._open_blobs is None else self._open_blobs(),
        )
        for start, stop in ranges:
            yield check.check(start, stop)

    def sum_envelopes(self) -> Callable[[], tuple[dict[int, int], int]]:
        """Begin to sum the store's envelopes; what is returned waits for the sums."""
        if self._executor is not None:
            return self._executor.submit(_sum_envelopes).result
        return partial(sum_envelopes, self.store, self.scope)

    def sum_rows(
        self, kinds: Sequence[RowKind], marks: Marks
    ) -> Iterator[tuple[RowKind, ScanResult]]:
        """Yield the sums of the store's rows of each kind."""
        if self._executor is not None:
            results = self._executor.map(_sum_rows, kinds, [marks] * len(kinds))
            yield from zip(kinds, results, strict=True)
            return
        for kind in kinds:
            yield kind, sum_rows(self.store, self.scope, kind, marks)


def sum_rows(store: Store, scope: Scope, kind: RowKind, marks: Marks) -> ScanResult:
    """Return the sums of a store's rows of a kind, those of later records apart.

    Args:
        store: The ledger.
        scope: What is checked.
        kind: Which rows.
        marks: Records whose rows are left out.
    """
    scan = _RowScan(scope, kind, marks)
    for page in _row_pages(store, kind):
        scan.add(page)
    return scan.result()


def sum_envelopes(store: Store, scope: Scope) -> tuple[dict[int, int], int]:
    """Return the sums of a store's envelopes, and how many there are."""
    sums = RowSums(scope.sums_key)
    held: list[tuple[bytes, int]] = []
    for digest in store.scan_envelopes():
        held.append((digest, envelope_place(digest)))
        if len(held) == _HELD:
            sums.add_all(held)
            held.clear()
    sums.add_all(held)
    return sums.sums, sums.count


class _RowScan:
    """What a scan over the rows of one kind has shown so far."""

    def __init__(self, scope: Scope, kind: RowKind, marks: Marks) -> None:
        """Start before the first row."""
        self._kind = kind
        self._size = scope.size
        self._sums = RowSums(scope.sums_key)
        self._findings = Findings()
        # One row may stand or be gone; a second one is foreign.
        optional = bytearray(marks.erased if kind == "statement" else b"")
        self._optional = optional if any(optional) else bytearray()
        self._unread = marks.unread if any(marks.unread) else b""
        self._stored, self._highest = 0, -1
        self._later: list[tuple[bytes, int]] = []
        self._held: list[tuple[bytes, int]] = []

    def add(self, page: list[tuple[bytes, int]]) -> None:
        """Take the next rows."""
        self._stored += len(page)
        indexes = [index for _, index in page]
        is_marked = self._unread or self._optional
        if is_marked or min(indexes) < 0 or max(indexes) >= self._size:
            page = [pair for pair in page if self._counts(*pair)]
        self._held += page
        # It is faster in bulk.
        if len(self._held) >= _HELD:
            self._sums.add_all(self._held)
            self._held.clear()

    def _counts(self, key: bytes, index: int) -> bool:
        """Return whether a row must be one that a checked record gives."""
        if index < 0:
            where = f"{self._kind} row {key[:64].hex()}"
            self._findings.add("row", where, got=f"#{index}")
            return False
        if index >= self._size:
            if len(self._later) < _LATER or index > self._highest:
                self._later = [*self._later[1 - _LATER :], (key, index)]
            self._highest = max(self._highest, index)
            return False
        byte, bit = index >> 3, 1 << (index & 7)
        if self._unread and self._unread[byte] & bit:
            return False
        if self._optional and self._optional[byte] & bit:
            self._optional[byte] ^= bit
            return False
        return True

    def result(self) -> ScanResult:
        """Return what all rows have shown."""
        self._sums.add_all(self._held)
        return ScanResult(
            self._sums.sums,
            self._sums.count,
            self._stored,
            tuple(self._later),
            self._highest,
            tuple(self._findings.kept),
            self._findings.total,
        )


def _row_pages(store: Store, kind: RowKind) -> Iterator[list[tuple[bytes, int]]]:
    """Yield (key, index) of all rows of a kind in pages, as the engine has them."""
    scan = getattr(store, "scan_row_pages", None)
    if scan is not None:
        yield from scan(kind)
        return
    rows = store.scan_rows(kind)
    while page := [(key, index) for _, key, index in islice(rows, _PAGE)]:
        yield page


_check: RangeCheck | None = None
_store: Store | None = None


def _begin(setup: _Setup) -> None:
    """Open the ledger in a new process."""
    global _check, _store  # noqa: PLW0603 - a process of the pool has one ledger
    import gc
    import signal

    # Values are made by the million and none is part of a cycle: looking for cycles
    # takes a sixth of the time.
    gc.disable()
    # Ctrl-C reaches the whole group; the parent alone decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _store = setup.open_store()
    _check = RangeCheck(
        _store,
        setup.scope,
        verifier=None if setup.make_verifier is None else setup.make_verifier(),
        blobs=None if setup.open_blobs is None else setup.open_blobs(),
    )


def _check_range(bounds: tuple[int, int]) -> RangeResult:
    """Check a range in a process of the pool."""
    assert _check is not None  # noqa: S101 - _begin() has run
    return _check.check(*bounds)


def _sum_envelopes() -> tuple[dict[int, int], int]:
    """Sum envelopes in a process of the pool."""
    assert _check is not None  # noqa: S101 - _begin() has run
    assert _store is not None  # noqa: S101 - _begin() has run
    return sum_envelopes(_store, _check.scope)


def _sum_rows(kind: RowKind, marks: Marks) -> ScanResult:
    """Sum rows in a process of the pool."""
    assert _check is not None  # noqa: S101 - _begin() has run
    assert _store is not None  # noqa: S101 - _begin() has run
    return sum_rows(_store, _check.scope, kind, marks)
