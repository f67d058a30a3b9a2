"""Compare a notarized log with what Jenkins serves now.

Both are read once, in constant memory. Where the text may not be shown (a log that is
held back) or was not kept, that they differ is told, and not the text.

A log that grew is recorded as ``progressiveText``, which ends lines by CRLF and
replaces what is no UTF-8; Jenkins' ``consoleText`` is brought to the same form for it.
"""

from __future__ import annotations

import codecs
import hashlib
from contextlib import ExitStack
from itertools import chain

from jenkins_notary.api.bodies import body_of, check_readable
from jenkins_notary.api.builds.names import names_of
from jenkins_notary.api.evidence import find_records
from jenkins_notary.api.logs.keeping import DIGEST
from jenkins_notary.api.logs.recording import CONSOLE_TEXT, GROWING, MAX_RECORDS
from jenkins_notary.errors import NotFoundError, PermissionDeniedError, UsageError
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.evidence.comparison import Comparison, compare_logs
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.query import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, BinaryIO

    from jenkins_notary.api.logs.recording import FoundLog
    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import Jenkins

PROGRESSIVE_TEXT = "progressiveText"
IDENTICAL = "identical"
BEGINNING = "beginning"
TRUNCATED = "truncated"
ALTERED = "altered"
_OUTCOMES = {
    IDENTICAL: "Jenkins serves the notarized log",
    BEGINNING: "Jenkins serves the notarized log, and has more behind it",
    TRUNCATED: "Jenkins serves only the beginning of the notarized log",
    ALTERED: "Jenkins serves another log than the notarized one",
}
_PIECE = 1 << 20


class LogCheck(NamedTuple):
    """How a notarized log compares with what Jenkins serves.

    Attributes:
        log: The notarized log.
        outcome: ``identical``; ``beginning``, of a log that still grew when it was
            recorded; ``truncated`` or ``altered``.
        comparison: The details.
        is_shown: Whether the differing lines may be shown.
        served_from: The controller's root URL.
    """

    log: FoundLog
    outcome: str
    comparison: Comparison
    is_shown: bool
    served_from: str

    @property
    def code(self) -> int:
        """Return the exit code: 0, or 65 where Jenkins' log was altered or cut."""
        return 0 if self.outcome in {IDENTICAL, BEGINNING} else 65

    def describe(self) -> str:
        """Return the outcome in one line."""
        return _OUTCOMES[self.outcome]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        found = self.comparison
        value: dict[str, Any] = {
            "job": self.log.job,
            "outcome": self.outcome,
            "code": self.code,
            "jenkins": self.served_from,
            "recorded_size": found.recorded_size,
            "served_size": found.served_size,
            "served_sha256": found.served_sha256,
            "log": self.log.to_dict(),
        }
        if self.code:
            value["difference"] = {
                "offset": found.offset,
                "line": found.line,
                "recorded": _show(found.recorded) if self.is_shown else None,
                "served": _show(found.served) if self.is_shown else None,
            }
        return value


def check_log(session: Session, jenkins: Jenkins, log: FoundLog) -> LogCheck:
    """Compare a notarized log with what Jenkins serves now.

    Args:
        session: An open ledger.
        jenkins: The controller of the job.
        log: A log of a whole build.

    Raises:
        NotFoundError: Jenkins has the build, or its log, no more; or the recorded
            text is gone too.
        UsageError: A log of a stage, or in a form that Jenkins cannot be asked for.
        UnavailableError: Jenkins does not answer.
        IntegrityError: The recorded text is not the one that was signed.
    """
    if log.stage is not None or log.form not in {CONSOLE_TEXT, PROGRESSIVE_TEXT}:
        raise UsageError(
            f"log of {log.job}",
            expected=f"the log of a whole build, as {CONSOLE_TEXT}",
            got=f"that of stage {log.stage!a}" if log.stage else f"form {log.form}",
        )
    name, number, is_running = _find_build(session, jenkins, log)
    with ExitStack() as stack:
        stream = _open_console(jenkins, name, number, log, stack=stack)
        served: Iterable[bytes] = _read_stream(stream)
        recorded = _read_recorded(session, log)
        if recorded is None:
            comparison = _compare_digest(log, served)
        else:
            if log.form == PROGRESSIVE_TEXT:
                recorded, served = _plain(recorded), _plain(_as_unicode(served))
            comparison = compare_logs(recorded, served)
    return LogCheck(
        log,
        _judge(comparison, is_growing=is_running or log.state == GROWING),
        comparison,
        _is_readable(session, log),
        jenkins.controller().url,
    )


