"""Hold the claims of builds to their controllers, beside the requests.

Each record that claims something of a build is noted by the follower, durably, by its
job id. One worker takes what is due: once the build has ended its claims are compared
and the verdict is recorded (``api.corroborate``). A build that runs is asked for again
after a while, a controller that does not answer is left alone for the rest of the
round, and what could not be compared within a week is given up, which is told.

One build is asked for at a time, so one controller too. Of a build with any number of
claims one entry waits.
"""

from __future__ import annotations

import threading

from jenkins_notary.api.builds.corroborate import Corroborator
from jenkins_notary.errors import (
    NotaryError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.build_claim import read_claim
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from jenkins_notary.service.follower import Follower
    from jenkins_notary.service.session import Engine, ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.trust.record import ProvenRecord

NAME = "corroborate"
INTERVAL_S = 2.0
FIRST_MS = 2_000
"""How long a claim waits at first: a step claims while its build runs."""

RUNNING_MS = 60_000
"""The longest pause between two looks at a build that runs."""

LONGEST_MS = 600_000
MAX_AGE_MS = 7 * 86_400_000
MAX_ROUND = 100
"""Builds that one round asks for."""

PAGE = 500
MAX_LOOKED_AT = 20_000
"""Builds that wait and are looked at in one round: the rest has its turn later."""


class Corroboration:
    """The claims that wait for their builds to end."""

    def __init__(
        self,
        engine: Engine,
        state: ServiceState,
        report: Callable[[str, str], object],
    ) -> None:
        """Compare what is claimed in a service's ledger.

        Args:
            engine: The open ledger.
            state: Where what waits is kept.
            report: Told of what was given up: a name, and why.
        """
        self._engine = engine
        self._state = state
        self._report = report
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()

    def start(self, follower: Follower, tasks: Tasks) -> None:
        """Begin, if the service may read any controller."""
        session = self._engine.session()
        try:
            self._known = frozenset(session.controllers().instances)
        finally:
            session.close()
        if self._known:
            follower.subscribe(NAME, self.note)
            tasks.every(INTERVAL_S, f"{NAME}-builds", lambda: self.work(tasks))

    def note(self, session: ServiceSession, record: ProvenRecord) -> None:
        """Have the build of a record asked for, if the record claims anything."""
        if read_claim(record, session.signer().keyid) is None:
            return
        assert record.statement is not None  # noqa: S101 - it claims something
        job = record.statement.job_id or ""
        if not self._can_ask(job):
            return
        now_ms = session.clock.now_ms()
        with self._lock:
            before = self._state.get(NAME, job)
            waiting = {
                "index": record.index,
                "since": now_ms if before is None else before["since"],
                "due": now_ms + FIRST_MS,
                "pause": FIRST_MS,
            }
            self._state.put(NAME, job, waiting)

    def waiting(self) -> int:
        """Return how many builds wait, as far as a round looks."""
        return sum(1 for _ in self._scan())

    def work(self, tasks: Tasks) -> None:
        """Compare the claims of builds that are due."""
        session = self._engine.session()
        away: set[str | None] = set()
        done = 0
        try:
            for job, waiting in self._scan():
                if tasks.is_stopping or done >= MAX_ROUND:
                    return
                if waiting["due"] <= session.clock.now_ms():
                    done += 1
                    self._compare(session, job, waiting, away)
        finally:
            session.close()

    def _can_ask(self, text: str) -> bool:
        """Return whether the controller of a job id is one that may be read."""
        try:
            instance = parse_job_id(text).instance
        except UsageError:
            return False
        return len(self._known) == 1 if instance is None else instance in self._known

    def _scan(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield (job id, what waits), in pages."""
        after = ""
        for _ in range(0, MAX_LOOKED_AT, PAGE):
            page = self._state.scan(NAME, after=after, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1][0]

    def _compare(
        self,
        session: ServiceSession,
        text: str,
        waiting: Mapping[str, Any],
        away: set[str | None],
    ) -> None:
        """Compare the claims of one build, or have it wait on."""
        job = parse_job_id(text)
        if job.instance in away:
            return
        try:
            client = session.controllers().client(job.instance)
            found = Corroborator(session, client).corroborate(job)
        except (PermissionDeniedError, UnavailableError) as error:
            away.add(job.instance)
            self._postpone(session, text, waiting, str(error))
        except NotaryError as error:
            # Whatever is wrong with this one must not hold up the others.
            self._postpone(session, text, waiting, str(error))
        else:
            if found.is_running:
                self._postpone(session, text, waiting, None)
            else:
                self._forget(text, waiting)

    def _forget(self, text: str, waiting: Mapping[str, Any]) -> None:
        """Let a build wait no more, unless more of it was claimed meanwhile."""
        with self._lock:
            now = self._state.get(NAME, text)
            if now is None or now["index"] == waiting["index"]:
                self._state.delete(NAME, text)

    def _postpone(
        self,
        session: ServiceSession,
        text: str,
        waiting: Mapping[str, Any],
        fault: str | None,
    ) -> None:
        """Have a build wait on, twice as long as before; give it up at last."""
        now_ms = session.clock.now_ms()
        if now_ms - waiting["since"] > MAX_AGE_MS:
            self._report(NAME, f"claims of {text} are given up: {fault or 'it runs'}")
            self._forget(text, waiting)
            return
        longest = RUNNING_MS if fault is None else LONGEST_MS
        pause = min(2 * waiting["pause"], longest)
        with self._lock:
            now = self._state.get(NAME, text) or waiting
            later = {**waiting, "index": now["index"], "due": now_ms + pause}
            self._state.put(NAME, text, {**later, "pause": pause})
        if fault is not None:
            self._report(NAME, f"claims of {text} wait: {fault}")
