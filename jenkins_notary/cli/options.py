"""Read one command's options and arguments.

The kinds of options stand in :data:`jenkins_notary.config.OPTIONS`, so that flag,
environment and file cannot disagree. The rules, which hold in each command:

- Options and arguments may be mixed; behind ``--`` all is an argument, and ``-`` alone
  is one.
- A value follows as the next word or behind ``=``: ``--job X``, ``--job=X``, ``-o X``,
  ``-oX``. A value that begins with a dash needs the ``=``, so that a forgotten value
  does not swallow the next option.
- An option is never abbreviated, so that a script means the same tomorrow. Of an
  option that is given again the last counts; a list collects all.
- ``--no-FLAG`` is the opposite of a flag.

The command line is read here by hand: argparse costs 3 ms of the 40 that a whole
``notarize`` may take, so it only writes the help.
"""

from __future__ import annotations

from jenkins_notary.config import OPTIONS, variable_name
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

    from jenkins_notary.config import Kind

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


class Option(NamedTuple):
    """One option.

    Attributes:
        name: Its name in environment and file.
        flag: With its dashes.
        short: A second spelling of one letter, or None.
        kind: Its kind in the configuration's table.
        metavar: How help calls its value; None for a flag.
        help: One line.
    """

    name: str
    flag: str
    short: str | None
    kind: Kind
    metavar: str | None
    help: str


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
        words: The arguments by name; empty when help was asked for.
        is_help: Whether it was.
    """

    options: dict[str, Given]
    words: dict[str, list[str]]
    is_help: bool


class Parser:
    """The parser of one command.

    Attributes:
        program: The program's name and the command's words.
        options: The options in order.
        arguments: The arguments in order.
    """

    def __init__(self, words: str = "") -> None:
        """Start with ``--help`` alone."""
        self.program = f"{PROGRAM} {words}".strip()
        self.options: list[Option] = []
        self.arguments: list[Argument] = []

    @property
    def flags(self) -> dict[str, str]:
        """Return the flag of each option by its name."""
        return {one.name: one.flag for one in self.options}

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
        if not isinstance(kind, str):
            metavar = "|".join(kind)
        self.options.append(Option(name, flag, short, kind, metavar, help))

    def argument(self, name: str, help: str, *, count: str = "1") -> None:  # noqa: A002 - as above
        """Add an argument; see :class:`Argument`."""
        self.arguments.append(Argument(name, count, help))

    def read(self, argv: Sequence[str]) -> Arguments:
        """Return what a command line holds.

        Raises:
            UsageError: An unknown option, one without its value, or too few or too
                many arguments.
        """
        given: dict[str, Given] = {one.name: None for one in self.options}
        cut = argv.index("--") if "--" in argv else len(argv)
        if not {"-h", "--help"}.isdisjoint(argv[:cut]):
            return Arguments(given, {}, is_help=True)
        rest: list[str] = []
        words = iter(argv[:cut])
        for word in words:
            if word == "-" or not word.startswith("-"):
                rest.append(word)
            elif word.startswith("--"):
                self._read_long(word, words, given)
            else:
                self._read_short(word, words, given)
        return Arguments(given, self._assign([*rest, *argv[cut + 1 :]]), is_help=False)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        raise UsageError(self.program, got=message, advice=f"see {self.program} --help")

    def describe(self, about: str, epilog: str) -> str:
        """Return the whole help."""
        import argparse

        class Formatter(argparse.RawDescriptionHelpFormatter):
            """Help of a fixed width: the same in each terminal and in the docs."""

            def __init__(self, prog: str) -> None:
                super().__init__(prog, max_help_position=28, width=88)

        parser = argparse.ArgumentParser(
            self.program, description=about, epilog=epilog, formatter_class=Formatter
        )
        self.declare(parser)
        return parser.format_help()

    def declare(self, parser: argparse.ArgumentParser) -> None:
        """Declare all to a parser of argparse, which writes help and completion."""
        for one in self.options:
            names = [one.flag] if one.short is None else [one.short, one.flag]
            text = one.help
            if one.name != one.flag[2:]:
                text = f"{text} [{variable_name(one.name)}]"
            if one.kind == "flag":
                parser.add_argument(
                    *names, dest=one.name, help=text, action="store_true"
                )
            else:
                parser.add_argument(
                    *names, dest=one.name, help=text, metavar=one.metavar
                )
        for name, times, text in self.arguments:
            nargs = None if times == "1" else times
            parser.add_argument(name.lower(), metavar=name, nargs=nargs, help=text)

    def _read_long(
        self, word: str, words: Iterator[str], given: dict[str, Given]
    ) -> None:
        """Read an option of two dashes."""
        flag, mark, value = word.partition("=")
        for one in self.options:
            if flag == one.flag and one.kind != "flag":
                self._store(one, value if mark else self._next(one, words), given)
                return
            if one.kind == "flag" and flag in {one.flag, f"--no-{one.flag[2:]}"}:
                if mark:
                    self.error(f"{flag}: takes no value")
                given[one.name] = flag == one.flag
                return
        self.error(f"unknown option {flag[:80]!r}")

    def _read_short(
        self, word: str, words: Iterator[str], given: dict[str, Given]
    ) -> None:
        """Read options of one dash: ``-q``, ``-o json``, ``-ojson``, ``-q0``."""
        letters = word[1:]
        while letters:
            flag, letters = f"-{letters[0]}", letters[1:]
            found = [one for one in self.options if one.short == flag]
            if not found:
                self.error(f"unknown option {word[:80]!r}")
            one = found[0]
            if one.kind == "flag":
                given[one.name] = True
            else:
                value = (
                    letters[letters[0] == "=" :] if letters else self._next(one, words)
                )
                self._store(one, value, given)
                return

    def _next(self, option: Option, words: Iterator[str]) -> str:
        """Return the next word as an option's value."""
        value = next(words, None)
        if value is None:
            self.error(f"{option.flag}: no value")
        if value.startswith("-") and value != "-" and not value[1:].isdigit():
            self.error(f"{option.flag}: no value, or write {option.flag}={value[:80]}")
        return value

    def _store(self, option: Option, value: str, given: dict[str, Given]) -> None:
        """Keep an option's value."""
        if option.kind not in {"list", "integers"}:
            given[option.name] = value
            return
        kept = given[option.name]
        given[option.name] = [*kept, value] if isinstance(kept, list) else [value]

    def _assign(self, words: list[str]) -> dict[str, list[str]]:
        """Return the words by the arguments that they are."""
        assigned: dict[str, list[str]] = {}
        for name, times, _ in self.arguments:
            taken = len(words) if times in {"+", "*"} else 1
            assigned[name], words = words[:taken], words[taken:]
            if not assigned[name] and times in {"1", "+"}:
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
    parser.option(
        "--ledger",
        "the ledger, sqlite:///PATH or a path, or https://... of a service",
        metavar="URL",
    )
    parser.option(
        "--log",
        "the key that must have signed the ledger's checkpoints, or a C2SP policy file",
        metavar="VKEY",
    )


