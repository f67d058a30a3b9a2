"""Serve the admission webhook: what the API server asks over HTTPS, in bounds.

``POST /validate`` takes an AdmissionReview and answers with one (``admission``);
``GET /healthz`` and ``/readyz`` are for the kubelet, ``/metrics`` for Prometheus.

- What the API server waits for is bounded: it is judged within the budget, or within
  four fifths of the time that the request itself names (``?timeout=10s``). What is not
  judged by then is *unavailable*, for which there is a setting.
- At most :data:`MAX_LARGE` bodies of more than :data:`SMALL_BYTES` are in memory, and
  each must be whole in :data:`READ_S`.
- Where an authority of clients is named, only who shows a certificate of it is answered
  on ``/validate``: else anybody who reaches the port may ask, and say who asks.
- A fault of this program is answered by 500: then the ``failurePolicy`` holds that the
  webhook's configuration names.
"""

from __future__ import annotations

import asyncio
import time

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from jenkins_notary.cluster.admission import decide, format_review
from jenkins_notary.cluster.review import parse_review
from jenkins_notary.errors import UsageError
from jenkins_notary.serving.listen import COMMON_NAME
from jenkins_notary.serving.metrics import MEDIA_TYPE, add_process_gauges
from jenkins_notary.serving.replies import HEADERS, json_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from jenkins_notary.cluster import review
    from jenkins_notary.cluster.admission import Decision, Policy
    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.break_glass import BreakGlass
    from jenkins_notary.cluster.containers import Container
    from jenkins_notary.serving.metrics import Metrics

    Judge = Callable[[Sequence[Container], float], Sequence[Judged]]
    Told = Callable[[review.Request, Decision, float], object]

PATH = "/validate"
MAX_BODY_BYTES = 7 << 20
"""An object of the API server has at most 3 MiB, and a review holds two."""
SMALL_BYTES = 64 << 10
"""A usual pod's review is half of it."""
MAX_LARGE = 16
THREADS = 64
READ_S = 5.0
SHARE_OF_TIMEOUT = 0.8


class Webhook:
    """What answers the API server.

    Attributes:
        app: The ASGI application.
    """

    def __init__(
        self,
        policy: Policy,
        judge: Judge,
        *,
        budget_s: float,
        metrics: Metrics,
        record: Callable[[BreakGlass], None] | None = None,
        tell: Told = lambda *_: None,
        is_ready: Callable[[], bool] = lambda: True,
        needs_client: bool = False,
    ) -> None:
        """Take what decides.

        Args:
            policy: What is settled.
            judge: Judges containers within so many seconds; called in several threads
                at once. Raises a NotaryError where it cannot.
            budget_s: How long judging may take.
            metrics: The figures of the process.
            record: Records that glass was broken, or None where nobody may.
            tell: Called with (request, decision, seconds) after each decision.
            is_ready: Whether requests can be judged yet.
            needs_client: Whether who asks must have shown a certificate.
        """
        self._needs_client = needs_client
        self._policy = policy
        self._judge = judge
        self._budget_s = budget_s
        self._record = record
        self._tell = tell
        self._is_ready = is_ready
        self._metrics = metrics
        self._requests = metrics.counter(
            "admission_requests_total", "Requests by what became of them.", "verdict"
        )
        self._seconds = metrics.histogram("admission_seconds", "Time to an answer.")
        self._large = asyncio.Semaphore(MAX_LARGE)
        self._threads = CapacityLimiter(THREADS)
        add_process_gauges(metrics)
        self.app = Starlette(
            routes=[
                Route(PATH, self._validate, methods=["POST"]),
                Route("/healthz", self._tell_health),
                Route("/readyz", self._tell_ready),
                Route("/metrics", self._tell_metrics),
            ]
        )

    def review(self, data: bytes, timeout_s: float | None = None) -> dict[str, Any]:
        """Return the answer to an AdmissionReview.

        Args:
            data: The review.
            timeout_s: How long whoever asks will wait, or None.

        Raises:
            UsageError: It is none.
        """
        began = time.monotonic()
        request = parse_review(data)
        limit_s = self._budget_s
        if timeout_s is not None:
            limit_s = min(limit_s, timeout_s * SHARE_OF_TIMEOUT)

        def judge(containers: Sequence[Container]) -> Sequence[Judged]:
            return self._judge(containers, limit_s)

        decision = decide(request, self._policy, judge, self._record)
        seconds = time.monotonic() - began
        self._requests.add(decision.verdict)
        self._seconds.observe(seconds)
        self._tell(request, decision, seconds)
        return format_review(request, decision)

    async def _validate(self, asked: Request) -> Response:
        """Answer a review."""
        if self._needs_client and asked.scope.get(COMMON_NAME) is None:
            return _say(403, "no certificate of the authority of clients")
        timeout_s = parse_timeout(asked.query_params.get("timeout", ""))
        try:
            data = await self._read(asked)
            found = await to_thread.run_sync(
                self.review, data, timeout_s, limiter=self._threads
            )
        except UsageError as error:
            return _say(400, str(error))
        except (TimeoutError, ClientDisconnect):
            return _say(408, "the body did not come in time")
        return json_response(found)

    async def _read(self, asked: Request) -> bytes:
        """Return a body.

        Raises:
            UsageError: It is too long.
            TimeoutError: It did not come in time.
        """
        size = asked.headers.get("content-length", "")
        is_small = size.isascii() and size.isdigit() and int(size[:9]) <= SMALL_BYTES
        if is_small and len(size) < 9:
            return await asyncio.wait_for(_read_body(asked), READ_S)
        async with self._large:
            return await asyncio.wait_for(_read_body(asked), READ_S)

    async def _tell_health(self, _: Request) -> Response:
        """Say that the process works."""
        return _say(200, "ok")

    async def _tell_ready(self, _: Request) -> Response:
        """Say whether requests can be judged."""
        if self._is_ready():
            return _say(200, "ok")
        return _say(503, "the ledger was not read yet")

    async def _tell_metrics(self, _: Request) -> Response:
        """Tell all figures."""
        return Response(self._metrics.render(), 200, HEADERS, MEDIA_TYPE)


def parse_timeout(text: str) -> float | None:
    """Return the seconds that an API server waits, None where it does not say.

    >>> parse_timeout("10s"), parse_timeout("1m0s")
    (10.0, None)
    """
    number = text[:-1]
    is_number = number.isascii() and number.isdigit() and len(number) < 6
    return float(number) if is_number and text.endswith("s") else None


async def _read_body(asked: Request) -> bytes:
    """Return a body.

    Raises:
        UsageError: It is too long.
    """
    data = bytearray()
    async for piece in asked.stream():
        data += piece
        if len(data) > MAX_BODY_BYTES:
            limit = f"at most {MAX_BODY_BYTES} bytes"
            raise UsageError("body", expected=limit, got="more")
    return bytes(data)


def _say(status: int, text: str) -> Response:
    """Return a line of text."""
    return Response(f"{text}\n", status, HEADERS, "text/plain")
