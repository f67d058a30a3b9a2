"""A service that is killed, starved, dawdled at or stopped loses nothing."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.parts.serving import Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Serving]:
    with Serving(tmp_path) as one:
        yield one


class Load:
    """Clients that record until told to stop, and keep what was acknowledged."""

    def __init__(self, service: Serving, clients: int) -> None:
        self._service = service
        self._stop = threading.Event()
        self.acknowledged: dict[int, str] = {}
        self.statuses: set[int] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for one in self._threads:
            one.start()

    def stop(self) -> None:
        self._stop.set()
        for one in self._threads:
            one.join(60)

    def _run(self) -> None:
        while not self._stop.is_set():
            value = claim()
            while not self._stop.is_set():
                # The same claim again until it is acknowledged, as an agent does.
                try:
                    answer = self._service.ask("POST", "/api/v1/records", value)
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)
                    continue
                with self._lock:
                    self.statuses.add(answer.status)
                    if answer.status == 200:
                        (asset,) = answer.json["assets"]
                        assert asset["index"] not in self.acknowledged
                        self.acknowledged[asset["index"]] = asset["digest"]
                if answer.status == 200:
                    break


def test_kill_during_load_loses_no_acknowledged_record(service: Serving) -> None:
    load = Load(service, 8)
    for _ in range(4):
        time.sleep(1.0)
        assert service.stop(signal.SIGKILL) == -signal.SIGKILL
        service.start()
    time.sleep(0.5)
    load.stop()

    assert len(load.acknowledged) > 20
    assert load.statuses <= {200, 503}
    with service.notary() as notary:
        assert notary.ledger.verify().findings == ()
        view = notary._session.view()
        for index, digest in load.acknowledged.items():
            assert view.leaf(index)[1].subjects == (digest.removeprefix("sha256:"),)
        digests = [
            one
            for index in range(view.size)
            if view.leaf(index)[1].type == "notarization"
            for one in view.leaf(index)[1].subjects
        ]
    assert len(set(digests)) == len(digests), "a record stands twice"


def test_stop_lets_what_was_begun_be_finished(service: Serving) -> None:
    load = Load(service, 8)
    time.sleep(1.0)
    code = service.stop(signal.SIGTERM)
    load._stop.set()
    load.stop()

    assert code == 0
    with service.notary() as notary:
        view = notary._session.view()
        for index, digest in load.acknowledged.items():
            assert view.leaf(index)[1].subjects == (digest.removeprefix("sha256:"),)
    assert load.statuses == {200}


def test_interrupt_stops_it_too(service: Serving) -> None:
    assert service.stop(signal.SIGINT) == 0


def test_restart_keeps_tokens_and_ledger(service: Serving) -> None:
    token = service.token("ci", "--role", "writer")
    first = service.ask("POST", "/api/v1/records", claim(), token=token)
    service.stop()
    service.start()
    again = service.ask("POST", "/api/v1/records", claim(), token=token)

    assert again.json["assets"][0]["index"] == first.json["assets"][0]["index"] + 1
    assert service.said.count("administrator's token is in") == 1
    path = service.home / "ledger.db.admin-token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert service.admin.partition(".")[2] not in service.said


def connect(service: Serving) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", service.port), timeout=60)
    found.settimeout(60)
    return found


def is_closed_within(connection: socket.socket, seconds: float) -> bool:
    began = time.monotonic()
    connection.settimeout(seconds)
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return time.monotonic() - began < seconds


def test_connection_without_whole_headers_is_given_up(service: Serving) -> None:
    silent, half, slow = connect(service), connect(service), connect(service)
    half.sendall(b"POST /api/v1/records HTTP/1.1\r\nHost: x\r\n")

    def drip() -> None:
        try:
            for _ in range(100):
                slow.sendall(b"X")
                time.sleep(0.2)
        except OSError:
            return

    threading.Thread(target=drip, daemon=True).start()
    for one in (silent, half, slow):
        assert is_closed_within(one, 15)
        one.close()
    assert service.ask("GET", "/healthz").status == 200


def test_endless_headers_are_given_up(service: Serving) -> None:
    one = connect(service)
    one.sendall(b"GET / HTTP/1.1\r\n")

    assert not can_send(one, b"X-Y: " + b"a" * 1000 + b"\r\n", times=10_000)
    one.close()
    assert service.ask("GET", "/healthz").status == 200


def can_send(connection: socket.socket, data: bytes, *, times: int) -> bool:
    """Return whether bytes are taken so many times."""
    try:
        for _ in range(times):
            connection.sendall(data)
            time.sleep(0.0005)
    except OSError:
        return False
    return True


def test_many_idle_connections_hold_up_nobody(service: Serving) -> None:
    idle = [connect(service) for _ in range(500)]
    answer = service.ask("POST", "/api/v1/records", claim())
    status = read_status(service.pid)
    for one in idle:
        one.close()

    assert answer.status == 200
    assert status < 300_000


def read_status(pid: int) -> int:
    """Return a process' resident memory, KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError


