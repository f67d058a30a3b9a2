"""Say where a controller is, and with which login it is read."""

from __future__ import annotations

from urllib.parse import urlsplit

from jenkins_notary.assets.urls import check_url, clean_url
from jenkins_notary.errors import ConfigurationError, UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Access(NamedTuple):
    """How one controller is reached.

    Attributes:
        instance: Its enrolled slug, the instance of its job ids.
        url: Its root URL, ending in ``/``, without credentials.
        user: Who reads, or None for nobody.
        token: The user's API token (or password), or None; never shown.
        ca_file: PEM file of the authorities to trust instead of the system's, or None.
    """

    instance: str
    url: str
    user: str | None = None
    token: str | None = None
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Show what is no secret, so that no log holds one."""
        return f"Access(instance={self.instance!r}, url={self.url!r})"


def check_root_url(
    url: str, *, subject: str, plain_http_hosts: Collection[str] = ()
) -> str:
    """Return a controller's root URL in its one form, ending in ``/``.

    Args:
        url: As configured.
        subject: Where it was configured, for the message.
        plain_http_hosts: ``host`` or ``host:port`` that may be asked without TLS; the
            loopback always may.

    Raises:
        ConfigurationError: It is malformed, holds a login, query or fragment, or
            speaks plain HTTP to a host that was not named for it.
    """
    try:
        parts = check_url(url, _LOOPBACK | frozenset(plain_http_hosts))
    except UsageError as error:
        raise ConfigurationError(
            f"{subject} {clean_url(url)}",
            expected=error.expected,
            got=error.got,
            advice=error.advice or "write https://ci.example.com/",
        ) from error
    segments = parts.path.split("/")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"{subject} {clean_url(url)}",
            expected="the root URL alone",
            got="a login, query or fragment in it",
            advice="give user and token apart",
        )
    if {".", ".."} & set(segments) or "%" in parts.path:
        raise ConfigurationError(
            f"{subject} {clean_url(url)}", expected="a plain context path"
        )
    return url.rstrip("/") + "/"


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port, to which a login is bound; Nones if malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port
