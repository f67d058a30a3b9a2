"""Move a ledger to another engine or place: the same log, with all its proofs.

1. The source is verified whole.
2. It is sealed: its last record says where it goes on, and nothing follows.
3. The target gets the ledger's key, every record, proven one by one, and all bodies.
4. The target is opened by a record of its own.

Receipts, pins and checkpoints hold as before. Each step can be interrupted and is gone
on with by the next call; until the source is sealed nothing has changed.
"""

from __future__ import annotations

import os
import shutil

from jenkins_notary.api.administration import record_administration
from jenkins_notary.api.ledgers.creation import make_store
from jenkins_notary.blobs.opening import open_blobs
from jenkins_notary.engines.companions import copy_companions
from jenkins_notary.engines.new_file import new_file
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.keys.pem import read_private_file
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.backup import copy_bodies
from jenkins_notary.ledger.duplicate import duplicate_log
from jenkins_notary.ledger.seal import OPEN, SEAL, read_seal
from jenkins_notary.ledger.verify import verify_ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Signer


def migrate(
    session: Session, url: str, *, co_signers: Sequence[Signer], progress: Progress
) -> Session:
    """Move the session's ledger; return a session on where it goes on.

    Args:
        session: The ledger, with its key and an administrator's.
        url: Where it goes; there must be no other ledger.
        co_signers: Further administrators' keys.
        progress: Called with (phase, done, total).

    Raises:
        UsageError: Another ledger is there, or its key, or this one has moved
            elsewhere.
        PermissionDeniedError: The signer is no administrator.
        FaultsError: The source is altered: what was found.
    """
    target = session.reopen(url)
    _check_target(session, target)
    session.check_can_write()
    session.check_administrators(co_signers)
    report = verify_ledger(
        session.store, session.followed_verifiers(), KeyVerifier, progress=progress
    )
    report.raise_findings()
    place = target.places.ledger_url
    moved = read_seal(session.store, session.view().size, session.is_administered)
    if moved not in {None, place}:
        raise UsageError(f"URL {place}", expected=f"{moved}, where it was sealed for")
    if moved is None:
        record_administration(session, SEAL, {"to": place}, co_signers=co_signers)
    view = session.refresh()
    _copy_log(session, target, view, progress)
    for source, kept in (
        (session.blobs, target.places.blobs),
        (session.held, target.places.held),
    ):
        copy_bodies(view, source, open_blobs(kept), progress=progress)
    copy_companions(session.places.ledger, target.places.ledger)
    if read_seal(target.store, target.view().size, target.is_administered) is not None:
        opened = {"sealed": view.size - 1}
        record_administration(target, OPEN, opened, co_signers=co_signers)
    session.notify(
        f"{view.checkpoint.origin} goes on at {place}; "
        f"{session.places.ledger_url} is sealed and can only be read"
    )
    return target


def _check_target(session: Session, target: Session) -> None:
    """Check that the target is empty, or this ledger's copy so far."""
    if target.places.ledger_url == session.places.ledger_url:
        raise UsageError(f"URL {target.places.ledger_url}", expected="another place")
    key = target.places.log_key
    if os.path.exists(key) and read_private_file(key) != read_private_file(
        session.places.log_key
    ):
        raise UsageError(
            f"key file {key}",
            expected="none yet",
            got="the key of another ledger",
            advice="move it away, if no ledger needs it",
        )
    try:
        origin = target.store.get_setting("origin")
    except NotFoundError:
        return
    own = session.store.get_setting("origin")
    if origin not in {None, own}:
        raise UsageError(
            f"ledger {target.places.ledger_url}",
            expected="none yet",
            got=f"the ledger {(origin or b'').decode('ascii', 'replace')[:80]}",
        )


def _copy_log(
    session: Session, target: Session, view: LedgerView, progress: Progress
) -> None:
    """Give the target the ledger's key, its name and every record."""
    os.makedirs(os.path.dirname(target.places.ledger), mode=0o700, exist_ok=True)
    if not os.path.exists(target.places.log_key):
        with new_file(target.places.log_key) as temporary:
            shutil.copyfile(session.places.log_key, temporary)
    make_store(target)
    if target.store.checkpoint() is None or not target.view().size > view.size:
        duplicate_log(
            view, session.store, target.store, session.signatures, progress=progress
        )
    target.forget()
