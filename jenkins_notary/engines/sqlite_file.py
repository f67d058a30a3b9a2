"""Hold the one SQLite file of a ledger: make it, open it, wait for it, check it.

What a ledger's file must be: made whole or not at all (it appears under its name by a
hard link, once it is complete and on the disk), readable by its owner alone (0600, in
a folder 0700), marked with this program's :data:`APPLICATION_ID` and a schema version,
in WAL mode, on a local file system. Opening checks the two marks and nothing else.

One :class:`Database` is one connection behind one lock, so threads may share it; a
process that wants readers beside a writer opens two. It is closed before a fork and
opened again on the next use, because SQLite's locks do not survive a fork.

Every failure of SQLite leaves this module as an error of this project that names the
file:

============================ ============================================
busy for ``wait_s`` seconds   UnavailableError (69)
damaged, tables missing       IntegrityError (65)
full, read-only, failing      StorageError (74)
no right to read              PermissionDeniedError (77)
another program's, or newer   ConfigurationError (78)
============================ ============================================

Source: SQLite "Write-Ahead Logging", "Result and Error Codes", "How To Corrupt An
SQLite Database File" sections 2.6 (fork) and 2.1 (network file systems).
"""

from __future__ import annotations

import os
import stat
import time
from _thread import allocate_lock
from contextlib import contextmanager
from errno import EACCES

from jenkins_notary.engines.mounts import check_file_system
from jenkins_notary.engines.new_file import new_file
from jenkins_notary.engines.sqlite_errors import DISK_CODES, BusyError, translate_error
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.values.envelope import MAX_BYTES as MAX_ENVELOPE_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeVar

    Result = TypeVar("Result")
else:
    try:
        # The public module only adds adapters for dates, and to have them it imports
        # datetime: 2 ms, a quarter of what the bare interpreter takes to start.
        import _sqlite3 as sqlite3
    except ImportError:
        import sqlite3

APPLICATION_ID = 0x4A4E6F74
"""``JNot``: the mark in the file's header (``PRAGMA application_id``)."""

SCHEMA_VERSION = 1

# A checkpoint takes a few ms and comes after this many pages: so it never falls on a
# process that commits once, while a loader writes each page of a hot table rarely.
_CHECKPOINT_PAGES = 4000
_WAL_BYTES = 64 << 20
_CACHE_KIB = 64 << 10
_MAX_VALUE_BYTES = MAX_ENVELOPE_BYTES + (1 << 20)
_INNER_WAIT_S = 0.02


