"""Account for the builds of Jenkins: ``coverage`` and ``coverage exempt``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_jenkins,
    add_key,
    add_ledger,
    add_service,
)
from jenkins_notary.cli.records import show_records
from jenkins_notary.errors import (
    FaultsError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
    UsageError,
    worst_code,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.errors import NotaryError

MAX_FAULTS = 100
_TOLD = 20
_GAPS = ("missing", "lost")


def declare(parser: Parser) -> None:
    """Add the options of ``coverage``."""
    parser.option(
        "--job",
        "a job or folder ('payments/*'); all if it is left out",
        metavar="NAME",
        key="coverage-job",
    )
    parser.option("--since", "builds that started from this time on", metavar="TIME")
    parser.option("--until", "builds that started up to this time", metavar="TIME")
    parser.option(
        "--grace",
        "seconds after its end in which a build need not be on record, 0",
        metavar="N",
    )
    add_all(parser, add_jenkins, add_ledger, add_key, add_service)


def declare_exempt(parser: Parser) -> None:
    """Add the options of ``coverage exempt``."""
    parser.argument("NAME", "a job, or a folder with all below it")
    parser.option("--owner", "who answers for it", metavar="TEXT")
    parser.option("--reason", "why", metavar="TEXT")
    parser.option("--expires", "until when it is exempt", metavar="TIME")
    add_all(parser, add_ledger, add_key)


def run(context: Context) -> int:
    """Print what came of each job; 66 where a build or an artifact is missing."""
    documents, faults = _ask(context) if context.is_remote else _count(context)
    code = worst_code([one.exit_code for one in faults])
    whole: dict[str, Any] = {"controllers": documents}
    if faults:
        whole.update(FaultsError(faults[:MAX_FAULTS]).to_dict())
    context.output.show({**whole, "code": code}, lambda: _format(documents, faults))
    return code


def _count(context: Context) -> tuple[list[dict[str, Any]], list[NotaryError]]:
    """Return (reports, faults) of a ledger on this machine."""
    faults: list[NotaryError] = []
    documents: list[dict[str, Any]] = []
    with context.notary() as notary:
        for report in notary.coverage(
            context.text("coverage-job") or "*",
            since=context.text("since"),
            until=context.text("until"),
            grace_s=context.integer("grace", 0),
        ):
            faults += report.all_faults
            documents.append(report.to_dict())
    return documents, faults


def _ask(context: Context) -> tuple[list[dict[str, Any]], list[NotaryError]]:
    """Return (reports, faults) of a service's last sweeps.

    Raises:
        UsageError: A period is given: the service's settings say which.
        NotFoundError: It has swept no controller.
        IntegrityError: Its answer has another form.
    """
    period = (context.text("since"), context.text("until"))
    if any(period) or context.optional_integer("grace") is not None:
        raise UsageError(
            "--since, --until, --grace",
            expected="none: a service accounts for the days of its settings",
            got="one",
        )
    pattern = context.text("coverage-job") or "*"
    folder = None if pattern == "*" else pattern.removesuffix("/*")
    with context.remote_reader() as notary:
        answer = notary.ask("/coverage", folder=folder, all="true")
        where = notary.url
    reports = answer.get("controllers")
    if not isinstance(reports, list) or not all(map(_is_report, reports)):
        raise IntegrityError(f"coverage of {where}", expected="reports")
    if not reports:
        raise NotFoundError(
            f"coverage of {where}",
            expected="a sweep of a controller",
            got="none yet",
            advice="see its settings, and whether it may read a controller",
        )
    return reports, [fault for one in reports for fault in _find_faults(one)]


def _is_report(value: object) -> bool:
    """Return whether a service's report has what is shown of one."""
    if not isinstance(value, dict) or not isinstance(value.get("totals"), dict):
        return False
    lists = [value.get(key) for key in ("folders", "jobs", "exemptions")]
    return all(
        isinstance(listed, list) and all(isinstance(one, dict) for one in listed)
        for listed in lists
    )


