"""Sync to a service: the imports are signed here, by a key that may import there.

The service says how far it came, and takes only what comes next. It cannot invent an
import, for it has not the key; that it keeps what it took, its log proves to all.
"""

from __future__ import annotations

import os
from contextlib import nullcontext

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.imports import Progress
from jenkins_notary.remote.reading.notary import format_query
from jenkins_notary.remote.reading.packed import pack_envelopes
from jenkins_notary.trust.imports import not_importer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.pacing import Pace
    from jenkins_notary.remote.service import Service


class ServiceTarget:
    """A service's ledger that gets the records of another one."""

    def __init__(self, open_service: Callable[[], Service], session: Session) -> None:
        """Ask nothing yet.

        Args:
            open_service: Returns the service, whose time begins anew with each
                request; its token is an importer's.
            session: Whose signer signs, and who is told of it; its ledger is not
                looked at.
        """
        self._open = open_service
        self._session = session
        self._strangers: set[str] = set()
        self.notify = session.notify
        self.report = session.report

    def lock(self) -> AbstractContextManager[object]:
        """Keep nobody away: the service refuses what does not come next."""
        return nullcontext()

    def check(self) -> None:
        """Check that the signer's key can be used."""
        self._session.signer()

    def origin(self) -> str:
        """Return the ledger's name."""
        found = self._open().get("/status").get("origin")
        if not isinstance(found, str):
            raise _wrong("its origin")
        return found

    def admit(self, origin: str) -> None:
        """Check that the signer may import from a log.

        Raises:
            PermissionDeniedError: It may not.
        """
        if self._ask(origin).get("allowed") is not True:
            raise not_importer(self._session.signer().keyid, origin)

    def progress(self, origin: str) -> Progress:
        """Return how far a log was imported, as the service says."""
        answer = self._ask(origin)
        size, note = answer.get("size"), answer.get("checkpoint")
        if type(size) is not int or size < 0:
            raise _wrong("how far it came")
        return Progress(size, note.encode() if isinstance(note, str) else None)

    def author(self) -> Author:
        """Return who signs the next imports."""
        session = self._session
        return Author((session.signer(),), os.urandom(16).hex(), session.clock.now_ms())

    def append(self, batch: Sequence[bytes], pace: Pace) -> None:
        """Append imports, no faster than a pace."""
        data = pack_envelopes(batch)
        answer = self._open().send("/imports", data)
        pace.count(len(data))
        unknown = answer.get("unenrolled")
        if not isinstance(unknown, list):
            raise _wrong("who is not enrolled")
        self._strangers.update(map(str, unknown))

    def find_strangers(self, signers: Iterable[str]) -> set[str]:
        """Return those signers that are not enrolled, as the service said."""
        return self._strangers & set(signers)

    def _ask(self, origin: str) -> Mapping[str, Any]:
        """Return what the service says of imports from a log."""
        signer = self._session.signer().keyid
        return self._open().get(
            "/imports" + format_query({"origin": origin, "signer": signer})
        )


def _wrong(expected: str) -> IntegrityError:
    """Return the error for an answer of another form."""
    return IntegrityError(
        "answer of the service", expected=expected, got="something else"
    )
