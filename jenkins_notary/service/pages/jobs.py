"""Make the pages of jobs and folders, and find which page below ``/jobs`` is meant."""

from __future__ import annotations

from jenkins_notary.api.builds.jobs import list_builds, list_jobs
from jenkins_notary.api.evidence import show_record
from jenkins_notary.errors import NotFoundError
from jenkins_notary.evidence.build_view import facts_of, object_of
from jenkins_notary.pages.records import describe_record
from jenkins_notary.service.http.asks import check_known, parse_number, text_of
from jenkins_notary.service.pages.build import show_build
from jenkins_notary.service.pages.log import show_log
from jenkins_notary.service.pages.site import page
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.service.answers.handlers import Call
    from jenkins_notary.serving.replies import Reply
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.jobid import JobId


def show_job(call: Call) -> Reply:
    """Return the page of a build, of its log, or of a job or folder.

    ``#`` stands in no name: what has none is a job or folder.
    """
    rest = call.path["rest"]
    name, mark, number = rest.rpartition("#")
    if not mark:
        return show_folder(call, rest)
    number, slash, tail = number.partition("/")
    if not slash:
        return show_build(call, rest)
    if tail == "log":
        return show_log(call, f"{name}#{number}")
    raise NotFoundError("path", expected="a path of this service")


def list_all_jobs(call: Call) -> Reply:
    """Return every job."""
    return show_folder(call, "")


def show_folder(call: Call, name: str) -> Reply:
    """Return the builds of a job and the jobs below a folder.

    Raises:
        NotFoundError: Nothing of it may be seen.
    """
    check_known(call.query, {"after", "before"})
    view, sees = call.session.followed_view(), call.who.sees
    after, before = text_of(call.query, "after", 2048), call.query.get("before")
    builds: Sequence[Any] = ()
    older = following = None
    if name and after is None:
        number = parse_number(call.query, "before", None)
        builds, older = list_builds(view, name, sees=sees, before=number)
    jobs: Sequence[Any] = ()
    if before is None:
        jobs, following = list_jobs(view, sees=sees, prefix=name, after=after or "")
    below = [one for one in jobs if one.name != name.rpartition(":")[2]]
    if name and not builds and not below and following is None and older is None:
        raise NotFoundError(f"job {name[:200]}", got="none that this token may see")
    return page(
        call,
        "jobs",
        name or "Jobs",
        section="Jobs",
        name=name,
        builds=[_build_row(view, one.job, one.record) for one in builds],
        several=len({one.job.instance for one in builds}) > 1,
        older=older and call.link.folder(name, before=older),
        jobs=[
            {"name": one.name, **_build_row(view, one.newest, one.record)}
            for one in below
        ],
        following=following
        and (
            call.link.folder(name, after=following)
            or call.link.place("/jobs", after=following)
        ),
    )


class _BuildRow(NamedTuple):
    """A build in a list."""

    job: str
    number: int
    instance: str | None
    word: str | None
    started: str | None
    said: str
    index: int  # type: ignore[assignment]  # It hides tuple.index.
    timestamp: str


def _build_row(view: LedgerView, job: JobId, record: ProvenRecord) -> dict[str, Any]:
    """Return a build in a list, as its newest record shows it."""
    shown = show_record(view, record, receipt=False).to_dict()
    line = describe_record(shown)
    build = object_of(facts_of(shown).get("build"))
    return _BuildRow(
        format_job_id(job),
        job.number,
        job.instance,
        line.word,
        build.get("startedAt"),
        line.said,
        line.index,
        line.timestamp,
    )._asdict()
