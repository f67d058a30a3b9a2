"""Print and record console logs: ``log``, ``log put``."""

from __future__ import annotations

from jenkins_notary.cli.commands import Command
from jenkins_notary.cli.options import add_all, add_as_of, add_key, add_ledger
from jenkins_notary.cli.records import show_records
from jenkins_notary.errors import UsageError
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jenkins_notary.cli.context import Context
    from jenkins_notary.cli.options import Parser

MAX_DOCUMENT_BYTES = 64 << 20


def declare_log(parser: Parser) -> None:
    """Add the options of ``log``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL")
    parser.option("--lines", "only these lines, counted from 1", metavar="A:B")
    parser.option("--grep", "only lines with this text, numbered", metavar="TEXT")
    parser.option("--stage", "the log of this stage, not of the build", metavar="NAME")
    add_all(parser, add_as_of, add_ledger)


def declare_put(parser: Parser) -> None:
    """Add the options of ``log put``."""
    parser.argument("JOB_ID", "a build, NAME#NUMBER or its URL")
    parser.argument("FILE", "the log, or - for standard input")
    parser.option("--stage", "the stage that the log is of", metavar="NAME")
    parser.option("--secrets", "what becomes of a log in which secrets are found")
    add_all(parser, add_ledger, add_key)


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
    if not (grep is None and lines is None) and context.text("as-of"):
        raise UsageError("--as-of", expected="a whole log", got="--lines or --grep")
    with context.notary() as notary:
        if grep is None and lines is None:
            chunks = notary.read_log(
                job, stage=context.text("stage"), as_of=context.text("as-of")
            )
        else:
            asked = None if lines is None else parse_lines(lines)
            found = notary.search_log(
                job, stage=context.text("stage"), grep=grep, lines=asked
            )
            chunks = (
                (f"{number}:".encode() if grep is not None else b"") + _ended(line)
                for number, line in found
            )
        if context.output.format == "text":
            for chunk in chunks:
                context.output.write_foreign(chunk)
                if context.output.is_closed:
                    break
            return 0
        return _show_document(context, job, b"".join(_bounded(chunks)))


def run_put(context: Context) -> int:
    """Record a build's log."""
    with context.notary() as notary:
        record = notary.put_log(
            context.word("JOB_ID"),
            context.word("FILE"),
            stage=context.text("stage"),
            secrets=context.text("secrets") or "hold",
        )
    return show_records(context, [record])


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


def _show_document(context: Context, job: str, data: bytes) -> int:
    """Print a log as a document; bytes that are no UTF-8 stand as escapes."""
    text = data.decode(errors="backslashreplace")
    context.output.show({"job": job, "size": len(data), "text": text}, list)
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
log payments/api/main#42 --grep ERROR
""",
        "Every byte is proven before it is printed. Into a file or pipe the log comes\n"
        "byte for byte; on a terminal control characters are shown escaped.",
    ),
    "log put": Command(
        declare_put,
        run_put,
        """
log put payments/api/main#42 console.txt
make 2>&1 | tee /dev/stderr | jenkins-notary log put payments/api/main#42 -
""",
    ),
}
