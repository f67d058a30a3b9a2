"""Write a file that is there whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager

from jenkins_notary.errors import StorageError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


@contextmanager
def new_file(path: str, what: str) -> Iterator[BinaryIO]:
    """Give a block a file to fill, which takes its place once the block has ended.

    It can be read by its owner alone. Where the block fails nothing is left.

    Args:
        path: Where it goes; nothing may be there yet.
        what: What it is, for messages.

    Raises:
        UsageError: Something is there already.
        StorageError: It cannot be written.
    """
    if os.path.lexists(path):
        raise UsageError(
            f"{what} {path}", expected="a file that is not there yet", got="one"
        )
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
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
