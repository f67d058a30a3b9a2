"""Write a file that is there whole or not at all, from pieces made meanwhile."""

from __future__ import annotations

import hashlib
import os

from jenkins_notary.errors import StorageError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def write_new_file(path: str, pieces: Iterable[bytes], what: str) -> tuple[int, str]:
    """Write a file that is not there yet, readable by its owner alone.

    Args:
        path: The file.
        pieces: Its bytes; where making them fails nothing is left.
        what: What it is, for messages.

    Returns:
        (size, SHA-256 hex).

    Raises:
        UsageError: It is there already.
        StorageError: It cannot be written.
    """
    if os.path.lexists(path):
        raise UsageError(
            f"{what} {path}", expected="a file that is not there yet", got="one"
        )
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            digest, size = hashlib.sha256(), 0
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    size += file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StorageError(
            f"{what} {path}",
            expected="to write it",
            got=error.strerror or "an error",
            advice="free space, or name another place",
        ) from error
    return size, digest.hexdigest()
