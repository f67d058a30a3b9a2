"""Read bodies so that every byte handed out is proven by a signed descriptor.

A statement signs a :class:`~jenkins_notary.values.body.Body`; a blob store only
claims. Reading goes in this order:

1. the store's leaf hashes must give the signed root, before any byte is handed out;
2. each chunk must have its leaf hash and its length;
3. when all is read, the whole must have the signed size and SHA-256.

So a caller may use each chunk as it comes, and a part of a body can be read and
proven without the rest.

Left out: lines (:mod:`~jenkins_notary.evidence.lines`), and who may read a body. Read
through a record, never by a bare address.

Source: DESIGN section 5 (blob port); RFC 6962 section 2.1.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.merkle import hash_leaf, hash_pairs, root_of
from jenkins_notary.tlog.proofs import inclusion_proof, verify_inclusion
from jenkins_notary.values.body import MAX_CHUNK_SIZE, Body, parse_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from jenkins_notary.ports import Blobs
    from jenkins_notary.trust.record import ProvenRecord


class ProvenChunk(NamedTuple):
    """One chunk of a body with the proof that it is in the body's tree.

    Attributes:
        number: The chunk's number, from 0.
        data: Its raw bytes.
        proof: RFC 6962 inclusion proof in the body's root, hashes of 32 bytes.
    """

    number: int
    data: bytes
    proof: tuple[bytes, ...]


def read_body(blobs: Blobs, body: Body) -> Iterator[bytes]:
    """Return an iterator over a body's proven chunks.

    Args:
        blobs: Where the body is kept.
        body: The descriptor, from a statement whose signature was verified.

    Returns:
        The chunks in order; the leaf hashes are checked before this returns.

    Raises:
        NotFoundError: The body is not stored, or no longer.
        IntegrityError: What is stored is not what was signed; while iterating too.
    """
    leaves = _prove_leaves(blobs, body)
    return _read_whole(blobs, body, leaves)


def copy_body(blobs: Blobs, body: Body, out: BinaryIO) -> None:
    """Write a body to a stream.

    What was written before an error is proven, but it is not the whole: a caller
    that writes to a file removes it then.

    Raises:
        NotFoundError: The body is not stored, or no longer.
        IntegrityError: What is stored is not what was signed.
    """
    out.writelines(read_body(blobs, body))


def prove_chunks(
    blobs: Blobs, body: Body, numbers: Sequence[int]
) -> tuple[ProvenChunk, ...]:
    """Return chunks with their proofs.

    Cost: one hash for each two chunks of the body, once.

    Raises:
        UsageError: The body has no such chunk.
        NotFoundError: The body is not stored, or no longer.
        IntegrityError: What is stored is not what was signed.
    """
    leaves = _prove_leaves(blobs, body)
    rows: list[Sequence[bytes]] = [leaves]
    while len(rows[-1]) > 1:
        rows.append(hash_pairs(rows[-1]))
    return tuple(
        ProvenChunk(
            number,
            _read_chunk(blobs, body, leaves, number),
            inclusion_proof(number, body.chunks, lambda level, at: rows[level][at]),
        )
        for number in numbers
    )


def prove_chunk(blobs: Blobs, body: Body, number: int) -> ProvenChunk:
    """Return one chunk with its proof; see :func:`prove_chunks`."""
    return prove_chunks(blobs, body, [number])[0]


def verify_chunk(chunk: ProvenChunk, body: Body) -> None:
    """Check a chunk against a signed descriptor, with no store at hand.

    Raises:
        IntegrityError: Not this body's chunk, or not at this place.
    """
    check_descriptor(body)
    subject = f"chunk {chunk.number} of body {body.sha256_hex}"
    if not 0 <= chunk.number < body.chunks:
        raise IntegrityError(subject, expected=f"a number below {body.chunks}")
    _check_length(chunk.data, body, chunk.number)
    try:
        verify_inclusion(
            hash_leaf(chunk.data),
            chunk.number,
            body.chunks,
            chunk.proof,
            bytes.fromhex(body.root_hex),
        )
    except IntegrityError as error:
        raise IntegrityError(
            subject, expected="a proof that leads to the signed root", got=str(error)
        ) from error


def bodies_of(record: ProvenRecord) -> list[Body]:
    """Return every body that a record's statement names.

    Raises:
        IntegrityError: A descriptor is malformed: a foreign statement may be.
    """
    subject = f"record #{record.index} body"
    return [parse_body(one, subject=subject) for one in _described(record)]


def list_bodies(record: ProvenRecord) -> list[Body]:
    """Return every body that a record's statement describes well.

    For who goes through many records: a foreign statement must not stop that.
    """
    found = []
    for one in _described(record):
        with suppress(IntegrityError):
            found.append(parse_body(one))
    return found


def _described(record: ProvenRecord) -> list[object]:
    """Return what a record's statement says of bodies, unchecked."""
    if record.statement is None:
        return []
    predicate = record.statement.predicate
    named = [predicate.get("body")] if "body" in predicate else []
    listed = predicate.get("attachments")
    attachments = listed if isinstance(listed, list) else []
    return named + [one.get("body") for one in attachments if isinstance(one, dict)]