def _open_console(
    jenkins: Jenkins, name: str, number: int, log: FoundLog, *, stack: ExitStack
) -> BinaryIO:
    """Return the log that Jenkins serves, open until the stack is left.

    Raises:
        NotFoundError: Jenkins lost it.
    """
    try:
        return stack.enter_context(jenkins.console(name, number))
    except NotFoundError as error:
        raise NotFoundError(
            error.subject,
            expected=error.expected,
            got=error.got,
            advice=f"Jenkins lost it; what was notarized: jenkins-notary log {log.job}",
        ) from error


def _judge(comparison: Comparison, *, is_growing: bool) -> str:
    """Return the outcome of a comparison."""
    if comparison.is_same:
        return IDENTICAL
    if comparison.is_prefix and is_growing:
        return BEGINNING
    is_cut = comparison.offset == comparison.served_size
    return TRUNCATED if is_cut else ALTERED


def _is_readable(session: Session, log: FoundLog) -> bool:
    """Return whether the text of all pieces of a log may be shown."""
    try:
        for record in log.pieces:
            check_readable(session, record)
    except (NotFoundError, PermissionDeniedError):
        return False
    return True


def _find_build(
    session: Session, jenkins: Jenkins, log: FoundLog
) -> tuple[str, int, bool]:
    """Return name and number under which Jenkins has a log's build, and if it runs.

    Raises:
        NotFoundError: It has it no more, or another one under its id.
    """
    job = parse_job_id(log.job)
    build, name = None, job.name
    for candidate in names_of(session.followed_view(), job, log.record.index):
        try:
            build, name = jenkins.build(candidate, job.number), candidate
            break
        except NotFoundError:
            continue
    advice = f"the notarized log is kept: jenkins-notary log {log.job}"
    if build is None:
        raise NotFoundError(
            f"build {log.job}",
            expected="to be in Jenkins",
            got=_describe_loss(session, log),
            advice=advice,
        )
    started, now = log.started, build.get("timestamp")
    if started is not None and type(now) is int and parse_as_of(started)[1] != now:
        raise NotFoundError(
            f"build {log.job}",
            expected=f"the one that started at {started}",
            got=f"another one, that started at {format_time(now)}: the job was made "
            "again, and the build is gone",
            advice=advice,
        )
    return name, job.number, bool(build.get("building"))


def _describe_loss(session: Session, log: FoundLog) -> str:
    """Return why Jenkins has a build no more, as far as it was recorded."""
    query = Query(job=log.job, started=log.started, limit=MAX_RECORDS)
    for one in reversed(find_records(session, query)):
        statement = one.record.statement
        if one.record.leaf.type != "deletion" or one.standing != "enrolled":
            continue
        event = statement.predicate.get("event") if statement is not None else None
        at = event.get("at") if isinstance(event, dict) else None
        return f"none: deleted at {str(at)[:40]}, as record #{one.record.index} says"
    return "none: Jenkins lost or deleted it"


def _read_recorded(session: Session, log: FoundLog) -> Iterator[bytes] | None:
    """Return an iterator over the recorded bytes; None where they were not kept.

    What is held back is read too: it is compared, and never shown.
    """
    if len(log.pieces) == 1 and log.kept == DIGEST:
        return None
    bodies = [body_of(one) for one in log.pieces]
    if len(bodies) == 1 and not session.all_bodies.has(bodies[0].sha256_hex):
        return None
    return chain.from_iterable(read_body(session.all_bodies, one) for one in bodies)


def _compare_digest(log: FoundLog, served: Iterable[bytes]) -> Comparison:
    """Compare by digest alone: where they part is not known."""
    body, digest, size = body_of(log.record), hashlib.sha256(), 0
    for piece in served:
        digest.update(piece)
        size += len(piece)
    is_same = (size, digest.hexdigest()) == (body.size, body.sha256_hex)
    return Comparison(body.size, size, digest.hexdigest(), None if is_same else -1)


def _read_stream(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream's bytes in pieces."""
    while data := stream.read(_PIECE):
        yield data


def _plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield a text with ``\n`` for each ``\r\n``.

    >>> b"".join(_plain([b"a\r", b"\nb\r\n"]))
    b'a\nb\n'
    """
    held = b""
    for piece in pieces:
        data = held + piece
        held = b"\r" if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)].replace(b"\r\n", b"\n")
    yield held


def _as_unicode(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a text in which what is no UTF-8 is replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()


def _show(line: bytes | None) -> str | None:
    """Return a line as text; bytes that are no UTF-8 stand as escapes."""
    return None if line is None else line.decode(errors="backslashreplace")
