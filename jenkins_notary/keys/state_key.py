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


class StateKey:
    """A server's public key; it may be sent to another process as its PEM."""

    def __init__(self, pem: bytes) -> None:
        """Load it.

        Raises:
            ConfigurationError: It is no public ECDSA key in PEM.
        """
        self._pem = pem
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _wrong() from error
        if not isinstance(key, EllipticCurvePublicKey):
            raise _wrong()
        self._key = key

    def __reduce__(self) -> tuple[type[StateKey], tuple[bytes]]:
        """Return how another process makes it."""
        return StateKey, (self._pem,)

    def is_valid(self, signature: bytes, message: bytes) -> bool:
        """Return whether the server's key has signed."""
        try:
            self._key.verify(signature, message, ECDSA(SHA256()))
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
