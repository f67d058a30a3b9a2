"""Hand out only what the signed descriptor proves, whatever a store claims."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.bodies import (
    ProvenChunk,
    copy_body,
    prove_chunk,
    prove_chunks,
    read_body,
    verify_chunk,
)
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.values.body import CHUNK_SIZE, MAX_CHUNK_SIZE, Body

if TYPE_CHECKING:
    from collections.abc import Sequence


class LyingBlobs(MemoryBlobs):
    """A store that hands out other chunks and leaf hashes than it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.lies: dict[int, bytes] = {}
        self.leaves: Sequence[bytes] | None = None

    def chunk(self, body: Body, number: int) -> bytes:
        return self.lies.get(number) or super().chunk(body, number)

    def leaf_hashes(self, body: Body) -> Sequence[bytes]:
        return super().leaf_hashes(body) if self.leaves is None else self.leaves


DATA = b"".join(b"%09d\n" % n for n in range(70_000))


@pytest.fixture
def blobs() -> LyingBlobs:
    return LyingBlobs()


@pytest.fixture
def body(blobs: LyingBlobs) -> Body:
    """Return a body of three chunks."""
    return blobs.put(io.BytesIO(DATA))


@pytest.mark.parametrize("size", [0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, len(DATA)])
def test_an_honest_store_is_read_whole(blobs: LyingBlobs, size: int) -> None:
    body = blobs.put(io.BytesIO(DATA[:size]))
    out = io.BytesIO()
    copy_body(blobs, body, out)

    assert out.getvalue() == DATA[:size]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("lie", ["changed", "cut", "longer", "another chunk"])
def test_a_lie_is_not_handed_out(
    blobs: LyingBlobs, body: Body, number: int, lie: str
) -> None:
    chunk = MemoryBlobs.chunk(blobs, body, number)
    blobs.lies[number] = {
        "changed": chunk[:-1] + b"x",
        "cut": chunk[:-1],
        "longer": chunk + b"x",
        "another chunk": MemoryBlobs.chunk(blobs, body, (number + 1) % 3),
    }[lie]
    got: list[bytes] = []

    with pytest.raises(IntegrityError, match=f"chunk {number} of body"):
        got.extend(read_body(blobs, body))
    assert b"".join(got) == DATA[: len(b"".join(got))]


@pytest.mark.parametrize("lie", ["none", "fewer", "more", "order", "changed", "short"])
def test_lying_leaf_hashes_are_refused_before_any_byte(
    blobs: LyingBlobs, body: Body, lie: str
) -> None:
    leaves = list(blobs.leaf_hashes(body))
    blobs.leaves = {
        "none": [],
        "fewer": leaves[:-1],
        "more": [*leaves, leaves[0]],
        "order": leaves[::-1],
        "changed": [leaves[0], bytes(32), leaves[2]],
        "short": [leaves[0], leaves[1], leaves[2][:31]],
    }[lie]

    with pytest.raises(IntegrityError, match=f"^body {body.sha256_hex}"):
        read_body(blobs, body)
    with pytest.raises(IntegrityError, match=f"^body {body.sha256_hex}"):
        prove_chunk(blobs, body, 0)


def test_a_lie_that_fits_its_own_leaf_hash_fails_at_the_signed_root(
    blobs: LyingBlobs, body: Body
) -> None:
    blobs.lies[0] = b"y" * CHUNK_SIZE
    blobs.leaves = [hash_leaf(blobs.lies[0]), *blobs.leaf_hashes(body)[1:]]

    with pytest.raises(IntegrityError, match=f"the signed root {body.root_hex}"):
        read_body(blobs, body)


def test_a_signer_whose_sha256_is_of_other_bytes_is_found_at_the_end() -> None:
    class Agreeable(LyingBlobs):
        def leaf_hashes(self, body: Body) -> Sequence[bytes]:  # noqa: ARG002
            return [hash_leaf(b"bytes")]

        def chunk(self, body: Body, number: int) -> bytes:  # noqa: ARG002
            return b"bytes"

    root_hex = root_of([hash_leaf(b"bytes")]).hex()
    body = Body(hashlib.sha256(b"other").hexdigest(), 5, CHUNK_SIZE, root_hex)

    with pytest.raises(IntegrityError, match="bytes with the signed SHA-256"):
        list(read_body(Agreeable(), body))


@pytest.mark.parametrize(
    "body",
    [
        Body("ab" * 32, 9, 0, "cd" * 32),
        Body("ab" * 32, 1 << 50, MAX_CHUNK_SIZE + 1, "cd" * 32),
        Body("ab" * 32, -1, CHUNK_SIZE, "cd" * 32),
    ],
)
def test_a_descriptor_out_of_bounds_is_refused(blobs: LyingBlobs, body: Body) -> None:
    with pytest.raises(IntegrityError, match="chunks of 1 to"):
        read_body(blobs, body)
    with pytest.raises(IntegrityError, match="chunks of 1 to"):
        verify_chunk(ProvenChunk(0, b"", ()), body)


def test_an_absent_body_is_not_found(blobs: LyingBlobs) -> None:
    with pytest.raises(NotFoundError):
        read_body(blobs, Body("ab" * 32, 9, CHUNK_SIZE, "cd" * 32))


@pytest.mark.parametrize("chunks", [1, 2, 3, 7, 8])
def test_every_chunk_is_proven_with_the_body_absent(
    blobs: LyingBlobs, chunks: int
) -> None:
    data = b"".join(bytes([n]) * CHUNK_SIZE for n in range(chunks))[:-3]
    body = blobs.put(io.BytesIO(data))
    proven = prove_chunks(blobs, body, range(chunks))

    assert b"".join(chunk.data for chunk in proven) == data
    for chunk in proven:
        verify_chunk(chunk, body)


@pytest.mark.parametrize("number", [-1, 3])
def test_a_chunk_that_the_body_lacks_cannot_be_proven(
    blobs: LyingBlobs, body: Body, number: int
) -> None:
    with pytest.raises(UsageError, match="a number below 3"):
        prove_chunk(blobs, body, number)


@pytest.mark.parametrize(
    "forgery",
    ["byte", "cut", "number", "far", "negative", "proof", "no proof", "more", "root"],
)
def test_a_forged_chunk_is_refused(blobs: LyingBlobs, body: Body, forgery: str) -> None:
    good = prove_chunk(blobs, body, 1)
    forged = {
        "byte": good._replace(data=b"x" + good.data[1:]),
        "cut": good._replace(data=good.data[:-1]),
        "number": good._replace(number=0),
        "far": good._replace(number=3),
        "negative": good._replace(number=-1),
        "proof": good._replace(proof=(bytes(32), *good.proof[1:])),
        "no proof": good._replace(proof=()),
        "more": good._replace(proof=(*good.proof, bytes(32))),
    }.get(forgery, good)
    against = body._replace(root_hex="00" * 32) if forgery == "root" else body

    with pytest.raises(IntegrityError, match=f"chunk {forged.number} of body"):
        verify_chunk(forged, against)