def check_descriptor(body: Body) -> None:
    """Refuse a signed descriptor whose chunks would not fit into memory.

    Raises:
        IntegrityError: Chunks longer than this program reads.
    """
    if not 0 < body.chunk_size <= MAX_CHUNK_SIZE or body.size < 0:
        raise IntegrityError(
            f"body {body.sha256_hex}",
            expected=f"chunks of 1 to {MAX_CHUNK_SIZE} bytes",
            got=f"{body.chunk_size}",
        )


def _prove_leaves(blobs: Blobs, body: Body) -> Sequence[bytes]:
    """Return the stored leaf hashes, which the signed root has proven."""
    check_descriptor(body)
    leaves = blobs.leaf_hashes(body)
    if len(leaves) != body.chunks or any(len(leaf) != 32 for leaf in leaves):
        raise IntegrityError(
            f"body {body.sha256_hex}",
            expected=f"{body.chunks} leaf hashes of 32 bytes",
            got=f"{len(leaves)}",
        )
    root_hex = root_of(leaves).hex()
    if root_hex != body.root_hex:
        raise IntegrityError(
            f"body {body.sha256_hex}",
            expected=f"the signed root {body.root_hex}",
            got=root_hex,
        )
    return leaves


def _read_whole(blobs: Blobs, body: Body, leaves: Sequence[bytes]) -> Iterator[bytes]:
    """Yield proven chunks, then check the whole."""
    whole = hashlib.sha256()
    for number in range(body.chunks):
        chunk = _read_chunk(blobs, body, leaves, number)
        whole.update(chunk)
        yield chunk
    # Only a signer can cause this: root and SHA-256 of two different bodies.
    if whole.hexdigest() != body.sha256_hex:
        raise IntegrityError(
            f"body {body.sha256_hex}",
            expected="bytes with the signed SHA-256",
            got=whole.hexdigest(),
        )


def _read_chunk(
    blobs: Blobs, body: Body, leaves: Sequence[bytes], number: int
) -> bytes:
    """Return one chunk, checked against its proven leaf hash."""
    if not 0 <= number < body.chunks:
        raise UsageError(
            f"chunk {number} of body {body.sha256_hex}",
            expected=f"a number below {body.chunks}",
        )
    chunk = blobs.chunk(body, number)
    _check_length(chunk, body, number)
    got = hash_leaf(chunk)
    if got != leaves[number]:
        raise IntegrityError(
            f"chunk {number} of body {body.sha256_hex}",
            expected=f"leaf hash {leaves[number].hex()}",
            got=got.hex(),
        )
    return chunk


def _check_length(chunk: bytes, body: Body, number: int) -> None:
    """Check that a chunk is as long as its place in the body asks for."""
    size = min(body.chunk_size, body.size - number * body.chunk_size)
    if len(chunk) != size:
        raise IntegrityError(
            f"chunk {number} of body {body.sha256_hex}",
            expected=f"{size} bytes",
            got=f"{len(chunk)} bytes",
        )
