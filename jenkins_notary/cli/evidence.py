"""Find records: ``evidence``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_as_of,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.records import show_records
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    )
    with context.client() as notary:
        records = notary.evidence(query, receipts=context.flag("receipt"))
    return show_records(context, records)


COMMANDS = {
    "evidence": Command(
        declare,
        run,
        """
evidence ci.example.com:payments/api/main#42
evidence --job 'payments/*' --since 2026-01-01
evidence --commit 0123456789abcdef0123456789abcdef01234567 -o json
""",
        "Every record is proven to stand in the ledger. Each further option narrows.",
    )
}
