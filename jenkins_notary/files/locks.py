"""Lock a file between processes of one host."""

from __future__ import annotations

import os


class FileLock:
    """An advisory lock on a file, held while in the ``with`` block.

    On systems without ``fcntl`` it locks nothing; what it guards must then be safe by
    other means (exclusive creation, compare-and-swap), only with clearer errors lost.
    """

    def __init__(self, path: str, *, shared: bool = False) -> None:
        """Hold the lock file's path; it is made (0600) when first locked.

        Args:
            path: The lock file.
            shared: Whether others may hold it shared at the same time.
        """
        self._path = path
        self._shared = shared
        self._descriptor = -1

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            import fcntl
        except ImportError:
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_SH if self._shared else fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        os.close(self._descriptor)
