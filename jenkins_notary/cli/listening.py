"""Say where a command listens: its address, and its certificate."""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.serving.place import LOOPBACK, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser


def add_listening(parser: Parser, port: int) -> None:
    """Add what every command that listens knows.

    Args:
        parser: The command's.
        port: Where it listens if nothing else is said.
    """
    parser.option("--host", f"where it listens; else {LOOPBACK}", metavar="HOST")
    parser.option("--port", f"where it listens; else {port}, 0 for any", metavar="N")
    parser.option("--tls-cert", "its certificate, a PEM file", metavar="FILE")
    parser.option("--tls-key", "the certificate's key, a PEM file", metavar="FILE")


def read_place(context: Context, port: int) -> Place:
    """Return where a command listens.

    Raises:
        UsageError: An option is wrong.
    """
    certificate, key = context.text("tls-cert"), context.text("tls-key")
    if (certificate is None) != (key is None):
        raise UsageError("--tls-cert, --tls-key", expected="both", got="one of them")
    chosen = context.integer("port", port)
    if not 0 <= chosen < 1 << 16:
        raise UsageError("--port", expected="0 to 65535", got=str(chosen))
    return Place(
        context.text("host") or LOOPBACK,
        chosen,
        None if certificate is None or key is None else (certificate, key),
    )
