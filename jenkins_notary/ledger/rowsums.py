"""Compare two large sets of rows in constant memory: keyed sums in buckets.

A sum is made of each row's keyed hash, so the order does not matter, and two sets
that differ have different sums but for a chance of about 2**-128. The key is drawn
anew for each run: without it, rows could be chosen whose hashes cancel out (Wagner's
generalized birthday attack on sums of hashes).

Rows are summed in buckets of :data:`BUCKET` records, so where two sums differ only
the rows of those records need to be looked at one by one.

>>> left, right = RowSums(b"k" * 16), RowSums(b"k" * 16)
>>> left.add(b"a", 1); left.add(b"b", 5000)
>>> right.add(b"b", 5000); right.add(b"c", 1)
>>> left.differing(right)
[0]

BLAKE2s is taken for its speed on short rows; with the key in front it is a keyed
function, because it has no length extension.

Source: RFC 7693 (BLAKE2); Bellare and Micciancio, "A New Paradigm for Collision-Free
Hashing" (AdHash); with a secret key the sum is a multiset hash in the sense of Clarke
et al. (2003).
"""

from __future__ import annotations

from hashlib import blake2s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BUCKET_BITS = 12
BUCKET = 1 << BUCKET_BITS
"""Records a bucket."""

KEY_BYTES = 16
_MODULUS_MASK = (1 << 256) - 1


def encode_row(key: bytes, index: int) -> bytes:
    """Return the bytes of a row that are hashed; the index is below 2**64."""
    # The index has a fixed length, so that no two rows give the same bytes.
    return index.to_bytes(8, "big") + key


def envelope_place(digest: bytes) -> int:
    """Return the place of an envelope in its sums: one bucket for each first byte."""
    # Somebody may have put one there without any.
    return int.from_bytes(digest[:1]) << BUCKET_BITS


class RowSums:
    """The sums of one set of (key, index) pairs.

    Attributes:
        sums: Sum by bucket.
        count: How many pairs were added.
    """

    __slots__ = ("_key", "count", "sums")

    def __init__(self, key: bytes) -> None:
        """Start with no rows.

        Args:
            key: :data:`KEY_BYTES` random bytes, equal for all sums of one run.
        """
        self._key = key
        self.sums: dict[int, int] = {}
        self.count = 0

    def add(self, key: bytes, index: int) -> None:
        """Add one row; the index is below 2**64."""
        self.add_rows(index >> BUCKET_BITS, [encode_row(key, index)])

    def add_rows(self, bucket: int, rows: Sequence[bytes]) -> None:
        """Add rows of one bucket, as :func:`encode_row` gives them."""
        prefix = self._key
        digests = [blake2s(prefix + row).digest() for row in rows]
        total = sum(map(int.from_bytes, digests))
        self.sums[bucket] = self.sums.get(bucket, 0) + total
        self.count += len(rows)

    def add_all(self, pairs: Iterable[tuple[bytes, int]]) -> None:
        """Add rows of any buckets, as (key, index); many at a time are faster."""
        by_bucket: dict[int, list[bytes]] = {}
        for key, index in pairs:
            bucket = index >> BUCKET_BITS
            if bucket in by_bucket:
                by_bucket[bucket].append(index.to_bytes(8) + key)
            else:
                by_bucket[bucket] = [index.to_bytes(8) + key]
        for bucket, rows in by_bucket.items():
            self.add_rows(bucket, rows)

    def merge(self, sums: Mapping[int, int], count: int) -> None:
        """Add the sums of other rows, made in another process perhaps."""
        for bucket, value in sums.items():
            self.sums[bucket] = self.sums.get(bucket, 0) + value
        self.count += count

    def differing(self, other: RowSums) -> list[int]:
        """Return the buckets in which two sets differ, sorted."""
        return sorted(
            bucket
            for bucket in self.sums.keys() | other.sums.keys()
            if (self.sums.get(bucket, 0) - other.sums.get(bucket, 0)) & _MODULUS_MASK
        )
