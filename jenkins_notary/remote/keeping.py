"""Keep what cannot be sent now: what ``--spool DIR`` does for a call that records.

What waits from before goes first, so that a service gets all of it in the order in
which it was claimed. A service that is away or busy, and a process that delivers just
now, lead to the same end: the claim waits behind the others, durably, and the call ends
well. Whatever is wrong with the claim itself is still said at once.
"""

from __future__ import annotations

import time

from jenkins_notary.assets.claims import format_claim
from jenkins_notary.errors import StorageError, UnavailableError
from jenkins_notary.remote.bodies import list_bodies
from jenkins_notary.remote.delivery import Delivery
from jenkins_notary.remote.spool import Entry, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeVar

    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.assets.claims import Attachment, SentClaim
    from jenkins_notary.remote.answers import AnswerChecker
    from jenkins_notary.remote.bodies import FileBody
    from jenkins_notary.remote.delivery import Delivered
    from jenkins_notary.remote.service import Service

    Result = TypeVar("Result")


class Keeper:
    """A spool, and the service that it is for.

    Attributes:
        spool: What waits.
        wait_s: How long the service asked to wait when it was asked last.
    """

    def __init__(
        self,
        path: str,
        connect: Callable[[], Service],
        open_checker: Callable[[], AnswerChecker],
        notify: Callable[[str], None],
    ) -> None:
        """Open the spool.

        Args:
            path: Its folder.
            connect: Makes the service anew.
            open_checker: Makes what checks its answers.
            notify: Called with one-line notices.

        Raises:
            StorageError: The folder cannot be made.
            UsageError: It is no folder.
        """
        self.spool = Spool(path)
        self.wait_s = 0.0
        self._connect = connect
        self._open_checker = open_checker
        self._notify = notify

    def deliver(self) -> Iterator[Delivered]:
        """Deliver what waits; see :meth:`Delivery.run`.

        Raises:
            UnavailableError: Another process delivers just now, or the service is away.
        """
        self.wait_s = 0.0
        if not self.spool.names():
            return
        with self.spool.turn() as has_turn:
            if not has_turn:
                raise UnavailableError(
                    f"--spool {self.spool.path}",
                    expected="a turn to deliver",
                    got="another process that delivers",
                )
            delivery = Delivery(self.spool, self._connect, self._open_checker())
            try:
                yield from delivery.run()
            finally:
                self.wait_s = delivery.wait_s

    def send_or_keep(
        self, send: Callable[[], Result], keep: Callable[[], Entry], kept: Result
    ) -> Result:
        """Send after what waits; or keep it, and return what is said of it then.

        Args:
            send: Sends it, and returns what was recorded.
            keep: Keeps it.
            kept: What is returned of what is kept.

        Raises:
            NotaryError: It is wrong, or it can neither be sent nor kept.
        """
        try:
            self._deliver_before()
            return send()
        except UnavailableError as error:
            try:
                name = keep().name
            except StorageError as full:
                full.advice = f"{full.advice or 'free space'}; not sent either: {error}"
                raise
            self._notify(
                f"{error}; kept as {name} in {self.spool.path}: it is recorded once "
                "jenkins-notary deliver reaches the service"
            )
            return kept

    def keep_claim(
        self,
        sent: SentClaim,
        attachments: Sequence[tuple[str, str | None]],
        manifests: Sequence[Asset],
    ) -> Entry:
        """Keep a claim and the bodies that go with it."""
        bodies = list_bodies(attachments, manifests)
        value = format_claim(sent._replace(attachments=[one for one, _ in bodies]))
        return self._keep("/records", value, bodies)

    def keep_attachment(self, body: FileBody, value: Mapping[str, Any]) -> Entry:
        """Keep a body and what it belongs to."""
        return self._keep("/attachments", value, [(body.attachment, body.pieces)])

    def _keep(
        self,
        path: str,
        value: Mapping[str, Any],
        bodies: Sequence[tuple[Attachment, Callable[[], Iterable[bytes]]]],
    ) -> Entry:
        """Keep an entry for the service."""
        sizes = tuple((one.sha256_hex, one.size) for one, _ in bodies)
        entry = Entry("", self._connect().url, path, dict(value), sizes)
        return self.spool.keep(entry, bodies)

    def _deliver_before(self) -> None:
        """Deliver what waits, for as long as a call may take.

        Raises:
            UnavailableError: Something waits still.
        """
        deadline = time.monotonic() + self._connect().timeout_s
        for one in self.deliver():
            if one.error is not None:
                self._notify(f"{one.entry.name} is set aside: {one.error}")
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"--spool {self.spool.path}",
                    expected="all that waits to be delivered in time",
                    got=f"{len(self.spool.names())} that wait still",
                )
