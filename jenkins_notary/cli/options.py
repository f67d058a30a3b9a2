"""Read one command's options and arguments.

The kinds of options stand in :data:`jenkins_notary.config.OPTIONS`, so that flag,
environment and file cannot disagree. Options and arguments may be mixed; behind
``--`` all is an argument; an option is never abbreviated, so that a script means the
same tomorrow.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from jenkins_notary.config import OPTIONS, variable_name
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    Given = str | bool | list[str] | None

PROGRAM = "jenkins-notary"

_FAILURES = """\
64 usage, 65 integrity: something was altered, 66 not found, 67 ambiguous,
69 unavailable, 70 internal fault, 74 disk, 77 permission, 78 configuration,
130 interrupted. Of several results the code is the worst one's."""

_SOURCES = """\
Every option can also stand in the environment (JENKINS_NOTARY_ and its name, such as
JENKINS_NOTARY_PLAIN_HTTP) and in a YAML file (--config): flag over environment over
file. The opposite of a flag is --no- and its name."""


class Argument(NamedTuple):
    """One argument that is no option.

    Attributes:
        name: In capitals, as help shows it.
        times: ``1``, ``?`` (may be left out), ``+`` (one or more) or ``*``.
        help: One line.
    """

    name: str
    times: str
    help: str


class Arguments(NamedTuple):
    """What a command line holds.

    Attributes:
        options: Given options by name; None for one that was not given.
        words: The arguments by name.
        is_help: Whether help was asked for.
    """

    options: dict[str, Given]
    words: dict[str, list[str]]
    is_help: bool


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width: the same in each terminal and in the docs.

    A width also spares the import that finds the terminal's.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=88)


class Parser(argparse.ArgumentParser):
    """The parser of one command.

    Attributes:
        keys: The flag of each option by its name.
        arguments: The arguments in order.
    """

    def __init__(self, words: str = "", *, about: str = "", epilog: str = "") -> None:
        """Start with ``--help`` alone."""
        self.keys: dict[str, str] = {}
        self.arguments: list[Argument] = []
        super().__init__(
            f"{PROGRAM} {words}".strip(),
            description=about,
            epilog=epilog,
            add_help=False,
            allow_abbrev=False,
            formatter_class=_Formatter,
        )
        self.add_argument(
            "-h", "--help", action="store_true", help="show this help and exit"
        )

    def option(
        self,
        flag: str,
        help: str,  # noqa: A002 - the name that argparse uses
        *,
        metavar: str | None = None,
        short: str | None = None,
        key: str | None = None,
    ) -> None:
        """Add an option whose kind stands in the configuration's table.

        Args:
            flag: With its dashes.
            help: What it does.
            metavar: How its value is called; None for a flag or a choice.
            short: A second spelling of one letter.
            key: Its name in environment and file; None if that is the flag's.
        """
        name = flag[2:] if key is None else key
        kind = OPTIONS[name]
        self.keys[name] = flag
        names = [flag] if short is None else [short, flag]
        if name != flag[2:]:
            help = f"{help} [{variable_name(name)}]"  # noqa: A001 - as above
        if kind == "flag":
            self.add_argument(
                *names, dest=name, help=help, action="store_const", const=True
            )
            # The opposite overrides environment and file; help tells of it once.
            self.add_argument(
                f"--no-{flag[2:]}",
                dest=name,
                help=argparse.SUPPRESS,
                action="store_const",
                const=False,
            )
            return
        if isinstance(kind, tuple):
            metavar = "|".join(kind)
        self.add_argument(
            *names,
            dest=name,
            help=help,
            metavar=metavar,
            action="append" if kind in {"list", "integers"} else "store",
        )

    def argument(self, name: str, help: str, *, count: str = "1") -> None:  # noqa: A002 - as above
        """Add an argument; see :class:`Argument`."""
        self.arguments.append(Argument(name, count, help))

    def read(self, argv: Sequence[str]) -> Arguments:
        """Return what a command line holds.

        Raises:
            UsageError: An unknown option, or too few or too many arguments.
        """
        cut = argv.index("--") if "--" in argv else len(argv)
        found, rest = self.parse_known_args(list(argv[:cut]))
        given: dict[str, Given] = vars(found)
        is_help = given.pop("help") is True
        unknown = [one for one in rest if one.startswith("-") and one != "-"]
        if is_help:
            return Arguments(given, {}, is_help)
        if unknown:
            self.error(f"unknown option {unknown[0][:80]!r}")
        words = self._assign([*rest, *argv[cut + 1 :]])
        return Arguments(given, words, is_help)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        raise UsageError(self.prog, expected="", got=message, advice=_see(self.prog))

    def describe(self) -> str:
        """Return the whole help."""
        self.declare_arguments()
        return self.format_help()

    def declare_arguments(self) -> None:
        """Show the arguments to what reads the parser: help and completion."""
        for name, count, text in self.arguments:
            nargs = None if count == "1" else count
            self.add_argument(name.lower(), metavar=name, nargs=nargs, help=text)

    def _assign(self, words: list[str]) -> dict[str, list[str]]:
        """Return the words by the arguments that they are."""
        assigned: dict[str, list[str]] = {}
        for name, count, _ in self.arguments:
            taken = len(words) if count in {"+", "*"} else 1
            assigned[name], words = words[:taken], words[taken:]
            if not assigned[name] and count in {"1", "+"}:
                self.error(f"no {name}")
        if words:
            self.error(f"one argument too many: {words[0][:80]!r}")
        return assigned


