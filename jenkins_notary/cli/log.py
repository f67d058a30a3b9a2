"""Print the console logs of builds: ``log``."""

from __future__ import annotations

import json

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import (
    add_all,
    add_as_of,
    add_jenkins,
    add_ledger,
    add_service,
)
from jenkins_notary.errors import UsageError
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jenkins_notary.api.logs.check import LogCheck
    from jenkins_notary.api.logs.reading import LogExtract
    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser
    from jenkins_notary.evidence.checkpoint_lines import CheckpointLines
    from jenkins_notary.remote.reading.logs import RemoteLog

MAX_DOCUMENT_BYTES = 64 << 20


def declare_log(parser: Parser) -> None:
    """Add the options of ``log``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL")
    parser.option("--lines", "only these lines, counted from 1", metavar="A:B")
    parser.option("--grep", "only lines with this text, numbered", metavar="TEXT")
    parser.option("--stage", "only the lines of this stage", metavar="NAME")
    parser.option("--started", "of builds of one id, that of this time", metavar="TIME")
    parser.option(
        "--excerpt", "write lines or stage with their proof to a file", metavar="FILE"
    )
    parser.option("--checkpoints", "the ledger's checkpoints in the log; no text")
    parser.option("--verify", "compare with the log that Jenkins serves now; no text")
    add_all(parser, add_as_of, add_ledger, add_service, add_jenkins)


def run_log(context: Context) -> int:
    """Print a build's log, or some of its lines."""
    job, grep, lines = (
        context.word("JOB_ID"),
        context.text("grep"),
        context.text("lines"),
    )
    # A folder has many logs: none of them is chosen.
    parse_job_id(job)
    if grep is not None and lines is not None:
        raise UsageError("--lines", expected="--lines or --grep", got="both")
    asked = None if lines is None else parse_lines(lines)
    read = _read_remote if context.is_remote else _read_here
    return read(context, job, grep, asked)


def _read_here(
    context: Context, job: str, grep: str | None, asked: tuple[int, int] | None
) -> int:
    """Print a log of a ledger on this machine, or what is known of it."""
    with context.notary() as notary:
        found = notary.find_log(
            job,
            stage=context.text("stage"),
            started=context.text("started"),
            as_of=context.text("as-of"),
        )
        for line in found.about:
            context.output.notice(line)
        if context.flag("verify"):
            return _show_check(context, notary.verify_log(found))
        if context.flag("checkpoints"):
            return _show_checkpoints(context, found, notary.log_checkpoints(found))
        path = context.text("excerpt")
        if path is not None:
            return _write_proof(context, path, notary.prove_lines(found, asked))
        if grep is None and asked is None:
            return _print(context, found, notary.read_log(found))
        lines = notary.search_log(found, grep=grep, lines=asked)
        return _print(context, found, _number(lines, is_numbered=grep is not None))


def _read_remote(
    context: Context, job: str, grep: str | None, asked: tuple[int, int] | None
) -> int:
    """Print a log that a service has."""
    for name in ("verify", "checkpoints", "excerpt"):
        if context.flag(name) or context.text(name) is not None:
            raise UsageError(
                f"--{name}",
                expected="a ledger on this machine",
                got="a notary service",
                advice="run it on the service's own host, with the ledger's path",
            )
    with context.remote_reader() as notary:
        found = notary.find_log(
            job,
            stage=context.text("stage"),
            started=context.text("started"),
            as_of=context.text("as-of"),
        )
        for line in found.about:
            context.output.notice(line)
        if grep is None and asked is None:
            return _print(context, found, notary.read_log(found))
        lines = notary.search_log(found, grep=grep, lines=asked)
        return _print(context, found, _number(lines, is_numbered=grep is not None))


def _number(
    lines: Iterable[tuple[int, bytes]], *, is_numbered: bool
) -> Iterator[bytes]:
    """Yield lines as they are printed, with their numbers where these are wanted."""
    for number, line in lines:
        yield (f"{number}:".encode() if is_numbered else b"") + _ended(line)


def parse_lines(text: str) -> tuple[int, int]:
    """Return (first line, last line) of ``A:B`` or ``A``.

    >>> parse_lines("10:20"), parse_lines("7")
    ((10, 20), (7, 7))

    Raises:
        UsageError: Not a range of lines from 1 on.
    """
    first, colon, last = text.partition(":")
    bounds = (first, last if colon else first)
    if all(one.isascii() and one.isdigit() and len(one) < 16 for one in bounds):
        start, stop = int(bounds[0]), int(bounds[1])
        if 0 < start <= stop:
            return start, stop
    raise UsageError(
        f"--lines {text[:40]!r}", expected="A:B, two line numbers from 1 on"
    )


