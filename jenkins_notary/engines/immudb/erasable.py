"""Derive a key for each envelope, any of which can be destroyed for good.

immudb keeps every value it was ever given. What must be erasable is encrypted, each
value under a key of its own, and the keys are leaves of a tree of which only the
root is kept: a node's children are hashes of it. To destroy a leaf's key, the root
is replaced by the nodes beside the way to the leaf: every other key can still be
derived, this one by nobody. The file grows by at most 64 nodes an erasure, and not with
the ledger.

The file holds secrets, mode 0600; whoever has it and the database reads envelopes, as
with any ledger. Without it the envelopes cannot be read: it belongs into each backup.
Erasing is final only when no older copy of the file is left.

>>> tree = KeyTree.create(bytes(32))
>>> kept, gone = bytes(32), b"x" * 32
>>> before = tree.key(kept)
>>> tree = tree.destroy([gone])
>>> tree.key(kept) == before, tree.key(gone) is None
(True, True)

Source: Goldreich, Goldwasser, Micali, "How to construct random functions" (1986), with
SHA-256; punctured as in Boneh, Waters, "Constrained pseudorandom functions" (2013).
"""

from __future__ import annotations

import json
from hashlib import sha256

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEPTH = 64
"""Bits of a digest that lead to its key: that two share them is not to be expected."""

KEY_SIZE = 32
MAX_BYTES = 256 << 20


class KeyTree(NamedTuple):
    """The nodes that keys are derived from.

    Attributes:
        nodes: 32 secret bytes by (how many bits, those bits of a digest).
        again: 32 secret bytes by digest, of what came again after it was destroyed.
    """

    nodes: Mapping[tuple[int, int], bytes]
    again: Mapping[bytes, bytes]

    @classmethod
    def create(cls, secret: bytes) -> KeyTree:
        """Return a tree in which no key was destroyed.

        Args:
            secret: 32 random bytes.
        """
        return cls({(0, 0): secret}, {})

    def key(self, digest: bytes) -> bytes | None:
        """Return a digest's key, 32 bytes, or None if it was destroyed.

        Cost: 64 hashes.
        """
        kept = self.again.get(digest)
        if kept is not None:
            return kept
        place = _place_of(digest)
        for bits in range(DEPTH + 1):
            node = self.nodes.get((bits, place >> (DEPTH - bits)))
            if node is not None:
                return _descend(node, place, bits)
        return None

    def destroy(self, digests: Iterable[bytes]) -> KeyTree:
        """Return a tree that has every key but those of some digests."""
        nodes, again = dict(self.nodes), dict(self.again)
        for digest in digests:
            again.pop(digest, None)
            _puncture(nodes, _place_of(digest))
        return KeyTree(nodes, again)

    def renew(self, digest: bytes, secret: bytes) -> KeyTree:
        """Return a tree with a new key for a digest whose key was destroyed."""
        return self._replace(again={**self.again, digest: secret})

    def encode(self) -> bytes:
        """Return the file's bytes."""
        nodes = {
            f"{bits}:{path:x}": one.hex() for (bits, path), one in self.nodes.items()
        }
        again = {digest.hex(): one.hex() for digest, one in self.again.items()}
        return json.dumps({"v": 1, "nodes": nodes, "again": again}).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, *, subject: str) -> KeyTree:
        """Return the tree of a file; the inverse of :meth:`encode`.

        Raises:
            IntegrityError: It is damaged.
        """
        try:
            value = json.loads(data)
            if value["v"] != 1:
                raise ValueError  # noqa: TRY301 - one way out
            nodes = {_parse_name(one): _secret(o) for one, o in value["nodes"].items()}
            again = {
                bytes.fromhex(digest): _secret(one)
                for digest, one in value["again"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(
                subject,
                expected="the keys of a ledger's envelopes",
                got="something else",
                advice="restore it from a backup: without it no envelope can be read",
            ) from error
        return cls(nodes, again)


def _place_of(digest: bytes) -> int:
    """Return a digest's leaf."""
    return int.from_bytes(digest[: DEPTH // 8], "big")


def _child(node: bytes, side: int) -> bytes:
    """Return a node's child: 0 is the left one."""
    return sha256(node + (b"\x01" if side else b"\x00")).digest()


def _descend(node: bytes, place: int, bits: int) -> bytes:
    """Return the leaf below a node."""
    for shift in range(DEPTH - bits - 1, -1, -1):
        node = _child(node, place >> shift & 1)
    return node


def _puncture(nodes: dict[tuple[int, int], bytes], place: int) -> None:
    """Replace the node above a leaf by those beside the way to it."""
    for bits in range(DEPTH + 1):
        node = nodes.pop((bits, place >> (DEPTH - bits)), None)
        if node is None:
            continue
        for depth in range(bits + 1, DEPTH + 1):
            side = place >> (DEPTH - depth)
            nodes[depth, side ^ 1] = _child(node, (side & 1) ^ 1)
            node = _child(node, side & 1)
        return


def _parse_name(name: str) -> tuple[int, int]:
    """Return where a node stands."""
    bits, _, path = name.partition(":")
    found = int(bits), int(path, 16)
    if not 0 <= found[0] <= DEPTH or found[1] >> found[0]:
        raise ValueError
    return found


def _secret(text: str) -> bytes:
    """Return a secret."""
    found = bytes.fromhex(text)
    if len(found) != KEY_SIZE:
        raise ValueError
    return found
