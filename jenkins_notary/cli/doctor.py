"""Check that this machine can notarize: ``doctor``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_key,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.errors import worst_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``doctor``."""
    add_all(parser, add_ledger, add_service, add_registry, add_key)


def run(context: Context) -> int:
    """Print every check; return the worst code."""
    with context.reader() as notary:
        checks = [one.to_dict() for one in notary.doctor()]
    if not context.is_remote:
        checks += _look_at_clients(context)
    context.output.show({"checks": checks}, lambda: _format_checks(checks))
    return worst_code([one["code"] for one in checks])


def _look_at_clients(context: Context) -> list[dict[str, Any]]:
    """Return what is to be said of the programs that ask the ledger's service."""
    from contextlib import closing

    from jenkins_notary.remote.reading.versions import check_clients
    from jenkins_notary.service.clients import read_clients

    with closing(context.session()) as session:
        found = read_clients(session.places.ledger)
    return [] if found is None else [check_clients([o._asdict() for o in found])]


def _format_checks(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of checks, with the next step behind each fault."""
    width = max(len(one["name"]) for one in checks)
    for one in checks:
        word = "OK   " if one["ok"] else "ERROR"
        yield f"{word}  {one['name']:<{width}}  {one['found']}"
        if one["advice"]:
            yield f"{'':{width}}         {one['advice']}"


COMMANDS = {
    "doctor": Command(
        declare,
        run,
        """
doctor
doctor --ledger https://notary.example.com
""",
        "Looks at key, ledger, trust, disk and clock, and changes nothing. Of a\n"
        "service it says which version it has, what the token may, whether its\n"
        "checkpoint is signed by the key that --log names, and to an auditor or\n"
        "administrator which versions of library, agent part and hook ask it.",
        "0 all is well",
    )
}
