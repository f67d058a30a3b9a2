"""Find records: ``evidence``."""

from __future__ import annotations

from jenkins_notary.cli.builds import format_build, format_trace
from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_as_of,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.records import format_records, show_records
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.build_view import describe_build, trace_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.remote.notary import RemoteNotary
    from jenkins_notary.values.query import Query

MAX_READ_BYTES = 64 << 20
"""The longest log that is looked through for checkpoints in passing."""


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
    # A folder has many builds: they are listed.
    is_build = bool(named) and ("#" in named[0] or "://" in named[0])
    build: dict[str, Any] | None = None
    with context.client() as notary:
        records = notary.evidence(query, receipts=context.flag("receipt"))
        if is_build:
            build = describe_build([one.to_dict() for one in records])
            build["checkpoints"] = _read_checkpoints(notary, query, build["log"])
    if len(records) == query.limit:
        first = min(one.to_dict()["index"] for one in records)
        context.output.notice(f"there may be more: --before {first}")
    if build is not None:
        return _show_build(context, build, [one.to_dict() for one in records])
    if query.digest is not None:
        is_whole = len(records) < query.limit and query.before is None
        found = [one.to_dict() for one in records]
        return _show_trace(context, found, is_whole=is_whole)
    return show_records(context, records)


def _show_build(
    context: Context, build: dict[str, Any], records: list[dict[str, Any]]
) -> int:
    """Print the view of one build, then its records; 65 if its log tells of a fork."""
    context.output.show(
        {"records": records, "build": build},
        lambda: [*format_build(build), "records", *format_records(records)],
    )
    error = (build["checkpoints"] or {}).get("error")
    return 0 if error is None else IntegrityError.exit_code


def _read_checkpoints(
    notary: Notary | RemoteNotary, query: Query, log: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the ledger's checkpoints in a build's log; None where it is not read.

    A log is read where it lies on this machine, may be read, and is not too long.
    """
    from jenkins_notary.remote.notary import RemoteNotary

    if log is None or log["kept"] != "stored" or isinstance(notary, RemoteNotary):
        return None
    if not isinstance(log["size"], int) or log["size"] > MAX_READ_BYTES:
        return None
    found: dict[str, Any] = {"verified": [], "ignored": 0, "error": None}
    try:
        read = notary.log_checkpoints(
            notary.find_log(query.job or "", started=query.started, as_of=query.as_of)
        )
    except IntegrityError as error:
        return {**found, "error": str(error)}
    except NotFoundError:
        return None
    verified = [
        {"line": one.line, "tree_size": one.checkpoint.size} for one in read.verified
    ]
    return {**found, "verified": verified, "ignored": read.ignored}


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