def _print(
    context: Context, found: LogExtract | RemoteLog, chunks: Iterable[bytes]
) -> int:
    """Print a log's bytes, or a document with them and what is known of the log."""
    if context.output.format == "text":
        for chunk in chunks:
            context.output.write_foreign(chunk)
            if context.output.is_closed:
                break
        return 0
    data = b"".join(_bounded(chunks))
    # Bytes that are no UTF-8 stand as escapes.
    described = found.to_dict()
    document = {
        "job": described["job"],
        "size": len(data),
        "text": data.decode(errors="backslashreplace"),
        "log": described,
    }
    context.output.show(document, list)
    return 0


def _show_check(context: Context, check: LogCheck) -> int:
    """Print how a log compares with that of Jenkins; return 0 or 65."""

    def show() -> Iterator[str]:
        yield check.describe()
        found = check.comparison
        yield f"  notarized  {found.recorded_size} bytes"
        yield f"  Jenkins    {found.served_size} bytes, from {check.served_from}"
        if check.code and found.line is not None:
            yield f"  first line that differs: {found.line}"
            if check.is_shown:
                yield f"  - notarized: {_show_line(found.recorded)}"
                yield f"  + Jenkins:   {_show_line(found.served)}"
        if check.code and not (check.is_shown and found.line is not None):
            yield "  the text is held back or was not kept, so it is not shown"

    context.output.show(check.to_dict(), show)
    return check.code


def _show_line(line: bytes | None) -> str:
    """Return a line as text, or that there is none."""
    return (
        "(the log ends before it)"
        if line is None
        else line.decode(errors="backslashreplace")
    )


def _show_checkpoints(
    context: Context, found: LogExtract, lines: CheckpointLines
) -> int:
    """Print the ledger's checkpoints that stand in a log."""
    verified = [
        {
            "line": one.line,
            "origin": one.checkpoint.origin,
            "tree_size": one.checkpoint.size,
            "root": one.checkpoint.root.hex(),
        }
        for one in lines.verified
    ]
    document = {
        "job": found.log.job,
        "checkpoints": verified,
        "ignored": lines.ignored,
        "log": found.to_dict(),
    }
    ignored = f"{lines.ignored} lines that look like checkpoints are not by the ledger"
    rows = [
        f"line {one['line']}: {one['origin']} at size {one['tree_size']}, by the ledger"
        for one in verified
    ]
    context.output.show(document, lambda: [*rows, ignored])
    return 0


def _write_proof(context: Context, path: str, proof: dict[str, object]) -> int:
    """Write lines with their proof to a new file, or to standard output for ``-``."""
    data = json.dumps(proof, indent=1).encode() + b"\n"
    if path == "-":
        context.output.write(data)
        return 0
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise UsageError(
            f"--excerpt {path}", expected="a file that is not there yet", got="one"
        ) from error
    excerpts = proof["excerpts"]
    assert isinstance(excerpts, list)  # noqa: S101 - it was made so
    document = {"excerpt": path, "size": len(data), "ranges": len(excerpts)}
    how = f"jenkins-notary receipt verify --excerpt {path} --log VKEY"
    context.output.show(document, lambda: [f"{path}: anyone checks it by {how}"])
    return 0


def _ended(line: bytes) -> bytes:
    """Return a line that ends in a line break."""
    return line if line.endswith(b"\n") else line + b"\n"


def _bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks as long as they fit into a document."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_DOCUMENT_BYTES:
            raise UsageError(
                "--output",
                expected="text, for so long a log",
                advice="or choose --lines",
            )
        yield chunk


COMMANDS = {
    "log": Command(
        declare_log,
        run_log,
        """
log ci.example.com:payments/api/main#42
log payments/api/main#42 --lines 100:120
log payments/api/main#42 --stage Test --grep ERROR
log payments/api/main#42 --lines 100:120 --excerpt lines.json
log payments/api/main#42 --verify --jenkins-url https://ci.example.com/
""",
        "Every byte is proven before it is printed. Into a file or pipe the log comes\n"
        "byte for byte; on a terminal control characters are shown escaped. Which log\n"
        "it is, and its form, is said on standard error.\n\n"
        "A stage has the bounds that the controller gave. Where it gave none they are\n"
        "found by text, and labelled so: any build can print such text. Of a stage a\n"
        "line of more than 64 KiB comes cut.\n\n"
        "--verify answers 0 when Jenkins serves the same log, 65 when it was altered\n"
        "or cut (with the first line that differs), 66 when Jenkins lost it.",
    ),
}
