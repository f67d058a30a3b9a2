"""Hold a record that has been proven to stand in the log.

The type is the proof: a :class:`ProvenRecord` is only made by code that has checked
the leaf against a signed checkpoint and the envelope against the leaf. Whether its
signature counts is decided here, by the caller of :func:`check_signature`.
"""

from __future__ import annotations

from typing import NamedTuple

from jenkins_notary.errors import IntegrityError
from jenkins_notary.trust.keys import decode_public_key
from jenkins_notary.values.envelope import signed_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.ports import Verifier
    from jenkins_notary.values.envelope import Envelope
    from jenkins_notary.values.leaf import Leaf
    from jenkins_notary.values.statement import Statement


class ProvenRecord(NamedTuple):
    """A record whose leaf is proven and whose envelope agrees with it.

    Attributes:
        index: Place in the main log.
        leaf: The proven leaf.
        envelope: The envelope, or None when it was erased.
        statement: Its statement, or None when it was erased.
        erased_by: Index of the erasure record, or None.
    """

    index: int
    leaf: Leaf
    envelope: Envelope | None
    statement: Statement | None
    erased_by: int | None = None


def claimed_key(record: ProvenRecord) -> bytes | None:
    """Return the DER public key that the statement carries for its own signer.

    It proves nothing but itself: that it hashes to the signer id of the leaf.
    """
    if record.statement is None:
        return None
    signer = record.statement.facts.get("signer")
    text = signer.get("publicKey") if isinstance(signer, dict) else None
    return decode_public_key(text, signer=record.leaf.signer)


def check_signature(
    record: ProvenRecord, public_der: bytes, verifier: Verifier
) -> None:
    """Check the signature of a record's own signer.

    Args:
        record: The record; its envelope must be there.
        public_der: The signer's public key, which the caller trusts.
        verifier: Signature checks.

    Raises:
        IntegrityError: No signature by that signer, or a bad one.
    """
    envelope = record.envelope
    if envelope is None or not has_signature(
        envelope, record.leaf.signer, public_der, verifier
    ):
        raise IntegrityError(
            f"record #{record.index}",
            expected=f"a good signature by {record.leaf.signer}",
            got="none" if envelope is None else "a bad one",
            advice="the ledger or this record was altered: run ledger verify",
        )


def has_signature(
    envelope: Envelope, signer: str, public_der: bytes, verifier: Verifier
) -> bool:
    """Return whether an envelope bears a good signature by a signer."""
    message = signed_bytes(envelope)
    return any(
        one.keyid == signer and verifier.is_valid(public_der, one.sig, message)
        for one in envelope.signatures
    )
