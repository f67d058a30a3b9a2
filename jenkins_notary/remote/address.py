"""Read a service's URL, and find the proxy on the way to it.

>>> parse_service_url("https://notary.example.com/team")
ServiceAddress(scheme='https', host='notary.example.com', port=443, path='/team')

Rules: ``https`` to any host; ``http`` only to loopback or to a host that was named for
it; no user, password, query or fragment. A proxy is used for ``https`` alone, by
``CONNECT``, so that it sees neither token nor digests.

Source: RFC 3986 section 3; the variables ``https_proxy`` and ``no_proxy`` as curl reads
them, in either case. Read by hand: ``urllib`` costs a third of the program's start.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?"
)
_PROXY = re.compile(
    r"(?:http://)?(?:(?P<login>[\x21-\x7e]*)@)?"
    r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_PORTS = {"http": 80, "https": 443}


class ServiceAddress(NamedTuple):
    """Where a service is.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or address, without brackets.
        port: 1 to 65535.
        path: "" or a path that begins with a slash and ends without.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """Return host and port as they stand in a ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Return the URL."""
        return f"{self.scheme}://{self.netloc}{self.path}"


class Proxy(NamedTuple):
    """A proxy that opens tunnels.

    Attributes:
        host: Name or address.
        port: 1 to 65535.
        authorization: Value of ``Proxy-Authorization``, or None.
    """

    host: str
    port: int
    authorization: str | None


def parse_service_url(text: str, plain_http: Iterable[str] = ()) -> ServiceAddress:
    """Return the address in a service's URL.

    Args:
        text: ``https://HOST[:PORT][/PATH]``.
        plain_http: ``host`` or ``host:port`` that may be asked without TLS.

    Raises:
        ConfigurationError: Malformed, or plain HTTP to a host not named for it.
    """
    # What stands before an @ may be a password: it is never shown.
    shown = text.rpartition("@")[2][:80]
    scheme, mark, rest = text.partition("://")
    found = _URL.fullmatch(scheme.lower() + mark + rest)
    port = int(found["port"] or _PORTS[found["scheme"]]) if found else 0
    if found is None or not 0 < port < 1 << 16:
        raise ConfigurationError(
            f"ledger {shown!r}",
            expected="https://HOST[:PORT][/PATH], no user, query or fragment",
            got="another form",
        )
    host = found["host"].strip("[]").lower()
    address = ServiceAddress(found["scheme"], host, port, found["path"])
    if address.scheme == "http" and not _may_be_plain(address, plain_http):
        raise ConfigurationError(
            f"ledger {address}",
            expected="https",
            got="http, which shows the token to everyone on the way",
            advice=f"use https, or allow it by name: --plain-http {address.netloc}",
        )
    return address


def find_proxy(address: ServiceAddress, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a service, or None.

    Raises:
        ConfigurationError: The variable names no HTTP proxy.
    """
    if address.scheme != "https":
        return None
    text = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    if not text or _is_direct(address, environ):
        return None
    found = _PROXY.fullmatch(text)
    port = int(found["port"] or 80) if found else 0
    if found is None or not 0 < port < 1 << 16:
        raise ConfigurationError(
            "environment variable HTTPS_PROXY",
            expected="http://[USER:PASSWORD@]HOST:PORT",
            got="another form",
        )
    login = found["login"]
    return Proxy(found["host"].strip("[]"), port, _basic(login) if login else None)


def _may_be_plain(address: ServiceAddress, plain_http: Iterable[str]) -> bool:
    """Return whether a host may be asked without TLS."""
    host = address.host
    numbers = host.split(".")
    is_loopback = host in {"localhost", "::1"} or (
        numbers[0] == "127" and len(numbers) == 4 and all(map(str.isdigit, numbers))
    )
    named = {one.lower() for one in plain_http}
    return is_loopback or not named.isdisjoint(
        {host, f"[{host}]", address.netloc, f"{address.netloc}:{address.port}"}
    )


def _is_direct(address: ServiceAddress, environ: Mapping[str, str]) -> bool:
    """Return whether ``no_proxy`` names the host, or a domain above it."""
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    for one in listed.replace(" ", ",").lower().split(","):
        name = one.rpartition(":")[0] if one.endswith(f":{address.port}") else one
        name = name.lstrip(".")
        if name == "*" or (name and f".{address.host}".endswith(f".{name}")):
            return True
    return False


def _basic(login: str) -> str:
    """Return the header of a user and password, percent-decoded."""
    from binascii import b2a_base64

    plain = re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda found: bytes([int(found[1], 16)]),
        login.encode("ascii"),
    )
    return "Basic " + b2a_base64(plain, newline=False).decode("ascii")
