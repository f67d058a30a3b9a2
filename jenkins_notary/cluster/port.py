"""Answer on port 9581: what runs, for Prometheus, programs and people.

=====================  ========================================================
``/status``            the page, as of now; it asks again when something changes
``/status/events``     the board's version whenever it changes (server-sent events)
``/results``           JSON in kube-notary's shape (``results``)
``/metrics``           the text format of Prometheus (``metrics``, ``figures``)
``/bulk_sign``         a script that notarizes what runs
``/healthz``           200 while the process answers
``/readyz``            200 once all pods were listed, before that 503
=====================  ========================================================

Everything is read; nothing can be changed here. ``/status`` and ``/results`` take the
same filter (``status.parse_filter``). No answer lets another site's page read it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from jenkins_notary.cluster.figures import add_figures
from jenkins_notary.cluster.lanes import Lane
from jenkins_notary.cluster.metrics import ContainerSeries
from jenkins_notary.cluster.results import list_results
from jenkins_notary.cluster.status import PATH, parse_filter, render_status
from jenkins_notary.errors import NotaryError, NotFoundError, UnavailableError
from jenkins_notary.pages.site import LIVE_POLICY, LIVE_STATIC, read_static
from jenkins_notary.serving import listen
from jenkins_notary.serving.metrics import MEDIA_TYPE
from jenkins_notary.serving.place import format_address
from jenkins_notary.serving.replies import HEADERS, PAGE_HEADERS, Reply, dump

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from jenkins_notary.cluster.board import Board, Judged
    from jenkins_notary.cluster.status import Filter
    from jenkins_notary.serving.metrics import Metrics
    from jenkins_notary.serving.place import Place

PORT = 9581
MAX_LISTENERS = 50
LOOK_S = 0.2
"""How often a listener looks whether the board has changed."""

GAP_S = 1.0
"""A listener is told at most once in so long, however much changes."""

HEARTBEAT_S = 15.0
TEXT = "text/plain; charset=utf-8"
_KEPT_PAGES = 16
_THREADS = 2
_STATUSES = {64: 400, 66: 404, 69: 503}
_LIVE_HEADERS = {**PAGE_HEADERS, "Content-Security-Policy": LIVE_POLICY}


def serve_board(
    board: Board,
    place: Place,
    *,
    metrics: Metrics,
    bulk_sign: Callable[[Sequence[Judged]], bytes] | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
    on_stop: Callable[[], object] = lambda: None,
) -> None:
    """Serve a board until SIGTERM or SIGINT; from the main thread.

    Args:
        board: What runs.
        place: Where.
        metrics: The figures of the process; those of the board are added.
        bulk_sign: Makes the script of ``/bulk_sign``.
        on_ready: Is told the address once it is served.
        on_stop: Is called, in the event loop, when it is to stop.

    Raises:
        UnavailableError: The address cannot be had.
        ConfigurationError: The certificate cannot be used.
    """
    port = Port(board, metrics=metrics, bulk_sign=bulk_sign)
    listener = listen.bind(place.host, place.port)
    bound, is_tls = listener.getsockname()[1], place.certificate is not None
    address = format_address(place.host, bound, is_tls=is_tls)

    def stop() -> None:
        port.stop()
        on_stop()

    listen.run(
        port.app,
        listener,
        certificate=place.certificate,
        on_ready=lambda: on_ready(address),
        on_stop=stop,
    )


class Port:
    """What answers.

    Attributes:
        app: The ASGI application.
    """

    def __init__(
        self,
        board: Board,
        *,
        metrics: Metrics,
        bulk_sign: Callable[[Sequence[Judged]], bytes] | None = None,
    ) -> None:
        """Answer for a board; see :func:`serve_board`."""
        self._board = board
        self._metrics = metrics
        self._bulk_sign = bulk_sign
        self._series = ContainerSeries()
        self._pages = _Pages()
        self._listeners = 0
        self._is_over = False
        add_figures(metrics, board)
        metrics.gauge(
            "cluster_listeners", "Pages that are live.", read=lambda: self._listeners
        )
        several = Lane(_THREADS).make
        # The series remember what they wrote: one scrape a time.
        single = Lane(1).make
        self.app: ASGIApp = Starlette(
            routes=[
                Route("/", _lead_to_status),
                Route(PATH, several(self.show_status)),
                Route(f"{PATH}/", _lead_to_status),
                Route(f"{PATH}/events", self._push),
                Route("/results", several(self.tell_results)),
                Route("/metrics", single(self.tell_metrics)),
                Route("/bulk_sign", several(self.write_script)),
                Route("/healthz", _tell_health),
                Route("/readyz", self._tell_ready),
                Route("/static/{name}", several(_read_file)),
            ],
            exception_handlers={NotaryError: _refuse},
        )

    def stop(self) -> None:
        """End all streams."""
        self._is_over = True

    def show_status(self, request: Request) -> Reply:
        """Return the page."""
        asked = parse_filter(request.query_params)
        version = self._board.version
        body = self._pages.find(asked, version)
        if body is None:
            body = render_status(self._board.snapshot(), self._board.standing, asked)
            self._pages.keep(asked, version, body)
        return Reply(body, "text/html; charset=utf-8", headers=_LIVE_HEADERS)

    def tell_results(self, request: Request) -> Reply:
        """Return what runs as JSON."""
        asked = parse_filter(request.query_params)
        rows = (one for one in self._board.snapshot() if asked.includes(one))
        found = list_results(rows, self._board.standing.pages_url)
        return Reply(dump(found), "application/json")

    def tell_metrics(self, _: Request) -> Reply:
        """Return all figures; those of containers if this replica leads."""
        standing, told = self._board.standing, b""
        if standing.is_leader:
            told = self._series.render(self._board.snapshot(), standing.namespaces)
        return Reply(told + self._metrics.render(), MEDIA_TYPE)

    def write_script(self, _: Request) -> Reply:
        """Return the script that notarizes what runs.

        Raises:
            NotFoundError: There is none here.
        """
        if self._bulk_sign is None:
            raise NotFoundError("path", expected="one of this port")
        return Reply(self._bulk_sign(self._board.snapshot()), TEXT)

    async def _tell_ready(self, _: Request) -> Response:
        """Return whether what is shown is complete."""
        if self._board.standing.is_listed:
            return Response("ok\n", 200, HEADERS, TEXT)
        return Response("not all pods were listed yet\n", 503, HEADERS, TEXT)

    async def _push(self, _: Request) -> Response:
        """Return a stream of the board's versions."""
        if self._listeners >= MAX_LISTENERS:
            raise UnavailableError("events", expected=f"at most {MAX_LISTENERS} pages")
        return StreamingResponse(
            self._follow(), 200, HEADERS, media_type="text/event-stream"
        )

    async def _follow(self) -> AsyncIterator[bytes]:
        """Yield the board's version now and whenever it changes."""
        self._listeners += 1
        try:
            yield b"retry: 3000\n\n"
            told, quiet_s = -1, 0.0
            while not self._is_over:
                pause_s, version = LOOK_S, self._board.version
                if version != told:
                    told, quiet_s, pause_s = version, 0.0, GAP_S
                    yield f"data: {version}\n\n".encode()
                elif quiet_s >= HEARTBEAT_S:
                    quiet_s = 0.0
                    yield b":\n\n"
                await asyncio.sleep(pause_s)
                quiet_s += pause_s
        finally:
            self._listeners -= 1


