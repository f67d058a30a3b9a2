"""Sign what is to be recorded: statements become envelopes.

An author holds the keys of one call, its clock and its randomness. Every statement of
our own carries ``recordId`` (128 random bits, made once a call), ``claimedAt`` (the
author's clock, a claim) and ``signer`` (id and public key of the first key, so that a
record can be checked against a bare signer id).
"""

from __future__ import annotations

import time
from base64 import b64encode

from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.envelope import (
    PAYLOAD_TYPE,
    Signature,
    format_envelope,
    pae,
)
from jenkins_notary.values.statement import (
    EXTENSION,
    format_statement,
    predicate_uri,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.ports import Signer
    from jenkins_notary.values.statement import Subject


class Author(NamedTuple):
    """Who signs the records of one call.

    Attributes:
        signers: At least one; the first names the record's signer, the others
            co-sign (a threshold of administrators).
        record_id: 32 hex digits of the call's record id.
        claimed_at_ms: The author's clock when the call began, ms UTC.
    """

    signers: tuple[Signer, ...]
    record_id: str
    claimed_at_ms: int

    def sign(
        self, own_type: str, subjects: Sequence[Subject], facts: Mapping[str, object]
    ) -> bytes:
        """Return the envelope of a statement of one of our own types.

        Args:
            own_type: A word of ``values.statement.OWN_TYPES``.
            subjects: What it is about.
            facts: The predicate's further keys; those with None are left out.
        """
        return self.sign_payload(
            format_statement(predicate_uri(own_type), subjects, self._complete(facts))
        )

    def sign_standard(
        self,
        predicate_type: str,
        subjects: Sequence[Subject],
        predicate: Mapping[str, object],
        facts: Mapping[str, object],
    ) -> bytes:
        """Return the envelope of a statement with a standard predicate.

        Args:
            predicate_type: The predicate's type URI.
            subjects: What it is about.
            predicate: The predicate in its own shape.
            facts: What stands under our extension key; those with None are left out.
        """
        extended = {**predicate, EXTENSION: self._complete(facts)}
        return self.sign_payload(format_statement(predicate_type, subjects, extended))

    def sign_payload(self, payload: bytes) -> bytes:
        """Return the envelope of a statement's bytes, signed by every key."""
        message = pae(PAYLOAD_TYPE, payload)
        return format_envelope(
            payload,
            tuple([Signature(one.keyid, one.sign(message)) for one in self.signers]),
        )

    def _complete(self, facts: Mapping[str, object]) -> dict[str, object]:
        """Return facts with what every record of this author has."""
        return {
            "recordId": self.record_id,
            "claimedAt": format_time(self.claimed_at_ms),
            "signer": describe_signer(self.signers[0]),
            **{key: value for key, value in facts.items() if value is not None},
        }


def describe_signer(signer: Signer) -> dict[str, str]:
    """Return the JSON form of a signer: its id and public key."""
    return {"id": signer.keyid, "publicKey": b64encode(signer.public_der).decode()}


def format_time(at_ms: int) -> str:
    """Return RFC 3339 UTC with milliseconds.

    >>> format_time(1767323045006)
    '2026-01-02T03:04:05.006Z'
    """
    seconds, ms = divmod(at_ms, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ms:03d}Z"