def _find_faults(report: Mapping[str, Any]) -> Iterator[NotaryError]:
    """Yield what is wrong by a service's report."""
    totals = report["totals"]
    missing = totals.get("missing", 0) + totals.get("lost", 0)
    if missing or totals.get("unrecorded"):
        yield NotFoundError(
            f"coverage of {report.get('instance')}",
            expected="every build and artifact on record",
            got=f"{missing} builds and {totals.get('unrecorded')} artifacts that "
            "are not",
        )
    for job in report["jobs"]:
        if job.get("fault"):
            yield UnavailableError(
                f"{job.get('job')}", got=str(job["fault"].get("message"))[:500]
            )


def run_exempt(context: Context) -> int:
    """Record an exemption."""
    with context.notary() as notary:
        record = notary.exempt(
            context.word("NAME"),
            owner=context.required("owner"),
            reason=context.required("reason"),
            expires=context.required("expires"),
        )
    return show_records(context, [record])


def _format(
    documents: Sequence[Mapping[str, Any]], faults: Sequence[NotaryError]
) -> Iterator[str]:
    """Yield the lines of reports: folders, what is missing, the sum."""
    for one in documents:
        for folder in one["folders"]:
            name = f"{one['instance']}:{folder['folder'] or '(root)'}"
            yield f"{name}  {format_figures(folder)}"
        for job in one["jobs"]:
            yield from _format_gaps(job)
        for exemption in one["exemptions"]:
            yield (
                f"exempt {exemption['name']} until {exemption['expires_at']}: "
                f"{exemption['reason']} ({exemption['owner']}, "
                f"#{exemption['index']})"
            )
        yield f"{one['instance']}  {format_figures(one['totals'])}"
    for fault in faults:
        yield f"  {fault}"


def format_figures(figures: Mapping[str, Any]) -> str:
    """Return the figures of some jobs in one line.

    >>> figures = dict.fromkeys(("lost", "deleted", "exempt", "open", "claimed"), 0)
    >>> format_figures({**figures, "jobs": 2, "present": 7, "missing": 1,
    ...     "artifacts": 9, "unrecorded": 0})
    '2 jobs: 7 present, 1 missing; 9 artifacts, 0 not on record'
    """
    states = ("missing", "lost", "deleted", "exempt", "open")
    said = [f"{figures['present']} present"]
    said += [f"{figures[one]} {one}" for one in states if figures[one]]
    if figures["claimed"]:
        said.append(f"{figures['claimed']} known by claims only")
    return (
        f"{figures['jobs']} jobs: {', '.join(said)}; {figures['artifacts']} artifacts, "
        f"{figures['unrecorded']} not on record"
    )


def _format_gaps(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of what a job lacks."""
    name = f"{job['instance']}:{job['job']}"
    for state in _GAPS:
        ranges = job["numbers"].get(state, ())
        if ranges:
            listed = ", ".join(_format_range(*one) for one in ranges[:_TOLD])
            more = ", ..." if len(ranges) > _TOLD else ""
            yield f"  {state:<8} {name}  {listed}{more}"
    for artifact in job["unrecorded_artifacts"][:_TOLD]:
        path = artifact["path"]
        yield f"  artifact {name}#{artifact['number']}  {path} is not on record"


def _format_range(first: int, last: int) -> str:
    """Return a range of build numbers."""
    return f"#{first}" if first == last else f"#{first}-{last}"


COMMANDS = {
    "coverage": Command(
        declare,
        run,
        """
coverage
coverage --job 'payments/*' --since 2026-01-01
coverage --job ci.example.com:payments/api/main -o json
""",
        "Every number that Jenkins gave out is present, missing, lost (neither has\n"
        "it), deleted, exempt or open (it runs). Artifacts that Jenkins keeps and the\n"
        "ledger does not know are told too. Nothing is recorded: collect does that.\n"
        "Of a service the last sweep is shown, of the folders that the token may see.\n"
        "66 if a build is missing or lost, or an artifact is not on record.",
        "0 everything is on record",
    ),
    "coverage exempt": Command(
        declare_exempt,
        run_exempt,
        "coverage exempt sandbox --owner 'platform team' --reason 'throw-away jobs' "
        "--expires 2027-01-01",
        "The newest exemption of a name counts: one that ends at once takes it back.\n"
        "Only an administrator's key may.",
    ),
}
