"""Watch a cluster: bring what the API server and the ledger tell onto the board.

::

    API server ──feed, a thread a namespace──▶ inbox ─┐
                                                      ├─▶ one thread: judge ──▶ board
    ledger ─────poll each interval, or events─────────┘

1. A pod's containers go onto the board together with their verdicts. What was judged
   before, under the same rule, is not asked for again.
2. What the ledger has news of is judged again: first the digests that are named, then,
   if the news reach wide, all others, a page at a time, with the pods that change
   meanwhile in between.
3. While the ledger is away, what was judged keeps its verdict and is stale; what was
   not is UNKNOWN, with the error. After that, both are judged.
4. Where the settings ask for it, registries say what images contain that the ledger
   does not know, in threads of their own; what they answer is news as the ledger's is.
5. An exemption that ends is looked at again when it does.

Memory: the board, and a verdict a digest and rule that runs. Requests: a watch a
namespace, and the ledger's.
"""

from __future__ import annotations

import threading
import time
from functools import partial

from jenkins_notary.cluster.board import Verdict, now_ms
from jenkins_notary.cluster.containers import read_containers
from jenkins_notary.cluster.inbox import Inbox
from jenkins_notary.cluster.judging import is_open
from jenkins_notary.cluster.kept import Kept
from jenkins_notary.errors import NotaryError
from jenkins_notary.kubernetes.feed import Feed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Any

    from jenkins_notary.cluster.board import Board
    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.cluster.judging import Source
    from jenkins_notary.cluster.registries import Registries
    from jenkins_notary.cluster.settings import Settings
    from jenkins_notary.kubernetes.client import ClusterClient

PODS = 500
"""Pods that are judged together."""

DIGESTS = 200
"""Digests that are judged again in one go."""

MAX_PAUSE_S = 30.0
STOP_S = 5.0
_RUNS = "status.phase!=Succeeded,status.phase!=Failed"


