"""Take an export into a folder of this host: the ExportTarget over files.

A file is written beside its place and renamed, so a reader finds it whole or not at
all. Paths come from ``tlog.tiles`` and are checked once more here.
"""

from __future__ import annotations

import os

from jenkins_notary.errors import PermissionDeniedError, StorageError, UsageError
from jenkins_notary.whole_file import replace_file

_READ_LIMIT = 32 << 20
"""A bundle of 256 entries of 65,535 bytes is the longest file of an export."""


class FolderTarget:
    """A folder that a web server may serve: 0755 and 0644 by the umask."""

    def __init__(self, root_dir: str) -> None:
        """Use a folder; it is made by the first write."""
        self._root = os.path.abspath(root_dir)

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, None if there is none.

        Raises:
            PermissionDeniedError: It cannot be read.
        """
        try:
            with open(self._place(path), "rb") as file:
                return file.read(_READ_LIMIT + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PermissionDeniedError(
                f"export {self._root}/{path}", got=error.strerror or str(error)
            ) from error

    def write(self, path: str, data: bytes) -> None:
        """Write a file whole, durably.

        Raises:
            StorageError: The disk is full or read-only.
        """
        place = self._place(path)
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            # What is exported is for everybody.
            replace_file(place, [data], mode=0o666)
        except OSError as error:
            raise StorageError(
                f"export {place}",
                expected="to write it",
                got=error.strerror or str(error),
                advice="free space or correct the rights; run it again to continue",
            ) from error

    def _place(self, path: str) -> str:
        """Return the file of a path, which must stay inside the folder."""
        parts = path.split("/")
        if not all(parts) or {".", ".."} & set(parts):
            raise UsageError(f"export path {path[:80]!r}", expected="one of a log")
        return os.path.join(self._root, *parts)
