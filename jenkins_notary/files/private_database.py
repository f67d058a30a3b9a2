"""Open a small SQLite file that is its owner's alone, for any thread of a process."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import contextmanager

from jenkins_notary.errors import ConfigurationError, NotFoundError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class PrivateDatabase:
    """A file of mode 0600 with one table or a few; one thread uses it at a time."""

    def __init__(
        self, path: str, what: str, *, schema: str, version: int, create: bool = True
    ) -> None:
        """Open the file.

        Args:
            path: The file.
            what: What it is, for messages.
            schema: Statements that make what is missing, and settle how it is kept.
            version: The version of the schema.
            create: Whether it is made if there is none.

        Raises:
            NotFoundError: There is none, and none is to be made.
            ConfigurationError: Others may read it, or it is of another version.
            StorageError: It cannot be used.
        """
        self._subject = f"{what} {path}"
        self._lock = threading.Lock()
        self._check_private(path, create=create)
        self._database = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        with self.use() as database:
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found not in {0, version}:
                raise ConfigurationError(
                    self._subject,
                    expected=f"version {version}",
                    got=str(found),
                    advice="use the program that wrote it, or a newer one",
                )
            database.executescript(schema)
            database.execute(f"PRAGMA user_version={version}")

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread at a time.

        Raises:
            StorageError: It cannot be read or written.
        """
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                raise StorageError(self._subject, got=str(error)) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _check_private(self, path: str, *, create: bool) -> None:
        """Check that a file is its owner's alone; make it if that is wanted."""
        flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError as error:
            raise NotFoundError(self._subject, got="no such file") from error
        except OSError as error:
            raise StorageError(
                self._subject, got=error.strerror or "an error"
            ) from error
        try:
            mode = os.fstat(descriptor).st_mode
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise ConfigurationError(
                self._subject, expected="a file of mode 0600", got=stat.filemode(mode)
            )
