"""Record assets: ``notarize``, ``untrust``, ``unsupport``."""

from __future__ import annotations

import os

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_assets,
    add_claims,
    add_key,
    add_ledger,
    add_service,
    add_spool,
)
from jenkins_notary.cli.output import format_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.cli.receipts import ReceiptFolder, Recorded
    from jenkins_notary.remote.notary import RemoteNotary


def declare_notarize(parser: Parser) -> None:
    """Add the options of ``notarize``."""
    _declare_record(parser)
    parser.option("--reason", "why; recorded", metavar="TEXT")
    parser.option(
        "--supersede",
        "the negative record that this one lifts; needs --reason",
        metavar="INDEX",
    )
    parser.option(
        "--digest-file",
        "the one image's digest, as its push wrote it; no registry is asked",
        metavar="FILE",
    )
    parser.option(
        "--ephemeral-ok", "make a ledger even on an agent that goes away with its build"
    )
    add_all(parser, add_ledger, add_service, add_claims, add_spool, add_key)


def declare_negative(parser: Parser) -> None:
    """Add the options of ``untrust`` and ``unsupport``."""
    _declare_record(parser)
    parser.option("--reason", "why; recorded and shown", metavar="TEXT")
    add_all(parser, add_ledger, add_service, add_claims, add_spool, add_key)


def run_notarize(context: Context) -> int:
    """Record assets as TRUSTED."""
    folder = _open_receipts(context)
    with context.client() as notary:
        records = notary.notarize(
            context.assets(),
            supersedes=context.integers("supersede"),
            reason=context.text("reason"),
            ephemeral_ok=context.flag("ephemeral-ok"),
            digest_file=context.text("digest-file"),
            **_read_claim(context),
        )
        _write_receipts(folder, notary, records)
    return show_records(context, [one.to_dict() for one in records])


def run_untrust(context: Context) -> int:
    """Record assets as UNTRUSTED."""
    return _run_negative(context, "untrust")


def run_unsupport(context: Context) -> int:
    """Record assets as UNSUPPORTED."""
    return _run_negative(context, "unsupport")


def show_records(context: Context, found: Sequence[Mapping[str, Any]]) -> int:
    """Print what was recorded; return 0."""
    context.output.show({"assets": found}, lambda: format_table(_list_rows(found)))
    return 0


def _list_rows(found: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    """Return a row for each asset; what is only claimed has no place in a log."""
    return [
        (
            one["status"],
            None if one["index"] is None else f"#{one['index']}",
            one["digest"],
            one["name"],
        )
        for one in found
    ]


def _declare_record(parser: Parser) -> None:
    """Add what all three commands know."""
    add_assets(parser)
    parser.option(
        "--job",
        "the build, NAME#NUMBER or its URL; else the environment's",
        metavar="ID",
    )
    parser.option("--attr", "a further fact", metavar="KEY=VALUE", short="-a")
    parser.option("--attach", "a file to keep as evidence", metavar="FILE[:LABEL]")
    parser.option(
        "--receipts",
        "a folder for NAME.tlog-proof and NAME.dsse.json of each asset",
        metavar="DIR",
    )


def _run_negative(context: Context, method: str) -> int:
    """Record assets with a negative status."""
    reason = context.required("reason")
    folder = _open_receipts(context)
    with context.client() as notary:
        record = notary.untrust if method == "untrust" else notary.unsupport
        records = record(context.assets(), reason=reason, **_read_claim(context))
        _write_receipts(folder, notary, records)
    return show_records(context, [one.to_dict() for one in records])


def _write_receipts(
    folder: ReceiptFolder | None,
    notary: Notary | RemoteNotary,
    records: Sequence[Recorded],
) -> None:
    """Write the receipts of what was recorded; what a spool keeps has none yet."""
    recorded = [one for one in records if one.to_dict()["index"] is not None]
    if folder is not None and recorded:
        folder.write(notary, recorded)


def _read_claim(context: Context) -> dict[str, Any]:
    """Return the arguments that all three methods take."""
    return {
        "job": context.text("job"),
        "name": context.text("name"),
        "attributes": context.pairs("attr"),
        "attachments": [split_label(one) for one in context.texts("attach")],
    }


def split_label(text: str) -> tuple[str, str | None]:
    """Return (path, label or None) of ``FILE[:LABEL]``.

    A colon belongs to the path if there is such a file.

    >>> split_label("report.xml:tests"), split_label("report.xml")
    (('report.xml', 'tests'), ('report.xml', None))
    """
    path, colon, label = text.rpartition(":")
    if not colon or "/" in label or os.path.lexists(text):
        return text, None
    return path, label


def _open_receipts(context: Context) -> ReceiptFolder | None:
    """Return the folder of receipts, which can be written, or None."""
    path = context.text("receipts")
    # What is only claimed has no receipt yet.
    if path is None or context.text("claims") is not None:
        return None
    # Only those who want files pay for what writes them.
    from jenkins_notary.cli.receipts import ReceiptFolder

    return ReceiptFolder(path)


COMMANDS = {
    "notarize": Command(
        declare_notarize,
        run_notarize,
        """
notarize dist/app.jar
notarize 'dist/**/*.whl' --job ci.example.com:app/main#42 -a release=1.2
notarize image://registry.example.com/app:1.2 --receipts receipts
notarize image://registry.example.com/app:1.2 --digest-file build-metadata.json
find out -type f -print0 | jenkins-notary notarize -0 -
notarize app.jar --supersede 17 --reason 'rebuilt without the flaw'
""",
        "All assets are recorded in one commit, or none is. The first call makes a\n"
        "key and a ledger and says so.",
    ),
    "untrust": Command(
        declare_negative,
        run_untrust,
        """
untrust app.jar --reason CVE-2026-0001
untrust image://registry.example.com/app:1.2 --reason leaked
""",
        "A rebuild of the same bytes does not lift it: only notarize --supersede does.",
    ),
    "unsupport": Command(
        declare_negative,
        run_unsupport,
        "unsupport app-1.0.jar --reason 'end of life'",
        "Lifted only by notarize --supersede.",
    ),
}
