"""Hold every adapter of the blob port to the same contract."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from jenkins_notary.blobs import s3_client
from jenkins_notary.blobs.files import FileBlobs
from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.blobs.opening import open_blobs
from jenkins_notary.blobs.several import SeveralBlobs
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.tlog.merkle import EMPTY_ROOT, hash_leaf, root_of
from jenkins_notary.values.body import CHUNK_SIZE, Body
from tests.parts.s3 import make_bucket, serve_s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jenkins_notary.ports import Blobs

SIZES = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE + 7]
ABSENT = Body("ab" * 32, 9, CHUNK_SIZE, "cd" * 32)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run a real server, and be who asks it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        serve_s3(tmp_path_factory.mktemp("s3")) as environ,
    ):
        for name, value in environ.items():
            patch.setenv(name, value)
        make_bucket(environ, "plain")
        make_bucket(environ, "versioned", versions=True)
        s3_client._make_client.cache_clear()
        yield
    s3_client._make_client.cache_clear()


@pytest.fixture(
    params=[
        *("files", "memory", "several"),
        pytest.param("s3", marks=pytest.mark.real("versitygw")),
        pytest.param("s3-versioned", marks=pytest.mark.real("versitygw")),
        pytest.param("s3-several", marks=pytest.mark.real("versitygw")),
    ]
)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Return an empty blob store."""
    if request.param.startswith("s3"):
        request.getfixturevalue("s3")
    place = f"s3://plain/{tmp_path.name}"
    makers: dict[str, Callable[[], Blobs]] = {
        "files": lambda: FileBlobs(str(tmp_path / "not" / "there" / "yet")),
        "memory": MemoryBlobs,
        "several": lambda: SeveralBlobs(str(tmp_path / "one"), str(tmp_path / "two")),
        "s3": lambda: open_blobs(f"{place}/s3"),
        "s3-versioned": lambda: open_blobs(f"s3://versioned/{tmp_path.name}"),
        "s3-several": lambda: SeveralBlobs(f"{place}/one", f"{place}/two"),
    }
    return makers[request.param]()


