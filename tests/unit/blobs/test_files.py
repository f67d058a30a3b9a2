"""Break the folder of bodies in every way, and see each break named."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import pytest

import jenkins_notary
from jenkins_notary.blobs import container, files
from jenkins_notary.blobs.files import FileBlobs
from jenkins_notary.blobs.several import SeveralBlobs
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
)
from jenkins_notary.values.body import CHUNK_SIZE, Body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = b"".join(b"[%06d] a line of a build's log\n" % n for n in range(20_000))


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    """Return a store in an empty folder."""
    return FileBlobs(str(tmp_path / "blobs"))


@pytest.fixture
def body(blobs: FileBlobs) -> Body:
    """Return a stored body of three chunks."""
    return blobs.put(io.BytesIO(LINES))


def place(tmp_path: Path, body: Body) -> Path:
    """Return the path of a stored body."""
    name = body.sha256_hex
    return tmp_path / "blobs" / "sha256" / name[:2] / name[2:4] / name


def read_all(blobs: FileBlobs, body: Body) -> bytes:
    """Return all bytes of a body, and look at the index too."""
    blobs.leaf_hashes(body)
    return b"".join(blobs.chunk(body, number) for number in range(body.chunks))


def leftovers(tmp_path: Path) -> list[str]:
    """Return the names in the folder of bodies on their way in."""
    return os.listdir(tmp_path / "blobs" / "tmp")


def test_folders_and_files_are_the_owners_alone(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    path = place(tmp_path, body)

    assert path.stat().st_mode & 0o777 == 0o600
    for folder in (*path.parents[:3], tmp_path / "blobs", tmp_path / "blobs" / "tmp"):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert leftovers(tmp_path) == []
    assert blobs.has(body.sha256_hex)


def test_a_log_takes_less_room_than_its_bytes(tmp_path: Path, body: Body) -> None:
    assert place(tmp_path, body).stat().st_size < body.size / 4


@pytest.mark.parametrize("seed", range(3))
def test_bytes_that_do_not_compress_are_read_back(blobs: FileBlobs, seed: int) -> None:
    data = random.Random(seed).randbytes(2 * CHUNK_SIZE + 3)

    assert read_all(blobs, blobs.put(io.BytesIO(data))) == data


def test_every_cut_of_the_file_is_an_integrity_error(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    path = place(tmp_path, body)
    whole = path.read_bytes()
    cuts = {
        *range(200),
        *range(0, len(whole), 997),
        *range(len(whole) - 300, len(whole)),
    }
    for length in sorted(cuts):
        path.write_bytes(whole[:length])

        with pytest.raises(IntegrityError, match=body.sha256_hex):
            read_all(blobs, body)


def test_every_changed_byte_is_an_integrity_error(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    path = place(tmp_path, body)
    whole = path.read_bytes()
    for at in {
        *range(60),
        *range(0, len(whole), 499),
        *range(len(whole) - 260, len(whole)),
    }:
        altered = bytearray(whole)
        altered[at] ^= 0x41
        path.write_bytes(altered)

        with pytest.raises(IntegrityError, match=body.sha256_hex):
            read_all(blobs, body)


def test_a_file_that_is_cut_while_it_is_read_is_an_integrity_error(
    tmp_path: Path, body: Body
) -> None:
    path = place(tmp_path, body)
    fd = os.open(path, os.O_RDONLY)
    reader = container.BodyReader(container.FileSource(fd), body)
    os.truncate(path, 100)

    with pytest.raises(IntegrityError, match="bytes at"):
        reader.leaf_hashes()
    os.close(fd)


def test_a_longer_file_is_an_integrity_error(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    with place(tmp_path, body).open("ab") as file:
        file.write(b"\0")

    with pytest.raises(IntegrityError, match=body.sha256_hex):
        blobs.chunk(body, 0)


def test_another_bodys_file_is_an_integrity_error(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    other = blobs.put(io.BytesIO(b"other"))
    place(tmp_path, other).replace(place(tmp_path, body))

    with pytest.raises(IntegrityError, match=body.sha256_hex):
        blobs.chunk(body, 0)


def forge(path: Path, frame: bytes, offsets: tuple[int, int, int]) -> None:
    """Replace the first frame, and set the offsets of the index, sums fitting."""
    whole = path.read_bytes()
    trailer = list(container._TRAILER.unpack(whole[-container._TRAILER.size :]))
    index_at = trailer[4]
    index = bytearray(whole[index_at : -container._TRAILER.size])
    for number, offset in enumerate(offsets):
        index[number * 40 : number * 40 + 8] = offset.to_bytes(8, "big")
    head = bytearray(whole[:index_at])
    head[16 : 16 + len(frame)] = frame
    trailer[2] = hashlib.sha256(index).digest()
    path.write_bytes(bytes(head) + bytes(index) + container._TRAILER.pack(*trailer))


@pytest.mark.parametrize("size", [10, 1 << 32, CHUNK_SIZE + 1, None], ids=str)
def test_a_frame_that_grows_to_another_size_is_not_restored(
    tmp_path: Path, blobs: FileBlobs, body: Body, size: int | None
) -> None:
    import zstandard

    # A frame says how large it becomes; a forged one may say anything, or nothing.
    compressor = zstandard.ZstdCompressor(write_content_size=size is not None)
    frame = bytearray(compressor.compress(b"\0" * 1_000_000))
    if size == 1 << 32:
        frame = bytearray(
            b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + b"\0\0\0"
        )
    elif size:
        frame = bytearray(compressor.compress(b"\0" * size))
    path = place(tmp_path, body)
    forge(path, bytes(frame), (16, 16 + len(frame), 16 + len(frame) + 9))

    with pytest.raises(IntegrityError, match=f"{body.sha256_hex}: expected"):
        blobs.chunk(body, 0)


@pytest.mark.parametrize(
    "offsets",
    [(0, 20, 30), (16, 16, 30), (30, 20, 40), (1 << 63, 20, 40), (16, 1 << 63, 40)],
    ids=str,
)
def test_an_index_that_leads_astray_is_refused(
    tmp_path: Path, blobs: FileBlobs, body: Body, offsets: tuple[int, int, int]
) -> None:
    forge(place(tmp_path, body), b"", offsets)

    with pytest.raises(IntegrityError, match="frames within the file"):
        blobs.chunk(body, 0)


def test_a_broken_file_is_replaced_when_the_body_comes_again(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    path = place(tmp_path, body)
    whole = path.read_bytes()
    # The last one has a sound trailer and index.
    for broken in (b"", whole[:-1], whole[1:], whole[:100] + b"\0" + whole[101:]):
        path.write_bytes(broken)
        blobs.put(io.BytesIO(LINES))

        assert read_all(blobs, body) == LINES


def test_a_body_that_comes_again_leaves_nothing_else(
    tmp_path: Path, blobs: FileBlobs
) -> None:
    blobs.put(io.BytesIO(LINES))

    assert leftovers(tmp_path) == []


def test_a_symbolic_link_in_the_place_of_a_body_is_not_followed(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    path = place(tmp_path, body)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)

    with pytest.raises(IntegrityError, match="without symbolic links"):
        blobs.chunk(body, 0)
    assert not blobs.has(body.sha256_hex)

    # Storing it again replaces the link, and leaves alone what it led to.
    kept = elsewhere.read_bytes()
    blobs.put(io.BytesIO(LINES))

    assert not path.is_symlink()
    assert elsewhere.read_bytes() == kept


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_symbolic_link_in_the_place_of_a_folder_is_not_followed(
    tmp_path: Path, blobs: FileBlobs, body: Body, level: int
) -> None:
    folder = place(tmp_path, body).parents[level]
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")

    for call in (
        lambda: blobs.chunk(body, 0),
        lambda: blobs.put(io.BytesIO(LINES)),
        lambda: blobs.delete(body.sha256_hex),
        lambda: blobs.has(body.sha256_hex),
        lambda: list(blobs.scan()),
    ):
        with pytest.raises(IntegrityError, match="without symbolic links"):
            call()


def test_the_root_itself_may_be_a_symbolic_link(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "blobs")

    assert read_all(FileBlobs(str(tmp_path / "link")), body) == LINES
    assert blobs.has(body.sha256_hex)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_not_read(
    tmp_path: Path, blobs: FileBlobs, body: Body, kind: str
) -> None:
    path = place(tmp_path, body)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)

    with pytest.raises(IntegrityError, match="a regular file"):
        blobs.chunk(body, 0)
    assert not blobs.has(body.sha256_hex)


def test_other_names_in_the_folder_are_left_out_of_a_scan(
    tmp_path: Path, blobs: FileBlobs, body: Body
) -> None:
    folder = place(tmp_path, body).parent
    for name in ("README", "ab" * 32, body.sha256_hex + ".bak"):
        (folder / name).write_text("x")

    assert list(blobs.scan()) == [body.sha256_hex]


@pytest.fixture
def _short_disk() -> Iterator[None]:
    """Let no file grow beyond 64 KiB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("_short_disk")
