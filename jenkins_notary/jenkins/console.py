"""Open a whole console log, and tell a lost one from one that reads like it.

Jenkins has no status for a log that it lost. It answers 200 and

- ``No such file: <path of the log>`` without a line end (freestyle and others), or
- nothing at all (Pipeline), or
- a Java stack trace (a Pipeline whose external log store does not answer).

A log may hold that text too, or be empty. So where the whole log is one of the first
two, it is asked in a second way: ``progressiveText`` tells the size of the raw file;
"more to come" behind size 0 means that there is none, or that a running build has not
written yet, which the build tells. The third is told by its first two lines: Jenkins
begins a log with the build's causes, not with a failure.

Not told, because Jenkins does not: a Pipeline's ``consoleText`` leaves out a last line
that has no line break. A log that Jenkins finished has none such.

Source: Jenkins core ``Run.getLogInputStream``, stapler ``LargeText.doProgressText``,
workflow-api ``BrokenLogStorage``; the first two tried on Jenkins 2.421.
"""

from __future__ import annotations

import io
import re
from contextlib import ExitStack

from jenkins_notary.assets.asset import printable
from jenkins_notary.errors import NotFoundError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from jenkins_notary.jenkins.transport import Transport

_LOOK_AHEAD = 16 * 1024
_LOST = re.compile(rb"No such file: [^\r\n]{1,8192}[/\\]log(?:\.gz)?")
_TRACE = re.compile(
    rb"(?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:: [^\n]*)?\r?\n(?:Caused: [^\n]*\n|\tat )"
)


def open_console(transport: Transport, path: str, subject: str) -> BinaryIO:
    """Return a build's ``consoleText`` as a stream.

    Args:
        transport: How to ask.
        path: The build's path below the root URL, ending in ``/``.
        subject: The log, for messages.

    Raises:
        NotFoundError: Jenkins lost the log, or its log store does not have it.
        NotaryError: See ``transport.Transport.open``.
    """
    with ExitStack() as stack:
        answer = transport.open(f"{path}consoleText", subject)
        stack.enter_context(answer.body)
        check_text(answer.headers, subject)
        head = answer.body.read(_LOOK_AHEAD)
        if _TRACE.match(head):
            raise _lost(subject, "a Java stack trace instead: its log store is away")
        if len(head) == _LOOK_AHEAD:
            stack.pop_all()
            return io.BufferedReader(_Rejoined(head, answer.body))
    if not head or _LOST.fullmatch(head):
        _check_there(transport, path, subject, head)
    return io.BytesIO(head)


def check_text(headers: Mapping[str, str], subject: str) -> None:
    """Raise UnavailableError if an answer is no plain text but a page, say."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "text/plain":
        raise UnavailableError(
            subject,
            expected="plain text",
            got=printable(kind, 40) or "no type",
            advice="check that the URL is Jenkins' own, not that of a login page",
        )


def _check_there(transport: Transport, path: str, subject: str, head: bytes) -> None:
    """Raise NotFoundError if Jenkins has no log file; see this module."""
    part = f"{path}logText/progressiveText?start=0"
    headers, _ = transport.read(part, subject, limit=2 * _LOOK_AHEAD)
    size = headers.get("X-Text-Size", "")
    if not (size.isascii() and size.isdigit()):
        raise UnavailableError(
            subject,
            expected="the header X-Text-Size",
            got="none",
            advice="without it nobody can tell a lost log; a proxy takes it away",
        )
    if int(size) or headers.get("X-More-Data", "").lower() != "true":
        return
    if head:
        raise _lost(subject, "its text for a lost one")
    build = transport.read_json(f"{path}api/json?tree=building", subject)
    if not (isinstance(build, dict) and build.get("building") is True):
        raise _lost(subject, "none of a build that has ended")


def _lost(subject: str, got: str) -> NotFoundError:
    """Return the error of a log that is not there."""
    return NotFoundError(
        subject,
        expected="a log",
        got=got,
        advice="nothing is recorded of it; see the controller's disk or log store",
    )


class _Rejoined(io.RawIOBase):
    """What was looked at, and the rest behind it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # What BufferedReader hands in.
        if self._head:
            piece, self._head = (self._head[: len(buffer)], self._head[len(buffer) :])
        else:
            piece = self._rest.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._rest.close()
        super().close()
