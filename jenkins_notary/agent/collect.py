"""Have the service collect what its controller knows of a build: ``collect``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_ledger, add_registry, add_service
from jenkins_notary.cli.records import show_records
from jenkins_notary.remote.notary import RemoteNotary
from jenkins_notary.values.jobid import format_job_id, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``collect``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL")
    parser.option("--only", "log: the console log alone")
    add_all(parser, add_ledger, add_service, add_registry)


def run(context: Context) -> int:
    """Print the records that the service made."""
    job = format_job_id(parse_job_id(context.word("JOB_ID")))
    with context.client() as notary:
        assert isinstance(notary, RemoteNotary)  # noqa: S101 - it has no other
        records = notary.collect(job, only=context.text("only"))
    return show_records(context, records)


COMMANDS = {
    "collect": Command(
        declare,
        run,
        "collect ci.example.com:payments/api/main#42 --only log",
        "The service needs access to the controller, else this ends with 69.",
    )
}
