"""H7: find records by job id and by digest while the ledger grows a hundredfold.

Through the public API, in a program that keeps the ledger open: the row is found, the
leaf proven to stand under the signed checkpoint, the envelope read and compared with
the leaf. Opening the checkpoint is done once, before. Beside it the bare row, to see
what the proof costs. The keys are chosen at random over the whole ledger; sizes take
turns.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from bench.ledgers import digest_of, fetch_ledger, job_of
from bench.measure import Figure, Goal, percentile
from jenkins_notary.api.evidence import Query
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.values.leaf import hash_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.run import Run
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.engines.sqlite import SqliteStore

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
ROUNDS = 30
LOOKUPS = 100


class Curve(NamedTuple):
    """Times of one kind of lookup by size of the ledger.

    Attributes:
        what: The lookup.
        p50_ms: Median in milliseconds, by number of records.
        p99_ms: The time that 99 of 100 lookups do not exceed, likewise.
    """

    what: str
    p50_ms: dict[int, float]
    p99_ms: dict[int, float]


def measure(run: Run) -> list[Figure]:
    """Measure the lookups, each at every size."""
    figures = []
    sizes = QUICK_SIZES if run.is_quick else SIZES
    smallest, largest = sizes[0], sizes[-1]
    for curve in measure_curves(run):
        is_bare = curve.what.startswith("bare")
        note = ", ".join(
            f"{size:,}: {curve.p50_ms[size]:.3f} / {curve.p99_ms[size]:.3f}"
            for size in sizes
        )
        p50 = curve.p50_ms[largest]
        named = f"{curve.what}, p50 at {largest:,}"
        peer = f"p50 at {smallest:,}"
        goal = None if is_bare else Goal("<=", 1.5)
        figures.append(
            Figure(
                "" if is_bare else "H7",
                named,
                p50,
                "ms",
                peer,
                curve.p50_ms[smallest],
                goal,
                f"p50 / p99 in ms at {note}.",
            )
        )
        if not is_bare:
            bound = Goal("<=", 1, of_ratio=False)
            figures.append(Figure("H7", named, p50, "ms", goal=bound))
    return figures


def measure_curves(run: Run) -> list[Curve]:
    """Return the times of every kind of lookup, the sizes turn about."""
    sizes = QUICK_SIZES if run.is_quick else SIZES
    ledgers = [fetch_ledger(size, run.say) for size in sizes]
    run.say("H7: looking up")
    works: dict[tuple[str, int], Callable[[int], object]] = {}
    with ExitStack() as stack:
        for ledger in ledgers:
            notary = stack.enter_context(ledger.open_notary())
            notary.status()
            store = ledger.open_store()
            stack.callback(store.close)
            for what, work in _lookups(notary, store).items():
                works[what, ledger.records] = work
        times = _time_lookups(works, run.rounds(ROUNDS))
    return [
        Curve(
            what,
            {size: percentile(times[what, size], 50) for size in sizes},
            {size: percentile(times[what, size], 99) for size in sizes},
        )
        for what in dict.fromkeys(what for what, _ in works)
    ]


def _lookups(
    notary: Notary, store: SqliteStore
) -> dict[str, Callable[[int], object]]:
    """Return the lookups of a record by its number."""

    def bare_job(number: int) -> object:
        key = bytes.fromhex(hash_job(job_of(number)))
        return store.rows("job", *exact_range(key), limit=100)

    def bare_digest(number: int) -> object:
        key = bytes.fromhex(digest_of(number)[7:])
        return store.rows("subject", *exact_range(key), limit=100)

    return {
        "evidence by job id": lambda n: notary.evidence(Query(job=job_of(n))),
        "evidence by digest": lambda n: notary.evidence(Query(digest=digest_of(n))),
        "authenticate a digest": lambda n: notary.authenticate([digest_of(n)]),
        "bare row by job id": bare_job,
        "bare row by digest": bare_digest,
    }


def _time_lookups(
    works: dict[tuple[str, int], Callable[[int], object]], rounds: int
) -> dict[tuple[str, int], list[float]]:
    """Return the milliseconds of each lookup."""
    chance = random.Random(7)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in works}
    for number in range(-1, rounds):
        for (what, size), work in works.items():
            for _ in range(LOOKUPS):
                wanted = chance.randrange(1, size)
                started = time.perf_counter()
                found = work(wanted)
                ms = (time.perf_counter() - started) * 1000
                if not found:
                    message = f"{what}: record {wanted} of {size} was not found"
                    raise RuntimeError(message)
                if number >= 0:
                    times[what, size].append(ms)
    return times
