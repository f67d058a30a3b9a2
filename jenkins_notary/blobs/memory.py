"""Keep bodies in memory: for tests of those who use the package.

>>> import io
>>> blobs = MemoryBlobs()
>>> body = blobs.put(io.BytesIO(b"hello"))
>>> blobs.chunk(body, 0), list(blobs.scan()) == [body.sha256_hex]
(b'hello', True)
"""

from __future__ import annotations

import hashlib

from jenkins_notary.blobs.container import cut_chunks
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.values.body import CHUNK_SIZE, Body
from jenkins_notary.values.digest import is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO


class _Kept(NamedTuple):
    """One body: its descriptor, raw chunks and their leaf hashes."""

    body: Body
    chunks: tuple[bytes, ...]
    leaves: tuple[bytes, ...]


class MemoryBlobs:
    """Bodies in memory, as long as the object lives; satisfies the Blobs port."""

    def __init__(self) -> None:
        """Begin without a body."""
        self._kept: dict[str, _Kept] = {}

    def put(self, stream: BinaryIO) -> Body:
        """Keep all bytes of a stream; return the descriptor."""
        chunks = tuple(cut_chunks(stream))
        leaves = tuple(map(hash_leaf, chunks))
        whole = hashlib.sha256()
        for chunk in chunks:
            whole.update(chunk)
        size = sum(map(len, chunks))
        body = Body(whole.hexdigest(), size, CHUNK_SIZE, root_of(leaves).hex())
        self._kept.setdefault(body.sha256_hex, _Kept(body, chunks, leaves))
        return body

    def has(self, sha256_hex: str) -> bool:
        """Return whether a body is kept.

        Raises:
            UsageError: No 64 hex digits.
        """
        _check_address(sha256_hex)
        return sha256_hex in self._kept

    def leaf_hashes(self, body: Body) -> Sequence[bytes]:
        """Return the RFC 6962 leaf hash of each chunk.

        Raises:
            NotFoundError: No such body.
            IntegrityError: The descriptor is not the kept body's.
        """
        return self._find(body).leaves

    def chunk(self, body: Body, number: int) -> bytes:
        """Return one raw chunk.

        Raises:
            NotFoundError: No such body.
            UsageError: It has no such chunk.
            IntegrityError: The descriptor is not the kept body's.
        """
        chunks = self._find(body).chunks
        if not 0 <= number < len(chunks):
            raise UsageError(
                f"chunk {number} of body {body.sha256_hex}",
                expected=f"a number below {len(chunks)}",
            )
        return chunks[number]

    def delete(self, sha256_hex: str) -> bool:
        """Delete a body; return whether there was one.

        Raises:
            UsageError: No 64 hex digits.
        """
        _check_address(sha256_hex)
        return self._kept.pop(sha256_hex, None) is not None

    def scan(self) -> Iterator[str]:
        """Yield the SHA-256 hex of every kept body, sorted."""
        yield from sorted(self._kept)

    def _find(self, body: Body) -> _Kept:
        """Return what is kept for a descriptor."""
        _check_address(body.sha256_hex)
        kept = self._kept.get(body.sha256_hex)
        if kept is None:
            raise NotFoundError(f"body {body.sha256_hex}", expected="to be kept")
        if kept.body != body:
            raise IntegrityError(
                f"stored body {body.sha256_hex}",
                expected=f"the descriptor {body}",
                got=f"{kept.body}",
            )
        return kept


def _check_address(sha256_hex: str) -> None:
    """Refuse an address that is none, as every adapter does."""
    if not is_hex_digest(sha256_hex):
        raise UsageError(
            "body address", expected="64 hex digits", got=repr(sha256_hex)[:80]
        )
