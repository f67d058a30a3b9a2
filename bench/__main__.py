"""Run the benchmarks: ``python -m bench [--quick] [NAME...]``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from typing import TYPE_CHECKING

from bench import (
    agent,
    backfill,
    batches,
    checks,
    cluster,
    cold,
    disk,
    endurance,
    engine,
    hashing,
    logs,
    lookups,
    memory,
    primitives,
    service,
    sizing,
    steps,
    sync,
)
from bench.plot import draw_curves
from bench.report import (
    describe_machine,
    format_notes,
    format_table,
    write_docs,
    write_json,
)
from bench.run import Run

if TYPE_CHECKING:
    from bench.measure import Figure

BENCHMARKS = {
    "primitives": (primitives.measure, "what the machine gives"),
    "cold": (cold.measure, "H1: one small file, a cold process"),
    "agent": (agent.measure, "H2: one small file, a cold agent part, a service"),
    "hashing": (hashing.measure, "H3: 2 GiB in 200 files; memory on 4 GiB"),
    "batches": (batches.measure, "H4: 10,000 small files in one call"),
    "service": (service.measure, "H5: 64 clients of a service, a record each"),
    "engine": (engine.measure, "H6: the ledger in immudb, one thread"),
    "memory": (memory.measure, "a service with 1,000 connections and a log of 2 GiB"),
    "endurance": (endurance.measure, "a service under load that is killed each minute"),
    "lookups": (lookups.measure, "H7: by job id and digest, up to a million records"),
    "logs": (logs.measure, "H8: a console log of 1 GiB, collected"),
    "checks": (checks.measure, "H9: the check of a whole ledger"),
    "cluster": (cluster.measure, "H10: a watcher of 5,000 pods, and their churn"),
    "disk": (disk.measure, "H11: bytes for a record, by table"),
    "sizing": (sizing.measure, "bytes a record, beside the formula, to 10^6 records"),
    "steps": (steps.measure, "H12: a step in a build of a real Jenkins"),
    "sync": (sync.measure, "an edge's ledger over 1 Mbit/s, both ways"),
    "backfill": (backfill.measure, "10,000 builds of a controller"),
}
DOCS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs")


def main() -> int:
    """Run what was asked for, print a table, and return 0 whatever the figures are."""
    options = _read_options()
    figures: list[Figure] = []
    for name in options.names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            measured = BENCHMARKS[name][0](Run(folder, options.quick))
        figures += measured
        print(format_table(measured), flush=True)
    machine = ", ".join(f"{key} {value}" for key, value in describe_machine().items())
    print(f"\n{format_table(figures)}\n\n{format_notes(figures)}\n\n{machine}")
    if options.json:
        write_json(options.json, figures)
    if options.docs:
        write_docs(os.path.join(DOCS, "benchmarks.md"), figures)
        _draw(figures)
    return 0


def _draw(figures: list[Figure]) -> None:
    """Draw the plot of the docs, if its library is there and lookups were measured."""
    if not any(one.curve for one in figures):
        return
    if importlib.util.find_spec("matplotlib") is None:
        print(
            "# no plot: matplotlib is missing (pip install '.[bench]')", file=sys.stderr
        )
        return
    draw_curves(os.path.join(DOCS, "lookups.svg"), figures)


def _read_options() -> argparse.Namespace:
    """Return the options of the command line."""
    listed = "\n".join(
        f"  {name:<12}{about}" for name, (_, about) in BENCHMARKS.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Measure the budgets beside their peers.\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which; all of them without a name"
    )
    parser.add_argument("--quick", action="store_true", help="smaller and fewer")
    parser.add_argument("--json", metavar="FILE", help="write all figures to a file")
    parser.add_argument(
        "--docs", action="store_true", help="write docs/benchmarks.md and its plot"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    if options.docs and (options.names or options.quick):
        parser.error("--docs needs a whole run: no names, no --quick")
    return options


if __name__ == "__main__":
    sys.exit(main())
