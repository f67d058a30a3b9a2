"""Stand in for whoever takes webhooks: what came is kept, what is answered is told.

with Webhook() as hook:
hook.statuses = [503, 200]
... hook.wait(2)
"""

from __future__ import annotations

import http.server
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class Came(NamedTuple):
    """One request that came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Webhook:
    """A server on loopback.

    Attributes:
        came: The requests, in order.
        statuses: What the next ones are answered with; then 200.
    """

    def __init__(self) -> None:
        """Prepare."""
        self.came: list[Came] = []
        self.statuses: list[int] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {key.lower(): value for key, value in self.headers.items()}
                hook.came.append(Came(self.path, headers, body))
                status = hook.statuses.pop(0) if hook.statuses else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{hook.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, count: int, seconds: float = 20) -> list[Came]:
        """Return what came, once it is so many."""
        ends = time.monotonic() + seconds
        while len(self.came) < count and time.monotonic() < ends:
            time.sleep(0.02)
        return [*self.came]
