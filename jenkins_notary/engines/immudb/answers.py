"""Read immudb's messages into the values that are verified.

A message is what a server says: a hash may be missing or of any length, a list of any
size. Verification finds that; here nothing is judged.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING

from jenkins_notary.engines.immudb.headers import TxHeader, hash_entry
from jenkins_notary.engines.immudb.proofs import DualProof

if TYPE_CHECKING:
    from typing import Any

PLAIN = b"\x00"
"""What immudb puts before a key that is set, and before its value."""


def read_header(message: Any) -> TxHeader:  # noqa: ANN401 - a message
    """Return a transaction's header."""
    return TxHeader(
        message.id,
        message.prevAlh,
        message.ts,
        message.version,
        _encode_tx_metadata(message.metadata),
        message.nentries,
        message.eH,
        message.blTxId,
        message.blRoot,
    )


def read_dual_proof(message: Any) -> DualProof:  # noqa: ANN401 - a message
    """Return a dual proof."""
    return DualProof(
        read_header(message.source),
        read_header(message.target),
        tuple(message.inclusion),
        tuple(message.consistency),
        message.lastAlh,
        tuple(message.lastInclusion),
        tuple(message.linear.terms),
        tuple(message.advance.terms),
        tuple(tuple(one.terms) for one in message.advance.inclusions),
    )


def digest_entry(key: bytes, value: bytes, metadata: Any, version: int) -> bytes:  # noqa: ANN401 - a message
    """Return the digest of an entry as it was set."""
    encoded = b"" if metadata is None else _encode_metadata(metadata)
    hashed = sha256(PLAIN + value).digest()
    return hash_entry(PLAIN + key, hashed, encoded, version)


def _encode_metadata(message: Any) -> bytes:  # noqa: ANN401 - a message
    """Return an entry's metadata as immudb hashes it: attributes by their codes."""
    found = b""
    if message.deleted:
        found += b"\x00"
    if message.HasField("expiration"):
        found += b"\x01" + struct.pack(">q", message.expiration.expiresAt)
    if message.nonIndexable:
        found += b"\x02"
    return found


def _encode_tx_metadata(message: Any) -> bytes:  # noqa: ANN401 - a message
    """Return a transaction's metadata as immudb hashes it."""
    found = b""
    if message.truncatedTx:
        found += b"\x00" + struct.pack(">Q", message.truncatedTx)
    if message.extra:
        found += b"\x01" + struct.pack(">H", len(message.extra)) + message.extra
    return found