def add_service(parser: Parser) -> None:
    """Add what every command that can ask a notary service knows."""
    parser.option(
        "--token-file",
        "a file with the service's token (or JENKINS_NOTARY_TOKEN)",
        metavar="FILE",
    )
    parser.option(
        "--timeout", "seconds that a service may take in all; else 20", metavar="N"
    )


def add_spool(parser: Parser) -> None:
    """Add what every command that sends what is to be recorded knows."""
    parser.option(
        "--spool",
        "a folder that keeps what a service that is away is to record; see deliver",
        metavar="DIR",
    )


def add_claims(parser: Parser) -> None:
    """Add what every command that records assets knows."""
    parser.option(
        "--claims",
        "record nothing: write what is claimed to a file, for another to record",
        metavar="FILE",
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
        "--ca-file", "certificates that servers are checked with", metavar="FILE"
    )
    parser.option(
        "--plain-http", "a host that may be asked without TLS", metavar="HOST"
    )


def add_jenkins(parser: Parser) -> None:
    """Add what every command that reads Jenkins knows."""
    parser.option("--jenkins-url", "the controller's root URL", metavar="URL")
    parser.option("--jenkins-user", "who reads there", metavar="NAME")
    parser.option(
        "--jenkins-token-file",
        "a file with the user's API token (or JENKINS_NOTARY_JENKINS_TOKEN)",
        metavar="FILE",
    )
    parser.option("--controllers", "a YAML file of several controllers", metavar="FILE")
    add_registry(parser)


def add_cluster(parser: Parser) -> None:
    """Add what every command that asks a Kubernetes API server knows."""
    parser.option(
        "--kubeconfig",
        "how the API server is reached, outside of a pod",
        metavar="FILE",
    )
    parser.option(
        "--kube-context", "which of its contexts; else the current one", metavar="NAME"
    )


def add_rule(parser: Parser) -> None:
    """Add whose word counts where a program judges on its own."""
    parser.option("--org", "only its signers count", metavar="NAME")
    parser.option("--signer", "only this signer counts", metavar="ID")


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
