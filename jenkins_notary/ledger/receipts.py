"""Make and check receipts: files that prove a record with no ledger at hand.

A receipt is a C2SP ``tlog-proof@v1``. Its ``extra`` line holds the leaf itself when it
is short, so that receipt and verifier key alone show what was recorded. A leaf of many
subjects would make every copy of the receipt as long; there ``extra`` is the commit
time alone, ``{"at":<ms>,"v":1}``, and the leaf is made again from the envelope.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.receipt import (
    Receipt,
    format_receipt,
    parse_receipt,
    verify_receipt,
)
from jenkins_notary.values.canonical import canonical_json, load_json
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.leaf import (
    check_agreement,
    format_leaf,
    parse_leaf,
    project_leaf,
)
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.tlog.checkpoint import Checkpoint
    from jenkins_notary.tlog.note import NoteVerifier
    from jenkins_notary.values.envelope import Envelope
    from jenkins_notary.values.leaf import Leaf
    from jenkins_notary.values.statement import Statement

RECEIPTS_KEPT = 64
EXTRA_LIMIT = 2048
"""The longest leaf that a receipt carries whole."""


class CheckedReceipt(NamedTuple):
    """What a receipt has proven.

    Attributes:
        index: The record's place in the log.
        leaf: The proven leaf.
        checkpoint: The verified checkpoint: "recorded at this size", not "now".
        envelope: The envelope that agrees with the leaf, None when not given; its
            signature is not verified here.
        statement: The envelope's statement, or None.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index.
    leaf: Leaf
    checkpoint: Checkpoint
    envelope: Envelope | None
    statement: Statement | None


def make_receipt(view: LedgerView, index: int) -> bytes:
    """Return the receipt of a record of a view.

    Assets that were recorded together share one, so the last ones made are kept.
    """
    kept = view.receipts.get(index)
    if kept is None:
        entry, leaf = view.leaf(index)
        extra = format_extra(entry, leaf)
        kept = format_receipt(Receipt(index, view.prove(index), view.note, extra))
        view.receipts[index] = kept
        if len(view.receipts) > RECEIPTS_KEPT:
            del view.receipts[next(iter(view.receipts))]
    return kept


def format_extra(entry: bytes, leaf: Leaf) -> bytes:
    """Return the ``extra`` line of a record's receipt."""
    if len(entry) <= EXTRA_LIMIT:
        return entry
    return canonical_json({"at": leaf.at_ms, "v": 1})


def check_receipt(
    data: bytes, verifiers: Sequence[NoteVerifier], *, envelope: bytes | None
) -> CheckedReceipt:
    """Check a receipt offline; return what it proves.

    Args:
        data: The receipt's file.
        verifiers: The log's verifier key, from a place that the caller trusts.
        envelope: The record's DSSE envelope; needed for records of many subjects.

    Raises:
        IntegrityError: Malformed, badly signed, or not what the log holds.
        UsageError: The envelope is needed and was not given.
    """
    receipt = parse_receipt(data)
    entry = _find_entry(receipt, envelope)
    checkpoint = verify_receipt(receipt, verifiers, leaf=entry)
    leaf = parse_leaf(entry, subject="receipt leaf")
    if envelope is None:
        return CheckedReceipt(receipt.index, leaf, checkpoint, None, None)
    parsed, statement = check_agreement(leaf, envelope, subject="receipt")
    return CheckedReceipt(receipt.index, leaf, checkpoint, parsed, statement)


def _find_entry(receipt: Receipt, envelope: bytes | None) -> bytes:
    """Return the log entry that a receipt is about, not yet proven."""
    value = load_json(receipt.extra or b"null", subject="receipt extra")
    if not isinstance(value, dict):
        raise IntegrityError("receipt extra", expected="a leaf or a commit time")
    if value.keys() != {"at", "v"}:
        return receipt.extra or b""
    if envelope is None:
        raise UsageError(
            "receipt",
            expected="the record's envelope beside it",
            got="none",
            advice="give --envelope NAME.dsse.json",
        )
    parsed = parse_envelope(envelope)
    statement = parse_statement(parsed.payload)
    if type(value["at"]) is not int or value["v"] != 1:
        raise IntegrityError("receipt extra", expected="a commit time")
    return format_leaf(project_leaf(envelope, parsed, statement, value["at"]))
