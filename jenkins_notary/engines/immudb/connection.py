"""Talk to one immudb server: sessions, time-outs, bounded retries, its errors in ours.

Calls that only read are tried again with growing pauses until the deadline; whoever
writes hears of a failure at once and must find out himself whether it was done. At most
:data:`MAX_CALLS` calls are on their way at a time: a server refuses more than about
thirty commits at once.

User and password come from the environment or a file, never from a URL, and are sent
over TLS, or to this host, or where plain text was asked for by name.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from jenkins_notary.engines.immudb.wire import MESSAGES, METHODS, SERVICE
from jenkins_notary.errors import (
    ConfigurationError,
    HeadMovedError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.errors import NotaryError

T = TypeVar("T")

MAX_CALLS = 16
CALL_S = 30.0
RETRY_S = 20.0
MAX_ANSWER_BYTES = 64 << 20
MAX_TX_ENTRIES = 4096
"""Keys that a transaction may have in a database that is made here."""

RENEW_MS = 3_600_000
"""How old an index may be that is read where older values do, in such a database."""

SYNC_MS = 2
"""How often such a database syncs what was committed meanwhile; by default 20."""

_PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

_AWAY = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
_SESSION_WORDS = ("session not found", "no session", "not logged in")
_BUSY_WORDS = ("max concurrency limit", "max active transactions", "too many", "closed")
_TLS_WORDS = ("handshake", "verification check failed", "unwrap failed")
_TLS_ADVICE = (
    "check JENKINS_NOTARY_IMMUDB_CA, _CERT and _KEY, the host's name, and that the "
    "server speaks TLS"
)
_LATE_ADVICE = (
    "it may have been done or not: immudb waits where its disk is full or a "
    "synchronous replica is away"
)
_DISK_WORDS = ("no space left", "read-only file system", "input/output error")


class HandshakeError(UnavailableError):
    """The two do not come to trust each other: to try again would not help."""


class Server(NamedTuple):
    """Where immudb is and how it is reached.

    Attributes:
        host: Its host.
        port: Its port.
        database: The database of the ledger.
        user: Who asks.
        password: That user's password.
        tls: Whether the connection is encrypted and the server's name checked.
        ca: PEM certificates that the server's is checked against; None for those of
            the system.
        certificate: PEM chain and key that the client shows, or None.
    """

    host: str
    port: int
    database: str
    user: str
    password: str
    tls: bool
    ca: bytes | None = None
    certificate: tuple[bytes, bytes] | None = None

    @property
    def name(self) -> str:
        """Return its URL without who asks."""
        return f"immudb://{self.host}:{self.port}/{self.database}"


class Link(Protocol):
    """What asks a database: one server, or several.

    Attributes:
        server: Where it is, or the one that gives the ledger its name.
        tell: Told what a person should know, or None.
        on_replica: Whether a replica gave the last answer.
    """

    server: Server
    tell: Callable[[str], None] | None
    on_replica: bool

    def read(self, method: str, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Ask something that changes nothing; again while nobody answers."""

    def write(self, method: str, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Make one call; without an answer it may have been done, or not."""

    @property
    def max_tx_entries(self) -> int:
        """Return how many keys a transaction may have."""

    def close(self) -> None:
        """End sessions and connections."""


def ask_again(call: Callable[[], T]) -> T:
    """Return what a call gives; it is made again while there is no answer.

    Raises:
        UnavailableError: There was none until the deadline, or TLS is in the way.
    """
    deadline = time.monotonic() + RETRY_S
    for pause in (*_PAUSES_S, *([_PAUSES_S[-1]] * 100)):
        try:
            return call()
        except HandshakeError:
            raise
        except UnavailableError:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
    raise AssertionError  # The deadline ends it.


class Connection:
    """One server, one database; threads may share it.

    Attributes:
        server: Where it is.
        server_id: What the server calls itself; "" before the first session.
        tell: Never told anything.
        on_replica: Never.
    """

    def __init__(self, server: Server) -> None:
        """Connect with the first call."""
        self.server = server
        self.server_id = ""
        self.tell: Callable[[str], None] | None = None
        self.on_replica = False
        self._channel = _open_channel(server)
        self._calls = {
            name: self._channel.unary_unary(
                SERVICE + name,
                request_serializer=MESSAGES[asked].SerializeToString,
                response_deserializer=MESSAGES[answered].FromString,
            )
            for name, (asked, answered) in METHODS.items()
        }
        self._slots = threading.BoundedSemaphore(MAX_CALLS)
        self._lock = threading.Lock()
        self._session: str | None = None

    def read(self, method: str, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Ask something that changes nothing; again if the server is away.

        Raises:
            NotFoundError: There is no such key.
            UnavailableError: The server was away until the deadline.
            NotaryError: It refuses.
        """
        return ask_again(lambda: self.write(method, **fields))

    def write(self, method: str, *, wait_s: float | None = None, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Make one call.

        Args:
            method: Which, of :data:`~jenkins_notary.engines.immudb.wire.METHODS`.
            wait_s: How long an answer is waited for; None for ``CALL_S``.
            fields: Of the request.

        Raises:
            UnavailableError: No answer: it may have been done, or not.
            HeadMovedError: A precondition does not hold; nothing was done.
            NotaryError: The server refuses; nothing was done.
        """
        message = MESSAGES[METHODS[method][0]](**fields)
        limit_s = CALL_S if wait_s is None else wait_s
        for is_last in (False, True):
            session = self._open_session(limit_s)
            try:
                with self._slots:
                    return self._calls[method](
                        message, metadata=(("sessionid", session),), timeout=limit_s
                    )
            except grpc.RpcError as error:
                if is_last or not _says(error, _SESSION_WORDS):
                    raise self._translate(error) from error
                # A session ends after minutes of silence, and when a server restarts.
                self._forget(session)
        raise AssertionError  # The second time returns or raises.

    @cached_property
    def max_tx_entries(self) -> int:
        """Return how many keys a transaction of this database may have.

        Raises:
            ConfigurationError: The database loses its oldest values after a time.
        """
        found = self.read("GetDatabaseSettingsV2").settings
        kept_ms = found.truncationSettings.retentionPeriod.value
        if kept_ms:
            # The oldest leaves and tiles would go, and with them all proofs.
            raise ConfigurationError(
                self.server.name,
                expected="a database that keeps its values",
                got=f"a retention period of {kept_ms / 3_600_000:.0f} h",
                advice="immuadmin database update --retention-period 0; "
                "prune bodies with jenkins-notary ledger prune",
            )
        return min(int(found.maxTxEntries.value) or 1024, MAX_TX_ENTRIES)

    def create_database(self) -> None:
        """Make the database, unless it is there."""
        admin = Connection(self.server._replace(database="defaultdb"))
        try:
            number = MESSAGES["Number"](value=MAX_TX_ENTRIES)
            admin.write(
                "CreateDatabaseV2",
                name=self.server.database,
                settings=MESSAGES["Settings"](
                    maxTxEntries=number,
                    # By default each second's first read of several keys writes the
                    # index out, all that changed of it; those here say what they need.
                    indexSettings=MESSAGES["IndexSettings"](
                        renewSnapRootAfter=MESSAGES["LongNumber"](value=RENEW_MS)
                    ),
                    # A commit waits for the next sync, and so does the one behind it.
                    syncFrequency=MESSAGES["Milliseconds"](value=SYNC_MS),
                ),
                ifNotExists=True,
            )
        finally:
            admin.close()

    def close(self) -> None:
        """End the session and the connection."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(grpc.RpcError):
                self._calls["CloseSession"](
                    MESSAGES["Empty"](), metadata=(("sessionid", session),), timeout=2
                )
        self._channel.close()

    def _open_session(self, timeout_s: float = CALL_S) -> str:
        """Return a session, a new one where there is none."""
        with self._lock:
            if self._session is None:
                server = self.server
                try:
                    opened = self._calls["OpenSession"](
                        MESSAGES["OpenSessionRequest"](
                            username=server.user.encode(),
                            password=server.password.encode(),
                            database=server.database,
                        ),
                        timeout=timeout_s,
                    )
                except grpc.RpcError as error:
                    raise self._translate(error) from error
                self._session, self.server_id = opened.session, opened.server
            return self._session

    def _forget(self, session: str) -> None:
        """Open another session for the next call."""
        with self._lock:
            if self._session == session:
                self._session = None

    def _translate(self, error: grpc.RpcError) -> NotaryError:
        """Return an error of the server as one of ours."""
        code, text = error.code(), str(error.details() or "")[:300]
        subject, advice = self.server.name, ""
        kind: Callable[..., NotaryError] = UnavailableError
        if code is grpc.StatusCode.FAILED_PRECONDITION:
            return HeadMovedError(
                subject, expected="the head that the batch was built on", got=text
            )
        for is_it, of, hint in _kinds(code, text):
            if is_it:
                kind, advice = of, hint
                break
        return kind(subject, got=text or code.name, advice=advice)


def _kinds(
    code: grpc.StatusCode, text: str
) -> list[tuple[bool, Callable[..., NotaryError], str]]:
    """Return which of our errors a refusal is, the first that holds."""
    low = text.lower()
    return [
        ("key not found" in low, NotFoundError, ""),
        (
            "illegal state" in low,
            IntegrityError,
            "it was rolled back, replaced, or promoted while it was behind",
        ),
        (
            "invalid user name or password" in low,
            PermissionDeniedError,
            "check JENKINS_NOTARY_IMMUDB_USER and _IMMUDB_PASSWORD",
        ),
        (
            "database does not exist" in low,
            NotFoundError,
            "jenkins-notary ledger init makes it, where the user may",
        ),
        (
            any(word in low for word in _DISK_WORDS),
            StorageError,
            "free space on immudb",
        ),
        (
            any(word in low for word in _TLS_WORDS),
            HandshakeError,
            _TLS_ADVICE,
        ),
        (
            code is grpc.StatusCode.DEADLINE_EXCEEDED,
            UnavailableError,
            _LATE_ADVICE,
        ),
        (code in _AWAY or any(w in low for w in _BUSY_WORDS), UnavailableError, ""),
        (
            code
            in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED},
            PermissionDeniedError,
            "",
        ),
        ("permission" in low, PermissionDeniedError, ""),
        ("is not a replica" in low or "replica" in low, UnavailableError, ""),
        ("exceeded" in low or "illegal arguments" in low, UsageError, ""),
        (code is grpc.StatusCode.UNIMPLEMENTED, ConfigurationError, ""),
    ]


def _says(error: grpc.RpcError, words: tuple[str, ...]) -> bool:
    """Return whether an error's text holds any of some words."""
    text = str(error.details() or "").lower()
    return any(word in text for word in words)


def _open_channel(server: Server) -> grpc.Channel:
    """Return a channel that connects when it is used."""
    options = [
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Another process must not get this one's subchannel, nor its proxy.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    address = f"[{server.host}]" if ":" in server.host else server.host
    target = f"{address}:{server.port}"
    if not server.tls:
        return grpc.insecure_channel(target, options)
    chain, key = server.certificate or (None, None)
    credentials = grpc.ssl_channel_credentials(server.ca, key, chain)
    return grpc.secure_channel(target, credentials, options)
