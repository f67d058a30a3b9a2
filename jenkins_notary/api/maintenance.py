"""Keep a ledger: status, checks, copies, erasures."""

from __future__ import annotations

import os
from functools import partial

from jenkins_notary.api.results import LedgerStatus
from jenkins_notary.blobs.files import FileBlobs
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.verify import VerifyReport

    Progress = Callable[[str, int, int], None]


def describe_ledger(session: Session) -> LedgerStatus:
    """Return where the ledger stands, checked against the pin."""
    view = session.view()
    _, last = view.leaf(view.size - 1)
    return LedgerStatus(
        view.checkpoint.origin,
        session.vkey(),
        view.size,
        view.checkpoint.root.hex(),
        view.checkpoint.trust[0],
        view.note.decode(),
        session.store.engine,
        session.places.ledger_url,
        format_time(last.at_ms),
    )


def verify_whole(
    session: Session, *, signatures: bool, bodies: bool, progress: Progress
) -> VerifyReport:
    """Check everything that the ledger holds, and that it extends the pin.

    Args:
        session: An open ledger.
        signatures: Check every record's signature too.
        bodies: Hash every body again too.
        progress: Called with (phase, done, total).

    Returns:
        What was checked and found.
    """
    broken = session.store.quick_check()
    if broken:
        raise IntegrityError(
            f"ledger {session.places.ledger_url}",
            expected="a whole SQLite file",
            got="; ".join(broken[:5]),
            advice="restore a backup: jenkins-notary ledger restore",
        )
    blobs = session.places.blobs
    options = VerifyOptions(
        with_signatures=signatures,
        workers=len(os.sched_getaffinity(0)),
        open_store=partial(SqliteStore.open, session.places.ledger),
        open_blobs=partial(FileBlobs, blobs) if bodies else None,
    )
    report = verify_ledger(
        session.store, session.verifiers(), KeyVerifier, options, progress=progress
    )
    if report.is_sound:
        # What is consistent in itself may still be an older or another log.
        session.refresh()
    return report
