"""Send HTTP requests with the rules that all adapters of this room share.

- TLS certificates are verified, against a private authority where one is given.
- Plain HTTP goes only to hosts that were named for it.
- Redirects are followed here, not by the library: a bounded number, never from https to
  http, and credentials stay with the origin (scheme, host, port) they were meant for.
- 429, 500, 502, 503, 504 and broken connections are tried again with growing pauses, a
  bounded number of times and seconds.
- Bodies are read in pieces and unencoded, so their size can be limited while reading.

Nothing is read from ``.netrc``: a login is used only where this room chose it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.urls import check_url, clean_url
from jenkins_notary.errors import (
    NotaryError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

MAX_REDIRECTS = 5
"""Redirects that one request may take."""

ATTEMPTS = 4
"""How often a request is sent before the server counts as away."""

_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 20.0
_RETRIED = (429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE = 256 * 1024


class HttpSettings(NamedTuple):
    """How this room talks to the network.

    Attributes:
        ca_file: PEM file of the authorities to trust instead of the system's; None for
            the system's.
        plain_http_hosts: ``host`` or ``host:port`` that may be asked without TLS.
        timeout_s: Seconds to connect, and seconds between two pieces of an answer.
        pause: Waits between attempts; a test passes its own.
        clock: Monotonic seconds.
    """

    ca_file: str | None = None
    plain_http_hosts: Collection[str] = frozenset()
    timeout_s: float = 20.0
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class Answer(NamedTuple):
    """An answer whose body is still to be read.

    Attributes:
        response: The library's response.
        url: Where it came from, after redirects.
        redirects: How many were followed.
    """

    response: requests.Response
    url: str
    redirects: int


class _Session(requests.Session):
    """A session that leaves redirects alone.

    Even with ``allow_redirects=False`` the library reads a redirect's whole body into
    memory and prepares the next request; told that there is no target, it does not.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Say that there is none: :class:`Transport` follows redirects itself."""
        return None


class _Credentials(requests.auth.AuthBase):
    """Set the given header, and keep the library from adding a login of its own."""

    def __init__(self, authorization: str | None) -> None:
        self._authorization = authorization

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._authorization:
            request.headers["Authorization"] = self._authorization
        return request


class Transport:
    """Sends requests by the rules of this module; used by one thread."""

    def __init__(self, settings: HttpSettings) -> None:
        """Prepare a session; nothing is sent yet."""
        self.settings = settings
        self._session = _Session()
        self._session.headers["User-Agent"] = f"jenkins-notary/{VERSION}"
        # What is hashed must be what is served: no compression on the way.
        self._session.headers["Accept-Encoding"] = "identity"

    @contextmanager
    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        authorization: str | None = None,
        data: Mapping[str, str] | None = None,
    ) -> Iterator[Answer]:
        """Send a request and yield its answer, whatever its status.

        Raises:
            UsageError: The URL, or one that it redirects to, may not be asked.
            UnavailableError: There is no answer after all attempts.
            ConfigurationError: ``ca_file`` cannot be read.
        """
        origin = _origin(url)
        for redirects in range(MAX_REDIRECTS + 1):
            check_url(url, self.settings.plain_http_hosts)
            is_home = _origin(url) == origin
            response = self._send(
                method,
                url,
                headers=headers,
                authorization=authorization if is_home else None,
                data=data,
            )
            location = response.headers.get("Location")
            # A form may hold a token: it is never sent to where a redirect points.
            is_final = response.status_code not in _REDIRECTS or data is not None
            if is_final or not location:
                with response:
                    yield Answer(response, url, redirects)
                return
            response.close()
            url = _redirected(url, location)
        raise UnavailableError(
            clean_url(url), expected=f"at most {MAX_REDIRECTS} redirects", got="more"
        )

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        authorization: str | None,
        data: Mapping[str, str] | None,
    ) -> requests.Response:
        """Send until an answer is not worth another attempt."""
        pause_s = _FIRST_PAUSE_S
        last: NotaryError | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self.settings.pause(min(pause_s, _MAX_PAUSE_S))
                pause_s *= 2
            try:
                response = self._session.request(
                    method,
                    url,
                    headers=dict(headers or {}),
                    auth=_Credentials(authorization),
                    data=data,
                    timeout=self.settings.timeout_s,
                    allow_redirects=False,
                    stream=True,
                    # Said with the request: the library lets REQUESTS_CA_BUNDLE win
                    # over what its session says.
                    verify=self.settings.ca_file or None,
                )
            except requests.RequestException as error:
                last = self._explain(url, error)
                if not _is_worth_retrying(error):
                    raise last from error
                continue
            if response.status_code not in _RETRIED:
                return response
            pause_s = max(pause_s, _retry_after(response))
            last = UnavailableError(
                clean_url(url), expected="an answer", got=f"HTTP {response.status_code}"
            )
            response.close()
        assert last is not None  # noqa: S101 (the loop runs at least once)
        raise last

    def _explain(self, url: str, error: requests.RequestException) -> NotaryError:
        """Return the failure that a library error stands for; no secret in its text."""
        host = urlsplit(url).netloc.rpartition("@")[2]
        if isinstance(error, requests.exceptions.SSLError):
            return UnavailableError(
                host,
                expected="a certificate that is trusted here",
                got="another one, or no TLS",
                advice="name its authority with a CA file",
            )
        if isinstance(error, (requests.Timeout, requests.ConnectionError)):
            kind = (
                "time-out" if isinstance(error, requests.Timeout) else "no connection"
            )
            return UnavailableError(host, expected="an answer", got=kind)
        return UnavailableError(host, expected="an answer", got=type(error).__name__)


def read_pieces(answer: Answer) -> Iterator[bytes]:
    """Yield the body as it comes.

    Raises:
        UnavailableError: The connection breaks, the body is shorter than announced, or
            it is encoded.
    """
    response = answer.response
    encoding = response.headers.get("Content-Encoding", "identity")
    where = clean_url(answer.url)
    if encoding not in ("", "identity"):
        raise UnavailableError(
            where, expected="an unencoded body", got=printable(encoding, 40)
        )
    announced = response.headers.get("Content-Length", "")
    received = 0
    try:
        for piece in response.iter_content(_PIECE):
            received += len(piece)
            yield piece
    except requests.RequestException as error:
        raise UnavailableError(
            where, expected="the whole body", got=f"a break after {received} bytes"
        ) from error
    if announced.isdigit() and int(announced) != received:
        raise UnavailableError(where, expected=f"{announced} bytes", got=f"{received}")


def read_limited(answer: Answer, limit: int) -> bytes:
    """Return the whole body.

    Raises:
        UsageError: It is longer than ``limit`` bytes.
        UnavailableError: See :func:`read_pieces`.
    """
    body = bytearray()
    for piece in read_pieces(answer):
        body += piece
        if len(body) > limit:
            raise UsageError(
                clean_url(answer.url), expected=f"at most {limit} bytes", got="more"
            )
    return bytes(body)


def _redirected(url: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        UnavailableError: The server sends no URL.
        UsageError: It leads from https to another scheme.
    """
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise UnavailableError(
            clean_url(url), expected="a redirect to a URL", got="a malformed one"
        ) from error
    if urlsplit(url).scheme == "https" != scheme:
        raise UsageError(
            clean_url(url), expected="https", got="a redirect to another scheme"
        )
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port, which credentials are bound to."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port


def _is_worth_retrying(error: requests.RequestException) -> bool:
    """Return whether another attempt may end otherwise: not for TLS or bad URLs."""
    if isinstance(error, requests.exceptions.SSLError):
        return False
    return isinstance(
        error,
        (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ),
    )


def _retry_after(response: requests.Response) -> float:
    """Return the seconds that the server asks to wait; 0.0 if it asks for none."""
    value = response.headers.get("Retry-After", "")
    return (
        min(float(value), _MAX_PAUSE_S) if value.isdigit() and len(value) < 6 else 0.0
    )
