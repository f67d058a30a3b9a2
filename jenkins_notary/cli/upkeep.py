"""Look after a ledger: copies, successors, erasure.

``ledger export|backup|restore|succeed|migrate|upgrade|prune|erase|rotate-key``.
"""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.files import read_file
from jenkins_notary.cli.kept import open_kept_ledger
from jenkins_notary.cli.ledger import show_status
from jenkins_notary.cli.options import (
    add_all,
    add_co_keys,
    add_key,
    add_ledger,
    add_registry,
    add_service,
)
from jenkins_notary.cli.output import format_fields
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

MAX_TEXT_BYTES = 4096
MAX_PUBLISHED_BYTES = 1 << 20


def declare_export(parser: Parser) -> None:
    """Add the options of ``ledger export``."""
    parser.argument("DIR", "a folder that is new or holds an earlier export")
    add_all(parser, add_ledger, add_service, add_registry)


def declare_backup(parser: Parser) -> None:
    """Add the options of ``ledger backup``."""
    parser.argument("DIR", "a folder that is new or empty")
    parser.option("--with-key", "with the ledger's own key: keep the copy safe")
    add_all(parser, add_ledger)


def declare_restore(parser: Parser) -> None:
    """Add the options of ``ledger restore``."""
    parser.argument("DIR", "the backup")
    parser.option(
        "--published",
        "a receipt or checkpoint that went out; an older backup is refused; repeat",
        metavar="FILE",
    )
    add_all(parser, add_ledger)


def declare_succeed(parser: Parser) -> None:
    """Add the options of ``ledger succeed``."""
    parser.argument("URL", "where the new ledger is made")
    parser.option(
        "--origin", "the log's name, for good; else made of the host's", metavar="NAME"
    )
    parser.option(
        "--published",
        "a receipt or checkpoint that went out: the newest is bound; repeat",
        metavar="FILE",
    )
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_migrate(parser: Parser) -> None:
    """Add the options of ``ledger migrate``."""
    parser.argument("URL", "where the ledger goes")
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_upgrade(parser: Parser) -> None:
    """Add the options of ``ledger upgrade``."""
    add_all(parser, add_ledger)


def declare_prune(parser: Parser) -> None:
    """Add the options of ``ledger prune``."""
    parser.option("--before", "bodies of records before this time", metavar="TIME")
    parser.option(
        "--label", "only bodies with this label", metavar="LABEL", key="prune-label"
    )
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_erase(parser: Parser) -> None:
    """Add the options of ``ledger erase``."""
    parser.argument("INDEX", "a record whose envelope and bodies go", count="*")
    parser.option(
        "--containing",
        "every record that holds this text too; - reads it from standard input",
        metavar="TEXT",
    )
    parser.option("--reason", "why; recorded, without what is erased", metavar="TEXT")
    parser.option("--resume", "finish erasures that were interrupted")
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_rotate_key(parser: Parser) -> None:
    """Add the options of ``ledger rotate-key``."""
    add_all(parser, add_co_keys, add_ledger, add_key)


def run_export(context: Context) -> int:
    """Write static tiles."""
    with open_kept_ledger(context) as ledger:
        return _show(context, ledger.export(context.word("DIR")).to_dict())


def run_backup(context: Context) -> int:
    """Copy a ledger."""
    with context.notary() as notary:
        done = notary.ledger.backup(
            context.word("DIR"), with_key=context.flag("with-key")
        )
    return _show(context, done.to_dict())


def run_restore(context: Context) -> int:
    """Bring a ledger back."""
    published = _read_published(context)
    with context.notary() as notary:
        status = notary.ledger.restore(context.word("DIR"), published=published)
    return show_status(context, status)


def run_succeed(context: Context) -> int:
    """Begin a log that follows another."""
    with context.notary() as notary:
        status = notary.ledger.succeed(
            context.word("URL"),
            origin=context.text("origin"),
            published=_read_published(context),
        )
    return show_status(context, status)


def run_migrate(context: Context) -> int:
    """Move a ledger."""
    with context.notary() as notary:
        return show_status(context, notary.ledger.migrate(context.word("URL")))


def run_upgrade(context: Context) -> int:
    """Bring the storage to this version."""
    with context.notary() as notary:
        notary.ledger.upgrade()
        return show_status(context, notary.ledger.status())


