"""Be a slow line: a relay that lets so many bytes a second through, and counts them."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_PIECE = 4096


class _Direction:
    """Bytes that all connections send in one direction.

    Attributes:
        total: How many there were.
    """

    def __init__(self, rate: float) -> None:
        """Begin with an idle line."""
        self.total = 0
        self._rate = rate
        self._free_at = time.monotonic()
        self._lock = threading.Lock()

    def take(self, size: int) -> None:
        """Return once so many bytes have gone over the line."""
        with self._lock:
            self.total += size
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            wait_s = self._free_at - now
        time.sleep(wait_s)


class Link:
    """A line to a port of this host.

    Attributes:
        port: Where it begins.
        down: What comes from the port.
        up: What goes to it.
    """

    def __init__(self, target: int, *, rate: float, delay_s: float) -> None:
        """Listen.

        Args:
            target: The port at the far end.
            rate: Bytes a second in each direction.
            delay_s: Seconds that opening a connection takes more.
        """
        self._target, self._delay_s = target, delay_s
        self.down, self.up = _Direction(rate), _Direction(rate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin to relay."""
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no more connections."""
        self._listener.close()

    @property
    def total(self) -> int:
        """Return the bytes in both directions, without TCP's and IP's own."""
        return self.down.total + self.up.total

    def _serve(self) -> None:
        """Relay each connection on threads of its own."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            time.sleep(self._delay_s)
            far = socket.create_connection(("127.0.0.1", self._target))
            for source, sink, direction in (
                (near, far, self.up),
                (far, near, self.down),
            ):
                threading.Thread(
                    target=_relay, args=(source, sink, direction), daemon=True
                ).start()


def _relay(source: socket.socket, sink: socket.socket, direction: _Direction) -> None:
    """Pass on what one end sends, until it ends."""
    try:
        while piece := source.recv(_PIECE):
            direction.take(len(piece))
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        sink.close()
