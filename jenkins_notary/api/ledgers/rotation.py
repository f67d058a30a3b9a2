"""Give a ledger a new key of its own, in steps that any later call can finish.

1. The new key is written as ``<ledger>.key.new``.
2. The rotation is recorded, under the old key.
3. The new key signs the committed head again, then takes the old one's place.

Between 2 and the end nobody may write with the old key: such a checkpoint would be
beyond the rotation, and readers refuse it. So every writer that finds a waiting key
looks whether its rotation was recorded, and then finishes it first.
"""

from __future__ import annotations

import os
from contextlib import suppress

from jenkins_notary.files.locks import FileLock
from jenkins_notary.keys.log_key import (
    generate_log_key,
    load_log_key,
    load_log_verifier,
)
from jenkins_notary.ledger.rotation import rotate_ledger_key
from jenkins_notary.ledger.sequencer import Sequencer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.keys.log_key import LogSigner
    from jenkins_notary.ports import Signer


def rotate_key(session: Session, *, co_signers: Sequence[Signer]) -> None:
    """Give the ledger a new key; interrupted, it is finished by another call.

    Raises:
        PermissionDeniedError: The keys are not those of enough administrators.
        NotFoundError: The ledger's key is not here.
    """
    # No writer may sign with the old key behind the record of the new one.
    session.view()
    with FileLock(session.lock_path):
        _rotate(session, co_signers)


def _rotate(session: Session, co_signers: Sequence[Signer]) -> None:
    """Rotate while nobody writes."""
    path = session.places.log_key
    old = load_log_key(path)
    session.refresh()
    waiting = session.waiting_key
    try:
        new = generate_log_key(waiting, old.name)
    except FileExistsError:
        new = load_log_key(waiting)
    if not _is_recorded(session, old, new):
        session.check_administrators(co_signers)
        writer = Sequencer(
            session.store, old, [load_log_verifier(old.vkey)], session.clock
        )
        rotate_ledger_key(
            writer, session.author(*co_signers), old, new, new_vkey=new.vkey
        )
        session.refresh()
    finish_rotation(session)


def finish_rotation(session: Session) -> None:
    """Put a waiting key in its place, if its rotation was recorded.

    The caller holds the ledger's lock alone.
    """
    path, waiting = session.places.log_key, session.waiting_key
    old, new = load_log_key(path), load_log_key(waiting)
    if not _is_recorded(session, old, new):
        return
    session.store.put_setting("vkey", new.vkey.encode())
    verifiers = [load_log_verifier(one.vkey) for one in (old, new)]
    # An empty append signs the committed head again, now with the new key: before its
    # file is moved, for who finds it in its place takes all of this as done.
    Sequencer(session.store, new, verifiers, session.clock).append([])
    # Two writers may finish at once; both put the same key there.
    with suppress(FileNotFoundError):
        os.replace(waiting, path)
    session.forget()
    session.view()


def _is_recorded(session: Session, old: LogSigner, new: LogSigner) -> bool:
    """Return whether a trust record hands on from a key to another."""
    if not _is_seen(session, new):
        # It may be committed and not signed yet: then nothing may come behind it.
        verifiers = [load_log_verifier(old.vkey)]
        Sequencer(session.store, old, verifiers, session.clock).append([])
        session.refresh()
    return _is_seen(session, new)


def _is_seen(session: Session, new: LogSigner) -> bool:
    """Return whether a trust record of the published log hands on to a key."""
    known = session.view().trust().ledger_keys
    return any(new.vkey in text for _, text in known)
