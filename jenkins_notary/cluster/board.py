"""Keep each container with its verdict, for whoever shows or measures it.

A watcher puts what it finds; pages, metrics and alerts read a whole state at a time and
wait for the next one:

>>> from jenkins_notary.cluster.containers import Container
>>> from jenkins_notary.values.status import Status
>>> web = Container(
...     *("shop", "web-1", "5c0e", "web", "regular", "reg.example.com/web:1"),
...     *("", "", None, "its image is not there yet", "node-1", False),
... )
>>> board = Board(now_ms=lambda: 1_700_000_000_000)
>>> board.put(web, Verdict.unknown("its image is not there yet"))
>>> board.version, board.counts()[Status.UNKNOWN], board.snapshot()[0].since_ms
(1, 1, 1700000000000)

Rules:

- A container stays with its last verdict while the ledger or the API server does not
  answer: it is then *stale*, and never another status for that alone.
- What cannot be judged is UNKNOWN, with the error. Nothing is left out.
- ``since_ms`` moves with the status alone.

Cost: a snapshot is sorted once for each version that somebody looks at.
"""

from __future__ import annotations

import threading
import time

from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from jenkins_notary.api.results import AsOf
    from jenkins_notary.cluster.containers import Container

    Changed = Callable[["Judged | None", "Judged | None"], object]


NOT_ASKED = "not asked yet"


class Verdict(NamedTuple):
    """What the ledger says of what a container runs.

    Attributes:
        status: One of the five.
        level: Level of the deciding record's signer, or None where none decides.
        signer: The deciding record's signer id, or None.
        reason: Why, in one sentence.
        job: The job id that the deciding record claims; where it claims none, that of
            the newest record of the digest which does; or None.
        build_url: Address of that build, as recorded, or None; a claim of the build.
        commit: Its git commit, as recorded, or None; a claim of the build.
        index: The deciding record's place in the log, or None.
        error: Why there is no verdict (then the status is UNKNOWN), or None.
        as_of: The state of the log that it was made at, or None for none.
        receipt: The deciding record's tlog-proof, as text, or None.
    """

    status: Status
    level: int | None
    signer: str | None
    reason: str
    job: str | None
    build_url: str | None
    commit: str | None
    index: int | None  # type: ignore[assignment]  # It hides tuple.index.
    error: str | None
    as_of: AsOf | None
    receipt: str | None = None

    @classmethod
    def unknown(cls, error: str) -> Verdict:
        """Return the verdict on what cannot be judged: UNKNOWN, with the error."""
        return cls(
            Status.UNKNOWN, None, None, error, None, None, None, None, error, None
        )


class Exemption(NamedTuple):
    """What exempts a container from alerts and refusals; its verdict stays as it is.

    Attributes:
        owner: Who answers for it.
        reason: Why.
        expires_at_ms: Until when, ms UTC.
        expires_at: The same, RFC 3339.
        source: Where it stands: ``settings``, or ``#INDEX`` of a record.
    """

    owner: str
    reason: str
    expires_at_ms: int
    expires_at: str
    source: str


class Judged(NamedTuple):
    """One container with its verdict.

    Attributes:
        container: What runs.
        verdict: What the ledger says of it.
        exempt: What exempts it now, or None.
        stale: Whether it may have changed meanwhile: the ledger or the API server does
            not answer.
        since_ms: Since when it has this status, ms UTC, as far as this watcher saw.
    """

    container: Container
    verdict: Verdict
    exempt: Exemption | None
    stale: bool
    since_ms: int


class Standing(NamedTuple):
    """How the watcher itself stands.

    Attributes:
        cluster_error: Why the API server does not answer, or None where it does.
        ledger_error: Why the ledger does not answer, or None where it does.
        is_listed: Whether all pods were listed once, and judged as far as the ledger
            answers: before that nothing is complete.
        is_leader: Whether this replica records and alerts; one that does not shows
            the same board.
        as_of: The state of the log that all verdicts which are not stale hold for, or
            None before the first.
        last_event_ms: When the API server last told something, or None.
        last_ledger_ms: When the ledger last answered, or None.
        lag_ms: How long the last change took from the API server or the ledger onto
            the board.
        namespaces: Those that are watched; empty for all.
        ledger: URL of the ledger, without credentials.
        pages_url: URL of the service's pages, without a slash at its end, or None.
    """

    cluster_error: str | None = NOT_ASKED
    ledger_error: str | None = NOT_ASKED
    is_listed: bool = False
    is_leader: bool = False
    as_of: AsOf | None = None
    last_event_ms: int | None = None
    last_ledger_ms: int | None = None
    lag_ms: int = 0
    namespaces: tuple[str, ...] = ()
    ledger: str = ""
    pages_url: str | None = None

    @property
    def is_stale(self) -> bool:
        """Return whether what the board shows may have changed meanwhile."""
        return self.cluster_error is not None or self.ledger_error is not None


