"""Wait for the servers that tests start."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

HOST = "127.0.0.1"
_START_S = 30.0


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server takes connections.

    Raises:
        RuntimeError: It has ended, or takes too long.
    """
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{process.args!r} does not listen on port {port}"
    raise RuntimeError(message)
