"""Read the request of a controller's hook: the events of its outbox, in order.

``{"outbox", "identity", "instance", "events": [...]}``, docs/formats/outbox.md. A build
chooses what it claims, at the end of its event. Whatever stands there must not keep the
build out of the ledger, nor hold up the events of others: an event whose claims nobody
can read is taken without them, which its record says.
"""

from __future__ import annotations

import json

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.evidence.events import Origin, Outbox, cut_claims, parse_event
from jenkins_notary.service.http.asks import list_of, parse_object
from jenkins_notary.values.canonical import canonical_json
from jenkins_notary.values.digest import is_hex_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.evidence.events import Event

MAX_EVENTS = 500
WITHOUT = "without"
"""The key of what is read that says that the one event's claims were cut away."""

_EVENTS = b'"events":['
_LOST: Mapping[str, str] = {"claims": "refused"}


def parse_delivery(data: bytes, limit: int) -> dict[str, Any]:
    """Return the JSON object of a request, if need be with its first event alone.

    The hook sends again what is not accepted, so that the others have their turn.

    Raises:
        UsageError: The first event cannot be read, its claims aside.
    """
    try:
        return {**parse_object(data, limit), WITHOUT: False}
    except UsageError:
        head, marker, rest = data.partition(_EVENTS)
        if not marker or len(data) > limit:
            raise
    first = _first_of(rest)
    try:
        return {
            **parse_object(b"%b%b%b]}" % (head, marker, first), limit),
            WITHOUT: False,
        }
    except UsageError:
        before = cut_claims(first)
        if before is None:
            raise
        value = parse_object(b"%b%b%b]}" % (head, marker, before), limit)
        return {**value, WITHOUT: True}


def _first_of(events: bytes) -> bytes:
    """Return the bytes of the first of some events; all where it has no end."""
    try:
        text = events.decode()
        _, end = json.JSONDecoder().raw_decode(text)
        return text[:end].encode()
    except (ValueError, RecursionError):
        return events


class Received:
    """Events that came in a request, as a source of the drain.

    Attributes:
        outbox: The outbox that they are of.
        numbers: Their numbers, growing.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        """Take the request's object.

        Raises:
            UsageError: It is not of the form.
        """
        own, identity = value.get("outbox"), value.get("identity")
        if not isinstance(own, str) or len(own) != 32 or not _is_hex(own):
            raise UsageError("outbox", expected="32 hex digits", got=repr(own)[:60])
        if not (identity is None or is_hex_digest(identity)):
            raise UsageError("identity", expected="64 hex digits or null")
        self.outbox = Outbox(own, identity, is_accepted=False, former=frozenset())
        events = list_of(value, "events", MAX_EVENTS)
        self._is_cut = value.get(WITHOUT) is True
        self._events: dict[int, Mapping[str, Any]] = {}
        last = 0
        for one in events:
            seq = one.get("seq") if isinstance(one, dict) else None
            if type(seq) is not int or not last < seq < 1 << 53:
                raise UsageError(
                    "events", expected="growing numbers", got=repr(seq)[:40]
                )
            self._events[seq] = one
            last = seq
        self.numbers: Sequence[int] = [*self._events]

    def read(self, number: int) -> Origin:
        """Return an event, without its claims where nobody can read them.

        Raises:
            IntegrityError: It is malformed without them too.
        """
        return Origin(self.outbox.id, self._parse(number))

    def delete(self, number: int) -> None:
        """Do nothing: the hook deletes what was accepted."""

    def set_aside(self, number: int) -> str:
        """Refuse the request: the hook sets the event aside itself.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"event {number}",
            expected="an event that can be recorded, with claims that may be made",
            advice="it is set aside by the hook",
        )

    def _parse(self, number: int) -> Event:
        """Return an event, if need be without its claims."""
        subject, value = f"event {number}", self._events[number]
        if self._is_cut:
            return parse_event(canonical_json(value), subject=subject, lost=_LOST)
        try:
            return parse_event(canonical_json(value), subject=subject)
        except IntegrityError:
            if not value.get("claims"):
                raise
            rest = canonical_json({**value, "claims": []})
            return parse_event(rest, subject=subject, lost=_LOST)


def _is_hex(text: str) -> bool:
    """Return whether a text is lower-case hex digits."""
    return all(char in "0123456789abcdef" for char in text)
