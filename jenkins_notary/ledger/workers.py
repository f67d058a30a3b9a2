"""Share the check of a ledger among processes; the caller sees results in order.

Processes are started anew (``spawn``): no lock, thread or database handle of this
process reaches them. Each opens the store for itself. A small ledger is checked in
this process, because starting others takes longer.
"""

from __future__ import annotations

from jenkins_notary.ledger.findings import Findings
from jenkins_notary.ledger.reread import RangeCheck
from jenkins_notary.ledger.rowsums import BUCKET_BITS, RowSums
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
    sums, findings = RowSums(scope.sums_key), Findings()
    # One row may stand or be gone; a second one is foreign.
    optional = bytearray(marks.erased if kind == "statement" else b"")
    unread = marks.unread if any(marks.unread) else b""
    optional = optional if any(optional) else bytearray()
    size, stored, held, highest = scope.size, 0, 0, -1
    later: list[tuple[bytes, int]] = []
    pages: dict[int, list[bytes]] = {}
    for _, key, index in store.scan_rows(kind):
        stored += 1
        if not 0 <= index < size:
            if index < 0:
                findings.add("row", f"{kind} row {key[:64].hex()}", got=f"#{index}")
            elif len(later) < _LATER or index > highest:
                later = [*later[1 - _LATER :], (key, index)]
            highest = max(highest, index)
            continue
        if unread and unread[index >> 3] & 1 << (index & 7):
            continue
        if optional and optional[index >> 3] & 1 << (index & 7):
            optional[index >> 3] ^= 1 << (index & 7)
            continue
        row = index.to_bytes(8, "big") + key
        bucket = index >> BUCKET_BITS
        if bucket in pages:
            pages[bucket].append(row)
        else:
            pages[bucket] = [row]
        held += 1
        if held == _HELD:
            _add_pages(sums, pages)
            held = 0
    _add_pages(sums, pages)
    return ScanResult(
        sums.sums,
        sums.count,
        stored,
        tuple(later),
        highest,
        tuple(findings.kept),
        findings.total,
    )


def _add_pages(sums: RowSums, pages: dict[int, list[bytes]]) -> None:
    """Add the rows that were gathered by bucket, and forget them."""
    for bucket, rows in pages.items():
        sums.add_rows(bucket, rows)
    pages.clear()


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


def _sum_rows(kind: RowKind, marks: Marks) -> ScanResult:
    """Sum rows in a process of the pool."""
    assert _check is not None  # noqa: S101 - _begin() has run
    assert _store is not None  # noqa: S101 - _begin() has run
    return sum_rows(_store, _check.scope, kind, marks)
