"""Reduce what a URL serves to a digest: ``https://…``.

The bytes are hashed as they come, without a copy on disk. The asset's name is the URL
without user, password, query and fragment, because any of them may carry a secret;
``queryRemoved`` says that there was a query. ``http://`` is refused unless its host was
named as one that may be asked without encryption.

>>> clean_url("https://bob:pw@repo.example/a/app-1.2.jar?token=x#y")
'https://repo.example/a/app-1.2.jar'
"""

from __future__ import annotations

from urllib.parse import (  # noqa: TID253 (this module is loaded for URLs only)
    SplitResult,
    urlsplit,
)

from jenkins_notary.assets.asset import Asset, Subject, printable
from jenkins_notary.assets.facts import describe_file
from jenkins_notary.errors import ConfigurationError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.urls import scrub_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Protocol

    class UrlSource(Protocol):
        """Port: where the bytes behind a URL come from."""

        def fetch_url(
            self, url: str, *, progress: Callable[[int], None] | None = None
        ) -> FetchedUrl:
            """Read the URL to its end; ``progress`` gets the bytes read so far."""


MAX_URL = 8192
"""Characters that a URL may have."""


class FetchedUrl(NamedTuple):
    """What came from a URL.

    Attributes:
        sha256_hex: SHA-256 of the body, 64 lower-case hex digits.
        size: Bytes of the body.
        head: Its first bytes, for its facts.
        redirects: How many redirects were followed.
    """

    sha256_hex: str
    size: int
    head: bytes
    redirects: int


def check_url(url: str, plain_http_hosts: Collection[str]) -> SplitResult:
    """Return the parts of a URL that may be asked.

    Args:
        url: ``https://…``, or ``http://…`` to one of the hosts.
        plain_http_hosts: ``host`` or ``host:port``, lower case, to which plain HTTP was
            asked for by name.

    Raises:
        UsageError: It is malformed, of another scheme, or plain HTTP not asked for.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not host or len(url) > MAX_URL or not is_plain or "\\" in url:
        raise UsageError(clean_url(url), expected="an https URL", got="a malformed one")
    if parts.scheme == "https":
        return parts
    if parts.scheme != "http":
        raise UsageError(clean_url(url), expected="an https URL", got="another scheme")
    if not is_plain_http_host(host, port or 80, plain_http_hosts):
        raise UsageError(
            clean_url(url),
            expected="https",
            got="plain http",
            advice=f"name {host} as a plain HTTP host if this is meant",
        )
    return parts


def is_plain_http_host(host: str, port: int, plain_http_hosts: Collection[str]) -> bool:
    """Return whether plain HTTP to a host was asked for, for this or for every port.

    >>> is_plain_http_host("::1", 5000, ["[::1]:5000"])
    True
    """
    shown = f"[{host}]" if ":" in host else host
    return not {host, shown, f"{shown}:{port}"}.isdisjoint(plain_http_hosts)


def check_ca_file(path: str | None) -> None:
    """Raise ConfigurationError if a CA file is given that cannot be used."""
    import ssl

    if path is None:
        return
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ConfigurationError(
            f"CA file {printable(path)}",
            expected="a PEM file of certificates",
            got=type(error).__name__,
        ) from error


def clean_url(url: str) -> str:
    """Return a URL, perhaps a malformed one, without what may be secret in it."""
    return printable(scrub_url(url), MAX_URL)


def hash_url(
    url: str, source: UrlSource, *, progress: Callable[[int], None] | None = None
) -> Asset:
    """Return what a URL serves as an asset.

    Raises:
        NotaryError: Whatever the source raises.
    """
    fetched = source.fetch_url(url, progress=progress)
    name = clean_url(url)
    facts = describe_file(urlsplit(url).path, fetched.head)
    if urlsplit(url).query:
        facts["queryRemoved"] = True
    if fetched.redirects:
        facts["redirects"] = fetched.redirects
    subject = Subject(name, "sha256:" + fetched.sha256_hex)
    return Asset(name, "url", fetched.size, (subject,), None, facts)
