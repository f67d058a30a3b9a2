"""Show all records of an asset or digest: ``inspect``."""

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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``inspect``."""
    parser.argument("ASSET", "a file, a digest, or what authenticate takes")
    parser.option("--envelope", "print the stored DSSE envelopes, a line each")
    parser.option("--body", "print the attachment or log that has this digest, proven")
    parser.option("--receipt", "with each record's receipt")
    parser.option("--limit", "at most so many records, the newest", metavar="N")
    add_all(parser, add_as_of, add_registry, add_ledger, add_service)


def run(context: Context) -> int:
    """Print an asset's records, envelopes or body."""
    with context.reader() as notary:
        if context.flag("body"):
            for chunk in notary.read_attachment(context.word("ASSET")):
                context.output.write_foreign(chunk)
            return 0
        records = notary.inspect(
            context.word("ASSET"),
            limit=context.limit(100),
            as_of=context.text("as-of"),
            receipts=context.flag("receipt"),
        )
        if context.flag("envelope"):
            for one in records:
                data = notary.envelope(one)  # type: ignore[arg-type]  # each its own
                context.output.write(data + b"\n")
            return 0
    return show_records(context, records)


COMMANDS = {
    "inspect": Command(
        declare,
        run,
        """
inspect dist/app.jar
inspect sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
inspect app.jar --envelope > app.dsse.jsonl
""",
        "Says what was recorded, not whether it counts: that is authenticate's word.",
    )
}
