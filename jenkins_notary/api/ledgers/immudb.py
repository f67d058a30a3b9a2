"""Open and make ledgers in immudb: who asks, over what, with which files here.

All but the URL comes by environment:

========================================  ==========================================
``JENKINS_NOTARY_IMMUDB_USER``            who asks
``JENKINS_NOTARY_IMMUDB_PASSWORD``        that user's password, or
``JENKINS_NOTARY_IMMUDB_PASSWORD_FILE``   a file that holds it
``JENKINS_NOTARY_IMMUDB_CERT``, ``_KEY``  PEM files that the client shows (mutual TLS)
``JENKINS_NOTARY_IMMUDB_SERVER_KEY``      PEM file of the key that signs its states
========================================  ==========================================

TLS is used but to this host and to hosts of ``--plain-http``, and wherever
``--ca-file`` or a client's certificate is given.
"""

from __future__ import annotations

import os
from functools import partial

from jenkins_notary.engines.immudb.url import parse_url
from jenkins_notary.errors import ConfigurationError
from jenkins_notary.files.locks import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.engines.immudb.connection import Server
    from jenkins_notary.engines.immudb.opening import Files
    from jenkins_notary.engines.immudb.store import ImmudbStore

MAX_FILE_BYTES = 1 << 20
_PREFIX = "JENKINS_NOTARY_IMMUDB_"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def make_opener(session: Session) -> Callable[[], ImmudbStore]:
    """Return what opens the session's ledger in immudb, in another process too.

    Raises:
        ConfigurationError: No user or password, or gRPC is not installed.
    """
    opening = _load()
    os.makedirs(os.path.dirname(session.places.ledger), mode=0o700, exist_ok=True)
    signatures = None
    path = session.environ.get(f"{_PREFIX}SERVER_KEY")
    if path:
        from jenkins_notary.keys.state_key import StateKey

        signatures = StateKey(_read(path, f"{_PREFIX}SERVER_KEY"))
    return partial(
        opening.open_immudb,
        _server(session),
        _files(session, opening.Files),
        FileLock,
        signatures,
    )


def create_database(session: Session, *, forget: bool = False) -> None:
    """Make the session's database in immudb, and the keys of its envelopes here.

    Args:
        session: Where it goes.
        forget: Whether a database that holds nothing may stand where another was seen.
    """
    opening = _load()
    files = _files(session, opening.Files)
    opening.create_immudb(_server(session), files, forget=forget)


def is_published(session: Session) -> bool:
    """Return whether the session's database holds a ledger, by the server's word."""
    return bool(_load().is_published(_server(session)))


def _load() -> Any:  # noqa: ANN401 - a module
    """Return the engine's module, which needs gRPC."""
    try:
        from jenkins_notary.engines.immudb import opening
    except ImportError as error:
        raise ConfigurationError(
            "ledger immudb://",
            expected="the extra [immudb]",
            got=f"no module {error.name}",
            advice="pip install 'jenkins-notary[immudb]'",
        ) from error
    return opening


def _files(session: Session, make: type[Files]) -> Files:
    """Return what lies on this host."""
    base = session.places.ledger
    pins = session.places.pins
    return make(
        f"{base}.envelope-keys", os.path.join(pins, f"{os.path.basename(base)}.immudb")
    )


def _server(session: Session) -> Server:
    """Return how the server is reached.

    Raises:
        ConfigurationError: No user or password.
    """
    from jenkins_notary.engines.immudb.connection import Server

    host, port, database = parse_url(session.places.ledger_url)
    given = {
        key[len(_PREFIX) :]: value
        for key, value in session.environ.items()
        if key.startswith(_PREFIX) and value
    }
    password = given.get("PASSWORD", "")
    if not password and "PASSWORD_FILE" in given:
        data = _read(given["PASSWORD_FILE"], f"{_PREFIX}PASSWORD_FILE")
        password = data.decode("utf-8", "replace").strip("\r\n")
    user = given.get("USER", "")
    if not user or not password:
        raise ConfigurationError(
            "immudb",
            expected="a user and a password",
            got="no password" if user else "no user",
            advice=f"set {_PREFIX}USER and {_PREFIX}PASSWORD",
        )
    certificate = None
    if "CERT" in given or "KEY" in given:
        chain, key = given.get("CERT", ""), given.get("KEY", "")
        certificate = _read(chain, f"{_PREFIX}CERT"), _read(key, f"{_PREFIX}KEY")
    ca_file = session.choices.ca_file
    is_plain = host in _LOOPBACK or host in session.choices.plain_http
    return Server(
        host,
        port,
        database,
        user,
        password,
        tls=ca_file is not None or certificate is not None or not is_plain,
        ca=None if ca_file is None else _read(ca_file, "--ca-file"),
        certificate=certificate,
    )


def _read(path: str, name: str) -> bytes:
    """Return a small file's bytes."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(
            f"{name} {path}", expected="a readable file", got=error.strerror or ""
        ) from error
