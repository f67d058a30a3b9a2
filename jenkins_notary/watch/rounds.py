"""Audit a service's log for one round: it only grew, and it says what it holds.

A round, in order:

1. the checkpoint is signed by the expected key, and log and trust log extend what the
   auditor's state file pinned (consistency proofs);
2. the auditor's copy grows: each new leaf is proven, each envelope hashed, index and
   trust log are derived from the leaves alone (``ledger.mirror``);
3. records of the past, a sample or all, are read again from the service and proven;
4. the service is asked for its word on digests: all that new records give a status, and
   some of those that were ever untrusted. It must be the copy's word at the same size;
5. the new checkpoint is pinned.

A service that rewrites, forks or rolls back its log ends in IntegrityError at 1 or 2;
one that destroyed records at 3; one that hides an UNTRUSTED from who asks at 2 or 4.
The pin then stays as it was.

The copy lies beside the state file, as ``<state>.copy``: a ledger without a key.

What it cannot find: a service that answers the auditor right and others wrong. Those
others find it by their own copy, or by receipts that two of them compare.
"""

from __future__ import annotations

import os
import time

from jenkins_notary.errors import IntegrityError, StorageError
from jenkins_notary.files.pins import load_pin_file, save_pin_file
from jenkins_notary.ledger.mirror import Mirror
from jenkins_notary.ledger.pins import Pin
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.status import NEGATIVE
from jenkins_notary.watch.distant import open_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.watch.distant import DistantLedger

    Sample = Callable[[int, int], Sequence[int]]

SAMPLES = 100
"""Records of the past that are read again, and digests that are asked again."""

MAX_ASKED = 2000
"""Digests that one round asks the service for."""

_QUESTION = 100


class Round(NamedTuple):
    """What one round has proven.

    Attributes:
        origin: The log.
        old_size: Records in the pinned checkpoint; 0 at first contact.
        old_root_hex: Its root; "" at first contact.
        size: Records now.
        root_hex: The root now.
        old_trust_size: Entries of the trust log then.
        trust_size: Entries now.
        records: Records whose leaf and envelope were checked.
        verdicts: Digests of which the service says what the copy says.
        witnessed: Records that a quorum of witnesses has signed; 0 if none is asked.
        checkpoint: The note that is pinned now.
    """

    origin: str
    old_size: int
    old_root_hex: str
    size: int
    root_hex: str
    old_trust_size: int
    trust_size: int
    records: int
    verdicts: int
    witnessed: int
    checkpoint: str

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return dict(self._asdict())


def run_round(
    ledger: DistantLedger, state_file: str, *, full: bool, draw: Sample
) -> Round:
    """Audit a log once.

    Args:
        ledger: The service's log.
        state_file: What the auditor keeps from one round to the next; made at first.
        full: Read every record of the past again, not a sample.
        draw: ``draw(population, count)``: that many different numbers below a bound.

    Raises:
        IntegrityError: The log is not what it was, or the service not honest.
        UnavailableError: The service does not answer.
    """
    pin = load_pin_file(state_file)
    view = ledger.open_view(pin)
    origin = view.checkpoint.origin
    if pin is not None and _checkpoint(pin).origin != origin:
        # The log rightly follows the one that was audited so far.
        _set_aside(state_file)
        pin = None
    store = open_copy(f"{state_file}.copy", origin, ledger.vkeys[0])
    try:
        work = _Round(ledger, Mirror(store, ledger.signatures), draw)
        work.grow(view)
        known = 0 if pin is None else min(_checkpoint(pin).size, view.size)
        records = work.reread(view, known, full=full) + view.size - work.first
        verdicts = work.compare(view)
        witnessed = ledger.check_witnessed(view, max(1, known))
    finally:
        store.close()
    save_pin_file(state_file, Pin(ledger.vkeys[0], view.note))
    seen = None if pin is None else _checkpoint(pin)
    return Round(
        origin,
        0 if seen is None else seen.size,
        "" if seen is None else seen.root.hex(),
        view.checkpoint.size,
        view.checkpoint.root.hex(),
        0 if seen is None else seen.trust.size,
        view.checkpoint.trust.size,
        records,
        verdicts,
        witnessed,
        view.note.decode(),
    )


