"""Look at what a user needs, and say what is wrong and what to do."""

from __future__ import annotations

import os
import sys

from jenkins_notary.api.results import Check
from jenkins_notary.errors import NotaryError, NotFoundError, UnavailableError
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.session import Session

_CLOCK_SLACK_MS = 5 * 60 * 1000


def run_checks(session: Session) -> list[Check]:
    """Return every check; none hides another."""
    return [
        Check(
            "version",
            ok=True,
            found=f"{VERSION}, Python {sys.version.split()[0]}",
            advice="",
            code=0,
        ),
        _run("signing key", lambda: _look_at_key(session)),
        _run("ledger", lambda: _look_at_ledger(session)),
        *_look_at_servers(session),
        _run("trust log", lambda: _look_at_trust(session)),
        _run("ledger key", lambda: _look_at_log_key(session)),
        _run("enrolment", lambda: _look_at_enrolment(session)),
        _run("bodies", lambda: _look_at_bodies(session)),
        _run("disk", lambda: _look_at_disk(session)),
        _run("clock", lambda: _look_at_clock(session)),
    ]


def _run(name: str, look: Callable[[], str]) -> Check:
    """Return one check's outcome."""
    try:
        return Check(name, ok=True, found=look(), advice="", code=0)
    except NotaryError as error:
        return Check(
            name,
            ok=False,
            found=str(error),
            advice=error.advice,
            code=error.exit_code,
        )


def _look_at_key(session: Session) -> str:
    """Load the signer's key, if there is one."""
    if not os.path.exists(session.places.key):
        return f"none yet at {session.places.key}; the first notarize makes it"
    return f"{session.signer().keyid} in {session.places.key}"


def _look_at_ledger(session: Session) -> str:
    """Open the ledger and check it against the pin."""
    view = session.view()
    return (
        f"{session.places.ledger_url}, log {view.checkpoint.origin}, "
        f"{view.size} records, as pinned"
    )


def _look_at_servers(session: Session) -> list[Check]:
    """Return a check for each server of a ledger on several."""
    if not session.places.replicas:
        return []
    from jenkins_notary.api.ledgers.immudb import look_at_servers

    return [
        Check(
            "immudb server",
            ok=not one.error,
            found=str(one),
            advice="start it" if one.error else "",
            code=UnavailableError.exit_code if one.error else 0,
        )
        for one in look_at_servers(session)
    ]


def _look_at_trust(session: Session) -> str:
    """Read the trust log whole."""
    trust = session.view().trust()
    return (
        f"{session.view().checkpoint.trust[0]} records, {len(trust.signers)} signers, "
        f"{len(trust.ignored)} ignored"
    )


def _look_at_log_key(session: Session) -> str:
    """Look whether this user may write."""
    try:
        session.sequencer()
    except NotFoundError:
        return "not here: this user can read the ledger, not write to it"
    return f"here, for {session.view().checkpoint.origin}: this user can write"


def _look_at_enrolment(session: Session) -> str:
    """Look whether this user's signer counts."""
    if not os.path.exists(session.places.key):
        return "no key yet"
    signer, trust = session.signer().keyid, session.view().trust()
    if signer not in trust.signers:
        raise NotFoundError(
            f"signer {signer}",
            expected="an enrolled signer",
            got="one that does not count: its records are UNKNOWN",
            advice=f"an administrator runs: jenkins-notary signer enrol {signer}",
        )
    return f"{signer} is enrolled with level {trust.level(signer)}"


def _look_at_bodies(session: Session) -> str:
    """Look at the folder of bodies."""
    folder, held = session.places.blobs, session.places.held
    is_there = "://" in folder or os.path.isdir(folder)
    found = folder if is_there else f"{folder}, not made yet"
    waiting = sum(1 for _ in session.held.scan())
    return f"{found}; {waiting} held back in {held}" if waiting else found


def _look_at_disk(session: Session) -> str:
    """Look at the space that is left beside the ledger."""
    folder = os.path.dirname(session.places.ledger)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    free = os.statvfs(folder)
    return f"{free.f_bavail * free.f_frsize >> 20} MiB free in {folder}"


def _look_at_clock(session: Session) -> str:
    """Compare the clock with the last commit time, which it must not precede."""
    view = session.view()
    last = view.leaf(view.size - 1)[1].at_ms
    behind = last - session.clock.now_ms()
    if behind > _CLOCK_SLACK_MS:
        raise NotFoundError(
            "clock",
            expected="a time after the last commit",
            got=f"{behind // 1000} s before it",
            advice="set the clock: new records get the last commit's time until then",
        )
    return "not before the last commit"
