"""Check what an immudb server signs: ECDSA P-256 over SHA-256, as it has it.

Source: immudb 1.11.1, pkg/signer.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from jenkins_notary.errors import ConfigurationError

_BEGIN = b"-----BEGIN "


class StateKey:
    """Public keys of a server and its replicas; other processes get them as PEM."""

    def __init__(self, pem: bytes) -> None:
        """Load them.

        Raises:
            ConfigurationError: There is none, or one is no public ECDSA key in PEM.
        """
        self._pem = pem
        # What stands before the first key is no part of one, such as a comment.
        _, *parts = pem.split(_BEGIN)
        self._keys = [_load(_BEGIN + one) for one in parts]
        if not self._keys:
            raise _wrong()

    def __reduce__(self) -> tuple[type[StateKey], tuple[bytes]]:
        """Return how another process makes it."""
        return StateKey, (self._pem,)

    def is_valid(self, signature: bytes, message: bytes) -> bool:
        """Return whether one of the keys has signed."""
        return any(_is_valid(key, signature, message) for key in self._keys)


def _load(pem: bytes) -> EllipticCurvePublicKey:
    """Return one key.

    Raises:
        ConfigurationError: It is no public ECDSA key in PEM.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _wrong() from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise _wrong()
    return key


def _is_valid(key: EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether a key has signed."""
    try:
        key.verify(signature, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _wrong() -> ConfigurationError:
    """Return the error for a file that holds no such key."""
    return ConfigurationError(
        "--immudb-server-key",
        expected="a public ECDSA key in PEM",
        got="something else",
        advice="openssl ec -in signingKey.pem -pubout",
    )
