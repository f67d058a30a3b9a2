"""Read one request, count it and its answer, and describe both for the access log."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from jenkins_notary.errors import UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.http.uploads import too_large

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive, Send

    from jenkins_notary.service.access.rules import Principal

JSON_S = 30.0
"""Seconds in which a JSON body must have come."""

PIECE_S = 20.0
BYTES_A_SECOND = 16 << 10
"""An upload pauses no longer than PIECE_S and is on average no slower than this."""

_DRAINED_BYTES = 1 << 20
_DRAINED_S = 2.0


class Exchange:
    """One request and its answer, counted.

    Attributes:
        id: Its own id, which errors and the access log name.
        who: Who asks, or None.
        route: The path of its route, "" for none.
        hides_query: Whether its query is no business of the access log.
        code: The exit code of its failure, 0 for none.
        fault: What failed, for the access log alone.
        has_ended: Whether the request's body was read to its end.
        is_page: Whether a failure is told by a page.
        root: The path below which the service lies, "" for the root.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        """Begin with a request of which nothing was read."""
        self._receive = receive
        self._send = send
        self.id = os.urandom(8).hex()
        self.who: Principal | None = None
        self.route = ""
        self.hides_query = False
        self.code = 0
        self.fault: str | None = None
        self.has_ended = False
        self.is_page = False
        self.root = ""
        self._status = 0
        self._received = 0
        self._sent = 0

    async def receive(self) -> Message:
        """Receive a message."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self.has_ended = not message.get("more_body", False)
        else:
            self.has_ended = True
        return message

    async def send(self, message: Message) -> None:
        """Send a message."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        else:
            self._sent += len(message.get("body", b""))
        await self._send(message)

    async def read_all(self, request: Request, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            UsageError: It is too large, comes too slowly or breaks off.
        """
        self.check_length(request, limit)
        pieces, size = [], 0
        try:
            async with asyncio.timeout(JSON_S):
                while not self.has_ended:
                    piece = await self.next_piece()
                    size += len(piece)
                    if size > limit:
                        raise too_large(limit)
                    pieces.append(piece)
        except TimeoutError:
            raise _slow() from None
        return b"".join(pieces)

    async def next_piece(self) -> bytes:
        """Return the next piece of the body.

        Raises:
            UsageError: The client went away.
        """
        message = await self.receive()
        if message["type"] != "http.request":
            raise UsageError("body", expected="all of it", got="a broken connection")
        piece: bytes = message.get("body", b"")
        return piece

    def check_length(self, request: Request, limit: int) -> int:
        """Return how long a body says that it is, 0 if it does not.

        Raises:
            UsageError: That is too large, or it is encoded.
        """
        length = request.headers.get("content-length", "0")
        # Python refuses a number of thousands of digits, zeros too.
        digits = length.lstrip("0")[:19] if length.isascii() else ""
        said = int(digits) if digits.isdigit() else 0
        if said > limit:
            raise too_large(limit)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise UsageError("body", expected="no Content-Encoding")
        return said

    async def drain(self) -> None:
        """Read what is left of a small body, so that the client gets its answer.

        A connection that is closed with bytes unread is reset, answer and all.
        """
        size = 0
        try:
            async with asyncio.timeout(_DRAINED_S):
                while not self.has_ended and size < _DRAINED_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return

    def describe(self, request: Request, seconds: float) -> dict[str, object]:
        """Return the line of the access log."""
        who = self.who
        line: dict[str, object] = {
            "at": format_time(time.time_ns() // 1_000_000),
            "id": self.id,
            "from": None if request.client is None else request.client.host,
            "token" if who is None else who.kind: None if who is None else who.name,
            "role": None if who is None else who.role,
            "method": request.method[:20],
            "path": request.scope["path"][:500],
            "query": ""
            if self.hides_query
            else request.scope["query_string"][:500].decode("latin-1"),
            "status": self._status,
            "code": self.code,
            "ms": round(seconds * 1000, 1),
            "received": self._received,
            "sent": self._sent,
        }
        if self.fault is not None:
            line["fault"] = self.fault
        return line


class Pieces:
    """A body's pieces, read by a thread while the event loop receives them."""

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        """Read a request's body, from any thread."""
        self._exchange = exchange
        self._loop = loop
        self._left = b""
        self._size = 0
        self._began = time.monotonic()

    def read(self, size: int) -> bytes:
        """Return the next bytes, b"" at the end."""
        while not self._left and not self._exchange.has_ended:
            future = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            self._left = future.result()
            self._size += len(self._left)
            seconds = time.monotonic() - self._began - PIECE_S
            if seconds > 0 and self._size < seconds * BYTES_A_SECOND:
                raise _slow()
        data, self._left = self._left[:size], self._left[size:]
        return data

    async def _next(self) -> bytes:
        """Return the next piece in time."""
        try:
            async with asyncio.timeout(PIECE_S):
                return await self._exchange.next_piece()
        except TimeoutError:
            raise _slow() from None


def accepts_page(request: Request) -> bool:
    """Return whether a browser asks, on behalf of a person."""
    return "text/html" in request.headers.get("accept", "")


def read_query(request: Request) -> dict[str, str]:
    """Return the query's parameters, each once.

    Raises:
        UsageError: One stands twice: two readers might take another one each.
    """
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UsageError("query", expected="each parameter once")
    return found


def _slow() -> UsageError:
    """Return the error for a client that is too slow."""
    return UsageError("body", expected="all of it in time", got="too slow a client")
