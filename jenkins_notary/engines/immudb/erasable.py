"""Derive a key for each envelope, any of which can be destroyed for good.

immudb keeps every value it was ever given. What must be erasable is encrypted, each
value under a key of its own, and the keys are leaves of a tree of which only the
root is kept: a node's children are hashes of it. To destroy a leaf's key, the root
is replaced by the nodes beside the way to the leaf: every other key can still be
derived, this one by nobody. The file grows by at most 64 nodes an erasure, and not with
the ledger.

A place in the tree is given out once, in the order in which records are appended: so
keys of one commit are neighbours, which share most of their way, and what was recorded
together takes few nodes to destroy together.

The file holds secrets, mode 0600; whoever has it and the database reads envelopes, as
with any ledger. Without it the envelopes cannot be read: it belongs into each backup.
Erasing is final only when no older copy of the file is left.

>>> tree = KeyTree.create(bytes(32))
>>> before = tree.key(6)
>>> tree = tree.destroy([7])
>>> tree.key(6) == before, tree.key(7) is None
(True, True)

Source: Goldreich, Goldwasser, Micali, "How to construct random functions" (1986), with
SHA-256; punctured as in Boneh, Waters, "Constrained pseudorandom functions" (2013).
"""

from __future__ import annotations

import json
from hashlib import sha256

from jenkins_notary.errors import ConfigurationError, IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEPTH = 64
"""Bits of a place."""

KEY_SIZE = 32
MAX_BYTES = 256 << 20
VERSION = 2


class KeyTree:
    """The nodes that keys are derived from; they never change.

    Attributes:
        nodes: 32 secret bytes by (how many bits, those bits of a place).
    """

    def __init__(self, nodes: Mapping[tuple[int, int], bytes]) -> None:
        """Hold nodes."""
        self.nodes = nodes
        # The way to the key that was derived last, from its node down.
        self._way: tuple[int, int, tuple[bytes, ...]] = (0, 0, ())

    @classmethod
    def create(cls, secret: bytes) -> KeyTree:
        """Return a tree in which no key was destroyed.

        Args:
            secret: 32 random bytes.
        """
        return cls({(0, 0): secret})

    def key(self, place: int) -> bytes | None:
        """Return a place's key, 32 bytes, or None if it was destroyed.

        Cost: 64 hashes; of a neighbour of the last one, a few.
        """
        last, top, nodes = self._way
        shared = DEPTH - (last ^ place).bit_length()
        if nodes and shared >= top:
            kept = nodes[: shared - top + 1]
        else:
            found = self._find(place)
            if found is None:
                return None
            top, kept = found[0], (found[1],)
        way = [*kept]
        for shift in range(DEPTH - top - len(way), -1, -1):
            way.append(_child(way[-1], place >> shift & 1))
        self._way = place, top, tuple(way)
        return way[-1]

    def destroy(self, places: Iterable[int]) -> KeyTree:
        """Return a tree that has every key but those of some places."""
        nodes = dict(self.nodes)
        for place in places:
            _puncture(nodes, place)
        return KeyTree(nodes)

    def encode(self) -> bytes:
        """Return the file's bytes."""
        nodes = {
            f"{bits}:{path:x}": one.hex() for (bits, path), one in self.nodes.items()
        }
        return json.dumps({"v": VERSION, "nodes": nodes}).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, *, subject: str) -> KeyTree:
        """Return the tree of a file; the inverse of :meth:`encode`.

        Raises:
            IntegrityError: It is damaged.
            ConfigurationError: Another version of this program made it.
        """
        try:
            value = json.loads(data)
            version = value["v"]
            nodes = {_parse_name(one): _secret(o) for one, o in value["nodes"].items()}
        except (
            *(ValueError, KeyError, TypeError, AttributeError),
            RecursionError,
        ) as error:
            raise IntegrityError(
                subject,
                expected="the keys of a ledger's envelopes",
                got="something else",
                advice="restore it from a backup: without it no envelope can be read",
            ) from error
        if version != VERSION:
            raise ConfigurationError(
                subject,
                expected=f"envelope keys of version {VERSION}",
                got=f"{str(version)[:20]}",
                advice="use the version of jenkins-notary that made them",
            )
        return cls(nodes)

    def _find(self, place: int) -> tuple[int, bytes] | None:
        """Return the node above a place, with its bits; None if it was destroyed."""
        for bits in range(DEPTH + 1):
            node = self.nodes.get((bits, place >> (DEPTH - bits)))
            if node is not None:
                return bits, node
        return None


def _child(node: bytes, side: int) -> bytes:
    """Return a node's child: 0 is the left one."""
    return sha256(node + (b"\x01" if side else b"\x00")).digest()


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
