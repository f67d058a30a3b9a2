"""Read the body of an answer in pieces, exactly, and never take a short one as whole.

A body that ends before its ``Content-Length``, in the middle of a chunk, before the
last chunk or before the end of its gzip stream raises UnavailableError. So does one of
which nobody could tell where it ends (no length and no chunks), one whose encoding is
not known, and one that comes so slowly that it may never end.
"""

from __future__ import annotations

import io
import zlib

from urllib3.exceptions import HTTPError

from jenkins_notary.assets.asset import printable
from jenkins_notary.errors import UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from requests import Response

PIECE = 256 * 1024
"""How much is read at once."""

STALL_S = 60.0
"""Seconds of waiting in which a body must have grown by :data:`STALL_BYTES`."""

STALL_BYTES = 16 * 1024

_GZIP_WINDOW = 31


def open_body(
    response: Response, subject: str, *, clock: Callable[[], float]
) -> BinaryIO:
    """Return a stream of the decoded body; closing it closes the answer.

    Args:
        response: The answer, its body unread.
        subject: What is read, for messages.
        clock: Monotonic seconds.

    Raises:
        UnavailableError: The body cannot be read so that its end is certain; while
            reading too: it broke off, or stalls.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    length = response.headers.get("Content-Length", "")
    is_chunked = response.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if not is_chunked and not (length.isascii() and length.isdigit()):
        response.close()
        raise UnavailableError(
            subject,
            expected="a body with a length or in chunks",
            got="one that ends when the connection does",
            advice="check the proxy between here and Jenkins",
        )
    # A server that sends chunks may not send a length; http.client goes by chunks.
    size = None if is_chunked else int(length)
    raw: io.RawIOBase = _Wire(response, subject, size, clock)
    if encoding in {"gzip", "x-gzip"}:
        raw = _Gunzip(raw, subject)
    elif encoding not in {"", "identity"}:
        response.close()
        raise UnavailableError(
            subject, expected="a plain or gzip body", got=printable(encoding, 40)
        )
    return io.BufferedReader(raw, PIECE)


class _Wire(io.RawIOBase):
    """The bytes as they come over the connection, chunks taken apart."""

    def __init__(
        self,
        response: Response,
        subject: str,
        size: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._response = response
        self._subject = subject
        self._size = size
        self._received = 0
        self._clock = clock
        self._waited_s = 0.0
        self._mark = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # What BufferedReader hands in.
        started_s = self._clock()
        try:
            # One read of the socket: a larger one would wait for all of its bytes, and
            # a body that drips would never be looked at.
            piece = self._response.raw.read1(len(buffer), decode_content=False)
        except (HTTPError, OSError) as error:
            raise UnavailableError(
                self._subject,
                expected="the whole body",
                got=f"a break after {self._received} bytes",
            ) from error
        if not piece and self._size not in {None, self._received}:
            raise UnavailableError(
                self._subject,
                expected=f"{self._size} bytes",
                got=f"an end after {self._received}",
            )
        self._received += len(piece)
        # Time that the reader takes between two reads is not the server's.
        self._waited_s += self._clock() - started_s
        if piece and self._waited_s >= STALL_S:
            self._check_pace()
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._response.close()
        super().close()

    def _check_pace(self) -> None:
        """Raise UnavailableError if next to nothing came for a long time."""
        grown = self._received - self._mark
        if grown < STALL_BYTES and self._received != self._size:
            raise UnavailableError(
                self._subject,
                expected=f"{STALL_BYTES} bytes in {STALL_S:.0f} s",
                got=f"{grown}",
            )
        self._waited_s, self._mark = 0.0, self._received


class _Gunzip(io.RawIOBase):
    """A gzip stream unpacked piece by piece, however much one byte unpacks to."""

    def __init__(self, wire: io.RawIOBase, subject: str) -> None:
        self._wire = wire
        self._subject = subject
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        self._packed = b""
        self._is_fresh = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # What BufferedReader hands in.
        piece = b""
        while not piece:
            if not self._packed:
                self._packed = self._wire.read(PIECE) or b""
            if not self._packed:
                return self._check_end()
            piece = self._unpack(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._wire.close()
        super().close()

    def _unpack(self, limit: int) -> bytes:
        """Return up to so many bytes; perhaps none yet."""
        try:
            piece = self._decoder.decompress(self._packed, limit)
        except zlib.error as error:
            raise UnavailableError(
                self._subject, expected="a gzip body", got="something else"
            ) from error
        self._is_fresh = False
        self._packed = self._decoder.unconsumed_tail
        if self._decoder.eof:
            # Members may follow one another.
            self._packed = self._decoder.unused_data
            self._decoder = zlib.decompressobj(_GZIP_WINDOW)
            self._is_fresh = True
        return piece

    def _check_end(self) -> int:
        """Return 0; raise UnavailableError if the gzip stream is not at its end."""
        if not self._is_fresh:
            # Zlib may hold output back that fills more than one buffer.
            raise UnavailableError(
                self._subject,
                expected="a whole gzip stream",
                got="one that breaks off",
            )
        return 0