_TIMES = frozenset({"last_event_ms", "last_ledger_ms", "lag_ms"})


def now_ms() -> int:
    """Return milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


class Board:
    """What runs, with its verdicts; every method may be called from any thread.

    Attributes:
        now_ms: The time, ms UTC.
    """

    def __init__(self, *, now_ms: Callable[[], int] = now_ms) -> None:
        """Begin with nothing on it.

        Args:
            now_ms: The time.
        """
        self.now_ms = now_ms
        self._condition = threading.Condition()
        self._found: dict[tuple[str, str], Judged] = {}
        self._pods: dict[str, set[str]] = {}
        self._counts = dict.fromkeys(Status, 0)
        self._standing = Standing()
        self._version = 0
        self._snapshot: tuple[int, tuple[Judged, ...]] = (0, ())
        self._listeners: list[Changed] = []

    @property
    def version(self) -> int:
        """Return the number of changes so far, those of the standing included."""
        return self._version

    @property
    def standing(self) -> Standing:
        """Return how the watcher stands."""
        return self._standing

    def on_change(self, listener: Changed) -> None:
        """Have a listener called with (before, after) of a change that matters.

        That is one of status, digest or exemption. One of the two is None for a
        container that comes or goes. It is called in the watcher's thread, in order,
        and must not take long or raise.
        """
        self._listeners.append(listener)

    def put(
        self, container: Container, verdict: Verdict, exempt: Exemption | None = None
    ) -> None:
        """Put a container with its verdict in the place of what was known of it."""
        with self._condition:
            before = self._found.get(container.key)
            if before is not None and before[:3] == (container, verdict, exempt):
                return
            is_same = before is not None and before.verdict.status is verdict.status
            since_ms = before.since_ms if before and is_same else self.now_ms()
            after = Judged(container, verdict, exempt, stale=False, since_ms=since_ms)
            self._exchange(before, after)
        self._tell(before, after)

    def keep_of_pod(self, uid: str, names: Iterable[str]) -> None:
        """Take away the containers of a pod that are not among some names."""
        gone: list[Judged] = []
        with self._condition:
            for name in sorted(self._pods.get(uid, set()) - set(names)):
                gone.append(self._found[uid, name])
                self._exchange(gone[-1], None)
        for one in gone:
            self._tell(one, None)

    def stand(self, **changes: Any) -> None:  # noqa: ANN401 - fields of a Standing
        """Change how the watcher stands; see :class:`Standing` for the names.

        That time went by without a change is no new version.
        """
        with self._condition:
            before = self._standing
            self._standing = before._replace(**changes)
            if any(
                getattr(before, name) != value
                for name, value in changes.items()
                if name not in _TIMES
            ):
                self._bump()

    def uids(self) -> tuple[str, ...]:
        """Return the pods that are on the board."""
        with self._condition:
            return tuple(self._pods)

    def snapshot(self) -> tuple[Judged, ...]:
        """Return all containers, sorted by namespace, pod and name."""
        with self._condition:
            version, kept = self._snapshot
            if version != self._version:
                is_stale = self._standing.is_stale
                kept = tuple(
                    one._replace(stale=True) if is_stale else one
                    for one in sorted(self._found.values(), key=_place_of)
                )
                self._snapshot = self._version, kept
            return kept

    def counts(self) -> dict[Status, int]:
        """Return how many containers have each status, all five of them."""
        with self._condition:
            return dict(self._counts)

    def wait(self, version: int, timeout_s: float) -> int:
        """Wait until there is another version; return the version that there is."""
        with self._condition:
            self._condition.wait_for(lambda: self._version != version, timeout_s)
            return self._version

    def _exchange(self, before: Judged | None, after: Judged | None) -> None:
        """Put one container in another's place; the lock is held."""
        if before is not None:
            uid, name = before.container.key
            del self._found[uid, name]
            self._counts[before.verdict.status] -= 1
            self._pods[uid].discard(name)
            if not self._pods[uid]:
                del self._pods[uid]
        if after is not None:
            uid, name = after.container.key
            self._found[uid, name] = after
            self._counts[after.verdict.status] += 1
            self._pods.setdefault(uid, set()).add(name)
        self._bump()

    def _bump(self) -> None:
        """Have a new version; the lock is held."""
        self._version += 1
        self._condition.notify_all()

    def _tell(self, before: Judged | None, after: Judged | None) -> None:
        """Tell the listeners of a change that matters to them."""
        if before is None or after is None or _is_other(before, after):
            for listener in self._listeners:
                listener(before, after)


def _is_other(before: Judged, after: Judged) -> bool:
    """Return whether a container has another status, digest or exemption."""
    return (before.verdict.status, before.container.digest, before.exempt) != (
        after.verdict.status,
        after.container.digest,
        after.exempt,
    )


def _place_of(one: Judged) -> tuple[str, ...]:
    """Return where a container is sorted."""
    found = one.container
    return found.namespace, found.pod, found.uid, found.name
