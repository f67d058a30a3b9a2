"""Run a real immudb, and load it with its own Go client: the peer of H5.

Server and client are built by ``make parts``. The server is as it starts by default
(synced commits), without its web, SQL and metrics listeners. Each connection is a
client of its own that checks the proof of each record before it writes the next.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.parts.build import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 25
HOST = "127.0.0.1"
_START_S = 30.0


class Immudb:
    """A running server.

    Attributes:
        port: Where it listens on loopback.
    """

    def __init__(self, port: int, folder: str) -> None:
        """Know the server; its clients keep their states below a folder."""
        self.port = port
        self._folder = folder
        self._count = 0

    def load(self, records: int, size_bytes: int) -> float:
        """Return the records a second that all connections write.

        Args:
            records: How many, in all.
            size_bytes: Bytes of each value.
        """
        self._count += 1
        state = os.path.join(self._folder, f"clients-{self._count}")
        sizes = (CONNECTIONS, records, size_bytes)
        done = subprocess.run(
            [_program("immudb-load"), HOST, str(self.port), state, *map(str, sizes)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        )
        found = json.loads(done.stdout)
        return float(found["records"] / found["seconds"])


@contextmanager
def run_immudb(folder: str) -> Iterator[Immudb]:
    """Run a server with a new database.

    Args:
        folder: An empty folder for its data.

    Raises:
        RuntimeError: It is not built, or does not start.
    """
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    words = [
        *("--dir", os.path.join(folder, "data"), "--address", HOST),
        *("--port", str(port), "--metrics-server=false", "--web-server=false"),
        "--pgsql-server=false",
    ]
    with subprocess.Popen(
        [_program("immudb"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(process, port)
            yield Immudb(port, folder)
        finally:
            process.terminate()


def _program(name: str) -> str:
    """Return the path of a built part."""
    found = PARTS[name].find()
    if found is None:
        message = f"{name} is missing: {PARTS[name].advice()}"
        raise RuntimeError(message)
    return str(found)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"immudb does not listen on port {port}"
    raise RuntimeError(message)
