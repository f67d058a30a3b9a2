"""Witness logs for others: ``witness``."""

from __future__ import annotations

import sys

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.files import read_file
from jenkins_notary.cli.listening import add_listening, read_place
from jenkins_notary.cli.options import add_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

DEFAULT_PORT = 8088
MAX_LOGS_BYTES = 1 << 20


def declare(parser: Parser) -> None:
    """Add the options of ``witness``."""
    parser.option("--logs", "a file of the logs' keys, a vkey a line", metavar="FILE")
    parser.option(
        "--witness-key", "the witness's own key; made at first", metavar="FILE"
    )
    parser.option(
        "--name",
        "the witness's name, for good, such as witness.example.com; for a new key",
        metavar="NAME",
    )
    add_listening(parser, DEFAULT_PORT)
    add_registry(parser)


def run(context: Context) -> int:
    """Witness until told to stop."""
    from jenkins_notary.service.witness.serving import WitnessChoices, witness

    place = read_place(context, DEFAULT_PORT)
    logs = read_file(context.required("logs"), "logs", limit=MAX_LOGS_BYTES)
    witness(
        WitnessChoices(
            logs,
            context.required("witness-key"),
            context.text("name"),
            *place,
        ),
        notify=context.output.notice,
        report=_print,
    )
    return 0


def _print(line: str) -> None:
    """Print a line of the witness's own log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


COMMANDS = {
    "witness": Command(
        declare,
        run,
        """
witness --logs logs.txt --witness-key witness.key --name witness.example.com
witness --logs logs.txt --witness-key witness.key --host 0.0.0.0 --port 443
""",
        "A C2SP witness: logs send checkpoints to /add-checkpoint, and get its\n"
        "signature if they only grew. What it signed is kept beside its key, in FILE\n"
        "and .state: losing that is losing the witness. Run it on another host.",
        "0 stopped as told",
    )
}
