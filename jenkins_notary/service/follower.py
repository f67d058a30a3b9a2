"""Hand every new record of the log to whoever wants it, in order, at least once.

Each subscriber has a thread and a cursor of its own: one that fails is tried again
later, and holds up nobody else. A durable cursor is kept in the service's state, so
that a record which came while the service was down, or from another process, is handed
over as well; the others begin with the records behind the present end.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.service.session import Engine, ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.trust.record import ProvenRecord

    Handler = Callable[[ServiceSession, ProvenRecord], object]

POLL_S = 2.0
"""How often the log is looked at for what another process has recorded."""

MAX_STEP = 256
"""Records between two times that a cursor is kept."""

_CURSOR = "cursor"


class Follower:
    """The log's new records, for its subscribers.

    Attributes:
        names: The durable subscribers.
    """

    def __init__(self, engine: Engine, state: ServiceState, tasks: Tasks) -> None:
        """Follow a ledger; nobody wants its records yet."""
        self._engine = engine
        self._state = state
        self._tasks = tasks
        self.names: list[str] = []
        self._wakers: list[threading.Event] = []
        engine.on_commit(self.wake)

    def subscribe(
        self,
        name: str,
        handler: Handler,
        *,
        durable: bool = True,
        from_begin: bool = False,
        kind: str | None = None,
    ) -> None:
        """Have each new record handed to a handler, by a thread of its own.

        Args:
            name: Its name; a durable cursor is kept under it.
            handler: Called with a session and a record. What it raises is told, and
                the record is handed to it again.
            durable: Whether it goes on where it was before the service was stopped.
            from_begin: Whether it wants the records before its first time too.
            kind: The one type of record that it wants, by what the store says of the
                others: for figures. None for all.
        """
        cursor = _Cursor(self, name, durable=durable, from_begin=from_begin)
        if durable:
            self.names.append(name)
        self._repeat(name, lambda: self._advance(cursor, handler, kind))

    def subscribe_entries(
        self, name: str, handler: Callable[[Sequence[bytes]], object]
    ) -> None:
        """Have the log's new entries handed to a handler, page by page.

        They are as the store gives them, not proven, and come a hundred times as
        cheaply as records: for figures, never for what anybody relies on. A page that
        the handler fails on is not handed to it again.

        Args:
            name: Its name.
            handler: Called with entries in order.
        """
        cursor = _Cursor(self, name, durable=False, from_begin=False)
        self._repeat(name, lambda: self._advance_entries(cursor, handler))

    def _repeat(self, name: str, work: Callable[[], object]) -> None:
        """Do some work whenever the log has grown, in a thread of its own."""
        waker = threading.Event()
        self._wakers.append(waker)

        def wait(seconds: float) -> None:
            waker.wait(seconds)
            waker.clear()

        self._tasks.repeat(name, work, wait, POLL_S)

    def lag(self, name: str) -> int:
        """Return how many records a durable subscriber has yet to see."""
        place = self._state.get(_CURSOR, name)
        size = self._engine.session().view().size
        return size if place is None else max(0, size - int(place))

    def wake(self) -> None:
        """Look at the log now: something was recorded, or all is to end."""
        for one in self._wakers:
            one.set()

    def _advance(self, cursor: _Cursor, handler: Handler, kind: str | None) -> None:
        """Hand over what is new."""
        session = self._engine.session()
        try:
            view = session.followed_view()
            place = cursor.load(view.size)
            try:
                while place < view.size and not self._tasks.is_stopping:
                    wanted = _find_next(view, place, kind)
                    if wanted > place:
                        place = wanted
                        continue
                    handler(session, view.record(place))
                    place += 1
                    if place % MAX_STEP == 0:
                        cursor.save(place)
            finally:
                cursor.save(place)
        finally:
            session.close()

    def _advance_entries(
        self, cursor: _Cursor, handler: Callable[[Sequence[bytes]], object]
    ) -> None:
        """Hand over the entries that are new."""
        session = self._engine.session()
        try:
            view = session.view()
            place = cursor.load(view.size)
            while place < view.size and not self._tasks.is_stopping:
                stop = min(place + MAX_STEP, view.size)
                entries = view.read_entries(place, stop)
                place = stop
                cursor.save(place)
                handler(entries)
        finally:
            session.close()


class _Cursor:
    """The index of the record that a subscriber wants next."""

    def __init__(
        self, follower: Follower, name: str, *, durable: bool, from_begin: bool
    ) -> None:
        self._state = follower._state if durable else None  # noqa: SLF001 - of this module
        self._name = name
        self._from_begin = from_begin
        self._place: int | None = None

    def load(self, size: int) -> int:
        """Return where it stands, at the log's end if it never stood anywhere."""
        if self._place is None and self._state is not None:
            self._place = self._state.get(_CURSOR, self._name)
        if self._place is None:
            self.save(0 if self._from_begin else size)
        return self._place or 0

    def save(self, place: int) -> None:
        """Keep where it stands."""
        if place != self._place and self._state is not None:
            self._state.put(_CURSOR, self._name, place)
        self._place = place


def _find_next(view: LedgerView, place: int, kind: str | None) -> int:
    """Return the next index from a place on that is wanted, or a page's end."""
    if kind is None:
        return place
    mark = b'"type":"%b"' % kind.encode()
    entries = view.read_entries(place, min(place + MAX_STEP, view.size))
    found = (place + n for n, one in enumerate(entries) if mark in one)
    return next(found, place + len(entries))
