"""Take up a certificate that was renewed on disk, with the next connection.

One that cannot be used is said, and the one before stays in use.
"""

from __future__ import annotations

import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence


class Renewal:
    """The files of a certificate, and what was made of them last."""

    def __init__(
        self,
        files: Sequence[str],
        load: Callable[[], ssl.SSLContext],
        notify: Callable[[str], object],
    ) -> None:
        """Begin with what the files hold now.

        Args:
            files: Of the certificate and its key.
            load: Makes a context of them; ssl.SSLError or OSError if it cannot.
            notify: Called with one-line notices.
        """
        self._files = files
        self._load = load
        self._notify = notify
        self._stamp = self._read_stamp()
        self._context = load()

    def follow(self, context: ssl.SSLContext) -> None:
        """Have each connection of a listener's context take the newest pair."""

        def take(
            connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
        ) -> None:
            connection.context = self.newest()

        # It is called for clients that name no server, too.
        context.sni_callback = take

    def newest(self) -> ssl.SSLContext:
        """Return a context with the newest pair that can be used."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            try:
                self._context = self._load()
            except OSError as error:
                self._stamp = stamp
                why = error.strerror or "files that do not fit"
                self._notify(f"the certificate before stays in use: {why}")
            else:
                # Files that were exchanged meanwhile are looked at once more.
                if self._read_stamp() == stamp:
                    self._stamp = stamp
                self._notify("a renewed certificate is in use")
        return self._context

    def _read_stamp(self) -> tuple[int, ...]:
        """Return what changes when one of the files does."""
        found: list[int] = []
        for path in self._files:
            with suppress(OSError):
                state = os.stat(path)
                found += [state.st_mtime_ns, state.st_ino, state.st_size]
        return tuple(found)
