"""Read the URL of a ledger in immudb.

>>> parse_url("immudb://db.example.com/payments")
('db.example.com', 3322, 'payments')
"""

from __future__ import annotations

import re

from jenkins_notary.errors import ConfigurationError

DEFAULT_PORT = 3322
_DATABASE = re.compile(r"[a-z0-9_]{1,128}")


def parse_url(text: str) -> tuple[str, int, str]:
    """Return (host, port, database) of a URL.

    Raises:
        ConfigurationError: It is none, or holds a user or password.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise _wrong_url("a malformed one") from error
    if parts.username is not None or parts.password is not None:
        raise _wrong_url("one with a user or password")
    database = parts.path.removeprefix("/") or "defaultdb"
    is_plain = not (parts.query or parts.fragment)
    if parts.scheme != "immudb" or not parts.hostname or not is_plain:
        raise _wrong_url("another form")
    if not _DATABASE.fullmatch(database):
        raise _wrong_url(f"the database {database[:40]!r}")
    return parts.hostname, port, database


def _wrong_url(got: str) -> ConfigurationError:
    """Return the error for a URL; it is not repeated, for it may hold a password."""
    return ConfigurationError(
        "ledger",
        expected="immudb://HOST:PORT/DATABASE (a-z, 0-9 and _)",
        got=got,
        advice="user and password come by JENKINS_NOTARY_IMMUDB_USER and _PASSWORD",
    )
