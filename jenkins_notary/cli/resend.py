"""Record again what a lost log had recorded: ``ledger resend``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_key, add_ledger
from jenkins_notary.cli.signer import tell_unenrolled
from jenkins_notary.errors import PermissionDeniedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``ledger resend``."""
    parser.argument(
        "SOURCE", "a ledger file, or a folder with *.dsse.json below", count="+"
    )
    add_all(parser, add_ledger, add_key)


def run(context: Context) -> int:
    """Record again what was lost; what was left out is named."""
    with context.notary() as notary:
        done = notary.ledger.resend(context.words("SOURCE"))

    def text() -> Iterator[str]:
        yield (
            f"{len(done.indexes)} records appended, {done.known} were here already, "
            f"{done.left_total} left out"
        )
        for one in done.left:
            yield f"  {one.where}: {one.why}"
        yield from tell_unenrolled(done.unenrolled)

    context.output.show(done.to_dict(), text)
    return PermissionDeniedError.exit_code if done.unenrolled else 0


COMMANDS = {
    "ledger resend": Command(
        declare,
        run,
        """
ledger resend /var/lib/auditor/seen.json.copy --ledger next.db
ledger resend /srv/receipts --ledger next.db
""",
        "For the successor of a log that was lost: envelopes are appended as they\n"
        "were signed, each once. What means something in its own log only is left\n"
        "out. 77: records were appended whose signers are still to be enrolled.",
    ),
}
