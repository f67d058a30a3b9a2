"""Ask one controller by the rules that spare it and protect the asker.

- Only URLs below the root URL are asked. A redirect is followed only if it stays
  there (a proxy that tidies a path), a few times; any other is refused, so a login
  never leaves the origin it was given for.
- 429, 500, 502, 503, 504, time-outs and broken connections are tried again with
  growing pauses, a bounded number of times; ``Retry-After`` is heeded within bounds.
- One request at a time: while a stream is open, nothing else is asked.
- A controller that takes long to answer is left alone for as long before the next
  request: it spends at most half of its time on this reader.
- Bodies are bounded while they are read.
"""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import requests
from jenkins import JenkinsException, TimeoutException

from jenkins_notary.assets.asset import printable
from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.jenkins.access import origin_of
from jenkins_notary.jenkins.bodies import open_body
from jenkins_notary.jenkins.plumbing import Plumbing
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO, TypeVar

    from jenkins_notary.jenkins.access import Access

    T = TypeVar("T")

ATTEMPTS = 4
"""How often a request is sent before the controller counts as away."""

MAX_JSON_BYTES = 16 * 1024 * 1024
"""Longest JSON that is read."""

MAX_REDIRECTS = 3

_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 20.0
_SLOW_S = 1.0
_MAX_REST_S = 10.0
_RETRIED = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class HttpSettings(NamedTuple):
    """How this room talks to the network.

    Attributes:
        connect_s: Seconds to connect.
        read_s: Seconds to wait for the next bytes.
        pause: Waits between requests; a test passes its own.
        clock: Monotonic seconds.
        wall_s: Seconds since the epoch, for dates in ``Retry-After``.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time


class Answer(NamedTuple):
    """An answer with its body as a stream.

    Attributes:
        headers: Names in any case.
        body: Decoded; see :mod:`jenkins_notary.jenkins.bodies`. The reader closes it.
    """

    headers: Mapping[str, str]
    body: BinaryIO


class TooLongError(UnavailableError):
    """A body is longer than it may be; asking for less may help."""


class _PassingError(UnavailableError):
    """No good answer, and another attempt may bring one."""

    wait_s = 0.0


class Transport:
    """Sends GET requests to one controller; used by one thread.

    Attributes:
        access: The controller.
        plumbing: python-jenkins, whose own calls read through this object.
        requests: How many requests were sent.
    """

    def __init__(self, access: Access, settings: HttpSettings) -> None:
        """Prepare a session; nothing is sent yet."""
        self.access = access
        self.requests = 0
        self.plumbing = Plumbing(
            access,
            connect_s=settings.connect_s,
            read_s=settings.read_s,
            read_text=self._read_text,
        )
        self._settings = settings
        self._stream: BinaryIO | None = None
        self._rest_s = 0.0

    def open(self, path: str, subject: str, *, accept: str = "*/*") -> Answer:
        """Return an answer of status 200, its body to be read.

        Args:
            path: Path and query below the root URL, quoted.
            subject: What is asked for, for messages.
            accept: The media types that will do.

        Raises:
            NotFoundError: 404.
            PermissionDeniedError: 401 or 403.
            UnavailableError: No answer after all attempts, or none of use.
        """
        return self._retry(lambda: self._ask(self.access.url + path, subject, accept))

    def read(
        self, path: str, subject: str, *, limit: int
    ) -> tuple[Mapping[str, str], bytes]:
        """Return headers and whole body of an answer; tried again when it breaks off.

        Raises:
            TooLongError: It is longer than ``limit`` bytes.
            NotaryError: See :meth:`open`.
        """
        url = self.access.url + path
        return self._retry(lambda: self._read(url, subject, "*/*", limit))

    def read_json(self, path: str, subject: str) -> object:
        """Return a parsed JSON body.

        Raises:
            UnavailableError: It is none: a proxy's page, say.
            NotaryError: See :meth:`open`.
        """
        url = self.access.url + path
        return self._retry(lambda: self._read_json(url, subject))

    def close(self) -> None:
        """Close connections."""
        self.plumbing.close()

    def _read_text(self, url: str) -> str:
        """Return JSON as text, checked: for python-jenkins' own calls."""
        subject = f"Jenkins {self.access.instance}"
        return json.dumps(self._retry(lambda: self._read_json(url, subject)))

    def _read_json(self, url: str, subject: str) -> object:
        accept = "application/json"
        headers, body = self._read(url, subject, accept, MAX_JSON_BYTES)
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        try:
            if kind == accept:
                return json.loads(body)
            got = f"{printable(kind, 40) or 'no type'}"
        except (ValueError, RecursionError):
            got = "malformed JSON"
        raise UnavailableError(
            subject,
            expected="Jenkins' JSON",
            got=got,
            advice="check that the URL is Jenkins' own, not that of a login page",
        )

    def _read(
        self, url: str, subject: str, accept: str, limit: int
    ) -> tuple[Mapping[str, str], bytes]:
        """Return headers and whole body of one attempt."""
        answer = self._ask(url, subject, accept)
        with answer.body as body:
            try:
                content = body.read(limit + 1)
            except UnavailableError as error:
                raise _passing(error) from error
        if len(content) > limit:
            raise TooLongError(subject, expected=f"at most {limit} bytes", got="more")
        return answer.headers, content

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Return what an attempt returns; try again while failures may pass.

        Raises:
            NotaryError: What the last attempt raised.
        """
        pause_s, tried = _FIRST_PAUSE_S, 0
        while True:
            tried += 1
            try:
                return attempt()
            except _PassingError as error:
                if tried == ATTEMPTS:
                    raise UnavailableError(
                        error.subject,
                        expected=error.expected,
                        got=f"{error.got}, {ATTEMPTS} times",
                        advice=error.advice,
                    ) from error
                self._settings.pause(min(max(pause_s, error.wait_s), _MAX_PAUSE_S))
                pause_s *= 2

    def _ask(self, url: str, subject: str, accept: str) -> Answer:
        """Send once, redirects below the root followed; return a good answer."""
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(url, subject, accept)
            if response.status_code not in _REDIRECTS:
                break
            url = self._redirected(url, response, subject)
        else:
            raise UnavailableError(
                subject, expected=f"at most {MAX_REDIRECTS} redirects", got="more"
            )
        if response.status_code != 200:
            response.close()
            raise self._fault_of(response, subject)
        self._stream = open_body(response, subject, clock=self._settings.clock)
        return Answer(response.headers, self._stream)

    def _send(self, url: str, subject: str, accept: str) -> requests.Response:
        """Send one request, after the rest that a slow controller is given."""
        if self._stream is not None and not self._stream.closed:
            raise RuntimeError("another answer of this controller is still open")
        if not self._is_below_root(url):
            raise UnavailableError(
                subject, expected=f"a URL below {self.access.url}", got="another"
            )
        if self._rest_s:
            self._settings.pause(self._rest_s)
        self.requests += 1
        started = self._settings.clock()
        try:
            return self.plumbing.send(url, accept)
        except (requests.RequestException, JenkinsException, OSError) as error:
            raise self._explain(subject, error) from error
        finally:
            took_s = self._settings.clock() - started
            self._rest_s = min(took_s, _MAX_REST_S) if took_s > _SLOW_S else 0.0

    def _is_below_root(self, url: str) -> bool:
        """Return whether a URL stays where the login belongs."""
        parts = urlsplit(url)
        segments = parts.path.lower().replace("%2e", ".").split("/")
        return (
            origin_of(url) == origin_of(self.access.url)
            and parts.username is None
            and parts.path.startswith(urlsplit(self.access.url).path)
            and not {".", ".."} & set(segments)
        )

    def _redirected(self, url: str, response: requests.Response, subject: str) -> str:
        """Return where a redirect leads; raise UnavailableError if elsewhere."""
        response.close()
        location = response.headers.get("Location", "")
        try:
            target = urljoin(url, location)
            host = urlsplit(target).netloc.rpartition("@")[2]
        except ValueError:
            target = host = ""
        if not location or not self._is_below_root(target):
            raise UnavailableError(
                subject,
                expected="an answer from Jenkins",
                got=f"a redirect to {printable(host, 80) or 'nowhere'}",
                advice="set the URL at which Jenkins itself answers, and an API token; "
                "artifacts that lie in another store are not followed there",
            )
        return target

    def _fault_of(self, response: requests.Response, subject: str) -> UnavailableError:
        """Return (or raise) what a status other than 200 means."""
        status = response.status_code
        if status in {401, 403}:
            who = f"user {self.access.user}" if self.access.user else "nobody"
            raise PermissionDeniedError(
                subject,
                expected="a login that may read it",
                got=f"HTTP {status} for {printable(who, 80)}",
                advice="check user, API token and permissions (docs/jenkins-access.md)",
            )
        if status == 404:
            raise NotFoundError(
                subject,
                expected="something there",
                got="HTTP 404",
                advice="Jenkins also says so to who may not see a job",
            )
        fault = UnavailableError(subject, expected="an answer", got=f"HTTP {status}")
        if status in _RETRIED:
            fault = _passing(fault)
            fault.wait_s = self._retry_after(response)
        return fault

    def _retry_after(self, response: requests.Response) -> float:
        """Return the seconds that the server asks to wait; 0.0 if it asks for none."""
        value = response.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit() and len(value) < 6:
            return float(value)
        try:
            return parsedate_to_datetime(value).timestamp() - self._settings.wall_s()
        except (ValueError, TypeError, OverflowError):
            return 0.0

    def _explain(self, subject: str, error: Exception) -> UnavailableError:
        """Return the failure that a library's error stands for; no secret in it."""
        if isinstance(error, requests.exceptions.SSLError):
            return UnavailableError(
                subject,
                expected="a certificate that is trusted here",
                got="another one, or no TLS",
                advice="name its authority with a CA file",
            )
        kinds: dict[type[Exception], str] = {
            TimeoutException: "a time-out",
            requests.exceptions.ProxyError: "no connection through the proxy",
            Exception: "no connection",
        }
        got = next(text for kind, text in kinds.items() if isinstance(error, kind))
        fault = UnavailableError(subject, expected="an answer", got=got)
        # What the library finds wrong with a URL or header is a ValueError too.
        return fault if isinstance(error, ValueError) else _passing(fault)


def _passing(error: UnavailableError) -> _PassingError:
    """Return a failure as one that may pass."""
    return _PassingError(
        error.subject, expected=error.expected, got=error.got, advice=error.advice
    )
