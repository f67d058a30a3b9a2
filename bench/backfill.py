"""Collect ten thousand builds that were there before, interrupted and taken up again.

The controller is the stand-in of the tests, in a process of its own on the same
machine: it takes its share of the processors, but waits for no disk as a real one does.
As a program this module is that controller:

    python -m bench.backfill 10000

It prints its root URL, and for each line that it reads how many requests came so far.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bench.measure import Figure, Goal, child_environment
from bench.run import install_program
from tests.parts.jenkins import STARTED_MS, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.run import Program, Run

BUILDS = 10_000
QUICK_BUILDS = 1_000
JOBS = 10
REQUESTS = 6.5
"""A build of the stand-in needs six: its log, two artifacts, test report, stages, and
itself once more; the rest is the listing."""


class Pass(NamedTuple):
    """One run of the program.

    Attributes:
        seconds: From start to end.
        builds: How many builds it told.
        code: Its exit code.
        peak_mib: The most memory it had resident.
    """

    seconds: float
    builds: int
    code: int
    peak_mib: float


class Controller(NamedTuple):
    """The stand-in, running.

    Attributes:
        url: Its root URL.
        process: Its process.
    """

    url: str
    process: subprocess.Popen[str]

    def requests(self) -> int:
        """Return how many requests came so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def measure(run: Run) -> list[Figure]:
    """Measure a backfill in two goes, and a sweep that finds nothing to do."""
    builds = QUICK_BUILDS if run.is_quick else BUILDS
    home = run.make_folder("backfill")
    first = os.path.join(home, "first")
    with open(first, "wb") as file:
        file.write(b"the ledger is there")
    run.say(f"backfill: {builds:,} builds of {JOBS} jobs")
    program = install_program(home, first)
    with serve(builds) as controller:
        program.env["JENKINS_NOTARY_JENKINS_URL"] = controller.url
        half = sweep(program, stop_after=builds // 2)
        rest = sweep(program)
        asked = controller.requests()
        idle = sweep(program)
        asked_idle = controller.requests() - asked
    if (half.code, rest.code, idle.code) != (130, 0, 0) or idle.builds:
        message = f"unexpected ends: {half}, {rest}, {idle}"
        raise RuntimeError(message)
    done = half.builds + rest.builds
    seconds = half.seconds + rest.seconds
    return [
        Figure(
            "",
            f"backfill of {builds:,} builds, interrupted once",
            done / seconds,
            "builds/s",
            note=f"{seconds:.0f} s in all; {half.builds:,} builds told before the "
            f"interrupt and {rest.builds:,} after; peak {rest.peak_mib:.0f} MiB.",
        ),
        Figure(
            "",
            "requests a build, listings included",
            asked / builds,
            "requests",
            goal=Goal("<=", REQUESTS, of_ratio=False),
            note="Log, two artifacts, test report, stages, the build once more.",
        ),
        Figure(
            "",
            "a sweep with nothing to do",
            idle.seconds * 1000,
            "ms",
            note=f"{builds:,} builds in the ledger; {asked_idle} requests.",
        ),
    ]


def sweep(program: Program, *, stop_after: int | None = None) -> Pass:
    """Run ``collect --job '*'``; interrupt it after so many builds, if given."""
    # A shell starts what runs in its background with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.perf_counter()
    process = subprocess.Popen(
        [*program.argv, "collect", "--job", "*"],
        env=program.env,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    builds = 0
    for _ in process.stdout:
        builds += 1
        if builds == stop_after:
            process.send_signal(signal.SIGINT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    return Pass(
        time.perf_counter() - started,
        builds,
        process.returncode,
        usage.ru_maxrss / 1024,
    )


@contextmanager
def serve(builds: int) -> Iterator[Controller]:
    """Run the stand-in in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.backfill", str(builds)],
        env={**child_environment(os.devnull), "PYTHONPATH": os.getcwd()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield Controller(process.stdout.readline().strip(), process)
        assert process.stdin is not None
        process.stdin.close()


def main(builds: int) -> None:
    """Serve so many builds until standard input ends."""
    with serve_jenkins() as jenkins:
        jenkins.login = None
        jobs = [jenkins.add_job(f"team-{one % 3}/app-{one}") for one in range(JOBS)]
        for number in range(builds):
            jobs[number % JOBS].add_build(
                log=b"[INFO] building %d\n" % number * 50 + b"Finished: SUCCESS\n",
                artifacts={
                    "target/app.jar": b"PK %d" % number,
                    "target/app.pom": b"<project/>",
                },
                timestamp=STARTED_MS + number * 60_000,
                tests=(0, 1, 40),
                stages=[{"id": "6", "name": "Build", "status": "SUCCESS"}],
            )
        print(jenkins.url, flush=True)
        for _ in sys.stdin:
            print(len(jenkins.requests), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
