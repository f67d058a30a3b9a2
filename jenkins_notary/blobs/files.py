"""Keep bodies as files of a folder, the ``file:///`` adapter of the blob port.

The folder::

    sha256/ab/cd/abcd...   one file a body, named by all 64 hex digits (container.py)
    tmp/<16 hex>           a body on its way in, locked by its writer

A body is written to ``tmp``, synced, renamed to its name, and the folder synced: after
a crash it is there whole or not at all. What a dead writer left in ``tmp`` has no lock
any more and goes with the next ``put`` or ``delete``. Folders are 0700, files 0600.

A path is made of validated hex digits only and walked by folder handles that follow
no symbolic link below the root, so neither a descriptor nor a planted link leads out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import closing, contextmanager, suppress

from jenkins_notary.blobs.container import (
    BodyReader,
    BodyWriter,
    FileSource,
    cut_chunks,
    pack_chunks,
)
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from jenkins_notary.errors import NotaryError
    from jenkins_notary.ports import BodyStore
    from jenkins_notary.values.body import Body

_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK a planted FIFO would hold the reader for ever.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BUFFER = 1 << 20


class _Temporary(NamedTuple):
    """A locked file in ``tmp``."""

    folder_fd: int
    name: str
    fd: int


class FileBlobs:
    """Bodies in a folder of this host; satisfies the Blobs port.

    Several threads and processes may use one folder at the same time.
    """

    def __init__(self, root_dir: str) -> None:
        """Use a folder; it is made by the first ``put``.

        Args:
            root_dir: Path of the folder, which may itself be a symbolic link.
        """
        self._root = os.path.abspath(root_dir)

    def put(self, stream: BinaryIO) -> Body:
        """Store all bytes of a stream, durably; one that exists is replaced.

        What the stream itself raises comes through as it is, and nothing stays.

        Raises:
            StorageError: The disk is full, read-only or failing.
            PermissionDeniedError: The folder may not be written.
        """
        return self.put_where(stream, lambda: self)

    def put_where(
        self, stream: BinaryIO, choose: Callable[[], BodyStore | None]
    ) -> Body:
        """Store a stream where is only known once it was read.

        Args:
            stream: The body's bytes.
            choose: Called when all was read: the folder that the body goes to, or
                None to drop it.

        Returns:
            The descriptor, of a body that was dropped too.

        Raises:
            StorageError: The disk is full, read-only or failing.
            PermissionDeniedError: A folder may not be written.
        """
        with self._temporary() as temporary:
            body = self._write(stream, temporary.fd)
            target = choose()
            if target is not None:
                assert isinstance(target, FileBlobs)  # noqa: S101 - of one kind
                target._adopt(temporary, body)  # noqa: SLF001 - of this class
        return body

    def move(self, body: Body, target: BodyStore) -> bool:
        """Move a body to another folder, durably; return whether it was here.

        It is in the other folder before it is gone from this one.

        Raises:
            StorageError: The disk is full, read-only or failing.
            IntegrityError: A symbolic link stands in its place.
        """
        name = body.sha256_hex
        assert isinstance(target, FileBlobs)  # noqa: S101 - of one kind
        try:
            with self._folder(*_folders(name)) as folder:
                with self._translated():
                    fd = os.open(name, _OPEN_FILE, dir_fd=folder)
                try:
                    target._adopt(_Temporary(folder, name, fd), body)  # noqa: SLF001 - of this class
                finally:
                    os.close(fd)
                with self._translated(), suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                with self._translated():
                    os.fsync(folder)
        except NotFoundError:
            return False
        return True

    def has(self, sha256_hex: str) -> bool:
        """Return whether a body is stored; its bytes are not looked at.

        Raises:
            UsageError: No 64 hex digits.
        """
        try:
            with self._folder(*_folders(sha256_hex)) as folder, self._translated():
                entry = os.stat(sha256_hex, dir_fd=folder, follow_symlinks=False)
        except NotFoundError:
            return False
        return stat.S_ISREG(entry.st_mode)

    def leaf_hashes(self, body: Body) -> Sequence[bytes]:
        """Return the RFC 6962 leaf hash of each chunk, as stored: a claim.

        Raises:
            NotFoundError: No such body.
            IntegrityError: The file is truncated, altered or another body's.
        """
        with self._reader(body) as reader:
            return reader.leaf_hashes()

    def chunk(self, body: Body, number: int) -> bytes:
        """Return one raw chunk: a claim, to be checked against its leaf hash.

        Raises:
            NotFoundError: No such body.
            UsageError: It has no such chunk.
            IntegrityError: The file is truncated, altered or another body's.
        """
        with self._reader(body) as reader:
            return reader.chunk(number)

    def delete(self, sha256_hex: str) -> bool:
        """Delete a body, durably; return whether there was one.

        Remains of dead writers, which may hold the same bytes, go too.

        Raises:
            UsageError: No 64 hex digits.
        """
        names = _folders(sha256_hex)
        with suppress(NotFoundError), self._folder("tmp") as folder:
            self._sweep(folder)
        try:
            with self._folder(*names) as folder, self._translated():
                os.unlink(sha256_hex, dir_fd=folder)
                os.fsync(folder)
        except NotFoundError:
            return False
        return True

    def scan(self) -> Iterator[str]:
        """Yield the SHA-256 hex of every stored body, sorted; other names are left."""
        for first in self._names("sha256"):
            for second in self._names("sha256", first):
                for name in self._names("sha256", first, second):
                    if is_hex_digest(name) and name[:4] == first + second:
                        yield name

    def _names(self, *folders: str) -> list[str]:
        """Return the sorted names in a folder; none if it is none or is absent."""
        try:
            with self._folder(*folders) as folder, self._translated():
                return sorted(os.listdir(folder))
        except NotFoundError:
            return []

    @contextmanager
    def _folder(self, *names: str, create: bool = False) -> Iterator[int]:
        """Open a folder below the root, following no link; make it if asked to."""
        with self._translated():
            fd = os.open(self._root, _OPEN_DIR)
        try:
            for name in names:
                with self._translated():
                    if create:
                        _make_folder(name, fd)
                    below = os.open(name, _OPEN_DIR | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _reader(self, body: Body) -> Iterator[BodyReader]:
        """Open a body's file for reading."""
        try:
            with (
                self._folder(*_folders(body.sha256_hex)) as folder,
                self._translated(),
            ):
                fd = os.open(body.sha256_hex, _OPEN_FILE, dir_fd=folder)
        except NotFoundError as error:
            raise NotFoundError(
                f"body {body.sha256_hex}",
                expected=f"to be stored in {self._root}",
                advice="it was pruned, erased or never stored here",
            ) from error
        try:
            with self._translated():
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise IntegrityError(
                        f"stored body {body.sha256_hex}", expected="a regular file"
                    )
                yield BodyReader(FileSource(fd), body)
        finally:
            os.close(fd)

    @contextmanager
    def _temporary(self) -> Iterator[_Temporary]:
        """Make a locked file in ``tmp``; whatever still stands there is removed."""
        with self._translated():
            os.makedirs(self._root, mode=0o700, exist_ok=True)
        with self._folder("tmp", create=True) as folder:
            self._sweep(folder)
            temporary = self._create(folder)
            # Another writer's sweep may have come between making and locking it.
            while not os.fstat(temporary.fd).st_nlink:
                os.close(temporary.fd)
                temporary = self._create(folder)
            try:
                yield temporary
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary.name, dir_fd=folder)
                os.close(temporary.fd)

    def _create(self, folder: int) -> _Temporary:
        """Make and lock a file in ``tmp``."""
        name = os.urandom(8).hex()
        with self._translated():
            fd = os.open(name, _CREATE, 0o600, dir_fd=folder)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
            except OSError:
                os.unlink(name, dir_fd=folder)
                os.close(fd)
                raise
        return _Temporary(folder, name, fd)

    def _write(self, stream: BinaryIO, fd: int) -> Body:
        """Write a stream's container, durably; return the descriptor."""
        with self._translated():
            file = os.fdopen(fd, "wb", _BUFFER, closefd=False)
        try:
            with self._translated():
                writer = BodyWriter(file)
            with closing(pack_chunks(cut_chunks(stream))) as packed_chunks:
                for packed in packed_chunks:
                    with self._translated():
                        writer.add(packed)
            with self._translated():
                body = writer.finish()
                file.flush()
                os.fsync(fd)
        except BaseException:
            # Its flush would fail once more, and hide the first failure.
            with suppress(OSError):
                file.close()
            raise
        file.close()
        return body

    def _adopt(self, written: _Temporary, body: Body) -> None:
        """Give a written file its name here, though it lies on another disk."""
        with self._translated():
            os.makedirs(self._root, mode=0o700, exist_ok=True)
            is_near = os.stat(self._root).st_dev == os.fstat(written.fd).st_dev
        if is_near:
            self._place(written, body)
            return
        with self._temporary() as temporary:
            with self._translated():
                _copy_file(written.fd, temporary.fd)
            self._place(temporary, body)

    def _place(self, temporary: _Temporary, body: Body) -> None:
        """Give a written file its name; one that has it may have been altered."""
        with (
            self._folder(*_folders(body.sha256_hex), create=True) as folder,
            self._translated(),
        ):
            os.rename(
                temporary.name,
                body.sha256_hex,
                src_dir_fd=temporary.folder_fd,
                dst_dir_fd=folder,
            )
            os.fsync(folder)

    def _sweep(self, folder: int) -> None:
        """Remove the files in ``tmp`` that no living writer has locked."""
        with self._translated():
            names = os.listdir(folder)
        for name in names:
            with suppress(OSError):
                fd = os.open(name, _OPEN_FILE, dir_fd=folder)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(name, dir_fd=folder)
                finally:
                    os.close(fd)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the operating system's errors into this project's."""
        try:
            yield
        except OSError as error:
            raise _translate(error, f"body store {self._root}") from error


def _folders(sha256_hex: str) -> tuple[str, str, str]:
    """Return the folders of a body; the one place where input becomes a path."""
    if not is_hex_digest(sha256_hex):
        raise UsageError(
            "body address", expected="64 hex digits", got=repr(sha256_hex)[:80]
        )
    return "sha256", sha256_hex[:2], sha256_hex[2:4]


def _copy_file(source: int, target: int) -> None:
    """Copy all bytes of a file to an empty one, durably."""
    offset = 0
    while data := os.pread(source, _BUFFER, offset):
        with memoryview(data) as rest:
            done = 0
            while done < len(rest):
                done += os.write(target, rest[done:])
        offset += len(data)
    os.fsync(target)


def _make_folder(name: str, parent: int) -> None:
    """Make a folder durably unless it exists."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)


def _translate(error: OSError, subject: str) -> NotaryError:
    """Return this project's error for one of the operating system."""
    got = error.strerror or str(error)
    if error.errno == errno.ENOENT:
        return NotFoundError(subject, expected="the folder or file", got=got)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PermissionDeniedError(subject, got=got)
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return IntegrityError(
            subject, expected="folders and files without symbolic links", got=got
        )
    return StorageError(
        subject, expected="room to write", got=got, advice="free space or repair it"
    )
