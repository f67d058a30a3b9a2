"""Close a log where it is, so that it goes on elsewhere: the same log, the same proofs.

A log that moves is sealed first: its last record says so, and whoever writes reads the
last record. Nobody can have been between the two, for a commit is made on the head that
was read. The copy goes on with a record that opens it; anything else behind a seal is
refused, and so is the opening anywhere but where the seal says::

    {"action": "ledger-seal", "to": "immudb://db.example.com:3322/payments"}
    {"action": "ledger-open", "sealed": 41}

Both count only if enough administrators have signed them: else any signer could close
a log, or let a sealed one go on in two places.
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.leaf import parse_leaf
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from jenkins_notary.ports import LogReader
    from jenkins_notary.values.envelope import Envelope

SEAL, OPEN = "ledger-seal", "ledger-open"
_MARK = b'"type":"administration"'
_MAX_SHOWN = 300


class Seals(NamedTuple):
    """Who may seal and open, and where this log lies.

    Attributes:
        may: Whether enough administrators have signed an envelope.
        place: The URL of the ledger.
    """

    may: Callable[[Envelope], bool]
    place: str


def read_seal(
    reader: LogReader, size: int, may: Callable[[Envelope], bool]
) -> str | None:
    """Return where a log of some size went on, None if it goes on where it is.

    Args:
        reader: The log.
        size: How many records it has.
        may: Whether enough administrators have signed an envelope.

    Cost: one read, and another one where the last record is an act of administration.
    """
    found = reader.entries("main", size - 1, size) if size else []
    if not found or _MARK not in found[0]:
        return None
    leaf = parse_leaf(found[0], subject=f"leaf {size - 1}")
    digest = bytes.fromhex(leaf.envelope_hex)
    data = reader.envelopes([digest]).get(digest)
    if data is None:
        return None
    facts = read_act(data)
    if facts.get("action") != SEAL or not may(parse_envelope(data)):
        return None
    return str(facts.get("to"))[:_MAX_SHOWN]


def check_open(
    reader: LogReader, size: int, envelopes: Sequence[bytes], seals: Seals | None
) -> None:
    """Check that a log goes on here, or is opened by what is appended.

    Args:
        reader: The log.
        size: How many records it has.
        envelopes: What is appended, in order.
        seals: Who may seal and open; None where nobody may.

    Raises:
        ConfigurationError: It was sealed.
        UsageError: Something would stand behind a seal in one commit.
    """
    if any(read_act(one).get("action") == SEAL for one in envelopes[:-1]):
        raise UsageError("records", expected="nothing behind a seal", got="more")
    place = None if seals is None else read_seal(reader, size, seals.may)
    if place is None or seals is None:
        return
    opening = read_act(envelopes[0])
    is_here = place == seals.place and opening.get("sealed") == size - 1
    is_opening = is_here and opening.get("action") == OPEN
    if not is_opening or not seals.may(parse_envelope(envelopes[0])):
        raise sealed_error(size, place)


def read_act(envelope: bytes) -> Mapping[str, Any]:
    """Return what an act of administration says, nothing for any other record."""
    statement = parse_statement(parse_envelope(envelope).payload)
    return statement.facts if statement.type == "administration" else {}


def sealed_error(size: int, place: str) -> ConfigurationError:
    """Return the error for whoever writes to a log that has moved."""
    return ConfigurationError(
        "ledger",
        expected="a log that goes on here",
        got=f"one that was sealed in #{size - 1} and moved to {place}",
        advice="name that one: --ledger or JENKINS_NOTARY_LEDGER",
    )
