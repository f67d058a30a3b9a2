"""Record builds for a service: through Jenkins' API, and from the outboxes of hooks.

An outbox is bound to the token that first delivers it, and that token to the outbox and
the controller's identity. A copy of the controller has another identity and is refused,
until an administrator rotates the token.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from jenkins_notary.api.collect import Choice
from jenkins_notary.api.gathering import Wanted, gather
from jenkins_notary.api.outbox import Drainer
from jenkins_notary.errors import (
    FaultsError,
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.events import Origin, Outbox, parse_event
from jenkins_notary.service.asks import list_of
from jenkins_notary.service.commits import BusyError
from jenkins_notary.service.scopes import covers
from jenkins_notary.values.canonical import canonical_json
from jenkins_notary.values.digest import is_hex_digest
from jenkins_notary.values.jobid import JobId, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.service.rules import Principal
    from jenkins_notary.service.tokens import TokenFile

MAX_EVENTS = 500
MAX_WORK_S = 15
"""How long events of one request are worked at; the rest is sent again."""

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
    session: Session, who: Principal, tokens: TokenFile, value: Mapping[str, Any]
) -> dict[str, Any]:
    """Record the events of a controller's outbox, in order; say which was the last.

    Raises:
        PermissionDeniedError: The events are of another controller than the token's.
        UsageError: An event is malformed; none before it is left.
        NotaryError: The first of them cannot be recorded for now.
    """
    source = _Received(value)
    with _alone(who.name):
        tokens.bind(who.name, source.outbox.id, source.outbox.identity)
        return _deliver(session, who, source)


def _deliver(session: Session, who: Principal, source: _Received) -> dict[str, Any]:
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
            result = drainer.deliver(number)
            accepted = number
            faults += result.faults
            found = {one.record.leaf.type: one.receipt for one in result.records}
            receipt = found.get("log") or found.get("provenance")
            if receipt is not None:
                receipts[result.job] = receipt
    except NotaryError:
        # What was recorded is told; the next request begins with the one at fault.
        if accepted is None:
            raise
    finally:
        session.close_controllers()
    answer = {
        "accepted": accepted,
        "receipts": receipts,
        "checkpoint": session.view().note.decode(),
    }
    return {**answer, **_describe_faults(faults)}


class _Received:
    """Events that came in a request, as a source of the drain.

    Attributes:
        outbox: The outbox that they are of.
        numbers: Their numbers, growing.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        """Take the request's object.

        Raises:
            UsageError: It is not of the form.
        """
        own, identity = value.get("outbox"), value.get("identity")
        if not isinstance(own, str) or len(own) != 32 or not _is_hex(own):
            raise UsageError("outbox", expected="32 hex digits", got=repr(own)[:60])
        if not (identity is None or is_hex_digest(identity)):
            raise UsageError("identity", expected="64 hex digits or null")
        self.outbox = Outbox(own, identity, is_accepted=False, former=frozenset())
        events = list_of(value, "events", MAX_EVENTS)
        self._events: dict[int, object] = {}
        last = 0
        for one in events:
            seq = one.get("seq") if isinstance(one, dict) else None
            if type(seq) is not int or not last < seq < 1 << 53:
                raise UsageError(
                    "events", expected="growing numbers", got=repr(seq)[:40]
                )
            self._events[seq] = one
            last = seq
        self.numbers: Sequence[int] = [*self._events]

    def read(self, number: int) -> Origin:
        """Return an event."""
        data = canonical_json(self._events[number])
        return Origin(self.outbox.id, parse_event(data, subject=f"event {number}"))

    def delete(self, number: int) -> None:
        """Do nothing: the hook deletes what was accepted."""

    def set_aside(self, number: int) -> str:
        """Refuse the request: the hook sets the event aside itself.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"event {number}",
            expected="an event that can be recorded, with claims that may be made",
            advice="it is set aside by the hook",
        )


def _check_scope(who: Principal, source: _Received, number: int) -> None:
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


def _is_hex(text: str) -> bool:
    """Return whether a text is lower-case hex digits."""
    return all(char in "0123456789abcdef" for char in text)
