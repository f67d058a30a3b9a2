"""Read what a URL serves, hashing it as it comes."""

from __future__ import annotations

import base64
from hashlib import sha256
from urllib.parse import unquote, urlunsplit

from jenkins_notary.assets.facts import HEAD_BYTES
from jenkins_notary.assets.urls import (
    FetchedUrl,
    check_ca_file,
    check_url,
    clean_url,
)
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.registry.transport import (
    ATTEMPTS,
    HttpSettings,
    Transport,
    read_pieces,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

MAX_BYTES = 64 * 1024**3
"""Longest body that is read."""

MAX_SECONDS = 4 * 3600.0
"""Longest time that one body may take."""

_OK = 200


class HttpSource:
    """The URL port on the real network; see ``assets.urls.UrlSource``."""

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        plain_http_hosts: Collection[str] = (),
        settings: HttpSettings | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            ca_file: See ``transport.HttpSettings``, as for the next.
            plain_http_hosts: Hosts that may be asked without TLS.
            settings: All settings, instead of the two.

        Raises:
            ConfigurationError: The CA file cannot be used.
        """
        settings = settings or HttpSettings(ca_file, frozenset(plain_http_hosts))
        check_ca_file(settings.ca_file)
        self._settings = settings
        self._transport = Transport(settings)

    def fetch_url(
        self, url: str, *, progress: Callable[[int], None] | None = None
    ) -> FetchedUrl:
        """Read a URL to its end, in constant memory.

        A user and password in the URL are sent as a basic login to its own origin only.
        A body that breaks off is read again from the start, a bounded number of times.

        Raises:
            UsageError: The URL may not be asked, or the body exceeds a limit.
            NotFoundError: It is not there (404, 410).
            PermissionDeniedError: It asks for a login (401, 403).
            UnavailableError: There is no whole answer after all attempts.
        """
        parts = check_url(url, self._settings.plain_http_hosts)
        login = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            login = "Basic " + base64.b64encode(pair.encode()).decode()
        netloc = parts.netloc.rpartition("@")[2]
        target = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
        for attempt in range(ATTEMPTS):
            try:
                return self._read(target, login, progress)
            except _BrokenBodyError as error:
                if attempt == ATTEMPTS - 1:
                    raise error.cause from error
                self._settings.pause(2.0**attempt)
        raise AssertionError  # The last attempt returns or raises.

    def _read(
        self, url: str, login: str | None, progress: Callable[[int], None] | None
    ) -> FetchedUrl:
        deadline = self._settings.clock() + MAX_SECONDS
        hasher, size, head = sha256(), 0, b""
        with self._transport.ask("GET", url, authorization=login) as answer:
            if answer.response.status_code != _OK:
                raise _refused(url, answer.response.status_code)
            try:
                for piece in read_pieces(answer):
                    hasher.update(piece)
                    size += len(piece)
                    if len(head) < HEAD_BYTES:
                        head = (head + piece)[:HEAD_BYTES]
                    if size > MAX_BYTES or self._settings.clock() > deadline:
                        raise UsageError(
                            clean_url(url),
                            expected=f"at most {MAX_BYTES} bytes, {MAX_SECONDS:g} s",
                            got="more",
                        )
                    if progress:
                        progress(size)
            except UnavailableError as error:
                raise _BrokenBodyError(error) from error
            return FetchedUrl(hasher.hexdigest(), size, head, answer.redirects)


class _BrokenBodyError(Exception):
    """A body broke off; worth another attempt."""

    def __init__(self, cause: UnavailableError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _refused(url: str, status: int) -> NotaryError:
    """Return the failure that a status stands for."""
    where, got = clean_url(url), f"HTTP {status}"
    if status in (404, 410):
        return NotFoundError(where, expected="a body", got=got)
    if status in (401, 403):
        return PermissionDeniedError(where, expected="a readable URL", got=got)
    return UnavailableError(where, expected="HTTP 200", got=got)
