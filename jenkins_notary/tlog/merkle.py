"""Hash leaves and nodes as RFC 6962 does, and append to a tree by its right edge.

A leaf is ``SHA-256(0x00 || entry)``, a node ``SHA-256(0x01 || left || right)``, the
empty tree ``SHA-256("")``. A tree of *n* leaves splits at the largest power of two
below *n*, so it is a row of perfect subtrees, one for each 1 bit of *n*, the largest
first. Those subtree hashes are the :class:`Frontier`: all that appending needs.

A frontier is stored as the tree size (8 bytes, big-endian), then the hashes, largest
subtree first. This is the frontier of the three entries ``a``, ``b``, ``c``:

>>> stored = bytes.fromhex(
...     "0000000000000003"
...     "b137985ff484fb600db93107c77b0365c80d78f5b429ded0fd97361d077999eb"
...     "597fcb31282d34654c200d3418fca5705c648ebf326ec73d8ddef11841f876d8"
... )
>>> frontier = Frontier.decode(stored)
>>> frontier.size, len(frontier.hashes)
(3, 2)
>>> frontier == Frontier().append([hash_leaf(b"a"), hash_leaf(b"b"), hash_leaf(b"c")])
True
>>> frontier.root() == root_of([hash_leaf(entry) for entry in (b"a", b"b", b"c")])
True

Left out: proofs (:mod:`~jenkins_notary.tlog.proofs`) and stored hashes
(:mod:`~jenkins_notary.tlog.tiles`).

Source: RFC 6962 section 2.1 (the same in RFC 9162 section 2.1.1). The stored form of
the frontier is this project's own.
"""

from __future__ import annotations

from hashlib import sha256

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.canonical import HASH_SIZE, MAX_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""

_SIZE_BYTES = 8


def hash_leaf(entry: bytes) -> bytes:
    """Return the 32-byte hash of a log entry.

    >>> hash_leaf(b"").hex()
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
    """
    return sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of a node from its two children."""
    return sha256(b"\x01" + left + right).digest()


def hash_pairs(row: Sequence[bytes]) -> list[bytes]:
    """Return the row of nodes above a row of hashes; an odd last hash is left out.

    Cost: one hash for each two of the row.
    """
    # Inlined hash_node: the call would be a third of the time of a large batch.
    return [
        sha256(b"\x01" + row[left] + row[left + 1]).digest()
        for left in range(0, len(row) - 1, 2)
    ]


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes in order; for none, :data:`EMPTY_ROOT`.

    Cost: one hash fewer than there are leaves.
    """
    row = list(hashes)
    while len(row) > 1:
        # A hash without a partner rises unchanged: that is the split of RFC 6962.
        rest = row[len(row) & ~1 :]
        row = hash_pairs(row) + rest
    return row[0] if row else EMPTY_ROOT


class _FrontierFields(NamedTuple):
    """The fields; apart, because a NamedTuple cannot check them itself."""

    size: int
    hashes: tuple[bytes, ...]


class Frontier(_FrontierFields):
    """The right edge of a tree: what is needed to append and to know the root.

    Attributes:
        size: Leaves in the tree, 0 to 2**63 - 1.
        hashes: 32-byte hash of each perfect subtree, the largest first; as many as
            the size has 1 bits.
    """

    __slots__ = ()

    def __new__(cls, size: int = 0, hashes: tuple[bytes, ...] = ()) -> Frontier:  # noqa: PYI034
        """Check and hold the parts; without arguments, the empty tree.

        Raises:
            IntegrityError: A size out of range, or hashes that do not fit it.
        """
        if not 0 <= size <= MAX_NUMBER:
            raise IntegrityError(
                "frontier", expected="a size below 2**63", got=f"{size}"
            )
        wanted = bin(size).count("1")
        if len(hashes) != wanted or any(len(item) != HASH_SIZE for item in hashes):
            raise IntegrityError(
                f"frontier of {size} leaves",
                expected=f"{wanted} hashes of {HASH_SIZE} bytes",
                got=f"{len(hashes)} of {sorted({len(item) for item in hashes})} bytes",
            )
        return super().__new__(cls, size, hashes)

    def append(self, leaf_hashes: Sequence[bytes]) -> Frontier:
        """Return the frontier after the leaf hashes, in order.

        Cost: one hash a leaf on average, in rows; a thousand leaves take about 1 ms.

        Raises:
            UsageError: A leaf hash is not 32 bytes long.
        """
        if not set(map(len, leaf_hashes)) <= {HASH_SIZE}:
            raise UsageError("leaf hashes", expected=f"each {HASH_SIZE} bytes long")
        kept = list(self.hashes)
        finished: list[bytes] = []
        row = list(leaf_hashes)
        level_bits = self.size
        # Level by level: the subtree that waits on this level goes to the left of the
        # new nodes; whoever finds no partner now waits in its place.
        while row:
            if level_bits & 1:
                row.insert(0, kept.pop())
            if len(row) & 1:
                finished.append(row[-1])
            row = hash_pairs(row)
            level_bits >>= 1
        return Frontier(self.size + len(leaf_hashes), (*kept, *reversed(finished)))

    def root(self) -> bytes:
        """Return the root of the tree; for no leaves, :data:`EMPTY_ROOT`."""
        return join_subtrees(self.hashes)

    def encode(self) -> bytes:
        """Return the stored form: size, then hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def decode(cls, data: bytes) -> Frontier:
        """Return the frontier of its stored form.

        Raises:
            IntegrityError: The bytes are not exactly a size and its hashes.
        """
        if len(data) < _SIZE_BYTES:
            raise IntegrityError(
                "frontier", expected="at least 8 bytes", got=f"{len(data)}"
            )
        starts = range(_SIZE_BYTES, len(data), HASH_SIZE)
        hashes = tuple(data[start : start + HASH_SIZE] for start in starts)
        return cls(int.from_bytes(data[:_SIZE_BYTES], "big"), hashes)


def join_subtrees(hashes: Sequence[bytes]) -> bytes:
    """Return the root over neighbouring perfect subtrees, the largest first.

    For none, :data:`EMPTY_ROOT`.
    """
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = hash_node(left, root)
    return root
