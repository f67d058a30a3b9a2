"""Turn SQLite's errors into this project's, cut by what the caller does next.

Source: SQLite "Result and Error Codes"; the low byte is the primary code.
"""

from __future__ import annotations

import os

from jenkins_notary.errors import (
    IntegrityError,
    InternalError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sqlite3 import Error

    from jenkins_notary.errors import NotaryError

_BUSY_CODES = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
_DAMAGED_CODES = frozenset({1, 11, 18, 19, 20, 26})
# ERROR (a table is missing), CORRUPT, TOOBIG, CONSTRAINT, MISMATCH, NOTADB
DISK_CODES = frozenset({8, 10, 13, 14, 22})  # READONLY, IOERR, FULL, CANTOPEN, NOLFS
# Reading needs an index of the log in a file of 32 KiB, too.
_ROOM_BYTES = 64 << 10
_FORBIDDEN_CODES = frozenset({3, 23})  # PERM, AUTH


class BusyError(UnavailableError):
    """Another connection holds the file right now."""


def translate_error(error: Error, path: str) -> NotaryError:
    """Return this project's error for one of SQLite's.

    Source: SQLite "Result and Error Codes"; the low byte is the primary code.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    subject, got = f"ledger {path}", str(error)
    if code in _BUSY_CODES:
        return BusyError(subject, got=got)
    if code in _DAMAGED_CODES:
        return IntegrityError(
            subject,
            expected="a whole database",
            got=got,
            advice="run jenkins-notary ledger verify, or restore a backup",
        )
    if code in DISK_CODES:
        return StorageError(
            subject,
            expected="a disk that can be read and written",
            got=f"a full one ({got})" if _is_full(path) else got,
            advice="nothing was written: free space or correct the rights",
        )
    if code in _FORBIDDEN_CODES:
        return PermissionDeniedError(subject, expected="access", got=got)
    return InternalError(subject, expected="an answer of SQLite", got=got)


def _is_full(path: str) -> bool:
    """Return whether a disk has no room for one more page: SQLite often hides it."""
    try:
        disk = os.statvfs(os.path.dirname(path))
    except (AttributeError, OSError):
        return False
    return disk.f_bavail * disk.f_frsize < _ROOM_BYTES
