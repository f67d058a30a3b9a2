"""Answer the API's questions for jobs, for the text of a log and for an envelope."""

from __future__ import annotations

from itertools import chain

from jenkins_notary.api.bodies import body_of
from jenkins_notary.api.builds.jobs import list_jobs
from jenkins_notary.api.logs.reading import find_extract, read_lines, read_log
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.answers.handlers import see, within
from jenkins_notary.service.http.asks import (
    check_known,
    parse_number,
    required_text,
    text_of,
)
from jenkins_notary.serving.replies import Reply
from jenkins_notary.values.jobid import format_job_id, parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from jenkins_notary.api.logs.reading import LogExtract
    from jenkins_notary.service.answers.handlers import Call

MAX_JOBS = 1000
TEXT = "text/plain; charset=utf-8"
_BATCH_BYTES = 64 << 10


def jobs(call: Call) -> dict[str, Any]:
    """Return a page of the jobs that are on record and may be seen."""
    asked = call.query
    check_known(asked, {"prefix", "after", "limit"})
    limit = parse_number(asked, "limit", 100) or 0
    if not 0 < limit <= MAX_JOBS:
        raise UsageError("limit", expected=f"1 to {MAX_JOBS}", got=str(limit))
    found, following = list_jobs(
        call.session.followed_view(),
        sees=call.who.sees,
        prefix=text_of(asked, "prefix", 2048) or "",
        after=text_of(asked, "after", 2048) or "",
        limit=limit,
    )
    return {
        "jobs": [
            {
                "name": one.name,
                "newest": format_job_id(one.newest),
                "index": one.record.index,
                "timestamp": format_time(one.record.leaf.at_ms),
            }
            for one in found
        ],
        "next": following,
    }


def log_text(call: Call) -> Reply:
    """Return the text of a build's log, proven while it is sent.

    A log that is not what was signed breaks off.
    """
    asked = call.query
    check_known(asked, {"job", "stage", "started", "asOf", "lines", "grep"})
    extract = find_readable(call, required_text(asked, "job", 4096))
    grep, lines = text_of(asked, "grep", 1000), parse_lines(asked)
    if grep is not None and lines is not None:
        raise UsageError("query", expected="lines or grep", got="both")
    if grep is None and lines is None and extract.ranges is None:
        # How long it is stands first, so that a client notices a broken answer.
        size = sum(body_of(one).size for one in extract.log.pieces)
        length = {"Content-Length": str(size)}
        whole = _begin(read_log(call.session, extract.log))
        return Reply(whole, TEXT, headers=length)
    found = read_lines(call.session, extract, grep=grep, lines=lines)
    return Reply(_begin(_join(found, numbered=grep is not None)), TEXT)


def envelope(call: Call) -> Reply:
    """Return what was signed, byte for byte: a DSSE envelope."""
    one = see(call)
    data = call.session.followed_view().envelope_bytes(one)
    if data is None:
        raise NotFoundError(f"record #{one.index}", got=f"erased by #{one.erased_by}")
    return Reply(data, "application/json")


def find_readable(call: Call, job: str) -> LogExtract:
    """Return a build's log, or a stage of it, that the query names.

    Raises:
        NotFoundError: There is none that may be seen.
    """
    asked = call.query
    extract = find_extract(
        call.session,
        within(call.who, format_job_id(parse_job_id(job))),
        stage=text_of(asked, "stage", 4096) or None,
        started=text_of(asked, "started", 100) or None,
        as_of=text_of(asked, "asOf", 100),
    )
    if not all(call.who.sees(one) for one in extract.log.pieces):
        raise NotFoundError(f"log of {job[:200]}", got="none that this token may see")
    return extract


def parse_lines(asked: Mapping[str, str]) -> tuple[int, int] | None:
    """Return (first, last) of the lines that a query asks for, None for all.

    >>> parse_lines({"lines": "10:20"}), parse_lines({"lines": "7"}), parse_lines({})
    ((10, 20), (7, 7), None)

    Raises:
        UsageError: No range of lines from 1 on.
    """
    text = asked.get("lines")
    if text is None:
        return None
    first, colon, last = text.partition(":")
    bounds = (first, last if colon else first)
    if all(one.isascii() and one.isdigit() and len(one) < 16 for one in bounds):
        start, stop = int(bounds[0]), int(bounds[1])
        if 0 < start <= stop:
            return start, stop
    raise UsageError("lines", expected="A:B, line numbers from 1 on", got=text[:40])


def _begin(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first piece, so that what fails at once has a status of its own."""
    first = next(pieces, b"")
    return chain([first], pieces)


def _join(found: Iterator[tuple[int, bytes]], *, numbered: bool) -> Iterator[bytes]:
    """Yield lines, each with its break, in pieces that are worth sending."""
    batch = bytearray()
    for number, line in found:
        if numbered:
            batch += b"%d:" % number
        batch += line if line.endswith(b"\n") else line + b"\n"
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)
