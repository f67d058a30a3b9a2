r"""Read and write base64 and decimal numbers in exactly one spelling.

Two spellings of one value would let a signed file change without its meaning
changing, so every parser of this room takes the canonical spelling only:

>>> decode_base64("AAH/", "example")
b'\x00\x01\xff'
>>> encode_base64(b"\x00\x01\xff")
'AAH/'
>>> parse_decimal("1234067", "example")
1234067

Rules: standard alphabet, padding present, unused bits zero, no line breaks; decimals
are ASCII digits without sign, leading zero or separator, below 2**63.

Left out: the URL-safe alphabet and hexadecimal, which no format of this room uses.

Source: RFC 4648 section 4 and 3.5; C2SP signed-note, tlog-checkpoint (decimals).
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from jenkins_notary.errors import IntegrityError

HASH_SIZE = 32
"""Bytes of a SHA-256 hash, the only hash of this log."""

MAX_NUMBER = 2**63 - 1
"""Largest size, index or timestamp: what a signed 64-bit integer holds elsewhere."""

_MAX_DIGITS = len(str(MAX_NUMBER))
_SHOWN_CHARACTERS = 60


def show(text: str) -> str:
    r"""Return foreign text for an error message: quoted, ASCII, at most 60 characters.

    >>> show("a\nb")
    "'a\\nb'"
    """
    return ascii(text[:_SHOWN_CHARACTERS])


def encode_base64(data: bytes) -> str:
    """Return the canonical base64 text of the bytes."""
    return b2a_base64(data, newline=False).decode("ascii")


def decode_base64(text: str, subject: str) -> bytes:
    """Return the bytes of a canonical base64 text.

    Args:
        text: The base64 characters alone.
        subject: What they stand for, for the error message.

    Raises:
        IntegrityError: A foreign character, wrong padding or unused bits set.
    """
    try:
        data = a2b_base64(text)
    except ValueError:
        data = b""
    # The decoder of the standard library skips foreign characters, and its strict
    # mode is younger than Python 3.8; encoding again settles every doubt.
    if encode_base64(data) != text:
        raise IntegrityError(subject, expected="canonical base64", got=show(text))
    return data


def decode_hash(text: str, subject: str) -> bytes:
    """Return the 32 bytes of a hash in canonical base64.

    Raises:
        IntegrityError: Not canonical base64, or not 32 bytes.
    """
    data = decode_base64(text, subject)
    if len(data) != HASH_SIZE:
        raise IntegrityError(
            subject, expected=f"a hash of {HASH_SIZE} bytes", got=f"{len(data)} bytes"
        )
    return data


def parse_decimal(text: str, subject: str) -> int:
    """Return the number of a canonical decimal text, 0 to 2**63 - 1.

    Raises:
        IntegrityError: Not ASCII digits, a leading zero, or too large.
    """
    # The digits are counted before they are converted: int() of a huge text is slow.
    is_plain = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    number = int(text) if is_plain else -1
    if not 0 <= number <= MAX_NUMBER or str(number) != text:
        raise IntegrityError(
            subject,
            expected="a decimal number below 2**63 without leading zeros",
            got=show(text),
        )
    return number
