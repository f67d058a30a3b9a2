"""An answer counts only when it is whole, in time, and of bounded size."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

import pytest

from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.remote import http
from jenkins_notary.remote.address import Proxy, ServiceAddress, parse_service_url
from jenkins_notary.remote.http import CertificateError, Request, Route, exchange
from tests.parts.registry import Authority
from tests.parts.service import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GET = Request("GET", "/x", (("X-Token", "t"),))
OK = b"HTTP/1.1 200 OK\r\n"


def read_request(peer: socket.socket) -> bytes:
    """Return a whole request, or what comes of it."""
    got = b""
    while piece := peer.recv(1 << 16):
        got += piece
        head, blank, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if blank and len(body) >= (int(length[1]) if length else 0):
            break
    return got


class Server:
    """A server that sends given bytes to each connection, whatever it is asked.

    Attributes:
        got: What each connection sent.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.pieces: list[bytes] = []
        self.pause_s = 0.0
        self.reads = True
        self.got: list[bytes] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop listening.

        A thread that still waited would take the connections of whichever listener
        gets the same descriptor next.
        """
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                self.got.append(read_request(peer) if self.reads else b"")
                try:
                    for piece in self.pieces:
                        peer.sendall(piece)
                        time.sleep(self.pause_s)
                except OSError:
                    continue

    def ask(
        self, *pieces: bytes, request: Request = GET, within_s: float = 5.0
    ) -> http.Answer:
        """Return the answer to a request."""
        self.pieces = list(pieces)
        address = ServiceAddress("http", "127.0.0.1", self.port, "")
        route = Route(address, None, None, within_s)
        return exchange(route, request, time.monotonic() + within_s)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        pytest.param(OK + b"Content-Length: 2\r\n\r\nab", b"ab", id="length"),
        pytest.param(OK + b"Content-Length: 0\r\n\r\n", b"", id="nothing"),
        pytest.param(OK + b"\r\nab", b"ab", id="until-the-end"),
        pytest.param(OK + b"\r\n", b"", id="nothing-until-the-end"),
        pytest.param(b"HTTP/1.0 200\r\n\r\nab", b"ab", id="old"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\na", b"a", id="100"),
        pytest.param(
            OK
            + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            b"abc",
            id="chunks",
        ),
        pytest.param(
            OK + b"transfer-encoding:Chunked\r\n\r\n0\r\nX: y\r\n\r\n",
            b"",
            id="trailer",
        ),
        pytest.param(b"HTTP/1.1 204 No\r\n\r\n", b"", id="204"),
        pytest.param(
            OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nabcd",
            b"ab",
            id="more-than-announced",
        ),
    ],
)
def test_whole_answer_is_read(server: Server, answer: bytes, body: bytes) -> None:
    assert server.ask(answer).body == body
    if len(answer) < 200:
        one_by_one = [answer[place : place + 1] for place in range(len(answer))]
        assert server.ask(*one_by_one).body == body


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="not-http"),
        pytest.param(b"HTTP/2 200\r\n\r\n", id="other-version"),
        pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", id="status"),
        pytest.param(OK[:10], id="cut-status"),
        pytest.param(OK + b"X: y\r\n", id="cut-head"),
        pytest.param(OK + b"no colon\r\n\r\n", id="field"),
        pytest.param(OK + b"X : y\r\n\r\n", id="space-before-colon"),
        pytest.param(OK + b" X: y\r\n\r\n", id="folded"),
        pytest.param(OK + b"Content-Length: 3\r\n\r\nab", id="short"),
        pytest.param(OK + b"Content-Length: -1\r\n\r\n", id="negative"),
        pytest.param(OK + b"Content-Length: 1, 1\r\n\r\na", id="list"),
        pytest.param(
            OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two-lengths"
        ),
        pytest.param(
            OK + b"Content-Length: 99999999999999999999\r\n\r\n", id="long-length"
        ),
        pytest.param(OK + b"Content-Length: 99999999999\r\n\r\n", id="too-large"),
        pytest.param(OK + b"Transfer-Encoding: gzip\r\n\r\n", id="coding"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
            id="smuggling",
        ),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", id="chunk-size"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
            id="chunk-end",
        ),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", id="no-last"
        ),
        pytest.param(OK + b"X: " + b"y" * (70 << 10), id="endless-head"),
    ],
)
def test_anything_else_is_no_answer(server: Server, answer: bytes) -> None:
    with pytest.raises(UnavailableError):
        server.ask(answer)


@pytest.mark.parametrize(
    "head",
    [b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n200\r\n"],
    ids=["end", "chunk"],
)
def test_endless_answer_is_cut_off(
    server: Server, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)

    with pytest.raises(UnavailableError, match="more than 1000 bytes"):
        server.ask(OK + head, *[b"a" * 512 + b"\r\n200\r\n"] * 50)


def test_silence_and_trickle_end_in_time(server: Server) -> None:
    server.pause_s = 0.2
    for pieces in ([], [OK], [b"H"] * 100, [OK + b"Content-Length: 99\r\n\r\n", b"a"]):
        server.pieces = pieces or [b""] * 100
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"nothing in time|breaks off|of 99"):
            server.ask(*server.pieces, within_s=0.4)

        assert time.monotonic() - started < 3


def test_time_that_is_over_asks_nothing(server: Server) -> None:
    with pytest.raises(UnavailableError, match="nothing in time"):
        server.ask(OK, within_s=-1)

    assert server.got == []


def test_request_is_written_whole(server: Server) -> None:
    pieces = (b"ab", b"c" * 100_000)
    request = Request("PUT", "/b?c", (), 100_002, lambda: pieces)
    server.ask(OK + b"\r\n", request=request)

    head, _, body = server.got[-1].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"PUT /b?c HTTP/1.1"
    assert b"Content-Length: 100002" in head
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert body.startswith(b"abc")


def test_refusal_before_the_body_was_read_is_the_answer(server: Server) -> None:
    server.reads = False
    refusal = b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n"
    request = Request("PUT", "/b", (), 1 << 26, lambda: (b"a" * (1 << 16),) * 1024)

    # The peer's reset may overtake its answer; then it is a broken connection.
    with suppress(UnavailableError):
        assert server.ask(refusal, request=request).status == 413


def test_port_that_nobody_listens_on_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    route = Route(ServiceAddress("http", "127.0.0.1", port, ""), None, None, 1)

    with pytest.raises(UnavailableError, match="refused"):
        exchange(route, GET, time.monotonic() + 1)


def test_unknown_host_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    route = Route(ServiceAddress("http", "localhost", 1, ""), None, None, 1)

    with pytest.raises(UnavailableError, match="no such host"):
        exchange(route, GET, time.monotonic() + 1)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[StandIn, Path]]:
    """A service with a certificate of a private authority."""
    authority = Authority()
    with StandIn(tmp_path, certificate=authority.issue(tmp_path, "s")) as service:
        yield service, authority.write(tmp_path)


def ask_tls(url: str, ca_file: str | None, proxy: Proxy | None = None) -> http.Answer:
    """Return the answer of a service."""
    route = Route(parse_service_url(url), proxy, ca_file, 5)
    return exchange(route, GET, time.monotonic() + 5)


def test_certificate_of_the_named_authority_is_trusted(
    tls: tuple[StandIn, Path],
) -> None:
    service, ca_file = tls

    assert ask_tls(service.url, str(ca_file)).status == 401


def test_other_certificates_are_not(tls: tuple[StandIn, Path], tmp_path: Path) -> None:
    service, _ = tls
    other = tmp_path / "other"
    other.mkdir()
    for ca_file in (None, str(Authority().write(other))):
        with pytest.raises(CertificateError, match="--ca-file"):
            ask_tls(service.url, ca_file)

    assert service.seen == []


def test_certificate_for_another_name_is_not_trusted(
    tls: tuple[StandIn, Path],
) -> None:
    service, ca_file = tls

    with pytest.raises(CertificateError):
        ask_tls(service.url.replace("127.0.0.1", "localhost"), str(ca_file))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_ca_file_that_is_none_is_a_configuration_fault(
    tls: tuple[StandIn, Path], tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.crt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationError, match="CA file"):
        ask_tls(tls[0].url, str(path))


def test_plain_server_in_place_of_tls_is_unavailable(server: Server) -> None:
    server.pieces, server.reads = [OK + b"\r\n"], False

    with pytest.raises(UnavailableError):
        ask_tls(f"https://127.0.0.1:{server.port}", None)


class ProxyServer:
    """A proxy that opens one tunnel, or answers as it is told."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.asked: list[bytes] = []
        self._answer = answer
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self.listener.close()

    def _serve(self) -> None:
        with ExitStack() as stack:
            peer = stack.enter_context(self.listener.accept()[0])
            self.asked.append(peer.recv(1 << 16))
            said = self._answer(self.asked[0])
            peer.sendall(said)
            if not said.endswith(b"established\r\n\r\n"):
                return
            host, _, port = self.asked[0].split()[1].decode().rpartition(":")
            other = stack.enter_context(socket.create_connection((host, int(port))))
            back = threading.Thread(target=self._copy, args=(other, peer))
            back.start()
            self._copy(peer, other)
            back.join()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return


