"""Describe a body: bytes kept beside the log, cut in chunks that prove themselves.

A statement that attaches a body signs this descriptor::

    {"chunkSize": 262144, "root": "<64 hex>", "sha256": "<64 hex>", "size": 1234}

``root`` is the RFC 6962 tree root over the raw chunks, so an excerpt is provable
with the whole body absent, and a log that grows is the same tree with more leaves.

Source: DESIGN section 5 (blob port).
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import is_hex_digest

CHUNK_SIZE = 256 << 10
"""Raw bytes in every chunk but the last, as this project writes bodies."""

MAX_CHUNK_SIZE = 16 << 20
"""The longest chunk that is read: one chunk is held in memory."""


class Body(NamedTuple):
    """What a statement signs of a body.

    Attributes:
        sha256_hex: SHA-256 over all bytes; the body's address.
        size: How many raw bytes.
        chunk_size: Raw bytes in every chunk but the last.
        root_hex: RFC 6962 root over the chunks; that of no leaves when empty.
    """

    sha256_hex: str
    size: int
    chunk_size: int
    root_hex: str

    @property
    def chunks(self) -> int:
        """Return how many chunks the body has."""
        return -(-self.size // self.chunk_size)


def format_body(body: Body) -> dict[str, object]:
    """Return the JSON form of a descriptor."""
    return {
        "sha256": body.sha256_hex,
        "size": body.size,
        "chunkSize": body.chunk_size,
        "root": body.root_hex,
    }


def parse_body(value: object, *, subject: str = "body") -> Body:
    """Return the descriptor in a JSON object; other keys are ignored.

    Raises:
        IntegrityError: A key is missing, has a wrong form, or is out of bounds.
    """
    if isinstance(value, dict):
        size, chunk_size = value.get("size"), value.get("chunkSize")
        if (
            is_hex_digest(value.get("sha256"))
            and is_hex_digest(value.get("root"))
            and type(size) is int
            and type(chunk_size) is int
            and 0 <= size < 1 << 53
            and 0 < chunk_size <= MAX_CHUNK_SIZE
        ):
            return Body(value["sha256"], size, chunk_size, value["root"])
    raise IntegrityError(
        subject, expected="sha256, size, chunkSize and root", got=repr(value)[:80]
    )
