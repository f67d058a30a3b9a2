"""Ask witnesses to sign the log's checkpoints, beside the requests.

Every few seconds the newest checkpoint is sent to all configured witnesses, each with
a proof from what it has signed last. If enough of them sign, the checkpoint is
kept with their signatures; and it is published so, if it is still the newest. No answer
waits for that: a record's receipt carries cosignatures once a cosigned checkpoint
covers it.

A witness that does not answer is asked again later, after growing pauses. One that has
signed more of this log than the log holds has seen it rolled back: that is said as the
integrity fault it is.

In the file of ``serve --settings``::

    witnesses:
      quorum: 2
      ask:
        - url: https://witness.example.com/
          vkey: witness.example.com+1234abcd+BGvo...

Source: C2SP tlog-witness; DESIGN section 5.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from jenkins_notary.errors import ConfigurationError, IntegrityError
from jenkins_notary.keys.witness_key import load_witness_verifier
from jenkins_notary.ledger.view import LedgerView
from jenkins_notary.service.sections import Section
from jenkins_notary.service.witness.client import (
    AskedWitness,
    Witness,
    own_signatures,
)
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.note import SignedNote, format_note, parse_note

if TYPE_CHECKING:
    from jenkins_notary.service.monitoring.alerts import Alerts
    from jenkins_notary.service.session import Engine, ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.tlog.note import NoteSignature

MAX_WITNESSES = 32

_NEWEST = "newest"
_COSIGNED = "cosigned"


class WitnessSettings(Section, frozen=True):
    """Which witnesses are asked.

    Attributes:
        ask: All of them.
        quorum: How many must sign a checkpoint for it to be kept as cosigned.
        every: Seconds between two rounds.
    """

    ask: tuple[Witness, ...] = ()
    quorum: int = 1
    every: int = 2

    def check(self) -> None:
        """Check that all of it can be meant.

        Raises:
            ConfigurationError: A key is none, stands twice, or the quorum is out of
                reach.
        """
        names = [load_witness_verifier(one.vkey).name for one in self.ask]
        if len(set(names)) < len(names) or len(names) > MAX_WITNESSES:
            raise ConfigurationError(
                "witnesses", expected=f"at most {MAX_WITNESSES}, each name once"
            )
        if self.ask and not 0 < self.quorum <= len(names):
            raise ConfigurationError(
                "witnesses quorum", expected=f"1 to {len(names)}", got=f"{self.quorum}"
            )
        if self.every < 1:
            raise ConfigurationError(
                "witnesses every", expected="1 second or more", got=f"{self.every}"
            )


class Witnesses:
    """The witnesses of one ledger."""

    def __init__(
        self, engine: Engine, state: ServiceState, settings: WitnessSettings
    ) -> None:
        """Know them; nobody is asked yet.

        Raises:
            ConfigurationError: They cannot be meant.
        """
        settings.check()
        self._engine = engine
        self._state = state
        self._settings = settings
        session = engine.session()
        self._asked = [AskedWitness(one, state, session) for one in settings.ask]

    def start(self, tasks: Tasks, alerts: Alerts) -> None:
        """Ask them from now on, if there are any; tell how it goes with each."""
        if not self._asked:
            return

        def ask() -> None:
            try:
                self.ask()
            finally:
                for one in self._asked:
                    text = one.fault or f"{one.name} signs this log's checkpoints"
                    alerts.tell("audit", f"witness {one.name}", one.state, text)

        tasks.every(float(self._settings.every), "witnesses", ask)

    def sizes(self) -> dict[tuple[str, ...], int]:
        """Return how much of the log each has signed, by its name."""
        found = [one.describe() for one in self._asked]
        return {(one["name"],): one["size"] for one in found}

    def ask(self) -> None:
        """Have the newest checkpoint signed by all that have not signed it yet.

        Raises:
            IntegrityError: A witness has signed more of this log than it holds.
        """
        session = self._engine.session()
        view = session.followed_view()
        text = parse_note(view.note).text
        known = self._known(text)
        missing = [one for one in self._asked if one.name not in known and one.is_due()]
        if not missing:
            return
        with ThreadPoolExecutor(len(missing)) as pool:
            faults = [
                fault
                for fault in pool.map(lambda one: one.ask(session, view), missing)
                if fault is not None
            ]
        for one in missing:
            known.update(one.signed(text))
        if len(known) >= self._settings.quorum:
            self._keep(view, text, [*known.values()])
        for fault in faults:
            if isinstance(fault, IntegrityError):
                raise fault

    def describe(self) -> dict[str, Any]:
        """Return what is known of each, and the newest cosigned checkpoint."""
        return {
            "quorum": self._settings.quorum if self._asked else 0,
            "witnesses": [one.describe() for one in self._asked],
            "cosigned": self._state.get(_COSIGNED, _NEWEST),
        }

    def cosigned_view(self, session: ServiceSession) -> LedgerView | None:
        """Return the log at its newest cosigned checkpoint, None for no such."""
        text = self._state.get(_COSIGNED, _NEWEST) if self._asked else None
        if text is None:
            return None
        session.followed_view()
        opened = open_checkpoint(text.encode(), session.verifiers())
        return LedgerView(
            session.store, opened.checkpoint, text.encode(), session.signatures
        )

    def _known(self, text: str) -> dict[str, NoteSignature]:
        """Return the cosignatures of a checkpoint's text so far, by name."""
        kept = self._state.get(_COSIGNED, _NEWEST)
        if kept is None:
            return {}
        note = parse_note(kept.encode())
        names = {one.name for one in self._asked}
        if note.text != text:
            return {}
        return {one.name: one for one in note.signatures if one.name in names}

    def _keep(
        self, view: LedgerView, text: str, cosignatures: list[NoteSignature]
    ) -> None:
        """Keep a cosigned checkpoint; publish it if it is still the newest."""
        own = own_signatures(view)
        data = format_note(SignedNote(text, (*own, *cosignatures)))
        self._state.put(_COSIGNED, _NEWEST, data.decode())
        newest = self._engine.store.checkpoint()
        if newest is not None and parse_note(newest).text == text:
            self._engine.store.publish(data, size=view.checkpoint.size)
