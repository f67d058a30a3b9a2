"""Hold together what runs: the open ledger, and what works beside the requests."""

from __future__ import annotations

from functools import partial

from jenkins_notary.api.ledgers.immudb import Lookout
from jenkins_notary.service.access.limits import Limits
from jenkins_notary.service.access.logins import Logins
from jenkins_notary.service.answers.events import Events
from jenkins_notary.service.builds.corroborating import Corroboration
from jenkins_notary.service.builds.coverage import CoverageSweeps
from jenkins_notary.service.builds.gaps import (
    add_coverage_gauges,
    count_verdict,
    tell_coverage,
    tell_difference,
)
from jenkins_notary.service.builds.sessions import Sessions
from jenkins_notary.service.builds.signing import ClassKeys, keys_path
from jenkins_notary.service.builds.voices import Voices
from jenkins_notary.service.follower import Follower
from jenkins_notary.service.monitoring.alerts import Alerts
from jenkins_notary.service.monitoring.measures import (
    Records,
    add_gauges,
    add_server_gauges,
)
from jenkins_notary.service.monitoring.statuses import tell_status
from jenkins_notary.service.state import ServiceState, state_path
from jenkins_notary.service.tasks import Tasks
from jenkins_notary.service.witness.asking import Witnesses
from jenkins_notary.serving.metrics import Metrics
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.service.access.tokens import TokenFile
    from jenkins_notary.service.http.access_log import AccessLog
    from jenkins_notary.service.session import Engine, ServiceSession
    from jenkins_notary.service.settings import Settings
    from jenkins_notary.trust.record import ProvenRecord

FORGET_S = 600.0


class Running(NamedTuple):
    """A service that runs on one ledger.

    Attributes:
        engine: The open ledger.
        tokens: Who may ask.
        logins: Who has logged in.
        settings: What its administrator decided.
        state: What it remembers beside the ledger.
        tasks: What it does beside the requests.
        follower: Who wants each new record.
        witnesses: Who signs its checkpoints.
        log: Where each request gets its line; others may write to it too.
        sessions: Which builds have proved which ones they are.
        voices: Whose key signs what is sent.
        metrics: What is counted.
        alerts: What is told when it changes.
        limits: What one caller may take.
        events: Who listens to the log.
        lookout: Where the ledger's servers stand.
    """

    engine: Engine
    tokens: TokenFile
    logins: Logins
    settings: Settings
    state: ServiceState
    tasks: Tasks
    follower: Follower
    witnesses: Witnesses
    log: AccessLog
    sessions: Sessions
    voices: Voices
    metrics: Metrics
    alerts: Alerts
    limits: Limits
    events: Events
    lookout: Lookout

    def close(self) -> None:
        """Stop what works beside the requests, commit what waits, and close."""
        self.tasks.stop()
        self.follower.wake()
        self.tasks.join()
        self.lookout.close()
        self.engine.close()
        self.state.close()


def start_running(
    engine: Engine, tokens: TokenFile, settings: Settings, log: AccessLog
) -> Running:
    """Start what works beside the requests.

    Raises:
        NotaryError: The service's state cannot be opened.
    """
    state = ServiceState(state_path(engine.places.ledger))
    tasks = Tasks(log.report)
    follower = Follower(engine, state, tasks)
    tasks.every(FORGET_S, "forget", state.forget_ended)
    sessions = Sessions(state, settings.builds)
    keys = ClassKeys(keys_path(engine.places.ledger), settings.builds, log.report)
    voices = Voices(settings.builds, keys, sessions)
    engine.use_voices(voices)
    Corroboration(engine, state, log.report).start(follower, tasks)
    metrics = Metrics()
    add_gauges(metrics, engine, tasks, follower)
    lookout = Lookout(engine.session())
    if engine.places.replicas:
        add_server_gauges(metrics, lookout)
    alerts = _start_alerts(engine, settings, state=state, metrics=metrics)
    _follow(follower, metrics, alerts)
    alerts.start(tasks)
    _start_sweeps(engine, settings, state, (tasks, metrics, alerts, log))
    limits = Limits(settings.limits, state, engine.places.ledger, alerts)
    limits.start(tasks, metrics)
    witnesses = _start_witnesses(engine, settings, state, (tasks, metrics, alerts))
    return Running(
        engine,
        tokens,
        Logins(settings.login, tokens, state),
        settings,
        state,
        tasks,
        follower,
        witnesses,
        log,
        sessions,
        voices,
        metrics,
        alerts,
        limits,
        Events(engine, follower, metrics),
        lookout,
    )


def _start_alerts(
    engine: Engine, settings: Settings, *, state: ServiceState, metrics: Metrics
) -> Alerts:
    """Return who tells the webhooks."""
    origin = engine.session().view().checkpoint.origin
    return Alerts(settings.alerts, origin, state, metrics)


def _start_sweeps(
    engine: Engine,
    settings: Settings,
    state: ServiceState,
    beside: tuple[Tasks, Metrics, Alerts, AccessLog],
) -> None:
    """Account for the builds of folders now and then, and tell what is missing."""
    tasks, metrics, alerts, log = beside
    add_coverage_gauges(metrics, state)
    sweeps = CoverageSweeps(engine, state, settings.coverage, log.report)
    sweeps.on_swept = partial(tell_coverage, alerts)
    sweeps.start(tasks)


def _start_witnesses(
    engine: Engine,
    settings: Settings,
    state: ServiceState,
    beside: tuple[Tasks, Metrics, Alerts],
) -> Witnesses:
    """Have witnesses sign each new checkpoint, and show how far they are."""
    tasks, metrics, alerts = beside
    witnesses = Witnesses(engine, state, settings.witnesses)
    witnesses.start(tasks, alerts)
    metrics.gauge(
        "witness_size",
        "Records that a witness has signed.",
        "witness",
        read=witnesses.sizes,
    )
    return witnesses


def _follow(follower: Follower, metrics: Metrics, alerts: Alerts) -> None:
    """Count each new record, and tell what it changes."""
    counted = Records(metrics)
    verdicts = metrics.counter(
        "corroborations_total", "Builds whose claims were compared.", "verdict"
    )

    def count(_: ServiceSession, record: ProvenRecord) -> None:
        count_verdict(verdicts, record)

    follower.subscribe_entries("records", counted.note)
    follower.subscribe("verdicts", count, durable=False, kind="corroboration")
    if alerts.has_webhooks:
        follower.subscribe("alerts", partial(tell_status, alerts))
        follower.subscribe("corroboration-alerts", partial(tell_difference, alerts))
