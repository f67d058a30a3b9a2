"""Build what the tests of the log formats need: keys that sign, trees that are known.

The tree here is written straight from the recursive definition of RFC 6962 section 2.1,
so that it shares nothing with the code under test but SHA-256.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from jenkins_notary.tlog.cosignature import (
    Cosignature,
    CosignatureVerifier,
    cosignature_message,
    format_cosignature,
)
from jenkins_notary.tlog.note import (
    ALGORITHM_COSIGNATURE,
    ALGORITHM_ED25519,
    Ed25519Verifier,
    VerifierKey,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

VECTORS = Path(__file__).parents[2] / "vectors" / "tlog"


def load_vectors(name: str) -> Any:  # noqa: ANN401  # What JSON holds.
    """Return the published vectors of one file."""
    return json.loads((VECTORS / name).read_text())


def check_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check Ed25519 by the library, not by the code under test."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


class Signer:
    """A log's key, made from a seed, with its verifier."""

    algorithm = ALGORITHM_ED25519

    def __init__(self, name: str, seed: bytes = bytes(32)) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._private.public_key().public_bytes_raw()
        self.key = VerifierKey.make(name, public, algorithm=self.algorithm)
        self.name = name
        self.key_id = self.key.key_id

    @property
    def verifier(self) -> Ed25519Verifier | CosignatureVerifier:
        return Ed25519Verifier(self.key, check_signature)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class Witness(Signer):
    """A witness's key that cosigns at one time."""

    algorithm = ALGORITHM_COSIGNATURE
    timestamp = 1679315147

    @property
    def verifier(self) -> CosignatureVerifier:
        return CosignatureVerifier(self.key, check_signature)

    def sign(self, message: bytes) -> bytes:
        signed = cosignature_message(message.decode(), self.timestamp)
        return format_cosignature(Cosignature(self.timestamp, super().sign(signed)))


class ReferenceTree:
    """A tree of ``count`` leaves by the recursive definition."""

    def __init__(self, count: int) -> None:
        self.entries = [f"entry {index}".encode() for index in range(count)]
        self.leaves = [sha256(b"\0" + entry).digest() for entry in self.entries]
        self.reads = 0
        self._hash = lru_cache(maxsize=None)(self._hash_range)

    def root(self, size: int) -> bytes:
        return self._hash(0, size)

    def read(self, level: int, index: int) -> bytes:
        """Answer as a hash reader, for whole subtrees only."""
        self.reads += 1
        start, end = index << level, (index + 1) << level
        assert 0 <= start < end <= len(self.leaves)
        return self._hash(start, end)

    def _hash_range(self, start: int, end: int) -> bytes:
        if end == start:
            return sha256().digest()
        if end - start == 1:
            return self.leaves[start]
        split = 1
        while split * 2 < end - start:
            split *= 2
        left, right = self._hash(start, start + split), self._hash(start + split, end)
        return sha256(b"\x01" + left + right).digest()

    def tile(self, level: int, n: int, width: int) -> bytes:
        """Return the hashes of a tile by the formula of C2SP tlog-tiles."""
        step = 256**level
        first = n * 256
        assert (first + width) * step <= len(self.leaves)
        return b"".join(
            self._hash(slot * step, (slot + 1) * step)
            for slot in range(first, first + width)
        )


def slices_of(data: Sequence[Any]) -> list[Any]:
    """Return every contiguous part but the whole, the empty one once."""
    end = len(data)
    return [data[:0]] + [
        data[start:stop]
        for start in range(end)
        for stop in range(start + 1, end + 1)
        if (start, stop) != (0, end)
    ]


def changes_of(data: bytes) -> list[bytes]:
    """Return the data with each byte changed in several ways."""
    return [
        data[:position] + bytes([data[position] ^ bits]) + data[position + 1 :]
        for position in range(len(data))
        for bits in (0x01, 0x20, 0x80, 0xFF)
    ]
