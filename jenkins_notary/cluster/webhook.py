"""Serve the admission webhook: HTTPS for the API server, in bounds of time and memory.

``POST /validate`` takes an AdmissionReview and answers with one (``admission``);
``GET /healthz`` and ``/readyz`` are for the kubelet, ``/metrics`` for Prometheus.

- What the API server waits for is bounded: an answer is given within the budget, or
  within four fifths of the time that the request itself names (``?timeout=10s``). What
  is not judged by then is *unavailable*, for which there is a setting.
- A certificate that is renewed on disk is taken up with the next connection. One that
  cannot be used is said, and the one before stays.
- At most :data:`MAX_CONNECTIONS` are open and :data:`MAX_BODIES` bodies in memory;
  headers and bodies must be whole in :data:`READ_S`.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from contextlib import suppress

from jenkins_notary.cluster.admission import decide, format_review, parse_review
from jenkins_notary.errors import ConfigurationError, UnavailableError, UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from jenkins_notary.cluster.admission import (
        BreakGlass,
        Decision,
        Policy,
        Request,
    )
    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.containers import Container

    Judge = Callable[[Sequence[Container]], Sequence[Judged]]
    Told = Callable[[Request, Decision, float], object]

PATH = "/validate"
MAX_HEADER_BYTES = 32 << 10
MAX_BODY_BYTES = 7 << 20
"""An object of the API server has at most 3 MiB, and a review holds two."""
MAX_CONNECTIONS = 256
MAX_BODIES = 16
JUDGES = 8
READ_S = 5.0
IDLE_S = 100.0
"""Go's client keeps a connection for 90 s; the server must not be the first to go."""
CLOSE_S = 1.0
STOP_S = 10.0
SHARE_OF_TIMEOUT = 0.8
BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Certificate:
    """A certificate and its key in files, which may be renewed at any time."""

    def __init__(
        self, certificate: str, key: str, notify: Callable[[str], object]
    ) -> None:
        """Load both.

        Raises:
            ConfigurationError: They cannot be used.
        """
        self._files = certificate, key
        self._notify = notify
        self._stamp = self._read_stamp()
        self._context = self._load()

    def make_context(self) -> ssl.SSLContext:
        """Return what a listener takes; each connection gets the newest pair."""
        found = self._load()

        def renew(
            connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
        ) -> None:
            connection.context = self.newest()

        # It is called for clients that name no server, too.
        found.sni_callback = renew
        return found

    def newest(self) -> ssl.SSLContext:
        """Return the newest pair that can be used."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            try:
                found = self._load()
            except ConfigurationError as error:
                self._stamp = stamp
                self._notify(f"the certificate before stays in use: {error}")
            else:
                # Files that were exchanged meanwhile are looked at once more.
                if self._read_stamp() == stamp:
                    self._stamp = stamp
                self._context = found
                self._notify("a renewed certificate is in use")
        return self._context

    def _read_stamp(self) -> tuple[object, ...]:
        """Return what changes when one of the files does."""
        found: list[object] = []
        for path in self._files:
            with suppress(OSError):
                state = os.stat(path)
                found += [state.st_mtime_ns, state.st_ino, state.st_size]
        return tuple(found)

    def _load(self) -> ssl.SSLContext:
        """Return a context with what the files hold now."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(*self._files)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "--tls-cert, --tls-key",
                expected="PEM files of a certificate and its key",
                got=getattr(error, "strerror", None) or "files that do not fit",
            ) from error
        return context


class Counters:
    """How many requests came to what, and how long they took."""

    def __init__(self) -> None:
        """Begin with none."""
        verdicts = ("allowed", "warned", "denied", "break-glass", "skipped")
        self._verdicts = dict.fromkeys(verdicts, 0)
        self._buckets = dict.fromkeys(BUCKETS_S, 0)
        self._seconds = 0.0

    def add(self, verdict: str, seconds: float) -> None:
        """Count a request."""
        self._verdicts[verdict] += 1
        self._seconds += seconds
        for bound in BUCKETS_S:
            self._buckets[bound] += seconds <= bound

    def format(self) -> str:
        """Return Prometheus' text form."""
        name = "jenkins_notary_admission"
        total = sum(self._verdicts.values())
        lines = [
            f"# HELP {name}_requests_total Requests by what became of them.",
            f"# TYPE {name}_requests_total counter",
            *(
                f'{name}_requests_total{{verdict="{one}"}} {count}'
                for one, count in self._verdicts.items()
            ),
            f"# HELP {name}_seconds Time to an answer.",
            f"# TYPE {name}_seconds histogram",
            *(
                f'{name}_seconds_bucket{{le="{bound}"}} {count}'
                for bound, count in self._buckets.items()
            ),
            f'{name}_seconds_bucket{{le="+Inf"}} {total}',
            f"{name}_seconds_sum {self._seconds:.6f}",
            f"{name}_seconds_count {total}",
        ]
        return "\n".join(lines) + "\n"


