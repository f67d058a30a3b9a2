"""H9: check a whole ledger, hashes only and with every signature."""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING

from bench.ledgers import fetch_ledger
from bench.measure import Figure, Goal, take_turns, time_call, usable_processors
from bench.primitives import verify_rate

if TYPE_CHECKING:
    from bench.run import Run
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.ledger.verify import VerifyReport

RECORDS = 1_000_000
QUICK_RECORDS = 100_000
ROUNDS = 3


def measure(run: Run) -> list[Figure]:
    """Measure the check of a whole ledger."""
    records = QUICK_RECORDS if run.is_quick else RECORDS
    ledger = fetch_ledger(records, run.say)
    cores = usable_processors()
    run.say(f"H9: checking {records:,} records")
    cpu: dict[bool, list[float]] = {False: [], True: []}
    with ledger.open_notary() as notary:

        def check(*, signatures: bool) -> float:
            before = sum(os.times()[:4])
            seconds = _check(notary, signatures=signatures)
            cpu[signatures].append(sum(os.times()[:4]) - before)
            return seconds

        found = take_turns(
            {
                "hashes": lambda: check(signatures=False),
                "signatures": lambda: check(signatures=True),
                "raw": lambda: records / cores / verify_rate(),
            },
            rounds=1 if run.is_quick else ROUNDS,
            warm_ups=0,
        )
    rate = {name: records / seconds for name, seconds in found.items()}
    busy = {
        key: f"{statistics.median(seconds) / records * 1e6:.0f} microseconds of"
        f" processor time a record, {cores} processes."
        for key, seconds in cpu.items()
    }
    loaded = Figure(
        "",
        f"filling it up to {records:,}",
        ledger.load_rate,
        "records/s",
        note="Signed in one process, appended by another; when it was made.",
    )
    return [*_figures(records, rate, busy), loaded]


def _figures(
    records: int, rate: dict[str, float], busy: dict[bool, str]
) -> list[Figure]:
    """Return both checks beside their budgets."""
    return [
        Figure(
            "H9",
            f"check of {records:,}, hashes only",
            rate["hashes"],
            "records/s",
            goal=Goal(">=", 40_000, of_ratio=False),
            note="SQLite's own check, entries, tiles, envelopes, rows. " + busy[False],
        ),
        Figure(
            "H9",
            f"check of {records:,}, with signatures",
            rate["signatures"],
            "records/s",
            f"{usable_processors()} x raw Ed25519 verify",
            rate["raw"],
            Goal(">=", 0.8),
            "All of the above, and each signature. " + busy[True],
        ),
    ]


def _check(notary: Notary, *, signatures: bool) -> float:
    """Return the seconds that the check of a sound ledger takes."""
    reports: list[VerifyReport] = []
    seconds = time_call(
        lambda: reports.append(
            notary.ledger.verify(signatures=signatures, bodies=False)
        )
    )
    reports[0].raise_findings()
    return seconds
