"""Print a shell's completion script: ``completion``."""

from __future__ import annotations

from jenkins_notary.cli.commands import COMMANDS as ALL
from jenkins_notary.cli.commands import Command, load_command
from jenkins_notary.cli.options import PROGRAM, Parser, add_common
from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from jenkins_notary.cli.context import Context

SHELLS = ("bash", "zsh", "tcsh")


def declare(parser: Parser) -> None:
    """Add the options of ``completion``."""
    parser.argument("SHELL", ", ".join(SHELLS))
    add_common(parser)


def run(context: Context) -> int:
    """Print the script."""
    shell = context.word("SHELL")
    if shell not in SHELLS:
        raise UsageError("SHELL", expected=" or ".join(SHELLS), got=repr(shell[:40]))
    import shtab

    script: str = shtab.complete(make_whole_parser(), shell)
    context.output.write(script.encode() + b"\n")
    return 0


def make_whole_parser() -> argparse.ArgumentParser:
    """Return one parser of all commands, as completion and the docs need it."""
    import argparse

    root = argparse.ArgumentParser(PROGRAM)
    root.add_argument("--version", action="store_true", help="show the version")
    places = {"": root.add_subparsers(dest="command")}
    groups = {words.split()[0] for words in ALL if " " in words}
    for words, (_, summary) in ALL.items():
        group, _, name = words.rpartition(" ")
        if group and group not in places:
            parent = places[""].add_parser(group, help=f"{group} ...")
            places[group] = parent.add_subparsers(dest=group)
        if name in groups and not group:
            # `log` is a command and a group: completion offers both.
            own = places[""].add_parser(name, help=summary)
            places[name] = own.add_subparsers(dest=name)
            _copy(words, own)
            continue
        _copy(words, places[group].add_parser(name, help=summary))
    return root


def _copy(words: str, target: argparse.ArgumentParser) -> None:
    """Add a command's options to a parser, so that shtab sees them."""
    import shtab

    parser = Parser(words)
    load_command(words).declare(parser)
    parser.declare(target)
    for action in target._actions:  # noqa: SLF001 - argparse offers no list of them
        if action.metavar in {"FILE", "ASSET"}:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # shtab's way
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined] # as above


COMMANDS = {
    "completion": Command(
        declare,
        run,
        """
completion bash > /etc/bash_completion.d/jenkins-notary
completion zsh > ~/.zfunc/_jenkins-notary
""",
    )
}
