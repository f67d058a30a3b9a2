"""Remember which auditors have read the log, and how far it went then.

An auditor works on another host and reports to his own people; what he found is not
known here. That he has come at all, and when, is: a service that nobody audits says so.
"""

from __future__ import annotations

import time

from jenkins_notary.ledger.author import format_time
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.access.rules import Principal
    from jenkins_notary.service.state import ServiceState

REMEMBERED_MS = 400 * 24 * 3600 * 1000
"""An auditor who has not come for so long is forgotten."""

_KIND = "audit"
_AGAIN_MS = 10_000


def note_audit(state: ServiceState, who: Principal, note: bytes) -> None:
    """Take note that an auditor reads a checkpoint; at most every ten seconds."""
    if who.role != "auditor" or not who.name:
        return
    now_ms = time.time_ns() // 1_000_000
    known = state.get(_KIND, who.name) or {"since": now_ms, "at": 0}
    if now_ms - known["at"] < _AGAIN_MS:
        return
    size = parse_checkpoint(parse_note(note).text).size
    value = {"since": known["since"], "at": now_ms, "size": size}
    state.put(_KIND, who.name, value, ends_ms=now_ms + REMEMBERED_MS)


def list_audits(state: ServiceState) -> list[dict[str, Any]]:
    """Return what is known of each auditor, who came last first."""
    found = sorted(state.scan(_KIND), key=lambda one: -one[1]["at"])
    return [
        {
            "by": name,
            "since": format_time(value["since"]),
            "at": format_time(value["at"]),
            "size": value["size"],
        }
        for name, value in found
    ]
