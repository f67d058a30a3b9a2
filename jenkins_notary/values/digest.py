"""Parse and format digests: ``sha256:<64 lower-case hex>``.

>>> parse_digest("SHA256:" + "AB" * 32) == "sha256:" + "ab" * 32
True
>>> digest_hex("sha256:" + "ab" * 32) == "ab" * 32
True

A digest is text everywhere outside ``tlog``; the bare hex form stands in leaves.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    Digest = NewType("Digest", str)

PREFIX = "sha256:"
_HEX = re.compile(r"[0-9a-f]{64}")


def parse_digest(text: str) -> Digest:
    """Return the digest that a person or another program wrote.

    Args:
        text: ``sha256:`` and 64 hex digits in either case, or the 64 digits alone.

    Returns:
        The digest with lower-case hex.

    Raises:
        UsageError: Another algorithm, length or alphabet.
    """
    lower = text.strip().lower()
    hex_digits = lower[len(PREFIX) :] if lower.startswith(PREFIX) else lower
    if not is_hex_digest(hex_digits):
        raise UsageError(
            f"digest {text[:80]!r}",
            expected="sha256: and 64 hex digits",
            got=f"{len(text)} characters",
        )
    return format_digest(hex_digits)


def format_digest(hex_digits: str) -> Digest:
    """Return the digest of 64 lower-case hex digits that are known to be valid."""
    return PREFIX + hex_digits  # type: ignore[return-value]  # NewType exists for mypy only


def digest_hex(digest: str) -> str:
    """Return the 64 hex digits of a digest."""
    return digest[len(PREFIX) :]


def is_hex_digest(text: object) -> bool:
    """Return whether a value is a string of 64 lower-case hex digits."""
    return isinstance(text, str) and _HEX.fullmatch(text) is not None
