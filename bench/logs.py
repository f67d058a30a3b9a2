"""H8: collect a console log of a gibibyte from a controller.

The controller is the stand-in of the tests, in a process of its own.
It sends a mebibyte of build output again and again, in chunks, as Jenkins does. Beside
it, `curl | sha256sum` of the same log: what reading and hashing alone takes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.measure import Figure, Goal, peak_memory_kib, run_process, take_turns
from bench.run import install_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.run import Run

BYTES = 1 << 30
QUICK_BYTES = 256 << 20
ROUNDS = 5
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def measure(run: Run) -> list[Figure]:
    """Measure throughput beside curl, and memory."""
    curl = shutil.which("curl")
    if curl is None:
        run.say("H8: left out, there is no curl")
        return []
    size = QUICK_BYTES if run.is_quick else BYTES
    home = run.make_folder("logs")
    first = os.path.join(home, "first")
    with open(first, "wb") as file:
        file.write(b"the first record makes the ledger")
    program = install_program(home, first)
    with serve_log(size) as url:
        program.env["JENKINS_NOTARY_JENKINS_URL"] = url
        words = ("collect", "big#1", "--again", "--only", "log")
        peer = f"set -eu; {curl} -sSfN {url}job/big/1/consoleText | sha256sum"
        run.say(f"H8: collecting a log of {size >> 20} MiB")
        found = take_turns(
            {
                "curl": lambda: (
                    run_process(["/bin/sh", "-c", peer], program.env).seconds
                ),
                "collect": lambda: program.time(*words),
            },
            rounds=run.rounds(ROUNDS),
        )
        peak_kib = peak_memory_kib([*program.argv, *words], program.env)
    return [
        Figure(
            "H8",
            f"console log of {size >> 20} MiB, collected",
            size / 1e6 / found["collect"],
            "MB/s",
            "curl | sha256sum",
            size / 1e6 / found["curl"],
            Goal(">=", 0.5),
            "Looked through for secrets, packed and stored, signed, recorded.",
        ),
        Figure(
            "H8",
            f"peak memory, collecting {size >> 20} MiB",
            peak_kib / 1024,
            "MiB",
            goal=Goal("<=", 80, of_ratio=False),
            note="Of the process that reads.",
        ),
    ]


@contextmanager
def serve_log(size: int) -> Iterator[str]:
    """Serve a controller in another process; yield its root URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.parts.jenkins", str(size)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
