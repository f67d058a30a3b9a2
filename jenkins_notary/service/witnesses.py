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

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotaryError,
    UnavailableError,
)
from jenkins_notary.keys.witness_key import load_witness_verifier
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.ledger.view import LedgerView
from jenkins_notary.ledger.witness import (
    Submission,
    format_submission,
    read_cosignatures,
)
from jenkins_notary.remote.address import find_proxy, parse_service_url
from jenkins_notary.remote.http import Request, Route, exchange
from jenkins_notary.service.sections import Section
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.note import SignedNote, format_note, parse_note
from jenkins_notary.tlog.proofs import consistency_proof

if TYPE_CHECKING:
    from jenkins_notary.remote.http import Answer
    from jenkins_notary.service.session import Engine, ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.service.tasks import Tasks
    from jenkins_notary.tlog.note import NoteSignature

ANSWER_S = 5.0
"""Seconds that a witness may take."""

MAX_PAUSE_S = 300.0
MAX_WITNESSES = 32

_NEWEST = "newest"
_COSIGNED = "cosigned"
_WITNESS = "witness"


class Witness(Section, frozen=True):
    """One witness.

    Attributes:
        url: Its submission prefix.
        vkey: Its verifier key.
    """

    url: str
    vkey: str


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
        self._asked = [_Asked(one, state, session) for one in settings.ask]

    def start(self, tasks: Tasks) -> None:
        """Ask them from now on, if there are any."""
        if self._asked:
            tasks.every(float(self._settings.every), "witnesses", self.ask)

    def ask(self) -> None:
        """Have the newest checkpoint signed by all that have not signed it yet.

        Raises:
            UnavailableError: Fewer than the quorum have signed it.
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
        if len(known) < self._settings.quorum:
            raise UnavailableError(
                f"checkpoint at {view.size}",
                expected=f"{self._settings.quorum} cosignatures",
                got=f"{len(known)}",
                advice="; ".join(map(str, faults)),
            )

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
        own = _own_signatures(view)
        data = format_note(SignedNote(text, (*own, *cosignatures)))
        self._state.put(_COSIGNED, _NEWEST, data.decode())
        newest = self._engine.store.checkpoint()
        if newest is not None and parse_note(newest).text == text:
            self._engine.store.publish(data, size=view.checkpoint.size)


class _Asked:
    """One witness, and how it went with it.

    Attributes:
        name: Its name.
    """

    def __init__(
        self, settings: Witness, state: ServiceState, session: ServiceSession
    ) -> None:
        choices = session.choices
        address = parse_service_url(settings.url, choices.plain_http)
        proxy = find_proxy(address, session.environ)
        self._verifier = load_witness_verifier(settings.vkey)
        self._route = Route(address, proxy, choices.ca_file, ANSWER_S)
        self._state = state
        self._pause_s = 0.0
        self._due = 0.0
        self._fresh: tuple[str, tuple[NoteSignature, ...]] = "", ()
        self.name = self._verifier.name

    def is_due(self) -> bool:
        """Return whether it may be asked again by now."""
        return time.monotonic() >= self._due

    def signed(self, text: str) -> dict[str, NoteSignature]:
        """Return what it signed just now of a checkpoint's text."""
        at, found = self._fresh
        return {self.name: found[0]} if at == text and found else {}

    def ask(self, session: ServiceSession, view: LedgerView) -> NotaryError | None:
        """Ask it to sign a checkpoint; return why it did not."""
        text = parse_note(view.note).text
        try:
            self._fresh = text, self._ask(session, view, text)
        except NotaryError as error:
            self._pause_s = min(max(self._pause_s * 2, 2.0), MAX_PAUSE_S)
            self._due = time.monotonic() + self._pause_s
            self._remember(fault=str(error)[:500])
            return error
        self._pause_s = self._due = 0.0
        self._remember(size=view.checkpoint.size, at=_now(), fault=None)
        return None

    def describe(self) -> dict[str, Any]:
        """Return what is known of it."""
        kept = self._state.get(_WITNESS, self.name) or {}
        return {
            "name": self.name,
            "url": str(self._route.address),
            "size": kept.get("size", 0),
            "at": kept.get("at"),
            "fault": kept.get("fault"),
        }

    def _ask(
        self, session: ServiceSession, view: LedgerView, text: str
    ) -> tuple[NoteSignature, ...]:
        """Send a checkpoint; once more if it has signed another size."""
        kept = self._state.get(_WITNESS, self.name) or {}
        answer = self._send(session, view, min(kept.get("size", 0), view.size))
        if answer.status == 409:
            answer = self._send(session, view, self._read_size(answer, view))
        if answer.status != 200:
            raise UnavailableError(
                f"witness {self.name}",
                expected="its signature",
                got=f"HTTP {answer.status} {answer.body[:200]!r}",
            )
        return read_cosignatures(text, answer.body, [self._verifier])

    def _send(self, session: ServiceSession, view: LedgerView, old_size: int) -> Answer:
        """Send a checkpoint with the proof from an old size; return the answer."""
        size = view.checkpoint.size
        hashes = read_hashes(session.store, "main", size)
        proof = consistency_proof(old_size, size, hashes) if old_size else ()
        note = format_note(
            SignedNote(parse_note(view.note).text, _own_signatures(view))
        )
        data = format_submission(Submission(old_size, tuple(proof), note))
        request = Request(
            "POST",
            f"{self._route.address.path}/add-checkpoint",
            (("Content-Type", "text/plain"),),
            len(data),
            lambda: (data,),
        )
        return exchange(self._route, request, time.monotonic() + ANSWER_S)

    def _read_size(self, answer: Answer, view: LedgerView) -> int:
        """Return the size that it has signed last, as it says.

        Raises:
            IntegrityError: More than the log holds.
            UnavailableError: It does not say.
        """
        text = answer.body.strip()
        if not text.isdigit() or len(text) > 18:
            raise UnavailableError(
                f"witness {self.name}",
                expected="the size that it signed",
                got=repr(answer.body[:40]),
            )
        if int(text) > view.checkpoint.size:
            raise IntegrityError(
                f"log {view.checkpoint.origin}",
                expected=f"the {int(text)} records that {self.name} has signed",
                got=f"{view.checkpoint.size}",
                advice="it was rolled back: restore the newest backup, or "
                "jenkins-notary ledger succeed",
            )
        return int(text)

    def _remember(self, **facts: object) -> None:
        """Keep what is known of it."""
        kept = self._state.get(_WITNESS, self.name) or {}
        self._state.put(_WITNESS, self.name, {**kept, **facts})


def _own_signatures(view: LedgerView) -> tuple[NoteSignature, ...]:
    """Return the log's own signatures of a view's checkpoint."""
    note = parse_note(view.note)
    return tuple(o for o in note.signatures if o.name == view.checkpoint.origin)


def _now() -> str:
    """Return the time, RFC 3339 UTC."""
    return format_time(time.time_ns() // 1_000_000)
