"""Find records: ``evidence``."""

from __future__ import annotations

from jenkins_notary.cli.builds import (
    describe_build,
    format_build,
    format_trace,
    trace_digest,
)
from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_as_of,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.records import format_records, show_records
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``evidence``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL", count="?")
    parser.option(
        "--job",
        "a job or folder, such as 'payments/*'",
        metavar="NAME",
        key="evidence-job",
    )
    parser.option("--digest", "records that name this digest", metavar="DIGEST")
    parser.option("--commit", "records of this git commit", metavar="ID")
    parser.option(
        "--signer", "records by this signer", metavar="0x...", key="evidence-signer"
    )
    parser.option("--since", "records from this time on", metavar="TIME")
    parser.option("--until", "records up to this time", metavar="TIME")
    parser.option("--receipt", "with each record's receipt")
    parser.option("--limit", "at most so many records, the newest", metavar="N")
    parser.option(
        "--before",
        "only records before this index: the next page",
        metavar="INDEX",
        key="evidence-before",
    )
    parser.option("--started", "of builds of one id, that of this time", metavar="TIME")
    add_all(parser, add_as_of, add_ledger, add_service, add_registry)


def run(context: Context) -> int:
    """Print the records that match."""
    from jenkins_notary.values.query import Query

    named = [*context.words("JOB_ID")]
    folder = context.text("evidence-job")
    if named and folder:
        raise UsageError("--job", expected="a JOB_ID or --job", got="both")
    query = Query(
        job=named[0] if named else folder,
        digest=context.text("digest"),
        commit=context.text("commit"),
        signer=context.text("evidence-signer"),
        since=context.text("since"),
        until=context.text("until"),
        limit=context.limit(1000),
        as_of=context.text("as-of"),
        started=context.text("started"),
        before=context.optional_integer("evidence-before"),
    )
    with context.client() as notary:
        records = notary.evidence(query, receipts=context.flag("receipt"))
    if len(records) == query.limit:
        first = min(one.to_dict()["index"] for one in records)
        context.output.notice(f"there may be more: --before {first}")
    # A folder has many builds: they are listed.
    if named and ("#" in named[0] or "://" in named[0]):
        return _show_build(context, [one.to_dict() for one in records])
    if query.digest is not None:
        is_whole = len(records) < query.limit and query.before is None
        found = [one.to_dict() for one in records]
        return _show_trace(context, found, is_whole=is_whole)
    return show_records(context, records)


def _show_build(context: Context, records: list[dict[str, Any]]) -> int:
    """Print the view of one build, then its records."""
    build = describe_build(records)
    context.output.show(
        {"records": records, "build": build},
        lambda: [*format_build(build), "records", *format_records(records)],
    )
    return 0


def _show_trace(
    context: Context, records: list[dict[str, Any]], *, is_whole: bool
) -> int:
    """Print which builds a digest went through, then its records."""
    trace = {**trace_digest(records), "complete": is_whole}
    context.output.show(
        {"records": records, "trace": trace},
        lambda: [*format_trace(trace), *format_records(records)],
    )
    return 0


COMMANDS = {
    "evidence": Command(
        declare,
        run,
        """
evidence ci.example.com:payments/api/main#42
evidence --job 'payments/*' --since 2026-01-01
evidence --commit 0123456789abcdef0123456789abcdef01234567 -o json
""",
        "Every record is proven to stand in the ledger. Each further option narrows.\n"
        "\n"
        "Of a build all is shown in one view; of a digest, the build that recorded it\n"
        "first and those that did after it.",
    )
}
