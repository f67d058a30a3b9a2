"""Make and show the signing key: ``key generate|show``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_key
from jenkins_notary.cli.output import format_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.results import KeyInfo
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def declare_generate(parser: Parser) -> None:
    """Add the options of ``key generate``."""
    parser.option("--kind", "the kind of key; else ed25519", key="key-kind")
    add_all(parser, add_key)


def declare_show(parser: Parser) -> None:
    """Add the options of ``key show``."""
    parser.option("--pem", "print the public key alone, as PEM")
    add_all(parser, add_key)


def run_generate(context: Context) -> int:
    """Make a key."""
    with context.notary() as notary:
        key = notary.generate_key(kind=context.text("key-kind") or "ed25519")
    return _show(context, key)


def run_show(context: Context) -> int:
    """Show the key."""
    with context.notary() as notary:
        key = notary.show_key()
    if context.flag("pem"):
        context.output.write(key.pem.encode())
        return 0
    return _show(context, key)


def _show(context: Context, key: KeyInfo) -> int:
    """Print a key's facts."""
    found = key.to_dict()
    context.output.show(
        found,
        lambda: format_fields(
            [(label, found[label]) for label in ("signer", "kind", "path")], indent=""
        ),
    )
    return 0


COMMANDS = {
    "key generate": Command(
        declare_generate,
        run_generate,
        """
key generate
key generate --kind ecdsa-p256 --key release.pem --passphrase-file secret.txt
""",
        "With a passphrase the file is encrypted. A key that exists is never replaced.",
    ),
    "key show": Command(
        declare_show,
        run_show,
        """
key show
key show --pem > build.pub.pem
""",
    ),
}
