"""Import what another ledger has: ``ledger sync``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.context import is_service_url
from jenkins_notary.cli.kept import open_distant_ledger
from jenkins_notary.cli.options import add_all, add_key, add_registry, add_service
from jenkins_notary.cli.signer import tell_unenrolled
from jenkins_notary.errors import PermissionDeniedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.api.ledgers.sync import Synced
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``ledger sync``."""
    parser.argument("FROM", "a ledger: a file, immudb://..., or a service's URL")
    parser.argument("TO", "the ledger that gets its records, named likewise")
    parser.option(
        "--log",
        "the key that must have signed FROM's checkpoints, or a C2SP policy file",
        metavar="VKEY",
    )
    parser.option(
        "--bandwidth", "kilobytes a second at most; else no limit", metavar="N"
    )
    add_all(parser, add_key, add_service, add_registry)


def run(context: Context) -> int:
    """Import what is new; who said it and does not count is named."""
    rate = context.optional_integer("bandwidth")
    if rate is not None and rate < 1:
        raise UsageError("--bandwidth", expected="at least 1", got=str(rate))
    done = _sync(context, None if rate is None else rate * 1000)

    def text() -> Iterator[str]:
        sent = f", {done.sent} were sent" if done.sent else ""
        yield (
            f"{done.size - done.first} records of {done.origin} imported, "
            f"{done.size} are there; {done.bytes} bytes were read{sent}"
        )
        yield from tell_unenrolled(done.unenrolled)

    context.output.show(done.to_dict(), text)
    return PermissionDeniedError.exit_code if done.unenrolled else 0


def _sync(context: Context, rate: int | None) -> Synced:
    """Import from the one ledger into the other, wherever they are."""
    origin, target = context.word("FROM"), context.word("TO")
    if is_service_url(target):
        service = context.service_at(target)
        from jenkins_notary.watch.importing import ServiceTarget

        if is_service_url(origin):
            raise UsageError(
                f"FROM {origin}",
                expected="a file or immudb://..., where TO is a service",
                got="another service, and one token for both",
                advice="run it on the host of one of them, with that ledger's path",
            )
        with context.notary_at(origin, log=context.log_key()) as notary:
            to = ServiceTarget(service.connect, context.signing_session())
            return notary.ledger.send_to(to, rate=rate)
    with context.notary_at(target) as notary:
        if is_service_url(origin):
            distant = open_distant_ledger(context, context.service_at(origin))
            return notary.ledger.sync(distant, rate=rate)
        return notary.ledger.sync(origin, log=context.log_key(), rate=rate)


COMMANDS = {
    "ledger sync": Command(
        declare,
        run,
        """
ledger sync https://edge.example.com immudb://db.example.com:3322/centre
ledger sync /var/lib/edge/ledger.db https://notary.example.com --bandwidth 100
""",
        "Each record of FROM is proven and becomes an import in TO, in order, with\n"
        "the same subjects, job and status, the original envelope and its receipt.\n"
        "Interrupted, it is gone on with by the same command, from anywhere. The key\n"
        "must be enrolled in TO, and be an administrator's there or of the org\n"
        "import:ORIGIN. An import counts there only if who said it in FROM is\n"
        "enrolled in TO as well, and never lifts an UNTRUSTED. One of the two may be\n"
        "a service: FROM with an auditor's token, TO with an importer's. Nothing is\n"
        "read that TO has already. 77: records came whose signers are still to be\n"
        "enrolled in TO.",
    ),
}
