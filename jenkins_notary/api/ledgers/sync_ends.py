"""Open the two ends of a sync on this machine: a log to read, a ledger to write."""

from __future__ import annotations

from jenkins_notary.api.signers import change_org
from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.files.locks import FileLock
from jenkins_notary.ledger.imports import find_progress
from jenkins_notary.ledger.pacing import PacedReader
from jenkins_notary.shapes import Protocol
from jenkins_notary.trust.imports import (
    importers_of,
    may_import,
    not_importer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.author import Author
    from jenkins_notary.ledger.imports import Progress
    from jenkins_notary.ledger.pacing import Pace
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import LogReader


class Source(Protocol):
    """Another ledger, wherever it is."""

    def open_view(self) -> LedgerView:
        """Return it at its newest checkpoint, signed and beyond what was seen."""

    def open_reader(self, pace: Pace) -> LogReader:
        """Return its log, which is read no faster than a pace."""


class Target(Protocol):
    """The ledger that gets the records, wherever it is."""

    def notify(self, notice: str) -> None:
        """Say something to the person."""

    def report(self, what: str, done: int, total: int | None) -> None:
        """Say how far the work has come."""

    def lock(self) -> AbstractContextManager[object]:
        """Keep other syncs of this host away meanwhile."""

    def check(self) -> None:
        """Check that there is a ledger that can be written."""

    def origin(self) -> str:
        """Return its name."""

    def admit(self, origin: str) -> None:
        """Check that the signer may import from a log."""

    def progress(self, origin: str) -> Progress:
        """Return how far a log was imported, as of now."""

    def author(self) -> Author:
        """Return who signs the next imports."""

    def append(self, batch: Sequence[bytes], pace: Pace) -> None:
        """Append imports, no faster than a pace where they go over a network."""

    def find_strangers(self, signers: Iterable[str]) -> set[str]:
        """Return those signers that are not enrolled."""


class SessionSource:
    """A ledger that this program opens itself."""

    def __init__(self, session: Session) -> None:
        """Hold its session."""
        self._session = session

    def open_view(self) -> LedgerView:
        """Return it at its newest checkpoint, signed and beyond what was seen."""
        self._session.forget()
        return self._session.followed_view()

    def open_reader(self, pace: Pace) -> LogReader:
        """Return its log, which is read no faster than a pace."""
        return PacedReader(self._session.store, pace)


class SessionTarget:
    """A ledger whose key is at hand."""

    def __init__(self, session: Session) -> None:
        """Hold its session."""
        self._session = session
        self.notify = session.notify
        self.report = session.report

    def lock(self) -> AbstractContextManager[object]:
        """Keep other syncs of this host away meanwhile."""
        return FileLock(f"{self._session.places.ledger}.sync")

    def check(self) -> None:
        """Check that ledger and key are here, and that the imports will count.

        Raises:
            NotFoundError: There is no ledger, or its key is not here.
            PermissionDeniedError: The signer is not enrolled.
        """
        self._session.check_can_write()
        signer = self._session.signer().keyid
        view = self._session.view()
        trust = view.trust()
        if signer not in trust.signers or trust.is_revoked(signer, view.size):
            raise PermissionDeniedError(
                f"signer {signer}",
                expected=f"one that is enrolled in {view.checkpoint.origin}",
                got="a stranger, or one that was revoked",
                advice=f"jenkins-notary signer enrol {signer}",
            )

    def origin(self) -> str:
        """Return the ledger's name, read anew."""
        return self._session.refresh().checkpoint.origin

    def admit(self, origin: str) -> None:
        """Let an administrator who imports do so, by a record; check that others may.

        Raises:
            PermissionDeniedError: The signer may not import from this log.
        """
        session = self._session
        signer, view = session.signer().keyid, session.view()
        if may_import(view.trust(), signer, origin, view.size):
            return
        co_signers = session.co_signers()
        try:
            session.check_administrators(co_signers)
        except PermissionDeniedError as error:
            raise not_importer(signer, origin) from error
        org = importers_of(origin)
        change_org(session, org, [signer], joined=True, co_signers=co_signers)
        session.notify(f"signer {signer} may import from {origin} now")

    def progress(self, origin: str) -> Progress:
        """Return how far a log was imported, as of now."""
        return find_progress(self._session.refresh(), origin, self._session.signatures)

    def author(self) -> Author:
        """Return who signs the next imports."""
        return self._session.author()

    def append(self, batch: Sequence[bytes], pace: Pace) -> None:
        """Append imports, no faster than a pace where they go over a network."""
        self._session.append(batch)
        if self._session.store.engine != "sqlite":
            pace.count(sum(map(len, batch)))

    def find_strangers(self, signers: Iterable[str]) -> set[str]:
        """Return those signers that are not enrolled."""
        return set(signers) - self._session.view().trust().signers.keys()
