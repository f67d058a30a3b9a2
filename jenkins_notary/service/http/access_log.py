"""Write one JSON line for each request: who, when, what, with what result.

::

    {"at": "2026-01-02T03:04:05.006Z", "id": "4f1c...", "from": "192.0.2.7",
     "token": "payments", "role": "writer", "method": "POST",
     "path": "/api/v1/records", "query": "", "status": 200, "code": 0, "ms": 3.1,
     "received": 512, "sent": 2048}

``token`` is a name, never a secret; who has logged in as himself has ``person`` in its
place. What goes wrong beside requests has a line too::

    {"at": "2026-01-02T03:04:05.006Z", "task": "alerts", "fault": "..."}

Lines are written by a thread of their own; where
nobody reads them fast enough they are counted and left out, for no request waits for
its log.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress

from jenkins_notary.ledger.author import format_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

MAX_WAITING = 10_000
PAUSE_S = 0.1
"""Lines of so long a time are written together."""


class AccessLog:
    """A stream of JSON lines."""

    def __init__(self, stream: BinaryIO) -> None:
        """Write to a stream until :meth:`close`."""
        self._stream = stream
        self._lines: deque[Mapping[str, object]] = deque()
        self._dropped = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access", daemon=True)
        self._thread.start()

    def write(self, line: Mapping[str, object]) -> None:
        """Write a line, soon."""
        if len(self._lines) >= MAX_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            line = {**line, "dropped": self._dropped}
            self._dropped = 0
        self._lines.append(line)

    def report(self, task: str, fault: str) -> None:
        """Write what went wrong beside the requests."""
        at = format_time(time.time_ns() // 1_000_000)
        self.write({"at": at, "task": task, "fault": fault})

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, as long as somebody reads it."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        """Write lines until told to stop, several at a time."""
        is_last = False
        while not is_last:
            is_last = self._stop.wait(PAUSE_S)
            data = []
            while self._lines:
                data.append(json.dumps(self._lines.popleft()).encode() + b"\n")
            if data:
                # Where nobody reads any more the service goes on.
                with suppress(OSError, ValueError):
                    self._stream.write(b"".join(data))
                    self._stream.flush()
