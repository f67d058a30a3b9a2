"""Check a receipt with no ledger at hand: ``receipt verify``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.files import read_file
from jenkins_notary.cli.options import add_all
from jenkins_notary.cli.output import format_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

MAX_RECEIPT_BYTES = 1 << 20
MAX_ENVELOPE_BYTES = 64 << 20


def declare(parser: Parser) -> None:
    """Add the options of ``receipt verify``."""
    parser.argument("FILE", "the receipt, NAME.tlog-proof")
    parser.option(
        "--envelope",
        "the record's envelope, NAME.dsse.json",
        metavar="FILE",
        key="receipt-envelope",
    )
    parser.option("--log", "the ledger's verifier key", metavar="VKEY")
    add_all(parser)


def run(context: Context) -> int:
    """Print what a receipt proves."""
    from jenkins_notary.api.receipts import verify_receipt

    receipt = read_file(context.word("FILE"), "receipt", limit=MAX_RECEIPT_BYTES)
    path = context.text("receipt-envelope")
    envelope = (
        None if path is None else read_file(path, "envelope", limit=MAX_ENVELOPE_BYTES)
    )
    view = verify_receipt(receipt, vkey=context.required("log"), envelope=envelope)
    found = view.to_dict()
    context.output.show(found, lambda: format_fields(found.items(), indent=""))
    return 0


COMMANDS = {
    "receipt verify": Command(
        declare,
        run,
        "receipt verify app.jar.tlog-proof --envelope app.jar.dsse.json --log VKEY",
        "Proves what was recorded when; whether it still holds, only the ledger tells.",
    )
}