class Answer(NamedTuple):
    """What a connection is answered."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"
    is_last: bool = False


class Webhook:
    """What answers the API server.

    Attributes:
        counters: What came so far.
    """

    def __init__(
        self,
        policy: Policy,
        judge: Judge,
        *,
        budget_s: float,
        record: Callable[[BreakGlass], None] | None = None,
        tell: Told = lambda *_: None,
        is_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take what decides.

        Args:
            policy: What is settled.
            judge: Judges containers; called in several threads at once.
            budget_s: How long judging may take.
            record: Records that glass was broken, or None where nobody may.
            tell: Called with (request, decision, seconds) after each decision.
            is_ready: Whether requests can be judged yet.
        """
        self.counters = Counters()
        self._policy = policy
        self._judge = judge
        self._budget_s = budget_s
        self._record = record
        self._tell = tell
        self._is_ready = is_ready
        self._judges = _make_pool(JUDGES, "judge")

    def close(self) -> None:
        """Judge no more."""
        self._judges.shutdown(wait=False, cancel_futures=True)

    def review(self, data: bytes, timeout_s: float | None = None) -> bytes:
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
            return self._judge_in(containers, limit_s)

        decision = decide(request, self._policy, judge, self._record)
        seconds = time.monotonic() - began
        self.counters.add(decision.verdict, seconds)
        self._tell(request, decision, seconds)
        return json.dumps(format_review(request, decision)).encode()

    def get(self, path: str) -> Answer:
        """Return the answer to a GET."""
        if path == "/healthz":
            return Answer(200, b"ok\n")
        if path == "/readyz":
            is_ready = self._is_ready()
            return Answer(200 if is_ready else 503, b"ok\n" if is_ready else b"no\n")
        if path == "/metrics":
            text = self.counters.format().encode()
            return Answer(200, text, "text/plain; version=0.0.4; charset=utf-8")
        return Answer(404, b"no such path\n")

    def _judge_in(
        self, containers: Sequence[Container], limit_s: float
    ) -> Sequence[Judged]:
        """Judge containers within a time.

        Raises:
            UnavailableError: It took longer.
        """
        work = self._judges.submit(self._judge, containers)
        try:
            return work.result(limit_s)
        except TimeoutError as error:
            work.cancel()
            raise UnavailableError(
                "the ledger", expected=f"an answer in {limit_s:g} s", got="none"
            ) from error


