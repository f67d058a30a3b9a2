"""Look at a service's log with very little traffic: it has only grown.

For an edge behind a slow or dear line. No copy is kept; a round reads

1. the checkpoint, signed by the expected key (some 300 bytes; no more if it is the one
   of the round before);
2. proofs that log and trust log extend what was seen, some hashes each;
3. one record, drawn by lot, with the proof that it stands in the log.

What does not hold here is judged by the whole check (``DistantLedger.open_view``),
which costs more and says what is wrong. It is that check too that follows a new key or
a succession, and meets a log for the first time.

What it cannot find is what only a copy finds: a record that the log holds and the
service's answers hide (``watch.rounds``).
"""

from __future__ import annotations

import secrets
from base64 import b64decode

from jenkins_notary.errors import IntegrityError
from jenkins_notary.files.pins import load_pin_file, save_pin_file
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.ledger.audit import AuditResult
from jenkins_notary.ledger.pins import Pin
from jenkins_notary.tlog.checkpoint import open_checkpoint, parse_checkpoint
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.tlog.proofs import verify_consistency, verify_inclusion
from jenkins_notary.trust.record import check_author
from jenkins_notary.values.leaf import check_agreement, parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.ports import LogName
    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.watch.distant import DistantLedger


def _draw(below: int) -> int:
    """Return a number below one, which the service cannot foresee."""
    return secrets.randbelow(below)


def run_probe(
    ledger: DistantLedger,
    state_file: str,
    *,
    draw: Callable[[int], int] = _draw,
) -> AuditResult:
    """Look at a log once.

    Args:
        ledger: The service's log.
        state_file: What is kept from one look to the next, as of ``ledger audit``.
        draw: Returns a number below one.

    Raises:
        IntegrityError: The log was forked, rolled back or altered.
        UnavailableError: The service does not answer.
    """
    pin = load_pin_file(state_file)
    seen = None if pin is None else parse_checkpoint(parse_note(pin.note).text)
    found = None if pin is None else _look(ledger, pin, draw)
    if found is None:
        view = ledger.open_view(pin)
        found = Pin(ledger.vkeys[0], view.note), 0
    new, records = found
    save_pin_file(state_file, new)
    now = parse_checkpoint(parse_note(new.note).text)
    return AuditResult(
        now.origin,
        new,
        0 if seen is None else seen.size,
        "" if seen is None else seen.root.hex(),
        now.size,
        now.root.hex(),
        0 if seen is None else seen.trust.size,
        now.trust.size,
        records,
    )


def _look(
    ledger: DistantLedger, pin: Pin, draw: Callable[[int], int]
) -> tuple[Pin, int] | None:
    """Return (what is seen now, records read), None where that does not hold."""
    seen = parse_checkpoint(parse_note(pin.note).text)
    try:
        note = ledger.reader.checkpoint() or b""
        vkey = ledger.choices.log or pin.vkey
        now = open_checkpoint(note, [load_log_verifier(vkey)]).checkpoint
        if now.origin != seen.origin or now.size < seen.size:
            return None
        _check_growth(ledger, "main", seen.size, seen.root, now.size, now.root)
        _check_growth(ledger, "trust", *seen.trust, *now.trust)
        return Pin(vkey, note), _read_one(ledger, now, draw(now.size))
    except IntegrityError:
        return None


def _check_growth(  # noqa: PLR0917 - the order of the specification
    ledger: DistantLedger,
    log: LogName,
    old_size: int,
    old_root: bytes,
    size: int,
    root: bytes,
) -> None:
    """Check that a log extends what was seen of it."""
    proof: list[bytes] = []
    if old_size not in {0, size}:
        proof = ledger.ask_proof(f"log={log}&from={old_size}&size={size}")
    verify_consistency(old_size, old_root, size, root, proof)


def _read_one(ledger: DistantLedger, now: Checkpoint, index: int) -> int:
    """Return how many records were proven: 1, or 0 for one that was erased."""
    record = ledger.read_packed(index)
    proof = ledger.ask_proof(f"index={index}&size={now.size}")
    verify_inclusion(hash_leaf(record.entry), index, now.size, proof, now.root)
    if record.envelope is None:
        return 0
    subject = f"record #{index}"
    leaf = parse_leaf(record.entry, subject=subject)
    envelope, statement = check_agreement(leaf, record.envelope, subject=subject)
    check_author(envelope, statement, ledger.signatures, subject=subject)
    return 1


def decode_proof(value: object) -> list[bytes]:
    """Return the hashes in an answer.

    Raises:
        IntegrityError: They are none.
    """
    try:
        if isinstance(value, list):
            return [b64decode(one, validate=True) for one in value]
    except (TypeError, ValueError):
        pass
    raise IntegrityError("answer of the service", expected="a proof", got="another")