class _Pages:
    """The pages that were shown last, for all who look until something changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Filter, tuple[int, bytes]] = OrderedDict()

    def find(self, asked: Filter, version: int) -> bytes | None:
        """Return a page, None if it is not that of a version of the board."""
        with self._lock:
            kept = self._kept.get(asked)
            return None if kept is None or kept[0] != version else kept[1]

    def keep(self, asked: Filter, version: int, body: bytes) -> None:
        """Keep a page; the oldest goes."""
        with self._lock:
            self._kept[asked] = version, body
            self._kept.move_to_end(asked)
            while len(self._kept) > _KEPT_PAGES:
                self._kept.popitem(last=False)


async def _tell_health(_: Request) -> Response:
    """Return that the process answers; in no lane, so that nobody can hold it up."""
    return Response("ok\n", 200, HEADERS, TEXT)


async def _lead_to_status(_: Request) -> Response:
    """Return the way to the page."""
    return RedirectResponse(PATH, 307, HEADERS)


def _read_file(request: Request) -> Reply:
    """Return a file that the page uses."""
    name = request.path_params["name"]
    if name not in LIVE_STATIC:
        raise NotFoundError("path", expected="one of this port")
    forever = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Reply(read_static(name), LIVE_STATIC[name], headers=forever)


def _refuse(_: Request, error: Exception) -> Response:
    """Return the answer that tells a failure."""
    status = (
        _STATUSES.get(error.exit_code, 500) if isinstance(error, NotaryError) else 500
    )
    headers = {**HEADERS, "Retry-After": "5"} if status == 503 else HEADERS
    return Response(f"{error}\n", status, headers, TEXT)
