"""Sign for builds, by a key for each folder and class; none is in a build's reach.

The service makes a key when it first needs it and keeps it in ``<ledger>.keys`` (0700,
a file of mode 0600 each). The administrator's key enrols it in the same moment: it
signs no build's claim itself. Where several administrators must sign, the key is made
and its records count once they have enrolled it: ``signer enrol 0x...``.

===========  =====  =======================================================
class        level  org
===========  =====  =======================================================
protected    1      that of the folder's rule, if it names one
branch       1      none
change       0      none; what it records authenticates as UNKNOWN
weak         0      none
person       1      every org of ``protected``: whoever has the role security
                    must be heard wherever a build is
===========  =====  =======================================================

A revoked key is never used again: delete its file, and the next record makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import threading
from base64 import b64encode

from jenkins_notary.api.signers import record_trust
from jenkins_notary.engines.companions import KEYS
from jenkins_notary.errors import (
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
)
from jenkins_notary.keys.pem import generate_signer, load_signer
from jenkins_notary.service.builds.classes import ANYWHERE, find_rule
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import parse_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import Signer
    from jenkins_notary.service.builds.classes import BuildsSection

PERSON = "person"
LEVELS = {"protected": 1, "branch": 1, "change": 0, "weak": 0, PERSON: 1}


class _Wanted(NamedTuple):
    """A key: for whom it signs.

    Attributes:
        folder: Of which folder's builds.
        kind: Of which class.
        org: Which org it joins, or None.
    """

    folder: str
    kind: str
    org: str | None


class ClassKeys:
    """The keys that sign for builds and for people."""

    def __init__(
        self, folder: str, section: BuildsSection, report: Callable[[str, str], object]
    ) -> None:
        """Open nothing yet.

        Args:
            folder: Where the keys are kept.
            section: What the administrator decided of builds.
            report: Told what he must do: a name, and a text.
        """
        self._folder = folder
        self._section = section
        self._report = report
        self._lock = threading.Lock()
        self._signers: dict[tuple[str, str], Signer] = {}
        self._told: set[str] = set()

    def for_build(self, session: Session, job: str, folder: str, kind: str) -> Signer:
        """Return who signs for a build; enrolled, if that can be.

        Args:
            session: An open ledger with the administrator's key.
            job: The job id.
            folder: The folder whose keys sign for it.
            kind: The build's class.

        Raises:
            ConfigurationError: The key was revoked, or cannot be used.
        """
        rule = find_rule(self._section, parse_job_id(job))
        org = None if rule is None or kind != "protected" else rule.org
        return self._find(session, _Wanted(folder, kind, org))

    def for_person(self, session: Session) -> Signer:
        """Return who signs for people: see :meth:`for_build`."""
        return self._find(session, _Wanted(ANYWHERE, PERSON, None))

    def _find(self, session: Session, wanted: _Wanted) -> Signer:
        """Return a key, made and enrolled if it was not yet."""
        signer = self._open(wanted)
        trust = session.view().trust()
        known = trust.signers.get(signer.keyid)
        if known is not None and known.revoked_from is not None:
            raise ConfigurationError(
                f"signer {signer.keyid}",
                expected="a key that is not revoked",
                got=f"revoked from #{known.revoked_from}",
                advice="delete its file below <ledger>.keys: a new one is made",
            )
        is_known = known is not None
        members = trust.orgs().get(wanted.org, ()) if wanted.org else ()
        if is_known and (wanted.org is None or signer.keyid in members):
            return signer
        self._enrol(session, signer, wanted, is_known=is_known)
        return signer

    def _open(self, wanted: _Wanted) -> Signer:
        """Return a key, made if it is not there."""
        with self._lock:
            found = self._signers.get(wanted[:2])
            if found is None:
                path = self._path(wanted)
                try:
                    found = load_signer(path)
                except NotFoundError:
                    found = self._make(path)
                self._signers[wanted[:2]] = found
            return found

    def _make(self, path: str) -> Signer:
        """Make a key; another process may have been first."""
        try:
            return generate_signer(path)
        except FileExistsError:
            return load_signer(path)

    def _path(self, wanted: _Wanted) -> str:
        """Return a key's file: a folder's name may hold what no file's may."""
        name = hashlib.sha256(wanted.folder.encode()).hexdigest()[:24]
        return os.path.join(self._folder, f"{wanted.kind}-{name}.pem")

    def _enrol(
        self, session: Session, signer: Signer, wanted: _Wanted, *, is_known: bool
    ) -> None:
        """Let a key speak; where the administrators must, tell them once."""
        facts: dict[str, object] = {
            "action": "enrol",
            "signerId": signer.keyid,
            "publicKey": b64encode(signer.public_der).decode(),
            "level": LEVELS[wanted.kind],
            "orgs": [] if wanted.org is None else [wanted.org],
            "signsFor": {"folder": wanted.folder, "class": wanted.kind},
        }
        if is_known:
            # It has been enrolled before, and its level may have been changed.
            facts = {"action": "org-add", "org": wanted.org, "signers": [signer.keyid]}
        try:
            record_trust(session, facts, ())
            if wanted.org is not None:
                self._find(session, _Wanted(ANYWHERE, PERSON, wanted.org))
        except PermissionDeniedError as error:
            if signer.keyid not in self._told:
                self._told.add(signer.keyid)
                self._report(
                    "signing",
                    f"{signer.keyid} signs as {wanted.kind} for {wanted.folder} and "
                    f"counts once administrators enrol it: {error}",
                )


def keys_path(ledger: str) -> str:
    """Return where the keys of a ledger's service are."""
    return ledger + KEYS