def run_prune(context: Context) -> int:
    """Delete old bodies."""
    before = context.required("before")
    with context.notary() as notary:
        done = notary.ledger.prune(
            before=before, labels=context.texts("prune-label") or None
        )
    return _show(context, done.to_dict())


def run_erase(context: Context) -> int:
    """Destroy envelopes and bodies of records."""
    if context.flag("resume"):
        with context.notary() as notary:
            return _show(context, notary.ledger.resume_erasures().to_dict())
    indexes = [_parse_index(one) for one in context.words("INDEX")]
    reason = context.required("reason")
    containing = context.text("containing")
    if containing == "-":
        containing = _read_text(context)
    with context.notary() as notary:
        done = notary.ledger.erase(indexes, containing=containing, reason=reason)
    return _show(context, done.to_dict())


def run_rotate_key(context: Context) -> int:
    """Give the ledger a new key."""
    with context.notary() as notary:
        notary.ledger.rotate_key()
        return show_status(context, notary.ledger.status())


def _show(context: Context, found: Mapping[str, object]) -> int:
    """Print what was done; return 0."""
    context.output.show(found, lambda: format_fields(found.items(), indent=""))
    return 0


def _read_published(context: Context) -> list[bytes]:
    """Return the receipts and checkpoints that are named."""
    return [
        read_file(one, "published checkpoint", limit=MAX_PUBLISHED_BYTES)
        for one in context.texts("published")
    ]


def _read_text(context: Context) -> str:
    """Return the one line of standard input.

    What is to be erased must not stand in the process list.

    Raises:
        UsageError: None, several, or no UTF-8.
    """
    data = b"" if context.stdin is None else context.stdin.read(MAX_TEXT_BYTES + 1)
    try:
        text = data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UsageError("standard input", expected="UTF-8") from error
    if not text.strip() or "\n" in text or len(data) > MAX_TEXT_BYTES:
        raise UsageError("standard input", expected="one line of text")
    return text


def _parse_index(text: str) -> int:
    """Return a record's index, written with or without ``#``.

    Raises:
        UsageError: It is none.
    """
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise UsageError(f"INDEX {text[:40]!r}", expected="a record's index")
    return int(digits)


COMMANDS = {
    "ledger export": Command(
        declare_export,
        run_export,
        "ledger export /srv/www/log",
        "The C2SP tlog-tiles layout, which any such client can check.",
    ),
    "ledger backup": Command(
        declare_backup,
        run_backup,
        "ledger backup /backup/notary",
        "Writers go on meanwhile. Without the key the copy can be read, not written.",
    ),
    "ledger restore": Command(
        declare_restore,
        run_restore,
        "ledger restore /backup/notary --ledger sqlite:////var/lib/notary/ledger.db",
        "The copy is verified whole first. One that is older than what was published\n"
        "is refused: begin a new log with ledger succeed.",
    ),
    "ledger succeed": Command(
        declare_succeed,
        run_succeed,
        "ledger succeed sqlite:////var/lib/notary/next.db --ledger old.db",
        "The new log's first record binds the last known checkpoint of the old one.",
    ),
    "ledger migrate": Command(
        declare_migrate,
        run_migrate,
        "ledger migrate immudb://db.example.com:3322/payments",
        "The same log, with the same proofs: the source is verified, sealed by a last\n"
        "record, and copied with its bodies and its key. Interrupted, it is gone on\n"
        "with by the same command.",
    ),
    "ledger upgrade": Command(declare_upgrade, run_upgrade, "ledger upgrade"),
    "ledger prune": Command(
        declare_prune,
        run_prune,
        "ledger prune --before 2025-01-01",
        "Logs and attachments go; their digests and proofs stay.",
    ),
    "ledger erase": Command(
        declare_erase,
        run_erase,
        """
ledger erase 17 18 --reason 'request of 2026-01-31'
ledger erase --containing - --reason 'request of 2026-01-31' < address.txt
""",
        "Cannot be taken back. The erasure is a record, and the log still verifies.",
    ),
    "ledger rotate-key": Command(
        declare_rotate_key,
        run_rotate_key,
        "ledger rotate-key",
        "A record signed by both keys; checkpoints of the old key still verify.",
    ),
}
