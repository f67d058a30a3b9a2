"""Read several folders of bodies as one: those that anyone may read, and those held.

For those who keep a ledger: erasing, pruning, searching and checking must reach every
body, wherever it lies. Whoever prints bodies uses one folder alone.
"""

from __future__ import annotations

from jenkins_notary.blobs.opening import open_blobs
from jenkins_notary.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from jenkins_notary.ports import BodyStore
    from jenkins_notary.values.body import Body


class SeveralBlobs:
    """Folders of bodies as one; satisfies the Blobs port."""

    def __init__(self, *folders: str) -> None:
        """Use folders; new bodies go to the first."""
        self._parts = [open_blobs(one) for one in folders]

    def put(self, stream: BinaryIO) -> Body:
        """Store a body in the first folder; see :class:`Blobs`."""
        return self._parts[0].put(stream)

    def has(self, sha256_hex: str) -> bool:
        """Return whether a body is stored anywhere."""
        return any(one.has(sha256_hex) for one in self._parts)

    def leaf_hashes(self, body: Body) -> Sequence[bytes]:
        """Return the leaf hashes of a body's chunks, as stored: a claim.

        Raises:
            NotFoundError: No such body.
            IntegrityError: The file is truncated, altered or another body's.
        """
        return self._find(body).leaf_hashes(body)

    def chunk(self, body: Body, number: int) -> bytes:
        """Return one raw chunk: a claim, to be checked against its leaf hash.

        Raises:
            NotFoundError: No such body.
            UsageError: It has no such chunk.
            IntegrityError: The file is truncated, altered or another body's.
        """
        return self._find(body).chunk(body, number)

    def delete(self, sha256_hex: str) -> bool:
        """Delete a body wherever it is; return whether there was one."""
        # From all of them: no copy may stay.
        return sum(one.delete(sha256_hex) for one in self._parts) > 0

    def scan(self) -> Iterator[str]:
        """Yield the SHA-256 hex of every stored body, sorted, each once."""
        from heapq import merge

        last = ""
        for sha in merge(*[one.scan() for one in self._parts]):
            if sha != last:
                yield sha
            last = sha

    def _find(self, body: Body) -> BodyStore:
        """Return the folder that has a body; the first one to say that none has."""
        for one in self._parts:
            if one.has(body.sha256_hex):
                return one
        raise NotFoundError(
            f"body {body.sha256_hex}",
            expected="to be stored",
            advice="it was pruned, erased or never stored here",
        )