class Listener:
    """The HTTPS side of a webhook; runs in an event loop."""

    def __init__(self, webhook: Webhook) -> None:
        """Serve nothing yet."""
        self._webhook = webhook
        self._open: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._bodies = asyncio.Semaphore(MAX_BODIES)
        self._workers = _make_pool(MAX_BODIES, "review")

    async def serve(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        *,
        on_ready: Callable[[int], object],
        stop: asyncio.Event,
    ) -> None:
        """Serve until told to stop.

        Args:
            host: Where it listens.
            port: Where it listens; 0 for any.
            context: Its certificate.
            on_ready: Called with the port once connections are taken.
            stop: Set when it is to stop.

        Raises:
            UnavailableError: The address cannot be had.
        """
        try:
            server = await asyncio.start_server(
                self._take,
                host,
                port,
                ssl=context,
                limit=MAX_HEADER_BYTES,
                ssl_handshake_timeout=READ_S,
                ssl_shutdown_timeout=CLOSE_S,
            )
        except OSError as error:
            raise UnavailableError(
                f"address {host}:{port}",
                expected="one that can be listened on",
                got=error.strerror or "an error",
                advice="choose another --host or --port",
            ) from error
        async with server:
            on_ready(server.sockets[0].getsockname()[1])
            await stop.wait()
        await self._finish()

    async def _finish(self) -> None:
        """Let what was begun be finished, for a while."""
        self._is_stopping = True
        for one in self._idle:
            one.cancel()
        if self._open:
            _, rest = await asyncio.wait(self._open, timeout=STOP_S)
            for one in rest:
                one.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one connection until it ends."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs
        self._open.add(task)
        try:
            if len(self._open) <= MAX_CONNECTIONS:
                while await self._answer(task, reader, writer):
                    pass
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            # Whoever goes away, dawdles or floods is not answered.
            pass
        finally:
            self._idle.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._open.discard(task)

    async def _answer(
        self,
        task: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Answer one request; return whether another may follow."""
        self._idle.add(task)
        first = await asyncio.wait_for(reader.readline(), IDLE_S)
        self._idle.discard(task)
        if not first:
            return False
        rest = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), READ_S)
        asked = _parse_head(first, rest)
        if asked is None:
            answer = Answer(400, b"no HTTP/1.1 request\n", is_last=True)
        elif asked.method == "GET" and not asked.size:
            answer = self._webhook.get(asked.path)
        else:
            answer = await self._post(reader, asked)
        writer.write(_format_answer(answer))
        await asyncio.wait_for(writer.drain(), READ_S)
        is_last = answer.is_last or asked is None or not asked.is_kept
        return not is_last and not self._is_stopping

    async def _post(self, reader: asyncio.StreamReader, asked: _Asked) -> Answer:
        """Return the answer to a review."""
        if asked.method != "POST" or asked.path != PATH:
            return Answer(404, b"no such path\n", is_last=True)
        if asked.size is None:
            return Answer(411, b"no Content-Length\n", is_last=True)
        if asked.size > MAX_BODY_BYTES:
            return Answer(413, b"too many bytes\n", is_last=True)
        async with self._bodies:
            data = await asyncio.wait_for(reader.readexactly(asked.size), READ_S)
            loop = asyncio.get_running_loop()
            try:
                body = await loop.run_in_executor(
                    self._workers, self._webhook.review, data, asked.timeout_s
                )
            except UsageError as error:
                return Answer(400, f"{error}\n".encode())
            except Exception as error:  # noqa: BLE001 - the edge: the API server is told
                return Answer(500, f"fault: {type(error).__name__}\n".encode())
        return Answer(200, body, "application/json")


class _Asked(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    size: int | None
    timeout_s: float | None
    is_kept: bool


_REASONS: Mapping[int, str] = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    411: "Length Required",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def _make_pool(count: int, name: str) -> ThreadPoolExecutor:
    """Return threads that work."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(count, name)


def _parse_head(first: bytes, rest: bytes) -> _Asked | None:
    """Return the head of a request, None for one that is not understood."""
    words = first.decode("latin-1").split()
    if len(words) != 3 or words[2] != "HTTP/1.1":
        return None
    fields: dict[str, str] = {}
    for line in rest.decode("latin-1").split("\r\n")[:-2]:
        name, mark, value = line.partition(":")
        if not mark or name.strip() != name or name.lower() in fields:
            return None
        fields[name.lower()] = value.strip()
    size = fields.get("content-length")
    is_number = size is None or (size.isascii() and size.isdigit() and len(size) < 12)
    # A body whose length is told twice, or not, must not smuggle another request in.
    if not is_number or "transfer-encoding" in fields:
        return None
    path, _, query = words[1].partition("?")
    return _Asked(
        words[0],
        path,
        None if size is None else int(size),
        _parse_timeout(query),
        fields.get("connection", "").lower() != "close",
    )


def _parse_timeout(query: str) -> float | None:
    """Return the time that an API server waits, None where it does not say.

    >>> _parse_timeout("timeout=10s"), _parse_timeout("timeout=1m0s")
    (10.0, None)
    """
    name, _, value = query.partition("=")
    number = value[:-1]
    if name != "timeout" or value[-1:] != "s" or len(number) > 6:
        return None
    return float(number) if number.isascii() and number.isdigit() else None


def _format_answer(answer: Answer) -> bytes:
    """Return an answer's bytes."""
    fields = [
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        *(["Connection: close"] if answer.is_last else []),
    ]
    return "\r\n".join([*fields, "", ""]).encode("ascii") + answer.body
