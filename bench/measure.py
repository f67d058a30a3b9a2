"""Time things against each other, and hold what came out.

Two contenders take turns, and every other round in reverse order, so that neither
always meets a warm cache or a machine that slows down. What is reported is the median.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_POLL_S = 0.005
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_ERRORS = os.path.join(tempfile.gettempdir(), f"bench-{os.getpid()}.stderr")


class Goal(NamedTuple):
    """A budget: a bound on a figure, or on its ratio to the peer's figure.

    Attributes:
        sign: ``<=`` or ``>=``.
        bound: The bound, in the figure's unit, or without unit for a ratio.
        of_ratio: Whether it bounds the ratio.
    """

    sign: str
    bound: float
    of_ratio: bool = True

    def is_met(self, value: float, ratio: float | None) -> bool:
        """Return whether a figure and its ratio keep the budget."""
        got = ratio if self.of_ratio and ratio is not None else value
        return got <= self.bound if self.sign == "<=" else got >= self.bound


class Figure(NamedTuple):
    """One measured thing.

    Attributes:
        budget: The row of FEATURES H, or "" for context.
        what: What was measured.
        value: The median, in ``unit``.
        unit: ``ms``, ``MB/s``, ``records/s`` and the like.
        peer: What it is measured against, or "".
        peer_value: The peer's median in the same unit, or None.
        goal: The budget, or None for context.
        note: What is included; one sentence, or "".
        curve: (records, p50, p99) in the unit, as the ledger grows; or empty.
    """

    budget: str
    what: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    goal: Goal | None = None
    note: str = ""
    curve: tuple[tuple[int, float, float], ...] = ()

    @property
    def ratio(self) -> float | None:
        """Return the figure over its peer's."""
        return self.value / self.peer_value if self.peer_value else None

    @property
    def is_met(self) -> bool | None:
        """Return whether the goal is reached; None if there is none."""
        return None if self.goal is None else self.goal.is_met(self.value, self.ratio)


class Finished(NamedTuple):
    """A process that ended well.

    Attributes:
        seconds: From before its start until it was reaped.
        cpu_seconds: What it kept processors busy, in its own code and the system's.
    """

    seconds: float
    cpu_seconds: float


def take_turns(
    works: Mapping[str, Callable[[], float]], *, rounds: int, warm_ups: int = 1
) -> dict[str, float]:
    """Return the median of what each work returns (seconds, say), run turn about.

    Args:
        works: What to run, by name.
        rounds: How often each is run.
        warm_ups: Rounds before, which do not count.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-warm_ups, rounds):
        names = list(works)[:: 1 if number % 2 else -1]
        for name in names:
            gc.collect()
            value = works[name]()
            if number >= 0:
                found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def time_call(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run_process(
    argv: Sequence[str], env: Mapping[str, str], *, stdin: str = os.devnull
) -> Finished:
    """Run a program from its start until it has ended well.

    Args:
        argv: The program, by its path, and its arguments.
        env: Its whole environment.
        stdin: The file that it reads.

    Raises:
        RuntimeError: It failed; the message has the end of its output.
    """
    started = time.perf_counter()
    process = _spawn(argv, env, stdin)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    _check_status(argv, status)
    return Finished(seconds, usage.ru_utime + usage.ru_stime)


def peak_memory_kib(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a program and return the most memory it had resident, KiB.

    The kernel's own count (``ru_maxrss``) begins with the memory of the process that
    starts the program, so it is asked for the program's high-water mark instead.

    Raises:
        RuntimeError: It failed.
    """
    process = _spawn(argv, env, os.devnull)
    peak_kib = 0
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            break
        peak_kib = max(peak_kib, _read_peak_kib(process))
        time.sleep(_POLL_S)
    _check_status(argv, status)
    return peak_kib


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of all do not exceed.

    >>> percentile([1, 2, 3, 4], 50), percentile([1, 2, 3, 4], 99)
    (2, 4)
    """
    ordered = sorted(values)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(int(place) - 1, 0)]


def child_environment(home: str) -> dict[str, str]:
    """Return the environment of a measured program: a home of its own, no build.

    It may write and read compiled modules, as an installed program does, whatever the
    environment of the benchmark says.

    Args:
        home: A folder for its data, state and cache.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": home,
        "XDG_DATA_HOME": os.path.join(home, "data"),
        "XDG_STATE_HOME": os.path.join(home, "state"),
        "XDG_CACHE_HOME": os.path.join(home, "cache"),
        "COSIGN_PASSWORD": "benchmark",
    }


def usable_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _spawn(argv: Sequence[str], env: Mapping[str, str], stdin: str) -> int:
    """Start a program whose standard output goes nowhere; return its process id."""
    return os.posix_spawn(
        argv[0],
        list(argv),
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, _ERRORS, _APPEND, 0o600),
        ],
    )


def _check_status(argv: Sequence[str], status: int) -> None:
    """Raise if a program did not end with exit code 0."""
    code = os.waitstatus_to_exitcode(status)
    if code:
        with open(_ERRORS, encoding="utf-8", errors="replace") as file:
            text = file.read()[-2000:]
        message = f"{' '.join(argv)}: exit code {code}\n{text}"
        raise RuntimeError(message)


def _read_peak_kib(process: int) -> int:
    """Return the high-water mark of a running process' memory, 0 once it ended."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
    except OSError:
        # It ended between the two looks.
        return 0
    return 0
