"""Walk folders and the builds of a job, page by page.

A page is a range of positions in a list that changes meanwhile. Build numbers fall
along the list, so a shift is noticed: each page begins with the last build of the page
before. A build that came in is skipped over; where builds went away and the page begins
too far down, the walk steps back.

Source: stapler ``Range``; Jenkins core ``Job.getBuilds`` (newest first).
"""

from __future__ import annotations

from urllib.parse import urlencode

from jenkins_notary.assets.asset import printable, raise_faults
from jenkins_notary.errors import UnavailableError, UsageError
from jenkins_notary.jenkins.transport import TooLongError
from jenkins_notary.ports import JobSummary
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import check_job_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from jenkins_notary.errors import NotaryError
    from jenkins_notary.jenkins.transport import Transport

BUILDS_PAGE = 50
JOBS_PAGE = 1000

_MAX_IDLE_PAGES = 40
_JOB_TREE = "name,nextBuildNumber,firstBuild[number],lastBuild[number]"


def walk_jobs(
    transport: Transport, start: str, job_path: Callable[[str], str]
) -> Iterator[JobSummary]:
    """Yield a job, or the jobs in a folder and the folders below it.

    Args:
        transport: How to ask.
        start: Full name of a job or folder; "" for all.
        job_path: Returns the quoted path of a full name.

    Raises:
        UsageError: When all others were yielded: an item has a name that no job id can
            hold.
        UnavailableError: An answer is not Jenkins'.
        NotaryError: See ``transport.Transport.open``.
    """
    faults: list[NotaryError] = []
    pending = [start]
    while pending:
        folder = pending.pop()
        path = job_path(folder) if folder else ""
        below: list[str] = []
        for name, item in _walk_folder(transport, folder, path):
            try:
                check_job_name(name)
            except UsageError as error:
                faults.append(error)
                continue
            if "jobs" in item:
                below.append(name)
            else:
                yield _summary(name, item)
        pending += reversed(below)
    raise_faults(faults)


class BuildList(NamedTuple):
    """The list of a job's builds, as it can be asked for.

    Attributes:
        transport: How to ask.
        path: The job's quoted path.
        subject: What is listed, for messages.
        tree: The fields of a build.
    """

    transport: Transport
    path: str
    subject: str
    tree: str


def walk_builds(
    builds: BuildList, *, first: int, last: int
) -> Iterator[Mapping[str, Any]]:
    """Yield a job's kept builds in [first, last], newest first, each once.

    Args:
        builds: The list.
        first: The lowest number.
        last: The highest number.

    Raises:
        UnavailableError: An answer is not Jenkins', or the list never holds still.
        NotaryError: See ``transport.Transport.open``.
    """
    # Every build at ``above`` or higher was yielded, or is not asked for.
    start, size, above, idle = 0, BUILDS_PAGE, last + 1, 0
    may_jump, step = True, BUILDS_PAGE
    while above > first and idle < _MAX_IDLE_PAGES:
        try:
            page = _ask_builds(builds, start, start + size)
        except TooLongError:
            if size == 2:
                raise
            size = max(2, size // 5)
            continue
        idle += 1
        if start and (not page or page[0]["number"] < above):
            start, step = max(0, start - step), step * 2
            continue
        if may_jump and page and page[0]["number"] - above > size:
            start, may_jump = page[0]["number"] - above, False
            continue
        may_jump, step = False, BUILDS_PAGE
        for build in page:
            if first <= build["number"] < above:
                yield build
                above, idle = build["number"], 0
        if len(page) < size or page[-1]["number"] < first:
            return
        start += size - 1
    if above > first:
        raise UnavailableError(
            builds.subject,
            expected="a list that holds still",
            got="builds coming and going",
        )


def _walk_folder(
    transport: Transport, folder: str, path: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (full name, item) of what is in a folder; of a job, itself."""
    subject = f"Jenkins {transport.access.instance}: {printable(folder) or 'all jobs'}"
    start = 0
    seen: set[str] = set()
    while True:
        # Only what may hold jobs has the key "jobs", even with none of them asked.
        items = f"jobs[{_JOB_TREE},jobs[name]{{0,0}}]{{{start},{start + JOBS_PAGE}}}"
        query = urlencode({"tree": f"{_JOB_TREE},{items}"})
        found = transport.read_json(f"{path}api/json?{query}", subject)
        if isinstance(found, dict) and "jobs" not in found and folder:
            yield folder, found
            return
        page = found.get("jobs") if isinstance(found, dict) else None
        if not isinstance(page, list):
            raise UnavailableError(
                subject, expected="a list of jobs", got="something else"
            )
        for item in page:
            name = item.get("name") if isinstance(item, dict) else None
            if not isinstance(name, str) or "/" in name:
                raise UnavailableError(
                    subject, expected="jobs with names", got="something else"
                )
            if name not in seen:
                seen.add(name)
                yield (f"{folder}/{name}" if folder else name), item
        if len(page) < JOBS_PAGE:
            return
        start += JOBS_PAGE


def _summary(name: str, item: Mapping[str, Any]) -> JobSummary:
    """Return what a listing says of a job; numbers of another type are none."""

    def number_of(key: str) -> int | None:
        build = item.get(key)
        number = build.get("number") if isinstance(build, dict) else None
        return number if type(number) is int else None

    after = item.get("nextBuildNumber")
    last = number_of("lastBuild")
    if type(after) is not int:
        after = (last or 0) + 1
    return JobSummary(name, after, number_of("firstBuild"), last)


def _ask_builds(builds: BuildList, start: int, stop: int) -> list[dict[str, Any]]:
    """Return the builds at [start, stop) of the list, newest first."""
    query = urlencode({"tree": f"allBuilds[{builds.tree}]{{{start},{stop}}}"})
    found = builds.transport.read_json(f"{builds.path}api/json?{query}", builds.subject)
    page = found.get("allBuilds") if isinstance(found, dict) else None
    if not isinstance(page, list) or not all(
        isinstance(build, dict) and type(build.get("number")) is int for build in page
    ):
        raise UnavailableError(
            builds.subject, expected="a list of builds", got="something else"
        )
    return page
