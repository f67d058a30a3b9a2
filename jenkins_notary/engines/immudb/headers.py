"""Hash immudb's transactions: a header, its entries, the chain of them.

A transaction's entries are the leaves of a tree whose root stands in its header as
``eH``. The header is hashed to the *inner hash*, and this with the transaction before
it to the *accumulative linear hash* (Alh): a chain. What grows behind the chain is a
Merkle tree over the Alhs, the *binary linking tree* (Bl); each header names the size
and root of that tree as it was when the transaction was made::

    inner = SHA-256(ts | version | metadata | entries | eH | blTxId | blRoot)
    Alh   = SHA-256(id | previous Alh | inner)

All integers are big-endian. Both trees hash as RFC 6962 does.

Source: immudb 1.11.1, embedded/store (what is hashed, in which order).
"""

from __future__ import annotations

import struct
from hashlib import sha256

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple

HASH_SIZE = 32
MAX_METADATA = 256 + 12
_VERSIONS = (0, 1)


class TxHeader(NamedTuple):
    """What a transaction commits to.

    Attributes:
        tx: Its id, from 1.
        previous: Alh of the transaction before it, 32 bytes.
        at_s: When it was made, Unix seconds.
        version: 0, or 1 for one with metadata.
        metadata: Its metadata, encoded; b"" for none.
        count: How many entries it has.
        entries_root: Root over its entries, 32 bytes.
        linked: Transactions in the tree behind the chain: those up to this id.
        linked_root: Root of that tree, 32 bytes.
    """

    tx: int
    previous: bytes
    at_s: int
    version: int
    metadata: bytes
    count: int  # type: ignore[assignment]  # It hides tuple.count.
    entries_root: bytes
    linked: int
    linked_root: bytes


def hash_header(header: TxHeader) -> bytes:
    """Return the Alh of a transaction.

    Raises:
        IntegrityError: A header that cannot be.
    """
    check_header(header)
    return link(header.tx, header.previous, _inner_hash(header))


def link(tx: int, previous: bytes, inner: bytes) -> bytes:
    """Return the Alh of a transaction from the one before it and its inner hash."""
    return sha256(struct.pack(">Q", tx) + previous + inner).digest()


def check_header(header: TxHeader) -> None:
    """Check a header's ranges, so that it is hashed in one way only.

    Raises:
        IntegrityError: A header that cannot be.
    """
    hashes = (header.previous, header.entries_root, header.linked_root)
    is_whole = (
        0 < header.tx < 1 << 63
        and 0 <= header.linked < header.tx
        and 0 < header.count < (1 << 16 if header.version == 0 else 1 << 31)
        and 0 <= header.at_s < 1 << 63
        and header.version in _VERSIONS
        and len(header.metadata) <= (MAX_METADATA if header.version else 0)
        and all(len(one) == HASH_SIZE for one in hashes)
    )
    if not is_whole:
        raise IntegrityError(
            f"immudb transaction {header.tx}", expected="a header of version 0 or 1"
        )


def hash_entry(key: bytes, value_sha256: bytes, metadata: bytes, version: int) -> bytes:
    """Return the digest of an entry, which is a leaf's data in its transaction's tree.

    Args:
        key: The key, with immudb's own first byte.
        value_sha256: SHA-256 of the value, with immudb's own first byte.
        metadata: The entry's metadata, encoded; b"" for none.
        version: The version of its transaction.
    """
    if version == 0:
        return sha256(key + value_sha256).digest()
    return sha256(
        b"".join(
            (
                struct.pack(">H", len(metadata)),
                metadata,
                struct.pack(">H", len(key)),
                key,
                value_sha256,
            )
        )
    ).digest()


def _inner_hash(header: TxHeader) -> bytes:
    """Return the hash of what a header says beside its place in the chain."""
    if header.version == 0:
        middle = struct.pack(">H", header.count)
    else:
        metadata = struct.pack(">H", len(header.metadata)) + header.metadata
        middle = metadata + struct.pack(">I", header.count)
    return sha256(
        struct.pack(">QH", header.at_s, header.version)
        + middle
        + header.entries_root
        + struct.pack(">Q", header.linked)
        + header.linked_root
    ).digest()
