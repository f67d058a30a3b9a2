"""Record the lines of a log file as they come: ``ledger tail``."""

from __future__ import annotations

import time

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_key, add_ledger
from jenkins_notary.cli.output import format_fields
from jenkins_notary.errors import NotFoundError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

DEFAULT_INTERVAL_S = 10
MAX_INTERVAL_S = 86_400


def declare(parser: Parser) -> None:
    """Add the options of ``ledger tail``."""
    parser.argument("FILE", "the log file, by the name that it keeps when it rotates")
    parser.option(
        "--name", "what stands for host and path in the records", metavar="NAME"
    )
    parser.option("--job", "the build that the lines belong to", metavar="ID")
    parser.option(
        "--secrets",
        "pieces that seem to hold secrets: hold (default), store, or digest only",
        metavar="POLICY",
    )
    parser.option("--follow", "go on until interrupted")
    parser.option("--interval", "with --follow: seconds between looks, 10", metavar="N")
    add_all(parser, add_ledger, add_key)


def run(context: Context) -> int:
    """Record what is new."""
    from jenkins_notary.api.logs.keeping import DEFAULT_POLICY

    interval_s = context.integer("interval", DEFAULT_INTERVAL_S)
    if not 0 < interval_s <= MAX_INTERVAL_S:
        raise UsageError(
            "--interval", expected=f"1 to {MAX_INTERVAL_S} seconds", got=str(interval_s)
        )
    with context.notary() as notary:
        tail = notary.ledger.tail(
            context.word("FILE"),
            name=context.text("name"),
            job=context.text("job"),
            secrets=context.text("secrets") or DEFAULT_POLICY,
        )
        while context.flag("follow"):
            try:
                tail.record_new()
            except NotFoundError as error:
                # Between two files there may be none for a moment.
                context.output.notice(str(error))
            time.sleep(interval_s)
        done = tail.record_new()
    found = done.to_dict()
    context.output.show(found, lambda: format_fields(list(found.items()), indent=""))
    return 0


COMMANDS = {
    "ledger tail": Command(
        declare,
        run,
        """
ledger tail /var/log/app/app.log
ledger tail /var/log/app/app.log --name app-1 --follow --interval 30
""",
        "Whole lines, JSON or plain, are recorded in pieces of 1 MiB at most, with\n"
        "label tail; bad ones are kept and counted. It goes on where this signer's\n"
        "newest piece in the ledger ended, also after the file was rotated to\n"
        "FILE.1 or FILE-DATE. Get a piece back with inspect DIGEST --body.",
    )
}
