"""Record console logs, and release held ones: ``log put``, ``log release``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_key, add_ledger
from jenkins_notary.cli.records import show_records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare_put(parser: Parser) -> None:
    """Add the options of ``log put``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL")
    parser.argument("FILE", "the log, or - for standard input")
    parser.option("--stage", "the stage that the log is of", metavar="NAME")
    parser.option("--secrets", "what becomes of a log in which secrets are found")
    add_all(parser, add_ledger, add_key)


def declare_release(parser: Parser) -> None:
    """Add the options of ``log release``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL")
    parser.option("--reason", "why it may be read; it is recorded", metavar="TEXT")
    parser.option("--stage", "the stage whose log is meant", metavar="NAME")
    parser.option("--started", "of builds of one id, that of this time", metavar="TIME")
    add_all(parser, add_ledger, add_key)


def run_put(context: Context) -> int:
    """Record a build's log."""
    with context.notary() as notary:
        record = notary.put_log(
            context.word("JOB_ID"),
            context.word("FILE"),
            stage=context.text("stage"),
            secrets=context.text("secrets") or "hold",
        )
    return show_records(context, [record])


def run_release(context: Context) -> int:
    """Let a held log be read."""
    with context.notary() as notary:
        record = notary.release_log(
            context.word("JOB_ID"),
            reason=context.required("reason"),
            stage=context.text("stage"),
            started=context.text("started"),
        )
    return show_records(context, [record])


COMMANDS = {
    "log put": Command(
        declare_put,
        run_put,
        """
log put payments/api/main#42 console.txt
make 2>&1 | tee /dev/stderr | jenkins-notary log put payments/api/main#42 -
log put payments/api/main#42 console.txt --secrets digest
""",
        "The log is looked through for secrets first. One that seems to hold some is\n"
        "held back (hold, the default), stored as it is (store), or its digest alone\n"
        "is recorded (digest).",
    ),
    "log release": Command(
        declare_release,
        run_release,
        """
log release payments/api/main#42 --reason 'the token was revoked'
""",
        "For an administrator, or the signer of the log's record.",
    ),
}
