"""Hash files: streamed, in constant memory, noticing what changes underneath.

Rules:

- A file is read once. Its size, modification time and identity are compared before and
  after, on the open descriptor and by path, so a file that is written, truncated or
  replaced while it is read is refused. A write that leaves size and time as they were
  is not noticed.
- Devices, sockets, named pipes and directories are refused by name, never opened for
  waiting. An empty file is a file like any other.
- Many files: small ones are hashed in a plain loop, because handing one to a thread
  costs more than hashing it; large ones by threads, the largest first. Results keep the
  order of the input.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile() as file:
...     _ = file.write(b"abc"), file.flush()
...     hash_file(file.name)
('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 3)

Standard library only, Python 3.8: the agent loads this module.
"""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256

from jenkins_notary.assets.asset import printable, raise_faults
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Progress = Callable[[int, int], None]

SMALL_BYTES = 128 * 1024
"""Files up to this size are read with one call, in the calling thread."""

BUFFER_BYTES = 256 * 1024
"""Size of the one buffer that each thread reuses for large files."""

HEAD_BYTES = 512
"""How many first bytes of each file are kept for its facts."""

PROGRESS_FILES = 256
"""Small files between two calls of ``progress``."""

_POLL_S = 0.1
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}
_CAN_COMPARE_PATHS = os.name == "posix"


class HashedFile(NamedTuple):
    """What was read of one file.

    Attributes:
        sha256_hex: SHA-256 of its bytes, 64 lower-case hex digits.
        size: How many bytes were read.
        head: The first :data:`HEAD_BYTES` of them.
    """

    sha256_hex: str
    size: int
    head: bytes


class DirectoryGivenError(UsageError):
    """A directory stands where a file was expected."""


def hash_file(path: str) -> tuple[str, int]:
    """Return the SHA-256 of one file in hex, and its size in bytes.

    Raises:
        UsageError: The path is empty, or not a regular file, or the file changed while
            it was read.
        NotFoundError: There is no such file.
        PermissionDeniedError: It may not be read.
        StorageError: Reading failed.
    """
    hashed = hash_each([path])[0]
    if isinstance(hashed, NotaryError):
        raise hashed
    return hashed.sha256_hex, hashed.size


