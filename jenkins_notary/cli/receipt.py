"""Check a receipt with no ledger at hand: ``receipt verify``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.files import read_file
from jenkins_notary.cli.options import add_all
from jenkins_notary.cli.output import format_fields
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

MAX_RECEIPT_BYTES = 1 << 20
MAX_ENVELOPE_BYTES = 64 << 20


def declare(parser: Parser) -> None:
    """Add the options of ``receipt verify``."""
    parser.argument("FILE", "the receipt, NAME.tlog-proof", count="?")
    parser.option(
        "--envelope",
        "the record's envelope, NAME.dsse.json",
        metavar="FILE",
        key="receipt-envelope",
    )
    parser.option(
        "--excerpt",
        "in its place, lines of a log that log --excerpt wrote",
        metavar="FILE",
    )
    parser.option(
        "--log",
        "the ledger's verifier key, or a C2SP policy file with its witnesses",
        metavar="VKEY|FILE",
    )
    add_all(parser)


def run(context: Context) -> int:
    """Print what a receipt proves."""
    from jenkins_notary.api.receipts import verify_receipt

    excerpt = context.text("excerpt")
    if (excerpt is None) is not bool(context.words("FILE")):
        raise UsageError(
            "receipt verify",
            expected="a receipt's FILE, or --excerpt FILE",
            got="none" if excerpt is None else "both",
        )
    if excerpt is not None:
        return _verify_excerpt(context, excerpt)
    receipt = read_file(context.word("FILE"), "receipt", limit=MAX_RECEIPT_BYTES)
    path = context.text("receipt-envelope")
    envelope = (
        None if path is None else read_file(path, "envelope", limit=MAX_ENVELOPE_BYTES)
    )
    view = verify_receipt(receipt, vkey=context.required("log"), envelope=envelope)
    found = view.to_dict()
    context.output.show(found, lambda: format_fields(found.items(), indent=""))
    return 0


def _verify_excerpt(context: Context, path: str) -> int:
    """Print the lines that a file proves."""
    from jenkins_notary.api.logs.excerpts import MAX_PROOF_BYTES, verify_proof

    data = read_file(path, "excerpt", limit=MAX_PROOF_BYTES)
    proven = verify_proof(data, vkey=context.required("log"))

    def show() -> Iterator[str]:
        yield from format_fields(proven.receipt.to_dict().items(), indent="")
        for one in proven.lines:
            lines = one.text.decode(errors="backslashreplace").split("\n")
            for place, line in enumerate(lines[: -1 if not lines[-1] else None]):
                number = "?" if one.first_line is None else one.first_line + place
                yield f"{number}: {line}"

    context.output.show(proven.to_dict(), show)
    return 0


COMMANDS = {
    "receipt verify": Command(
        declare,
        run,
        """
receipt verify app.jar.tlog-proof --envelope app.jar.dsse.json --log VKEY
receipt verify --excerpt lines.json --log VKEY
""",
        "Proves what was recorded when; whether it still holds, only the ledger tells.",
    )
}
