"""Tests for the webhook's HTTPS side: its bounds, its answers, its certificate."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.cluster import webhook as module
from jenkins_notary.cluster.admission import Decision, Policy, Request
from jenkins_notary.cluster.board import Judged, Verdict
from jenkins_notary.cluster.webhook import Certificate, Counters, Listener, Webhook
from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.values.status import Status
from tests.parts.registry import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from jenkins_notary.cluster.containers import Container

IMAGE = f"registry.example.com/app@sha256:{'a' * 64}"


class Judge:
    """Trusts everything, as soon as it is let."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.fault: Exception | None = None

    def __call__(self, containers: Sequence[Container]) -> list[Judged]:
        """Judge."""
        self.may_answer.wait(20)
        if self.fault is not None:
            raise self.fault
        trusted = Verdict.unknown("")._replace(status=Status.TRUSTED, error=None)
        return [
            Judged(container=one, verdict=trusted, exempt=None, stale=False, since_ms=0)
            for one in containers
        ]


class World:
    """A webhook that serves, and its client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        self.ca = self.authority.write(folder)
        self.files = self.authority.issue(folder, "server")
        self.said: list[str] = []
        self.told: list[tuple[Request, Decision]] = []
        self.judge = Judge()
        self.ready = True
        self.webhook = Webhook(
            Policy(),
            self.judge,
            budget_s=0.3,
            tell=lambda request, decision, _: self.told.append((request, decision)),
            is_ready=lambda: self.ready,
        )
        files = str(self.files[0]), str(self.files[1])
        self.certificate = Certificate(*files, self.said.append)
        self.port = 0

    def connect(self) -> ssl.SSLSocket:
        """Return a connection that trusts the authority."""
        context = ssl.create_default_context(cafile=self.ca)
        raw = socket.create_connection(("127.0.0.1", self.port), 10)
        return context.wrap_socket(raw, server_hostname="127.0.0.1")

    def ask(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Return (status, body) of one request."""
        context = ssl.create_default_context(cafile=self.ca)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=10, context=context
        )
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Return all that is answered to some bytes."""
        with self.connect() as connection:
            connection.sendall(data)
            found = b""
            while part := connection.recv(65536):
                found += part
            return found

    def serial(self) -> int:
        """Return the serial number of the certificate that is shown."""
        with self.connect() as connection:
            return int(str((connection.getpeercert() or {})["serialNumber"]), 16)


@contextmanager
def serve(world: World) -> Iterator[None]:
    """Serve until the block ends."""
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    def listen(port: int) -> None:
        world.port = port
        ready.set()

    async def run() -> None:
        await Listener(world.webhook).serve(
            "127.0.0.1",
            0,
            world.certificate.make_context(),
            on_ready=listen,
            stop=stop,
        )

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        world.webhook.close()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a webhook that serves."""
    found = World(tmp_path)
    with serve(found):
        yield found


