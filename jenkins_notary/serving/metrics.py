r"""Count what happens, and tell it in the text format of Prometheus.

Each module that has something to tell makes its own counters, gauges and histograms::

    metrics = Metrics()
    answers = metrics.counter("answers_total", "Answers sent.", "status")
    answers.add("200")

    # HELP jenkins_notary_answers_total Answers sent.
    # TYPE jenkins_notary_answers_total counter
    jenkins_notary_answers_total{status="200"} 1

No label has values without bound: a metric keeps so many series, what comes later
counts as ``other``. No value of a label is a person, a job or a digest.

Source: Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left

from jenkins_notary.errors import NotaryError
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Readings = float | Mapping[tuple[str, ...], float] | None

PREFIX = "jenkins_notary_"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 500
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram, seconds."""


class Counter:
    """What only grows."""

    kind = "counter"

    def __init__(self, labels: Sequence[str]) -> None:
        """Begin with nothing; without labels there is one series, of 0."""
        self._labels = labels
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, *values: str, by: float = 1) -> None:
        """Count something, with a value for each label."""
        with self._lock:
            if values not in self._values and len(self._values) >= MAX_SERIES:
                values = ("other",) * len(values)
            self._values[values] = self._values.get(values, 0) + by

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Yield (suffix of the name, labels, value)."""
        with self._lock:
            found = sorted(self._values.items())
        for values, value in found:
            yield "", format_labels(self._labels, values), value


class Histogram:
    """How long something takes."""

    kind = "histogram"

    def __init__(self, labels: Sequence[str]) -> None:
        """Begin with nothing."""
        self._labels = labels
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], list[float]] = {}

    def observe(self, seconds: float, *values: str) -> None:
        """Count one, with a value for each label."""
        with self._lock:
            if values not in self._values and len(self._values) >= MAX_SERIES:
                values = ("other",) * len(values)
            # A number for each bucket, that of the rest, and the sum.
            counts = self._values.setdefault(values, [0.0] * (len(BUCKETS) + 2))
            counts[bisect_left(BUCKETS, seconds)] += 1
            counts[-1] += seconds

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Yield (suffix of the name, labels, value)."""
        with self._lock:
            found = sorted((key, [*value]) for key, value in self._values.items())
        for values, counts in found:
            total = 0.0
            for bound, count in zip(
                [*map(format_number, BUCKETS), "+Inf"], counts, strict=False
            ):
                total += count
                labels = format_labels([*self._labels, "le"], [*values, bound])
                yield "_bucket", labels, total
            plain = format_labels(self._labels, values)
            yield "_sum", plain, counts[-1]
            yield "_count", plain, total


class _Gauge:
    """What is read when it is asked for."""

    kind = "gauge"

    def __init__(self, labels: Sequence[str], read: Callable[[], Readings]) -> None:
        self._labels = labels
        self._read = read

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Yield (suffix of the name, labels, value); nothing of what cannot be read."""
        try:
            found = self._read()
        except (NotaryError, OSError):
            return
        values = {(): found} if isinstance(found, (int, float)) else found or {}
        for key, value in sorted(values.items())[:MAX_SERIES]:
            yield "", format_labels(self._labels, key), value


class Metrics:
    """All metrics of a service."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, Counter | Histogram | _Gauge]] = {}

    def counter(self, name: str, told: str, *labels: str) -> Counter:
        """Return the counter of a name, which ends in ``_total``."""
        found = self._keep(name, told, Counter(labels))
        assert isinstance(found, Counter)  # noqa: S101 - a name is of one kind
        return found

    def histogram(self, name: str, told: str, *labels: str) -> Histogram:
        """Return the histogram of a name, which ends in ``_seconds``."""
        found = self._keep(name, told, Histogram(labels))
        assert isinstance(found, Histogram)  # noqa: S101 - as above
        return found

    def gauge(
        self, name: str, told: str, *labels: str, read: Callable[[], Readings]
    ) -> None:
        """Have something read whenever it is asked for.

        Args:
            name: Its name; seconds and bytes are its units.
            told: What it is.
            labels: Names of its labels.
            read: Returns a number; with labels, numbers by their values; or None.
        """
        self._keep(name, told, _Gauge(labels, read))

    def render(self) -> bytes:
        """Return all of them as text."""
        with self._lock:
            kept = sorted(self._kept.items())
        lines = []
        for name, (told, metric) in kept:
            full = PREFIX + name
            lines += [f"# HELP {full} {told}", f"# TYPE {full} {metric.kind}"]
            for suffix, labels, value in metric.samples():
                lines.append(f"{full}{suffix}{labels} {format_number(value)}")
        return ("\n".join(lines) + "\n").encode()

    def _keep(
        self, name: str, told: str, metric: Counter | Histogram | _Gauge
    ) -> Counter | Histogram | _Gauge:
        """Keep a metric, and return the one of its name."""
        with self._lock:
            return self._kept.setdefault(name, (told, metric))[1]


def add_process_gauges(metrics: Metrics) -> None:
    """Add what each process tells of itself."""
    started = time.time()
    metrics.gauge(
        "build_info", "The program's version.", "version", read=lambda: {(VERSION,): 1}
    )
    metrics.gauge(
        "start_time_seconds", "When it started, since 1970.", read=lambda: started
    )
    metrics.gauge(
        "resident_memory_bytes", "Memory of the process.", read=_resident_bytes
    )


def format_labels(names: Sequence[str], values: Sequence[str]) -> str:
    r"""Return labels as they stand behind a name.

    >>> print(format_labels(["a", "b"], ['x"y', "z"]))
    {a="x\"y",b="z"}
    >>> format_labels([], [])
    ''
    """
    if not names:
        return ""
    quoted = (
        one.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        for one in values
    )
    return (
        "{" + ",".join(f'{a}="{b}"' for a, b in zip(names, quoted, strict=True)) + "}"
    )


def format_number(value: float) -> str:
    """Return a number's shortest exact text.

    >>> format_number(3.0), format_number(0.25), format_number(1 << 53)
    ('3', '0.25', '9007199254740992')
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def _resident_bytes() -> float | None:
    """Return the memory that the process has, None where nobody says."""
    try:
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
