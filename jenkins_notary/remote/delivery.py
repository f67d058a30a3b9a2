"""Deliver a spool: what waits goes to its service, in order, each until it is recorded.

An entry leaves the spool once the service's answer was checked. One that the service
will never take (64, 66, 67, 77 for its content) is set aside with the reason, and the
next one is sent: it must not hold up what others have recorded. A service that is away,
is busy or does not know the token ends the round, and everything keeps its place.
"""

from __future__ import annotations

import os
from hashlib import sha256

from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.remote.service import UnknownTokenError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.errors import NotaryError
    from jenkins_notary.remote.answers import AnswerChecker
    from jenkins_notary.remote.service import Service
    from jenkins_notary.remote.spool import Entry, Spool

_FOR_GOOD = (AmbiguousError, NotFoundError, PermissionDeniedError, UsageError)
_PIECE = 256 << 10


class Delivered(NamedTuple):
    """What came of one entry.

    Attributes:
        entry: It.
        items: The records, each as an answer has it; none if it was set aside.
        error: Why it was set aside, or None.
    """

    entry: Entry
    items: Sequence[Mapping[str, Any]]
    error: NotaryError | None


class Delivery:
    """The way from a spool to one service.

    Attributes:
        wait_s: How long the service asked to wait when it was asked last.
    """

    def __init__(
        self, spool: Spool, connect: Callable[[], Service], checker: AnswerChecker
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            spool: What waits.
            connect: Makes the service anew, whose time then begins.
            checker: Checks its answers.
        """
        self._spool = spool
        self._connect = connect
        self._checker = checker
        self._url = connect().url
        self.wait_s = 0.0

    def run(self) -> Iterator[Delivered]:
        """Deliver what waits for this service, also what comes meanwhile.

        Raises:
            UnavailableError: The service is away or busy; the rest keeps its place.
            PermissionDeniedError: The service does not know the token; likewise.
            NotaryError: An answer, or the spool, is not what it must be.
        """
        others: set[str] = set()
        while True:
            names = [one for one in self._spool.names() if one not in others]
            if not names:
                return
            for name in names:
                entry = self._spool.load(name)
                if entry.ledger == self._url:
                    yield self._deliver(entry)
                else:
                    others.add(name)

    def _deliver(self, entry: Entry) -> Delivered:
        """Send one entry, and take it out of the spool."""
        service = self._connect()
        try:
            for digest, size in entry.bodies:
                self._send_body(service, digest, size)
            answer = service.post(entry.path, entry.value)
        except UnavailableError:
            self.wait_s = service.wait_s
            raise
        except UnknownTokenError:
            raise
        except _FOR_GOOD as error:
            self._spool.refuse(entry, error)
            return Delivered(entry, (), error)
        items = self._check(entry, answer)
        self._spool.remove(entry)
        return Delivered(entry, items, None)

    def _send_body(self, service: Service, digest: str, size: int) -> None:
        """Send the bytes of a body, which must be what they were."""
        path = self._spool.body_path(digest)
        if not os.path.exists(path) or os.path.getsize(path) != size:
            raise IntegrityError(
                path, expected=f"a body of {size} bytes", got="none, or another"
            )

        def pieces() -> Iterator[bytes]:
            hasher = sha256()
            with open(path, "rb") as file:
                while True:
                    piece = file.read(_PIECE)
                    if not piece:
                        break
                    hasher.update(piece)
                    yield piece
            if hasher.hexdigest() != digest:
                raise IntegrityError(
                    path, expected=f"SHA-256 {digest}", got=hasher.hexdigest()
                )

        service.put(f"/blobs/sha256:{digest}", size, pieces)

    def _check(
        self, entry: Entry, answer: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """Return the items of an answer, which must be one to the entry."""
        if entry.path == "/records":
            return self._checker.check_records(answer, parse_claim(entry.value))
        return self._checker.check_attached(answer, entry.bodies[0][0])
