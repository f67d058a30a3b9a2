"""H11: the disk that a record takes, with all its indexes."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from bench.ledgers import fetch_ledger
from bench.measure import Figure, Goal

if TYPE_CHECKING:
    from bench.run import Run

RECORDS = 1_000_000
QUICK_RECORDS = 100_000


def measure(run: Run) -> list[Figure]:
    """Measure the file of a large ledger, and what each table takes of it."""
    records = QUICK_RECORDS if run.is_quick else RECORDS
    ledger = fetch_ledger(records, run.say)
    run.say("H11: size on the disk")
    size = sum(
        os.path.getsize(ledger.path + ending)
        for ending in ("", "-wal")
        if os.path.exists(ledger.path + ending)
    )
    total = Figure(
        "H11",
        f"disk for a record, at {records:,}",
        size / records,
        "bytes",
        goal=Goal("<=", 2048, of_ratio=False),
        note="One subject, five attributes, a Jenkins build's environment; every index"
        " but that by commit, which a file has no row in.",
    )
    return [total, *_split(ledger.path, records)]


def _split(path: str, records: int) -> list[Figure]:
    """Return the share of each table, where this SQLite can tell."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        found = database.execute(
            "SELECT name, sum(pgsize) FROM dbstat WHERE aggregate = 1 GROUP BY name"
            " ORDER BY 2 DESC"
        ).fetchall()
    except sqlite3.OperationalError:
        # This SQLite was built without the dbstat table.
        return []
    finally:
        database.close()
    return [
        Figure("", f"of it: {name}", size / records, "bytes")
        for name, size in found
        if size >= records
    ]
