"""Check a receipt offline: a file, a key, and nothing else."""

from __future__ import annotations

from jenkins_notary.keys.log_policy import load_policy
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.receipts import check_receipt
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.receipt import parse_receipt
from jenkins_notary.trust.record import ProvenRecord, check_signature, claimed_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.ledger.receipts import CheckedReceipt


class ReceiptView(NamedTuple):
    """What a receipt proves: that a record stood in the log at a size.

    It does not prove that the record still stands: only the ledger knows what came
    later.

    Attributes:
        checked: What was proven.
        signed_by: The signer whose signature the envelope bears, None without an
            envelope or without a key to check it by.
    """

    checked: CheckedReceipt
    signed_by: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        index, leaf, checkpoint, _, statement = self.checked
        return {
            "proven": "was recorded; whether it still holds, only the ledger tells",
            "log": checkpoint.origin,
            "index": index,
            "tree_size": checkpoint.size,
            "timestamp": format_time(leaf.at_ms),
            "type": leaf.type,
            "status": leaf.status and leaf.status.name,
            "signer": leaf.signer,
            "signed_by": self.signed_by,
            "job": None if statement is None else statement.job_id,
            "digests": [f"sha256:{one}" for one in leaf.subjects],
        }


def verify_receipt(
    receipt: bytes,
    *,
    vkey: str,
    envelope: bytes | None = None,
) -> ReceiptView:
    """Check a receipt offline.

    Args:
        receipt: The tlog-proof's bytes.
        vkey: The log's verifier key, or a C2SP policy file with the witnesses that
            must have signed, from a place that the caller trusts.
        envelope: The record's DSSE envelope; its signature is checked too.

    Raises:
        IntegrityError: The receipt or the envelope was altered, or is another log's.
        ConfigurationError: The key is malformed.
        UsageError: The envelope is needed and was not given.
    """
    policy = load_policy(vkey)
    checked = check_receipt(receipt, policy.verifiers, envelope=envelope)
    policy.check(parse_receipt(receipt).checkpoint_note)
    record = ProvenRecord(
        checked.index, checked.leaf, checked.envelope, checked.statement
    )
    public_der = claimed_key(record)
    if public_der is None:
        return ReceiptView(checked, None)
    check_signature(record, public_der, KeyVerifier())
    return ReceiptView(checked, checked.leaf.signer)
