"""Hand evidence over in one file, and check such a file: ``pack``, ``verify-pack``."""

from __future__ import annotations

from tempfile import TemporaryFile  # noqa: TID253 - neither command is a quick one

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.files import open_file, read_file
from jenkins_notary.cli.options import add_all, add_ledger, add_registry, add_service
from jenkins_notary.cli.output import format_fields, format_table
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.evidence.pack_head import Selection

MAX_POLICY_BYTES = 1 << 20
_PIECE = 1 << 20
_TOLD = 20


def declare_selection(parser: Parser) -> None:
    """Add the options that say what a pack or report is about."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL", count="?")
    parser.option("--started", "of builds of one id, that of this time", metavar="TIME")
    parser.option(
        "--release",
        "all builds with a record of this attribute, such as release=1.2",
        metavar="NAME=VALUE",
    )
    parser.option("--since", "records from this time on", metavar="TIME")
    parser.option("--until", "records up to this time", metavar="TIME")
    parser.option(
        "--folder",
        "only of this job or folder, such as 'payments/*'",
        metavar="NAME",
        key="pack-folder",
    )


def read_selection(context: Context) -> Selection:
    """Return what the options ask for; whether it makes sense is said by the API."""
    from jenkins_notary.evidence.pack_head import BUILD, PERIOD, RELEASE, Selection

    named, release = context.words("JOB_ID"), context.text("release")
    kind = BUILD if named else PERIOD if release is None else RELEASE
    return Selection(
        kind,
        named[0] if named else None,
        context.text("started"),
        release,
        context.text("pack-folder"),
        context.text("since"),
        context.text("until"),
    )


def declare_pack(parser: Parser) -> None:
    """Add the options of ``pack``."""
    declare_selection(parser)
    parser.option(
        "--file",
        "where the pack goes, a new file; - for standard output",
        metavar="FILE",
        key="pack-file",
    )
    parser.option(
        "--bodies", "with logs and attachments, unless --no-bodies", key="pack-bodies"
    )
    parser.option("--policy", "a policy to go along, a YAML file", metavar="FILE")
    add_all(parser, add_ledger, add_service, add_registry)


def declare_verify(parser: Parser) -> None:
    """Add the options of ``verify-pack``."""
    parser.argument("FILE", "the pack")
    parser.option(
        "--log",
        "the ledger's verifier key, from its administrator; else the one that this "
        "user has pinned",
        metavar="VKEY",
    )
    parser.option("--org", "only signers of this org count", metavar="ORG")
    parser.option("--signer", "only this signer counts; repeat", metavar="0x...")
    add_all(parser)


def run_pack(context: Context) -> int:
    """Write a pack."""
    from jenkins_notary.evidence.pack_head import suggest_name
    from jenkins_notary.files.new_file import new_file

    selection = read_selection(context)
    path = context.text("pack-file") or suggest_name(selection)
    if path == "-":
        with TemporaryFile() as spool:
            _write(context, selection, spool)
            spool.seek(0)
            while piece := spool.read(_PIECE):
                context.output.write(piece)
        return 0
    with new_file(path, "pack") as file:
        _write(context, selection, file)
        size = file.tell()
    found = {"pack": path, "size": size, "selection": selection.to_dict()}
    how = f"jenkins-notary verify-pack {path} --log VKEY"
    context.output.show(
        found, lambda: [f"{path}: {size} bytes; anyone checks it by {how}"]
    )
    return 0


def _write(context: Context, selection: Selection, file: BinaryIO) -> None:
    """Write the pack into a file: of the ledger here, or as a service makes it."""
    with_bodies = context.flag("pack-bodies", default=True)
    policy = context.text("policy")
    if context.is_remote:
        if policy is not None:
            raise UsageError("--policy", expected="a ledger on this machine")
        with context.remote_reader() as remote:
            remote.fetch_pack(selection, file, with_bodies=with_bodies)
        return
    text = policy and read_file(policy, "policy", limit=MAX_POLICY_BYTES)
    with context.notary() as notary:
        pieces = notary.pack(selection, with_bodies=with_bodies, policy=text or None)
        file.writelines(pieces)


def run_verify(context: Context) -> int:
    """Check a pack with no ledger at hand."""
    from jenkins_notary.api.packs.making import verify_pack

    with open_file(context.word("FILE"), "pack") as file:
        check = verify_pack(
            file,
            context.choices(),
            context.environ,
            org=context.text("org"),
            keys=context.texts("signer"),
        )
    context.output.show(check.to_dict(), lambda: _describe(check.to_dict()))
    return 0


def _describe(check: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of what a pack has proven."""
    yield "OK the pack is whole"
    complete = {
        True: "each of them: none of the period is missing",
        False: None,
        None: "as the packer chose them; only the ledger knows whether there are more",
    }
    yield from format_fields(
        (
            ("log", check["log"]),
            ("key", check["vkey"]),
            ("size", f"{check['tree_size']} records, at {check['timestamp']}"),
            ("about", check["about"]),
            ("selected", f"{check['selected']} of {check['records']} records in it"),
            ("these are", complete[check["complete"]]),
            ("bodies", f"{check['bodies']}, of {check['body_bytes']} bytes"),
            ("withheld", check["withheld"] or None),
            ("report", _describe_texts(check)),
        )
    )
    rows = [(o["status"], o["name"], o["digest"]) for o in check["assets"]]
    yield from format_table(rows[:_TOLD])
    if len(rows) > _TOLD:
        yield f"and {len(rows) - _TOLD} more artifacts: -o json"
    for one in check["left_out"][:_TOLD]:
        yield f"not in it: sha256:{one['sha256']} of #{one['index']}: {one['why']}"
    if len(check["left_out"]) > _TOLD:
        yield f"and {len(check['left_out']) - _TOLD} more bodies: -o json"


def _describe_texts(check: dict[str, Any]) -> str:
    """Return whether what a person reads in the pack was checked."""
    if check["report"] == "proven":
        return "page and report say what the records say"
    return f"NOT compared: version {check['made_by']} wrote it; do not rely on it"


COMMANDS = {
    "pack": Command(
        declare_pack,
        run_pack,
        """
pack ci.example.com:payments/api/main#42
pack --release release=1.2 --folder payments --file payments-1.2.pack.tar
pack --since 2026-01-01 --until 2026-03-31
""",
        "A pack is a tar file with records, proofs, logs and attachments, a page to\n"
        "read, and a verifier that needs nothing of this project. Logs that are held\n"
        "back stay out of it.",
    ),
    "verify-pack": Command(
        declare_verify,
        run_verify,
        """
verify-pack build-payments-main-42.pack.tar --log VKEY
verify-pack payments-1.2.pack.tar --org acme -o json
""",
        "All of it is checked: that the log's key has signed it, every record, proof,\n"
        "log and attachment, and that nothing else is in it. Which status the\n"
        "artifacts had then is printed, and is not the exit code.",
        "0 the pack is whole",
    ),
}
