"""Keep one body in one file: compressed chunks, an index, a trailer.

The file, numbers big-endian::

    header    16 bytes   "notary-body v1" and two zero bytes
    frames    one a chunk, back to back: a Zstandard frame with content size and
              checksum
    index     40 bytes a chunk: offset of its frame (8), RFC 6962 leaf hash of its
              raw bytes (32)
    trailer   128 bytes: SHA-256 of the body (32), root over the leaf hashes (32),
              SHA-256 of the index (32), size of the body (8), offset of the index
              (8), chunk size (4), "notary-endv1" (12)

So one chunk is read by three short reads and no other is touched. Every number is
checked against the file's length before it is used, and a frame is restored only if
it says that it has exactly the chunk's size: a forged file costs no memory.

What is read here is a claim. The signed descriptor decides, in ``evidence``.

Source: RFC 8878 (Zstandard); RFC 6962 section 2.1 (leaf hash and root).
"""

from __future__ import annotations

import hashlib
import os
from struct import Struct

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple, Protocol
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.values.body import CHUNK_SIZE, Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from typing import BinaryIO

_HEADER = b"notary-body v1\0\0"
_ENTRY = Struct(">Q32s")
_TRAILER = Struct(">32s32s32sQQI12s")
_END = b"notary-endv1"
_LEVEL = 1
"""Zstandard's level: on console logs no larger than level 3, at twice the speed."""

_AHEAD = 4
"""Chunks that are compressed ahead of the one that is written."""

_FRAME_EXCESS = 4096
"""How much longer than its chunk a frame may be; Zstandard's own bound is lower."""


class _Trailer(NamedTuple):
    """The trailer's fields that stay of use."""

    body: Body
    index_offset: int
    index_digest: bytes


def cut_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream's bytes in chunks of full size, the last one apart.

    A pipe gives less than it is asked for; this asks on until a chunk is full.
    """
    while True:
        data = stream.read(CHUNK_SIZE)
        if len(data) < CHUNK_SIZE:
            parts = [data]
            missing = CHUNK_SIZE - len(data)
            while parts[-1] and missing:
                parts.append(stream.read(missing))
                missing -= len(parts[-1])
            data = b"".join(parts)
        if data:
            yield data
        if len(data) < CHUNK_SIZE:
            return


class Packed(NamedTuple):
    """A chunk that is ready to be written."""

    chunk: bytes
    leaf: bytes
    frame: bytes


def pack_chunks(chunks: Iterable[bytes]) -> Generator[Packed, None, None]:
    """Yield each chunk with its leaf hash and frame, in order.

    Both are made on two threads, which hashing and compressing leave free to run.

    Memory: at most :data:`_AHEAD` chunks and their frames.
    """
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    waiting: deque[Future[Packed]] = deque()
    with ThreadPoolExecutor(2) as pool:
        for chunk in chunks:
            waiting.append(pool.submit(_pack, chunk))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pack(chunk: bytes) -> Packed:
    """Return one chunk with its leaf hash and frame."""
    from zstandard import ZstdCompressor

    # A compressor serves one thread at a time; making one costs 1 % of its use.
    compressor = ZstdCompressor(level=_LEVEL, write_checksum=True)
    return Packed(chunk, hash_leaf(chunk), compressor.compress(chunk))


class Source(Protocol):
    """A body's file, of which parts are read."""

    def size(self) -> int:
        """Return its length."""

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes; fewer where it ends."""


class Sink(Protocol):
    """What takes bytes."""

    def write(self, data: bytes | bytearray, /) -> int:
        """Write all of some bytes; return how many they are."""


class FileSource(NamedTuple):
    """An open regular file, which the caller closes.

    Attributes:
        fd: Its descriptor.
    """

    fd: int

    def size(self) -> int:
        """Return its length."""
        return os.fstat(self.fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes; fewer where it ends."""
        return os.pread(self.fd, length, offset)


class BodyWriter:
    """Write one body to a file, a chunk at a time.

    Memory: 72 bytes for each chunk written.
    """

    def __init__(self, file: Sink) -> None:
        """Begin the file.

        Args:
            file: An empty binary file; the caller flushes and closes it.
        """
        self._file = file
        self._whole = hashlib.sha256()
        self._size = 0
        self._index = bytearray()
        self._leaves: list[bytes] = []
        self._offset = file.write(_HEADER)

    def add(self, packed: Packed) -> None:
        """Write the next chunk; every one but the last has the full size."""
        self._whole.update(packed.chunk)
        self._size += len(packed.chunk)
        self._leaves.append(packed.leaf)
        self._index += _ENTRY.pack(self._offset, packed.leaf)
        self._offset += self._file.write(packed.frame)

    def finish(self) -> Body:
        """Write index and trailer, and return the descriptor."""
        root = root_of(self._leaves)
        self._file.write(self._index)
        self._file.write(
            _TRAILER.pack(
                self._whole.digest(),
                root,
                hashlib.sha256(self._index).digest(),
                self._size,
                self._offset,
                CHUNK_SIZE,
                _END,
            )
        )
        return Body(self._whole.hexdigest(), self._size, CHUNK_SIZE, root.hex())


