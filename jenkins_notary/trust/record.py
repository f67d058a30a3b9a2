"""Hold a record that has been proven to stand in the log.

The type is the proof: a :class:`ProvenRecord` is only made by code that has checked
the leaf against a signed checkpoint and the envelope against the leaf. Whether its
signature counts is decided here, by the caller of :func:`check_signature`.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.keys import decode_public_key, is_signer_id
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

    index: int  # type: ignore[assignment]  # Hides tuple.index.
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
    return carried_key(record.statement, record.leaf.signer)


def check_author(
    envelope: Envelope, statement: Statement, verifier: Verifier, *, subject: str
) -> None:
    """Check that an envelope is by the signer that its leaf would name.

    A ledger that takes records from others checks this before it appends: a record
    under somebody else's signer id can never be taken out again, and would make every
    verdict on its digests an IntegrityError. An envelope whose first key id is none of
    ours (a foreign attestation) names no signer, so there is nothing to check.

    Raises:
        IntegrityError: The first signature is not by the key that the statement
            carries, or it carries none that hashes to the key id.
    """
    signer = envelope.signatures[0].keyid
    if not is_signer_id(signer):
        return
    public_der = carried_key(statement, signer)
    if public_der is None or not has_signature(envelope, signer, public_der, verifier):
        raise IntegrityError(
            subject,
            expected=f"the public key of {signer} and a good signature by it",
            got="no such key" if public_der is None else "a bad signature",
            advice="sign it with its own key; a foreign key id must not begin with 0x",
        )


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


def carried_key(statement: Statement, signer: str) -> bytes | None:
    """Return the DER public key that a statement carries for a signer."""
    described = statement.facts.get("signer")
    text = described.get("publicKey") if isinstance(described, dict) else None
    return decode_public_key(text, signer=signer)


def has_signature(
    envelope: Envelope, signer: str, public_der: bytes, verifier: Verifier
) -> bool:
    """Return whether an envelope bears a good signature by a signer."""
    message = signed_bytes(envelope)
    return any(
        one.keyid == signer and verifier.is_valid(public_der, one.sig, message)
        for one in envelope.signatures
    )
