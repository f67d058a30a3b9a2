"""Read the events of a controller's outbox, as its hook writes them.

One event, a file of the outbox (``docs/formats/outbox.md``)::

    {"v": 1, "seq": 7, "at": "2026-01-02T03:04:05.006Z", "event": "finalized",
     "controller": {"url": "https://ci.example.com/", "version": "2.421",
                    "identity": "<64 hex>", "hook": "0.1.0"},
     "job": {"name": "payments/api/main", "type": "WorkflowJob", "url": "..."},
     "build": {"number": 42, "startedAt": 1767323045006, "durationMs": 5300,
               "result": "SUCCESS", "queueId": 7},
     "facts": {...}, "claims": [...]}

The files lie where a controller's own user writes, so an event is as true as the
controller is. Its form is checked all the same: a full disk and a crash write what no
hook would.
"""

from __future__ import annotations

import hashlib
import re
import time
from calendar import timegm

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.evidence.hook_facts import parse_facts
from jenkins_notary.evidence.shaping import (
    flag,
    moment,
    number,
    refuse,
    sha256_hex,
    shape_object,
    text,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ports import Controller
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.jobid import JobId, check_job_name, format_instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.evidence.shaping import Shape

MAX_EVENT_BYTES = 16 << 20
"""The longest event; a hook bounds what it puts into one far below."""

EVENTS = frozenset({"finalized", "build-deleted", "job-deleted", "renamed", "moved"})
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?Z", re.ASCII)
_NOTHING: Mapping[str, str] = {}
_CLAIMS = b',"claims":['
_OUTBOX_ID = re.compile(r"[0-9a-f]{32}")


class Outbox(NamedTuple):
    """What ``outbox.json`` says.

    Attributes:
        id: The outbox's own id, 32 hex digits.
        identity: SHA-256 hex of the controller's identity, or None before it had one.
        is_accepted: Whether an administrator accepted another identity.
        former: Identities that an administrator accepted as the same controller's.
    """

    id: str
    identity: str | None
    is_accepted: bool
    former: frozenset[str]


class Origin(NamedTuple):
    """Where records come from: one event of one outbox.

    Attributes:
        outbox: The outbox's id.
        event: The event.
    """

    outbox: str
    event: Event

    @property
    def record_id(self) -> str:
        """Return the record id of all that this event becomes."""
        return derive_record_id("outbox", self.outbox, str(self.event.seq))

    def describe(self) -> dict[str, Any]:
        """Return the ``event`` object of a record."""
        event = self.event
        return {
            "outbox": self.outbox,
            "seq": event.seq,
            "kind": event.kind,
            "at": format_time(event.at_ms),
        }


class Event(NamedTuple):
    """One event.

    Attributes:
        seq: Its number in the outbox, from 1.
        at_ms: When it happened, ms UTC, by the controller's clock.
        kind: A word of :data:`EVENTS`.
        controller: Who says so; its instance is that of its URL.
        hook_version: Version of the hook, or None.
        job: Full name of the job.
        build: ``number``, ``startedAt``, and what is known of ``durationMs``,
            ``result``, ``queueId``; None for an event of a whole job.
        old_name: Full name before a rename or move, or None.
        new_name: Full name after it, or None.
        range: ``first``, ``last`` and ``count`` of a deleted job's builds, or None.
        facts: What only the controller knows, cleaned.
        faults: What is wrong with facts that were left out, by name; and with the
            claims, where the hook left them out.
        claims: What the build itself claims, JSON objects, not looked into.
        lost: Gaps of the build's record: parts of the event that nobody can read.
    """

    seq: int
    at_ms: int
    kind: str
    controller: Controller
    hook_version: str | None
    job: str
    build: Mapping[str, Any] | None
    old_name: str | None
    new_name: str | None
    range: Mapping[str, Any] | None
    facts: Mapping[str, Any]
    faults: Mapping[str, str]
    claims: tuple[Mapping[str, Any], ...]
    lost: Mapping[str, str]

    @property
    def build_id(self) -> JobId | None:
        """Return the job id of the build, or None for an event of a whole job."""
        if self.build is None:
            return None
        return JobId(self.controller.instance, self.job, self.build["number"])


def parse_outbox(data: bytes, *, subject: str) -> Outbox:
    """Return what an outbox says of itself.

    Raises:
        IntegrityError: No such file's content.
    """
    value = load_json(data, subject=subject, limit=1 << 16)
    try:
        own = shape_object(value, _OUTBOX)
    except ValueError as error:
        raise IntegrityError(subject, expected=f"an outbox, {error}") from error
    if own.get("v") != 1 or not _OUTBOX_ID.fullmatch(own.get("id", "")):
        raise IntegrityError(subject, expected="v 1 and an id of 32 hex digits")
    former = [one.get("identity") for one in own.get("former", ())]
    return Outbox(
        own["id"],
        own.get("identity"),
        own.get("accepted", False),
        frozenset(one for one in former if one is not None),
    )


def parse_event(
    data: bytes, *, subject: str, lost: Mapping[str, str] = _NOTHING
) -> Event:
    """Return the event in a file of the outbox.

    Args:
        data: The file's bytes.
        subject: Which file, for the message.
        lost: What was taken out of it before.

    Raises:
        IntegrityError: Not an event of version 1, or one without what its kind needs.
    """
    value = load_json(data, subject=subject, limit=MAX_EVENT_BYTES)
    try:
        own = shape_object(value, _EVENT)
    except ValueError as error:
        raise IntegrityError(subject, expected=f"an event, {error}") from error
    kind = own.get("event")
    if own.get("v") != 1 or kind not in EVENTS:
        raise IntegrityError(
            subject,
            expected=f"an event of version 1: {', '.join(sorted(EVENTS))}",
            got=f"v {own.get('v')}, {str(kind)[:40]!r}",
            advice="a newer hook may have written it: upgrade",
        )
    _check_whole(own, kind, subject)
    facts, faults = parse_facts(own.get("facts", {}))
    for name in own.get("dropped", ()):
        faults.setdefault(name, "too long for an event")
    controller = own["controller"]
    return Event(
        own["seq"],
        parse_time(own["at"], subject=f"{subject} at"),
        kind,
        _parse_controller(controller, subject),
        controller.get("hook"),
        own["job"]["name"],
        own.get("build"),
        own.get("from"),
        own.get("to"),
        own.get("range"),
        facts,
        faults,
        tuple(own.get("claims", ())),
        lost,
    )


def cut_claims(data: bytes) -> bytes | None:
    """Return an event without the claims that stand at its end, or None: it has none.

    A build chooses its claims, and whatever they are must not keep the build out of the
    ledger. The bytes need not be JSON, and may be cut off: in what a hook writes, the
    marker stands first before the claims, for no fact has such a key and no JSON text
    holds its quotes bare.

    >>> cut_claims(b'{"seq":1,"facts":{},"claims":[{"n":')
    b'{"seq":1,"facts":{}}'
    """
    before, marker, _ = data.partition(_CLAIMS)
    return before + b"}" if marker else None


def parse_time(value: object, *, subject: str) -> int:
    """Return the milliseconds of an RFC 3339 time in UTC.

    >>> parse_time("2026-01-02T03:04:05.006Z", subject="at")
    1767323045006

    Raises:
        IntegrityError: No such time.
    """
    matched = _TIME.fullmatch(value) if isinstance(value, str) else None
    try:
        if matched:
            parts = time.strptime(matched[1], "%Y-%m-%dT%H:%M:%S")
            return timegm(parts) * 1000 + int((matched[2] or "0").ljust(3, "0"))
    except ValueError:
        pass
    raise IntegrityError(
        subject, expected="an RFC 3339 time in UTC", got=repr(value)[:60]
    )


def derive_record_id(*parts: str) -> str:
    """Return a record id that the same thing always has: 32 hex digits.

    >>> derive_record_id("outbox", "0" * 32, "7")
    '8387a3cafcdcff3fd75063cdc494d0f6'
    """
    joined = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]


