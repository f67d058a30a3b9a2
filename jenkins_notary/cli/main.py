"""Run the command line: the only place that exits.

Whatever happens ends in one of the codes of :mod:`jenkins_notary.errors`, or 130 when
interrupted; never in a traceback, and never in a code of the runtime, for 1 and 2 are
verdicts. ``JENKINS_NOTARY_DEBUG=1`` adds the traceback of an internal fault.

Source: DESIGN section 6 (exit codes).
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys

from jenkins_notary.cli.commands import INSTALLED, find_command, load_command
from jenkins_notary.cli.context import Context
from jenkins_notary.cli.options import PROGRAM, Parser, make_epilog
from jenkins_notary.cli.output import Output
from jenkins_notary.config import settle
from jenkins_notary.errors import (
    InternalError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO, NoReturn

    from jenkins_notary.cli.commands import Edition

INTERRUPTED = 130
GC_THRESHOLD = 50_000
_FORMATS = ("text", "json", "yaml")
_ERRNOS = {
    **dict.fromkeys((errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO), StorageError),
    **dict.fromkeys((errno.EACCES, errno.EPERM), PermissionDeniedError),
    errno.ENOENT: NotFoundError,
    # A path that cannot be: a file where a folder is needed, a loop, too long a name.
    **dict.fromkeys(
        (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
        UsageError,
    ),
}


def run(edition: Edition = INSTALLED) -> NoReturn:
    """Run as a program: the console script's entry point."""
    # A cold start makes thousands of objects and no garbage: looking for cycles in
    # them costs 2 ms of a notarize. Long work is still cleaned up.
    gc.set_threshold(GC_THRESHOLD)
    _open_missing_streams()
    code = main(
        sys.argv[1:],
        os.environ,
        stdin=sys.stdin.buffer if sys.stdin else None,
        stdout=sys.stdout.buffer if sys.stdout else _open_nowhere(),
        stderr=sys.stderr.buffer if sys.stderr else _open_nowhere(),
        edition=edition,
    )
    # All output was flushed and the ledger closed. What has registered itself for the
    # exit runs; the interpreter's dismantling of every module, 5 ms, does not, nor
    # does it wait for threads that an interrupt left behind.
    atexit._run_exitfuncs()  # noqa: SLF001 - no public name calls them
    os._exit(code)


def main(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdin: BinaryIO | None,
    stdout: BinaryIO,
    stderr: BinaryIO,
    edition: Edition = INSTALLED,
) -> int:
    """Run one command line and return its exit code; never raises.

    Args:
        argv: The words behind the program's name.
        environ: The environment.
        stdin: Standard input, or None where there is none.
        stdout: Where results go.
        stderr: Where notices and errors go.
        edition: Which program this is.
    """
    output = Output(stdout, stderr, environ, format=_guess_format(argv, environ))
    try:
        return _dispatch(list(argv), environ, stdin, output, edition=edition)
    except KeyboardInterrupt:
        output.is_quiet = False
        output.notice("interrupted")
        return INTERRUPTED
    except NotaryError as error:
        return output.fail(error)
    except OSError as error:
        return output.fail(_translate(error, environ, output))
    except Exception as error:
        return output.fail(_describe_fault(error, environ, output))


def _dispatch(
    argv: list[str],
    environ: Mapping[str, str],
    stdin: BinaryIO | None,
    output: Output,
    *,
    edition: Edition,
) -> int:
    """Find the command, read its options, run it."""
    words = find_command(argv, edition)
    if not words:
        return _run_bare(argv, output, edition)
    rest = argv[len(words.split()) :]
    command = load_command(words, edition)
    parser = make_parser(words, edition)
    given = parser.read(rest)
    if given.is_help:
        output.write(describe_command(words, parser, edition).encode())
        return 0
    settings = settle(
        given.options,
        environ,
        spelled=parser.flags,
        reads_files=edition.is_whole,
    )
    context = Context(
        settings,
        given.words,
        environ=environ,
        stdin=stdin,
        output=output,
        is_whole=edition.is_whole,
    )
    output.format = context.text("output") or "text"
    if output.format == "yaml" and not edition.is_whole:
        output.format = "text"
        raise UsageError("--output yaml", expected="text or json in the agent part")
    output.is_quiet = context.flag("quiet")
    for warning in settings.warnings:
        output.notice(warning)
    return command.run(context)


def make_parser(words: str, edition: Edition = INSTALLED) -> Parser:
    """Return the parser of a command."""
    parser = Parser(words)
    load_command(words, edition).declare(parser)
    return parser


