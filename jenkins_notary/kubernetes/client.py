"""Ask an API server: one request and its JSON, or a stream of events.

Answers are bounded in bytes and time. A failure has the class of what the caller does
next:

=============  =====================  ============================================
status         failure
=============  =====================  ============================================
401, 403       permission (77)        after a token that was read anew, for 401
404            not found (66)
409            head moved (69)        somebody else was first: read it again
410            :class:`GoneError`     that version is no more: list again
others         unavailable (69)       429 and 503 say how long to wait
=============  =====================  ============================================

No redirect is followed. Nothing is tried again here but a request whose token has
expired: who asks knows how often it is worth it.

Source: Kubernetes API concepts (watch, resource versions, bookmarks, chunked lists).
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urlencode

import urllib3

from jenkins_notary.assets.asset import printable
from jenkins_notary.errors import (
    HeadMovedError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from jenkins_notary.kubernetes.access import Access

CONNECT_S = 5.0
TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 64 << 20
"""A page of 500 pods has 2 to 5 MiB; the API server bounds an object at 1.5 MiB."""

MAX_EVENT_BYTES = 8 << 20
_PIECE = 64 << 10
_AGENT = f"jenkins-notary/{VERSION}"


class GoneError(UnavailableError):
    """The version that was asked for is no longer kept: all must be listed again."""


class BusyError(UnavailableError):
    """The server asks to wait.

    Attributes:
        wait_s: How long.
    """

    wait_s = 0.0


class _Call(NamedTuple):
    """One request: path and query, how long the server may be silent, the body."""

    method: str
    target: str
    silence_s: float
    data: bytes | None = None
    content_type: str = ""


class ClusterClient:
    """An API server, as one identity; for several threads.

    Attributes:
        access: Where it is.
        requests: How many were sent.
    """

    def __init__(self, access: Access, *, timeout_s: float = TIMEOUT_S) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            ConfigurationError: A file of certificates cannot be used.
        """
        self.access = access
        self.requests = 0
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._streams: set[urllib3.BaseHTTPResponse] = set()
        self._is_closed = False
        self._pool = self._make_pool()

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        """Return the object at a path.

        Args:
            path: Such as ``/api/v1/pods``.
            query: Its parameters; those that are None are left out.

        Raises:
            NotaryError: The server refuses or does not answer.
        """
        return self.send("GET", path + _format_query(query))

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Return the object that answers a request.

        Raises:
            NotaryError: The server refuses or does not answer.
        """
        data = None if body is None else json.dumps(body).encode()
        call = _Call(method, path, self._timeout_s, data, content_type)
        with self._open(call) as answer:
            return _parse(_read(answer, self.access.url), self.access.url)

    @contextmanager
    def stream(
        self, path: str, *, silence_s: float, **query: str | int | None
    ) -> Iterator[Iterator[dict[str, Any]]]:
        """Open a stream of events, each a JSON object, that ends when the server does.

        Args:
            path: Such as ``/api/v1/pods``.
            silence_s: How long the server may be silent.
            query: Its parameters; those that are None are left out.

        Raises:
            NotaryError: The server refuses or does not answer; while reading too.
        """
        target = path + _format_query(query)
        with self._open(_Call("GET", target, silence_s)) as answer:
            yield _read_events(answer, self.access.url)

    def end_streams(self) -> None:
        """End all streams that are open; further requests may be sent."""
        with self._lock:
            streams = [*self._streams]
        for one in streams:
            with suppress(OSError, ValueError, RuntimeError):
                one.shutdown()

    def close(self) -> None:
        """End all streams and close all connections; what is asked then fails."""
        with self._lock:
            self._is_closed = True
        self.end_streams()
        self._pool.clear()

    @contextmanager
    def _open(self, call: _Call) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send a request, twice if the token was refused; yield a good answer."""
        answer = self._ask(call)
        if answer.status == 401:
            _discard(answer)
            answer = self._ask(call, is_refused=True)
        with self._lock:
            self._streams.add(answer)
            is_closed = self._is_closed
        try:
            if is_closed:
                raise UnavailableError(self.access.url, got="closed")
            if not 200 <= answer.status < 300:
                raise _explain(answer, f"{call.method} {self.access.url}{call.target}")
            yield answer
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _broken(self.access.url, error) from error
        finally:
            with self._lock:
                self._streams.discard(answer)
            _discard(answer)

    def _ask(
        self, call: _Call, *, is_refused: bool = False
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; return the answer's head, its body still to be read."""
        headers = {"Accept": "application/json", "User-Agent": _AGENT}
        token = self.access.identity.token(is_refused)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if call.data is not None:
            headers["Content-Type"] = call.content_type
        self.requests += 1
        try:
            return self._pool.request(
                call.method,
                self.access.url + call.target,
                body=call.data,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=call.silence_s),
            )
        except urllib3.exceptions.SSLError as error:
            # Its authority may have been replaced: read the files anew.
            self._pool = self._make_pool()
            raise _broken(self.access.url, error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _broken(self.access.url, error) from error

    def _make_pool(self) -> urllib3.PoolManager:
        """Return connections with the TLS settings of now."""
        name = self.access.server_name
        named: dict[str, Any] = {} if name is None else {"server_hostname": name}
        context = self.access.make_context()
        return urllib3.PoolManager(
            num_pools=4, maxsize=16, ssl_context=context, **named
        )


def _format_query(query: Mapping[str, str | int | None]) -> str:
    """Return a query, "" for none."""
    given = {key: str(one) for key, one in query.items() if one is not None}
    return f"?{urlencode(given)}" if given else ""


def _read(answer: urllib3.BaseHTTPResponse, url: str) -> bytes:
    """Return an answer's whole body."""
    pieces, size = [], 0
    for piece in answer.stream(_PIECE):
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise UnavailableError(url, expected=f"at most {MAX_ANSWER_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _read_events(
    answer: urllib3.BaseHTTPResponse, url: str
) -> Iterator[dict[str, Any]]:
    """Yield the objects of a stream, one a line."""
    rest = b""
    for piece in answer.stream(_PIECE):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield _parse(line, url)
        if len(rest) > MAX_EVENT_BYTES:
            raise UnavailableError(url, expected=f"events of {MAX_EVENT_BYTES} bytes")


def _parse(data: bytes, url: str) -> dict[str, Any]:
    """Return the JSON object of some bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UnavailableError(
            url, expected="an API server's JSON", got=f"{len(data)} other bytes"
        )
    return value


def _discard(answer: urllib3.BaseHTTPResponse) -> None:
    """Give a connection back if the answer was read whole; else close it."""
    with suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
        if answer.length_remaining:
            answer.close()
        answer.release_conn()


def _explain(answer: urllib3.BaseHTTPResponse, subject: str) -> NotaryError:
    """Return the failure that a status stands for."""
    message = ""
    with suppress(NotaryError):
        told = _parse(answer.read(_PIECE), "").get("message")
        message = printable(told, 300) if isinstance(told, str) else ""
    return explain_status(
        answer.status, message, subject, answer.headers.get("Retry-After", "")
    )


def explain_status(
    status: int, message: str, subject: str, retry_after: str = ""
) -> NotaryError:
    """Return the failure that a status, of an answer or an event, stands for."""
    got = f"{status}{f' {message}' if message else ''}"
    where = subject.partition("?")[0]
    if status in {401, 403}:
        advice = (
            "its token is not valid: is the service account mounted?"
            if status == 401
            else "give its role this right: see docs/cluster.md"
        )
        return PermissionDeniedError(where, got=got, advice=advice)
    if status == 404:
        return NotFoundError(where, got=got)
    if status == 409:
        return HeadMovedError(where, got=got)
    if status == 410:
        return GoneError(where, got=got)
    error = BusyError(where, expected="an answer", got=got)
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 5:
        error.wait_s = float(retry_after)
    return error


def _broken(url: str, error: Exception) -> UnavailableError:
    """Return the failure of a connection."""
    reason = getattr(error, "reason", None) or error
    text = printable(str(reason), 200)
    return UnavailableError(url, expected="an answer", got=text)
