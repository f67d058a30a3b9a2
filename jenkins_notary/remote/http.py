"""Send one HTTP/1.1 request over a socket of its own, and read the whole answer.

Small on purpose: no redirects, no cookies, no compression, one request a connection.
An answer counts only when it is whole: by its length, its last chunk, or the end of the
connection where neither is announced. Everything that is read is bounded in bytes and
in time.

Source: RFC 9112 sections 4 (status line), 5 (fields), 6 (body length), 7.1 (chunks).
Python's ``http.client`` takes 40 ms to import, twice the bare interpreter.
"""

from __future__ import annotations

import re
import socket
import time

from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator
    from typing import NoReturn

    from jenkins_notary.remote.address import Proxy, ServiceAddress

MAX_HEAD_BYTES = 64 << 10
"""Bytes of status line and fields, and of one chunk's line."""

MAX_BODY_BYTES = 64 << 20
"""Bytes of the longest answer."""

CONNECT_S = 5.0
"""Seconds to open a connection, TLS and tunnel included."""

_PIECE = 64 << 10
_MAX_TRAILERS = 1000
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")


class Request(NamedTuple):
    """One request.

    Attributes:
        method: ``GET``, ``POST`` or ``PUT``.
        target: Path and query, percent-encoded.
        headers: Further fields; no line breaks in them.
        size: Bytes of the body.
        body: Makes the body's pieces, anew for each attempt.
        meanwhile: Called while the other side works: what is needed then is loaded.
        sink: Takes the body of a good answer piece by piece, which is then not held;
            it bounds the bytes itself. None to hold the body.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    size: int = 0
    body: Callable[[], Iterable[bytes]] = tuple
    meanwhile: Callable[[], object] = bool
    sink: Callable[[bytes], object] | None = None


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        status: The status code.
        headers: Fields by lower-case name; of one that stands twice, the last.
        body: All bytes of the body.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class Route(NamedTuple):
    """The way to a service.

    Attributes:
        address: Where it is.
        proxy: The proxy to go through, or None.
        ca_file: PEM file of the authorities to trust instead of the system's, or None.
        silence_s: Seconds that the other side may be silent.
    """

    address: ServiceAddress
    proxy: Proxy | None
    ca_file: str | None
    silence_s: float


class CertificateError(UnavailableError):
    """The other side is not who it must be: trying again would not help."""


def exchange(route: Route, request: Request, deadline: float) -> Answer:
    """Send a request and return its whole answer, whatever its status.

    Args:
        route: The way to the service.
        request: What to send.
        deadline: ``time.monotonic()`` by which all must be done.

    Raises:
        UnavailableError: No connection, no whole answer in time, or no HTTP.
        CertificateError: The certificate is not trusted.
        ConfigurationError: The CA file cannot be used.
    """
    connection = _Connection(route, deadline)
    try:
        connection.open()
        connection.send(request)
        request.meanwhile()
        return connection.read_answer(request.sink)
    except OSError as error:
        raise _explain(route, error) from error
    finally:
        connection.close()


class _Connection:
    """One connection, from opening to the whole answer."""

    def __init__(self, route: Route, deadline: float) -> None:
        """Prepare; nothing is opened yet."""
        self._route = route
        self._deadline = deadline
        self._socket: socket.socket | None = None
        self._rest = b""
        self._broken: OSError | None = None

    def open(self) -> None:
        """Connect, through the proxy if there is one, and start TLS."""
        address, proxy, ca_file, _ = self._route
        end = proxy or address
        limit = min(CONNECT_S, self._left())
        self._socket = socket.create_connection((end.host, end.port), limit)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy is not None:
            self._open_tunnel(proxy)
        if address.scheme == "https":
            context = _make_context(ca_file)
            self._socket = context.wrap_socket(
                self._socket, server_hostname=address.host
            )

    def send(self, request: Request) -> None:
        """Send head and body; stop early if the other side takes no more.

        A server may refuse before it has read all: then its answer is there already.
        """
        fields = [
            ("Host", self._route.address.netloc),
            ("Connection", "close"),
            ("Accept-Encoding", "identity"),
            *request.headers,
        ]
        if request.method != "GET":
            fields.append(("Content-Length", str(request.size)))
        head = f"{request.method} {request.target} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in fields
        )
        try:
            data = head.encode("ascii") + b"\r\n"
            for piece in request.body():
                data += piece
                if len(data) >= _PIECE:
                    self._send_piece(data)
                    data = b""
            self._send_piece(data)
        except OSError as error:
            self._broken = error

    def read_answer(self, sink: Callable[[bytes], object] | None) -> Answer:
        """Return the whole answer, its body if no sink takes it; pass interim ones."""
        while True:
            status, headers = self._read_head()
            if status >= 200:
                break
        pieces = self._read_body(status, headers)
        if sink is None or status != 200:
            return Answer(status, headers, b"".join(self._bounded(pieces)))
        for piece in pieces:
            sink(piece)
        return Answer(status, headers, b"")

    def close(self) -> None:
        """Close; what the other side thinks of it does not matter."""
        if self._socket is not None:
            self._socket.close()

    def _open_tunnel(self, proxy: Proxy) -> None:
        """Ask the proxy for a tunnel to the service."""
        target = f"{self._route.address.host}:{self._route.address.port}"
        if ":" in self._route.address.host:
            target = f"[{self._route.address.host}]:{self._route.address.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        self._send_piece(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        status, _ = self._read_head()
        if status != 200 or self._rest:
            raise UnavailableError(
                f"proxy {proxy.host}:{proxy.port}",
                expected=f"a tunnel to {target}",
                got=f"HTTP {status}",
                advice="check HTTPS_PROXY, or name the host in NO_PROXY",
            )

    def _send_piece(self, data: bytes) -> None:
        """Send all bytes of a piece in time."""
        self._live().sendall(data)

    def _receive(self) -> bytes:
        """Return further bytes; none at the end of the connection."""
        try:
            return self._live().recv(_PIECE)
        except OSError as error:
            # What broke first is what happened.
            raise self._broken or error from None

    def _live(self) -> socket.socket:
        """Return the socket, told how long it may take now."""
        assert self._socket is not None  # noqa: S101 - opened before
        self._socket.settimeout(min(self._route.silence_s, self._left()))
        return self._socket

    def _left(self) -> float:
        """Return the seconds that are left; at least a moment."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _read_line_block(self, end: bytes) -> bytes:
        """Return all up to a mark, without it."""
        while end not in self._rest:
            if len(self._rest) > MAX_HEAD_BYTES:
                self._refuse("more bytes than a head may have")
            piece = self._receive()
            if not piece:
                self._refuse("an answer that breaks off")
            self._rest += piece
        block, _, self._rest = self._rest.partition(end)
        return block

    def _read_head(self) -> tuple[int, dict[str, str]]:
        """Return (status, fields)."""
        first, *lines = self._read_line_block(b"\r\n\r\n").split(b"\r\n")
        status = _STATUS.fullmatch(first)
        if status is None:
            self._refuse("something that is not HTTP")
        headers: dict[str, str] = {}
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                self._refuse("a malformed field")
            name = field[1].decode("ascii").lower()
            value = field[2].decode("latin-1")
            if name == "content-length" and headers.get(name, value) != value:
                self._refuse("two lengths")
            headers[name] = value
        return int(status[1]), headers

    def _read_body(self, status: int, headers: dict[str, str]) -> Iterator[bytes]:
        """Yield the body. RFC 9112 section 6.3."""
        if status in {204, 304}:
            return
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                self._refuse("an unknown transfer coding")
            yield from self._read_chunks()
        elif length is not None:
            if not (length.isascii() and length.isdigit() and len(length) < 16):
                self._refuse("a malformed length")
            yield from self._read_exactly(int(length))
        else:
            piece, self._rest = self._rest, b""
            yield piece
            while piece := self._receive():
                yield piece

    def _read_chunks(self) -> Iterator[bytes]:
        """Yield a chunked body; its trailer fields are passed over."""
        while True:
            line = self._read_line_block(b"\r\n").partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,12}", line):
                self._refuse("a malformed chunk")
            size = int(line, 16)
            if size == 0:
                break
            yield from self._read_exactly(size)
            if self._read_line_block(b"\r\n"):
                self._refuse("a malformed chunk")
        for _ in range(_MAX_TRAILERS):
            if not self._read_line_block(b"\r\n"):
                return
        self._refuse("too many trailer fields")

    def _read_exactly(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes."""
        left = size
        while left:
            piece, self._rest = self._rest or self._receive(), b""
            if not piece:
                self._refuse(f"{size - left} of {size} bytes")
            self._rest = piece[left:]
            yield piece[:left]
            left -= len(piece) - len(self._rest)

    def _bounded(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield pieces that are held, and refuse too many bytes."""
        total = 0
        for piece in pieces:
            total += len(piece)
            if total > MAX_BODY_BYTES:
                self._refuse(f"more than {MAX_BODY_BYTES} bytes")
            yield piece

    def _refuse(self, got: str) -> NoReturn:
        """Raise what is wrong with the answer."""
        raise UnavailableError(
            str(self._route.address), expected="a whole HTTP answer", got=got
        ) from self._broken


def _make_context(ca_file: str | None) -> ssl.SSLContext:
    """Return the TLS settings: verified certificates and names, TLS 1.2 and up."""
    # Only here: loading it takes as long as the whole plain exchange.
    import ssl

    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(
            f"CA file {ca_file}",
            expected="a PEM file of certificates",
            got=error.strerror or type(error).__name__,
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _explain(route: Route, error: OSError) -> UnavailableError:
    """Return the failure that an error of the network stands for."""
    where = str(route.address)
    name = type(error).__name__
    if name == "SSLCertVerificationError":
        return CertificateError(
            where,
            expected="a certificate that is trusted here",
            got=str(getattr(error, "verify_message", "") or "another one"),
            advice="name its authority: --ca-file FILE",
        )
    # Before Python 3.10 a socket's time-out was a class of its own.
    if isinstance(error, (TimeoutError, socket.timeout)):
        got = "nothing in time"
    elif isinstance(error, socket.gaierror):
        got = "no such host"
    else:
        got = error.strerror or name
    return UnavailableError(where, expected="an answer", got=got)