def make_epilog(examples: str, success: str) -> str:
    """Return the end of a command's help: examples, exit codes, other sources."""
    lines = "\n".join(
        f"  {one}" if PROGRAM in one else f"  {PROGRAM} {one}"
        for one in examples.strip().splitlines()
    )
    return f"examples:\n{lines}\n\nexit codes: {success};\n{_FAILURES}\n\n{_SOURCES}\n"


def add_all(parser: Parser, *groups: Callable[[Parser], None]) -> None:
    """Add several groups of options, then what every command knows."""
    for add in groups:
        add(parser)
    add_common(parser)


def add_common(parser: Parser) -> None:
    """Add what every command knows."""
    parser.option("--output", "how results are printed", short="-o")
    parser.option("--quiet", "print no notices and no progress", short="-q")
    parser.option("--config", "the YAML file of options", metavar="FILE")


def add_ledger(parser: Parser) -> None:
    """Add what every command that opens a ledger knows."""
    parser.option("--ledger", "the ledger, sqlite:///PATH or a path", metavar="URL")
    parser.option(
        "--log",
        "the key that must have signed the ledger's checkpoints",
        metavar="VKEY",
    )


def add_key(parser: Parser) -> None:
    """Add what every command that signs knows."""
    parser.option("--key", "the signer's private key, a PEM file", metavar="FILE")
    parser.option(
        "--passphrase-file",
        "a file with the key's passphrase (or JENKINS_NOTARY_KEY_PASSPHRASE)",
        metavar="FILE",
    )


def add_co_keys(parser: Parser) -> None:
    """Add what every command that makes trust records knows."""
    parser.option(
        "--co-key", "the key of a further administrator who signs too", metavar="FILE"
    )


def add_registry(parser: Parser) -> None:
    """Add how registries and web servers are asked."""
    parser.option(
        "--ca-file", "certificates that registries are checked with", metavar="FILE"
    )
    parser.option(
        "--plain-http", "a registry that may be asked without TLS", metavar="HOST"
    )


def add_as_of(parser: Parser) -> None:
    """Add the option that goes back in time."""
    parser.option(
        "--as-of", "as the ledger was at a time or tree size", metavar="TIME|SIZE"
    )


def add_assets(parser: Parser) -> None:
    """Add the words that name assets, and how they are read."""
    parser.argument(
        "ASSET",
        "a path, pattern, file:// dir:// git:// image:// docker:// podman:// https:// "
        "oci-archive: docker-archive: sha256: or - for a list on standard input",
        count="*",
    )
    parser.option(
        "--null", "the list on standard input is separated by NUL", short="-0"
    )
    parser.option("--name", "the name of the one asset", metavar="NAME")
    add_registry(parser)


def _see(program: str) -> str:
    """Return the advice of a usage error."""
    return f"see {program} --help"
