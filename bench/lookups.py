"""H7: find records by job id and by digest while the ledger grows a hundredfold.

Three ways, of which each does more than the next:

- Through the public API, in a program that keeps the ledger open: the row is found, the
  leaf proven to stand under the signed checkpoint, the envelope read and compared with
  the leaf, its signature checked. The checkpoint was opened before. Such a program
  keeps the upper nodes of the last 4,096 tiles that it read, a million records' worth;
  a record of every tile was looked up before the clock runs.
- The same on a new view each time, with no tile kept and the checkpoint's signature
  checked anew: a command's part behind its start, or a follower of a growing log. It
  hashes the entries behind the last full tile too, 16, 160 and 64 at these sizes.
- The bare row, to see what the proof costs.

The keys are chosen at random over the whole ledger; the sizes take turns.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.ledgers import digest_of, fetch_ledger, job_of
from bench.measure import Figure, Goal, percentile
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.tlog.tiles import TILE_WIDTH
from jenkins_notary.values.leaf import hash_job
from jenkins_notary.values.query import Query

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.ledgers import Bench
    from bench.run import Run
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.engines.sqlite import SqliteStore

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
ROUNDS = 30
LOOKUPS = 100


def measure(run: Run) -> list[Figure]:
    """Measure every kind of lookup, the sizes turn about."""
    sizes = QUICK_SIZES if run.is_quick else SIZES
    ledgers = [fetch_ledger(size, run.say) for size in sizes]
    run.say("H7: looking up")
    works: dict[tuple[str, int], Callable[[int], object]] = {}
    with ExitStack() as stack:
        for ledger in ledgers:
            notary = stack.enter_context(ledger.open_notary())
            notary.ledger.status()
            store = ledger.open_store()
            stack.callback(store.close)
            for what, work in _lookups(ledger, notary, store).items():
                works[what, ledger.records] = work
        times = _time_lookups(works, run.rounds(ROUNDS))
    figures = []
    for what in dict.fromkeys(what for what, _ in works):
        curve = [
            (size, percentile(times[what, size], 50), percentile(times[what, size], 99))
            for size in sizes
        ]
        figures += _describe(what, tuple(curve))
    return figures


def _describe(what: str, curve: tuple[tuple[int, float, float], ...]) -> list[Figure]:
    """Return the figures of one kind of lookup; only the public API has a budget."""
    (smallest, first_ms, _), (largest, last_ms, _) = curve[0], curve[-1]
    named = f"{what}, p50 at {largest:,}"
    peer = f"p50 at {smallest:,}"
    steps = ", ".join(f"{p50:.3f} / {p99:.3f} at {size:,}" for size, p50, p99 in curve)
    note = f"p50 / p99 in ms: {steps}."
    if not what.startswith(("evidence", "authenticate")):
        return [Figure("", named, last_ms, "ms", peer, first_ms, None, note, curve)]
    bound = Goal("<=", 1, of_ratio=False)
    return [
        Figure(
            "H7", named, last_ms, "ms", peer, first_ms, Goal("<=", 1.5), note, curve
        ),
        Figure("H7", named, last_ms, "ms", goal=bound),
    ]


def _lookups(
    ledger: Bench, notary: Notary, store: SqliteStore
) -> dict[str, Callable[[int], object]]:
    """Return the lookups of a record by its number."""

    def bare_job(number: int) -> object:
        key = bytes.fromhex(hash_job(job_of(number)))
        return store.rows("job", *exact_range(key), limit=100)

    def bare_digest(number: int) -> object:
        key = bytes.fromhex(digest_of(number)[7:])
        return store.rows("subject", *exact_range(key), limit=100)

    def fresh_job(number: int) -> object:
        view = ledger.open_view(store)
        key = bytes.fromhex(hash_job(job_of(number)))
        return list(view.records(view.find("job", *exact_range(key))))

    def fresh_digest(number: int) -> object:
        view = ledger.open_view(store)
        return list(view.records(view.find_digest(digest_of(number)[7:])))

    return {
        "evidence by job id": lambda n: notary.evidence(Query(job=job_of(n))),
        "evidence by digest": lambda n: notary.evidence(Query(digest=digest_of(n))),
        "authenticate a digest": lambda n: notary.authenticate([digest_of(n)]),
        "new view, by job id": fresh_job,
        "new view, by digest": fresh_digest,
        "bare row by job id": bare_job,
        "bare row by digest": bare_digest,
    }


def _time_lookups(
    works: dict[tuple[str, int], Callable[[int], object]], rounds: int
) -> dict[tuple[str, int], list[float]]:
    """Return the milliseconds of each lookup."""
    chance = random.Random(7)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in works}
    for (what, size), work in works.items():
        if what.startswith(("evidence", "authenticate")):
            for place in range(1, size, TILE_WIDTH):
                work(place)
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
