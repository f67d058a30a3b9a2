"""Record builds for a service: through Jenkins' API, and from the outboxes of hooks.

An outbox is bound to the token that first delivers it, and that token to the outbox and
the controller's identity. A copy of the controller has another identity and is refused,
until an administrator rotates the token.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from jenkins_notary.api.builds.collect import Choice
from jenkins_notary.api.builds.gathering import Wanted, gather
from jenkins_notary.api.builds.outbox import (
    Drainer,
    LostError,
    last_recorded,
    tell_lost,
)
from jenkins_notary.errors import (
    FaultsError,
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.service.access.scopes import covers
from jenkins_notary.service.builds.deliveries import Received
from jenkins_notary.service.commits import BusyError
from jenkins_notary.values.jobid import JobId, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.running import Running
    from jenkins_notary.service.state import ServiceState

MAX_WORK_S = 15
"""How long events of one request are worked at; the rest is sent again."""

_OUTBOX = "outbox"
_busy: set[str] = set()
_busy_lock = threading.Lock()


def collect_build(session: Session, job: str, *, only_log: bool) -> dict[str, Any]:
    """Record a build as its controller shows it.

    Raises:
        UnavailableError: No controller is configured, or it does not answer.
        NotFoundError: It has no such build.
    """
    known, instance = session.controllers().instances, parse_job_id(job).instance
    if not known or (instance is not None and instance not in known):
        raise UnavailableError(
            "Jenkins",
            expected="a controller that the service may read",
            got="none is configured" if instance is None else instance,
            advice="start it with --jenkins-url or --controllers",
        )
    (result,) = gather(session, Wanted([job], choice=Choice(only_log=only_log)))
    if result.faults and not result.records:
        raise result.faults[0]
    answer = {
        "records": [one.to_dict() for one in result.records],
        "builds": [result.to_dict()],
    }
    return {**answer, **_describe_faults(result.faults)}


def deliver_events(
    session: Session, who: Principal, running: Running, value: Mapping[str, Any]
) -> dict[str, Any]:
    """Record the events of a controller's outbox, in order; say which was the last.

    A number that comes after one that is missing is told: an event is lost.

    Raises:
        PermissionDeniedError: The events are of another controller than the token's.
        UsageError: An event is malformed; none before it is left.
        NotaryError: The first of them cannot be recorded for now.
    """
    source = Received(value)
    with _alone(who.name):
        running.tokens.bind(who.name, source.outbox.id, source.outbox.identity)
        numbers = _Numbers(session, running.state, source.outbox.id)
        return _deliver(session, who, source, numbers)


def _deliver(
    session: Session, who: Principal, source: Received, numbers: _Numbers
) -> dict[str, Any]:
    """Record events until one cannot be, or the time is over."""
    drainer = Drainer(session, source, Choice(seconds=MAX_WORK_S))
    accepted: int | None = None
    receipts: dict[str, str] = {}
    faults: list[NotaryError] = []
    deadline = time.monotonic() + MAX_WORK_S
    try:
        for number in source.numbers:
            if time.monotonic() > deadline:
                break
            _check_scope(who, source, number)
            lost = numbers.missing_before(number)
            result = drainer.deliver(number)
            numbers.take(number)
            accepted = number
            faults += lost
            faults += result.faults
            found = {one.record.leaf.type: one.receipt for one in result.records}
            receipt = found.get("log") or found.get("provenance")
            if receipt is not None:
                receipts[result.job] = receipt
    except NotaryError as error:
        # What was recorded is told; the next request begins with the one at fault.
        if accepted is None:
            if isinstance(error, UsageError):
                # The hook sets it aside: it is not lost.
                numbers.take(source.numbers[0])
            raise
    finally:
        session.close_controllers()
    answer = {
        "accepted": accepted,
        "receipts": receipts,
        "checkpoint": session.view().note.decode(),
    }
    gone = [str(one) for one in faults if isinstance(one, LostError)]
    # The hook tells it in the controller's log.
    told = {"fault": "; ".join(gone)[:1000]} if gone else {}
    return {**answer, **told, **_describe_faults(faults)}


class _Numbers:
    """The last number of an outbox that was taken, kept between requests."""

    def __init__(self, session: Session, state: ServiceState, outbox: str) -> None:
        self._session = session
        self._state = state
        self._outbox = outbox
        self._last: int | None = state.get(_OUTBOX, outbox)

    def missing_before(self, number: int) -> list[NotaryError]:
        """Return what is to be told where events before a number are missing."""
        if self._last is None:
            self._last = last_recorded(self._session, self._outbox)
        return tell_lost(range(self._last + 1, number))

    def take(self, number: int) -> None:
        """Note that an event is taken."""
        if self._last is None or number > self._last:
            self._last = number
            self._state.put(_OUTBOX, self._outbox, number)


def _check_scope(who: Principal, source: Received, number: int) -> None:
    """Check that an event is of a controller and folder of the token.

    Raises:
        UsageError: It is malformed.
        PermissionDeniedError: It is not.
    """
    try:
        event = source.read(number).event
    except IntegrityError as error:
        raise UsageError(
            f"event {number}", expected=error.expected, got=error.got
        ) from error
    names = {event.job, event.old_name or event.job, event.new_name or event.job}
    for name in names:
        job = JobId(event.controller.instance, name, 1)
        if who.scopes and not any(covers(one, job) for one in who.scopes):
            raise PermissionDeniedError(
                f"token {who.name}",
                expected="events of its own controller and folders",
                got=f"{event.controller.instance}:{name}"[:200],
            )


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one request of a token deliver at a time.

    Raises:
        BusyError: Another does.
    """
    with _busy_lock:
        if name in _busy:
            raise BusyError(
                f"token {name}", expected="one delivery at a time", got="another"
            )
        _busy.add(name)
    try:
        yield
    finally:
        with _busy_lock:
            _busy.discard(name)


def _describe_faults(faults: Sequence[NotaryError]) -> dict[str, Any]:
    """Return what an answer says of faults that did not prevent it."""
    return {"faults": FaultsError(faults[:100]).to_dict()} if faults else {}
