"""Send new records to whoever listens: server-sent events, ``GET /api/v1/events``.

::

    id: 41
    event: record
    data: {"index": 41, "type": "notarization", ...}

``id`` is the record's index: who comes back with ``Last-Event-ID`` misses nothing. Each
listener reads the log at its own pace, a page at a time, so one that dawdles costs no
memory; what it may not see is left out. Now and then an ``id`` alone is sent, to keep
the connection, and it is looked whether the listener may still listen.

Source: HTML Living Standard, section 9.2.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from jenkins_notary.api.evidence import show_record
from jenkins_notary.errors import NotaryError, UsageError
from jenkins_notary.service.access.limits import TooManyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.follower import Follower
    from jenkins_notary.service.session import Engine
    from jenkins_notary.serving.metrics import Metrics

MAX_LISTENERS = 200
MAX_OF_ONE = 10
PAGE = 100
PAGE_BYTES = 256 << 10
"""A page ends with the record that reaches so many: each listener holds one."""

HEARTBEAT_S = 15.0


class Events:
    """Who listens to the log."""

    def __init__(self, engine: Engine, follower: Follower, metrics: Metrics) -> None:
        """Follow the log, for nobody yet."""
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wakers: dict[asyncio.Event, str] = {}
        self._is_over = False
        follower.subscribe("events", lambda *_: self._wake_soon(), durable=False)
        metrics.gauge(
            "listeners", "Who listens to events.", read=lambda: len(self._wakers)
        )

    def enter(self, who: Principal) -> asyncio.Event:
        """Let somebody listen; return what is set when there is something new.

        Raises:
            TooManyError: Too many do.
        """
        self._loop = asyncio.get_running_loop()
        own = sum(one == who.title for one in self._wakers.values())
        if own >= MAX_OF_ONE or len(self._wakers) >= MAX_LISTENERS:
            raise TooManyError.of("events", f"at most {MAX_OF_ONE} of one caller", 60)
        waker = asyncio.Event()
        self._wakers[waker] = who.title
        return waker

    def stop(self) -> None:
        """End all streams; called in the event loop."""
        self._is_over = True
        self._wake()

    def begin(self, last_id: str | None) -> int:
        """Return the index of the first record that is sent.

        Raises:
            UsageError: The id is none that this log has given.
        """
        size = self._engine.session().followed_view().size
        if last_id is None:
            return size
        is_number = last_id.isascii() and last_id.isdigit() and len(last_id) < 20
        if not is_number or int(last_id) >= size:
            raise UsageError("Last-Event-ID", expected=f"below {size}")
        return int(last_id) + 1

    def read(self, place: int, who: Principal) -> tuple[list[bytes], int, int]:
        """Return (events that somebody may see, index behind them, size of the log)."""
        view = self._engine.session().followed_view()
        stop = min(view.size, place + PAGE)
        found, size = [], 0
        for index in range(place, stop):
            record = view.record(index)
            if who.sees(record):
                shown = show_record(view, record, receipt=False).to_dict()
                text = json.dumps(shown, separators=(",", ":"))
                found.append(f"id: {index}\nevent: record\ndata: {text}\n\n".encode())
                size += len(text)
            if size >= PAGE_BYTES:
                return found, index + 1, view.size
        return found, stop, view.size

    async def follow(
        self,
        waker: asyncio.Event,
        place: int,
        read: Callable[[int], Awaitable[tuple[list[bytes], int, int]]],
        check: Callable[[], object],
    ) -> AsyncIterator[bytes]:
        """Yield events until the listener goes, may no more, or the service stops.

        Args:
            waker: From :meth:`enter`.
            place: Index of the first record.
            read: Reads a page, in a thread.
            check: Raises once the listener may listen no more.
        """
        try:
            yield b"retry: 5000\n\n"
            checked_s = time.monotonic()
            while not self._is_over:
                waker.clear()
                # A log that is never quiet is no reason not to look.
                if time.monotonic() - checked_s >= HEARTBEAT_S:
                    check()
                    checked_s = time.monotonic()
                events, place, size = await read(place)
                for one in events:
                    yield one
                if place < size:
                    continue
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await waker.wait()
                except TimeoutError:
                    check()
                    checked_s = time.monotonic()
                    yield f"id: {place - 1}\n\n".encode()
        except NotaryError:
            # The answer has begun: all that can be said is that it ends.
            return
        finally:
            self._wakers.pop(waker, None)

    def _wake_soon(self) -> None:
        """Wake all, from any thread."""
        if self._loop is not None and not self._is_over:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        """Wake all."""
        for one in self._wakers:
            one.set()
