"""Tests for requests to an API server, whatever it answers."""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from jenkins_notary.errors import (
    HeadMovedError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.kubernetes.access import Access, Identity
from jenkins_notary.kubernetes.client import BusyError, ClusterClient, GoneError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Planned(NamedTuple):
    """What the server sends next."""

    status: int = 200
    body: bytes = b'{"kind": "PodList"}'
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] | None = None
    hang_s: float = 0.0


class Server:
    """An API server that answers as planned."""

    def __init__(self) -> None:
        self.plan: list[Planned] = []
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.is_over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                headers = {k.lower(): v for k, v in self.headers.items()}
                outer.seen.append(
                    (self.command, self.path, headers, self.rfile.read(size))
                )
                planned = outer.plan.pop(0) if outer.plan else Planned()
                self.send_response(planned.status)
                for name, value in planned.headers:
                    self.send_header(name, value)
                if planned.pieces is None:
                    self.send_header("Content-Length", str(len(planned.body)))
                    self.end_headers()
                    self.wfile.write(planned.body)
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for piece in planned.pieces:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                if planned.hang_s:
                    outer.is_over.wait(planned.hang_s)
                    self.close_connection = True
                    return
                self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - names of http.server

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def tokens() -> list[str]:
    return ["first", "second", "third"]


@pytest.fixture
def client(server: Server, tokens: list[str]) -> Iterator[ClusterClient]:
    identity = Identity(lambda _: tokens.pop(0) if tokens else None)
    access = Access(server.url, None, None, None, identity, "default")
    one = ClusterClient(access, timeout_s=5.0)
    yield one
    one.close()


def test_a_request_bears_the_token_and_leaves_out_what_is_none(
    server: Server, client: ClusterClient
) -> None:
    found = client.get("/api/v1/pods", limit=500, fieldSelector=None)

    method, path, headers, _ = server.seen[0]
    assert found == {"kind": "PodList"}
    assert (method, path) == ("GET", "/api/v1/pods?limit=500")
    assert headers["authorization"] == "Bearer first"


def test_a_body_is_sent_as_json(server: Server, client: ClusterClient) -> None:
    client.send("POST", "/x", {"a": 1})

    _, _, headers, body = server.seen[0]
    assert (json.loads(body), headers["content-type"]) == ({"a": 1}, "application/json")


def test_without_a_token_none_is_sent(
    server: Server, client: ClusterClient, tokens: list[str]
) -> None:
    tokens.clear()
    client.get("/x")

    assert "authorization" not in server.seen[0][2]


def test_a_refused_token_is_read_anew_once(
    server: Server, client: ClusterClient
) -> None:
    server.plan = [Planned(401), Planned()]
    client.get("/x")
    server.plan = [Planned(401), Planned(401)]

    with pytest.raises(PermissionDeniedError, match="its token is not valid"):
        client.get("/x")
    sent = [one[2].get("authorization") for one in server.seen]
    assert sent == ["Bearer first", "Bearer second", "Bearer third", None]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, HeadMovedError),
        (410, GoneError),
        (429, BusyError),
        (500, UnavailableError),
        (302, UnavailableError),
    ],
)
def test_each_status_is_the_failure_that_its_caller_reacts_to(
    server: Server, client: ClusterClient, status: int, kind: type[NotaryError]
) -> None:
    body = json.dumps({"message": "because\n\x1b[31m" + "x" * 1000}).encode()
    server.plan = [Planned(status, body, (("Location", "/elsewhere"),))]

    with pytest.raises(kind) as caught:
        client.get("/x", watch=1)
    assert str(caught.value).isprintable()
    assert f"{status} because" in str(caught.value)
    assert "watch=1" not in str(caught.value)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("asked", "wait_s"), [("7", 7.0), ("", 0.0), ("-1", 0.0), ("99999", 0.0)]
)
def test_what_the_server_asks_to_wait_is_told(
    server: Server, client: ClusterClient, asked: str, wait_s: float
) -> None:
    server.plan = [Planned(429, b"slow down", (("Retry-After", asked),))]

    with pytest.raises(BusyError) as caught:
        client.get("/x")
    assert caught.value.wait_s == wait_s


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000])
def test_what_is_no_object_is_no_answer(
    server: Server, client: ClusterClient, body: bytes
) -> None:
    server.plan = [Planned(200, body)]

    with pytest.raises(UnavailableError, match="an API server's JSON"):
        client.get("/x")


def test_an_answer_is_bounded(
    server: Server, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jenkins_notary.kubernetes.client.MAX_ANSWER_BYTES", 100)
    server.plan = [Planned(200, b'"' + b"x" * 200 + b'"')]

    with pytest.raises(UnavailableError, match="at most 100 bytes"):
        client.get("/x")


def test_events_come_whole_however_they_are_cut(
    server: Server, client: ClusterClient
) -> None:
    server.plan = [Planned(pieces=(b'{"n": 1}\n{"n"', b": 2}", b'\n{"n": 3}\n'))]
    with client.stream("/x", silence_s=5.0) as events:
        assert [one["n"] for one in events] == [1, 2, 3]


def test_an_event_is_bounded(
    server: Server, client: ClusterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jenkins_notary.kubernetes.client.MAX_EVENT_BYTES", 50)
    server.plan = [Planned(pieces=(b"x" * 40, b"x" * 40))]

    with (
        pytest.raises(UnavailableError, match="events of 50 bytes"),
        client.stream("/x", silence_s=5.0) as events,
    ):
        list(events)


def test_silence_ends_a_stream(server: Server, client: ClusterClient) -> None:
    server.plan = [Planned(pieces=(b'{"n": 1}\n',), hang_s=20)]
    began = time.monotonic()

    with (
        pytest.raises(UnavailableError, match="timed out"),
        client.stream("/x", silence_s=0.2) as events,
    ):
        list(events)
    assert time.monotonic() - began < 10


def test_closing_ends_a_stream_that_waits(
    server: Server, client: ClusterClient
) -> None:
    server.plan = [Planned(pieces=(b'{"n": 1}\n',), hang_s=20)]
    began = time.monotonic()

    threading.Timer(0.3, client.close).start()
    with (
        pytest.raises(UnavailableError),
        client.stream("/x", silence_s=20.0) as events,
    ):
        list(events)
    with pytest.raises(UnavailableError, match="closed"):
        client.get("/x")
    assert time.monotonic() - began < 10


def test_a_server_that_is_not_there_is_unavailable() -> None:
    nobody = Identity(lambda _: None)
    access = Access("http://127.0.0.1:1", None, None, None, nobody, "")

    with pytest.raises(UnavailableError, match="expected an answer"):
        ClusterClient(access).get("/x")
