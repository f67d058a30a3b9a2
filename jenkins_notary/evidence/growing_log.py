r"""Hash a log that still grows: one RFC 6962 tree that only gets more leaves.

A log is recorded piece by piece while its build runs. Each record of the chain signs
the piece, and where all pieces so far come to::

    "part": {"number": 2, "start": 1024, "next": 900,
             "tree": {"sha256": "<64 hex>", "size": 2048, "chunkSize": 262144,
                      "root": "<64 hex>"},
             "text": {"sha256": "<64 hex>", "size": 1990}}

``start`` is where the piece begins in the log as it was read, ``next`` where Jenkins'
raw log goes on. ``tree`` is the descriptor of the whole log so far, the same tree with
more leaves in each record. ``text`` is the digest of the same text with ``\n`` for each
``\r\n``: the one form in which ``progressiveText``, which rewrites line ends, and the
final ``consoleText`` agree, so that the whole log is proven to begin with what was
recorded while it grew.
"""

from __future__ import annotations

import codecs
import hashlib

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.shaping import number, sha256_hex, shape_object
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.values.body import CHUNK_SIZE, Body, format_body, parse_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.evidence.shaping import Shape


class Part(NamedTuple):
    """Where a chain of records stands.

    Attributes:
        number: Records in the chain so far.
        start: Where this record's piece begins, bytes of the log as it was read.
        next_start: Where Jenkins' raw log goes on.
        tree: Descriptor of all bytes so far.
        text_sha256_hex: SHA-256 of the same text with plain line breaks.
        text_size: Its size.
    """

    number: int
    start: int
    next_start: int
    tree: Body
    text_sha256_hex: str
    text_size: int


class TextDigest:
    r"""Digest a text with ``\n`` for each ``\r\n``, up to a size.

    >>> one, other = TextDigest(), TextDigest(limit=4)
    >>> one.update(b"a\r"); one.update(b"\nb\n")
    >>> other.update(b"a\nb\nmore")
    >>> one.sha256_hex == other.sha256_hex, one.size, other.size
    (True, 4, 4)

    Attributes:
        size: Bytes digested.
        is_utf8: Whether all of them are UTF-8 so far; Jenkins' ``progressiveText``
            replaces what is not.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        """Digest all, or the first so many bytes."""
        self._limit = limit
        self._held = b""
        self._whole = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self.size = 0
        self.is_utf8 = True

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        if self.size == self._limit:
            return
        data = self._held + data
        self._held = data[-1:] if data.endswith(b"\r") else b""
        text = data[: len(data) - len(self._held)].replace(b"\r\n", b"\n")
        if self._limit is not None:
            text = text[: self._limit - self.size]
        self._whole.update(text)
        self.size += len(text)
        if self.is_utf8:
            try:
                self._decoder.decode(text)
            except UnicodeDecodeError:
                self.is_utf8 = False

    @property
    def sha256_hex(self) -> str:
        """Return the digest of what was taken; a last carriage return is not yet."""
        return self._whole.hexdigest()


class LogTree:
    r"""All of a log so far, in constant memory.

    >>> tree = LogTree()
    >>> tree.update(b"one\n"); tree.update(b"two\n")
    >>> tree.body().size, tree.body().chunks
    (8, 1)
    """

    def __init__(self) -> None:
        """Begin with the empty log."""
        self._whole = hashlib.sha256()
        self._frontier = Frontier()
        self._last = bytearray()
        self.size = 0
        self.text = TextDigest()

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._whole.update(data)
        self.text.update(data)
        self.size += len(data)
        self._last += data
        while len(self._last) >= CHUNK_SIZE:
            chunk = bytes(self._last[:CHUNK_SIZE])
            del self._last[:CHUNK_SIZE]
            self._frontier = self._frontier.append([hash_leaf(chunk)])

    def body(self) -> Body:
        """Return the descriptor of all bytes so far."""
        frontier = self._frontier
        if self._last:
            frontier = frontier.append([hash_leaf(bytes(self._last))])
        root = frontier.root().hex()
        return Body(self._whole.hexdigest(), self.size, CHUNK_SIZE, root)


def format_part(part: Part) -> dict[str, Any]:
    """Return the JSON form of a part; inverse of :func:`parse_part`."""
    return {
        "number": part.number,
        "start": part.start,
        "next": part.next_start,
        "tree": format_body(part.tree),
        "text": {"sha256": part.text_sha256_hex, "size": part.text_size},
    }


def parse_part(value: object, *, subject: str) -> Part:
    """Return the part in a record.

    Raises:
        IntegrityError: It is none.
    """
    try:
        own = shape_object(value, _PART)
        return Part(
            own["number"],
            own["start"],
            own["next"],
            parse_body(own["tree"], subject=f"{subject} tree"),
            own["text"]["sha256"],
            own["text"]["size"],
        )
    except (KeyError, ValueError) as error:
        raise IntegrityError(
            f"{subject} part", expected="the part of a chain", got=f"{error}"
        ) from error


def _keep(value: object) -> object:
    """Return a value as it is: it is parsed on its own."""
    return value


_PART: Mapping[str, Shape] = {
    "number": number,
    "start": number,
    "next": number,
    "tree": _keep,
    "text": {"sha256": sha256_hex, "size": number},
}
