"""Record digests from a CSV or JSON file: ``import``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.notarize import show_records
from jenkins_notary.cli.options import add_all, add_key, add_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``import``."""
    parser.argument("FILE", "CSV with a header of digest and name, or JSON")
    parser.option(
        "--job",
        "the build, NAME#NUMBER or its URL; else the environment's",
        metavar="ID",
    )
    parser.option(
        "--ephemeral-ok", "make a ledger even on an agent that goes away with its build"
    )
    add_all(parser, add_ledger, add_key)


def run(context: Context) -> int:
    """Record the file's digests as TRUSTED."""
    with context.notary() as notary:
        records = notary.import_records(
            context.word("FILE"),
            job=context.text("job"),
            ephemeral_ok=context.flag("ephemeral-ok"),
        )
    return show_records(context, [one.to_dict() for one in records])


COMMANDS = {
    "import": Command(
        declare,
        run,
        """
import digests.csv
import digests.json --job releases/2026#1
""",
        "JSON is a list of objects with digest and name, or such a list under assets.\n"
        "All are recorded in one commit, or none is.",
    )
}