class BodyReader:
    """Read one body's file by seeking; bounded by the file's real length.

    Raises:
        IntegrityError: From the constructor and every method, if the file is
            truncated, altered or another body's than the descriptor's.
    """

    def __init__(self, source: Source, body: Body) -> None:
        """Check the trailer against the descriptor.

        Args:
            source: The body's file, wherever it is.
            body: The descriptor of the body that is asked for.
        """
        self._source = source
        self._subject = f"stored body {body.sha256_hex}"
        self._trailer = self._read_trailer()
        if self._trailer.body != body:
            raise self._broken(f"the descriptor {body}", f"{self._trailer.body}")

    def leaf_hashes(self) -> list[bytes]:
        """Return each chunk's leaf hash, of an index that is as it was written."""
        trailer = self._trailer
        index = self._read(trailer.index_offset, trailer.body.chunks * _ENTRY.size)
        if hashlib.sha256(index).digest() != trailer.index_digest:
            raise self._broken("the index that was written", "another one")
        return [leaf for _, leaf in _ENTRY.iter_unpack(index)]

    def chunk(self, number: int) -> bytes:
        """Return one raw chunk.

        Raises:
            UsageError: The body has no such chunk.
        """
        body, index_offset, _ = self._trailer
        if not 0 <= number < body.chunks:
            raise UsageError(
                f"chunk {number} of {self._subject}",
                expected=f"a number below {body.chunks}",
            )
        place = index_offset + number * _ENTRY.size
        start, _ = _ENTRY.unpack(self._read(place, _ENTRY.size))
        stop = index_offset
        if number + 1 < body.chunks:
            stop, _ = _ENTRY.unpack(self._read(place + _ENTRY.size, _ENTRY.size))
        longest = body.chunk_size + _FRAME_EXCESS
        if not len(_HEADER) <= start < stop <= min(index_offset, start + longest):
            raise self._broken("frames within the file", f"bytes {start} to {stop}")
        size = min(body.chunk_size, body.size - number * body.chunk_size)
        return self._restore(self._read(start, stop - start), size, number)

    def _restore(self, frame: bytes, size: int, number: int) -> bytes:
        """Return the raw bytes of a frame that says it has just this size."""
        import zstandard

        try:
            claimed = zstandard.get_frame_parameters(frame).content_size
            if claimed != size:
                raise self._broken(f"{size} bytes in chunk {number}", f"{claimed}")
            return zstandard.ZstdDecompressor().decompress(
                frame, max_output_size=size, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise self._broken(f"chunk {number} whole", str(error)) from error

    def _read_trailer(self) -> _Trailer:
        """Return the trailer, its numbers checked against the file's length."""
        length = self._source.size()
        if length < len(_HEADER) + _TRAILER.size:
            raise self._broken("header and trailer", f"{length} bytes")
        if self._read(0, len(_HEADER)) != _HEADER:
            raise self._broken("the header of version 1", "another one")
        whole, root, digest, size, index_offset, chunk_size, end = _TRAILER.unpack(
            self._read(length - _TRAILER.size, _TRAILER.size)
        )
        if end != _END or chunk_size != CHUNK_SIZE:
            raise self._broken("the trailer of version 1", "another one")
        body = Body(whole.hex(), size, chunk_size, root.hex())
        wanted = index_offset + body.chunks * _ENTRY.size + _TRAILER.size
        if index_offset < len(_HEADER) or wanted != length:
            raise self._broken(f"{wanted} bytes", f"{length} bytes")
        return _Trailer(body, index_offset, digest)

    def _read(self, offset: int, length: int) -> bytes:
        """Return exactly these bytes of the file."""
        data = self._source.read(offset, length)
        if len(data) != length:
            raise self._broken(f"{length} bytes at {offset}", f"{len(data)} bytes")
        return data

    def _broken(self, expected: str, got: str) -> IntegrityError:
        """Return the error for a file that is not what was written."""
        return IntegrityError(
            self._subject,
            expected=expected,
            got=got,
            advice="restore it from a backup or attach the body again",
        )
