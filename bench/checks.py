"""H9: check a whole ledger, hashes only and with every signature."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.ledgers import fetch_ledger, log_vkey
from bench.measure import Figure, Goal, take_turns, time_call, usable_processors
from bench.primitives import verify_rate
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger

if TYPE_CHECKING:
    from bench.run import Run

RECORDS = 1_000_000
QUICK_RECORDS = 100_000
ROUNDS = 3


def measure(run: Run) -> list[Figure]:
    """Measure the check of a whole ledger."""
    records = QUICK_RECORDS if run.is_quick else RECORDS
    ledger = fetch_ledger(records, run.say)
    cores = usable_processors()
    run.say(f"H9: checking {records:,} records")
    found = take_turns(
        {
            "hashes": lambda: _check(ledger.path, with_signatures=False),
            "signatures": lambda: _check(ledger.path, with_signatures=True),
            "raw": lambda: records / cores / verify_rate(),
        },
        rounds=ROUNDS,
        warm_ups=0,
    )
    rate = {name: records / seconds for name, seconds in found.items()}
    return [
        Figure(
            "H9",
            f"check of {records:,}, hashes only",
            rate["hashes"],
            "records/s",
            goal=Goal(">=", 40_000, of_ratio=False),
            note=f"Entries, tiles, envelopes, rows; {cores} processes.",
        ),
        Figure(
            "H9",
            f"check of {records:,}, with signatures",
            rate["signatures"],
            "records/s",
            f"{cores} x raw Ed25519 verify",
            rate["raw"],
            Goal(">=", 0.8),
            "All of the above, and each signature.",
        ),
        Figure(
            "",
            f"filling it up to {records:,}",
            ledger.load_rate,
            "records/s",
            note="Signed in one process, appended by another; when it was made.",
        ),
    ]


def _check(path: str, *, with_signatures: bool) -> float:
    """Return the seconds that the check of a sound ledger takes."""
    store = SqliteStore.open(path)
    options = VerifyOptions(
        with_signatures=with_signatures,
        workers=usable_processors(),
        open_store=partial(SqliteStore.open, path),
    )
    verifiers = [load_log_verifier(log_vkey())]
    try:
        reports = []
        seconds = time_call(
            lambda: reports.append(
                verify_ledger(store, verifiers, KeyVerifier, options)
            )
        )
    finally:
        store.close()
    reports[0].raise_findings()
    return seconds
