"""Open and make ledgers in immudb: who asks, over what, with which files here.

All but the URL comes by environment:

========================================  ==========================================
``JENKINS_NOTARY_IMMUDB_USER``            who asks
``JENKINS_NOTARY_IMMUDB_PASSWORD``        that user's password, or
``JENKINS_NOTARY_IMMUDB_PASSWORD_FILE``   a file that holds it
``JENKINS_NOTARY_IMMUDB_CA``              PEM file of authorities for the server
``JENKINS_NOTARY_IMMUDB_PLAINTEXT``       hosts asked without TLS, by comma
``JENKINS_NOTARY_IMMUDB_CERT``, ``_KEY``  PEM files that the client shows (mutual TLS)
``JENKINS_NOTARY_IMMUDB_SERVER_KEY``      PEM file of the key that signs its states;
                                          of several servers, one key behind another
========================================  ==========================================

TLS is used but to this host and to hosts that are named, there or by ``--plain-http``,
and wherever authorities (``--ca-file`` is as good) or a client's certificate are given.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from functools import partial
from threading import Lock

from jenkins_notary.engines.immudb.url import parse_url
from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.files.locks import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.engines.immudb.connection import Server
    from jenkins_notary.engines.immudb.opening import Files
    from jenkins_notary.engines.immudb.servers import Servers
    from jenkins_notary.engines.immudb.store import ImmudbStore
    from jenkins_notary.ports import ServerStanding, Store

MAX_FILE_BYTES = 1 << 20
LOOK_S = 3.0
"""How long it holds what the servers said."""

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
        _servers(session),
        _files(session, opening.Files),
        FileLock,
        signatures,
    )


def listen(store: Store, tell: Callable[[str], None]) -> None:
    """Have somebody told when a replica answers for the primary."""
    from jenkins_notary.engines.immudb.store import ImmudbStore

    if isinstance(store, ImmudbStore):
        store.listen(tell)


def check_not_behind(store: Store, seen: int, size: int) -> None:
    """Check that it was no replica that gave fewer records than were seen.

    Raises:
        UnavailableError: It was: the primary may well have them.
    """
    from jenkins_notary.engines.immudb.store import ImmudbStore

    if isinstance(store, ImmudbStore) and store.on_replica:
        raise UnavailableError(
            f"ledger {store.name}",
            expected=f"the {seen} records that were seen",
            got=f"{size} at a replica that is behind",
            advice="bring the primary back",
        )


def look_at_servers(session: Session) -> tuple[ServerStanding, ...]:
    """Return where each server of the session's ledger stands; none where it is one."""
    with closing(Lookout(session)) as lookout:
        return lookout.look()


class Lookout:
    """A look at the servers of a ledger, again and again over the same connections.

    Threads may share it; what was seen holds for some seconds.
    """

    def __init__(self, session: Session) -> None:
        """Connect with the first look."""
        self._servers: Servers | None = None
        self._lock = Lock()
        self._seen: tuple[ServerStanding, ...] = ()
        self._until = 0.0
        if session.places.replicas:
            opening = _load()
            state = _files(session, opening.Files).state
            self._servers = opening.open_servers(_servers(session), state, FileLock)

    def look(self) -> tuple[ServerStanding, ...]:
        """Return where each server stands now; none where there is but one."""
        if self._servers is None:
            return ()
        with self._lock:
            if time.monotonic() > self._until:
                self._seen = self._servers.standings()
                self._until = time.monotonic() + LOOK_S
            return self._seen

    def close(self) -> None:
        """End the connections."""
        if self._servers is not None:
            self._servers.close()


def create_database(session: Session, *, forget: bool = False) -> None:
    """Make the session's database in immudb, and the keys of its envelopes here.

    Args:
        session: Where it goes.
        forget: Whether a database that holds nothing may stand where another was seen.
    """
    opening = _load()
    files = _files(session, opening.Files)
    opening.create_immudb(_servers(session)[0], files, forget=forget)


def is_published(session: Session) -> bool:
    """Return whether the session's database holds a ledger, by the server's word."""
    return bool(_load().is_published(_servers(session)[0]))


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


def _servers(session: Session) -> tuple[Server, ...]:
    """Return how each server is reached, the first of the URL first.

    Raises:
        ConfigurationError: No user or password.
    """
    from jenkins_notary.engines.immudb.connection import Server

    address = parse_url(session.places.ledger_url)
    given = {
        key[len(_PREFIX) :]: value
        for key, value in session.environ.items()
        if key.startswith(_PREFIX) and value
    }
    user, password = _login(given)
    certificate = _read_certificate(given)
    ca = _read_authorities(given.get("CA") or session.choices.ca_file)
    named = {one.strip() for one in given.get("PLAINTEXT", "").split(",")}
    plain = _LOOPBACK.union(session.choices.plain_http, named)
    must = ca is not None or certificate is not None
    return tuple(
        Server(
            host,
            port,
            address.database,
            user,
            password,
            tls=must or host not in plain,
            ca=ca,
            certificate=certificate,
        )
        for host, port in ((address.host, address.port), *session.places.replicas)
    )


def _read_authorities(path: str | None) -> bytes | None:
    """Return the PEM of authorities, None for those of the system.

    Raises:
        ConfigurationError: There is none in the file.
    """
    if not path:
        return None
    import ssl

    pem = _read(path, f"{_PREFIX}CA")
    try:
        ssl.create_default_context(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"{_PREFIX}CA {path}", expected="certificates in PEM", got="something else"
        ) from error
    return pem


def _read_certificate(given: Mapping[str, str]) -> tuple[bytes, bytes] | None:
    """Return chain and key that the client shows, None where none are given.

    Raises:
        ConfigurationError: One is missing, is none, or they do not belong together.
    """
    if "CERT" not in given and "KEY" not in given:
        return None
    import ssl

    chain, key = given.get("CERT", ""), given.get("KEY", "")
    found = _read(chain, f"{_PREFIX}CERT"), _read(key, f"{_PREFIX}KEY")
    try:
        # A passphrase is refused, not asked for.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(chain, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(
            f"{_PREFIX}CERT {chain}",
            expected=f"a certificate in PEM, and in {key} its key without a passphrase",
            got="something else",
        ) from error
    return found


def _login(given: Mapping[str, str]) -> tuple[str, str]:
    """Return user and password.

    Raises:
        ConfigurationError: One is missing.
    """
    user, password = given.get("USER", ""), given.get("PASSWORD", "")
    if not password and "PASSWORD_FILE" in given:
        data = _read(given["PASSWORD_FILE"], f"{_PREFIX}PASSWORD_FILE")
        password = data.decode("utf-8", "replace").strip("\r\n")
    if not user or not password:
        raise ConfigurationError(
            "immudb",
            expected="a user and a password",
            got="no password" if user else "no user",
            advice=f"set {_PREFIX}USER and {_PREFIX}PASSWORD",
        )
    return user, password


def _read(path: str, name: str) -> bytes:
    """Return a small file's bytes."""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigurationError(
            f"{name} {path}", expected="a readable file", got=error.strerror or ""
        ) from error
