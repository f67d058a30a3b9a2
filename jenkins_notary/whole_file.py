"""Put a file in its place whole, or not at all.

3.8-clean: the agent part writes so too. What the system says is for the caller to put
into words, who knows what the file is; :func:`write_private` does so itself.
"""

from __future__ import annotations

import os

from jenkins_notary.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def replace_file(
    path: str, pieces: Iterable[bytes], *, sync: bool = True, mode: int = 0o600
) -> None:
    """Write a file beside a path, then rename it to the path.

    Whoever reads the path sees the old file or the new one, never half of one. Where it
    fails, or is interrupted, nothing is left beside it.

    Args:
        path: Where it goes, in a folder that is there.
        pieces: Its bytes.
        sync: Whether its bytes are durable before it gets its name; for the name see
            :func:`sync_folder`.
        mode: Its rights, less the umask.

    Raises:
        OSError: It cannot be written.
    """
    stage = f"{path}.{os.urandom(6).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(stage, flags, mode), "wb") as file:
            for piece in pieces:
                file.write(piece)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(stage, path)
    except BaseException:
        if os.path.lexists(stage):
            os.unlink(stage)
        raise


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable, on systems that open folders.

    Raises:
        OSError: It cannot be done.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: str, data: bytes) -> None:
    """Write a file of mode 0600, durably, whole or not at all.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        replace_file(path, [data])
        sync_folder(os.path.dirname(path) or ".")
    except OSError as error:
        raise StorageError(f"file {path}", got=error.strerror or "an error") from error
