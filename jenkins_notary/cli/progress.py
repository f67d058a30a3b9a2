"""Show how far long work is: on a terminal, and only when it takes a while.

The bar is one line on standard error. It appears after a second, is drawn at most ten
times a second, and is wiped before anything else is printed. Drawn here by hand: a
library for it costs more than all other output together.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

DELAY_S = 1.0
PERIOD_S = 0.1
_WIDTH = 24


class ProgressBar:
    """The bar of one call; hand :meth:`update` to what works."""

    def __init__(
        self, stream: BinaryIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Draw to a terminal; the work begins now."""
        self._stream = stream
        self._clock = clock
        self._next_s = clock() + DELAY_S
        self._is_drawn = False

    def update(self, label: str, done: int, total: int | None) -> None:
        """Say how far the work is.

        Args:
            label: What is done; ``hashing`` or ``bytes`` in it makes the numbers sizes.
            done: How much.
            total: Of how much; None when that is not known.
        """
        now = self._clock()
        if now < self._next_s:
            return
        self._next_s = now + PERIOD_S
        self._write("\r\x1b[K" + format_bar(label, done, total))
        self._is_drawn = True

    def clear(self) -> None:
        """Wipe the bar, if there is one."""
        if self._is_drawn:
            self._write("\r\x1b[K")
            self._is_drawn = False

    def _write(self, text: str) -> None:
        """Draw; a terminal that went away is nothing to fail for."""
        try:
            self._stream.write(text.encode(errors="replace"))
            self._stream.flush()
        except (OSError, ValueError):
            self._next_s = float("inf")


def format_bar(label: str, done: int, total: int | None) -> str:
    """Return the line.

    >>> format_bar("records", 5, 20)
    '[######                  ]  25%  5/20  records'
    >>> format_bar("hashing, 7 files", 3 << 20, None)
    '3.0 MiB  hashing, 7 files'
    """
    is_size = "bytes" in label or "hashing" in label
    name = _format_size if is_size else str
    safe = "".join(one if one.isprintable() else "?" for one in label[:40])
    if not total:
        return f"{name(done)}  {safe}"
    part = min(max(done / total, 0.0), 1.0)
    bar = ("#" * int(part * _WIDTH)).ljust(_WIDTH)
    return f"[{bar}] {part:4.0%}  {name(done)}/{name(total)}  {safe}"


def _format_size(size_bytes: int) -> str:
    """Return a size for people."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
