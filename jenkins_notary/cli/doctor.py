"""Check that this machine can notarize: ``doctor``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_key, add_ledger
from jenkins_notary.errors import worst_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jenkins_notary.api.results import Check
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``doctor``."""
    add_all(parser, add_ledger, add_key)


def run(context: Context) -> int:
    """Print every check; return the worst code."""
    with context.notary() as notary:
        checks = notary.doctor()
    context.output.show(
        {"checks": [one.to_dict() for one in checks]}, lambda: _format_checks(checks)
    )
    return worst_code([one.code for one in checks])


def _format_checks(checks: Sequence[Check]) -> Iterator[str]:
    """Yield the lines of checks, with the next step behind each fault."""
    width = max(len(one.name) for one in checks)
    for one in checks:
        yield f"{'OK   ' if one.ok else 'ERROR'}  {one.name:<{width}}  {one.found}"
        if one.advice:
            yield f"{'':{width}}         {one.advice}"


COMMANDS = {
    "doctor": Command(
        declare,
        run,
        "doctor",
        "Looks at key, ledger, trust, disk and clock, and changes nothing.",
        "0 all is well",
    )
}