def test_upload_that_breaks_off_leaves_nothing(service: Serving) -> None:
    data = os.urandom(1 << 20)
    digest = hashlib.sha256(data).hexdigest()
    one = connect(service)
    one.sendall(
        f"PUT /api/v1/blobs/sha256:{digest} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {service.admin}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n".encode()
        + data[: 1 << 19]
    )
    time.sleep(0.3)
    one.close()
    for _ in range(50):
        left = [o for o in service.home.glob("ledger.db.blobs/*/**/*") if o.is_file()]
        if not left:
            break
        time.sleep(0.1)

    assert left == []
    whole = service.ask("PUT", f"/api/v1/blobs/sha256:{digest}", data)
    assert whole.status == 200


def test_large_upload_takes_little_memory(service: Serving) -> None:
    size = 128 << 20
    piece = os.urandom(1 << 20)
    hasher = hashlib.sha256()
    for _ in range(size >> 20):
        hasher.update(piece)
    before = read_status(service.pid)
    answer = service.ask(
        "PUT",
        f"/api/v1/blobs/sha256:{hasher.hexdigest()}",
        iter([piece] * (size >> 20)),
    )

    assert answer.json["body"]["size"] == size
    assert read_status(service.pid) - before < 64 << 10


def test_slow_reader_of_another_does_not_hold_up_records(service: Serving) -> None:
    data = os.urandom(8 << 20)
    digest = hashlib.sha256(data).hexdigest()
    service.ask("PUT", f"/api/v1/blobs/sha256:{digest}", data)
    body = {"sha256": digest, "size": len(data)}
    named = {"name": "x", "label": None, "mime": "text/plain", "body": body}
    service.ask("POST", "/api/v1/records", claim(attachments=[named]))
    readers = []
    for _ in range(20):
        one = connect(service)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(
            f"GET /api/v1/blobs/sha256:{digest} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {service.admin}\r\n\r\n".encode()
        )
        readers.append(one)
    time.sleep(0.3)

    assert service.ask("POST", "/api/v1/records", claim()).status == 200
    for one in readers:
        one.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://evil.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/records HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        (
            b"POST /api/v1/records HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
        b"GET /%00%ff/../..//etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        (
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n\r\n"
        ),
    ],
    ids=[
        *("no-http", "version", "absolute", "negative", "two-lengths"),
        *("not-ascii", "path", "upgrade"),
    ],
)
def test_request_that_is_none_harms_nobody(
    service: Serving, request_bytes: bytes
) -> None:
    one = connect(service)
    one.sendall(request_bytes)
    one.settimeout(5)
    try:
        got = one.recv(65536)
    except (ConnectionResetError, TimeoutError):
        got = b""
    one.close()

    assert b" 500 " not in got
    assert b"Traceback" not in got
    assert service.ask("GET", "/healthz").status == 200


def test_ledger_that_is_altered_is_told_and_not_served(service: Serving) -> None:
    import sqlite3

    index = service.ask("POST", "/api/v1/records", claim()).json["assets"][0]["index"]
    service.stop()
    with sqlite3.connect(service.ledger) as db:
        db.execute(
            "UPDATE envelope SET packed = zeroblob(length(packed))"
            " WHERE id = (SELECT max(id) FROM envelope)"
        )
    db.close()
    service.start()
    answer = service.ask("GET", f"/api/v1/records/{index}")

    assert answer.status == 500
    assert answer.json["code"] == 65
    assert str(service.home) not in answer.body.decode()


def test_token_file_that_others_may_read_lets_nobody_in(service: Serving) -> None:
    path = service.home / "ledger.db.tokens"
    path.chmod(0o644)
    refused = service.ask("GET", "/api/v1/status")
    not_ready = service.ask("GET", "/readyz", token="")
    path.chmod(0o600)

    assert refused.status == 500
    assert str(service.home) not in refused.body.decode()
    assert not_ready.status == 503
    assert service.ask("GET", "/api/v1/status").status == 200


def test_second_service_on_a_port_is_told(service: Serving, tmp_path: Path) -> None:
    other = Serving(tmp_path / "other")
    other.port = service.port

    with pytest.raises(AssertionError, match="address 127"):
        other.start()


# TLS


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=notary"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_tls_is_served_with_its_own_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    options = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with Serving(tmp_path, *options) as service:
        trusted = ssl.create_default_context(cafile=str(certificate))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(str(certificate))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.minimum_version = ssl.TLSVersion.TLSv1_2

        assert service.url.startswith("https://")
        assert service.ask("GET", "/api/v1/status", context=trusted).status == 200
        assert service.ask("GET", "/healthz", context=old).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            service.ask("GET", "/healthz", context=ssl.create_default_context())
        plain = connect(service)
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" not in plain.recv(4096)
        plain.close()
        assert service.stop() == 0


def test_certificate_that_does_not_fit_is_told(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    options = ("--tls-cert", str(certificate), "--tls-key", str(certificate))

    with pytest.raises(AssertionError, match="--tls-cert, --tls-key"):
        Serving(tmp_path, *options).start()
