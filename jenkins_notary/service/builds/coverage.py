"""Account for the builds of the controllers that a service may read, now and then.

What came of each job lies in the service's state until the next sweep, and can be made
again. Whoever asks sees the jobs of his folders, and figures of those alone.

The section of the settings, with its defaults::

    coverage:
      jobs: ['*']         # jobs and folders; [] for none
      every-minutes: 60
      days: 30            # builds that started within so many days
      grace-minutes: 15   # a build that has just ended need not be on record yet
"""

from __future__ import annotations

import time
from functools import partial

from jenkins_notary.api.builds.coverage import Coverage, Period
from jenkins_notary.api.builds.exemptions import list_exemptions
from jenkins_notary.api.builds.gathering import parse_pattern
from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.coverage import STATES, sum_coverage, sum_folders
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.access.scopes import covers, parse_scope
from jenkins_notary.service.sections import Section
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import JobId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.service.answers.handlers import Call
    from jenkins_notary.service.session import Engine, ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks

LOOK_S = 5.0
"""How often it is looked whether a sweep is due."""

MAX_JOBS = 1000
"""Jobs that one answer lists; the figures are those of all."""

MAX_KEPT = 100_000
MAX_FAULTS = 10
_JOB, _SWEEP = "coverage", "coverage-sweep"


class CoverageSettings(Section, frozen=True):
    """What is accounted for, and how often.

    Attributes:
        jobs: Jobs and folders, with or without an instance; none for nothing.
        every_minutes: Between two sweeps.
        days: Builds that started within so many days.
        grace_minutes: How long after its end a build need not be on record.
    """

    jobs: tuple[str, ...] = ("*",)
    every_minutes: int = 60
    days: int = 30
    grace_minutes: int = 15

    def __post_init__(self) -> None:
        """Check what types do not tell."""
        for pattern in self.jobs:
            try:
                parse_pattern(pattern)
            except UsageError as error:
                message = f"jobs: {error}"
                raise ValueError(message) from error
        for name in ("every_minutes", "days"):
            if not 1 <= getattr(self, name) <= 100_000:
                message = f"{name.replace('_', '-')}: expected 1 to 100000"
                raise ValueError(message)
        if not 0 <= self.grace_minutes <= 100_000:
            message = "grace-minutes: expected 0 to 100000"
            raise ValueError(message)


class CoverageSweeps:
    """The sweeps of one ledger's service.

    Attributes:
        on_swept: Called with the instance and the figures of its folders after each.
    """

    def __init__(
        self,
        engine: Engine,
        state: ServiceState,
        settings: CoverageSettings,
        report: Callable[[str, str], object],
    ) -> None:
        """Account for builds in a service's ledger.

        Args:
            engine: The open ledger.
            state: Where results are kept.
            settings: What is accounted for.
            report: Told of what could not be looked at.
        """
        self._engine = engine
        self._state = state
        self._settings = settings
        self._report = report
        self._settled: dict[str, dict[tuple[str, int], int]] = {}
        self.on_swept: Callable[[str, Sequence[Mapping[str, Any]]], object] = _tell_none

    def start(self, tasks: Tasks) -> None:
        """Begin, if the service may read any controller."""
        session = self._engine.session()
        try:
            known = session.controllers().instances
        finally:
            session.close()
        for instance in known if self._settings.jobs else ():
            name = f"coverage-{instance}"
            tasks.every(LOOK_S, name, partial(self.look, instance, tasks))

    def look(self, instance: str, tasks: Tasks) -> None:
        """Sweep a controller if it is time."""
        last = self._state.get(_SWEEP, instance)
        now_ms = time.time_ns() // 1_000_000
        if last is not None and now_ms < last["next"]:
            return
        self.sweep(instance, tasks)

    def sweep(self, instance: str, tasks: Tasks) -> None:
        """Account for one controller's builds."""
        session = self._engine.session()
        try:
            at_ms = session.clock.now_ms()
            since_ms = at_ms - self._settings.days * 86_400_000
            period = Period(since_ms, None, self._settings.grace_minutes * 60_000)
            one = _Sweep(session, instance, period, at_ms, [])
            if self._count(one, tasks):
                self._finish(one)
        finally:
            session.close()
        for fault in one.faults[:MAX_FAULTS]:
            self._report("coverage", fault)

    def _count(self, sweep: _Sweep, tasks: Tasks) -> bool:
        """Keep what comes of each job; return whether all were looked at."""
        instance = sweep.instance
        client = sweep.session.controllers().client(instance)
        settled = self._settled.setdefault(instance, {})
        coverage = Coverage(sweep.session, client, settled)
        for pattern in self._settings.jobs:
            where, below = parse_pattern(pattern)
            if where not in {None, instance}:
                continue
            for one in coverage.run(below, sweep.period):
                if tasks.is_stopping:
                    return False
                if one.fault is not None:
                    sweep.faults.append(str(one.fault))
                if one.job:
                    value = {**one.to_dict(), "at": sweep.at_ms}
                    self._state.put(_JOB, f"{instance}:{one.job}", value)
        # What this sweep did not find is there no more.
        for key, kept in _scan(self._state, f"{instance}:"):
            if kept["at"] < sweep.at_ms:
                self._state.delete(_JOB, key)
        return True

    def _finish(self, sweep: _Sweep) -> None:
        """Keep what is true of the whole sweep, and tell it."""
        instance, at_ms = sweep.instance, sweep.at_ms
        exemptions = [
            one.to_dict()
            for one in list_exemptions(sweep.session.view())
            if one.expires_at_ms > at_ms and one.instance in {None, instance}
        ]
        jobs = [value for _, value in _scan(self._state, f"{instance}:")]
        pause_ms = self._settings.every_minutes * 60_000
        summary = {
            "at": format_time(at_ms),
            "ms": at_ms,
            "next": sweep.session.clock.now_ms() + pause_ms,
            "period": sweep.period.to_dict(),
            "exemptions": exemptions[:MAX_JOBS],
            "faults": sweep.faults[:MAX_FAULTS],
            "totals": sum_coverage(jobs),
        }
        self._state.put(_SWEEP, instance, summary)
        self.on_swept(instance, sum_folders(jobs))


