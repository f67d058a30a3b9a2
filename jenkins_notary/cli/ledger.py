"""Make, look at and check a ledger: ``ledger init|status|verify``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.kept import open_kept_ledger
from jenkins_notary.cli.options import (
    add_all,
    add_co_keys,
    add_key,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.output import format_fields
from jenkins_notary.errors import IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.api.results import LedgerStatus
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.remote.notary import RemoteItem


def declare_init(parser: Parser) -> None:
    """Add the options of ``ledger init``."""
    parser.option(
        "--origin", "the log's name, for good; else made of the host's", metavar="NAME"
    )
    parser.option(
        "--threshold", "how many administrators must sign a trust record", metavar="N"
    )
    parser.option(
        "--ephemeral-ok", "make it even on an agent that goes away with its build"
    )
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_status(parser: Parser) -> None:
    """Add the options of ``ledger status``."""
    add_all(parser, add_ledger, add_service, add_registry)


def declare_verify(parser: Parser) -> None:
    """Add the options of ``ledger verify``."""
    parser.option("--signatures", "check each signature; the default")
    parser.option("--bodies", "hash logs and attachments again; the default")
    add_all(parser, add_ledger, add_service, add_registry)


def run_init(context: Context) -> int:
    """Make a ledger and print where it stands."""
    with context.notary() as notary:
        status = notary.ledger.init(
            origin=context.text("origin"),
            threshold=context.integer("threshold", 1),
            ephemeral_ok=context.flag("ephemeral-ok"),
        )
    return show_status(context, status)


def run_status(context: Context) -> int:
    """Print where a ledger stands."""
    with context.reader() as notary:
        status = notary.ledger.status()
    return show_status(context, status)


def run_verify(context: Context) -> int:
    """Check a whole ledger; return 0 or 65."""
    with open_kept_ledger(context) as ledger:
        report = ledger.verify(
            signatures=context.flag("signatures", default=True),
            bodies=context.flag("bodies", default=True),
        )
    found = report.to_dict()

    def text() -> Iterator[str]:
        yield "OK  the ledger is sound" if report.is_sound else "ERROR  it was altered"
        yield from format_fields(
            (key, value)
            for key, value in found.items()
            if key not in {"findings", "sound", "total"}
        )
        for one in report.findings:
            yield f"  {one.severity}  {one}"
        if report.total:
            yield f"  {report.total} errors in all: restore a backup"

    context.output.show(found, text)
    return 0 if report.is_sound else IntegrityError.exit_code


def show_status(context: Context, status: LedgerStatus | RemoteItem) -> int:
    """Print where a ledger stands; return 0."""
    from jenkins_notary.ports import ServerStanding

    found = status.to_dict()

    def text() -> Iterator[str]:
        servers = [str(ServerStanding(**one)) for one in found.get("servers", ())]
        shown = {**found, "checkpoint": None, "servers": servers}
        yield from format_fields(shown.items(), indent="")
        yield ""
        yield from str(found["checkpoint"]).splitlines()

    context.output.show(found, text)
    return 0


COMMANDS = {
    "ledger init": Command(
        declare_init,
        run_init,
        """
ledger init
ledger init --ledger sqlite:////var/lib/notary.db --origin notary.example.com/main
ledger init --key alice.pem --co-key bob.pem --threshold 2
""",
        "The signing key becomes administrator and first enrolled signer. notarize\n"
        "makes a ledger by itself when there is none.",
    ),
    "ledger status": Command(declare_status, run_status, "ledger status -o json"),
    "ledger verify": Command(
        declare_verify,
        run_verify,
        """
ledger verify
ledger verify --no-signatures --no-bodies
""",
        "Hashes everything again, derives all indexes again, and lists what differs.",
        "0 sound",
    ),
}
