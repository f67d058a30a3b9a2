"""Read the small files that arguments name, with this project's errors."""

from __future__ import annotations

import errno

from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_KINDS: dict[int, type[NotaryError]] = {
    errno.ENOENT: NotFoundError,
    errno.ENOTDIR: NotFoundError,
    errno.EACCES: PermissionDeniedError,
    errno.EISDIR: UsageError,
}


def open_file(path: str, what: str) -> BinaryIO:
    """Open a file for reading.

    Args:
        path: The file.
        what: What it is, for messages.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It may not be read.
        UsageError: A folder, or no path.
        StorageError: It cannot be opened.
    """
    try:
        return open(path, "rb")
    except OSError as error:
        raise _translate(error, what, path) from error
    except ValueError as error:
        raise UsageError(what, expected="a path", got=repr(path[:80])) from error


def read_file(path: str, what: str, *, limit: int) -> bytes:
    """Return a file's bytes.

    Args:
        path: The file.
        what: What it is, for messages.
        limit: The most bytes that it may have.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It may not be read.
        UsageError: A folder, or larger than the limit.
        StorageError: It cannot be read.
    """
    with open_file(path, what) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise _translate(error, what, path) from error
    if len(data) > limit:
        raise UsageError(f"{what} {path}", expected=f"at most {limit} bytes")
    return data


def _translate(error: OSError, what: str, path: str) -> NotaryError:
    """Return this project's error for a file that cannot be read."""
    kind = _KINDS.get(error.errno or 0, StorageError)
    return kind(f"{what} {path}", got=error.strerror or "an error")