@pytest.mark.parametrize("size", [100_000, 8_000_000])
def test_a_full_disk_is_a_storage_error_and_nothing_stays(
    tmp_path: Path, blobs: FileBlobs, size: int
) -> None:
    data = random.Random(1).randbytes(size)

    with pytest.raises(StorageError, match="room to write") as caught:
        blobs.put(io.BytesIO(data))

    assert caught.value.exit_code == 74
    assert leftovers(tmp_path) == []
    assert list(blobs.scan()) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageError),
        (errno.EDQUOT, StorageError),
        (errno.EROFS, StorageError),
        (errno.EIO, StorageError),
        (errno.EACCES, PermissionDeniedError),
        (errno.EPERM, PermissionDeniedError),
        (errno.ENOENT, NotFoundError),
        (errno.ELOOP, IntegrityError),
    ],
)
def test_each_error_of_the_system_has_its_class(
    number: int, kind: type[NotaryError]
) -> None:
    error = files._translate(OSError(number, os.strerror(number)), "store")

    assert type(error) is kind
    assert os.strerror(number) in str(error)


def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("x")

    with pytest.raises(NotaryError, match="blobs"):
        FileBlobs(str(tmp_path / "blobs")).put(io.BytesIO(b"x"))


def test_a_lock_that_is_refused_leaves_no_file(
    tmp_path: Path, blobs: FileBlobs, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_fd: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(StorageError, match="No locks"):
        blobs.put(io.BytesIO(b"x"))
    assert leftovers(tmp_path) == []
    assert blobs.has(body.sha256_hex)


def test_a_file_that_was_swept_before_its_lock_is_made_again(
    tmp_path: Path, blobs: FileBlobs, body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    swept: list[str] = []

    def sweep_first(fd: int, operation: int) -> None:
        if not swept:
            swept.extend(leftovers(tmp_path))
            (tmp_path / "blobs" / "tmp" / swept[0]).unlink()
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    other = blobs.put(io.BytesIO(b"other"))

    assert len(swept) == 1
    assert list(blobs.scan()) == sorted([body.sha256_hex, other.sha256_hex])


WRITER = """
import io, sys, time
sys.path.insert(0, {repo!r})
from jenkins_notary.blobs.files import FileBlobs

class Slow(io.RawIOBase):
    reads = 0
    def read(self, size=-1):
        self.reads += 1
        if self.reads == 20:
            print("writing", flush=True)
            time.sleep(60)
        return (b"planted@example.com " * size)[:size]

FileBlobs({root!r}).put(Slow())
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a process that is in the middle of a put."""
    repo = os.path.dirname(os.path.dirname(jenkins_notary.__file__))
    code = WRITER.format(repo=repo, root=str(tmp_path / "blobs"))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def test_what_a_killed_writer_left_goes_with_the_next_put(
    tmp_path: Path, blobs: FileBlobs, writer: subprocess.Popen[str]
) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(leftovers(tmp_path)) == 1
    assert list(blobs.scan()) == []

    blobs.put(io.BytesIO(b"next"))

    assert leftovers(tmp_path) == []


def test_what_a_killed_writer_left_goes_with_a_delete(
    tmp_path: Path, blobs: FileBlobs, writer: subprocess.Popen[str]
) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()

    blobs.delete("ab" * 32)

    assert leftovers(tmp_path) == []


def test_a_living_writers_file_is_left_alone(
    tmp_path: Path, blobs: FileBlobs, writer: subprocess.Popen[str]
) -> None:
    blobs.put(io.BytesIO(b"next"))

    assert len(leftovers(tmp_path)) == 1
    assert writer.poll() is None


def test_many_writers_of_the_same_bodies_do_not_disturb_each_other(
    blobs: FileBlobs,
) -> None:
    faults: list[BaseException] = []

    def work() -> None:
        try:
            for n in range(20):
                body = blobs.put(io.BytesIO(b"%d" % (n % 5)))
                assert blobs.chunk(body, 0) == b"%d" % (n % 5)
        except BaseException as error:  # noqa: BLE001 - shown below
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(list(blobs.scan())) == 5


def test_no_handle_stays_open(blobs: FileBlobs, body: Body) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        blobs.put(io.BytesIO(LINES))
        read_all(blobs, body)
        with pytest.raises(NotFoundError):
            blobs.chunk(body._replace(sha256_hex="ab" * 32), 0)
        blobs.has("cd" * 32)

    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_stays_constant_for_a_long_stream(blobs: FileBlobs) -> None:
    class Long(io.RawIOBase):
        left = 256 << 20

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return LINES[:size]

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    body = blobs.put(Long())  # type: ignore[arg-type]  # It has what put needs.

    assert body.size == 256 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10
    assert time.monotonic() - start < 60


# Where a body goes


@pytest.fixture
def other(tmp_path: Path) -> FileBlobs:
    """Return another store, in a folder that is not made yet."""
    return FileBlobs(str(tmp_path / "not" / "yet"))


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FileBlobs]:
    """Return a store on another disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        if os.stat(folder).st_dev == tmp_path.stat().st_dev:
            pytest.skip("the folder of temporary files lies on /dev/shm itself")
        yield FileBlobs(os.path.join(folder, "blobs"))


def test_body_goes_where_its_reader_says_in_the_end(
    tmp_path: Path, blobs: FileBlobs, other: FileBlobs
) -> None:
    body = blobs.put_where(io.BytesIO(LINES), lambda: other)

    assert read_all(other, body) == LINES
    assert not blobs.has(body.sha256_hex)
    assert leftovers(tmp_path) == []


def test_body_that_goes_nowhere_leaves_its_descriptor_alone(
    tmp_path: Path, blobs: FileBlobs
) -> None:
    body = blobs.put_where(io.BytesIO(LINES), lambda: None)

    assert body == blobs.put(io.BytesIO(LINES))
    blobs.delete(body.sha256_hex)
    blobs.put_where(io.BytesIO(LINES), lambda: None)
    assert not blobs.has(body.sha256_hex)
    assert leftovers(tmp_path) == []


def test_body_goes_to_another_disk(
    tmp_path: Path, blobs: FileBlobs, far: FileBlobs
) -> None:
    body = blobs.put_where(io.BytesIO(LINES), lambda: far)

    assert read_all(far, body) == LINES
    assert not blobs.has(body.sha256_hex)
    assert leftovers(tmp_path) == []


def test_body_moves(
    tmp_path: Path, blobs: FileBlobs, body: Body, other: FileBlobs
) -> None:
    assert blobs.move(body, other)

    assert read_all(other, body) == LINES
    assert not blobs.has(body.sha256_hex)
    assert not blobs.move(body, other)
    assert tmp_path.exists()


def test_body_moves_to_another_disk_and_is_gone_from_this_one(
    blobs: FileBlobs, body: Body, far: FileBlobs
) -> None:
    assert blobs.move(body, far)

    assert read_all(far, body) == LINES
    assert not blobs.has(body.sha256_hex)


def test_body_that_is_there_already_only_goes_from_here(
    blobs: FileBlobs, body: Body, other: FileBlobs
) -> None:
    other.put(io.BytesIO(LINES))

    assert blobs.move(body, other)
    assert read_all(other, body) == LINES
    assert not blobs.has(body.sha256_hex)


def test_several_folders_are_read_and_emptied_as_one(
    tmp_path: Path, blobs: FileBlobs, body: Body, other: FileBlobs
) -> None:
    both = SeveralBlobs(str(tmp_path / "blobs"), str(tmp_path / "not" / "yet"))
    second = other.put(io.BytesIO(b"held"))
    other.put(io.BytesIO(LINES))

    assert both.has(second.sha256_hex)
    assert both.chunk(second, 0) == b"held"
    assert list(both.scan()) == sorted([body.sha256_hex, second.sha256_hex])
    assert both.delete(body.sha256_hex)
    assert not blobs.has(body.sha256_hex)
    assert not other.has(body.sha256_hex)
    assert not both.delete(body.sha256_hex)
