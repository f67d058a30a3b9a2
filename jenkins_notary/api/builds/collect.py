"""Collect one build: what Jenkins shows of it becomes signed records.

All is read before anything is recorded, in this order:

1. the build's JSON;
2. the console log, in one pass into the body store;
3. every artifact, hashed as it streams and not kept;
4. test report and stages, where the build has them;
5. the build's JSON once more: a build that changed meanwhile is not recorded.

Then one commit holds the log, the test result and the provenance; what records claim of
the build is compared with what was read (``corroborate``). What could not be
read whole is a *gap*: it is named in the provenance, is never recorded as good, and is
the caller's fault to see. A build that was recorded without gaps is not read again.

The record id is derived from the build and the claimed time is the build's end, so that
the same content read twice is the same record, and stands once.

Cost: one request each for steps 1, 2 and 5, one an artifact, up to two for step 4.
"""

from __future__ import annotations

from jenkins_notary.api.builds.corroborate import corroborate_quietly
from jenkins_notary.api.builds.growing import GrowingLogs, find_chain
from jenkins_notary.api.builds.reading import FOREIGN, Reading
from jenkins_notary.api.builds.records import (
    BuildWriter,
    describe_log,
    describe_tests,
    find_whole,
)
from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.logs.keeping import DEFAULT_POLICY
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    UnavailableError,
    worst_code,
)
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.evidence.provenance import BuildKey, BuildSources
from jenkins_notary.ledger.author import format_time
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import JobId, check_job_name, format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.evidence.events import Origin
    from jenkins_notary.ports import Controller, Jenkins


class Choice(NamedTuple):
    """What is to be collected of a build.

    Attributes:
        only_log: The log alone, as a step asks for it; else everything.
        again: Read a build again that was recorded whole.
        secrets: What becomes of a log with secrets, see ``log_keeping``.
        seconds: How long a finished build may take to be read; what is not read by
            then is a gap. None for as long as it takes.
    """

    only_log: bool = False
    again: bool = False
    secrets: str = DEFAULT_POLICY
    seconds: int | None = None