def hash_files(
    paths: Sequence[str],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[HashedFile]:
    """Return the hashes of many files, in the order of ``paths``.

    Args:
        paths: Names of regular files; a name may occur more than once.
        workers: Threads for large files; None for one a usable processor.
        progress: Called from the calling thread with (bytes done, files done).

    Raises:
        NotaryError: The only fault, as :func:`hash_file` raises it.
        FaultsError: Several files could not be hashed; each is listed, up to a limit.
    """
    outcomes = hash_each(paths, workers=workers, progress=progress)
    hashed = [outcome for outcome in outcomes if isinstance(outcome, HashedFile)]
    if len(hashed) != len(outcomes):
        raise_faults([o for o in outcomes if isinstance(o, NotaryError)])
    return hashed


def hash_each(
    paths: Sequence[str],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    follow_links: bool = True,
) -> list[HashedFile | NotaryError]:
    """Return for each path its hash, or the fault that prevented it.

    With ``follow_links=False`` a path whose last part is a symbolic link is a fault.
    """
    outcomes: list[HashedFile | NotaryError] = []
    large: list[tuple[int, int]] = []
    flags = _OPEN_FLAGS if follow_links else _OPEN_FLAGS | _NO_FOLLOW
    bytes_done = 0
    for index, path in enumerate(paths):
        try:
            outcome = _hash_small(path, flags)
        except (OSError, ValueError) as error:
            outcomes.append(explain_os_error(path, error))
        except NotaryError as error:
            outcomes.append(error)
        else:
            if isinstance(outcome, int):
                large.append((outcome, index))
                outcomes.append(_UNREAD)
                continue
            bytes_done += outcome.size
            outcomes.append(outcome)
        if progress and index % PROGRESS_FILES == 0:
            progress(bytes_done, index + 1 - len(large))
    if large:
        _hash_large(
            paths, large, outcomes, flags=flags, workers=workers, progress=progress
        )
    elif progress:
        progress(bytes_done, len(outcomes))
    return outcomes


def explain_os_error(path: str, error: OSError | ValueError) -> NotaryError:
    """Return the failure that stands for an operating system's error on ``path``."""
    name = printable(path)
    if isinstance(error, ValueError):
        return UsageError(
            name, expected="a file name", got="a NUL or another impossible character"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFoundError(name, expected="a file", got="no such file")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(
            name, expected="a readable file", got="permission denied"
        )
    if error.errno == errno.EISDIR:
        return _not_regular(path, stat.S_IFDIR)
    if error.errno == errno.ELOOP:
        return UsageError(
            name,
            expected="a file",
            got="a symbolic link, which is not followed here or loops",
        )
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(name, expected="a file name", got="one that is too long")
    if error.errno == errno.ENXIO:
        return UsageError(name, expected="a regular file", got="a socket or device")
    return StorageError(
        name, expected="a readable file", got=error.strerror or type(error).__name__
    )


_UNREAD = NotFoundError("a file that was not read")


def _hash_small(path: str, flags: int) -> HashedFile | int:
    """Hash a file of at most SMALL_BYTES; return the size of a larger one instead."""
    if not path or path.isspace():
        raise UsageError("asset", expected="a file name", got="an empty argument")
    descriptor = os.open(path, flags)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise _not_regular(path, before.st_mode)
        if before.st_size > SMALL_BYTES:
            return before.st_size
        content = os.read(descriptor, before.st_size + 1)
        size = len(content)
        if 0 < size < before.st_size:
            # A file system may return less than was asked for: read to the end.
            for more in iter(lambda: os.read(descriptor, BUFFER_BYTES), b""):
                content += more
                if len(content) > before.st_size:
                    break
            size = len(content)
        _check_unchanged(path, descriptor, before, size)
    finally:
        os.close(descriptor)
    return HashedFile(sha256(content).hexdigest(), size, content[:HEAD_BYTES])


def _check_unchanged(
    path: str, descriptor: int, before: os.stat_result, size: int
) -> None:
    """Raise UsageError if the file is not what it was before it was read."""
    after = os.fstat(descriptor)
    unchanged = (
        size == before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
    )
    if unchanged and _CAN_COMPARE_PATHS:
        try:
            by_path = os.stat(path)
        except FileNotFoundError:
            unchanged = False
        else:
            unchanged = (
                by_path.st_ino == before.st_ino and by_path.st_dev == before.st_dev
            )
    if not unchanged:
        raise UsageError(
            printable(path),
            expected="a file at rest",
            got="one that changed while it was read",
            advice="wait until its writer is done, then try again",
        )


def _not_regular(path: str, mode: int) -> NotaryError:
    """Return the failure that says what the path is instead of a file."""
    if stat.S_ISDIR(mode):
        return DirectoryGivenError(
            printable(path),
            expected="a file",
            got="a directory",
            advice="name a directory as dir://PATH",
        )
    kind = _SPECIAL.get(stat.S_IFMT(mode), "something else")
    return UsageError(printable(path), expected="a regular file", got=kind)


class _LargeRun:
    """The state that the threads of one run over large files share.

    Attributes:
        order: Indexes of the files still to hash.
        bytes_done: Bytes hashed so far, one count a thread: no lock is needed.
        files_done: Files finished so far, one count a thread.
        stop: Set when the caller is interrupted.
    """

    __slots__ = ("bytes_done", "fault", "files_done", "flags", "order", "paths", "stop")

    def __init__(
        self, paths: Sequence[str], flags: int, order: Iterator[int], threads: int
    ) -> None:
        """Start with nothing done."""
        self.paths = paths
        self.flags = flags
        self.order = order
        self.bytes_done = [0] * threads
        self.files_done = [0] * threads
        self.stop = False
        self.fault: BaseException | None = None

    def work(self, slot: int, outcomes: list[HashedFile | NotaryError]) -> None:
        """Hash files until none is left; each outcome goes to its own place."""
        buffer = bytearray(BUFFER_BYTES)
        try:
            # next() on a list iterator is atomic under the interpreter's lock.
            for index in self.order:
                if self.stop:
                    return
                outcomes[index] = self._hash(self.paths[index], slot, buffer)
                self.files_done[slot] += 1
        except BaseException as error:  # noqa: BLE001 (raised again by the caller)
            self.fault = error
            self.stop = True

    def _hash(
        self, path: str, slot: int, buffer: bytearray
    ) -> HashedFile | NotaryError:
        try:
            return self._stream(path, slot, buffer)
        except (OSError, ValueError) as error:
            return explain_os_error(path, error)
        except NotaryError as error:
            return error

    def _open(self, path: str, _flags: int) -> int:
        return os.open(path, self.flags)

    def _stream(self, path: str, slot: int, buffer: bytearray) -> HashedFile:
        """Hash one file through the buffer."""
        with open(path, "rb", buffering=0, opener=self._open) as file:
            descriptor = file.fileno()
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise _not_regular(path, before.st_mode)
            hasher, size, head = sha256(), 0, b""
            view, bytes_done = memoryview(buffer), self.bytes_done
            while True:
                count = file.readinto(view)
                if not count or self.stop:
                    break
                hasher.update(view[:count])
                head = head or bytes(view[: min(count, HEAD_BYTES)])
                size += count
                bytes_done[slot] += count
                if size > before.st_size:
                    break  # A file that grows as fast as it is read has no end.
            _check_unchanged(path, descriptor, before, size)
        return HashedFile(hasher.hexdigest(), size, head)


def _hash_large(
    paths: Sequence[str],
    large: list[tuple[int, int]],
    outcomes: list[HashedFile | NotaryError],
    *,
    flags: int,
    workers: int | None,
    progress: Progress | None,
) -> None:
    """Hash the files at the (size, index) pairs ``large`` into ``outcomes``."""
    # Only here: most calls hash small files and need no thread.
    import threading

    large.sort(reverse=True)
    count = max(1, min(workers or _usable_processors(), len(large)))
    run = _LargeRun(paths, flags, iter([index for _, index in large]), count)
    small_files = len(outcomes) - len(large)
    small_bytes = sum(o.size for o in outcomes if isinstance(o, HashedFile))
    threads = [
        threading.Thread(target=run.work, args=(slot, outcomes), daemon=True)
        for slot in range(count)
    ]

    def report() -> None:
        if progress:
            progress(
                small_bytes + sum(run.bytes_done), small_files + sum(run.files_done)
            )

    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_POLL_S)
                report()
    finally:
        run.stop = True
    report()
    if run.fault:
        raise run.fault


def _usable_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