def describe_command(words: str, parser: Parser, edition: Edition = INSTALLED) -> str:
    """Return the help of a command."""
    command = load_command(words, edition)
    summary = edition.commands[words][1]
    about = "\n\n".join(one for one in (summary, command.about) if one)
    return parser.describe(about, make_epilog(command.examples, command.success))


def format_overview(group: str = "", edition: Edition = INSTALLED) -> str:
    """Return the help that lists all commands, or those of a group."""
    rows = [
        (words, summary)
        for words, (_, summary) in edition.commands.items()
        if not group or words.split()[0] == group
    ]
    width = max(len(words) for words, _ in rows)
    lines = "\n".join(f"  {words:<{width}}  {summary}" for words, summary in rows)
    usage = f"usage: {PROGRAM} {group or 'COMMAND'} ..."
    about = "" if group else "Notarize what Jenkins builds, and prove it offline.\n\n"
    end = f"{PROGRAM} COMMAND --help tells the options, examples and exit codes."
    return f"{usage}\n\n{about}commands:\n{lines}\n\n{end}\n"


def _run_bare(argv: list[str], output: Output, edition: Edition) -> int:
    """Answer a command line that names no command."""
    groups = {words.split()[0] for words in edition.commands if " " in words}
    first = argv[0] if argv else ""
    if first in {"-h", "--help", "help"}:
        output.write(format_overview(edition=edition).encode())
        return 0
    if first in {"-V", "--version"}:
        output.write(f"{edition.program} {VERSION}\n".encode())
        return 0
    if first in groups and argv[1:2] and argv[1] in {"-h", "--help"}:
        output.write(format_overview(first, edition).encode())
        return 0
    if find_command(argv):
        raise UsageError(
            f"command {find_command(argv)}",
            expected="one of " + ", ".join(edition.commands),
            advice="the agent part has no other: use the installed jenkins-notary",
        )
    group = first if first in groups else ""
    named = " ".join(argv[: 2 if group else 1])
    if first.startswith("-"):
        raise UsageError(
            f"option {first[:80]!r}",
            expected="a command first",
            advice=f"{PROGRAM} COMMAND {first.split('=')[0][:80]} ...",
        )
    raise UsageError(
        f"{PROGRAM} {group}".strip(),
        expected=f"a command{' of ' + group if group else ''}",
        got=repr(named[:80]) if named != group else "none",
        advice=_suggest(named, edition)
        or f"see {PROGRAM} {group} --help".replace("  ", " "),
    )


def _suggest(named: str, edition: Edition) -> str:
    """Return a hint to a command that is written alike, or ""."""
    from difflib import get_close_matches

    near = get_close_matches(named, edition.commands, 1, 0.75) if named else []
    return f"did you mean {PROGRAM} {near[0]}?" if near else ""


def _guess_format(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the format of an error that comes before the options are read."""
    found = environ.get("JENKINS_NOTARY_OUTPUT", "")
    for place, word in enumerate(argv):
        if word == "--":
            break
        if word in {"-o", "--output"}:
            found = argv[place + 1] if place + 1 < len(argv) else ""
        elif word.startswith("--output="):
            found = word.partition("=")[2]
        elif word.startswith("-o"):
            found = word[3:] if word[2:3] == "=" else word[2:]
    return found if found in _FORMATS else "text"


def _translate(
    error: OSError, environ: Mapping[str, str], output: Output
) -> NotaryError:
    """Return what an error of the system means to the caller."""
    kind = _ERRNOS.get(error.errno or 0)
    if kind is None or _is_debug(environ):
        fault = _describe_fault(error, environ, output)
        if kind is None:
            return fault
    return kind(str(error.filename or "system"), got=error.strerror or "an error")


def _describe_fault(
    error: Exception, environ: Mapping[str, str], output: Output
) -> NotaryError:
    """Return the one-line error of a fault of this program."""
    if _is_debug(environ):
        import traceback

        for line in traceback.format_exc().splitlines():
            output.notice(line)
    if isinstance(error, MemoryError):
        return InternalError("memory", expected="enough", got="too little")
    return InternalError(
        "internal fault",
        got=f"{type(error).__name__}: {str(error)[:300]}",
        advice="JENKINS_NOTARY_DEBUG=1 shows where; please report it",
    )


def _is_debug(environ: Mapping[str, str]) -> bool:
    """Return whether tracebacks are wanted."""
    return environ.get("JENKINS_NOTARY_DEBUG", "") not in {"", "0"}


def _open_nowhere() -> BinaryIO:
    """Return a stream for what nobody reads; it stays open until the end."""
    return open(os.devnull, "wb")


def _open_missing_streams() -> None:
    """Open the standard descriptors that the caller closed.

    Otherwise the ledger's own file could become descriptor 1 or 2, and what a library
    prints would be written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
