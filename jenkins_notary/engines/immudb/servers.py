"""Ask one database on several servers of immudb: a primary and its replicas.

Reads go to the primary. While it is away they go to a replica, in the order of the
list, as long as that one has all that was seen of the database before: one that is
behind is as good as away, for what it lacks may be the record that makes a verdict
worse. What a replica answers is held to the same proofs and signatures as what the
primary does.

Writes go to the primary alone: to the server that says it is no replica, wherever it
stands in the list, so that one that an operator has promoted is found. Nobody here
promotes any.

Cost: one more call for each server that is asked, every ten seconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jenkins_notary.engines.immudb.connection import CALL_S, Connection, ask_again
from jenkins_notary.errors import NotaryError, UnavailableError
from jenkins_notary.ports import ServerStanding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jenkins_notary.engines.immudb.connection import Server
    from jenkins_notary.engines.immudb.trail import StateKeeper

REST_S = 10.0
"""How long a server that did not answer is asked last, and another's role is known."""

PROBE_S = 5.0
"""How long is waited for a server where another one could answer."""


class NoPrimaryError(UnavailableError):
    """No server takes writes; nothing was sent."""


class Servers:
    """A primary and its replicas as one connection; threads may share it.

    Attributes:
        server: The first of the list, by whose name the ledger goes.
        tell: Told when a replica begins to answer, or None.
        on_replica: Whether a replica gave the last answer.
    """

    def __init__(self, servers: Sequence[Server], keeper: StateKeeper) -> None:
        """Connect with the first call.

        Args:
            servers: At least one; the first gives the ledger its name.
            keeper: Where the newest verified state is kept.
        """
        self.server = servers[0]
        self.tell: Callable[[str], None] | None = None
        self._keeper = keeper
        self._members = [_Member(one) for one in servers]
        self.on_replica = False

    def read(self, method: str, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Ask something that changes nothing, of the first server that can answer.

        Raises:
            NotFoundError: There is no such key.
            UnavailableError: None could until the deadline.
            NotaryError: One refuses.
        """
        return ask_again(lambda: self._read(method, fields))

    def write(self, method: str, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Make one call to the primary.

        Raises:
            NoPrimaryError: There was none until the deadline; nothing was sent.
            UnavailableError: No answer: it may have been done, or not.
            NotaryError: The primary refuses; nothing was done.
        """
        primary = ask_again(self._find_primary)
        return primary.ask(method, wait_s=CALL_S, **fields)

    @property
    def max_tx_entries(self) -> int:
        """Return how many keys a transaction of this database may have."""
        primary: _Member = ask_again(self._find_primary)
        return primary.connection.max_tx_entries

    def standings(self) -> tuple[ServerStanding, ...]:
        """Return where each server stands now."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(self._members)) as pool:
            found = [*pool.map(_Member.look, self._members)]
        newest = max([self._seen(), *(one.transactions for one in found)])
        return tuple(
            one if one.error else one._replace(lag=newest - one.transactions)
            for one in found
        )

    def close(self) -> None:
        """End sessions and connections."""
        for one in self._members:
            one.connection.close()

    def _read(self, method: str, fields: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a message
        """Ask the primary, else a replica; those that rest only where no other can."""
        faults: list[NotaryError] = []
        for rests in (False, True):
            group = [one for one in self._members if one.rests is rests]
            for member, is_replica in self._find_able(group, faults):
                try:
                    answer = member.ask(method, **fields)
                except UnavailableError as error:
                    faults.append(error)
                    continue
                self._note(member, faults, is_replica=is_replica)
                return answer
        raise self._away(faults, UnavailableError)

    def _find_able(
        self, group: Sequence[_Member], faults: list[NotaryError]
    ) -> Iterator[tuple[_Member, bool]]:
        """Yield who can answer and whether it is a replica, the primary first."""
        replicas = []
        for member in group:
            try:
                if member.is_replica():
                    replicas.append(member)
                    continue
            except NotaryError as error:
                faults.append(error)
                continue
            yield member, False
        for member in replicas:
            try:
                member.check_reached(self._seen())
            except NotaryError as error:
                faults.append(error)
                continue
            yield member, True

    def _find_primary(self) -> _Member:
        """Return who takes writes.

        Raises:
            NoPrimaryError: Nobody does.
        """
        for member in self._members:
            if member.is_known_primary:
                return member
        faults: list[NotaryError] = []
        for member in sorted(self._members, key=lambda one: one.rests):
            try:
                if not member.is_replica(anew=True):
                    return member
                faults.append(UnavailableError(member.place, got="a replica"))
            except NotaryError as error:
                faults.append(error)
        raise self._away(faults, NoPrimaryError)

    def _away(
        self, faults: Sequence[NotaryError], kind: type[UnavailableError]
    ) -> NotaryError:
        """Return the error of servers none of which can do what is asked."""
        if not any(isinstance(one, UnavailableError) for one in faults):
            return faults[0]
        is_write = kind is NoPrimaryError
        return kind(
            self.server.name,
            expected="a primary that takes writes" if is_write else "an answer",
            got="; ".join(f"{one.subject}: {one.got}" for one in faults),
            advice="bring the primary back; nothing was written" if is_write else "",
        )

    def _note(
        self, member: _Member, faults: Sequence[NotaryError], *, is_replica: bool
    ) -> None:
        """Say when a replica begins to answer, and why."""
        if is_replica and not self.on_replica and self.tell is not None:
            why = "; ".join(f"{one.subject}: {one.got}" for one in faults)
            self.tell(
                f"{self.server.name}: the primary does not answer; its replica "
                f"{member.place} does: what it was not sent yet is not seen ({why})"
            )
        self.on_replica = is_replica

    def _seen(self) -> int:
        """Return the newest transaction that was seen, by any process of this user."""
        state = self._keeper.load()
        return 0 if state is None else state.tx


class _Member:
    """One of the servers."""

    def __init__(self, server: Server) -> None:
        """Connect with the first call."""
        self.connection = Connection(server)
        self.place = f"{server.host}:{server.port}"
        self._reached = -1
        self._is_replica = False
        self._role_until = self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Return whether it did not answer a moment ago."""
        return time.monotonic() < self._rests_until

    @property
    def is_known_primary(self) -> bool:
        """Return whether it said a moment ago that it is no replica."""
        return time.monotonic() < self._role_until and not self._is_replica

    def ask(self, method: str, *, wait_s: float | None = None, **fields: Any) -> Any:  # noqa: ANN401 - a message
        """Make one call; where there is no answer it rests, and its role is asked anew.

        Raises:
            UnavailableError: There is no answer.
            NotaryError: It refuses.
        """
        limit_s = PROBE_S if wait_s is None else wait_s
        try:
            answer = self.connection.write(method, wait_s=limit_s, **fields)
        except UnavailableError:
            self._rests_until = time.monotonic() + REST_S
            self._role_until = 0.0
            raise
        self._rests_until = 0.0
        return answer

    def is_replica(self, *, anew: bool = False) -> bool:
        """Return whether it says that it is a replica."""
        if anew or time.monotonic() > self._role_until:
            settings = self.ask("GetDatabaseSettingsV2").settings
            self._is_replica = bool(settings.replicationSettings.replica.value)
            self._role_until = time.monotonic() + REST_S
        return self._is_replica

    def check_reached(self, seen: int) -> None:
        """Check that it has all that was seen, and answers.

        Raises:
            UnavailableError: It is behind.
        """
        if self._reached < max(seen, 0):
            self._reached = int(self.ask("CurrentState").txId)
        if self._reached < seen:
            raise UnavailableError(
                f"replica {self.place}",
                got=f"{self._reached} of the {seen} transactions that were seen",
            )

    def look(self) -> ServerStanding:
        """Return where it stands, as it says."""
        try:
            role = "replica" if self.is_replica(anew=True) else "primary"
            reached = int(self.ask("CurrentState").txId)
        except NotaryError as error:
            return ServerStanding(self.place, "", 0, 0, error.got or str(error))
        return ServerStanding(self.place, role, reached, 0, "")
