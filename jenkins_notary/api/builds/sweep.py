"""Collect what is missing: every build of many jobs that the ledger does not have.

What was done is known from the ledger alone, so a sweep that was interrupted goes on
where it was, on any machine. A folder is asked once for the numbers of its jobs; then
each run of numbers that the ledger lacks is asked for in pages. A job that was deleted
and made again counts from 1 again: it is noticed by a next number that is lower than
what the ledger has, or by a start time that differs in the page that is read anyway,
and then all of its builds are read. (One that was made again and has come to exactly
the same number is found by its next build.) What was recorded under an earlier name of
a job, before the alias that renamed it, is not read again.

Cost: one request a folder, one for each 50 builds of a gap, and those of each build;
in the ledger one proof and envelope for each build, once a program.
"""

from __future__ import annotations

from jenkins_notary.api.builds.names import find_present
from jenkins_notary.api.builds.records import build_of, is_whole
from jenkins_notary.errors import (
    FaultsError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.rows import name_range
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from jenkins_notary.api.builds.collect import Collected, Collector
    from jenkins_notary.api.session import Session
    from jenkins_notary.errors import NotaryError
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import JobSummary

PAGE = 50
"""Builds that one request lists: numbers that are this close are asked for at once."""

MAX_FAILURES = 3
"""Builds in a row that Jenkins does not answer for, before the sweep gives up."""

MAX_REST = 256
"""Rounds that a build rests which could not be read whole, at most: twice as long each
time, so that one broken artifact does not have its log read every ten seconds."""

MAX_SPAN = 1_000_000
"""Numbers of a job that are looked at, the newest ones."""


class Gap(NamedTuple):
    """A run of numbers of a job that the ledger lacks.

    Attributes:
        job: Full name.
        first: The lowest number.
        last: The highest number.
        wanted: How many of them are missing.
    """

    job: str
    first: int
    last: int
    wanted: int


class Sweep:
    """Look for what is missing, again and again, in one program."""

    def __init__(
        self,
        session: Session,
        collector: Collector,
        *,
        since_ms: int | None = None,
        again: bool = False,
    ) -> None:
        """Compare a controller with a session's ledger.

        Args:
            session: An open ledger.
            collector: Reads and records a build.
            since_ms: Builds that started earlier are left alone; None for none.
            again: Read builds again that were recorded whole.
        """
        self._session = session
        self._collector = collector
        self._since_ms = since_ms
        self._again = again
        self._whole: dict[str, dict[int, str]] = {}
        self._absent: dict[str, set[int]] = {}
        self._round = 0
        self._rests: dict[tuple[str, int], _Rest] = {}

    def run(self, pattern: str) -> Iterator[Collected]:
        """Yield what came of each build that was missing.

        Raises:
            UnavailableError: Jenkins does not answer, for a listing or for
                :data:`MAX_FAILURES` builds in a row.
            PermissionDeniedError: The same for what it refuses.
            NotFoundError: No such job or folder.
            UsageError: When all others are done: a job has a name that no job id can
                hold.
            FaultsError: Several have.
        """
        self._round += 1
        jobs: list[JobSummary] = []
        refused: NotaryError | None = None
        try:
            jobs.extend(self._collector.jenkins.jobs(pattern))
        except (UsageError, FaultsError) as error:
            refused = error
        gaps = [gap for job in jobs for gap in self._find_gaps(job)]
        total, done, failures = sum(one.wanted for one in gaps), 0, 0
        for gap in gaps:
            for value in self._missing(gap):
                result = self._collector.collect(gap.job, value["number"], value=value)
                done += 1
                self._session.report("builds", done, max(total, done))
                self._note(gap.job, value["number"], result)
                yield result
                failures = failures + 1 if result.outcome == "failed" else 0
                if failures >= MAX_FAILURES:
                    _give_up(result)
        if refused is not None:
            raise refused

    def _find_gaps(self, job: JobSummary) -> list[Gap]:
        """Return the runs of numbers of a job that the ledger lacks, newest first."""
        if job.first_number is None or job.last_number is None:
            return []
        first = max(job.first_number, job.last_number - MAX_SPAN, 1)
        whole = self._known(job.name)
        if whole and max(whole) >= job.next_number:
            whole.clear()
        absent = self._absent.get(job.name, set())
        missing = [
            number
            for number in range(job.last_number, first - 1, -1)
            if (self._again or (number not in whole and number not in absent))
            and not self._is_resting(job.name, number)
        ]
        return join_gaps(job.name, missing)

    def _missing(self, gap: Gap) -> Iterator[Mapping[str, Any]]:
        """Yield the JSON of the builds of a gap, those only that are missing."""
        whole = self._known(gap.job)
        # The build below the gap comes in the same page, and tells whether the job is
        # still the one that the ledger knows.
        anchor = gap.first - 1 if gap.first - 1 in whole else gap.first
        absent = set(range(gap.first, gap.last + 1))
        jenkins = self._collector.jenkins
        for value in jenkins.builds(gap.job, first=anchor, last=gap.last):
            number, started_ms = value.get("number"), value.get("timestamp")
            if type(number) is not int:
                continue
            if type(started_ms) is int and started_ms < (self._since_ms or 0):
                # The newest comes first: all that follow are older.
                absent.intersection_update(range(gap.first, number + 1))
                break
            absent.discard(number)
            known = whole.get(number)
            is_known = known is not None and known == _format(started_ms)
            if known is not None and not is_known:
                last = max(gap.last, *whole)
                whole.clear()
                yield from self._missing(Gap(gap.job, 1, last, last))
                return
            is_wanted = not is_known or (self._again and number >= gap.first)
            if is_wanted and not self._is_resting(gap.job, number):
                yield value
        self._absent.setdefault(gap.job, set()).update(absent - whole.keys())

    def _known(self, name: str) -> dict[int, str]:
        """Return when each build started that the ledger has whole, by its number."""
        known = self._whole.get(name)
        if known is None:
            known = self._whole[name] = dict(self._read_known(name))
        return known

    def _read_known(self, name: str) -> Iterator[tuple[int, str]]:
        """Yield (number, start) of each build of a job that the ledger has whole."""
        view = self._session.view()
        instance = self._collector.controller.instance
        seen: set[int] = set()
        for segment in find_present(view, name, instance):
            rows = view.find_rows("name", *name_range(segment.name), newest_first=True)
            for key, index in rows:
                # A build's newest record is its provenance, as a rule: one is read a
                # build.
                number = int.from_bytes(key[len(segment.name.encode()) + 1 :][:8])
                if number in seen or not segment.first <= index < segment.stop:
                    continue
                started_at = self._read_start(view, index, instance)
                if started_at is not None:
                    seen.add(number)
                    if started_at:
                        yield number, started_at

    def _read_start(self, view: LedgerView, index: int, instance: str) -> str | None:
        """Return when a build started, "" if it was not read whole.

        None for a record that is no provenance of this controller by a signer that
        counts.
        """
        record = view.record(index)
        build = build_of(record)
        if record.leaf.type != "provenance" or build is None:
            return None
        job = parse_job_id((record.statement and record.statement.job_id) or "")
        if job.instance != instance or view.standing(record) != "enrolled":
            return None
        return str(build.get("startedAt")) if is_whole(record) else ""

    def _is_resting(self, name: str, number: int) -> bool:
        """Return whether a build rests in this round."""
        rest = self._rests.get((name, number))
        return rest is not None and rest.until > self._round

    def _note(self, name: str, number: int, result: Collected) -> None:
        """Remember a build that was recorded whole; let one rest that was not."""
        if result.outcome in {"collected", "present"} and result.started_at:
            self._known(name)[number] = result.started_at
        if not result.faults:
            self._rests.pop((name, number), None)
            return
        before = self._rests.get((name, number), _Rest(0, 1))
        rounds = min(2 * before.rounds or 1, MAX_REST)
        self._rests[name, number] = _Rest(rounds, self._round + 1 + rounds)


class _Rest(NamedTuple):
    """How long a build rests that could not be read whole.

    Attributes:
        rounds: Rounds that it is left out.
        until: The first round in which it is read again.
    """

    rounds: int
    until: int


def join_gaps(name: str, missing: list[int]) -> list[Gap]:
    """Return runs of numbers, those joined that one request lists together.

    Args:
        name: The job.
        missing: Numbers, the highest first.

    >>> join_gaps("a", [200, 199, 120, 7])
    [Gap(job='a', first=199, last=200, wanted=2), Gap(job='a', first=120, last=120, \
wanted=1), Gap(job='a', first=7, last=7, wanted=1)]
    """
    gaps: list[Gap] = []
    for number in missing:
        if gaps and gaps[-1].first - number <= PAGE:
            last = gaps.pop()
            gaps.append(Gap(name, number, last.last, last.wanted + 1))
        else:
            gaps.append(Gap(name, number, number, 1))
    return gaps


def parse_since(text: str) -> int:
    """Return the milliseconds of ``--since``.

    Raises:
        UsageError: No RFC 3339 time.
    """
    return parse_time_of("--since", text)


def parse_time_of(option: str, text: str) -> int:
    """Return the milliseconds of an option's time.

    Raises:
        UsageError: No RFC 3339 time.
    """
    from jenkins_notary.ledger.view import parse_as_of

    subject = f"{option} {text[:60]!r}"
    try:
        _, at_ms = parse_as_of(text)
    except UsageError as error:
        raise UsageError(subject, expected="an RFC 3339 time") from error
    if at_ms is None:
        raise UsageError(subject, expected="an RFC 3339 time")
    return at_ms


def _format(started_ms: object) -> str:
    """Return a start as records have it, "" for none."""
    return format_time(started_ms) if isinstance(started_ms, int) else ""


def _give_up(result: Collected) -> None:
    """Raise the fault of the last build, if Jenkins is away for all of them."""
    fault = result.faults[0]
    if isinstance(fault, UnavailableError | PermissionDeniedError):
        fault.advice = fault.advice or "the sweep stopped; the next one goes on here"
        raise fault