class Watcher:
    """What runs in a cluster, judged as it changes.

    Attributes:
        board: Where what runs is put.
        feeds: One for each namespace, or one for all.
        judged: How many verdicts were asked for.
        fault: What ended a thread that must not end, or None.
    """

    def __init__(
        self,
        board: Board,
        settings: Settings,
        client: ClusterClient,
        open_source: Callable[[Callable[[], object]], Source],
        *,
        clock: Callable[[], int] = now_ms,
        on_fault: Callable[[], object] = bool,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            board: Where what runs is put.
            settings: What is watched, and whose word counts.
            client: The API server.
            open_source: Makes the ledger's source; given what it calls to be polled.
            clock: Milliseconds since the epoch.
            on_fault: Called when a thread has ended that must not.
        """
        self._on_fault = on_fault
        self.board = board
        self._settings = settings
        self._client = client
        self._clock = clock
        self._inbox = Inbox()
        self._stop = threading.Event()
        self._kept = Kept(settings)
        self._source = open_source(self._wake)
        self._registries: Registries | None = None
        if settings.registry.enabled:
            self._ask_registries()
        self._excluded = frozenset(settings.watch.exclude_namespaces)
        self._unlisted = 0
        self._threads: list[threading.Thread] = []
        self._pause_s = 0.0
        self._next_poll_s = 0.0
        self._lock = threading.Lock()
        self._errors: dict[str, NotaryError] = {}
        self._next_expiry_ms = settings.next_expiry_ms(clock())
        self.feeds: list[Feed] = []
        self.judged = 0
        self.fault: Exception | None = None

    def start(self) -> None:
        """Begin to watch, in threads of its own."""
        watch = self._settings.watch
        scopes = list_scopes(watch.namespaces)
        selector = make_selector(watch.exclude_namespaces)
        self._unlisted = len(scopes)
        self.board.stand(namespaces=watch.namespaces)
        for path in scopes:
            feed = Feed(
                self._client,
                path,
                _Receiver(self, path),
                selector=selector,
                wait=self._stop.wait,
            )
            self.feeds.append(feed)
            self.begin(f"pods {path}", feed.run)
        self.begin("judge", self._judge_all)

    def stop(self) -> None:
        """End all threads."""
        self._stop.set()
        self._inbox.wake()
        self._client.end_streams()
        until = time.monotonic() + STOP_S
        for one in self._threads:
            one.join(max(0.0, until - time.monotonic()))
        self._client.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for so long, or until all is to end; return whether it is."""
        return self._stop.wait(timeout_s)

    def take(self, pod: dict[str, Any]) -> None:
        """Take a pod's state from a feed."""
        containers = read_containers(pod)
        if containers and containers[0].namespace not in self._excluded:
            self._inbox.put(containers[0].uid, containers)

    def drop(self, uid: str) -> None:
        """Take from a feed that a pod is gone."""
        self._inbox.put(uid, ())

    def note(self, path: str, error: NotaryError | None, *, listed: bool) -> None:
        """Take from a feed how the API server answers."""
        with self._lock:
            if error is None:
                self._errors.pop(path, None)
            else:
                self._errors[path] = error
            self._unlisted -= listed
            first = next(iter(self._errors.values()), None)
        self.board.stand(
            cluster_error=None if first is None else str(first),
            **({} if error is not None else {"last_event_ms": self._clock()}),
        )
        if listed:
            # The board is complete once what was told is judged too.
            self._inbox.wake()

    def begin(self, name: str, work: Callable[[], object]) -> None:
        """Do something in a thread of its own, until told to end; a fault ends all."""

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the outermost edge of a thread
                self.fault = self.fault or error
                self._stop.set()
                self._inbox.wake()
                self._on_fault()

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ask_registries(self) -> None:
        """Have registries asked for what the ledger does not know."""
        from jenkins_notary.cluster.linked import LinkedSource
        from jenkins_notary.cluster.pulling import Finder
        from jenkins_notary.cluster.registries import Registries

        self._registries = Registries(Finder(self._settings.registry, self._client))
        self._source = LinkedSource(
            self._source, self._registries, self._kept.is_running
        )

    def _wake(self) -> None:
        """Have the ledger polled at once."""
        self._next_poll_s = 0.0
        self._inbox.wake()

    def _judge_all(self) -> None:
        """Judge what changes, until told to end."""
        try:
            while not self._stop.is_set():
                self._turn()
        finally:
            self._source.close()

    def _turn(self) -> None:
        """Take what has changed, judge what is due, and show it."""
        left_s = max(0.0, self._next_poll_s - time.monotonic())
        has_more = self._kept.has_due and not self._pause_s
        taken = self._inbox.take(PODS, 0.0 if has_more else left_s)
        for one in taken:
            self._kept.place(one.uid, one.containers)
        changed = self._consult()
        # It ends while the ledger is away, too.
        expired = self._find_expired()
        self._show([*(one.uid for one in taken), *changed, *expired])
        if taken:
            lag_s = time.monotonic() - min(one.since_s for one in taken)
            self.board.stand(lag_ms=round(lag_s * 1000))
        is_judged = not self._kept.has_due or self._pause_s > 0
        if self._unlisted <= 0 and is_judged and not len(self._inbox):
            self.board.stand(is_listed=True)

    def _consult(self) -> Collection[str]:
        """Ask the ledger for what is due; return the pods of which more is known.

        After it was away it is left alone for a while.
        """
        is_time = time.monotonic() >= self._next_poll_s
        if self._pause_s and not is_time:
            return ()
        try:
            if is_time:
                self._kept.invalidate(self._source.poll())
                self._next_poll_s = time.monotonic() + self._settings.watch.interval
            changed = self._ask()
        except NotaryError as error:
            self._pause_s = min(max(self._pause_s * 2, 1.0), MAX_PAUSE_S)
            self._next_poll_s = time.monotonic() + self._pause_s
            self.board.stand(ledger_error=str(error))
            return self._kept.waiting_pods()
        self._pause_s = 0.0
        self.board.stand(ledger_error=None, last_ledger_ms=self._clock())
        return changed

    def _ask(self) -> Collection[str]:
        """Judge a page of what is due; return the pods that it is about."""
        questions = self._kept.take_due(DIGESTS)
        if not questions:
            return ()
        try:
            found = self._source.judge(questions)
        except NotaryError:
            self._kept.give_back(questions)
            raise
        self.judged += len(questions)
        self.board.stand(as_of=found.as_of)
        return [
            uid
            for one, verdict in found.verdicts.items()
            for uid in self._kept.settle(one, verdict)
        ]

    def _show(self, uids: Iterable[str]) -> None:
        """Put pods onto the board as they are known."""
        at_ms = self._clock()
        for uid in dict.fromkeys(uids):
            containers = self._kept.pods.get(uid, ())
            for one in containers:
                verdict = self._verdict_of(one)
                if verdict is not None:
                    exempt = self._settings.exemption_of(one, at_ms)
                    self.board.put(one, verdict, exempt)
            self.board.keep_of_pod(uid, [one.name for one in containers])

    def _verdict_of(self, container: Container) -> Verdict | None:
        """Return what is known of a container; None for what is judged at once."""
        if container.digest is None:
            return Verdict.unknown(container.error or "no digest")
        known = self._kept.verdict_of(container)
        if self._registries is not None and known is not None and is_open(known):
            self._registries.want(container)
        error = self.board.standing.ledger_error
        if known is not None or error is None:
            return known
        return Verdict.unknown(f"not judged yet: {error}")

    def _find_expired(self) -> Collection[str]:
        """Return all pods once an exemption has ended, else none."""
        at_ms = self._clock()
        if at_ms < self._next_expiry_ms:
            return ()
        self._next_expiry_ms = self._settings.next_expiry_ms(at_ms)
        return [*self._kept.pods]


def list_scopes(namespaces: Iterable[str]) -> list[str]:
    """Return the paths of pods in some namespaces, or in all."""
    found = [f"/api/v1/namespaces/{one}/pods" for one in dict.fromkeys(namespaces)]
    return found or ["/api/v1/pods"]


def make_selector(excluded: Iterable[str]) -> str:
    """Return the field selector of pods that run something, outside of namespaces."""
    return ",".join([_RUNS, *(f"metadata.namespace!={one}" for one in excluded)])


class _Receiver:
    """What a feed tells of one scope goes to a watcher."""

    def __init__(self, watcher: Watcher, path: str) -> None:
        """Bind the two."""
        self.changed = watcher.take
        self.gone = watcher.drop
        self._note = partial(watcher.note, path)
        self._is_first = True

    def listed(self) -> None:
        """Note that all pods were told; once, for the first time."""
        self._note(None, listed=self._is_first)
        self._is_first = False

    def answered(self) -> None:
        """Note that the server answers."""
        self._note(None, listed=False)

    def failed(self, error: NotaryError) -> None:
        """Note that the server does not answer."""
        self._note(error, listed=False)
