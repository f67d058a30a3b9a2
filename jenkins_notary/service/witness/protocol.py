"""Answer logs that ask this witness, by the C2SP protocol.

===================  =========================================================
``/add-checkpoint``  POST: a checkpoint and its proof; back come signature lines
``/``                GET: the witness's key
===================  =========================================================

There are no tokens: who may be witnessed is decided by the log's signature. Sizes, time
and the number of requests at once are bounded.

Source: C2SP tlog-witness.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response

from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.witness import (
    MAX_BYTES,
    SizeConflictError,
    UnprovenError,
    add_checkpoint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from jenkins_notary.keys.witness_key import WitnessSigner
    from jenkins_notary.ledger.witness import WitnessState
    from jenkins_notary.tlog.note import NoteVerifier

BODY_S = 10.0
"""Seconds in which a submission must have come."""

THREADS = 4
MAX_WAITING = 64

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_STATUS = (
    (SizeConflictError, 409),
    (UnprovenError, 422),
    (NotFoundError, 404),
    (PermissionDeniedError, 403),
    (UsageError, 400),
)


class WitnessApplication:
    """The witness's ASGI application."""

    def __init__(
        self,
        logs: Mapping[str, Sequence[NoteVerifier]],
        state: WitnessState,
        signer: WitnessSigner,
        report: Callable[[str], object],
    ) -> None:
        """Witness some logs.

        Args:
            logs: The keys of each log, by origin.
            state: What was signed before.
            signer: The witness's key.
            report: Called with a line for each request.
        """
        self._logs = logs
        self._state = state
        self._signer = signer
        self._report = report
        self._waiting = 0
        self._limiter: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response, told = await self._answer(request)
        peer = request.client.host if request.client else "-"
        self._report(
            f"{format_time(time.time_ns() // 1_000_000)} {peer} {request.method[:8]} "
            f"{request.url.path[:80]!r} {response.status_code} {told}"
        )
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> tuple[Response, str]:
        """Return (the answer, what is told of it)."""
        if request.url.path == "/" and request.method in {"GET", "HEAD"}:
            return _text(200, f"{self._signer.vkey}\n"), ""
        if request.url.path != "/add-checkpoint":
            return _text(404, "no such path\n"), ""
        if request.method != "POST":
            return _text(405, "POST is expected\n", Allow="POST"), ""
        if self._waiting >= MAX_WAITING:
            return _text(503, "too many requests\n", **{"Retry-After": "1"}), ""
        self._waiting += 1
        try:
            data = await asyncio.wait_for(_read_body(request), BODY_S)
            if data is None:
                return _text(413, f"at most {MAX_BYTES} bytes\n"), ""
            return await self._sign(data)
        except TimeoutError:
            return _text(408, "the body came too slowly\n"), ""
        finally:
            self._waiting -= 1

    async def _sign(self, data: bytes) -> tuple[Response, str]:
        """Return (signature lines or why there are none, what is told of it)."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(THREADS)
        try:
            lines = await anyio.to_thread.run_sync(
                add_checkpoint,
                data,
                self._logs,
                self._state,
                self._signer,
                limiter=self._limiter,
            )
        except SizeConflictError as error:
            found = Response(
                f"{error.size}\n", 409, _HEADERS, media_type="text/x.tlog.size"
            )
            found.headers["Content-Type"] = "text/x.tlog.size"
            return found, str(error)
        except NotaryError as error:
            for kind, status in _STATUS:
                if isinstance(error, kind):
                    return _text(status, f"{error}\n"), str(error)
            return _text(500, f"{error.word}\n"), str(error)
        return Response(lines, 200, _HEADERS, "text/plain; charset=utf-8"), "signed"


async def _read_body(request: Request) -> bytes | None:
    """Return a body, None for one that is too long."""
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_BYTES:
            return None
    return data


def _text(status: int, text: str, **headers: str) -> Response:
    """Return a plain answer."""
    return Response(text, status, {**_HEADERS, **headers}, "text/plain")
