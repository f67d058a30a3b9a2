"""Name a public key: the signer id ``0x`` and 40 hex digits.

The id is the first 20 bytes of the SHA-256 over the DER SubjectPublicKeyInfo, so a
key proves its own id and no registry of names is needed.

>>> signer_id(b"der")
'0x5050d80d22ecd471ea55df7034042c1e041341ff'
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode

from jenkins_notary.errors import UsageError

_SIGNER = re.compile(r"0x[0-9a-f]{40}")


def signer_id(public_der: bytes) -> str:
    """Return the signer id of a DER SubjectPublicKeyInfo."""
    return "0x" + hashlib.sha256(public_der).hexdigest()[:40]


def is_signer_id(text: object) -> bool:
    """Return whether a value is a signer id in its one form."""
    return isinstance(text, str) and _SIGNER.fullmatch(text) is not None


def parse_signer_id(text: str) -> str:
    """Return the signer id that a person wrote, in lower case.

    Raises:
        UsageError: Not ``0x`` and 40 hex digits.
    """
    lower = text.strip().lower()
    if not is_signer_id(lower):
        raise UsageError(
            f"signer {text[:60]!r}",
            expected="0x and 40 hex digits",
            got=f"{len(text)} characters",
        )
    return lower


def decode_public_key(text: object, *, signer: str) -> bytes | None:
    """Return the DER of a base64 public key if it is the one that an id names.

    Args:
        text: Base64 of a DER SubjectPublicKeyInfo, from anywhere.
        signer: The id that the key must hash to.

    Returns:
        The DER bytes, or None for another key or no key.
    """
    if not isinstance(text, str) or len(text) > 1024:
        return None
    try:
        public_der = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return public_der if signer_id(public_der) == signer else None
