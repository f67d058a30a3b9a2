"""Say which figures a service has of itself: its requests, its ledger, its disk.

Each module counts its own matters (``metrics``); here is what belongs to none.
"""

from __future__ import annotations

import hmac
import os
import re

from jenkins_notary.service.secret_files import read_secret
from jenkins_notary.service.sections import Section
from jenkins_notary.serving.metrics import MEDIA_TYPE, add_process_gauges
from jenkins_notary.serving.replies import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jenkins_notary.api.ledgers.immudb import Lookout
    from jenkins_notary.ports import ServerStanding
    from jenkins_notary.service.answers.handlers import Call
    from jenkins_notary.service.follower import Follower
    from jenkins_notary.service.session import Engine
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.serving.metrics import Metrics, Readings


_TYPE = re.compile(rb'"type":"([a-z-]+)"')
_STATUS = re.compile(rb'"status":"([A-Z]+)"')


class MetricsSettings(Section, frozen=True):
    """Who may read ``/metrics`` besides auditors.

    Attributes:
        token_file: File of mode 0600 with a bearer token that is good for nothing else,
            or None.
        loopback: Whether this host may, unasked. A proxy on it would speak for all.
    """

    token_file: str | None = None
    loopback: bool = False


class Scraping:
    """Who may read the figures and nothing else."""

    def __init__(self, settings: MetricsSettings) -> None:
        """Read the token.

        Raises:
            ConfigurationError: Its file is wrong.
        """
        self._token: bytes | None = None
        self._loopback = settings.loopback
        if settings.token_file is not None:
            text = read_secret(settings.token_file, "metrics: token-file")
            self._token = text.encode()

    def lets_in(self, authorization: str, *, is_loopback: bool) -> bool:
        """Return whether a request may read them, whoever sends it."""
        if self._loopback and is_loopback:
            return True
        scheme, _, text = authorization.partition(" ")
        given = text.strip().encode("utf-8", "surrogatepass")
        is_bearer = scheme.lower() == "bearer" and self._token is not None
        return is_bearer and hmac.compare_digest(given, self._token or b"")


class Requests:
    """The figures of requests."""

    def __init__(self, metrics: Metrics) -> None:
        """Begin with none."""
        self._answers = metrics.counter(
            "requests_total", "Requests answered.", "method", "route", "status"
        )
        self._seconds = metrics.histogram(
            "request_seconds", "Time to answer a request.", "route"
        )
        self._bytes = metrics.counter(
            "body_bytes_total", "Bytes of requests and answers.", "direction"
        )

    def note(self, route: str, line: Mapping[str, object], seconds: float) -> None:
        """Count a request.

        Args:
            route: The path of its route, or "" where there is none.
            line: Its line of the access log.
            seconds: How long it took.
        """
        route = route or "none"
        # A method is any word that a client sends.
        method = str(line["method"]) if route != "none" else "any"
        self._answers.add(method, route, str(line["status"]))
        self._seconds.observe(seconds, route)
        self._bytes.add("received", by=float(str(line["received"])))
        self._bytes.add("sent", by=float(str(line["sent"])))


class Records:
    """The figures of records since the start."""

    def __init__(self, metrics: Metrics) -> None:
        """Begin with none."""
        self._records = metrics.counter(
            "records_total", "Records appended since the start.", "type", "status"
        )

    def note(self, entries: Sequence[bytes]) -> None:
        """Count entries of the log, by the words that stand in them."""
        for one in entries:
            kind, status = _TYPE.search(one), _STATUS.search(one)
            if kind is not None:
                word = "none" if status is None else status[1].decode()
                self._records.add(kind[1].decode(), word)


def show_metrics(call: Call) -> Reply:
    """Return all figures, as Prometheus reads them."""
    return Reply(call.service.metrics.render(), MEDIA_TYPE)


def add_gauges(
    metrics: Metrics, engine: Engine, tasks: Tasks, follower: Follower
) -> None:
    """Add what is read when it is asked for."""
    add_process_gauges(metrics)
    metrics.gauge(
        "tree_size", "Records in the log.", read=lambda: engine.session().view().size
    )
    metrics.gauge(
        "trust_size",
        "Records in the trust log.",
        read=lambda: engine.session().view().checkpoint.trust.size,
    )
    metrics.gauge(
        "checkpoint_time_seconds",
        "Commit time of the last record, since 1970.",
        read=lambda: _last_time(engine),
    )
    metrics.gauge(
        "task_faults",
        "Faults of work beside requests.",
        "task",
        read=lambda: {(name,): count for name, count in tasks.faults.items()},
    )
    metrics.gauge(
        "follower_lag",
        "Records that a subscriber has yet to see.",
        "subscriber",
        read=lambda: {(name,): follower.lag(name) for name in follower.names},
    )
    metrics.gauge("disk_free_bytes", "Room where the ledger is.", read=_free_of(engine))
    metrics.gauge(
        "ledger_bytes",
        "Size of the ledger's file.",
        read=lambda: os.path.getsize(engine.places.ledger),
    )


def add_server_gauges(metrics: Metrics, lookout: Lookout) -> None:
    """Add what the servers tell of a ledger that has several."""

    def read(pick: Callable[[ServerStanding], float]) -> Readings:
        return {(one.server,): pick(one) for one in lookout.look()}

    metrics.gauge(
        "immudb_up",
        "Whether a server of the ledger answers.",
        "server",
        read=lambda: read(lambda one: not one.error),
    )
    metrics.gauge(
        "immudb_primary",
        "Whether a server of the ledger takes writes.",
        "server",
        read=lambda: read(lambda one: one.role == "primary"),
    )
    metrics.gauge(
        "immudb_lag_transactions",
        "Transactions that a server lacks of those that are known of.",
        "server",
        read=lambda: {
            (one.server,): one.lag for one in lookout.look() if not one.error
        },
    )


def free_bytes(path: str) -> int:
    """Return how much room there is where a file lies."""
    found = os.statvfs(os.path.dirname(path) or ".")
    return found.f_bavail * found.f_frsize


def _free_of(engine: Engine) -> Callable[[], float]:
    """Return what reads the room that a ledger has."""
    return lambda: free_bytes(engine.places.ledger)


def _last_time(engine: Engine) -> float:
    """Return when the last record was committed."""
    view = engine.session().view()
    _, leaf = view.leaf(view.size - 1)
    return leaf.at_ms / 1000
