from __future__ import annotations

import sqlite3

import pytest

from jenkins_notary.engines.sqlite_errors import translate_error
from jenkins_notary.errors import (
    IntegrityError,
    InternalError,
    NotaryError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param(sqlite3.SQLITE_BUSY, UnavailableError, id="busy"),
        pytest.param(sqlite3.SQLITE_BUSY_SNAPSHOT, UnavailableError, id="snapshot"),
        pytest.param(sqlite3.SQLITE_LOCKED, UnavailableError, id="locked"),
        pytest.param(sqlite3.SQLITE_CORRUPT, IntegrityError, id="corrupt"),
        pytest.param(sqlite3.SQLITE_NOTADB, IntegrityError, id="no database"),
        pytest.param(sqlite3.SQLITE_ERROR, IntegrityError, id="no such table"),
        pytest.param(sqlite3.SQLITE_TOOBIG, IntegrityError, id="too big"),
        pytest.param(sqlite3.SQLITE_CONSTRAINT, IntegrityError, id="constraint"),
        pytest.param(sqlite3.SQLITE_FULL, StorageError, id="full"),
        pytest.param(sqlite3.SQLITE_READONLY, StorageError, id="read-only"),
        pytest.param(sqlite3.SQLITE_IOERR_FSYNC, StorageError, id="failing sync"),
        pytest.param(sqlite3.SQLITE_CANTOPEN, StorageError, id="cannot open"),
        pytest.param(sqlite3.SQLITE_PERM, PermissionDeniedError, id="rights"),
        pytest.param(sqlite3.SQLITE_MISUSE, InternalError, id="misuse"),
        pytest.param(0, InternalError, id="no code"),
    ],
)
def test_code_becomes_what_the_caller_does_next(
    code: int, kind: type[NotaryError]
) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code

    translated = translate_error(error, "/data/ledger.db")
    assert isinstance(translated, kind)
    assert "/data/ledger.db" in str(translated)
    assert "what SQLite says" in str(translated)
