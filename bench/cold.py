"""H1: one small file, notarized by a process that begins from nothing.

What is timed is what a build step waits for: from the start of the process until its
end, with the record durable in an embedded ledger that is there already.
"""

from __future__ import annotations

import os
import statistics
import sys
from typing import TYPE_CHECKING

from bench.measure import Figure, Goal, run_process, take_turns
from bench.run import find_cosign, install_program, make_cosign_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.run import Run

ROUNDS = 30
BARE = "python -c pass"
COSIGN = "cosign sign-blob, local key"


def measure(run: Run) -> list[Figure]:
    """Measure the cold start."""
    home = run.make_folder("cold")
    path = os.path.join(home, "app.jar")
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04 a small artifact\n")
    program = install_program(home, path)
    commands = {
        BARE: [sys.executable, "-c", "pass"],
        "cold notarize": [*program.argv, "notarize", path],
        "cold notarize, python -m jenkins_notary": [
            *[sys.executable, "-m", "jenkins_notary", "notarize"],
            path,
        ],
        "cold authenticate": [*program.argv, "authenticate", path],
    }
    cosign = find_cosign()
    if cosign is None:
        run.say("no cosign: run `make parts` to have it measured beside")
    else:
        commands[COSIGN] = [*make_cosign_key(cosign, home), path]
    run.say(f"H1: {len(commands)} programs turn about")
    return _figures(*_time_commands(commands, program.env, run.rounds(ROUNDS)))


def _time_commands(
    commands: Mapping[str, Sequence[str]], env: Mapping[str, str], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the median milliseconds of each command: of the clock, of processors."""
    cpu: dict[str, list[float]] = {name: [] for name in commands}

    def work(name: str) -> Callable[[], float]:
        def run_once() -> float:
            finished = run_process(commands[name], env)
            cpu[name].append(finished.cpu_seconds * 1000)
            return finished.seconds * 1000

        return run_once

    clock = take_turns({name: work(name) for name in commands}, rounds=rounds)
    return clock, {name: statistics.median(values) for name, values in cpu.items()}


def _figures(clock: dict[str, float], cpu: dict[str, float]) -> list[Figure]:
    """Return each command beside the bare interpreter, and one beside cosign."""
    compared: list[tuple[str, str, Goal | None]] = [
        ("cold notarize", BARE, Goal("<=", 5)),
        ("cold notarize, python -m jenkins_notary", BARE, Goal("<=", 5)),
        ("cold authenticate", BARE, None),
        ("cold notarize", COSIGN, Goal("<=", 0.5)),
    ]
    return [
        Figure(
            "H1" if goal else "",
            name,
            clock[name],
            "ms",
            peer,
            clock[peer],
            goal,
            f"{cpu[name]:.1f} ms of processor time, beside {cpu[peer]:.1f} ms of {peer}"
            f" ({cpu[name] / cpu[peer]:.2f} x).",
        )
        for name, peer, goal in compared
        if peer in clock
    ]
