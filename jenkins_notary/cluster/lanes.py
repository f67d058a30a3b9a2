"""Make answers in threads, so few at a time that what watches is not kept from it.

A lane makes one answer a thread, lets a bounded number of requests wait for it, and
holds a bounded number of bytes that are made and not sent: an answer can have
megabytes, and its reader can dawdle, but not longer than :data:`SEND_S`. Whoever comes
when there is no room is told to come again (503). Figures have a lane of their own, so
that who reads pages slowly does not keep Prometheus out.
"""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.responses import Response

from jenkins_notary.errors import UnavailableError
from jenkins_notary.serving.replies import HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from jenkins_notary.serving.replies import Reply

MAX_WAITING = 64
MAX_UNSENT_BYTES = 16 << 20
SEND_S = 60.0
_MIN_PACKED_BYTES = 1400
_PIECE = 256 << 10


class Lane:
    """Some threads that make answers.

    Attributes:
        unsent_bytes: What was made here and is not sent.
    """

    def __init__(self, threads: int) -> None:
        """Have so many threads: answers that are made at a time."""
        self._limiter = CapacityLimiter(threads)
        self.unsent_bytes = 0

    def make(
        self, answer: Callable[[Request], Reply]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return what has an answer made, and packed if its reader can."""

        async def handle(request: Request) -> Response:
            if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
                raise UnavailableError(request.url.path, got="too many who ask")
            return await anyio.to_thread.run_sync(
                _make, answer, request, self, limiter=self._limiter
            )

        return handle


class _Counted(Response):
    """A response whose bytes are counted until they are sent."""

    def __init__(self, body: bytes, found: Reply, lane: Lane) -> None:
        super().__init__(body, found.status, found.headers, found.media_type)
        self._lane = lane

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it, in time or not at all."""
        self._lane.unsent_bytes += len(self.body)
        try:
            # Cut off, the connection ends: the length that was told is not reached.
            with suppress(TimeoutError):
                async with asyncio.timeout(SEND_S):
                    await self._send_pieces(send)
        finally:
            self._lane.unsent_bytes -= len(self.body)

    async def _send_pieces(self, send: Send) -> None:
        """Send it a piece at a time: the server waits before each, not behind it."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        body = memoryview(self.body)
        for place in range(0, len(body), _PIECE):
            piece = bytes(body[place : place + _PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _make(answer: Callable[[Request], Reply], request: Request, lane: Lane) -> Response:
    """Return an answer.

    Raises:
        UnavailableError: Too much of what was made is not sent yet.
    """
    if lane.unsent_bytes >= MAX_UNSENT_BYTES:
        raise UnavailableError(request.url.path, got="too many who do not read")
    found = answer(request)
    body = found.body
    assert isinstance(body, bytes)  # noqa: S101 - only events come in pieces
    headers = {**HEADERS, "Vary": "Accept-Encoding", **found.headers}
    if takes_gzip(request) and len(body) >= _MIN_PACKED_BYTES:
        packer = zlib.compressobj(1, wbits=31)
        body = packer.compress(body) + packer.flush()
        headers["Content-Encoding"] = "gzip"
    return _Counted(body, found._replace(headers=headers), lane)


def takes_gzip(request: Request) -> bool:
    """Return whether who asks can unpack gzip."""
    named = request.headers.get("accept-encoding", "").lower().split(",")
    parts = (one.replace(" ", "").partition(";") for one in named)
    return any(coding == "gzip" and rest != "q=0" for coding, _, rest in parts)
