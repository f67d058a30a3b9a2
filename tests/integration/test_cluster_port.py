"""The port of a watcher as a process: what it answers, to whom, and for how long."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from jenkins_notary.cluster.board import Verdict
from jenkins_notary.cluster.port import MAX_LISTENERS
from jenkins_notary.values.status import Status
from tests.parts import require_part
from tests.parts.board import ServedBoard, container, exemption, verdict
from tests.parts.site import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def board() -> Iterator[ServedBoard]:
    with ServedBoard() as one:
        one.put(container("web-0"), verdict())
        one.put(container("web-1"), verdict(Status.UNTRUSTED), exemption())
        one.put(container("web-2", digest=None), Verdict.unknown("not there yet"))
        one.put(
            container(image=HOSTILE, name=HOSTILE + "\x00\n\\"), verdict(job=HOSTILE)
        )
        yield one


class Stream:
    """Events of a port; the connection ends with the block."""

    def __init__(self, board: ServedBoard) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", board.port, timeout=20
        )
        self._connection.request("GET", "/status/events")
        self._answer = self._connection.getresponse()
        self.status = self._answer.status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._connection.close()

    def next_version(self) -> int:
        """Return the next version that is told; -1 at the end."""
        for line in iter(self._answer.readline, b""):
            if line.startswith(b"data: "):
                return int(line[6:])
        return -1


def test_what_is_asked_for_is_answered_and_nothing_else(board: ServedBoard) -> None:
    statuses = {
        path: board.ask(path).status
        for path in (
            *(
                "/status",
                "/status?status=UNKNOWN",
                "/results",
                "/metrics",
                "/bulk_sign",
            ),
            *("/healthz", "/readyz", "/static/board.js", "/static/style.css"),
        )
    }
    assert set(statuses.values()) == {200}, statuses
    for path in ("/", "/status/"):
        assert board.ask(path).headers["location"] == "/status"
    for path in ("/nothing", "/static/base.html.j2", "/static/..%2fboard.py"):
        assert board.ask(path).status == 404
    assert board.ask("/status?status=maybe").status == 400
    assert board.ask("/results?callback=x").status == 400
    assert board.ask("/status", method="POST").status == 405


def test_answers_are_for_no_other_sites_page(board: ServedBoard) -> None:
    for path in ("/status", "/results", "/metrics", "/nothing", "/status?page=x"):
        headers = {
            key.lower(): value
            for key, value in board.ask(
                path, Origin="https://evil.example"
            ).headers.items()
        }
        assert "access-control-allow-origin" not in headers
        if path != "/nothing":
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
    policy = board.ask("/status").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy


def test_answer_is_packed_for_who_can_unpack_it(board: ServedBoard) -> None:
    plain = board.ask("/results")
    packed = board.ask("/results", **{"Accept-Encoding": "br, gzip;q=0.5"})

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(json.loads(plain.body)) == 4


def test_change_is_told_to_who_listens_at_once(board: ServedBoard) -> None:
    with Stream(board) as stream:
        first = stream.next_version()
        began = time.monotonic()
        board.put(container("web-9"), verdict(Status.UNSUPPORTED))

        assert stream.next_version() > first
        assert time.monotonic() - began < 3
        assert "web-9" in board.ask("/status?status=UNSUPPORTED").body.decode()
        board.remove_pod("uid-web-9")
        assert stream.next_version() > first + 1
    assert "web-9" not in board.ask("/status").body.decode()


def test_only_so_many_may_listen_and_who_goes_makes_room(board: ServedBoard) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(board)) for _ in range(MAX_LISTENERS)]
        assert all(one.next_version() >= 0 for one in streams)
        assert stack.enter_context(Stream(board)).status == 503

    for _ in range(100):
        if b"cluster_listeners 0" in board.ask("/metrics").body:
            break
        time.sleep(0.1)
    with Stream(board) as one:
        assert one.status == 200


def test_who_dawdles_with_his_request_keeps_nobody_waiting(board: ServedBoard) -> None:
    with socket.create_connection(("127.0.0.1", board.port), timeout=20) as slow:
        slow.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nX-Slow: ")

        assert board.ask("/healthz").status == 200


def test_who_reads_nothing_of_much_costs_little_memory_and_keeps_nobody_out() -> None:
    with ServedBoard() as board, ExitStack() as stack:
        for number in range(400):
            pod = container(f"web-{number}", image=f"web:{number}/{'x' * 1000}")
            board.put(pod, verdict(reason="y" * 4000))
        size = len(board.ask("/results").body)
        before = resident_bytes(board.pid)
        for _ in range(40):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.connect(("127.0.0.1", board.port))
            slow.sendall(b"GET /results HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2)
        statuses = [board.ask(path).status for path in ("/healthz", "/metrics")]
        grown = resident_bytes(board.pid) - before

    assert statuses == [200, 200]
    # Without a bound it would be all that nobody has read, 100 MiB and more.
    assert 40 * size > 100 << 20
    assert grown < 70 << 20


def resident_bytes(pid: int) -> int:
    """Return the memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_replica_that_does_not_lead_tells_of_no_container(board: ServedBoard) -> None:
    board.stand(is_leader=False)
    text = board.ask("/metrics").body.decode()
    page = board.ask("/status").body.decode()
    board.stand(is_leader=True)

    assert "kube_notary" not in text
    assert "jenkins_notary_cluster_leader 0" in text
    assert "web-0" in page


def test_watcher_is_ready_once_it_has_listed_all_pods(board: ServedBoard) -> None:
    board.stand(is_listed=False)
    statuses = [board.ask(path).status for path in ("/readyz", "/healthz", "/status")]
    board.stand(is_listed=True, ledger_error="refused")

    assert statuses == [503, 200, 200]
    assert board.ask("/readyz").status == 200
    assert b"The ledger does not answer" in board.ask("/status").body
    board.stand(ledger_error=None)


@pytest.mark.real("promtool")
def test_promtool_has_nothing_to_say_against_the_series(board: ServedBoard) -> None:
    done = subprocess.run(
        [str(require_part("promtool")), "check", "metrics"],
        input=board.ask("/metrics").body,
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 0, done.stderr.decode()


def test_port_ends_its_streams_and_itself_when_it_is_told_to() -> None:
    with ServedBoard() as board, Stream(board) as stream:
        assert stream.next_version() >= 0
        began = time.monotonic()
        os.kill(board.pid, signal.SIGTERM)
        while stream.next_version() >= 0:
            pass

    assert time.monotonic() - began < 10