class Collected(NamedTuple):
    """What came of one build.

    Attributes:
        job: Its job id.
        started_at: When it started, RFC 3339, or None when that was not read.
        outcome: ``collected``, ``present`` (it was before), ``growing`` (it runs, its
            log so far is recorded), ``partial`` (recorded with gaps) or ``failed``
            (nothing was recorded).
        records: Its records, made now or before.
        faults: What could not be read, and why.
        requests: Requests that it took.
    """

    job: str
    started_at: str | None
    outcome: str
    records: tuple[RecordView, ...]
    faults: tuple[NotaryError, ...]
    requests: int

    @property
    def code(self) -> int:
        """Return the exit code: the worst of the faults, 0 for none."""
        return worst_code([one.exit_code for one in self.faults])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; the records stand in it by their indexes."""
        return {
            "job": self.job,
            "started_at": self.started_at,
            "outcome": self.outcome,
            "code": self.code,
            "indexes": [one.record.index for one in self.records],
            "requests": self.requests,
            "faults": [one.to_dict() for one in self.faults],
        }


class Collector:
    """Collect builds of one controller into one ledger."""

    def __init__(
        self, session: Session, jenkins: Jenkins, choice: Choice | None = None
    ) -> None:
        """Read from a controller, record in a session's ledger, which must be there.

        Raises:
            NotFoundError: There is no ledger, or its key is not here.
        """
        self._session = session
        self._jenkins = jenkins
        self._choice = choice or Choice()
        self._growing = GrowingLogs(session, jenkins, secrets=self._choice.secrets)
        session.check_can_write()
        if session.signer().keyid not in session.view().trust().signers:
            session.notify(
                f"{session.signer().keyid} is not enrolled: its records do not count "
                "until an administrator runs jenkins-notary signer enrol"
            )

    @property
    def controller(self) -> Controller:
        """Return who is read from."""
        return self._jenkins.controller()

    @property
    def jenkins(self) -> Jenkins:
        """Return the port that is read through."""
        return self._jenkins

    def collect(
        self,
        name: str,
        number: int,
        *,
        value: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
    ) -> Collected:
        """Collect one build; what Jenkins does not give is a fault of the result.

        Args:
            name: The job's full name.
            number: The build's number.
            value: The build's JSON, where the caller has it already.
            origin: The hook's event of the build, whose facts are merged.

        Raises:
            NotaryError: The ledger or this machine is at fault, not Jenkins.
        """
        check_job_name(name)
        before = self._jenkins.requests
        key: BuildKey | None = None
        outcome = "failed"
        records: Sequence[RecordView] = ()
        faults: list[NotaryError] = []
        job = JobId(None, name, number)
        try:
            job = JobId(self.controller.instance, name, number)
            if value is None:
                value = self._jenkins.build(name, number)
            info = parse_build(value, subject=f"build {format_job_id(job)}")
            _check_build(info, job, origin)
            key = BuildKey(job, info.started_at_ms)
            outcome, records, faults = self._collect(key, info, origin)
            if not self._choice.only_log:
                records = [*records, *self.corroborate(job, info)]
        except _ForeignError as error:
            faults = [error.fault]
        except FOREIGN as error:
            if key is not None:
                raise
            faults = [error]
        return Collected(
            format_job_id(job),
            None if key is None else format_time(key.started_at_ms),
            outcome,
            tuple(records),
            tuple(faults),
            self._jenkins.requests - before,
        )

    def corroborate(
        self, job: JobId, info: BuildInfo | None = None
    ) -> list[RecordView]:
        """Compare what was claimed of a build with what was read; return the records.

        Args:
            job: The build.
            info: Its JSON, where it was read.
        """
        if info is not None and info.is_running:
            return []
        indexes = corroborate_quietly(self._session, self._jenkins, job, info)
        if not indexes:
            return []
        view = self._session.view()
        return [show_record(view, one, receipt=False) for one in view.records(indexes)]

    def _collect(
        self,
        key: BuildKey,
        info: BuildInfo,
        origin: Origin | None,
    ) -> tuple[str, Sequence[RecordView], list[NotaryError]]:
        """Return (outcome, records, faults) of a build whose JSON was read."""
        found = None if self._choice.again else self._find_whole(key, origin)
        if found is not None:
            return "present", found, []
        if info.is_running and origin is not None:
            raise _ForeignError(
                UnavailableError(
                    f"build {format_job_id(key.job)}",
                    expected="one that has ended, as the hook says",
                    got="one that runs",
                )
            )
        if info.is_running:
            return self._grow(key, info)
        self._growing.forget(key)
        facts = {} if origin is None else origin.event.facts
        chain = find_chain(self._session, key, self.controller.identity)
        reading = Reading(
            self._session, self._jenkins, key, info, seconds=self._choice.seconds
        )
        reading.read_log(self._choice.secrets, facts=facts, chain=chain)
        if not self._choice.only_log:
            reading.read_artifacts(facts)
            reading.read_tests()
            reading.read_stages()
        changed = reading.check_unchanged()
        if changed is not None:
            raise _ForeignError(changed)
        records = self._record(reading, origin)
        outcome = "partial" if reading.faults else "collected"
        return outcome if records else "failed", records, reading.faults

    def _grow(
        self, key: BuildKey, info: BuildInfo
    ) -> tuple[str, Sequence[RecordView], list[NotaryError]]:
        """Record how far the log of a running build has come."""
        sources = BuildSources(key, self.controller, info, {})
        record, fault = self._growing.grow(sources)
        records = () if record is None else (record,)
        if fault is not None:
            return "failed", records, [fault]
        return "growing", records, []

    def _find_whole(
        self, key: BuildKey, origin: Origin | None
    ) -> list[RecordView] | None:
        """Return the record of a build that was read whole, None if it was not."""
        view = self._session.view()
        found = find_whole(
            view,
            key,
            self.controller.identity,
            only_log=self._choice.only_log,
            origin=origin,
        )
        return None if found is None else [show_record(view, found, receipt=False)]

    def _record(
        self,
        reading: Reading,
        origin: Origin | None,
    ) -> list[RecordView]:
        """Append all records of a build in one commit; return them."""
        log, tests, key = reading.log, reading.tests, reading.key
        sources = BuildSources(
            key,
            self.controller,
            reading.info,
            {} if origin is None else origin.event.facts,
            finished=None if origin is None else origin.event.build,
            stages=reading.stages,
            log=log and describe_log(log),
            tests=tests and describe_tests(tests),
            gaps=reading.gaps,
            hook_version=None if origin is None else origin.event.hook_version,
        )
        writer = BuildWriter(self._session, sources, origin=origin)
        envelopes = []
        if log is not None:
            envelopes.append(
                writer.log(
                    log,
                    previous=reading.chain and reading.chain.index,
                    extends=reading.extends,
                )
            )
        if tests is not None:
            envelopes.append(writer.test_result(tests, reading.artifacts, log))
        if not self._choice.only_log:
            envelopes += writer.provenance(reading.artifacts, log)
        if not envelopes:
            return []
        indexes = self._session.append(envelopes)
        view = self._session.view()
        return [show_record(view, one, receipt=False) for one in view.records(indexes)]


class _ForeignError(Exception):
    """A fault of Jenkins that ends the reading of a build."""

    def __init__(self, fault: NotaryError) -> None:
        """Hold the fault."""
        super().__init__(str(fault))
        self.fault = fault


def _check_build(info: BuildInfo, job: JobId, origin: Origin | None) -> None:
    """Check that Jenkins gave the build that is meant.

    Raises:
        UnavailableError: It has another number.
        NotFoundError: It is not the one of the event: it started at another time.
    """
    subject = f"build {format_job_id(job)}"
    if info.number != job.number:
        raise UnavailableError(
            subject, expected=f"number {job.number}", got=f"{info.number}"
        )
    build = {} if origin is None else origin.event.build or {}
    if build.get("startedAt", info.started_at_ms) != info.started_at_ms:
        raise NotFoundError(
            subject,
            expected=f"one that started {format_time(build['startedAt'])}",
            got=f"one that started {format_time(info.started_at_ms)}",
            advice="the job was deleted and made again",
        )
