"""Collect what a caller asks for: builds by id, jobs by pattern, once or for ever."""

from __future__ import annotations

import time

from jenkins_notary.api.builds.collect import Choice, Collector
from jenkins_notary.api.builds.sweep import Sweep, parse_since
from jenkins_notary.errors import FaultsError, UnavailableError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import parse_job_id, parse_job_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jenkins_notary.api.builds.collect import Collected
    from jenkins_notary.api.session import Session

DEFAULT_INTERVAL_S = 10.0
MIN_INTERVAL_S = 1.0


class Wanted(NamedTuple):
    """What is to be collected.

    Attributes:
        jobs: Job ids of builds.
        pattern: A job, a folder, ``*`` for all, with or without an instance; or None.
        since: RFC 3339 time before which builds of the pattern are left alone.
        interval_s: Seconds between two looks of a caller who follows; None for once.
        choice: How a build is collected.
    """

    jobs: Sequence[str] = ()
    pattern: str | None = None
    since: str | None = None
    interval_s: float | None = None
    choice: Choice = Choice()


def gather(
    session: Session, wanted: Wanted, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Collected]:
    """Yield what came of each build.

    A caller who follows builds by their ids gets a result for each piece of their logs,
    until all have ended; one who follows a pattern is never done.

    Raises:
        UsageError: Neither builds nor a pattern, or both, or one that is malformed.
        ConfigurationError: No such controller is configured.
        AmbiguousError: Several are, and none is named.
        NotaryError: Jenkins does not answer, or the ledger is at fault.
    """
    if bool(wanted.jobs) == (wanted.pattern is not None):
        raise UsageError(
            "collect",
            expected="JOB_ID ... or --job PATTERN",
            got="both" if wanted.jobs else "neither",
        )
    if wanted.since is not None and wanted.pattern is None:
        raise UsageError("--since", expected="--job PATTERN beside it", got="none")
    if wanted.interval_s is not None and wanted.interval_s < MIN_INTERVAL_S:
        raise UsageError("--interval", expected=f"at least {MIN_INTERVAL_S:.0f} second")
    if wanted.pattern is None:
        yield from _gather_builds(session, wanted, sleep)
    else:
        yield from _gather_jobs(session, wanted, wanted.pattern, sleep)


def parse_pattern(text: str) -> tuple[str | None, str]:
    """Return (instance or None, pattern without it).

    >>> parse_pattern("ci.example.com:payments/*"), parse_pattern("*")
    (('ci.example.com', 'payments/*'), (None, '*'))

    Raises:
        UsageError: Malformed.
    """
    instance, _, name = text.rpartition(":")
    if name == "*":
        # The instance is one if it could stand before any job.
        return (parse_job_prefix(f"{instance}:a")[0] if instance else None), name
    found, folder = parse_job_prefix(text)
    return found, f"{folder}/*" if name.endswith("/*") else folder


def _gather_builds(
    session: Session, wanted: Wanted, sleep: Callable[[float], None]
) -> Iterator[Collected]:
    """Yield what came of the builds that were named, until none of them runs."""
    pending = [parse_job_id(one) for one in wanted.jobs]
    collectors: dict[str | None, Collector] = {}
    try:
        for job in pending:
            if job.instance not in collectors:
                client = session.controllers().client(job.instance)
                collectors[job.instance] = Collector(session, client, wanted.choice)
        while pending:
            running = []
            for job in pending:
                result = collectors[job.instance].collect(job.name, job.number)
                if result.outcome == "growing":
                    running.append(job)
                is_news = result.outcome != "growing" or result.records
                if is_news or wanted.interval_s is None:
                    yield result
            if wanted.interval_s is None:
                return
            pending = running
            if pending:
                sleep(wanted.interval_s)
    finally:
        session.close_controllers()


def _gather_jobs(
    session: Session, wanted: Wanted, pattern: str, sleep: Callable[[float], None]
) -> Iterator[Collected]:
    """Yield what came of the builds of a pattern that are missing."""
    instance, below = parse_pattern(pattern)
    since_ms = None if wanted.since is None else parse_since(wanted.since)
    try:
        client = session.controllers().client(instance)
        collector = Collector(session, client, wanted.choice)
        sweep = Sweep(session, collector, since_ms=since_ms, again=wanted.choice.again)
        if wanted.interval_s is None:
            yield from sweep.run(below)
            return
        while True:
            try:
                yield from (one for one in sweep.run(below) if one.records)
            except (UnavailableError, UsageError, FaultsError) as error:
                # Controllers are restarted; who follows waits for it. A job's name
                # that no job id can hold must not end the watch over all others.
                session.notify(f"{error}; trying again")
            sleep(wanted.interval_s)
    finally:
        session.close_controllers()
