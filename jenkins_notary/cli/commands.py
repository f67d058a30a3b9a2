"""List every command: where it is written, and what it does in one line.

Only the module of the command that is asked for is imported: a cold start is a budget.
A module holds ``COMMANDS``, a :class:`Command` for each of its rows here.
"""

from __future__ import annotations

from importlib import import_module

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

COMMANDS: Mapping[str, tuple[str, str]] = {
    "notarize": ("notarize", "Record assets as TRUSTED."),
    "untrust": ("notarize", "Record assets as UNTRUSTED."),
    "unsupport": ("notarize", "Record assets as UNSUPPORTED."),
    "authenticate": ("authenticate", "Say what the ledger holds of assets."),
    "gate": ("gate", "Allow or deny assets by a policy."),
    "inspect": ("inspect", "Show all records of an asset or digest."),
    "evidence": ("evidence", "Find records by job, digest, commit, signer or time."),
    "collect": ("collect", "Record builds as Jenkins shows them."),
    "coverage": ("coverage", "Account for every build that Jenkins has numbered."),
    "coverage exempt": ("coverage", "Say that a job need not be on record."),
    "log": ("log", "Print the console log of a build, proven."),
    "log put": ("log_put", "Record the console log of a build."),
    "log release": ("log_put", "Let a log that is held back be read."),
    "deliver": ("deliver", "Send what a spool keeps to its service."),
    "attach": ("attach", "Record a file as evidence of a job or digest."),
    "pack": ("pack", "Write evidence into one file that proves itself."),
    "verify-pack": ("pack", "Check a pack with no ledger and no network."),
    "report": ("report", "Say what is known of a build, a release or a period."),
    "import": ("import_", "Record digests from a CSV or JSON file."),
    "signer list": ("signer", "List the signers that the ledger knows."),
    "signer enrol": ("signer", "Let a key's records count."),
    "signer revoke": ("signer", "Stop a key's records from counting."),
    "signer administrators": ("signer", "Name who administers the ledger, anew."),
    "signer level": ("signer", "Set how much a signer's word weighs."),
    "org list": ("org", "List the orgs and their signers."),
    "org add": ("org", "Add signers to an org."),
    "org remove": ("org", "Remove signers from an org."),
    "key generate": ("key", "Make a signing key."),
    "key show": ("key", "Show the signing key's id and public key."),
    "ledger init": ("ledger", "Make a ledger."),
    "ledger status": ("ledger", "Show where a ledger stands."),
    "ledger verify": ("ledger", "Check a whole ledger, every byte of it."),
    "ledger audit": ("audit", "Check that a ledger has only grown since last time."),
    "ledger export": ("upkeep", "Write a ledger as static tiles."),
    "ledger backup": ("upkeep", "Copy a ledger while it is in use."),
    "ledger restore": ("upkeep", "Bring a ledger back from a backup."),
    "ledger succeed": ("upkeep", "Begin a new log that follows this one."),
    "ledger migrate": ("upkeep", "Move a ledger to another engine or place."),
    "ledger tail": ("tail", "Record the lines of a log file as they come."),
    "ledger sync": ("sync", "Import what another ledger has, from edge to centre."),
    "ledger resend": ("resend", "Record again what a lost log had recorded."),
    "ledger upgrade": ("upkeep", "Bring a ledger's storage to this version."),
    "ledger prune": ("upkeep", "Delete old evidence bodies; the proofs stay."),
    "ledger erase": ("upkeep", "Destroy personal data of a record for good."),
    "ledger rotate-key": ("upkeep", "Give a ledger a new signing key."),
    "kube admission": ("kube_admission", "Say whether what is to start may."),
    "kube bulk-sign": ("kube_bulk_sign", "Notarize what runs in a cluster as it is."),
    "serve": ("serve", "Serve a ledger over HTTP."),
    "witness": ("witness", "Sign checkpoints of logs that only grew."),
    "kube results": (
        "kube_results",
        "Say once what runs in a cluster, with its verdicts.",
    ),
    "kube watch": ("kube", "Say of what runs in a cluster what the ledger says."),
    "token create": ("token", "Make a token for a service."),
    "token list": ("token", "List the tokens of a service."),
    "token rotate": ("token", "Give a token a new secret."),
    "token revoke": ("token", "Stop a token from holding."),
    "receipt verify": ("receipt", "Check a receipt with no ledger at hand."),
    "doctor": ("doctor", "Check that this machine can notarize."),
    "completion": ("completion", "Print a shell's completion script."),
}
"""(module of ``jenkins_notary.cli``, one line) by the words of the command.

A module with a dot is a whole name: the agent part has commands of its own.
"""


class Command(NamedTuple):
    """One command.

    Attributes:
        declare: Adds the command's options and arguments to its parser.
        run: Does the work and returns the exit code.
        examples: Command lines without the program's name, a line each.
        about: What a person has to know beyond the one line.
        success: What the exit codes below 64 mean.
    """

    declare: Callable[[Parser], None]
    run: Callable[[Context], int]
    examples: str
    about: str = ""
    success: str = "0 done"


class Edition(NamedTuple):
    """Which program runs: the installed one, or the part of it that agents run.

    Attributes:
        program: What ``--version`` calls it.
        commands: (module, one line) by the words of the command.
        is_whole: Whether ledgers on this machine and YAML are at hand.
    """

    program: str
    commands: Mapping[str, tuple[str, str]]
    is_whole: bool


INSTALLED = Edition("jenkins-notary", COMMANDS, is_whole=True)


def load_command(words: str, edition: Edition = INSTALLED) -> Command:
    """Return a command by its words, importing its module."""
    name = edition.commands[words][0]
    module = import_module(name if "." in name else f"jenkins_notary.cli.{name}")
    commands: dict[str, Command] = module.COMMANDS
    return commands[words]


def find_command(argv: list[str], edition: Edition = INSTALLED) -> str:
    """Return the longest command that a command line begins with, or "".

    >>> find_command(["log", "put", "a#1", "console.txt"]), find_command(["sign"])
    ('log put', '')
    """
    pair = " ".join(argv[:2])
    if len(argv) > 1 and pair in edition.commands:
        return pair
    return argv[0] if argv and argv[0] in edition.commands else ""
