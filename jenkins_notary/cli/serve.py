"""Serve a ledger over HTTP: ``serve``."""

from __future__ import annotations

import sys

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.listening import add_listening, read_place
from jenkins_notary.cli.options import add_all, add_jenkins, add_key, add_ledger
from jenkins_notary.errors import PermissionDeniedError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

DEFAULT_PORT = 8087


def declare(parser: Parser) -> None:
    """Add the options of ``serve``."""
    add_listening(parser, DEFAULT_PORT)
    parser.option("--public-log", "checkpoint and tiles need no token")
    parser.option(
        "--access-log", "where a line a request goes; else stdout", metavar="FILE"
    )
    parser.option("--settings", "what else is decided of it, in YAML", metavar="FILE")
    parser.option("--ephemeral-ok", "make a ledger on a host that goes away")
    add_all(parser, add_ledger, add_key, add_jenkins)


def run(context: Context) -> int:
    """Serve until told to stop."""
    from jenkins_notary.service.start import ServeChoices, serve

    place = read_place(context, DEFAULT_PORT)
    how = ServeChoices(
        *place,
        context.texts("plain-http"),
        context.flag("public-log"),
        context.flag("ephemeral-ok"),
        context.text("settings"),
    )
    with _open_log(context.text("access-log")) as log:
        serve(
            context.text("ledger"),
            context.choices(),
            context.environ,
            how=how,
            access_log=log,
        )
    return 0


def _open_log(path: str | None) -> BinaryIO:
    """Return the access log's stream: a file that grows, or a copy of stdout."""
    if path is None:
        return open(sys.stdout.fileno(), "wb", closefd=False)
    try:
        return open(path, "ab")
    except PermissionError as error:
        raise PermissionDeniedError(f"--access-log {path}", got="no right") from error
    except OSError as error:
        raise StorageError(
            f"--access-log {path}", got=error.strerror or "an error"
        ) from error


COMMANDS = {
    "serve": Command(
        declare,
        run,
        """
serve
serve --host 0.0.0.0 --port 8443 --tls-cert notary.pem --tls-key notary.key
serve --jenkins-url https://ci.example.com/ --jenkins-user notary
""",
        "Needs the extra: pip install 'jenkins-notary[service]'. The first start\n"
        "makes the ledger and writes an administrator's token to a file of mode 0600,\n"
        "whose path is printed. Plain HTTP is served to this host only, or where\n"
        "--plain-http names the --host. SIGTERM lets what was begun be finished.",
        "0 stopped as told",
    )
}
