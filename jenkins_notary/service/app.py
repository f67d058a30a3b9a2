"""Answer HTTP as an ASGI application: door, limits, threads, errors, access log.

Each request goes this way: (1) who asks, by the token; (2) the route and its right;
(3) the body, bounded in size and time; (4) the handler, in a thread of its lane, of
which only so many may wait; (5) the answer, and a line in the access log. Whatever
fails on the way becomes an error of this project with a status (``failures``), and says
nothing of this host.
"""

from __future__ import annotations

import asyncio
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
    InternalError,
    NotaryError,
    NotFoundError,
    StorageError,
    UsageError,
)
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.service.access.door import cookie_path
from jenkins_notary.service.access.entrance import open_doors
from jenkins_notary.service.access.rules import COLLECT, Principal, check_right
from jenkins_notary.service.answers.handlers import Call
from jenkins_notary.service.answers.static import read_checkpoint, read_tile
from jenkins_notary.service.builds.recording import Recording, Sender
from jenkins_notary.service.clients import Clients
from jenkins_notary.service.commits import MAX_WAIT_S, BusyError
from jenkins_notary.service.http.exchange import (
    Exchange,
    Pieces,
    accepts_page,
    read_query,
)
from jenkins_notary.service.http.failures import (
    Failures,
    MethodError,
    UnknownTokenError,
)
from jenkins_notary.service.http.peers import is_loopback, name_stranger
from jenkins_notary.service.http.uploads import (
    MAX_BODY_BYTES,
    Uploads,
    store_body,
)
from jenkins_notary.service.monitoring.audits import note_audit
from jenkins_notary.service.monitoring.measures import Requests, Scraping
from jenkins_notary.service.openapi import describe_api
from jenkins_notary.service.pages.site import read_page_file
from jenkins_notary.service.routes import (
    DESCRIBE,
    DOWNLOAD,
    EVENTS,
    HEALTH,
    LONG,
    OPEN,
    PROVE,
    READ,
    RECORDS,
    ROUTES,
    STATIC,
    TILES,
    UPLOAD,
    WRITE,
    Route,
)
from jenkins_notary.serving.replies import HEADERS, dump, json_response, respond
from jenkins_notary.values.digest import is_hex_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from starlette.types import Receive, Scope, Send

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import LogName
    from jenkins_notary.service.builds.sessions import ProvenBuild
    from jenkins_notary.service.commits import Waiting, Work
    from jenkins_notary.service.running import Running

THREADS = {
    WRITE: 64,
    READ: 8,
    LONG: 8,
    UPLOAD: 16,
    DOWNLOAD: 8,
    TILES: 4,
    OPEN: 8,
    PROVE: 32,
}
MAX_WAITING = {
    WRITE: 1024,
    READ: 512,
    LONG: 32,
    UPLOAD: 64,
    DOWNLOAD: 64,
    TILES: 256,
    OPEN: 64,
    PROVE: 256,
}
MAX_GROUPED_BYTES = 256 << 10
"""Requests up to this size are signed and committed in groups."""

