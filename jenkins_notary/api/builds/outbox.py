"""Drain the outbox of a controller's hook: each event becomes records, then goes.

Events are taken in the order of their numbers. Each is durable in the ledger before its
file is deleted, and has a record id of its own, so that an event that is taken twice,
after a crash in between, is recorded once.

- ``finalized``: the build, read through the API with the hook's facts merged; from the
  facts alone where no Jenkins access is configured or the build is gone. What the build
  itself claims is notarized (``build_claims``).
- ``build-deleted``, ``job-deleted``: a deletion record.
- ``renamed``, ``moved``: an alias record.

An event that cannot be read, or holds a claim that is refused, is set aside in
``events/bad``, told, and stops no other. One whose build Jenkins does not give for now
stops the draining, for a later renaming counts on the order of records; after an hour
it is recorded by its facts.
"""

from __future__ import annotations

from jenkins_notary.api.builds.claims import record_build_claim
from jenkins_notary.api.builds.collect import Choice, Collected, Collector
from jenkins_notary.api.builds.records import BuildWriter
from jenkins_notary.api.evidence import show_record
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.lifecycle import describe_alias, describe_deletion
from jenkins_notary.evidence.provenance import BuildKey, BuildSources
from jenkins_notary.files.outbox import OutboxFolder
from jenkins_notary.ledger.author import Author, format_time
from jenkins_notary.shapes import Protocol
from jenkins_notary.values.jobid import format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.events import Origin, Outbox

WAITING = "waiting"
"""The outcome of an event that cannot be recorded for now: it stays, and all behind."""

LOST = "lost"
"""The outcome of numbers that are missing before an event."""

_MAX_LOOKED_BACK = 100
MAX_EVENTS = 500
"""Events of one call: who calls again and again gets answers of a bounded size."""

MAX_WAIT_MS = 3_600_000
"""How long an event waits for Jenkins before it is recorded by its facts alone."""

_ALIASES = frozenset({"renamed", "moved"})


def drain(
    session: Session, path: str, choice: Choice, *, limit: int = MAX_EVENTS
) -> Iterator[Collected]:
    """Yield what came of each event that waits in an outbox.

    The last one may be ``waiting``: Jenkins does not answer for now, or the event is of
    a copy of the controller.

    Args:
        session: An open ledger, with the key that signs.
        path: The outbox.
        choice: How a build is read. After its ``seconds`` no further event is begun,
            so that a caller with twice that time sees the end.
        limit: The most events that are taken.

    Raises:
        NotFoundError: No such outbox, or no ledger.
        IntegrityError: ``outbox.json`` is malformed.
        PermissionDeniedError: The folder may not be read.
        NotaryError: The ledger or this machine is at fault; what waits stays.
    """
    session.check_can_write()
    folder = OutboxFolder(path)
    with folder.lock():
        drainer = Drainer(session, folder, choice)
        started_ms = session.clock.now_ms()
        numbers = folder.numbers()
        last = max(folder.last_taken(), last_recorded(session, folder.outbox.id))
        for before, number in zip([None, *numbers], numbers[:limit], strict=False):
            lost = folder.missing((last if before is None else before) + 1, number)
            for error in tell_lost(lost):
                yield Collected(error.subject, None, LOST, (), (error,), 0)
            if before is not None and _is_late(session, started_ms, choice):
                break
            try:
                result = drainer.deliver(number)
            except (PermissionDeniedError, UnavailableError) as error:
                yield Collected(f"event {number}", None, WAITING, (), (error,), 0)
                break
            yield result
        left = len(folder.numbers())
        if left:
            session.notify(f"outbox {path}: {left} more events wait")
    session.close_controllers()


def last_recorded(session: Session, outbox: str) -> int:
    """Return the number of an outbox's newest event in the ledger, 0 for none found."""
    view = session.view()
    newest = range(view.size - 1, max(-1, view.size - 1 - _MAX_LOOKED_BACK), -1)
    for record in view.records(newest):
        facts = {} if record.statement is None else record.statement.facts
        event = facts.get("event")
        if isinstance(event, dict) and event.get("outbox") == outbox:
            seq = event.get("seq")
            return seq if type(seq) is int else 0
    return 0


class LostError(IntegrityError):
    """Events of an outbox are neither waiting nor recorded."""


def tell_lost(lost: range) -> list[NotaryError]:
    """Return what is to be told of numbers that are missing: nothing for none."""
    if not lost:
        return []
    error = LostError(
        f"event {lost[0]} to {lost[-1]}",
        expected="every number once",
        got="neither waiting nor taken before",
        advice="they were deleted, or recorded in another ledger",
    )
    return [error]


def _is_late(session: Session, started_ms: int, choice: Choice) -> bool:
    """Return whether there is no time left to begin another event."""
    if choice.seconds is None:
        return False
    return session.clock.now_ms() - started_ms >= choice.seconds * 1000


class EventSource(Protocol):
    """Where events come from: the folder of an outbox, or a request to a service."""

    @property
    def outbox(self) -> Outbox:
        """Return what the outbox says of itself."""

    def read(self, number: int) -> Origin:
        """Return an event.

        Raises:
            IntegrityError: It is malformed.
        """

    def delete(self, number: int) -> None:
        """Forget an event that is recorded."""

    def set_aside(self, number: int) -> str:
        """Put an event out of the way of the others; return where it is."""


