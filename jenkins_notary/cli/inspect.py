"""Show all records of an asset or digest: ``inspect``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_as_of,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.output import format_fields
from jenkins_notary.cli.records import format_records, show_records
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare(parser: Parser) -> None:
    """Add the options of ``inspect``."""
    parser.argument("ASSET", "a file, a digest, or what authenticate takes")
    parser.option("--envelope", "print the stored DSSE envelopes, a line each")
    parser.option("--body", "print the attachment or log that has this digest, proven")
    parser.option("--receipt", "with each record's receipt")
    parser.option("--engine-proof", "with where each stands in immudb, proven there")
    parser.option("--limit", "at most so many records, the newest", metavar="N")
    add_all(parser, add_as_of, add_registry, add_ledger, add_service)


def run(context: Context) -> int:
    """Print an asset's records, envelopes or body."""
    if context.flag("engine-proof"):
        return _show_proofs(context)
    with context.reader() as notary:
        if context.flag("body"):
            for chunk in notary.read_attachment(context.word("ASSET")):
                context.output.write_foreign(chunk)
            return 0
        records = notary.inspect(
            context.word("ASSET"),
            limit=context.limit(100),
            as_of=context.text("as-of"),
            receipts=context.flag("receipt"),
        )
        if context.flag("envelope"):
            for one in records:
                data = notary.envelope(one)  # type: ignore[arg-type]  # each its own
                context.output.write(data + b"\n")
            return 0
    return show_records(context, records)


def _show_proofs(context: Context) -> int:
    """Print an asset's records, each with where it stands in immudb."""
    from jenkins_notary.api.ledgers.engine_proof import check_engine

    for other in ("body", "envelope"):
        if context.flag(other):
            raise UsageError("--engine-proof", expected="it alone", got=f"--{other}")
    if context.is_remote:
        check_engine("a notary service")
    with context.notary() as notary:
        records = notary.inspect(
            context.word("ASSET"),
            limit=context.limit(100),
            as_of=context.text("as-of"),
            receipts=context.flag("receipt"),
            engine_proof=True,
        )
    found = [one.to_dict() for one in records]
    context.output.show({"records": found}, lambda: _format_proofs(found))
    return 0


def _format_proofs(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of records, each with where it stands in immudb."""
    import shlex

    for one in records:
        yield from format_records([one])
        proof = one["engine_proof"]
        state = proof["state"]
        checked = (
            "signed by the server's key" if state["signed"] else "signature not checked"
        )
        pairs = [
            ("immudb", proof["ledger"]),
            ("in", f"transaction {proof['transaction']}"),
            ("proven", f"up to transaction {state['transaction']}, {checked}"),
        ]
        for key in proof["keys"]:
            revision = "-" if key["revision"] is None else key["revision"]
            said = f"{shlex.quote(key['key'])}  revision {revision}"
            pairs.append((key["kind"], said))
        yield from format_fields(pairs)


COMMANDS = {
    "inspect": Command(
        declare,
        run,
        """
inspect dist/app.jar
inspect sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
inspect app.jar --envelope > app.dsse.jsonl
inspect app.jar --engine-proof -o json
""",
        "Says what was recorded, not whether it counts: that is authenticate's word.",
    )
}
