"""Allow or deny assets by a policy: ``gate``."""

from __future__ import annotations

from jenkins_notary.cli.authenticate import declare_rule, read_rule
from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.files import read_file
from jenkins_notary.cli.options import add_all, add_assets, add_ledger, add_service
from jenkins_notary.cli.output import format_fields
from jenkins_notary.errors import worst_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

MAX_POLICY_BYTES = 1 << 20


def declare(parser: Parser) -> None:
    """Add the options of ``gate``."""
    add_assets(parser)
    parser.option("--policy", "the policy, a YAML file", metavar="FILE")
    declare_rule(parser)
    add_all(parser, add_ledger, add_service)


def run(context: Context) -> int:
    """Print a decision on each asset; return the worst code."""
    policy = read_file(context.required("policy"), "policy", limit=MAX_POLICY_BYTES)
    with context.client() as notary:
        decisions = notary.gate(policy, context.assets(), **read_rule(context))
        found = [one.to_dict() for one in decisions]
    context.output.show({"assets": found}, lambda: _format_decisions(found))
    return worst_code([one.code for one in decisions])


def _format_decisions(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of decisions: the word and the name, then the reasons."""
    for one in found:
        error, state = one.get("error"), one["as_of"]
        word = "ERROR" if error else "ALLOWED" if one["allowed"] else "DENIED"
        yield f"{word}  {one['name']}"
        as_of = state and f"{state['tree_size']} records, {state['timestamp']}"
        yield from format_fields(
            [
                ("digest", one["digest"]),
                ("status", one["status"]),
                ("rules", " ".join(one["rules"])),
                ("policy", one["policy"]),
                ("as of", as_of),
                ("reason", error and error["message"]),
                ("reason", [_format_reason(reason) for reason in one["reasons"]]),
            ]
        )


def _format_reason(reason: Mapping[str, str]) -> str:
    """Return the line of a check that failed."""
    rule, check = reason["rule"], reason["check"]
    where = f"rule {rule}, {check}" if rule else check
    line = f"{where}: expected {reason['expected']}, got {reason['got']}"
    return f"{line}; {reason['advice']}" if reason["advice"] else line


COMMANDS = {
    "gate": Command(
        declare,
        run,
        "gate --policy release.yaml dist/app.jar",
        "All assets must satisfy the policy.",
        "0 allowed, 5 denied",
    )
}
