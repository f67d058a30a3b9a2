"""Read builds while they run, and the ends of their logs, within a short time.

A request waits for the answer, so a controller that hangs must not hold it: each
request of a controller has seconds, all of them together have :data:`LIMIT_S`. Only
:data:`MAX_AT_ONCE` ask one controller at a time, :data:`MAX_OF_ONE` with one token:
builds that never print their line hold up those of their own folder alone.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from jenkins_notary.errors import UnavailableError
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.jenkins.transport import HttpSettings
from jenkins_notary.service.commits import BusyError
from jenkins_notary.values.jobid import format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.jenkins.client import JenkinsClient
    from jenkins_notary.values.jobid import JobId

LIMIT_S = 9.0
MAX_AT_ONCE = 8
MAX_OF_ONE = 4
MAX_SEARCHED = 32 << 20
"""Bytes of a log that one request looks through."""

_CONNECT_S, _READ_S = 2.0, 4.0
_WAIT_S = 2.0
_KEPT = 512
"""Bytes of a line that is not whole yet."""


class RunningBuild:
    """One build, asked for one request."""

    def __init__(self, client: JenkinsClient, job: JobId) -> None:
        """Ask nothing yet."""
        self._client = client
        self._job = job

    def read(self) -> BuildInfo:
        """Return what the controller says of it now."""
        value = self._client.build(self._job.name, self._job.number)
        return parse_build(value, subject=format_job_id(self._job))

    def log_end(self) -> int:
        """Return where its log ends, as an offset for :meth:`find`."""
        return self._client.console_end(self._job.name, self._job.number)

    def find(self, wanted: re.Pattern[bytes], place: dict[str, Any]) -> bool:
        """Return whether a line is in the log behind an offset.

        Args:
            wanted: Matches the line.
            place: Its ``offset`` is moved behind what was looked through.
        """
        tail, searched = b"", 0
        while searched < MAX_SEARCHED:
            part = self._client.console_part(
                self._job.name, self._job.number, place["offset"]
            )
            data = tail + part.data
            if wanted.search(data):
                return True
            if part.next_start == place["offset"]:
                return False
            searched += len(part.data)
            begun = len(data) - data.rfind(b"\n") - 1
            tail = data[-begun:] if 0 < begun <= _KEPT else b""
            place["offset"] = part.next_start
        return False


class RunningBuilds:
    """The builds of the controllers that a service may read."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, str | None], threading.Semaphore] = {}

    def resolve(self, session: Session, job: JobId) -> JobId | None:
        """Return a job id with its controller; None for one that cannot be read."""
        known = session.controllers().instances
        if job.instance is None and len(known) == 1:
            job = job._replace(instance=known[0])
        return job if job.instance in known else None

    @contextmanager
    def ask(self, session: Session, job: JobId, token: str) -> Iterator[RunningBuild]:
        """Give a build to a block, which may ask of it for a short time.

        Raises:
            BusyError: Too many ask its controller, or do so with this token.
        """
        instance = str(job.instance)
        own = self._turn(instance, token, MAX_OF_ONE)
        with own, self._turn(instance, None, MAX_AT_ONCE):
            client = session.controllers().open(
                instance, HttpSettings(_CONNECT_S, _READ_S, _make_pause(instance))
            )
            try:
                yield RunningBuild(client, job)
            finally:
                client.close()

    @contextmanager
    def _turn(self, instance: str, token: str | None, most: int) -> Iterator[None]:
        """Wait until fewer than so many ask, with one token or with any."""
        with self._lock:
            turn = self._turns.setdefault((instance, token), threading.Semaphore(most))
        if not turn.acquire(timeout=_WAIT_S):
            raise BusyError(
                f"Jenkins {instance}", expected="time for another question", got="none"
            )
        try:
            yield
        finally:
            turn.release()


def _make_pause(instance: str) -> Callable[[float], None]:
    """Return what waits between requests as long as there is time."""
    deadline = time.monotonic() + LIMIT_S

    def pause(seconds: float) -> None:
        if time.monotonic() + seconds > deadline:
            raise UnavailableError(
                f"Jenkins {instance}", expected="answers in time", got="none"
            )
        time.sleep(seconds)

    return pause
