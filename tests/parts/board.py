"""Run the port of a board as a process of its own, with a board that a test fills.

    with ServedBoard() as board:
        board.put(container(), verdict())
        board.ask("/metrics")

What a test sends goes to the process as pickles over its standard input: the process is
the test's own.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import pickle
import re
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from jenkins_notary.api.results import AsOf
from jenkins_notary.cluster.board import Board, Exemption, Verdict
from jenkins_notary.cluster.containers import Container
from jenkins_notary.cluster.port import serve_board
from jenkins_notary.serving.metrics import Metrics
from jenkins_notary.serving.place import LOOPBACK, Place
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNER = "0x" + "5e" * 20
JOB = "ci.example.com:shop/web/main#7"
COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
PAGES_URL = "https://notary.example.com"
AS_OF = AsOf(90, "2026-01-02T03:04:05.000Z")
_READY = re.compile(r"serving http://127\.0\.0\.1:(\d+)")


def container(pod: str = "web-0", **changes: Any) -> Container:  # noqa: ANN401 - fields
    """Return a container of a pod; its digest hangs on its image."""
    image = changes.get("image", "registry.example.com/shop/web:1")
    hexes = hashlib.sha256(image.encode("utf-8", "replace")).hexdigest()
    digest = changes.get("digest", f"sha256:{hexes}")
    found = Container(
        *("shop", pod, f"uid-{pod}", "web", "regular", image),
        *(f"{image}@{digest}", f"containerd://{hexes}", digest),
        *(None, "node-1", True),
    )
    return found._replace(**changes)


def verdict(status: Status = Status.TRUSTED, **changes: Any) -> Verdict:  # noqa: ANN401 - fields
    """Return the word of a record on what a container runs."""
    found = Verdict(
        *(status, 3, SIGNER, f"a record says {status.name}", JOB),
        *("https://ci.example.com/job/shop/job/web/7/", COMMIT, 41, None, AS_OF),
    )
    return found._replace(**changes)


def exemption(**changes: Any) -> Exemption:  # noqa: ANN401 - fields
    """Return an exemption."""
    found = Exemption(
        *("platform team", "moves next week", 1_798_761_600_000),
        *("2027-01-01T00:00:00.000Z", "settings"),
    )
    return found._replace(**changes)


def stand_well(board: Board | ServedBoard) -> None:
    """Have a watcher that reaches everything and leads."""
    board.stand(
        cluster_error=None,
        ledger_error=None,
        is_listed=True,
        is_leader=True,
        as_of=AS_OF,
        last_event_ms=1_767_323_045_000,
        last_ledger_ms=1_767_323_045_000,
        ledger=PAGES_URL,
        pages_url=PAGES_URL,
    )


class Answer(NamedTuple):
    """What the port answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ServedBoard:
    """A port that runs until the block ends.

    Attributes:
        url: Its address.
        port: Where it listens on 127.0.0.1.
        pid: The process.
    """

    def __init__(self) -> None:
        self.url, self.port, self.pid = "", 0, 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.parts.board"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        found = _READY.match(line)
        assert found is not None, line
        self.port, self.pid = int(found[1]), self._process.pid
        self.url = f"http://127.0.0.1:{self.port}"
        stand_well(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            for one in (self._process.stdin, self._process.stdout):
                assert one is not None
                one.close()

    def put(self, *arguments: object) -> None:
        """Put a container on the board; see :meth:`Board.put`."""
        self._send("put", arguments, {})

    def remove_pod(self, uid: str) -> None:
        """Take a pod from the board."""
        self._send("keep_of_pod", (uid, ()), {})

    def stand(self, **changes: object) -> None:
        """Change how the watcher stands."""
        self._send("stand", (), changes)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            found = connection.getresponse()
            return Answer(found.status, dict(found.getheaders()), found.read())
        finally:
            connection.close()

    def _send(self, name: str, arguments: object, changes: object) -> None:
        """Have something done, and wait until it is."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = base64.b64encode(pickle.dumps((name, arguments, changes))) + b"\n"
        self._process.stdin.write(line)
        self._process.stdin.flush()
        assert self._process.stdout.readline() == b"done\n"


def main() -> None:
    """Serve a board; do what standard input asks for."""
    board = Board()

    def obey() -> None:
        # Unbuffered: at the end nobody holds a lock that the interpreter wants.
        for line in iter(open(0, "rb", buffering=0).readline, b""):  # noqa: SIM115 - is the process's
            name, arguments, changes = pickle.loads(base64.b64decode(line))
            getattr(board, name)(*arguments, **changes)
            print("done", flush=True)

    def begin(address: str) -> None:
        print(f"serving {address}", flush=True)
        threading.Thread(target=obey, daemon=True).start()

    serve_board(
        board,
        Place(LOOPBACK, 0, None),
        metrics=Metrics(),
        bulk_sign=lambda rows: f"#!/bin/sh\n# {len(rows)} containers\n".encode(),
        on_ready=begin,
    )


if __name__ == "__main__":
    main()
