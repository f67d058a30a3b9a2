"""Ask one witness for its signature, and remember how it went.

A witness that does not answer is asked again after growing pauses. What it has signed
last is kept in the service's state, as the start of the next proof; it is only a hint,
for the witness says so itself where that is wrong (409).

Source: C2SP tlog-witness, "add-checkpoint".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jenkins_notary.errors import IntegrityError, NotaryError, UnavailableError
from jenkins_notary.keys.witness_key import load_witness_verifier
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.ledger.witness import (
    Submission,
    format_submission,
    read_cosignatures,
)
from jenkins_notary.remote.address import find_proxy, parse_service_url
from jenkins_notary.remote.http import Request, Route, exchange
from jenkins_notary.service.sections import Section
from jenkins_notary.tlog.note import SignedNote, format_note, parse_note
from jenkins_notary.tlog.proofs import consistency_proof

if TYPE_CHECKING:
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.remote.http import Answer
    from jenkins_notary.service.session import ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.tlog.note import NoteSignature

ANSWER_S = 5.0
"""Seconds that a witness may take."""

MAX_PAUSE_S = 60.0
TOLD_AFTER_S = 16.0
"""The pause after which a witness that does not answer is told of: four attempts."""

_WITNESS = "witness"


class Witness(Section, frozen=True):
    """One witness.

    Attributes:
        url: Its submission prefix.
        vkey: Its verifier key.
    """

    url: str
    vkey: str


class AskedWitness:
    """One witness, and how it went with it.

    Attributes:
        name: Its name.
        fault: Why it did not sign when it was asked last; "" if it did.
        state: ``integrity`` or ``unreachable``, or None for well.
    """

    def __init__(
        self, settings: Witness, state: ServiceState, session: ServiceSession
    ) -> None:
        """Know it; it is not asked yet."""
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
        self.fault = ""
        self.state: str | None = None

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
            self.fault = str(error)[:500]
            self._remember(fault=self.fault)
            if isinstance(error, IntegrityError):
                self.state = "integrity"
            elif self._pause_s >= TOLD_AFTER_S:
                self.state = "unreachable"
            return error
        self._pause_s = self._due = 0.0
        self.fault, self.state = "", None
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
        note = format_note(SignedNote(parse_note(view.note).text, own_signatures(view)))
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


def own_signatures(view: LedgerView) -> tuple[NoteSignature, ...]:
    """Return the log's own signatures of a view's checkpoint."""
    note = parse_note(view.note)
    return tuple(o for o in note.signatures if o.name == view.checkpoint.origin)


def _now() -> str:
    """Return the time, RFC 3339 UTC."""
    return format_time(time.time_ns() // 1_000_000)