class Drainer:
    """Turn events into records."""

    def __init__(self, session: Session, folder: EventSource, choice: Choice) -> None:
        """Record in a session's ledger what a source gives."""
        self._session = session
        self._folder = folder
        self._choice = choice
        self._collectors: dict[str, Collector] = {}

    def deliver(self, number: int) -> Collected:
        """Record an event and delete its file."""
        try:
            origin = self._folder.read(number)
        except IntegrityError as error:
            return self._set_aside(number, f"event {number}", error)
        self._check_same_controller(origin)
        if origin.event.lost:
            self._session.notify(
                f"event {number}: its claims cannot be read; it is recorded without"
            )
        try:
            is_end = origin.event.kind == "finalized"
            result = self._finalize(origin) if is_end else self._record_change(origin)
        except UsageError as error:
            return self._set_aside(number, f"event {number}", error)
        if any(isinstance(one, UsageError) for one in result.faults):
            where = self._folder.set_aside(number)
            self._session.notify(
                f"event {number} with a claim that is refused: {where}"
            )
        else:
            self._folder.delete(number)
        return result

    def _set_aside(self, number: int, subject: str, error: NotaryError) -> Collected:
        """Set an event aside that cannot be recorded."""
        error.advice = f"it is set aside: {self._folder.set_aside(number)}"
        return Collected(subject, None, "failed", (), (error,), 0)

    def _check_same_controller(self, origin: Origin) -> None:
        """Check that an event is of the outbox's own controller.

        Raises:
            PermissionDeniedError: It is of a copy of it.
        """
        outbox, identity = self._folder.outbox, origin.event.controller.identity
        if outbox.is_accepted or None in {outbox.identity, identity}:
            return
        if identity != outbox.identity and identity not in outbox.former:
            raise PermissionDeniedError(
                f"event {origin.event.seq}",
                expected=f"the controller {outbox.identity}",
                got=f"{identity}: a copy of it",
                advice='write "accepted": true into outbox.json if it is the same one',
            )

    def _record_change(self, origin: Origin) -> Collected:
        """Record a deletion or an alias."""
        event = origin.event
        is_alias = event.kind in _ALIASES
        describe = describe_alias if is_alias else describe_deletion
        subjects, facts = describe(origin)
        author = Author((self._session.signer(),), origin.record_id, event.at_ms)
        own_type = "alias" if is_alias else "deletion"
        (index,) = self._session.append([author.sign(own_type, subjects, facts)])
        job = event.build_id
        name = f"{event.controller.instance}:{event.job}"
        return Collected(
            name if job is None else format_job_id(job),
            None,
            "collected",
            tuple(self._show([index])),
            (),
            0,
        )

    def _finalize(self, origin: Origin) -> Collected:
        """Record a build that has ended, and what it claims."""
        result = self._collect(origin)
        records = self._show([one.record.index for one in result.records])
        faults = list(result.faults)
        for place, value in enumerate(origin.event.claims):
            try:
                records += self._show(record_build_claim(self._session, origin, value))
            except UsageError as error:
                error.subject = f"claim {place + 1} of {result.job}: {error.subject}"
                faults.append(error)
        collector = self._collector(origin.event.controller.instance)
        job = origin.event.build_id
        if origin.event.claims and collector is not None and job is not None:
            records += self._show(
                [one.record.index for one in collector.corroborate(job)]
            )
        return result._replace(records=tuple(records), faults=tuple(faults))

    def _collect(self, origin: Origin) -> Collected:
        """Read a build through the API, or take the facts alone."""
        event = origin.event
        collector = self._collector(event.controller.instance)
        job = event.build_id
        assert job is not None  # noqa: S101 - an event of a build has one
        if collector is None:
            return self._record_facts(origin, {"log": "unread", "artifacts": "unread"})
        identity = collector.controller.identity
        if None not in {identity, event.controller.identity} and (
            identity != event.controller.identity
        ):
            raise PermissionDeniedError(
                f"event {event.seq}",
                expected=f"the controller {event.controller.identity}",
                got=f"{identity} at {collector.controller.url}",
                advice="name the right controller: --jenkins-url or --controllers",
            )
        result = collector.collect(job.name, job.number, origin=origin)
        if result.outcome != "failed":
            return result
        fault = result.faults[0]
        is_gone = isinstance(fault, NotFoundError)
        if not is_gone and self._session.clock.now_ms() - event.at_ms < MAX_WAIT_MS:
            raise fault
        why = "missing" if is_gone else "unavailable"
        gaps = {
            "build": "deleted" if is_gone else why,
            "log": why,
            "artifacts": why,
        }
        return self._record_facts(origin, gaps)._replace(
            outcome="partial", faults=result.faults, requests=result.requests
        )

    def _collector(self, instance: str) -> Collector | None:
        """Return the collector of a controller, None where none is configured."""
        controllers = self._session.controllers()
        if instance not in controllers.instances:
            return None
        if instance not in self._collectors:
            self._collectors[instance] = Collector(
                self._session, controllers.client(instance), self._choice
            )
        return self._collectors[instance]

    def _record_facts(self, origin: Origin, gaps: Mapping[str, object]) -> Collected:
        """Record a build by the hook's facts alone."""
        event = origin.event
        job, build = event.build_id, event.build
        assert job is not None and build is not None  # noqa: S101, PT018 - as above
        key = BuildKey(job, build["startedAt"])
        sources = BuildSources(
            key,
            event.controller,
            None,
            event.facts,
            finished=build,
            gaps=gaps,
            hook_version=event.hook_version,
        )
        writer = BuildWriter(self._session, sources, origin=origin)
        indexes = self._session.append([*writer.provenance((), None)])
        return Collected(
            format_job_id(job),
            format_time(key.started_at_ms),
            "collected",
            tuple(self._show(indexes)),
            (),
            0,
        )

    def _show(self, indexes: Sequence[int]) -> list[RecordView]:
        """Return records with their receipts, which the hook keeps with the build."""
        view = self._session.view()
        return [show_record(view, one) for one in view.records(indexes)]
