"""Audit again and again, and tell when something changes.

A round that finds the log altered, or the service dishonest, ends it: the code is 65,
and the state file keeps what was seen before. A service that does not answer ends
nothing: it is asked again, and after some rounds in a row that is told. Each change is
told once.
"""

from __future__ import annotations

import time

from jenkins_notary.errors import IntegrityError, NotaryError, UnavailableError
from jenkins_notary.watch.alerting import INTEGRITY, UNREACHABLE, WELL, Standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.ledger.audit import AuditResult
    from jenkins_notary.watch.rounds import Round

    Told = Callable[[Standing], object]

DEFAULT_INTERVAL_S = 60
ROUNDS_UNTIL_TOLD = 3
"""Rounds without an answer until that is told."""


class Following:
    """An audit that goes on.

    Attributes:
        standing: How it stands.
    """

    def __init__(
        self,
        run_round: Callable[[], Round | AuditResult],
        name: str,
        *,
        show: Callable[[Round | AuditResult], object],
        alert: Told,
        measure: Told,
        notify: Callable[[str], object],
    ) -> None:
        """Begin with nothing known.

        Args:
            run_round: One round.
            name: What stands for the log until its origin is known.
            show: Called with what each good round has proven.
            alert: Called where the state has changed.
            measure: Called after each round.
            notify: Told what goes wrong beside the audit itself.
        """
        self._run_round = run_round
        self._show = show
        self._alert = alert
        self._measure = measure
        self._notify = notify
        self._failures = 0
        self.standing = Standing(name, WELL, "", 0, 0, 0.0, {}, 0, 0)

    def run(self, interval_s: float, wait: Callable[[float], object]) -> None:
        """Audit until interrupted.

        Raises:
            IntegrityError: The log is not what it was.
            NotaryError: The first round cannot be made: a wrong key, URL or token.
        """
        while True:
            began = time.monotonic()
            self.step()
            wait(max(0.0, interval_s - (time.monotonic() - began)))

    def step(self) -> None:
        """Make one round.

        Raises:
            IntegrityError: The log is not what it was.
            NotaryError: It is the first, and can never succeed.
        """
        is_first = not self.standing.rounds
        try:
            done = self._run_round()
        except UnavailableError as error:
            self._miss(str(error))
        except NotaryError as error:
            if error.exit_code == IntegrityError.exit_code:
                self._end(INTEGRITY, str(error))
                raise
            # A token that was revoked meanwhile is a service that does not answer.
            if is_first:
                raise
            self._miss(str(error))
        else:
            self._succeed(done)

    def _succeed(self, done: Round | AuditResult) -> None:
        """Note a good round."""
        found = done.to_dict()
        verdicts = found.get("verdicts", 0)
        self.standing = self.standing._replace(
            key=done.origin,
            size=done.size,
            trust_size=done.trust_size,
            last_good_s=time.time(),
            records=self.standing.records + done.records,
            verdicts=self.standing.verdicts
            + (verdicts if type(verdicts) is int else 0),
        )
        self._failures = 0
        self._end(WELL, f"{done.origin} has only grown, to {done.size} records")
        self._show(done)

    def _miss(self, text: str) -> None:
        """Note a round that could not be made."""
        self._failures += 1
        self._notify(f"no audit this time: {text}")
        is_told = self._failures >= ROUNDS_UNTIL_TOLD
        state = UNREACHABLE if is_told else self.standing.state
        self._end(state, text, counted=UNREACHABLE)

    def _end(self, state: str, text: str, *, counted: str | None = None) -> None:
        """End a round: count it, and tell what has changed."""
        before, name = self.standing.state, counted or state
        rounds = {**self.standing.rounds}
        rounds[name] = rounds.get(name, 0) + 1
        self.standing = self.standing._replace(state=state, text=text, rounds=rounds)
        if state != before:
            self._attempt(self._alert)
        self._attempt(self._measure)

    def _attempt(self, tell: Told) -> None:
        """Tell how it stands; that it could not be told must not end the audit."""
        try:
            tell(self.standing)
        except NotaryError as error:
            self._notify(f"not told: {error}")
