"""Keep what a witness has signed: a SQLite file of one row a log.

A head is kept only in place of the one that it was checked against, and is durable
before this returns: of two requests at once one is told to come again, and no power cut
takes back what was signed.

Source: C2SP tlog-witness, "The witness MUST persist the new checkpoint before
responding".
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import contextmanager

from jenkins_notary.errors import ConfigurationError, NotFoundError, StorageError
from jenkins_notary.tlog.checkpoint import TreeHead
from jenkins_notary.tlog.merkle import Frontier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION = 1
_EMPTY = TreeHead(0, Frontier().root())


class WitnessFile:
    """A ``WitnessState`` in a file; any thread may ask."""

    def __init__(self, path: str, *, create: bool) -> None:
        """Open the file.

        Args:
            path: The file.
            create: Whether it is made if there is none: a witness that forgot what it
                signed could sign another past.

        Raises:
            NotFoundError: There is none, and none is to be made.
            ConfigurationError: Others may write it, or it is no such file.
            StorageError: It cannot be used.
        """
        self._path = path
        self._lock = threading.Lock()
        _open_private(path, create=create)
        self._database = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        with self._use() as database:
            database.execute("PRAGMA synchronous=FULL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in {0, _VERSION}:
                raise ConfigurationError(
                    f"witness state {path}",
                    expected=f"version {_VERSION}",
                    got=str(version),
                )
            database.execute(
                "CREATE TABLE IF NOT EXISTS log (origin TEXT PRIMARY KEY, "
                "size INTEGER NOT NULL, root BLOB NOT NULL) WITHOUT ROWID"
            )
            database.execute(f"PRAGMA user_version={_VERSION}")

    def load(self, origin: str) -> TreeHead:
        """Return the tree head that was signed last of a log; size 0 for none."""
        with self._use() as database:
            row = database.execute(
                "SELECT size, root FROM log WHERE origin=?", (origin,)
            ).fetchone()
        return _EMPTY if row is None else TreeHead(row[0], bytes(row[1]))

    def advance(self, origin: str, old: TreeHead, new: TreeHead) -> bool:
        """Keep a new head if the old one is still the last; return whether it was."""
        with self._use() as database:
            if not old.size:
                database.execute(
                    "INSERT OR IGNORE INTO log VALUES (?, ?, ?)",
                    (origin, old.size, old.root),
                )
            done = database.execute(
                "UPDATE log SET size=?, root=? WHERE origin=? AND size=? AND root=?",
                (new.size, new.root, origin, old.size, old.root),
            )
            return done.rowcount > 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread at a time."""
        with self._lock:
            try:
                yield self._database
            except sqlite3.DatabaseError as error:
                raise StorageError(
                    f"witness state {self._path}", got=str(error)
                ) from error


def _open_private(path: str, *, create: bool) -> None:
    """Check that a file is its owner's alone; make it if that is wanted.

    Raises:
        NotFoundError: There is none.
        ConfigurationError: Others may read or write it.
        StorageError: It cannot be opened.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"witness state {path}",
            expected="what this witness has signed so far",
            got="no such file",
            advice="restore it; without it make a new key, under a new name: this one "
            "could sign another past of a log",
        ) from error
    except OSError as error:
        raise StorageError(
            f"witness state {path}", got=error.strerror or "an error"
        ) from error
    try:
        mode = os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise ConfigurationError(
            f"witness state {path}",
            expected="a file of mode 0600",
            got=stat.filemode(mode),
        )
