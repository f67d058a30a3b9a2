"""Record a file as evidence: ``attach``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_key,
    add_ledger,
    add_registry,
    add_service,
    add_spool,
)
from jenkins_notary.cli.records import show_records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``attach``."""
    parser.argument("FILE", "the file, or - for standard input")
    parser.option(
        "--job",
        "the build, NAME#NUMBER or its URL; else the environment's",
        metavar="ID",
    )
    parser.option(
        "--digest",
        "an asset that the file is about",
        metavar="DIGEST",
        key="attach-digest",
    )
    parser.option("--label", "a word to find it by", metavar="LABEL")
    parser.option("--mime", "its media type; else guessed by name", metavar="TYPE")
    add_all(parser, add_ledger, add_service, add_spool, add_registry, add_key)


def run(context: Context) -> int:
    """Record a file."""
    with context.client() as notary:
        record = notary.attach(
            context.word("FILE"),
            job=context.text("job"),
            digests=context.texts("attach-digest"),
            label=context.text("label"),
            mime=context.text("mime"),
        )
    return show_records(context, [record])


COMMANDS = {
    "attach": Command(
        declare,
        run,
        """
attach report.xml --job payments/api/main#42 --label tests
attach sbom.json --digest sha256:$(sha256sum < app.jar | cut -c-64) --label sbom
""",
        "Get it back with inspect DIGEST --body.",
    )
}
