"""H4: ten thousand small files in one call, signed and durable."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from bench.measure import Figure, Goal, run_process, take_turns, time_call
from bench.run import find_cosign, install_program, make_cosign_key
from jenkins_notary.api.notary import Notary

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.run import Run

FILES = 10_000
FILE_BYTES = 1024
ROUNDS = 9
GOAL = Goal(">=", 8000, of_ratio=False)


def measure(run: Run) -> list[Figure]:
    """Measure a large call in process, and as a whole process."""
    home = run.make_folder("batches")
    folder = run.make_folder("small")
    run.say(f"H4: {FILES:,} files in one call")
    paths = _write_files(folder)
    listed = os.path.join(home, "list")
    with open(listed, "w", encoding="utf-8") as file:
        file.write("".join(f"{path}\n" for path in paths))
    program = install_program(home, paths[0])
    with Notary(environ=program.env) as notary:
        works: dict[str, Callable[[], float]] = {
            "in process": lambda: time_call(lambda: notary.notarize(paths)),
            "whole": partial(program.time, "notarize", "-", stdin=listed),
        }
        cosign = find_cosign()
        if cosign is not None:
            sign = [*make_cosign_key(cosign, home), paths[0]]
            works["cosign"] = lambda: FILES * run_process(sign, program.env).seconds
        found = take_turns(works, rounds=run.rounds(ROUNDS))
    rate = {name: FILES / seconds for name, seconds in found.items()}
    peer = "cosign sign-blob, a process each" if "cosign" in rate else ""
    note = f"{FILES:,} files of {FILE_BYTES} bytes; signed, durable, a receipt each."
    return [
        Figure("H4", what, rate[name], "assets/s", peer, rate.get("cosign"), GOAL, note)
        for name, what, note in (
            ("in process", "one call, in process", note),
            ("whole", "one call, whole process", "Names on standard input."),
        )
    ]


def _write_files(folder: str) -> list[str]:
    """Write the small files; return their paths."""
    paths = []
    for number in range(FILES):
        path = os.path.join(folder, f"file-{number:05d}.class")
        with open(path, "wb") as file:
            file.write(os.urandom(FILE_BYTES))
        paths.append(path)
    return paths
