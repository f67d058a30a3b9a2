"""Administer orgs: ``org list|add|remove``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_co_keys,
    add_key,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.records import show_records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

_SIGNER = "0x0123456789abcdef0123456789abcdef01234567"


def declare_list(parser: Parser) -> None:
    """Add the options of ``org list``."""
    add_all(parser, add_ledger, add_service, add_registry)


def declare_change(parser: Parser) -> None:
    """Add the options of ``org add`` and ``org remove``."""
    parser.argument("ORG", "the org's name")
    parser.argument("SIGNER", "the 0x... id of an enrolled signer", count="+")
    add_all(parser, add_co_keys, add_ledger, add_key)


def run_list(context: Context) -> int:
    """Print the orgs."""
    with context.reader() as notary:
        orgs = {org: list(signers) for org, signers in notary.signers.orgs().items()}
    context.output.show({"orgs": orgs}, lambda: _format_orgs(orgs))
    return 0


def run_add(context: Context) -> int:
    """Add signers to an org."""
    return _change(context, joined=True)


def run_remove(context: Context) -> int:
    """Remove signers from an org."""
    return _change(context, joined=False)


def _change(context: Context, *, joined: bool) -> int:
    """Record who joins or leaves an org."""
    with context.notary() as notary:
        record = notary.signers.change_org(
            context.word("ORG"), context.words("SIGNER"), joined=joined
        )
    return show_records(context, [record])


def _format_orgs(orgs: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of orgs: the name, then the signers."""
    for org, signers in orgs.items():
        yield org
        for signer in signers:
            yield f"  {signer}"


COMMANDS = {
    "org list": Command(declare_list, run_list, "org list"),
    "org add": Command(declare_change, run_add, f"org add acme {_SIGNER}"),
    "org remove": Command(declare_change, run_remove, f"org remove acme {_SIGNER}"),
}
