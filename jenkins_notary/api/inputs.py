"""Open the files and the standard input that a call names."""

from __future__ import annotations

import os
import sys

from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from jenkins_notary.api.session import Session


def open_input(session: Session, path: str) -> BinaryIO:
    """Open a file, or standard input for ``-``."""
    if path != "-":
        return open_file(path)
    if session.choices.stdin is not None:
        return session.choices.stdin
    if sys.stdin is None:
        raise UsageError("-", expected="standard input", got="a closed one")
    return sys.stdin.buffer


def open_file(path: str) -> BinaryIO:
    """Open a regular file for reading, with this project's errors.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It may not be read.
        UsageError: A directory or a device.
        StorageError: It cannot be read.
    """
    if not path.strip():
        raise UsageError("file", expected="a path", got="an empty one")
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(f"file {path}", expected="a regular file")
        return open(path, "rb")
    except (FileNotFoundError, ValueError) as error:
        # ValueError: a path with a NUL or what is no Unicode text names no file.
        raise NotFoundError(f"file {path!a}", got="no such file") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"file {path}", got="not readable") from error
    except OSError as error:
        raise StorageError(f"file {path}", got=f"{error.strerror}") from error