def test_tunnel_of_a_proxy_is_used(tls: tuple[StandIn, Path]) -> None:
    service, ca_file = tls
    with ProxyServer(lambda _: b"HTTP/1.1 200 established\r\n\r\n") as proxy:
        way = Proxy("127.0.0.1", proxy.port, "Basic bWU6cA==")
        answer = ask_tls(service.url, str(ca_file), way)

    assert answer.status == 401
    target = service.url.rpartition("/")[2]
    assert proxy.asked[0].split(b"\r\n") == [
        f"CONNECT {target} HTTP/1.1".encode(),
        f"Host: {target}".encode(),
        b"Proxy-Authorization: Basic bWU6cA==",
        b"",
        b"",
    ]
    assert b"X-Token" not in proxy.asked[0]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nalready",
    ],
    ids=["login", "speaks-first"],
)
def test_proxy_that_opens_no_tunnel_is_unavailable(
    tls: tuple[StandIn, Path], said: bytes
) -> None:
    with (
        ProxyServer(lambda _: said) as proxy,
        pytest.raises(UnavailableError, match=r"proxy|breaks off"),
    ):
        ask_tls(tls[0].url, None, Proxy("127.0.0.1", proxy.port, None))

    assert tls[0].seen == []


def test_target_of_a_tunnel_has_brackets_for_ipv6() -> None:
    with (
        ProxyServer(lambda _: b"HTTP/1.1 502 No\r\n\r\n") as proxy,
        pytest.raises(UnavailableError, match=r"a tunnel to \[::1\]:9"),
    ):
        ask_tls("https://[::1]:9", None, Proxy("127.0.0.1", proxy.port, None))
