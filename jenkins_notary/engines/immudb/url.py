"""Read the URL of a ledger in immudb.

>>> parse_url("immudb://db.example.com/payments")
Address(host='db.example.com', port=3322, database='payments', replicas=())

Replicas of the database follow the first server, by whose name the ledger goes on this
host; the order of the others is that in which they are asked when it is away:

>>> found = parse_url("immudb://a.example.com,b.example.com:3323/payments")
>>> found.replicas
(('b.example.com', 3323),)
>>> format_url(found)
'immudb://a.example.com:3322/payments'
"""

from __future__ import annotations

import re

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.shapes import NamedTuple

DEFAULT_PORT = 3322
MAX_SERVERS = 8
_DATABASE = re.compile(r"[a-z0-9_]{1,128}")


class Address(NamedTuple):
    """Where a ledger in immudb is.

    Attributes:
        host: The first server's host.
        port: Its port.
        database: The database of the ledger.
        replicas: (host, port) of each further server.
    """

    host: str
    port: int
    database: str
    replicas: tuple[tuple[str, int], ...]


def parse_url(text: str) -> Address:
    """Return what a URL names.

    Raises:
        ConfigurationError: It is none, or holds a user or password.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        servers = [_parse_server(one) for one in parts.netloc.split(",")]
    except ValueError as error:
        raise _wrong_url("a malformed one") from error
    if parts.scheme != "immudb" or parts.query or parts.fragment:
        raise _wrong_url("another form")
    if len(servers) > MAX_SERVERS or len({*servers}) < len(servers):
        raise _wrong_url("a server twice, or too many")
    database = parts.path.removeprefix("/") or "defaultdb"
    if not _DATABASE.fullmatch(database):
        raise _wrong_url(f"the database {database[:40]!r}")
    return Address(*servers[0], database, tuple(servers[1:]))


def format_url(address: Address) -> str:
    """Return the URL of a ledger, without its replicas."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"immudb://{host}:{address.port}/{address.database}"


def _parse_server(text: str) -> tuple[str, int]:
    """Return (host, port).

    Raises:
        ConfigurationError: It holds a user or password, or no host.
        ValueError: It is malformed.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(f"//{text}")
    port = DEFAULT_PORT if parts.port is None else parts.port
    if parts.username is not None or parts.password is not None:
        raise _wrong_url("one with a user or password")
    if not parts.hostname:
        raise _wrong_url("one without a host")
    return parts.hostname, port


def _wrong_url(got: str) -> ConfigurationError:
    """Return the error for a URL; it is not repeated, for it may hold a password."""
    return ConfigurationError(
        "ledger",
        expected="immudb://HOST:PORT[,HOST:PORT...]/DATABASE (a-z, 0-9 and _)",
        got=got,
        advice="user and password come by JENKINS_NOTARY_IMMUDB_USER and _PASSWORD",
    )
