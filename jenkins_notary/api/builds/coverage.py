"""Account for every build of many jobs: which are on record, and which are not.

A controller is asked once a folder for the numbers that it gave out, and for pages of
builds in the period; what it lists is held against the ledger, and what it does not
list is looked for there. A build is on record when a signer that counts has recorded
it: its provenance or its log as the controller showed it, or at least a claim of it,
which is counted apart.

The lowest number of a period is found by start times, from the newest down. Numbers
that neither side knows the start of belong to the period when they lie above it.

Left out: jobs that Jenkins shows no more, and whatever its account may not see.

Cost: a request a folder and one for each 50 builds; in the ledger a look-up for each
build, and a proof for each of its records until it is settled. Builds that were settled
once are remembered by the object, not by the ledger.
"""

from __future__ import annotations

from jenkins_notary.api.builds.exemptions import list_exemptions
from jenkins_notary.api.builds.gathering import parse_pattern
from jenkins_notary.api.builds.reading import EVIDENCE_FOLDER, FOREIGN
from jenkins_notary.api.builds.recorded import RecordedBuilds
from jenkins_notary.api.builds.sweep import MAX_SPAN
from jenkins_notary.errors import (
    FaultsError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.evidence.coverage import (
    DELETED,
    LOST,
    MISSING,
    OPEN,
    PRESENT,
    Account,
    find_exemption,
    sum_coverage,
    sum_folders,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from jenkins_notary.api.builds.recorded import Found
    from jenkins_notary.api.session import Session
    from jenkins_notary.errors import NotaryError
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.evidence.coverage import Exemption, JobCoverage
    from jenkins_notary.ports import Controller, Jenkins, JobSummary

MAX_SETTLED = 500_000
"""Builds that are remembered as on record."""


class Period(NamedTuple):
    """Which builds are accounted for, by when they started.

    Attributes:
        since_ms: From when on, ms UTC; None for all.
        until_ms: Up to when; None for now.
        grace_ms: How long after its end a build need not be on record yet.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    grace_ms: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "since": None if self.since_ms is None else format_time(self.since_ms),
            "until": None if self.until_ms is None else format_time(self.until_ms),
            "grace_s": self.grace_ms // 1000,
        }


class CoverageReport(NamedTuple):
    """What came of all jobs.

    Attributes:
        instance: The controller's.
        period: Which builds were accounted for.
        jobs: What came of each.
        exemptions: All that were recorded and have not ended.
        faults: What could not be looked at, and why.
    """

    instance: str
    period: Period
    jobs: Sequence[JobCoverage]
    exemptions: Sequence[Exemption]
    faults: Sequence[NotaryError]

    @property
    def all_faults(self) -> list[NotaryError]:
        """Return what is wrong: what could not be looked at, and what is missing."""
        found = list(self.faults)
        total = sum_coverage(one.to_dict() for one in self.jobs)
        missing = total["missing"] + total["lost"]
        if missing or total["unrecorded"]:
            found.append(
                NotFoundError(
                    f"coverage of {self.instance}",
                    expected="every build and artifact on record",
                    got=f"{missing} builds and {total['unrecorded']} artifacts that "
                    "are not",
                    advice="jenkins-notary collect --job NAME, or exempt the job: "
                    "jenkins-notary coverage exempt",
                )
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        jobs = [one.to_dict() for one in self.jobs]
        return {
            "instance": self.instance,
            "period": self.period.to_dict(),
            "totals": sum_coverage(jobs),
            "folders": sum_folders(jobs),
            "jobs": jobs,
            "exemptions": [one.to_dict() for one in self.exemptions],
        }


class Coverage:
    """Hold one controller's builds against one ledger, again and again."""

    def __init__(
        self,
        session: Session,
        jenkins: Jenkins,
        settled: dict[tuple[str, int], int] | None = None,
    ) -> None:
        """Compare a controller with a session's ledger; nothing is recorded.

        Args:
            session: An open ledger.
            jenkins: The controller.
            settled: What was found on record before, which is added to: when a build
                started by its job and number.
        """
        self.session = session
        self._jenkins = jenkins
        self._settled = {} if settled is None else settled

    def report(self, pattern: str, period: Period) -> CoverageReport:
        """Return what came of all jobs of a pattern.

        Raises:
            UnavailableError: Jenkins does not answer.
            PermissionDeniedError: It refuses.
            NotFoundError: It has no such job or folder.
        """
        jobs = list(self.run(pattern, period))
        now_ms = self.session.clock.now_ms()
        exemptions = list_exemptions(self.session.view())
        return CoverageReport(
            self._jenkins.controller().instance,
            period,
            [one for one in jobs if one.job],
            [one for one in exemptions if one.expires_at_ms > now_ms],
            [one.fault for one in jobs if one.fault is not None],
        )

    def run(self, pattern: str, period: Period) -> Iterator[JobCoverage]:
        """Yield what came of each job; one without a name for what cannot be listed."""
        instance = self._jenkins.controller().instance
        listed: list[JobSummary] = []
        refused: NotaryError | None = None
        try:
            listed.extend(self._jenkins.jobs(pattern))
        except (UsageError, FaultsError) as error:
            # A name that no job id can hold; the others are yielded before.
            refused = error
        exemptions = list_exemptions(self.session.view())
        now_ms = self.session.clock.now_ms()
        for place, job in enumerate(listed):
            exempt = find_exemption(exemptions, instance, job.name, now_ms=now_ms)
            account = Account(instance, job.name, exempt)
            yield self._count_job(job, period, account)
            self.session.report("jobs", place + 1, len(listed))
        if refused is not None:
            yield Account(instance, "").close(refused)

    def _count_job(
        self, job: JobSummary, period: Period, account: Account
    ) -> JobCoverage:
        """Return what came of one job."""
        try:
            _Counter(self, job.name, period, account).count(self._jenkins, job)
        except _JenkinsError as error:
            return account.close(error.fault)
        return account.close()

    def is_settled(self, name: str, info: BuildInfo) -> bool:
        """Return whether a build was found on record before, with all artifacts."""
        return self._settled.get((name, info.number)) == info.started_at_ms

    def settle(self, name: str, info: BuildInfo) -> None:
        """Remember a build that is on record."""
        if len(self._settled) < MAX_SETTLED:
            self._settled[name, info.number] = info.started_at_ms

    @property
    def controller(self) -> Controller:
        """Return who is asked."""
        return self._jenkins.controller()


def report_coverage(
    session: Session, pattern: str, period: Period
) -> Iterator[CoverageReport]:
    """Yield what came of the jobs of a pattern, one a configured controller.

    Args:
        session: An open ledger.
        pattern: A job, a folder, ``*`` for all; with an instance for one controller.
        period: Which builds.

    Raises:
        UsageError: The pattern is malformed.
        ConfigurationError: No such controller is configured, or none at all.
        NotaryError: A controller does not answer, or has no such job.
    """
    instance, below = parse_pattern(pattern)
    controllers = session.controllers()
    wanted: Sequence[str | None] = [instance]
    if instance is None:
        wanted = controllers.instances or [None]
    try:
        for one in wanted:
            client = controllers.client(one)
            yield Coverage(session, client).report(below, period)
    finally:
        session.close_controllers()


class _JenkinsError(Exception):
    """Jenkins did not tell of a job."""

    def __init__(self, fault: NotaryError) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Counter:
    """Count the builds of one job."""

    def __init__(
        self, coverage: Coverage, name: str, period: Period, account: Account
    ) -> None:
        self._coverage = coverage
        self._recorded = RecordedBuilds(
            coverage.session.view(), coverage.controller, name
        )
        self._name = name
        self._period = period
        self._account = account
        self._now_ms = coverage.session.clock.now_ms()
        self._seen: set[int] = set()

    def count(self, jenkins: Jenkins, job: JobSummary) -> None:
        """Count every number of the period: what Jenkins lists, then the others.

        Raises:
            _JenkinsError: Jenkins does not tell.
        """
        last = max(job.next_number - 1, job.last_number or 0)
        bottom = max(1, last - MAX_SPAN)
        first, last, is_bounded = self._count_listed(jenkins, job, last)
        known: dict[int, Found] = {}
        if not is_bounded and self._period.since_ms is None:
            first = bottom
        elif not is_bounded:
            first = self._find_first(first, bottom, known)
        for number in range(last, first - 1, -1):
            if number not in self._seen:
                found = known.get(number) or self._recorded.find(number, None)
                gone = DELETED if found.is_deleted else LOST
                self._account.add(
                    number,
                    PRESENT if found.is_present else gone,
                    is_claimed=found.is_only_claimed,
                )

    def _count_listed(
        self, jenkins: Jenkins, job: JobSummary, last: int
    ) -> tuple[int, int, bool]:
        """Count what Jenkins lists, the newest first.

        Returns:
            (first, last) number of the period as far as Jenkins tells, and whether it
            lists an older build, so that none below is of the period.
        """
        lowest = last + 1
        if job.last_number is None or job.first_number is None:
            return lowest, last, False
        first = max(job.first_number, job.last_number - MAX_SPAN, 1)
        for info in self._list(jenkins, job, first):
            if info.started_at_ms < (self._period.since_ms or 0):
                return info.number + 1, last, True
            lowest = info.number
            if self._is_behind(info):
                # What neither side knows the start of lies behind the period too.
                last = info.number - 1
                continue
            self._seen.add(info.number)
            self._count(info)
        return lowest, last, False

    def _is_behind(self, info: BuildInfo) -> bool:
        """Return whether a build started after the period."""
        until_ms = self._period.until_ms
        return until_ms is not None and info.started_at_ms > until_ms

    def _find_first(self, first: int, bottom: int, known: dict[int, Found]) -> int:
        """Return the lowest number of the period, where Jenkins has only newer ones.

        Args:
            first: The lowest that Jenkins tells of.
            bottom: The lowest that is looked at.
            known: Gets what is found.
        """
        since = format_time(self._period.since_ms or 0)
        for number in self._recorded.numbers_between(bottom, first):
            found = known[number] = self._recorded.find(number, None)
            if found.started_at is None:
                continue
            if found.started_at < since:
                break
            first = number
        return first

    def _list(
        self, jenkins: Jenkins, job: JobSummary, first: int
    ) -> Iterator[BuildInfo]:
        """Yield the builds that Jenkins lists, the newest first."""
        assert job.last_number is not None  # noqa: S101 - the caller looked
        subject = f"builds of {job.name}"
        try:
            for value in jenkins.builds(job.name, first=first, last=job.last_number):
                yield parse_build(value, subject=subject)
        except IntegrityError as error:
            # Of what Jenkins gave: nothing that is kept was altered.
            fault = UnavailableError(subject, expected=error.expected, got=error.got)
            raise _JenkinsError(fault) from error
        except FOREIGN as error:
            raise _JenkinsError(error) from error

    def _count(self, info: BuildInfo) -> None:
        """Count one build that Jenkins lists."""
        number = info.number
        paths = [o for o in info.artifacts if not o.startswith(EVIDENCE_FOLDER)]
        listed = len(paths) + info.artifacts_left
        if self._coverage.is_settled(self._name, info):
            self._account.add(number, PRESENT)
            self._account.add_artifacts(number, listed=listed, missing=())
            return
        found = self._recorded.find(number, info)
        grace_ms = self._period.grace_ms
        is_young = grace_ms > 0 and self._now_ms - info.finished_at_ms < grace_ms
        is_open = info.is_running or is_young
        if not found.is_present:
            self._account.add(number, OPEN if is_open else MISSING)
            return
        if is_open and not found.is_read:
            self._account.add(number, OPEN)
            return
        self._account.add(number, PRESENT, is_claimed=found.is_only_claimed)
        missing = [one for one in paths if not found.has(one)]
        missing += ["..."] * info.artifacts_left
        self._account.add_artifacts(number, listed=listed, missing=missing)
        if found.is_read and not missing:
            self._coverage.settle(self._name, info)
