"""The watcher on a real API server with thousands of pods: how soon, how big, how long.

1. *Reaction*. A pod's status changes to an untrusted image; the clock runs until a
   scrape of ``/metrics`` shows it, scrape included. Meanwhile other pods come and go.
   The same for a record in the ledger, until all pods of the image show it.
2. *Memory*: the most that the watcher had resident, from its start on.
3. *Churn*. Pods come and go at a steady rate. Memory, and the requests that the API
   server has counted, are read a dozen times: the curve is printed, and must be flat.

There is no kubelet: what pods run is said to the API server as one would. etcd, API
server, watcher and whoever changes things share the machine's processors.
"""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import urllib3

from bench.measure import Figure, Goal, child_environment, percentile
from jenkins_notary.api.notary import Notary
from tests.parts.kubernetes import ClusterError, Runs, run_cluster
from tests.parts.watcher import Watching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.run import Run
    from tests.parts.kubernetes import Cluster

PODS = 5000
NAMESPACES = 20
IMAGES = 200
CHANGES = 150
LEDGER_CHANGES = 10
CHURN_S = 3600.0
RATE = 10.0
"""Pods that come, and go, in a second."""

LOOKS = 12
PATIENCE_S = 60.0
GOAL_S = 2.0
GOAL_MIB = 150.0
_WORKERS = 8
_NUMBERS = itertools.count()
_REPOSITORY = "registry.example.com/app"
_STATUS = "kube_notary_vcn_verification_status"
_REQUESTS = re.compile(
    rb'^apiserver_request_total\{[^}]*resource="pods"[^}]*verb="(?:LIST|WATCH)"[^}]*\}'
    rb" ([0-9.e+]+)$",
    re.MULTILINE,
)


class Look(NamedTuple):
    """The watcher at one moment of the churn.

    Attributes:
        seconds: Since it began.
        mib: Memory that is resident.
        requests: Lists and watches of pods that the API server has counted, in all.
        pods: Containers on the board.
    """

    seconds: float
    mib: float
    requests: int
    pods: int


class Measured(NamedTuple):
    """What a run has measured: seconds and MiB."""

    pods: int
    listed_s: float
    reaction: Sequence[float]
    ledger: Sequence[float]
    looks: Sequence[Look]
    peak: float


class World:
    """A cluster full of pods, a ledger, and the watcher of both.

    Attributes:
        cluster: The API server.
        watching: The watcher.
        names: (namespace, name) of the pods that stay.
    """

    def __init__(self, cluster: Cluster, folder: str, pods: int) -> None:
        """Make the ledger and the pods; nothing watches yet."""
        self.cluster = cluster
        self.env = child_environment(folder)
        self.ledger = str(Path(folder) / "ledger.db")
        self.digests = [f"sha256:{random.randbytes(32).hex()}" for _ in range(IMAGES)]
        with self.notary() as notary:
            for start in range(0, IMAGES, 100):
                for one in self.digests[start : start + 100]:
                    notary.notarize([one], name=_REPOSITORY)
        self.namespaces = [cluster.create_namespace("bench") for _ in range(NAMESPACES)]
        self.names = [
            (self.namespaces[number % NAMESPACES], f"pod-{number:05}")
            for number in range(pods)
        ]
        with ThreadPoolExecutor(_WORKERS) as workers:
            for _ in workers.map(self.start_pod, self.names, itertools.count()):
                pass
        self.watching = Watching(
            cluster.kubeconfig, "--ledger", self.ledger, environ=self.env
        )

    def notary(self) -> Notary:
        """Return the API on the ledger."""
        return Notary(self.ledger, environ=self.env)

    def start_pod(self, place: tuple[str, str], number: int) -> None:
        """Start a pod with one of the trusted images."""
        self.cluster.start_pod(*place, [runs(self.digests[number % IMAGES])])

    def set_image(self, place: tuple[str, str], digest: str) -> None:
        """Say that a pod runs another image."""
        self.cluster.set_status(*place, [runs(digest)])

    def await_board(self) -> float:
        """Wait until all pods are on the board; return how many seconds it took."""
        began = time.monotonic()
        while True:
            found = read_statuses(self.watching.read("/metrics"))
            if set(self.names) <= found.keys():
                return time.monotonic() - began
            _check_patience(began)
            time.sleep(0.1)

    def await_status(self, places: Sequence[tuple[str, str]], status: int) -> float:
        """Return the seconds until a scrape shows a status of some pods."""
        began = time.monotonic()
        while True:
            found = read_statuses(self.watching.read("/metrics"))
            if all(found.get(one) == status for one in places):
                return time.monotonic() - began
            _check_patience(began)

    def look(self, began: float) -> Look:
        """Return the watcher as it is."""
        data = self.cluster.call("GET", "/metrics").encode()
        requests = sum(int(float(one)) for one in _REQUESTS.findall(data))
        found = read_statuses(self.watching.read("/metrics"))
        mib = read_mib(self.watching.pid, "VmRSS")
        return Look(time.monotonic() - began, mib, requests, len(found))


@contextmanager
def make_world(folder: str, pods: int) -> Iterator[World]:
    """Run a cluster with pods, and the watcher, until the block ends."""
    place = Path(folder) / "cluster"
    place.mkdir()
    with run_cluster(place) as cluster:
        world = World(cluster, folder, pods)
        with world.watching:
            yield world


