"""Show the figures: as a table on the terminal, in the docs, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import ssl
from typing import TYPE_CHECKING

import cryptography

from bench.measure import usable_processors
from jenkins_notary.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Figure

BEGIN = "<!-- Written by `make bench BENCH_ARGS=--docs`; do not edit. -->"
END = "<!-- End of what was written. -->"
_HEADS = ("", "what", "figure", "beside", "its figure", "ratio", "goal", "met")


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on, and nothing that names the machine."""
    return {
        "jenkins-notary": VERSION,
        "processors": f"{usable_processors()} ({_processor_name()})",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cryptography": cryptography.__version__,
        "openssl": ssl.OPENSSL_VERSION,
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "load at the end": f"{os.getloadavg()[0]:.1f}",
    }


def format_table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned lines of text."""
    rows = [_HEADS, *(_row(one) for one in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADS))]
    # Numbers stand at the right of their column.
    right = {2, 4, 5}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def format_notes(figures: Sequence[Figure]) -> str:
    """Return what is included in each figure, a line each."""
    return "\n".join(f"- {one.what}: {one.note}" for one in figures if one.note)


def format_markdown(figures: Sequence[Figure]) -> str:
    """Return the machine, the table and the notes for the docs."""
    machine = "\n".join(
        f"- {key}: {value}" for key, value in describe_machine().items()
    )
    rows = [_HEADS, ("---",) * len(_HEADS), *(_row(one) for one in figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{machine}\n\n{table}\n\n{format_notes(figures)}"


def write_docs(path: str, figures: Sequence[Figure]) -> None:
    """Put the figures between the two marks of a page.

    Raises:
        ValueError: The page does not have both marks.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{path}: expected the lines {BEGIN!r} and {END!r}"
        raise ValueError(message)
    written = f"{before}{BEGIN}\n\n{format_markdown(figures)}\n\n{END}{after}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(written)


def write_json(path: str, figures: Sequence[Figure]) -> None:
    """Write the machine and all figures to a file."""
    value = {
        "machine": describe_machine(),
        "figures": [
            {
                **one._asdict(),
                "goal": None if one.goal is None else one.goal._asdict(),
                "ratio": one.ratio,
                "met": one.is_met,
            }
            for one in figures
        ],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def _row(one: Figure) -> tuple[str, ...]:
    """Return the cells of a figure."""
    return (
        one.budget,
        one.what,
        f"{_number(one.value)} {one.unit}",
        one.peer,
        "" if one.peer_value is None else f"{_number(one.peer_value)} {one.unit}",
        "" if one.ratio is None else f"{one.ratio:.2f}",
        _goal(one),
        {None: "", True: "yes", False: "NO"}[one.is_met],
    )


def _goal(one: Figure) -> str:
    """Return a budget in words."""
    if one.goal is None:
        return ""
    sign = {"<=": "at most", ">=": "at least"}[one.goal.sign]
    if one.goal.of_ratio:
        return f"{sign} {one.goal.bound:g} x"
    return f"{sign} {one.goal.bound:,g} {one.unit}"


def _number(value: float) -> str:
    """Return a number with three digits that count.

    >>> [_number(one) for one in (12345.6, 1234.5, 61.27, 0.1234, 5, 0)]
    ['12,300', '1,230', '61.3', '0.123', '5', '0']
    """
    if not value:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def _processor_name() -> str:
    """Return the processor's model, where the system tells."""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() in {"model name", "Model"}:
                    return value.strip()
    return platform.processor() or "unknown"
