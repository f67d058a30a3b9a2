"""Read a build's log from a service: found there, proven and cut into lines here.

The service says which log it is and where a stage stands in it; that the text is what
was recorded is checked: the receipt of each record, its envelope, the body's digest.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.lines import grep_chunks, number_lines
from jenkins_notary.evidence.stages import select_lines
from jenkins_notary.remote.reading.bodies import read_body
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.body import parse_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from jenkins_notary.remote.answers import AnswerChecker
    from jenkins_notary.remote.service import Service
    from jenkins_notary.values.body import Body

MAX_RANGES = 100_000


class RemoteLog(NamedTuple):
    """A log that a service has.

    Attributes:
        value: What it says of it; see ``LogExtract.to_dict``.
        about: Lines on it for a person.
        bodies: Its pieces, in order, as their records sign them.
        ranges: The lines of a stage, (first, last) from 1, or None for the whole log.
    """

    value: dict[str, Any]
    about: list[str]
    bodies: list[Body]
    ranges: list[tuple[int, int]] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self.value

    @property
    def job(self) -> str:
        """Return the job id that its record names."""
        return str(self.value["job"])


def parse_log(answer: Mapping[str, Any], checker: AnswerChecker) -> RemoteLog:
    """Return the log in an answer, its records proven.

    Raises:
        IntegrityError: A record is not proven, or is not of this log.
    """
    value, pieces, about = (answer.get(key) for key in ("log", "pieces", "about"))
    if not isinstance(value, dict) or not isinstance(pieces, list) or not pieces:
        raise _wrong("a log and its records")
    bodies = [_prove_piece(one, value, checker) for one in pieces]
    if [one["record"]["index"] for one in pieces] != value.get("indexes"):
        raise _wrong("the records that the log names")
    lines = about if isinstance(about, list) else []
    return RemoteLog(
        value,
        [one for one in lines if isinstance(one, str)],
        bodies,
        _parse_ranges(value.get("lines")),
    )


def read_whole(service: Service, log: RemoteLog) -> Iterator[bytes]:
    """Yield the bytes of a log, its pieces joined."""
    for body in log.bodies:
        yield from read_body(service, body.sha256_hex, body.size)


def read_lines(
    service: Service,
    log: RemoteLog,
    *,
    grep: str | None = None,
    lines: tuple[int, int] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line) of what was asked for; numbers are the whole log's."""
    chunks = read_whole(service, log)
    found = number_lines(chunks) if grep is None else grep_chunks(chunks, grep)
    if log.ranges is not None:
        found = select_lines(found, log.ranges)
    return found if lines is None else select_lines(found, [lines])


def _prove_piece(piece: object, log: Mapping[str, Any], checker: AnswerChecker) -> Body:
    """Return the body that a log's record signs."""
    known = piece if isinstance(piece, dict) else {}
    record, envelope = known.get("record"), known.get("envelope")
    if not isinstance(record, dict) or not isinstance(envelope, str):
        raise _wrong("a record and its envelope")
    checked = checker.check_envelope(record, envelope.encode("utf-8", "surrogatepass"))
    statement = checked.statement
    assert statement is not None  # noqa: S101 - the envelope was given
    if checked.leaf.type != "log" or statement.job_id != log.get("job"):
        raise _wrong(f"a log of {log.get('job')}")
    return parse_body(statement.predicate.get("body"), subject="body of a log")


def _parse_ranges(value: object) -> list[tuple[int, int]] | None:
    """Return the lines of a stage, None for the whole log."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_RANGES:
        raise _wrong("ranges of lines")
    found, last = [], 0
    for one in value:
        is_pair = isinstance(one, list) and [type(o) for o in one] == [int, int]
        if not is_pair or not last < one[0] <= one[1]:
            raise _wrong("ranges of lines in order")
        found.append((one[0], one[1]))
        last = one[1]
    return found


def _wrong(expected: str) -> IntegrityError:
    """Return the error for an answer that does not hold."""
    return IntegrityError(
        "log of a service",
        expected=expected,
        got="something else",
        advice="do not rely on it: have the service and its ledger checked",
    )
