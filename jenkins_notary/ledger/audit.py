"""Audit a log from outside: the previous checkpoint against the present one.

An auditor keeps a pin of its own, apart from the ledger's host. Each round it checks
that the log and its trust log extend what was seen, hashes the records that came since
again, and keeps the new checkpoint. A log that was rewritten, forked or rolled back
ends in IntegrityError, and the pin stays as it was: two signed notes that contradict
each other are the evidence.

What it cannot find: a fork that is shown to others only; that takes a witness, or two
auditors who compare their pins.

Source: RFC 6962 section 5.4 (auditor); DESIGN section 5; FEATURES D14.
"""

from __future__ import annotations

from itertools import chain

from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.ledger.pins import Pin, check_pin
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView

    Sample = Callable[[int, int], Sequence[int]]
    """``sample(population, count)``: that many different numbers below a bound."""

_STEP = 256


class AuditResult(NamedTuple):
    """What one round of an audit has proven.

    Attributes:
        origin: The log.
        pin: What to keep for the next round.
        old_size: Records in the previous checkpoint; 0 at first contact.
        old_root_hex: Its root; "" at first contact.
        size: Records in the present one.
        root_hex: Its root.
        old_trust_size: Entries of the trust log then.
        trust_size: Entries of the trust log now.
        records: Records that were hashed again, with their envelopes.
    """

    origin: str
    pin: Pin
    old_size: int
    old_root_hex: str
    size: int
    root_hex: str
    old_trust_size: int
    trust_size: int
    records: int

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form; the pin's note as text."""
        fields = self._asdict()
        del fields["pin"]
        return {**fields, "checkpoint": self.pin.note.decode()}


def audit_ledger(
    view: LedgerView,
    pin: Pin | None,
    vkey: str,
    *,
    sample: Sample | None = None,
    samples: int = 100,
    progress: Progress = no_progress,
) -> AuditResult:
    """Check a log against what was seen of it, and records against the log.

    Args:
        view: The log at its present checkpoint, opened with a key that the auditor
            trusts.
        pin: The previous round's pin; None at first contact.
        vkey: The key that the view was opened with, for the next pin.
        sample: Draws which records of the past are read again; those that came since
            are always read. None reads every record.
        samples: How many records of the past are drawn.
        progress: Called with (phase, done, total).

    Returns:
        What was proven.

    Cost: a proof and an envelope a record, about 0.2 ms.

    Raises:
        IntegrityError: The log was rewritten, forked or rolled back; or a record was
            altered.
    """
    old_size, old_root_hex, old_trust_size = 0, "", 0
    if pin is not None:
        seen = parse_checkpoint(parse_note(pin.note).text)
        check_pin(pin, view)
        old_size, old_root_hex = seen.size, seen.root.hex()
        old_trust_size = seen.trust.size
    view.trust()
    drawn: Sequence[int] = ()
    first = 0
    if sample is not None:
        drawn, first = sorted(sample(old_size, min(samples, old_size))), old_size
    total, records = len(drawn) + view.size - first, 0
    for _ in view.records(chain(drawn, range(first, view.size))):
        records += 1
        if records % _STEP == 0 or records == total:
            progress("records", records, total)
    checkpoint = view.checkpoint
    return AuditResult(
        checkpoint.origin,
        Pin(vkey, view.note),
        old_size,
        old_root_hex,
        checkpoint.size,
        checkpoint.root.hex(),
        old_trust_size,
        checkpoint.trust.size,
        records,
    )