class Churn:
    """Pods that come and go, so many a second, until the block ends."""

    def __init__(self, world: World, rate: float) -> None:
        """Prepare."""
        self._world = world
        self._rate = rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End; a failure on the way is one of the whole."""
        self._over.set()
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            self._come_and_go()
        except (ClusterError, OSError, urllib3.exceptions.HTTPError) as fault:
            self._fault = fault

    def _come_and_go(self) -> None:
        began = time.monotonic()
        kept: deque[tuple[str, str]] = deque()
        for number in itertools.count():
            place = (random.choice(self._world.namespaces), f"churn-{next(_NUMBERS)}")
            self._world.start_pod(place, number)
            kept.append(place)
            if len(kept) > self._rate:
                self._world.cluster.delete_pod(*kept.popleft())
            due = began + (number + 1) / self._rate
            if self._over.wait(max(0.0, due - time.monotonic())):
                break
        for place in kept:
            self._world.cluster.delete_pod(*place)


def watch_churn(world: World, seconds: float, rate: float = RATE) -> list[Look]:
    """Return looks at the watcher while pods come and go; the first when they do."""
    looks = []
    with Churn(world, rate):
        began = time.monotonic()
        for number in range(LOOKS + 1):
            time.sleep(max(0.0, began + seconds * number / LOOKS - time.monotonic()))
            looks.append(world.look(began))
    return looks


def time_changes(world: World, count: int) -> list[float]:
    """Return the seconds from a pod's change to a scrape that shows it."""
    with world.notary() as notary:
        bad = f"sha256:{random.randbytes(32).hex()}"
        notary.untrust([bad], reason="measured")
    found = []
    for place in random.sample(world.names, count):
        began = time.monotonic()
        world.set_image(place, bad)
        world.await_status([place], 1)
        found.append(time.monotonic() - began)
    return found


def time_ledger_changes(world: World, count: int) -> list[float]:
    """Return the seconds from a record to a scrape that shows it of all its pods."""
    found = []
    with world.notary() as notary:
        for digest in world.digests[:count]:
            number = world.digests.index(digest)
            places = world.names[number::IMAGES]
            for place in places:
                world.set_image(place, digest)
            world.await_status(places, 0)
            notary.untrust([digest], reason="measured")
            found.append(world.await_status(places, 1))
    return found


def measure(run: Run) -> list[Figure]:
    """Measure reaction, memory and churn."""
    pods, changes = (300, 15) if run.is_quick else (PODS, CHANGES)
    seconds = 20.0 if run.is_quick else CHURN_S
    run.say(f"cluster: an API server with {pods:,} pods")
    with make_world(run.make_folder("cluster"), pods) as world:
        listed_s = world.await_board()
        with Churn(world, RATE):
            reaction = time_changes(world, changes)
        ledger = time_ledger_changes(world, 3 if run.is_quick else LEDGER_CHANGES)
        run.say(f"cluster: {RATE:g} pods come and go a second, {seconds:.0f} s")
        looks = watch_churn(world, seconds)
        peak = read_mib(world.watching.pid, "VmHWM")
    for one in looks:
        run.say(
            f"cluster: {one.seconds:6.0f} s  {one.mib:6.1f} MiB  "
            f"{one.requests:4} requests  {one.pods:,} containers"
        )
    return _list_figures(Measured(pods, listed_s, reaction, ledger, looks, peak))


def _list_figures(found: Measured) -> list[Figure]:
    """Return the figures of a run."""
    pods, listed_s, reaction, ledger, looks, peak = found
    goal_s, goal_mib = (
        Goal("<=", bound, of_ratio=False) for bound in (GOAL_S, GOAL_MIB)
    )
    note = (
        f"{len(reaction)} changes, p50 {percentile(reaction, 50):.2f} s, while "
        f"{RATE:g} pods come and go a second; the scrape of all pods is included."
    )
    what = f"{pods:,} pods: a pod's change to the metric, p99"
    first, last = looks[len(looks) // 2], looks[-1]
    requests = last.requests - looks[0].requests
    minutes = max(1.0, (last.seconds - looks[0].seconds) / 60)
    told = (
        f"{RATE:g} pods come and go a second for {minutes:.0f} min; beside it the half."
    )
    return [
        Figure("H10", what, percentile(reaction, 99), "s", goal=goal_s, note=note),
        Figure("H10", "the watcher's memory, its most", peak, "MiB", goal=goal_mib),
        Figure("", "a record to the metric of all its pods, at most", max(ledger), "s"),
        Figure("", "all pods on the board, from the start", listed_s, "s"),
        Figure(
            *("", "churn: memory at the end", last.mib, "MiB", "halfway", first.mib),
            note=told,
        ),
        Figure("", "churn: lists and watches of pods", requests / minutes, "a minute"),
    ]


def runs(digest: str) -> Runs:
    """Return a container that runs an image."""
    return Runs(_REPOSITORY, f"{_REPOSITORY}@{digest}")


def read_statuses(metrics: bytes) -> dict[tuple[str, str], int]:
    """Return the status by (namespace, pod) that a scrape tells.

    >>> line = b'kube_notary_vcn_verification_status{namespace="a",pod="b",c="d"} 1'
    >>> read_statuses(line)
    {('a', 'b'): 1}
    """
    return {
        (namespace.decode(), pod.decode()): int(status)
        for namespace, pod, status in _SERIES.findall(metrics)
    }


_SERIES = re.compile(
    rb"^" + _STATUS.encode() + rb'\{namespace="([^"]*)",pod="([^"]*)",[^\n]*\} (\d+)$',
    re.MULTILINE,
)


def read_mib(pid: int, name: str) -> float:
    """Return memory of a process, MiB: ``VmRSS`` now, ``VmHWM`` at its most."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    message = f"process {pid} tells no {name}"
    raise RuntimeError(message)


def _check_patience(began: float) -> None:
    """Fail where it has taken too long."""
    if time.monotonic() - began > PATIENCE_S:
        message = f"not shown within {PATIENCE_S:.0f} s"
        raise RuntimeError(message)