def _check_whole(own: Mapping[str, Any], kind: str, subject: str) -> None:
    """Check that an event has what its kind needs, and names that can be."""
    needed = {"seq", "at", "controller", "job"}
    if kind in {"finalized", "build-deleted"}:
        needed.add("build")
    if kind in {"renamed", "moved"}:
        needed |= {"from", "to"}
    missing = sorted(needed - own.keys())
    if "build" in needed and not missing:
        missing = sorted({"number", "startedAt"} - own["build"].keys())
    if "name" not in own.get("job", {}):
        missing.append("job.name")
    if missing:
        raise IntegrityError(
            subject, expected=f"an event {kind} with {', '.join(missing)}"
        )
    names = [own["job"]["name"], own.get("from"), own.get("to")]
    try:
        for name in names:
            if name is not None:
                check_job_name(name)
    except UsageError as error:
        raise IntegrityError(
            f"{subject} {error.subject}", expected=error.expected
        ) from error


def _parse_controller(own: Mapping[str, Any], subject: str) -> Controller:
    """Return the controller that an event names."""
    url = own.get("url", "")
    try:
        instance = format_instance(url)
    except UsageError as error:
        raise IntegrityError(
            f"{subject} controller",
            expected="the URL of the controller",
            got=url[:80] or "none",
            advice="set the Jenkins URL under Manage Jenkins, System",
        ) from error
    return Controller(instance, url, own.get("version", ""), own.get("identity"))


def _object(value: object) -> dict[str, Any]:
    """Return an object as it is; what uses it looks into it."""
    if not isinstance(value, dict):
        refuse("an object")
    return value


def _name(value: object) -> str:
    """Return a job's full name; whether it is one is checked later, by name."""
    if not isinstance(value, str):
        refuse("text")
    return value


def _positive(value: object) -> int:
    """Return a number from 1."""
    found = number(value)
    if not found:
        refuse("a number from 1")
    return found


_OUTBOX: Mapping[str, Shape] = {
    "v": number,
    "id": text(32),
    "identity": sha256_hex,
    "accepted": flag,
    "former": [{"identity": sha256_hex}],
}
_EVENT: Mapping[str, Shape] = {
    "v": number,
    "seq": _positive,
    "at": text(40),
    "event": text(40),
    "controller": {
        "url": text(2048),
        "version": text(100),
        "identity": sha256_hex,
        "hook": text(100),
    },
    "job": {"name": _name, "type": text(200), "url": text(2048)},
    "build": {
        "number": _positive,
        "startedAt": moment,
        "durationMs": number,
        "result": text(20),
        "queueId": number,
    },
    "from": _name,
    "to": _name,
    "range": {"first": number, "last": number, "count": number},
    "facts": _object,
    "dropped": [text(40)],
    "claims": [_object],
}