MIN_FREE_BYTES = 64 << 20


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

    def __init__(self, running: Running, options: Options) -> None:
        """Serve a ledger.

        Args:
            running: The open ledger, and what works beside the requests.
            options: What an administrator chose.
        """
        self._running = running
        self._engine = engine = running.engine
        self._door, self._entrance = open_doors(running.logins, running.settings.login)
        self._limits = running.limits
        self._scraping = Scraping(running.settings.metrics)
        self._requests = Requests(running.metrics)
        self._clients = Clients(running.state)
        self._options = options
        self._uploads = Uploads()
        self._limiters: dict[str, CapacityLimiter] = {}
        self._waiting = dict.fromkeys(THREADS, 0)
        self._paths = [
            (one, Path(one.path, _nothing, methods=[one.method])) for one in ROUTES
        ]
        folder = os.path.dirname(engine.places.ledger)
        self._failures = Failures({folder, engine.places.pins} - {"/"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        exchange = Exchange(receive, send)
        request = Request(scope, exchange.receive)
        began = time.monotonic()
        try:
            response = await self._answer(request, exchange)
        except UnknownTokenError as error:
            exchange.code = error.exit_code
            invited = self._entrance.invite(request)
            response = invited or await self._failures.answer(exchange, error)
        except NotaryError as error:
            response = await self._failures.answer(exchange, error)
        except TimeoutError:
            late = BusyError("ledger", expected="a commit", got="none in time")
            response = await self._failures.answer(exchange, late)
        except Exception as error:  # noqa: BLE001 - the outermost edge
            fault = InternalError("request", got=type(error).__name__)
            response = await self._failures.answer(exchange, fault, error)
        try:
            await response(scope, exchange.receive, exchange.send)
        except NotaryError as error:
            # A body that is not what was signed: the connection breaks off.
            exchange.code = error.exit_code
            raise
        finally:
            seconds = time.monotonic() - began
            line = exchange.describe(request, seconds)
            self._running.log.write(line)
            self._requests.note(exchange.route, line, seconds)

    async def _answer(self, request: Request, exchange: Exchange) -> Response:
        """Return the answer; every failure is raised."""
        route, path, allowed = self._match(request.scope)
        exchange.route = "" if route is None else route.path
        if route is not None and route.lane == HEALTH:
            return await self._check_health(route)
        if route is not None and route.lane == STATIC:
            return respond(read_page_file(path["name"]))
        if route is not None and route.lane == OPEN:
            return await self._open(request, exchange, route)
        exchange.is_page, exchange.root = accepts_page(request), cookie_path(request)
        who = self._let_in(request, exchange, route, allowed)
        assert route is not None  # noqa: S101 - else nobody was let in
        return await self._serve(request, exchange, (route, path, who))

    async def _serve(
        self,
        request: Request,
        exchange: Exchange,
        place: tuple[Route, Mapping[str, str], Principal],
    ) -> Response:
        """Return the answer to somebody who may ask."""
        route, path, who = place
        if route.lane == TILES:
            if route.path == "/checkpoint":
                await self._work(TILES, partial(self._note_audit, who))
            return await self._serve_tile(route, path)
        if route.lane == DESCRIBE:
            return json_response(describe_api())
        if route.lane == RECORDS:
            return await self._record(request, exchange, route, who)
        if route.lane == UPLOAD:
            return await self._upload(request, exchange, path, who)
        if route.lane == DOWNLOAD:
            return await self._download(path, who)
        if route.lane == EVENTS:
            return await self._listen(request, who)
        return await self._handle(request, exchange, place)

    def _let_in(
        self,
        request: Request,
        exchange: Exchange,
        route: Route | None,
        allowed: Sequence[str],
    ) -> Principal:
        """Return who asks, if he may; which paths there are is told to nobody else."""
        if route is not None and route.lane == TILES and self._options.public_log:
            return Principal("", "auditor", ())
        if exchange.route == "/metrics" and self._may_scrape(request):
            return Principal("metrics", "auditor", ())
        try:
            who = exchange.who = self._door.identify(request)
        except UnknownTokenError:
            self._count_stranger(request)
            raise
        self._limits.callers.take(who.title, who.title)
        self._clients.note(who.name, request.headers.get("user-agent"))
        if route is None and allowed:
            raise MethodError(
                "method", expected=" or ".join(allowed), got=request.method[:20]
            )
        if route is None:
            raise NotFoundError("path", expected="a path of this service")
        if route.right is not None:
            check_right(who, route.right)
        return who

    def _count_stranger(self, request: Request) -> None:
        """Bound what an address asks without being known."""
        host = "" if request.client is None else request.client.host
        self._limits.strangers.take(name_stranger(host), "address")

    def _may_scrape(self, request: Request) -> bool:
        """Return whether a request may read the figures, whoever sends it."""
        host = "" if request.client is None else request.client.host
        given = request.headers.get("authorization", "")
        return self._scraping.lets_in(given, is_loopback=is_loopback(host))

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

    async def _open(
        self, request: Request, exchange: Exchange, route: Route
    ) -> Response:
        """Let people in or out."""
        # A provider sends them back with a code in it.
        exchange.hides_query = True
        self._count_stranger(request)
        data = b""
        if route.method == "POST":
            data = await exchange.read_all(request, route.limit)
        answer: Response = await self._work(
            OPEN, partial(self._entrance.answer, request, exchange, data)
        )
        return answer

    async def _handle(
        self,
        request: Request,
        exchange: Exchange,
        place: tuple[Route, Mapping[str, str], Principal],
    ) -> Response:
        """Read the body, let the handler work, return its JSON or bytes."""
        route, path, who = place
        if route.right == COLLECT:
            self._limits.watermark.check()
        value: Mapping[str, Any] = {}
        if route.method == "POST":
            data = await exchange.read_all(request, route.limit)
            value = await self._work(READ, partial(route.parse, data, route.limit))
        query = read_query(request)
        session = self._engine.session()
        build = await self._prove(request, who)
        call = Call(
            *(session, who, self._uploads, self._running, value, query, path, build),
            root=cookie_path(request),
            has_login="authorization" not in request.headers,
        )
        assert route.handler is not None  # noqa: S101 - these lanes have one
        handler = route.handler

        def work() -> Response:
            return respond(handler(call))

        answer: Response = await self._work(route.lane, work)
        return answer

    async def _record(
        self, request: Request, exchange: Exchange, route: Route, who: Principal
    ) -> Response:
        """Record claims or envelopes; answer once they are durable."""
        data = await exchange.read_all(request, route.limit)
        build = await self._prove(request, who)
        quotas = self._limits.quotas
        sender = Sender(who, build, self._uploads, self._running.voices, quotas)
        work = Recording(data, route.limit, sender)
        if len(data) > MAX_GROUPED_BYTES:
            # What takes long to sign must not hold up a group.
            session = self._engine.session()

            def alone() -> Response:
                indexes = session.append(work.prepare(session))
                return json_response(work.finish(session, indexes))

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
        return Response(done.result, headers=HEADERS, media_type="application/json")

    async def _prove(self, request: Request, who: Principal) -> ProvenBuild | None:
        """Return the build that has proved that it asks, None where none says so."""
        text = request.headers.get("notary-session")
        if text is None:
            return None
        sessions = self._running.sessions
        build = sessions.recall(text, who)
        if build is None:
            session = self._engine.session()
            build = await self._work(PROVE, partial(sessions.prove, session, text, who))
        return build

    async def _upload(
        self,
        request: Request,
        exchange: Exchange,
        path: Mapping[str, str],
        who: Principal,
    ) -> Response:
        """Store a body."""
        sha256_hex, limit = path["sha256"], self._options.max_body_bytes
        if not is_hex_digest(sha256_hex):
            raise UsageError("blob", expected="sha256: and 64 hex digits")
        said = exchange.check_length(request, limit)
        self._limits.watermark.check()
        self._limits.quotas.take_bytes(who.title, said)
        pieces = Pieces(exchange, asyncio.get_running_loop())
        blobs = self._engine.session().blobs
        body = await self._work(
            UPLOAD, partial(store_body, blobs, sha256_hex, pieces.read, limit)
        )
        self._limits.quotas.take_bytes(who.title, max(0, body.size - said))
        self._uploads.add(who.name, body)
        return json_response({"body": {"sha256": body.sha256_hex, "size": body.size}})

    async def _listen(self, request: Request, who: Principal) -> Response:
        """Return a stream of new records."""
        events = self._running.events
        last_id = request.headers.get("last-event-id")
        place = await self._work(READ, partial(events.begin, last_id))
        waker = events.enter(who)

        async def read(place: int) -> tuple[list[bytes], int, int]:
            page: tuple[list[bytes], int, int] = await self._work(
                READ, partial(events.read, place, who)
            )
            return page

        return StreamingResponse(
            events.follow(waker, place, read, lambda: self._door.identify(request)),
            media_type="text/event-stream",
            headers={**HEADERS, "X-Accel-Buffering": "no"},
        )

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
                **HEADERS,
                "Content-Length": str(size),
                "Content-Disposition": "attachment",
            },
        )

    def _note_audit(self, who: Principal) -> None:
        """Take note that an auditor reads the log."""
        note = self._engine.store.checkpoint()
        if note is not None:
            note_audit(self._running.state, who, note)

    async def _serve_tile(self, route: Route, path: Mapping[str, str]) -> Response:
        """Return the checkpoint or a tile."""
        store = self._engine.store
        if route.path == "/checkpoint":
            data = await self._work(TILES, partial(read_checkpoint, store))
            return Response(
                data, media_type="text/plain; charset=utf-8", headers=HEADERS
            )
        log: LogName = "trust" if route.path.startswith("/trust/") else "main"
        name = f"tile/{path['rest']}"
        data = await self._work(TILES, partial(read_tile, store, log, name))
        forever = "public, max-age=31536000, immutable"
        return Response(
            data,
            media_type="application/octet-stream",
            headers={**HEADERS, "Cache-Control": forever},
        )

    async def _check_health(self, route: Route) -> Response:
        """Say how the service is, and nothing else."""
        if route.path == "/healthz":
            return json_response({"status": "ok"})

        def check() -> None:
            self._engine.session().view()
            self._running.tokens.load()
            found = os.statvfs(os.path.dirname(self._engine.places.ledger))
            if found.f_bavail * found.f_frsize < MIN_FREE_BYTES:
                raise StorageError("disk", expected="room", got="little")

        try:
            await self._work(READ, check)
        except NotaryError as error:
            return json_response({"status": "not ready", "why": error.word}, 503)
        return json_response({"status": "ready"})

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


class _Answered:
    """Work whose answer is made into JSON where it is made."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def prepare(self, session: Session) -> Sequence[bytes]:
        """Return the envelopes."""
        return self._work.prepare(session)

    def finish(self, session: Session, indexes: Sequence[int]) -> bytes:
        """Return the answer's JSON."""
        return dump(self._work.finish(session, indexes))


def _settle(future: asyncio.Future[Waiting], waiting: Waiting) -> None:
    """Give a request what came of its work, unless its client went away."""
    if not future.done():
        future.set_result(waiting)


async def _nothing(request: Request) -> Response:
    """Stand where Starlette wants an endpoint; never called."""
    raise NotImplementedError
