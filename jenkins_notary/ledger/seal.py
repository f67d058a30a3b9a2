"""Close a log where it is, so that it goes on elsewhere: the same log, the same proofs.

A log that moves is sealed first: its last record says so, and whoever writes reads the
last record. Nobody can have been between the two, for a commit is made on the head that
was read. The copy goes on with a record that opens it; anything else behind a seal is
refused::

    {"action": "ledger-seal", "to": "immudb://db.example.com:3322/payments"}
    {"action": "ledger-open", "sealed": 41}
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.leaf import parse_leaf
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import LogReader

SEAL, OPEN = "ledger-seal", "ledger-open"
_MARK = b'"type":"administration"'
_MAX_SHOWN = 300


def read_seal(reader: LogReader, size: int) -> str | None:
    """Return where a log of some size went on, None if it goes on where it is.

    Cost: one read, and another one where the last record is an act of administration.
    """
    found = reader.entries("main", size - 1, size) if size else []
    if not found or _MARK not in found[0]:
        return None
    leaf = parse_leaf(found[0], subject=f"leaf {size - 1}")
    digest = bytes.fromhex(leaf.envelope_hex)
    data = reader.envelopes([digest]).get(digest)
    if data is None or action_of(data) != SEAL:
        return None
    facts = parse_statement(parse_envelope(data).payload).facts
    return str(facts.get("to"))[:_MAX_SHOWN]


def action_of(envelope: bytes) -> object:
    """Return what an act of administration did, None for any other record."""
    statement = parse_statement(parse_envelope(envelope).payload)
    return statement.facts.get("action") if statement.type == "administration" else None


def sealed_error(origin: str, size: int, place: str) -> ConfigurationError:
    """Return the error for whoever writes to a log that has moved."""
    return ConfigurationError(
        f"ledger {origin}",
        expected="a log that goes on here",
        got=f"one that was sealed in #{size - 1} and moved to {place}",
        advice="name that one: --ledger or JENKINS_NOTARY_LEDGER",
    )