def make_bytes(size: int) -> bytes:
    """Return bytes of which no two chunks are equal."""
    return b"".join(b"%07d\n" % n for n in range(size // 8 + 1))[:size]


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a pipe does."""

    def __init__(self, data: bytes, most: int) -> None:
        self._stream = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, self._most))


class Broken(io.RawIOBase):
    """A stream that fails after some bytes."""

    def __init__(self) -> None:
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        self._reads += 1
        if self._reads > 3:
            message = "the other side hung up"
            raise ConnectionResetError(message)
        return b"x" * size


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_read_back_whole(blobs: Blobs, size: int) -> None:
    data = make_bytes(size)
    body = blobs.put(io.BytesIO(data))
    chunks = [blobs.chunk(body, number) for number in range(body.chunks)]

    assert b"".join(chunks) == data
    assert {len(chunk) for chunk in chunks[:-1]} <= {CHUNK_SIZE}


@pytest.mark.parametrize("size", SIZES)
def test_the_descriptor_says_what_is_stored(blobs: Blobs, size: int) -> None:
    data = make_bytes(size)
    body = blobs.put(io.BytesIO(data))
    starts = range(0, size, CHUNK_SIZE)
    leaves = [hash_leaf(data[start : start + CHUNK_SIZE]) for start in starts]

    assert list(blobs.leaf_hashes(body)) == leaves
    assert body == Body(
        hashlib.sha256(data).hexdigest(), size, CHUNK_SIZE, root_of(leaves).hex()
    )


def test_an_empty_body_has_the_empty_root(blobs: Blobs) -> None:
    body = blobs.put(io.BytesIO())

    assert body.root_hex == EMPTY_ROOT.hex()
    assert blobs.has(body.sha256_hex)


@pytest.mark.parametrize("most", [1000, CHUNK_SIZE - 1, CHUNK_SIZE])
def test_a_stream_that_trickles_gives_the_same_body(blobs: Blobs, most: int) -> None:
    data = make_bytes(2 * CHUNK_SIZE + 5)
    trickle = cast("BinaryIO", Trickle(data, most))

    assert blobs.put(trickle) == blobs.put(io.BytesIO(data))


def test_a_body_put_twice_is_stored_once(blobs: Blobs) -> None:
    first = blobs.put(io.BytesIO(b"same"))

    assert blobs.put(io.BytesIO(b"same")) == first
    assert list(blobs.scan()) == [first.sha256_hex]


def test_a_scan_is_sorted_and_whole(blobs: Blobs) -> None:
    bodies = [blobs.put(io.BytesIO(b"%d" % n)) for n in range(40)]

    assert list(blobs.scan()) == sorted(body.sha256_hex for body in bodies)


def test_an_empty_store_has_nothing(blobs: Blobs) -> None:
    assert list(blobs.scan()) == []
    assert not blobs.has(ABSENT.sha256_hex)
    assert not blobs.delete(ABSENT.sha256_hex)


def test_a_deleted_body_is_gone(blobs: Blobs) -> None:
    body = blobs.put(io.BytesIO(b"gone"))
    other = blobs.put(io.BytesIO(b"stays"))

    assert blobs.delete(body.sha256_hex)
    assert not blobs.delete(body.sha256_hex)
    assert not blobs.has(body.sha256_hex)
    assert list(blobs.scan()) == [other.sha256_hex]
    with pytest.raises(NotFoundError, match=body.sha256_hex):
        blobs.chunk(body, 0)


def test_an_absent_body_is_not_found(blobs: Blobs) -> None:
    blobs.put(io.BytesIO(b"another"))

    with pytest.raises(NotFoundError, match=ABSENT.sha256_hex):
        blobs.chunk(ABSENT, 0)
    with pytest.raises(NotFoundError, match=ABSENT.sha256_hex):
        blobs.leaf_hashes(ABSENT)


@pytest.mark.parametrize("number", [-1, 2, 1 << 40])
def test_a_chunk_that_the_body_lacks_is_a_usage_error(
    blobs: Blobs, number: int
) -> None:
    body = blobs.put(io.BytesIO(make_bytes(CHUNK_SIZE + 1)))

    with pytest.raises(UsageError, match="a number below 2"):
        blobs.chunk(body, number)


@pytest.mark.parametrize(
    "change",
    [{"size": 5}, {"size": 1 << 50}, {"chunk_size": 1}, {"root_hex": "00" * 32}],
    ids=str,
)
def test_a_descriptor_of_another_body_is_refused(
    blobs: Blobs, change: dict[str, int | str]
) -> None:
    body = blobs.put(io.BytesIO(b"four"))
    forged = Body(**{**body._asdict(), **change})

    with pytest.raises(IntegrityError, match=body.sha256_hex):
        blobs.chunk(forged, 0)
    with pytest.raises(IntegrityError, match=body.sha256_hex):
        blobs.leaf_hashes(forged)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ab",
        "AB" * 32,
        "../" * 21 + "x",
        "/etc/passwd",
        "ab" * 31 + "\n\n",
        "a" * 65,
    ],
)
def test_an_address_that_is_no_digest_is_refused(blobs: Blobs, address: str) -> None:
    with pytest.raises(UsageError, match="64 hex digits"):
        blobs.has(address)
    with pytest.raises(UsageError, match="64 hex digits"):
        blobs.delete(address)
    with pytest.raises(UsageError, match="64 hex digits"):
        blobs.chunk(ABSENT._replace(sha256_hex=address), 0)


def test_a_stream_that_fails_leaves_nothing(blobs: Blobs) -> None:
    with pytest.raises(ConnectionResetError):
        blobs.put(cast("BinaryIO", Broken()))

    assert list(blobs.scan()) == []
