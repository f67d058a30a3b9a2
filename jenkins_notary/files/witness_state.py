"""Keep what a witness has signed: a SQLite file of one row a log.

A head is kept only in place of the one that it was checked against, and is durable
before this returns: of two requests at once one is told to come again, and no power cut
takes back what was signed.

Source: C2SP tlog-witness, "The witness MUST persist the new checkpoint before
responding".
"""

from __future__ import annotations

from jenkins_notary.errors import NotFoundError
from jenkins_notary.files.private_database import PrivateDatabase
from jenkins_notary.tlog.checkpoint import TreeHead
from jenkins_notary.tlog.merkle import Frontier

_VERSION = 1
_SCHEMA = """
PRAGMA synchronous=FULL;
CREATE TABLE IF NOT EXISTS log (origin TEXT PRIMARY KEY, size INTEGER NOT NULL,
root BLOB NOT NULL) WITHOUT ROWID;
"""
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
        try:
            self._database = PrivateDatabase(
                path, "witness state", schema=_SCHEMA, version=_VERSION, create=create
            )
        except NotFoundError as error:
            raise NotFoundError(
                error.subject,
                expected="what this witness has signed so far",
                got=error.got,
                advice="restore it; without it make a new key, under a new name: this "
                "one could sign another past of a log",
            ) from error

    def load(self, origin: str) -> TreeHead:
        """Return the tree head that was signed last of a log; size 0 for none."""
        with self._database.use() as database:
            row = database.execute(
                "SELECT size, root FROM log WHERE origin=?", (origin,)
            ).fetchone()
        return _EMPTY if row is None else TreeHead(row[0], bytes(row[1]))

    def advance(self, origin: str, old: TreeHead, new: TreeHead) -> bool:
        """Keep a new head if the old one is still the last; return whether it was."""
        with self._database.use() as database:
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
        self._database.close()
