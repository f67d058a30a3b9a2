"""Commit what many requests record in few syncs.

Requests put what they want recorded into a queue and wait. One thread takes all that
wait, signs them on one view of the ledger, commits them together, and answers all of
them once they are durable, each with its proof, from one view behind the commit. That
is one sync, one checkpoint and one reading of the trust log for all.

What is wrong with one request fails that one alone. Should the commit fail for a fault
that one of them brought, each is tried by itself.

The queue is bounded: who finds it full is told to come again, and nothing waits longer
than :data:`MAX_WAIT_S`.
"""

from __future__ import annotations

import queue
import threading

from jenkins_notary.errors import (
    InternalError,
    NotaryError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.shapes import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.service.session import WriterSession

MAX_WAITING = 1024
MAX_GROUP = 128
MAX_WAIT_S = 60.0


class BusyError(UnavailableError):
    """There is too much to do for now; come again."""


class Work(Protocol):
    """What a request wants recorded."""

    def prepare(self, session: Session) -> Sequence[bytes]:
        """Return the signed envelopes.

        Raises:
            NotaryError: They may not be recorded.
        """

    def finish(self, session: Session, indexes: Sequence[int]) -> Any:  # noqa: ANN401 - its own matter
        """Return the answer, when they are durable at these indexes."""


class Waiting:
    """One request's work, and what came of it.

    Attributes:
        result: Its answer, once it is done.
        error: Why there is none, or None.
    """

    __slots__ = ("_on_done", "envelopes", "error", "indexes", "result", "work")

    def __init__(self, work: Work, on_done: Callable[[Waiting], object]) -> None:
        """Wait; ``on_done`` is called by the committing thread."""
        self.work = work
        self._on_done = on_done
        self.envelopes: Sequence[bytes] = ()
        self.indexes: Sequence[int] = ()
        self.result: Any = None
        self.error: NotaryError | None = None

    def wake(self) -> None:
        """Tell whoever waits."""
        self._on_done(self)

    def attempt(self, step: Callable[[], None]) -> None:
        """Do a step unless one before has failed; keep what is wrong."""
        if self.error is not None:
            return
        try:
            step()
        except NotaryError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - one must not stop the others
            self.error = InternalError("record", got=f"{type(error).__name__}: {error}")


class Committer:
    """The one thread that appends.

    Attributes:
        on_commit: Called by it after each commit, before anybody is answered.
    """

    def __init__(
        self, session: WriterSession, *, max_waiting: int = MAX_WAITING
    ) -> None:
        """Start.

        Args:
            session: The ledger; used by the one thread only.
            max_waiting: Requests that may wait.
        """
        self.on_commit: Callable[[], object] = lambda: None
        self._session = session
        self._queue: queue.Queue[Waiting | None] = queue.Queue(max_waiting)
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)
        self._thread.start()

    def submit(self, work: Work, on_done: Callable[[Waiting], object]) -> None:
        """Have work done soon; ``on_done`` is called by another thread.

        Raises:
            BusyError: Too many wait.
        """
        if self._is_closed:
            raise BusyError("service", expected="one that runs", got="one that stops")
        try:
            self._queue.put_nowait(Waiting(work, on_done))
        except queue.Full:
            raise BusyError(
                "service", expected="room for another record", got="too many that wait"
            ) from None

    def append(self, envelopes: Sequence[bytes]) -> list[int]:
        """Append envelopes; return their indexes, once durable.

        Raises:
            BusyError: Too many wait.
            NotaryError: They cannot be appended.
        """
        if not envelopes:
            return []
        done = threading.Event()
        found: list[Waiting] = []

        def keep(waiting: Waiting) -> None:
            found.append(waiting)
            done.set()

        self.submit(_Envelopes(envelopes), keep)
        if not done.wait(MAX_WAIT_S):
            raise BusyError("ledger", expected="a commit", got="none in time")
        if found[0].error is not None:
            raise found[0].error
        return [*found[0].indexes]

    def close(self) -> None:
        """Commit what waits, then stop."""
        self._is_closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        """Commit group after group until told to stop."""
        is_last = False
        while not is_last:
            group: list[Waiting] = []
            one = self._queue.get()
            while one is not None:
                group.append(one)
                if len(group) == MAX_GROUP or self._queue.empty():
                    break
                one = self._queue.get()
            is_last = one is None
            self._commit(group)

    def _commit(self, group: Sequence[Waiting]) -> None:
        """Commit a group; wake everybody in it, whatever happens."""
        self._session.begin()
        for one in group:
            one.attempt(lambda one=one: self._prepare(one))  # type: ignore[misc]  # bound at once
        self._append_all([one for one in group if one.error is None])
        for one in group:
            one.attempt(lambda one=one: self._finish(one))  # type: ignore[misc]  # as above
        for one in group:
            one.wake()

    def _prepare(self, one: Waiting) -> None:
        one.envelopes = one.work.prepare(self._session)

    def _finish(self, one: Waiting) -> None:
        one.result = one.work.finish(self._session, one.indexes)

    def _append_all(self, group: Sequence[Waiting]) -> None:
        """Append what a group has prepared, together if that can be."""
        error = self._append(group) if group else None
        if error is None:
            return
        is_ours = not isinstance(error, (StorageError, UnavailableError))
        for one in group:
            one.error = self._append([one]) if is_ours and len(group) > 1 else error

    def _append(self, group: Sequence[Waiting]) -> NotaryError | None:
        """Append some envelopes together; return what was wrong, None for nothing."""
        try:
            indexes = self._session.append([e for one in group for e in one.envelopes])
        except NotaryError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the thread must go on
            return InternalError("commit", got=f"{type(error).__name__}: {error}")
        place = 0
        for one in group:
            one.indexes = indexes[place : place + len(one.envelopes)]
            place += len(one.envelopes)
        self.on_commit()
        return None


class _Envelopes:
    """Work that is signed already."""

    def __init__(self, envelopes: Sequence[bytes]) -> None:
        self._envelopes = envelopes

    def prepare(self, session: Session) -> Sequence[bytes]:  # noqa: ARG002 - the port's
        """Return them."""
        return self._envelopes

    def finish(self, session: Session, indexes: Sequence[int]) -> Sequence[int]:  # noqa: ARG002 - the port's
        """Return where they stand."""
        return indexes
