"""Say what the ledger holds of assets: ``authenticate``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_as_of,
    add_assets,
    add_ledger,
    add_service,
)
from jenkins_notary.cli.output import format_fields
from jenkins_notary.errors import worst_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``authenticate``."""
    add_assets(parser)
    declare_rule(parser)
    parser.option("--strict", "read the whole log, and trust no index")
    parser.option(
        "--against",
        "the digest of a folder's earlier record to compare with",
        metavar="DIGEST",
    )
    add_all(parser, add_ledger, add_service)


def declare_rule(parser: Parser) -> None:
    """Add whose word counts, and when."""
    parser.option("--org", "only signers of this org count", metavar="ORG")
    parser.option(
        "--signer", "only this signer counts, unless --org is set", metavar="0x..."
    )
    add_as_of(parser)


def run(context: Context) -> int:
    """Print the ledger's word on each asset; return the worst code."""
    with context.client() as notary:
        verdicts = notary.authenticate(
            context.assets(),
            against=context.text("against"),
            strict=context.flag("strict"),
            **read_rule(context),
        )
        found = [one.to_dict() for one in verdicts]
    context.output.show({"assets": found}, lambda: format_verdicts(found))
    return worst_code([one.code for one in verdicts])


def read_rule(context: Context) -> dict[str, Any]:
    """Return the arguments that say whose word counts, and on what."""
    return {
        "org": context.text("org"),
        "keys": context.texts("signer"),
        "as_of": context.text("as-of"),
        "name": context.text("name"),
    }


def format_verdicts(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of verdicts: the word and the name, then why."""
    for one in verdicts:
        yield f"{one['status'] or 'ERROR'}  {one['name']}"
        yield from format_fields(_list_fields(one))
        for change, paths in (one.get("changes") or {}).items():
            for path in paths:
                # A renamed file has two paths.
                shown = path if isinstance(path, str) else " -> ".join(path)
                yield f"  {change}  {shown}"


def _list_fields(one: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield label and value of what a person wants to know of a verdict."""
    for key in ("digest", "job", "signer", "timestamp"):
        yield key, one[key]
    if one["index"] is not None:
        yield "record", f"#{one['index']}"
    as_of = one["as_of"]
    if as_of:
        yield "as of", f"{as_of['tree_size']} records, {as_of['timestamp']}"
    error = one.get("error")
    yield "reason", error["message"] if error else one["reason"]
    if not error:
        yield "next", one["advice"]


COMMANDS = {
    "authenticate": Command(
        declare,
        run,
        """
authenticate dist/app.jar
authenticate 'dist/*.jar' --org acme
authenticate image://registry.example.com/app:1.2 -o json
authenticate app.jar --as-of 2026-01-31T12:00:00Z
""",
        "Each asset is checked and printed. Without --org and --signer, the last word\n"
        "of the signers with the highest level counts.",
        "0 TRUSTED, 1 UNTRUSTED, 2 UNKNOWN, 3 UNSUPPORTED, 4 REVOKED",
    )
}
