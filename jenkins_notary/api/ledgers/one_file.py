"""Copy a ledger of any engine into one file, and back to where a ledger may lie.

The file is an embedded ledger. One that was embedded before is copied page by page; of
one in immudb every record is read, proven, and written down again, so that a backup is
restored into whichever engine.
"""

from __future__ import annotations

import os

from jenkins_notary.api.ledgers.creation import make_store
from jenkins_notary.api.ledgers.immudb import is_published
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.ledger.duplicate import duplicate_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView

_TRIES = 3


def copy_to_file(session: Session, path: str, *, progress: Progress) -> None:
    """Copy one state of the session's ledger into a new file while others write.

    Raises:
        IntegrityError: The ledger is altered.
        StorageError: The disk is full.
    """
    if isinstance(session.store, SqliteStore):
        session.store.backup(path, progress=lambda *at: progress("copying", *at))
        return
    for attempt in range(1, _TRIES + 1):
        view = session.followed_view()
        SqliteStore.create(path).close()
        copy = SqliteStore.open(path)
        try:
            duplicate_log(
                view, session.store, copy, session.signatures, progress=progress
            )
        except IntegrityError:
            # What was erased meanwhile is missing, and a later record says so.
            if attempt == _TRIES or session.refresh().size == view.size:
                raise
        else:
            return
        finally:
            copy.close()
        _remove(path)


def check_is_free(session: Session) -> None:
    """Check that no ledger is where the session's goes.

    What an interrupted restoration left in a database is none.

    Raises:
        UsageError: There is one.
    """
    places = session.places
    advice = "move it and its -wal and -shm files away first"
    if places.engine == "immudb":
        advice = "name another database, or delete this one first"
        is_there = is_published(session)
    else:
        is_there = os.path.exists(places.ledger)
    if is_there:
        raise UsageError(
            f"ledger {places.ledger_url}", expected="none", got="one", advice=advice
        )


def copy_from_file(
    session: Session, view: LedgerView, copy: SqliteStore, *, progress: Progress
) -> None:
    """Copy a ledger's file to where the session's ledger goes.

    Args:
        session: Where to; there is no ledger.
        view: The file's log at its newest checkpoint.
        copy: The file.
        progress: Called with (phase, done, total).
    """
    path = session.places.ledger
    if session.places.engine == "sqlite":
        copy.backup(path, progress=lambda *at: progress("copying", *at))
        return
    # An empty database may stand where another one was seen: that one is lost.
    make_store(session, forget=True)
    duplicate_log(view, copy, session.store, session.signatures, progress=progress)


def _remove(path: str) -> None:
    """Remove a file that is not whole, with what lies beside it."""
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)
