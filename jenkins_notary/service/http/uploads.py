"""Take bodies in as they stream, and remember which token has sent which.

A record may name a body only if the same token has sent its bytes: who knows another's
digest alone cannot make a record of it, and so cannot read it. What was sent is
remembered for an hour, in memory: after a restart it is sent again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict

from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from jenkins_notary.ports import BodyStore
    from jenkins_notary.values.body import Body

MAX_BODY_BYTES = 4 << 30
KEPT_S = 3600.0
MAX_KEPT = 10_000


class Uploads:
    """Which bodies were sent, by token and digest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none."""
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, OrderedDict[str, tuple[float, Body]]] = {}
        self._count = 0

    def add(self, token: str, body: Body) -> None:
        """Remember that a token has sent a body.

        Where there are too many, the oldest of the token with the most is forgotten: so
        nobody drives out those of others.
        """
        with self._lock:
            own = self._kept.setdefault(token, OrderedDict())
            self._count += body.sha256_hex not in own
            own.pop(body.sha256_hex, None)
            own[body.sha256_hex] = (self._clock() + KEPT_S, body)
            if self._count > MAX_KEPT:
                max(self._kept.values(), key=len).popitem(last=False)
                self._count -= 1

    def get(self, token: str, sha256_hex: str) -> Body | None:
        """Return a body that a token has sent, None for none."""
        with self._lock:
            found = self._kept.get(token, OrderedDict()).get(sha256_hex)
        if found is None or self._clock() >= found[0]:
            return None
        return found[1]


class HashedStream:
    """A stream that is hashed, and bounded, while it is read."""

    def __init__(self, read: Callable[[int], bytes], limit: int) -> None:
        """Wrap what gives the next bytes, at most as many as asked for."""
        self._read = read
        self._limit = limit
        self._hasher = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            UsageError: There are more than may be.
        """
        data = self._read(size)
        self.size += len(data)
        if self.size > self._limit:
            raise too_large(self._limit)
        self._hasher.update(data)
        return data

    def sha256_hex(self) -> str:
        """Return the SHA-256 of what was read so far."""
        return self._hasher.hexdigest()


class OtherBytesError(UsageError):
    """A body is not what its sender said that it is."""


class TooLargeError(UsageError):
    """A request is larger than what is taken."""


def too_large(limit: int) -> TooLargeError:
    """Return the error for a body that is too large."""
    return TooLargeError("body", expected=f"at most {limit} bytes", got="more")


def store_body(
    blobs: BodyStore, sha256_hex: str, read: Callable[[int], bytes], limit: int
) -> Body:
    """Store a body whose digest is known before; return its descriptor.

    Raises:
        UsageError: It has another digest, or is too large; nothing stays.
        StorageError: The disk is full.
    """
    hashed = HashedStream(read, limit)

    def choose() -> BodyStore:
        if hashed.sha256_hex() != sha256_hex:
            raise OtherBytesError(
                "body",
                expected=f"bytes with sha256:{sha256_hex}",
                got=f"{hashed.size} bytes with sha256:{hashed.sha256_hex()}",
            )
        return blobs

    stream: BinaryIO = hashed  # type: ignore[assignment]  # Only read is called.
    return blobs.put_where(stream, choose)
