"""Administer whose records count: ``signer list|enrol|revoke|level|administrators``."""

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
from jenkins_notary.cli.output import format_table
from jenkins_notary.cli.records import show_records
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

_ADMINISTRATOR = "An administrator's key signs it: leaf 0 of the ledger names them."


def declare_list(parser: Parser) -> None:
    """Add the options of ``signer list``."""
    add_all(parser, add_ledger, add_service, add_registry)


def declare_enrol(parser: Parser) -> None:
    """Add the options of ``signer enrol``."""
    parser.argument("SIGNER", "a PEM file, or the 0x... id of who has signed a record")
    parser.option(
        "--level",
        "how much its word weighs; else as it was, or 1",
        metavar="N",
        key="enrol-level",
    )
    parser.option("--org", "an org that it joins", metavar="ORG", key="enrol-org")
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_revoke(parser: Parser) -> None:
    """Add the options of ``signer revoke``."""
    parser.argument("SIGNER", "the 0x... id")
    parser.option(
        "--from",
        "the first record that no longer counts; else the next",
        metavar="INDEX",
    )
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_level(parser: Parser) -> None:
    """Add the options of ``signer level``."""
    parser.argument("SIGNER", "the 0x... id")
    parser.argument("LEVEL", "an integer from 0")
    add_all(parser, add_co_keys, add_ledger, add_key)


def declare_administrators(parser: Parser) -> None:
    """Add the options of ``signer administrators``."""
    parser.argument(
        "SIGNER", "a PEM file, or the 0x... id of who has signed a record", count="+"
    )
    parser.option(
        "--threshold", "how many administrators must sign a trust record", metavar="N"
    )
    add_all(parser, add_co_keys, add_ledger, add_key)


def run_list(context: Context) -> int:
    """Print the enrolled signers."""
    with context.reader() as notary:
        signers = [one.to_dict() for one in notary.signers.list()]
    context.output.show(
        {"signers": signers},
        lambda: format_table(
            [
                (
                    one["signer"],
                    f"level {one['level']}",
                    "administrator" if one["administrator"] else None,
                    f"enrolled #{one['enrolled_at']}",
                    "valid"
                    if one["revoked_from"] is None
                    else f"revoked from #{one['revoked_from']}",
                    " ".join(one["orgs"]) or None,
                )
                for one in signers
            ]
        ),
    )
    return 0


def run_enrol(context: Context) -> int:
    """Enrol a key."""
    with context.notary() as notary:
        record = notary.signers.enrol(
            context.word("SIGNER"),
            level=context.optional_integer("enrol-level"),
            orgs=context.texts("enrol-org"),
        )
    return show_records(context, [record])


def run_revoke(context: Context) -> int:
    """Revoke a key."""
    with context.notary() as notary:
        record = notary.signers.revoke(
            context.word("SIGNER"), from_index=context.optional_integer("from")
        )
    return show_records(context, [record])


def run_level(context: Context) -> int:
    """Set a signer's level."""
    text = context.word("LEVEL")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("LEVEL", expected="an integer from 0", got=repr(text[:40]))
    with context.notary() as notary:
        record = notary.signers.set_level(context.word("SIGNER"), int(text))
    return show_records(context, [record])


def run_administrators(context: Context) -> int:
    """Replace the administrators."""
    with context.notary() as notary:
        record = notary.signers.set_administrators(
            context.words("SIGNER"), threshold=context.optional_integer("threshold")
        )
    return show_records(context, [record])


def tell_unenrolled(signers: Iterable[str]) -> Iterator[str]:
    """Yield what a person is told of signers whose records came and do not count."""
    for signer in signers:
        yield (
            f"  {signer} is not enrolled here: its records do not count, an "
            f"UNTRUSTED neither: jenkins-notary signer enrol {signer}"
        )


COMMANDS = {
    "signer list": Command(declare_list, run_list, "signer list -o json"),
    "signer enrol": Command(
        declare_enrol,
        run_enrol,
        """
signer enrol build.pub.pem --level 2 --org acme
signer enrol 0x0123456789abcdef0123456789abcdef01234567
""",
        _ADMINISTRATOR,
    ),
    "signer revoke": Command(
        declare_revoke,
        run_revoke,
        "signer revoke 0x0123456789abcdef0123456789abcdef01234567 --from 1200",
        f"Cannot be taken back. {_ADMINISTRATOR}",
    ),
    "signer administrators": Command(
        declare_administrators,
        run_administrators,
        "signer administrators one.pub.pem two.pub.pem three.pub.pem --threshold 2",
        "Names all of them anew. Enough of the present administrators must sign: "
        "--key and --co-key.",
    ),
    "signer level": Command(
        declare_level,
        run_level,
        "signer level 0x0123456789abcdef0123456789abcdef01234567 5",
        _ADMINISTRATOR,
    ),
}
