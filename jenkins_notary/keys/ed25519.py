"""Reach Ed25519 of the ``cryptography`` library by the shortest way.

The library's public classes only pass calls on to its compiled part, but their module
imports 40 others, ``typing`` among them: a third of the time that a cold start may
take. So the compiled part is asked first, by its private name, and the public module
where that name is gone. Both give the same objects; a test holds them equal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

try:
    from cryptography.hazmat.bindings._rust import openssl as _openssl

    _load_private = _openssl.ed25519.from_private_bytes
    _load_public = _openssl.ed25519.from_public_bytes
    _generate = _openssl.ed25519.generate_key
except (ImportError, AttributeError):  # pragma: no cover - another library version
    from cryptography.hazmat.primitives.asymmetric import ed25519 as _public

    _load_private = _public.Ed25519PrivateKey.from_private_bytes
    _load_public = _public.Ed25519PublicKey.from_public_bytes
    _generate = _public.Ed25519PrivateKey.generate


def load_private(raw: bytes) -> Ed25519PrivateKey:
    """Return the private key of 32 raw bytes."""
    return _load_private(raw)


def load_public(raw: bytes) -> Ed25519PublicKey:
    """Return the public key of 32 raw bytes.

    Raises:
        ValueError: Not 32 bytes.
    """
    return _load_public(raw)


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature by the key of 32 raw bytes is good."""
    try:
        load_public(public).verify(signature, message)
    except Exception as error:
        if is_bad_signature(error):
            return False
        raise
    return True


def generate() -> Ed25519PrivateKey:
    """Return a new private key."""
    return _generate()


def is_bad_signature(error: Exception) -> bool:
    """Return whether an exception of a check says that the signature is bad."""
    from cryptography.exceptions import InvalidSignature

    return isinstance(error, InvalidSignature)