def make_review(image: str = IMAGE) -> bytes:
    """Return the review of a pod."""
    request: dict[str, Any] = {
        "uid": "u-1",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": {"spec": {"containers": [{"name": "app", "image": image}]}},
    }
    review = {"apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review).encode()


def test_review_is_answered_and_told(world: World) -> None:
    status, body = world.ask("POST", "/validate?timeout=10s", make_review())

    assert status == 200
    assert json.loads(body)["response"] == {
        "uid": "u-1",
        "allowed": True,
        "auditAnnotations": {"verdict": "allowed"},
    }
    assert world.told[0][1].verdict == "allowed"


def test_a_connection_answers_several_requests(world: World) -> None:
    size = len(make_review())
    head = f"POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n"
    one = head.encode() + b"\r\n" + make_review()
    last = head.encode() + b"Connection: close\r\n\r\n" + make_review()

    assert world.raw(one + one + last).count(b"200 OK") == 3


def test_answer_comes_within_the_budget_though_the_ledger_is_silent(
    world: World,
) -> None:
    world.judge.may_answer.clear()
    began = time.monotonic()
    _, body = world.ask("POST", "/validate", make_review())
    seconds = time.monotonic() - began
    world.judge.may_answer.set()
    response = json.loads(body)["response"]

    assert response["allowed"] is False
    assert "expected an answer in 0.3 s" in response["status"]["message"]
    assert seconds < 3


def test_budget_is_less_where_the_api_server_waits_less(world: World) -> None:
    world.judge.may_answer.clear()
    webhook = Webhook(Policy(), world.judge, budget_s=60)
    body = webhook.review(make_review(), 0.5)
    world.judge.may_answer.set()
    webhook.close()

    assert b"expected an answer in 0.4 s" in body


def test_health_readiness_and_figures_are_told(world: World) -> None:
    world.ask("POST", "/validate", make_review())
    world.ask("POST", "/validate", make_review("app:1"))
    ready = world.ask("GET", "/readyz")
    world.ready = False
    status, body = world.ask("GET", "/metrics")

    assert world.ask("GET", "/healthz") == (200, b"ok\n")
    assert ready == (200, b"ok\n")
    assert world.ask("GET", "/readyz") == (503, b"no\n")
    assert world.ask("GET", "/other")[0] == 404
    assert status == 200
    assert b'jenkins_notary_admission_requests_total{verdict="denied"} 1' in body
    assert b"jenkins_notary_admission_seconds_count 2" in body


def test_buckets_hold_what_is_at_most_their_bound() -> None:
    counters = Counters()
    counters.add("allowed", 0.05)
    counters.add("denied", 60.0)
    text = counters.format()

    assert 'bucket{le="0.01"} 0' in text
    assert 'bucket{le="0.05"} 1' in text
    assert 'bucket{le="10.0"} 1' in text
    assert 'bucket{le="+Inf"} 2' in text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost\r\n\r\n", 400),
        (b"POST /validate HTTP/1.1\r\nHost: a\r\n\r\n", 411),
        (b"POST /validate HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /validate HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n", 413),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        (b"POST /validate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /other HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 404),
        (b"PUT /validate HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 404),
    ],
)
def test_what_is_no_request_for_it_is_refused(
    world: World, sent: bytes, status: int
) -> None:
    assert world.raw(sent).startswith(b"HTTP/1.1 %d " % status)
    assert world.ask("GET", "/healthz")[0] == 200


def test_body_that_is_no_review_is_refused(world: World) -> None:
    status, body = world.ask("POST", "/validate", b"{}")

    assert (status, b"expected an AdmissionReview" in body) == (400, True)


def test_fault_is_no_answer_that_lets_anything_through(world: World) -> None:
    world.judge.fault = ZeroDivisionError("a fault")

    assert world.ask("POST", "/validate", make_review()) == (
        500,
        b"fault: ZeroDivisionError\n",
    )


def test_what_was_begun_is_finished_and_what_is_idle_is_closed(tmp_path: Path) -> None:
    world = World(tmp_path)
    answers: list[tuple[int, bytes]] = []
    with serve(world):
        world.judge.may_answer.clear()
        ask = threading.Thread(
            target=lambda: answers.append(world.ask("POST", "/validate", make_review()))
        )
        idle = world.connect()
        ask.start()
        time.sleep(0.1)
    ask.join()

    assert answers[0][0] == 200
    assert idle.recv(1) == b""
    idle.close()


def test_who_dawdles_or_floods_is_not_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_S", 0.2)

    assert world.raw(b"GET /healthz HTTP/1.1\r\nHost: ") == b""
    assert world.raw(b"POST /validate HTTP/1.1\r\nContent-Length: 9\r\n\r\n") == b""
    assert world.raw(b"G" * (2 * module.MAX_HEADER_BYTES)) == b""


def test_connections_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    with world.connect() as first:
        refused = world.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        first.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")

        assert refused == b""
        assert first.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_plain_http_is_not_answered(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.port), 10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")

        assert b"200" not in connection.recv(100)


def test_renewed_certificate_is_shown_to_the_next_connection(world: World) -> None:
    before = world.serial()
    certificate, key = world.authority.issue(world.folder, "renewed")
    os.replace(certificate, world.files[0])
    half = world.serial()
    os.replace(key, world.files[1])
    after = world.serial()

    assert half == before
    assert after != before
    assert "the certificate before stays in use" in world.said[0]
    assert world.said[-1] == "a renewed certificate is in use"
    assert world.serial() == after


def test_certificate_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path,
) -> None:
    certificate, _ = Authority().issue(tmp_path, "one")
    _, key = Authority().issue(tmp_path, "other")
    for files in ((certificate, key), (certificate, tmp_path / "none")):
        with pytest.raises(ConfigurationError, match=r"--tls-cert, --tls-key"):
            Certificate(str(files[0]), str(files[1]), print)


def test_address_that_is_taken_is_refused(world: World) -> None:
    async def run() -> None:
        await Listener(world.webhook).serve(
            "127.0.0.1",
            world.port,
            world.certificate.make_context(),
            on_ready=print,
            stop=asyncio.Event(),
        )

    with pytest.raises(UnavailableError, match=r"choose another --host or --port"):
        asyncio.run(run())
