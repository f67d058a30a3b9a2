"""Sign and check with Ed25519 and ECDSA P-256 through ``cryptography``.

Public keys travel as DER SubjectPublicKeyInfo. The DER of Ed25519 is a fixed prefix
and 32 bytes, which spares the import of the serialization module (15 ms of a cold
start) for the default kind.

Source: RFC 8410 (Ed25519 in SubjectPublicKeyInfo), RFC 5480, FIPS 186-5.
"""

from __future__ import annotations

from jenkins_notary.keys.ed25519 import is_bad_signature, load_public
from jenkins_notary.trust.keys import signer_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519_DER_PREFIX = bytes.fromhex("302a300506032b6570032100")
_ED25519_DER_LENGTH = len(ED25519_DER_PREFIX) + 32
_MAX_KEPT = 1024


class KeyVerifier:
    """The Verifier port over ``cryptography``; keeps the keys that it has parsed."""

    def __init__(self) -> None:
        """Start with no parsed key."""
        self._checks: dict[bytes, Callable[[bytes, bytes], None] | None] = {}

    def is_valid(self, public_der: bytes, signature: bytes, message: bytes) -> bool:
        """Return whether a signature is good; False for a malformed key too."""
        if public_der not in self._checks:
            # Statements may carry any number of keys; memory stays bounded.
            if len(self._checks) >= _MAX_KEPT:
                self._checks.clear()
            self._checks[public_der] = _load_check(public_der)
        check = self._checks[public_der]
        if check is None:
            return False
        try:
            check(signature, message)
        except Exception as error:
            if is_bad_signature(error):
                return False
            raise
        return True


class Ed25519Signer:
    """A signer of statements with an Ed25519 key.

    Attributes:
        key: The private key.
        public_der: DER SubjectPublicKeyInfo of the public key.
        keyid: The signer id.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Keep the private key."""
        self.key = key
        self.public_der = ED25519_DER_PREFIX + key.public_key().public_bytes_raw()
        self.keyid = signer_id(self.public_der)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        return self.key.sign(message)


class EcdsaSigner:
    """A signer of statements with an ECDSA P-256 key and SHA-256.

    Attributes:
        key: The private key.
        public_der: DER SubjectPublicKeyInfo of the public key.
        keyid: The signer id.
    """

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        """Keep the private key."""
        from cryptography.hazmat.primitives import serialization

        self.key = key
        self.public_der = key.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        self.keyid = signer_id(self.public_der)

    def sign(self, message: bytes) -> bytes:
        """Return the signature in DER."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


def _load_check(public_der: bytes) -> Callable[[bytes, bytes], None] | None:
    """Return check(signature, message) of a public key, None for an unusable one."""
    if (
        len(public_der) == _ED25519_DER_LENGTH
        and public_der[: len(ED25519_DER_PREFIX)] == ED25519_DER_PREFIX
    ):
        raw = public_der[len(ED25519_DER_PREFIX) :]
        return load_public(raw).verify
    return _load_ecdsa_check(public_der)


def _load_ecdsa_check(public_der: bytes) -> Callable[[bytes, bytes], None] | None:
    """Return check(signature, message) of a P-256 key, None for any other."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_der_public_key(public_der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        return None

    def check(signature: bytes, message: bytes) -> None:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))

    return check
