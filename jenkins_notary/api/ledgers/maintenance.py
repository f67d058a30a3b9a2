"""Keep a ledger: status, checks, copies, erasures."""

from __future__ import annotations

import os
from functools import partial

from jenkins_notary.api.results import LedgerStatus
from jenkins_notary.blobs.several import SeveralBlobs
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.files.export_folder import FolderTarget
from jenkins_notary.files.pins import load_pin_file, save_pin_file
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.audit import audit_ledger
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.export import export_tiles
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.audit import AuditResult
    from jenkins_notary.ledger.export import ExportResult
    from jenkins_notary.ledger.verify import VerifyReport

    Progress = Callable[[str, int, int], None]


def describe_ledger(session: Session) -> LedgerStatus:
    """Return where the ledger stands, checked against the pin."""
    view = session.followed_view()
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
    store = session.store
    broken = store.quick_check() if isinstance(store, SqliteStore) else []
    if broken:
        raise IntegrityError(
            f"ledger {session.places.ledger_url}",
            expected="a whole SQLite file",
            got="; ".join(broken[:5]),
            advice="restore a backup: jenkins-notary ledger restore",
        )
    blobs, held = session.places.blobs, session.places.held
    options = VerifyOptions(
        with_signatures=signatures,
        workers=len(os.sched_getaffinity(0)),
        open_store=session.opener(),
        open_blobs=partial(SeveralBlobs, blobs, held) if bodies else None,
    )
    report = verify_ledger(
        session.store,
        session.followed_verifiers(),
        KeyVerifier,
        options,
        progress=progress,
    )
    if report.is_sound:
        # What is consistent in itself may still be an older or another log.
        session.refresh()
    return report


def audit(
    session: Session, state_file: str, *, full: bool, progress: Progress
) -> AuditResult:
    """Check that the ledger has only grown since an auditor's last look.

    Args:
        session: An open ledger.
        state_file: What the auditor keeps from one look to the next; made at first.
        full: Read every record again, not a sample of the old ones.
        progress: Called with (phase, done, total).

    Raises:
        IntegrityError: The log was forked, rolled back or altered, or the state file
            is damaged.
    """
    import random

    pin = load_pin_file(state_file)
    draw = random.SystemRandom()

    def sample(population: int, count: int) -> list[int]:
        return draw.sample(range(population), min(population, count))

    result = audit_ledger(
        session.followed_view(),
        pin,
        session.first_vkey(),
        sample=None if full else sample,
        progress=progress,
    )
    save_pin_file(state_file, result.pin)
    return result


def export(session: Session, folder: str, *, progress: Progress) -> ExportResult:
    """Write the ledger as a static C2SP tile log that other tools read.

    Args:
        session: An open ledger.
        folder: A new one, or an earlier export of this ledger, which then grows.
        progress: Called with (phase, done, total).
    """
    view = session.followed_view()
    return export_tiles(
        session.store,
        view.checkpoint,
        view.note,
        FolderTarget(folder),
        progress=progress,
    )