class _Round:
    """One round.

    Attributes:
        first: Records that were in the copy before.
    """

    def __init__(self, ledger: DistantLedger, mirror: Mirror, draw: Sample) -> None:
        """Begin with a copy."""
        self.first = mirror.size
        self._ledger = ledger
        self._mirror = mirror
        self._draw = draw
        self._fresh: dict[str, None] = {}

    @property
    def _progress(self) -> Progress:
        return self._ledger.choices.progress

    def grow(self, view: LedgerView) -> LedgerView:
        """Let the copy grow to a view, and remember what got a status."""
        return self._mirror.grow(
            view, self._ledger.reader, visit=self._visit, progress=self._progress
        )

    def reread(self, view: LedgerView, known: int, *, full: bool) -> int:
        """Read records of the past again from the service; return how many."""
        past = min(self.first, known)
        drawn: Sequence[int] = range(past)
        if not full:
            drawn = sorted(self._draw(past, min(SAMPLES, past)))
        for place, _ in enumerate(view.records(drawn), 1):
            if place % SAMPLES == 0 or place == len(drawn):
                self._progress("records", place, len(drawn))
        return len(drawn)

    def compare(self, view: LedgerView) -> int:
        """Compare the service's word on digests with the copy's; return on how many.

        Raises:
            IntegrityError: They differ, or it speaks of an older state.
        """
        own = self._mirror.view(view)
        asked = self._choose(own)
        for start in range(0, len(asked), _QUESTION):
            part = [f"sha256:{one}" for one in asked[start : start + _QUESTION]]
            for item in self._ledger.ask_verdicts(part):
                own = self._compare_one(own, item, view.size)
            self._progress("verdicts", start + len(part), len(asked))
        return len(asked)

    def _visit(self, record: ProvenRecord) -> None:
        """Remember the digests that a new record gives a status."""
        if record.leaf.status is None:
            return
        for one in record.leaf.subjects:
            # Those named last are asked for; the copy has all.
            self._fresh.pop(one, None)
            self._fresh[one] = None
        while len(self._fresh) > MAX_ASKED:
            del self._fresh[next(iter(self._fresh))]

    def _choose(self, own: LedgerView) -> list[str]:
        """Return the digests to ask for: new ones, and some with a negative past."""
        negative = sorted(
            {
                one
                for leaf in own.trust_leaves()
                if leaf.status in NEGATIVE
                for one in leaf.subjects
            }
        )
        drawn = self._draw(len(negative), min(SAMPLES, len(negative)))
        return list(dict.fromkeys([*self._fresh, *(negative[one] for one in drawn)]))

    def _compare_one(
        self, own: LedgerView, item: Mapping[str, object], least: int
    ) -> LedgerView:
        """Compare the word on one digest; return the copy, grown to where it stands."""
        state = item.get("as_of")
        size = state.get("tree_size") if isinstance(state, dict) else None
        where = f"service's word on {item['digest']}"
        if type(size) is not int or size < least:
            raise IntegrityError(
                where,
                expected=f"that of {least} records or more, as its checkpoint says",
                got=f"one at {size}",
                advice="it answers from an older state: do not rely on it",
            )
        if size > own.checkpoint.size:
            own = self.grow(self._ledger.open_view())
        digest = str(item["digest"]).partition(":")[2]
        verdict = own.at_size(size).verdict(digest, TrustRule())
        if item.get("status") != verdict.status.name:
            raise IntegrityError(
                where,
                expected=f"{verdict.status.name} at {size} records, as they say",
                got=str(item.get("status"))[:40],
                advice="the service hides or invents a record: do not rely on it",
            )
        return own


def _set_aside(state_file: str) -> None:
    """Keep what was seen of a log that has ended: the evidence of what was lost.

    Raises:
        StorageError: It cannot be renamed.
    """
    try:
        for name in (state_file, f"{state_file}.copy"):
            if os.path.exists(name):
                os.rename(name, f"{name}.{int(time.time())}.ended")
    except OSError as error:
        raise StorageError(
            f"state {state_file}", got=error.strerror or "an error"
        ) from error


def _checkpoint(pin: Pin) -> Checkpoint:
    """Return what a pin has seen."""
    return parse_checkpoint(parse_note(pin.note).text)
