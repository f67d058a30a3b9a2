"""H1: one small file, notarized by a process that begins from nothing.

What is timed is what a build step waits for: from the start of the process until its
end, with the record durable in an embedded ledger that is there already.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from bench.measure import Figure, Goal, take_turns, time_process
from bench.run import find_cosign, install_program, make_cosign_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.run import Run

ROUNDS = 30


def measure(run: Run) -> list[Figure]:
    """Measure the cold start."""
    home = run.make_folder("cold")
    path = os.path.join(home, "app.jar")
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04 a small artifact\n")
    program = install_program(home, path)
    module = program._replace(argv=(sys.executable, "-m", "jenkins_notary"))
    bare = [sys.executable, "-c", "pass"]
    works: dict[str, Callable[[], float]] = {
        "bare": partial(time_process, bare, program.env),
        "notarize": partial(program.time, "notarize", path),
        "module": partial(module.time, "notarize", path),
        "authenticate": partial(program.time, "authenticate", path),
    }
    cosign = find_cosign()
    if cosign is None:
        run.say("no cosign: run `make parts` to have it measured beside")
    else:
        sign = [*make_cosign_key(cosign, home), path]
        works["cosign"] = partial(time_process, sign, program.env)
    run.say(f"H1: {len(works)} programs turn about")
    found = take_turns(works, rounds=run.rounds(ROUNDS), warm_ups=2)
    return _figures({name: seconds * 1000 for name, seconds in found.items()})


def _figures(ms: dict[str, float]) -> list[Figure]:
    """Return the figures of the medians."""
    bare = "python -c pass"
    goal = Goal("<=", 5)
    note = "The whole process, the record durable; modules compiled, as installed."
    figures = [
        Figure("H1", "cold notarize", ms["notarize"], "ms", bare, ms["bare"], goal, note),
        Figure(
            "H1",
            "cold notarize, python -m jenkins_notary",
            ms["module"],
            "ms",
            bare,
            ms["bare"],
            goal,
        ),
        Figure("", "cold authenticate", ms["authenticate"], "ms", bare, ms["bare"]),
    ]
    if "cosign" in ms:
        figures.append(
            Figure(
                "H1",
                "cold notarize",
                ms["notarize"],
                "ms",
                "cosign sign-blob, local key",
                ms["cosign"],
                Goal("<=", 0.5),
                "cosign signs, and keeps no record: no transparency log, no network.",
            )
        )
    return figures