class Database:
    """One connection to one ledger file, shared by the threads of a process.

    Attributes:
        path: The file's absolute path.
        wait_s: How long to wait for other writers before giving up.
        read_only: Whether nothing can be written here.
    """

    def __init__(
        self, path: str, *, allow_network: bool = False, wait_s: float = 30.0
    ) -> None:
        """Open an existing file and check that it is a ledger of this schema.

        Args:
            path: The file.
            allow_network: Open it on a network file system too: safe only when no
                second host ever writes.
            wait_s: How long to wait for other writers.

        Raises:
            NotFoundError: No such file.
            ConfigurationError: Another program's, another schema's, or on a network
                file system.
            IntegrityError: No SQLite database, or a damaged one.
            PermissionDeniedError: No right to read it.
        """
        self.path = os.path.abspath(path)
        self.wait_s = wait_s
        self.read_only = False
        self._lock = allocate_lock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        _check_exists(self.path)
        check_file_system(self.path, allow_network=allow_network)
        with self._lock:
            self._patiently(lambda _: None)

    def fetch(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return all rows that a query gives, as tuples."""
        with self._lock:
            return self._patiently(
                lambda db: db.execute(sql, parameters).fetchall(),
            )

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Give the connection inside one write transaction: all of it or nothing.

        The transaction is committed at the end and rolled back by any exception,
        Ctrl-C included.

        Args:
            durable: Whether the end waits until the data is on the disk.

        Raises:
            StorageError: The disk is full or read-only; nothing was written.
            UnavailableError: Others kept writing for ``wait_s`` seconds.
        """
        with self._lock, self._translated():
            if self.read_only:
                raise StorageError(
                    f"ledger {self.path}",
                    expected="a file and folder that can be written",
                    got="read-only",
                    advice="nothing was written: correct the rights or the mount",
                )
            db = self._patiently(lambda db: db)
            try:
                self._patiently(lambda db: _begin(db, durable=durable))
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def empty_wal(self) -> None:
        """Move all of the write-ahead log into the file and cut it to no bytes.

        Raises:
            UnavailableError: Readers held an older state for ``wait_s`` seconds.
        """

        def truncate(db: sqlite3.Connection) -> None:
            (is_busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise BusyError(self.path, got="a reader of an older state")

        with self._lock:
            self._patiently(truncate)

    def copy(
        self, target: str, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Copy one state of the file to a new file while others write on.

        Args:
            target: The new file (0600); it must not exist.
            progress: Called with (pages copied, pages in all).

        Raises:
            UsageError: The target exists.
            StorageError: It cannot be written; nothing stays of it.
        """
        with new_file(target) as temporary, self._translated():
            with self._lock:
                source = self._patiently(lambda _: self._connect())
            to = sqlite3.connect(temporary, isolation_level=None)
            try:
                # A read transaction of our own holds one state through all steps;
                # without it every foreign commit would start the copy anew.
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM head").fetchone()
                to.execute("PRAGMA synchronous=OFF")
                source.backup(
                    to,
                    pages=1024,
                    sleep=0,
                    progress=lambda _, left, total: (
                        progress(total - left, total) if progress else None
                    ),
                )
            finally:
                to.close()
                source.close()

    def close(self) -> None:
        """Close the connection; the last one of all empties the log into the file."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    def _patiently(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do a piece of work that may be repeated, until the file is not busy.

        SQLite itself waits 20 ms at most, so that Ctrl-C is heard; between two tries
        up to 10 ms go by, by chance, so that equal processes do not march in step.
        """
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                with self._translated():
                    return work(self._connected())
            except BusyError as error:
                if time.monotonic() > deadline:
                    raise UnavailableError(
                        f"ledger {self.path}",
                        expected=f"a turn within {self.wait_s:g} s",
                        got="other processes hold it",
                        advice="nothing was written: try again",
                    ) from error
                time.sleep(os.urandom(1)[0] / 25_600)

    def _connected(self) -> sqlite3.Connection:
        """Return the connection; after a fork, a new one."""
        if self._is_closed:
            message = f"ledger {self.path} is closed"
            raise RuntimeError(message)
        if self._connection is None:
            self._connection = self._connect()
            _CONNECTED.add(self)
        elif self._connection.in_transaction:
            # A second Ctrl-C can cut short the rollback of the first.
            self._connection.execute("ROLLBACK")
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        """Return a new connection to a file that is a ledger of this schema."""
        folder = os.path.dirname(self.path)
        self.read_only = not (
            os.access(self.path, os.W_OK) and os.access(folder, os.W_OK)
        )
        if not os.access(self.path, os.R_OK):
            raise PermissionDeniedError(
                f"ledger {self.path}", expected="the right to read it", got="none"
            )
        if not self.read_only:
            return self._open("rw")
        try:
            return self._open("ro")
        except sqlite3.OperationalError as error:
            # Reading in WAL mode needs the -shm file, which cannot be made in a
            # folder that is read-only. Where there is no log (-wal), the file alone
            # is whole, and `immutable` reads it without locks. With a log it would
            # show an older state, which is worse than no answer.
            if error.sqlite_errorcode & 0xFF not in DISK_CODES:
                raise
            if _size_of(self.path + "-wal"):
                raise StorageError(
                    f"ledger {self.path}",
                    expected="to read its log",
                    got=f"a read-only folder ({error})",
                    advice="copy the ledger with its -wal file to a folder of yours",
                ) from error
            return self._open("ro&immutable=1")

    def _open(self, mode: str) -> sqlite3.Connection:
        """Return a connection in a URI mode, with this program's settings."""
        name = self.path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        db = sqlite3.connect(
            f"file:{name}?mode={mode}",
            timeout=_INNER_WAIT_S,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        try:
            db.setlimit(0, _MAX_VALUE_BYTES)  # SQLITE_LIMIT_LENGTH
            self._check_marks(db)
            # Freed bytes are overwritten from the first write on: a later erasure
            # cannot reach copies that the tree left behind when it moved them.
            for setting in (
                "synchronous=FULL",
                "secure_delete=ON",
                f"cache_size=-{_CACHE_KIB}",
                f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
                f"journal_size_limit={_WAL_BYTES}",
            ):
                db.execute(f"PRAGMA {setting}").close()
        except BaseException:
            db.close()
            raise
        return db

    def _check_marks(self, db: sqlite3.Connection) -> None:
        """Check the two marks in the file's header."""
        (application_id,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        subject = f"ledger {self.path}"
        if not os.path.getsize(self.path):
            raise IntegrityError(
                subject,
                expected="a SQLite database",
                got="an empty file",
                advice="restore a backup",
            )
        if application_id != APPLICATION_ID:
            raise ConfigurationError(
                subject,
                expected="a ledger of jenkins-notary",
                got=f"a database of another program (mark {application_id:#x})",
                advice="name another --ledger",
            )
        if version != SCHEMA_VERSION:
            is_newer = version > SCHEMA_VERSION
            raise ConfigurationError(
                subject,
                expected=f"schema {SCHEMA_VERSION}",
                got=f"schema {version}, {'newer' if is_newer else 'older'} than this"
                " program",
                advice="upgrade jenkins-notary"
                if is_newer
                else "run jenkins-notary ledger upgrade",
            )

    def _disconnect(self) -> None:
        """Close the connection if there is one; the lock is held."""
        db, self._connection = self._connection, None
        _CONNECTED.discard(self)
        if db is not None:
            db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors into this project's."""
        try:
            yield
        except sqlite3.Error as error:
            raise translate_error(error, self.path) from error


def _begin(db: sqlite3.Connection, *, durable: bool) -> None:
    """Begin a write transaction, or raise that the file is busy."""
    # NORMAL syncs no commit. Its frames may be lost with the power, but never half of
    # them: their checksums end the log at the last whole commit, and the sync of the
    # next durable one, or of a checkpoint, covers them.
    db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")


def create_file(path: str, schema: str, *, allow_network: bool = False) -> None:
    """Make a new ledger file, whole and durable, or none.

    Args:
        path: Where; a missing folder is made (0700).
        schema: SQL that makes the tables.
        allow_network: Make it on a network file system too.

    Raises:
        UsageError: The file exists.
        ConfigurationError: On a network file system.
        StorageError: The disk is full or read-only.
    """
    path = os.path.abspath(path)
    check_file_system(path, allow_network=allow_network)
    with new_file(path) as temporary:
        db = sqlite3.connect(temporary, isolation_level=None)
        try:
            # No sync here: the whole file is synced once, before it gets its name. WAL
            # mode comes last: from a log, the pages would be moved into the file by
            # the close, which tells nobody that the disk was full.
            db.executescript(
                "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY; BEGIN;"
                f"PRAGMA application_id={APPLICATION_ID};"
                f"PRAGMA user_version={SCHEMA_VERSION};{schema};COMMIT;"
                "PRAGMA journal_mode=WAL;"
            )
        except sqlite3.Error as error:
            raise translate_error(error, path) from error
        finally:
            db.close()


def _check_exists(path: str) -> None:
    """Check that there is a file, and that this may be known."""
    subject = f"ledger {path}"
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            subject,
            expected="an existing ledger",
            got="no such file",
            advice="run jenkins-notary ledger init, or name another --ledger",
        ) from error
    except OSError as error:
        kind = PermissionDeniedError if error.errno == EACCES else StorageError
        raise kind(subject, expected="to open it", got=str(error.strerror)) from error
    if is_folder:
        raise ConfigurationError(
            subject, expected="a file", got="a folder", advice="name another --ledger"
        )


def _size_of(path: str) -> int:
    """Return a file's size; 0 if there is none."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


_CONNECTED: set[Database] = set()
_FORKING: list[Database] = []


def _prepare_fork() -> None:
    """Close every connection, and keep others from opening one, before a fork."""
    for database in tuple(_CONNECTED):
        database._lock.acquire()  # noqa: SLF001 - of this module
        database._disconnect()  # noqa: SLF001
        _FORKING.append(database)


def _finish_fork() -> None:
    """Let the databases be used again, in the parent and in the child."""
    while _FORKING:
        _FORKING.pop()._lock.release()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_prepare_fork,
        after_in_parent=_finish_fork,
        after_in_child=_finish_fork,
    )
