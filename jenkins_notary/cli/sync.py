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

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``ledger sync``."""
    parser.argument("FROM", "a ledger: a file, immudb://..., or a service's URL")
    parser.argument("TO", "the ledger that gets its records: a file or immudb://...")
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
    origin, target = context.word("FROM"), context.word("TO")
    rate = context.optional_integer("bandwidth")
    if rate is not None and rate < 1:
        raise UsageError("--bandwidth", expected="at least 1", got=str(rate))
    if is_service_url(target):
        raise UsageError(
            f"TO {target}",
            expected="a ledger whose key is at hand",
            got="a notary service",
            advice="run it on the service's own host, with the ledger's path",
        )
    limit = None if rate is None else rate * 1000
    with context.notary_at(target) as notary:
        if is_service_url(origin):
            service = open_distant_ledger(context, context.service_at(origin))
            done = notary.ledger.sync(service, rate=limit)
        else:
            done = notary.ledger.sync(origin, log=context.log_key(), rate=limit)

    def text() -> Iterator[str]:
        yield (
            f"{done.size - done.first} records of {done.origin} imported, "
            f"{done.size} are here; {done.bytes} bytes were read"
        )
        yield from tell_unenrolled(done.unenrolled)

    context.output.show(done.to_dict(), text)
    return PermissionDeniedError.exit_code if done.unenrolled else 0


COMMANDS = {
    "ledger sync": Command(
        declare,
        run,
        """
ledger sync https://edge.example.com immudb://db.example.com:3322/centre
ledger sync /mnt/edge/ledger.db /var/lib/notary/ledger.db --bandwidth 100
""",
        "Each record of FROM is proven and becomes an import in TO, in order, with\n"
        "the same subjects, job and status, the original envelope and its receipt.\n"
        "Interrupted, it is gone on with by the same command, from anywhere. The key\n"
        "must be enrolled in TO. An import counts there only if who said it in FROM\n"
        "is enrolled in TO as well, and never lifts an UNTRUSTED. Of a service\n"
        "(auditor's token) nothing is read that TO has already. 77: records came\n"
        "whose signers are still to be enrolled in TO.",
    ),
}
