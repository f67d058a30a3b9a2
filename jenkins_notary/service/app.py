"""Answer HTTP as an ASGI application: door, limits, threads, errors, access log.

Each request goes this way: (1) who asks, by the token; (2) the route and its right;
(3) the body, bounded in size and time; (4) the handler, in a thread of its lane, of
which only so many may wait; (5) the answer, and a line in the access log. Whatever
fails on the way becomes an error of this project with a status, and says nothing of
this host.

======  ==============================================================
status  when
======  ==============================================================
400     the request is wrong (64)
401     no token that holds; always in the same words (77)
403     the token may not (77)
404     no such path, record or body that it may see (66)
405     the path has another method (64)
409     several builds match (67)
413     too many bytes (64)
422     a policy that is none (78), a body with another digest (64)
500     altered, or a fault of the service (65, 70)
503     too much to do, or what it needs is away: ``Retry-After`` (69)
507     the disk is full (74)
======  ==============================================================
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match
from starlette.routing import Route as Path

from jenkins_notary.api.bodies import find_body, place_of
from jenkins_notary.errors import (
    ConfigurationError,
    InternalError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.ledger.author import format_time
from jenkins_notary.service.asks import parse_object
from jenkins_notary.service.commits import MAX_WAIT_S, BusyError
from jenkins_notary.service.handlers import Call
from jenkins_notary.service.openapi import describe_api
from jenkins_notary.service.recording import Recording
from jenkins_notary.service.routes import (
    DESCRIBE,
    DOWNLOAD,
    HEALTH,
    LONG,
    READ,
    RECORDS,
    ROUTES,
    TILES,
    UPLOAD,
    WRITE,
    Route,
)
from jenkins_notary.service.rules import Principal, check_right
from jenkins_notary.service.static import read_checkpoint, read_tile
from jenkins_notary.service.uploads import (
    MAX_BODY_BYTES,
    OtherBytesError,
    TooLargeError,
    Uploads,
    store_body,
    too_large,
)
from jenkins_notary.values.digest import is_hex_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.types import Message, Receive, Scope, Send

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import LogName
    from jenkins_notary.service.access_log import AccessLog
    from jenkins_notary.service.commits import Waiting, Work
    from jenkins_notary.service.session import Engine
    from jenkins_notary.service.tokens import Token, TokenFile

THREADS = {WRITE: 64, READ: 8, LONG: 8, UPLOAD: 16, DOWNLOAD: 8, TILES: 4}
MAX_WAITING = {WRITE: 1024, READ: 512, LONG: 32, UPLOAD: 64, DOWNLOAD: 64, TILES: 256}
JSON_S = 30.0
"""Seconds in which a JSON body must have come."""

PIECE_S = 20.0
BYTES_A_SECOND = 16 << 10
"""An upload pauses no longer than PIECE_S and is on average no slower than this."""

MAX_GROUPED_BYTES = 256 << 10
"""Requests up to this size are signed and committed in groups."""

MIN_FREE_BYTES = 64 << 20
_DRAINED_BYTES = 1 << 20
_DRAINED_S = 2.0
_STATUS = {64: 400, 65: 500, 66: 404, 67: 409, 69: 503, 70: 500, 74: 507, 77: 403}
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class UnknownTokenError(PermissionDeniedError):
    """There is no token, or none that holds."""


class MethodError(UsageError):
    """A path has other methods."""


class Options:
    """What an administrator chose.

    Attributes:
        public_log: Whether checkpoint and tiles need no token.
        max_body_bytes: The largest body.
    """

    def __init__(
        self, *, public_log: bool = False, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        """Keep them."""
        self.public_log = public_log
        self.max_body_bytes = max_body_bytes


class Application:
    """The service's ASGI application."""

    def __init__(
        self, engine: Engine, tokens: TokenFile, log: AccessLog, options: Options
    ) -> None:
        """Serve a ledger.

        Args:
            engine: The open ledger.
            tokens: Who may ask.
            log: Where each request gets its line.
            options: What an administrator chose.
        """
        self._engine = engine
        self._tokens = tokens
        self._log = log
        self._options = options
        self._uploads = Uploads()
        self._limiters: dict[str, CapacityLimiter] = {}
        self._waiting = dict.fromkeys(THREADS, 0)
        self._paths = [
            (one, Path(one.path, _nothing, methods=[one.method])) for one in ROUTES
        ]
        folder = os.path.dirname(engine.places.ledger)
        words = {folder, engine.places.pins} - {"/"}
        self._secret_words = sorted(words, key=len, reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        exchange = _Exchange(receive, send)
        request = Request(scope, exchange.receive)
        began = time.monotonic()
        try:
            response = await self._answer(request, exchange)
        except NotaryError as error:
            response = await self._fail(exchange, error)
        except TimeoutError:
            late = BusyError("ledger", expected="a commit", got="none in time")
            response = await self._fail(exchange, late)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            fault = InternalError("request", got=type(error).__name__)
            response = await self._fail(exchange, fault, error)
        try:
            await response(scope, exchange.receive, exchange.send)
        except NotaryError as error:
            # A body that is not what was signed: the connection breaks off.
            exchange.code = error.exit_code
            raise
        finally:
            self._log.write(exchange.describe(request, time.monotonic() - began))

    async def _answer(self, request: Request, exchange: _Exchange) -> Response:
        """Return the answer; every failure is raised."""
        route, path, allowed = self._match(request.scope)
        if route is not None and route.lane == HEALTH:
            return await self._check_health(route)
        who = self._let_in(request, exchange, route, allowed)
        assert route is not None  # noqa: S101 - else nobody was let in
        if route.lane == TILES:
            return await self._serve_tile(request, path)
        if route.lane == DESCRIBE:
            return _json(describe_api())
        if route.lane == RECORDS:
            return await self._record(request, exchange, route, who)
        if route.lane == UPLOAD:
            return await self._upload(request, exchange, path, who)
        if route.lane == DOWNLOAD:
            return await self._download(path, who)
        return await self._handle(request, exchange, (route, path, who))

    def _let_in(
        self,
        request: Request,
        exchange: _Exchange,
        route: Route | None,
        allowed: Sequence[str],
    ) -> Principal:
        """Return who asks, if he may; which paths there are is told to nobody else."""
        if route is not None and route.lane == TILES and self._options.public_log:
            return Principal("", "auditor", ())
        who = exchange.who = self._identify(request)
        if route is None and allowed:
            raise MethodError(
                "method", expected=" or ".join(allowed), got=request.method[:20]
            )
        if route is None:
            raise NotFoundError("path", expected="a path of this service")
        if route.right is not None:
            check_right(who, route.right)
        return who

    def _match(self, scope: Scope) -> tuple[Route | None, Mapping[str, str], list[str]]:
        """Return (route, parts of its path, the methods that the path has)."""
        allowed = []
        for route, path in self._paths:
            match, found = path.matches(scope)
            if match is Match.FULL:
                return route, found["path_params"], []
            if match is Match.PARTIAL:
                allowed.append(route.method)
        return None, {}, allowed

    def _identify(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            UnknownTokenError: Nobody that is known; why is not said.
        """
        header = request.headers.get("authorization", "")
        scheme, _, text = header.partition(" ")
        token: Token | None = None
        if scheme.lower() == "bearer":
            token = self._tokens.find(text.strip(), time.time_ns() // 1_000_000)
        if token is None:
            raise UnknownTokenError("token", expected="one of this service")
        return Principal.of(token)

    async def _handle(
        self,
        request: Request,
        exchange: _Exchange,
        place: tuple[Route, Mapping[str, str], Principal],
    ) -> Response:
        """Read the body, let the handler work, return its JSON or bytes."""
        route, path, who = place
        value: Mapping[str, Any] = {}
        if route.method == "POST":
            data = await exchange.read_all(request, route.limit)
            value = await self._work(READ, partial(parse_object, data, route.limit))
        query = _read_query(request)
        session = self._engine.session()
        call = Call(session, who, self._uploads, self._tokens, value, query, path)
        assert route.handler is not None  # noqa: S101 - these lanes have one
        handler = route.handler

        def work() -> Response:
            found = handler(call)
            if isinstance(found, bytes):
                return Response(found, media_type="text/plain", headers=_HEADERS)
            return _json(found)

        answer: Response = await self._work(route.lane, work)
        return answer

    async def _record(
        self, request: Request, exchange: _Exchange, route: Route, who: Principal
    ) -> Response:
        """Record claims or envelopes; answer once they are durable."""
        data = await exchange.read_all(request, route.limit)
        work = Recording(data, route.limit, who, self._uploads)
        if len(data) > MAX_GROUPED_BYTES:
            # What takes long to sign must not hold up a group.
            session = self._engine.session()

            def alone() -> Response:
                indexes = session.append(work.prepare(session))
                return _json(work.finish(session, indexes))

            answer: Response = await self._work(WRITE, alone)
            return answer
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Waiting] = loop.create_future()
        self._engine.submit(
            _Answered(work),
            lambda waiting: loop.call_soon_threadsafe(_settle, future, waiting),
        )
        done = await asyncio.wait_for(future, MAX_WAIT_S)
        if done.error is not None:
            raise done.error
        return Response(done.result, headers=_HEADERS, media_type="application/json")

    async def _upload(
        self,
        request: Request,
        exchange: _Exchange,
        path: Mapping[str, str],
        who: Principal,
    ) -> Response:
        """Store a body."""
        sha256_hex, limit = path["sha256"], self._options.max_body_bytes
        if not is_hex_digest(sha256_hex):
            raise UsageError("blob", expected="sha256: and 64 hex digits")
        exchange.check_length(request, limit)
        pieces = _Pieces(exchange, asyncio.get_running_loop())
        blobs = self._engine.session().blobs
        body = await self._work(
            UPLOAD, partial(store_body, blobs, sha256_hex, pieces.read, limit)
        )
        self._uploads.add(who.name, body)
        return _json({"body": {"sha256": body.sha256_hex, "size": body.size}})

    async def _download(self, path: Mapping[str, str], who: Principal) -> Response:
        """Return a body, each piece proven before it is sent."""
        if not is_hex_digest(path["sha256"]):
            raise UsageError("blob", expected="sha256: and 64 hex digits")
        session = self._engine.session()

        def open_it() -> tuple[int, Iterator[bytes]]:
            record, body = find_body(session, f"sha256:{path['sha256']}", sees=who.sees)
            return body.size, read_body(place_of(session, record, body), body)

        size, pieces = await self._work(DOWNLOAD, open_it)
        return StreamingResponse(
            pieces,
            media_type="application/octet-stream",
            headers={
                **_HEADERS,
                "Content-Length": str(size),
                "Content-Disposition": "attachment",
            },
        )

    async def _serve_tile(self, request: Request, path: Mapping[str, str]) -> Response:
        """Return the checkpoint or a tile."""
        store = self._engine.store
        if request.url.path == "/checkpoint":
            data = await self._work(TILES, partial(read_checkpoint, store))
            return Response(
                data, media_type="text/plain; charset=utf-8", headers=_HEADERS
            )
        log: LogName = "trust" if request.url.path.startswith("/trust/") else "main"
        name = f"tile/{path['rest']}"
        data = await self._work(TILES, partial(read_tile, store, log, name))
        forever = "public, max-age=31536000, immutable"
        return Response(
            data,
            media_type="application/octet-stream",
            headers={**_HEADERS, "Cache-Control": forever},
        )

    async def _check_health(self, route: Route) -> Response:
        """Say how the service is, and nothing else."""
        if route.path == "/healthz":
            return _json({"status": "ok"})

        def check() -> None:
            self._engine.session().view()
            self._tokens.load()
            found = os.statvfs(os.path.dirname(self._engine.places.ledger))
            if found.f_bavail * found.f_frsize < MIN_FREE_BYTES:
                raise StorageError("disk", expected="room", got="little")

        try:
            await self._work(READ, check)
        except NotaryError as error:
            return _json({"status": "not ready", "why": error.word}, 503)
        return _json({"status": "ready"})

    async def _work(self, lane: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what work returns
        """Do something in a thread of a lane.

        Raises:
            BusyError: Too many wait for one.
        """
        if self._waiting[lane] >= MAX_WAITING[lane]:
            raise BusyError("service", expected="room for another request", got="none")
        if lane not in self._limiters:
            self._limiters[lane] = CapacityLimiter(THREADS[lane])
        self._waiting[lane] += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiters[lane])
        finally:
            self._waiting[lane] -= 1

    async def _fail(
        self,
        exchange: _Exchange,
        error: NotaryError,
        cause: Exception | None = None,
    ) -> Response:
        """Return the answer that tells a failure, and no more than its sender knows."""
        exchange.code = error.exit_code
        exchange.fault = _describe_fault(error, cause)
        await exchange.drain()
        status = _STATUS.get(error.exit_code, 422)
        headers = dict(_HEADERS)
        if isinstance(error, UnknownTokenError):
            status, headers["WWW-Authenticate"] = 401, 'Bearer realm="notary"'
        elif isinstance(error, MethodError):
            status, headers["Allow"] = 405, error.expected.replace(" or ", ", ")
        elif isinstance(error, TooLargeError):
            status = 413
        elif isinstance(error, OtherBytesError):
            status = 422
        elif _is_own(error):
            status = 500
        elif status == 503:
            headers["Retry-After"] = "1"
        if not exchange.has_ended:
            headers["Connection"] = "close"
        told = self._hide(error, exchange.id)
        return Response(
            json.dumps(told),
            status,
            headers=headers,
            media_type="application/json",
        )

    def _hide(self, error: NotaryError, exchange_id: str) -> dict[str, object]:
        """Return an error's JSON without what is this host's own business."""
        if error.exit_code in {70, 74} or _is_own(error):
            kept = type(error)(
                "service",
                got=error.word,
                advice=f"its log tells more: request {exchange_id}",
            )
            return kept.to_dict()
        text = json.dumps(error.to_dict())
        for word in self._secret_words:
            text = text.replace(json.dumps(word)[1:-1], "...")
        found: dict[str, object] = json.loads(text)
        return found


class _Answered:
    """Work whose answer is made into JSON where it is made."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def prepare(self, session: Session) -> Sequence[bytes]:
        """Return the envelopes."""
        return self._work.prepare(session)

    def finish(self, session: Session, indexes: Sequence[int]) -> bytes:
        """Return the answer's JSON."""
        return _dump(self._work.finish(session, indexes))


def _settle(future: asyncio.Future[Waiting], waiting: Waiting) -> None:
    """Give a request what came of its work, unless its client went away."""
    if not future.done():
        future.set_result(waiting)


class _Exchange:
    """One request and its answer, counted.

    Attributes:
        id: Its own id, which errors and the access log name.
        who: Who asks, or None.
        code: The exit code of its failure, 0 for none.
        fault: What failed, for the access log alone.
        has_ended: Whether the request's body was read to its end.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.id = os.urandom(8).hex()
        self.who: Principal | None = None
        self.code = 0
        self.fault: str | None = None
        self.has_ended = False
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

    def check_length(self, request: Request, limit: int) -> None:
        """Refuse a body that says itself that it is too large, or is encoded."""
        length = request.headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:19]) > limit:
            raise too_large(limit)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise UsageError("body", expected="no Content-Encoding")

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
            "token": None if who is None else who.name,
            "role": None if who is None else who.role,
            "method": request.method[:20],
            "path": request.scope["path"][:500],
            "query": request.scope["query_string"][:500].decode("latin-1"),
            "status": self._status,
            "code": self.code,
            "ms": round(seconds * 1000, 1),
            "received": self._received,
            "sent": self._sent,
        }
        if self.fault is not None:
            line["fault"] = self.fault
        return line


class _Pieces:
    """A body's pieces, read by a thread while the event loop receives them."""

    def __init__(self, exchange: _Exchange, loop: asyncio.AbstractEventLoop) -> None:
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


async def _nothing(request: Request) -> Response:
    """Stand where Starlette wants an endpoint; never called."""
    raise NotImplementedError


def _read_query(request: Request) -> dict[str, str]:
    """Return the query's parameters, each once.

    Raises:
        UsageError: One stands twice: two readers might take another one each.
    """
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UsageError("query", expected="each parameter once")
    return found


def _json(value: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(
        _dump(value), status, headers=_HEADERS, media_type="application/json"
    )


def _dump(value: object) -> bytes:
    """Return JSON in ASCII: a foreign record may hold what UTF-8 cannot."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _slow() -> UsageError:
    """Return the error for a client that is too slow."""
    return UsageError("body", expected="all of it in time", got="too slow a client")


def _is_own(error: NotaryError) -> bool:
    """Return whether the service's configuration is wrong, not a client's policy."""
    is_of_policy = error.subject.startswith(("policy", "rule"))
    return isinstance(error, ConfigurationError) and not is_of_policy


def _describe_fault(error: NotaryError, cause: Exception | None) -> str | None:
    """Return what the access log tells of a failure; None for a client's own."""
    if cause is not None:
        import traceback

        last = traceback.extract_tb(cause.__traceback__)[-1:]
        where = "".join(f" at {os.path.basename(o.filename)}:{o.lineno}" for o in last)
        return f"{type(cause).__name__}: {str(cause)[:300]}{where}"
    if error.exit_code in {64, 66, 67, 77}:
        return None
    if isinstance(error, (UnavailableError, StorageError)) or error.exit_code >= 65:
        return str(error)[:500]
    return None
