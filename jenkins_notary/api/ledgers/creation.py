"""Make a ledger where there is none, in steps that a second call can finish.

1. The ledger's own key, beside it.
2. The file, whole or not at all.
3. The genesis record, which names the signer as administrator.

Whoever comes at the same time waits, and finds a ledger.
"""

from __future__ import annotations

import os
import socket

from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import ConfigurationError, NotFoundError, UsageError
from jenkins_notary.files.locks import FileLock
from jenkins_notary.keys.log_key import generate_log_key, load_log_key
from jenkins_notary.ledger.genesis import append_genesis, check_origin, make_origin
from jenkins_notary.ledger.pins import Pin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.keys.log_key import LogSigner
    from jenkins_notary.ports import Signer

_BUILD_VARIABLES = frozenset(
    {"BUILD_URL", "JOB_NAME", "GITLAB_CI", "GITHUB_ACTIONS", "TF_BUILD"}
)


def create_ledger(
    session: Session,
    *,
    origin: str | None = None,
    threshold: int = 1,
    co_signers: Sequence[Signer] = (),
    ephemeral_ok: bool = False,
) -> bool:
    """Make the session's ledger; the signer becomes its administrator.

    Args:
        session: Where the ledger goes; there is none yet.
        origin: The log's name; None for one made of the host's name.
        threshold: How many administrators must sign a trust record.
        co_signers: Further administrators' keys.
        ephemeral_ok: Whether it may be made on an agent that goes away.

    Returns:
        Whether it was made; False where another process was first.

    Raises:
        NotFoundError: A log was named, and it is not there.
        ConfigurationError: This machine goes away with its build.
    """
    if session.choices.log is not None:
        raise NotFoundError(
            f"ledger {session.places.ledger_url}",
            expected=f"the log of {session.choices.log}",
            got="none there",
            advice="name the right --ledger; a new one would have another key",
        )
    _refuse_ephemeral(session, ephemeral_ok=ephemeral_ok)
    os.makedirs(os.path.dirname(session.places.ledger), mode=0o700, exist_ok=True)
    with FileLock(session.lock_path):
        if session.has_ledger():
            return False
        _create(session, origin, threshold, co_signers)
    return True


def _create(
    session: Session,
    origin: str | None,
    threshold: int,
    co_signers: Sequence[Signer],
) -> None:
    """Make key, file and genesis; continue where an interrupted call stopped."""
    chosen = origin or make_origin(socket.gethostname())
    check_origin(chosen)
    signer = session.signer()
    try:
        log_signer = generate_log_key(session.places.log_key, chosen)
    except FileExistsError:
        log_signer = load_log_key(session.places.log_key)
        _check_name(log_signer, origin, session.places.log_key)
    make_store(session)
    session.store.put_setting("origin", log_signer.name.encode())
    session.store.put_setting("vkey", log_signer.vkey.encode())
    append_genesis(
        session.sequencer(),
        session.author(*co_signers),
        log_signer.name,
        threshold=threshold,
    )
    note = session.store.checkpoint() or b""
    session.remember(log_signer.name, Pin(log_signer.vkey, note))
    session.notify(f"created ledger {session.places.ledger_url} ({log_signer.vkey})")
    session.notify(
        f"signer {signer.keyid} is its administrator and first enrolled signer"
    )


def make_store(session: Session, *, forget: bool = False) -> None:
    """Make the file, or the database, of a ledger, unless it is there.

    Args:
        session: Where it goes.
        forget: Whether a database that holds nothing may stand where another was seen.
    """
    if session.places.engine == "immudb":
        from jenkins_notary.api.ledgers.immudb import create_database

        create_database(session, forget=forget)
    elif not os.path.exists(session.places.ledger):
        SqliteStore.create(session.places.ledger).close()


def _refuse_ephemeral(session: Session, *, ephemeral_ok: bool) -> None:
    """Refuse to make a ledger on a build agent that goes away."""
    if ephemeral_ok:
        return
    in_container = "KUBERNETES_SERVICE_HOST" in session.environ or any(
        os.path.exists(mark) for mark in ("/.dockerenv", "/run/.containerenv")
    )
    in_build = not _BUILD_VARIABLES.isdisjoint(session.environ)
    if in_container and in_build:
        raise ConfigurationError(
            f"ledger {session.places.ledger_url}",
            expected="a host that stays",
            got="a build agent in a container, which takes the ledger with it",
            advice="choose a ledger that stays with --ledger, or --ephemeral-ok",
        )


def _check_name(signer: LogSigner, origin: str | None, path: str) -> None:
    """Check that the key of an interrupted call has the name that is asked for."""
    if origin not in {None, signer.name}:
        raise UsageError(
            f"origin {origin}",
            expected=f"{signer.name}, the name in the key file {path}",
            advice="move the key file away, if no ledger needs it",
        )
