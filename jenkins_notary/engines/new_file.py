"""Make a file whole and durable under its name, or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager

from jenkins_notary.errors import PermissionDeniedError, StorageError, UsageError
from jenkins_notary.whole_file import sync_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def new_file(path: str) -> Iterator[str]:
    """Give a temporary name beside a path; link what was made there to the path.

    Whoever sees the path sees a whole file: a link, unlike a rename, fails when
    another process was first.
    """
    path = os.path.abspath(path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.urandom(8).hex()}")
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700)
        _check_absent(path)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.fchmod(descriptor, 0o600)  # A umask may have taken the owner's rights.
            yield temporary
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.link(temporary, path)
        sync_folder(folder)
    except FileExistsError as error:
        raise UsageError(
            path, expected="a new file", got="it exists", advice="name another"
        ) from error
    except OSError as error:
        kind = PermissionDeniedError if _is_refused(error) else StorageError
        raise kind(
            path, expected="to make this file", got=str(error.strerror or error)
        ) from error
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(temporary + end):
                os.unlink(temporary + end)


def _check_absent(path: str) -> None:
    """Raise early what making the link would raise late."""
    if os.path.lexists(path):
        raise FileExistsError(path)


def _is_refused(error: OSError) -> bool:
    """Return whether an error is one of rights; EPERM of a link is not."""
    return isinstance(error, PermissionError) and error.filename2 is None
