"""Listen: one process, one event loop, connections that must not dawdle.

uvicorn bounds how long a connection may be idle between requests, and nothing else: a
client that sends a byte of its headers now and then would keep its connection for ever.
Here the headers must be whole in :data:`HEADER_S` and :data:`MAX_HEADER_BYTES`, and a
peer that acknowledges nothing is given up.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import create_ssl_context
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.serving.certificate import Renewal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp


COMMON_NAME = "notary.common_name"
"""Where a scope has the common name of the client's certificate, if it showed one."""

HEADER_S = 10.0
MAX_HEADER_BYTES = 64 << 10
MAX_CONNECTIONS = 2048
IDLE_S = 30
STOP_S = 20
DEAD_MS = 60_000


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose headers must come in time and in bounds."""

    _timer: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Expect the first request's headers."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_MS)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; too many of headers end the connection."""
        if self._timer is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        # Headers that came whole have stopped the timer.
        if self._timer is not None and self._header_bytes > MAX_HEADER_BYTES:
            self._give_up()

    def on_message_begin(self) -> None:
        """Expect the headers of another request."""
        super().on_message_begin()
        self.scope[COMMON_NAME] = _common_name(self.transport)  # type: ignore[literal-required]  # of this service
        if self._timer is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """Stop expecting headers."""
        self._stop_timer()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._timer = self.loop.call_later(HEADER_S, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller and says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say that it is ready once it listens."""
        await super().startup(sockets)
        self._on_ready()


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UnavailableError: The address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except BaseException:
            found.close()
            raise
    except OSError as error:
        raise UnavailableError(
            f"address {host}:{port}",
            expected="one that can be listened on",
            got=error.strerror or "an error",
            advice="choose another --host or --port",
        ) from error
    return found


def run(
    app: ASGIApp,
    listener: socket.socket,
    *,
    certificate: tuple[str, str] | None,
    on_ready: Callable[[], None],
    on_stop: Callable[[], object] = lambda: None,
    notify: Callable[[str], object] = lambda _: None,
    client_ca: str | None = None,
    needs_client: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    Args:
        app: What answers.
        listener: The bound socket.
        certificate: Files of the certificate's chain and its key, or None.
        on_ready: Called once connections are taken.
        on_stop: Called when it is to stop, in the event loop.
        notify: Called with one-line notices: of a certificate that was renewed.
        client_ca: File of the authorities of clients' certificates, or None.
        needs_client: Whether nobody gets in without one.

    Raises:
        ConfigurationError: The certificate cannot be used.
    """
    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Whoever asks through a proxy is not taken at the proxy's word.
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=None if certificate is None else certificate[0],
        ssl_keyfile=None if certificate is None else certificate[1],
        ssl_ca_certs=client_ca,
        ssl_cert_reqs=_wanted_of_clients(client_ca, is_needed=needs_client),
    )
    # A line for each request that is none would be a way to fill a disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        config.load()
        _follow_renewals(config, notify)
    except OSError as error:
        raise ConfigurationError(
            "--tls-cert, --tls-key",
            expected="PEM files of a certificate and its key",
            got=error.strerror or "files that do not fit",
        ) from error
    server = _Server(config, on_ready)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, _stop, server, on_stop)
        await server.serve([listener])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


def _follow_renewals(config: uvicorn.Config, notify: Callable[[str], object]) -> None:
    """Have each connection show the certificate that the files hold then."""
    certificate, key = config.ssl_certfile, config.ssl_keyfile
    if config.ssl is None or certificate is None or key is None:
        return

    def load() -> ssl.SSLContext:
        return create_ssl_context(
            certificate,
            key,
            config.ssl_keyfile_password,
            config.ssl_version,
            config.ssl_cert_reqs,
            config.ssl_ca_certs,
            config.ssl_ciphers,
        )

    Renewal([str(certificate), str(key)], load, notify).follow(config.ssl)


def _wanted_of_clients(client_ca: str | None, *, is_needed: bool) -> int:
    """Return whether certificates are asked for, and whether one is needed."""
    if client_ca is None:
        return ssl.CERT_NONE
    return ssl.CERT_REQUIRED if is_needed else ssl.CERT_OPTIONAL


def _common_name(transport: asyncio.Transport) -> str | None:
    """Return the common name of a peer's certificate; None for none, or several."""
    found = transport.get_extra_info("peercert") or {}
    names = [
        value
        for part in found.get("subject", ())
        for key, value in part
        if key == "commonName"
    ]
    return names[0] if len(names) == 1 else None


def _stop(server: uvicorn.Server, on_stop: Callable[[], object]) -> None:
    """Stop gracefully; told twice, at once."""
    on_stop()
    if server.should_exit:
        server.force_exit = True
    server.should_exit = True