class _Sweep(NamedTuple):
    """One sweep over one controller.

    Attributes:
        session: The ledger, while it is swept.
        instance: The controller's.
        period: Which builds are accounted for.
        at_ms: When it began.
        faults: Gets what could not be looked at.
    """

    session: ServiceSession
    instance: str
    period: Period
    at_ms: int
    faults: list[str]


def _tell_none(_instance: str, _folders: Sequence[Mapping[str, Any]]) -> None:
    """Tell nobody of a sweep."""


def list_sweeps(state: ServiceState) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Return (instance, what is true of its last sweep) of each controller."""
    return state.scan(_SWEEP)


def read_states(state: ServiceState) -> dict[tuple[str, ...], float]:
    """Return how many builds have each state by the last sweeps; none without one."""
    totals = [sweep["totals"] for _, sweep in list_sweeps(state)]
    if not totals:
        return {}
    return {(one,): float(sum(each[one] for each in totals)) for one in STATES}


def read_unrecorded(state: ServiceState) -> float | None:
    """Return how many archived files are not on record, None without a sweep."""
    totals = [sweep["totals"]["unrecorded"] for _, sweep in list_sweeps(state)]
    return float(sum(totals)) if totals else None


def read_coverage(
    state: ServiceState,
    sees: Callable[[str, str], bool],
    *,
    every_job: bool = False,
) -> list[dict[str, Any]]:
    """Return a report for each controller, of the jobs that may be seen.

    Args:
        state: The service's.
        sees: Says of (instance, job or folder) whether it may be seen.
        every_job: Whether jobs are listed that lack nothing.
    """
    reports = []
    for instance, sweep in list_sweeps(state):
        jobs = [
            value
            for _, value in _scan(state, f"{instance}:")
            if sees(instance, value["job"])
        ]
        listed = [one for one in jobs if every_job or not one["covered"]]
        reports.append(
            {
                "instance": instance,
                "at": sweep["at"],
                "period": sweep["period"],
                "totals": sum_coverage(jobs),
                "folders": sum_folders(jobs),
                "jobs": [
                    {**one, "at": format_time(one["at"])} for one in listed[:MAX_JOBS]
                ],
                "more": max(0, len(listed) - MAX_JOBS),
                "exemptions": [
                    one for one in sweep["exemptions"] if sees(instance, one["name"])
                ],
            }
        )
    return reports


def show_coverage(call: Call) -> dict[str, Any]:
    """Return what the last sweeps found of the folders that a token may see."""
    unknown = call.query.keys() - {"folder", "all"}
    if unknown:
        raise UsageError("query", expected="folder, all", got=min(unknown)[:40])
    every = call.query.get("all", "false")
    if every not in {"true", "false"}:
        raise UsageError("all", expected="true or false", got=every[:40])
    folder = call.query.get("folder")
    return {"controllers": find_coverage(call, folder, every_job=every == "true")}


def find_coverage(
    call: Call, folder: str | None = None, *, every_job: bool = False
) -> list[dict[str, Any]]:
    """Return the reports of the folders that whoever asks may see.

    Args:
        call: The request.
        folder: ``[INSTANCE:]FOLDER`` to look at, None for all.
        every_job: Whether jobs are listed that lack nothing.

    Raises:
        UsageError: The folder is malformed.
    """
    wanted = None if folder is None else parse_scope(folder)
    scopes = call.who.scopes

    def sees(instance: str, name: str) -> bool:
        job = JobId(instance, name, 1)
        is_wanted = wanted is None or covers(wanted, job)
        return is_wanted and (not scopes or any(covers(one, job) for one in scopes))

    return read_coverage(call.service.state, sees, every_job=every_job)


def _scan(state: ServiceState, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (key, what came of a job), in pages."""
    after = ""
    for _ in range(0, MAX_KEPT, 1000):
        page = state.scan(_JOB, prefix=prefix, after=after)
        yield from page
        if len(page) < 1000:
            return
        after = page[-1][0]
