"""Fold the trust records of a log into who may speak: signers, orgs, administrators.

A trust record is a signed statement of type ``trust`` whose predicate names one
action, such as (all of them: ``actions``)::

    {"action": "enrol", "signerId": "0x...", "publicKey": "<base64 DER>",
     "level": 1, "orgs": ["acme"], "origin": "example.com/1a2b3c4d"}

Rules:

1. The record at index 0 is the genesis. It counts if as many of the administrators
   that it names as its threshold asks for have signed it.
2. Every later record counts only if as many administrators, valid at its index, have
   signed it. One that does not count is ignored and listed, for anyone may append.
   One whose ``origin`` is another log's was made for that log, and does not count.
3. A revocation names an index: what its signer recorded there or later is revoked.
   It cannot be taken back: enrol a new key. It does not reach back into trust records
   that counted when they came: what a revoked administrator enrolled is revoked apart.
4. A signer belongs to an org at an index if the last change up to that index put it
   in, or, where there is none, if the first change after it does: an administrator
   vouches for a key, not for a date.
5. A log that follows another one takes over its records, each at its old index, but
   for record 0. The fold then starts with the old genesis, which the new one carries,
   and trust records made for the old origin count up to the size that was taken over.
   The administrators whom the new genesis names have signed it; whether they were the
   old log's at that size is checked by who follows (``ledger.succession``).

What is left out: the check of statuses (``verdict``) and of policies (``policy``).
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.actions import (
    DEFAULT_LEVEL,
    ChangeOrg,
    Enrol,
    Exempt,
    Genesis,
    MalformedError,
    Revoke,
    RotateKey,
    SetAdministrators,
    SetLevel,
    parse_action,
)
from jenkins_notary.trust.record import has_signature
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.ports import Verifier
    from jenkins_notary.trust.actions import Inheritance
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.envelope import Envelope

NOT_ENROLLED_LEVEL = -1

MAX_ANCESTORS = 16
"""The longest chain of logs of which each follows another."""


class Enrolment(NamedTuple):
    """One enrolled signer.

    Attributes:
        public_der: DER SubjectPublicKeyInfo; its hash is the signer's id.
        level: The integer that an administrator gave.
        index: Where the signer was first enrolled.
        revoked_from: From which index on its records are revoked, or None.
    """

    public_der: bytes
    level: int
    index: int  # type: ignore[assignment]  # Hides tuple.index.
    revoked_from: int | None = None


class Ignored(NamedTuple):
    """A trust record that does not count, and why."""

    index: int  # type: ignore[assignment]  # Hides tuple.index.
    reason: str


class Exemption(NamedTuple):
    """An administrator's exemption of one digest, until it expires."""

    index: int  # type: ignore[assignment]  # Hides tuple.index.
    owner: str
    reason: str
    expires_at: str


class Trust:
    """Who may speak, as of the trust records that were applied.

    Attributes:
        origin: The log's origin, as the genesis names it; "" before it.
        administrators: Public key (DER) by signer id.
        threshold: How many administrators must sign a trust record.
        signers: Enrolment by signer id.
        exemptions: Exemption by SHA-256 hex.
        ledger_keys: (index, note) of each ledger-key rotation, in order.
        ignored: Trust records that do not count.
        succeeds: The last checkpoint note of the origin that this one follows.
        inherits: What was taken over from that origin, or None.
    """

    def __init__(self, verifier: Verifier) -> None:
        """Start with nobody."""
        self._verifier = verifier
        self._changes: dict[str, dict[str, list[tuple[int, bool]]]] = {}
        self.origin = ""
        self.administrators: dict[str, bytes] = {}
        self.threshold = 1
        self.signers: dict[str, Enrolment] = {}
        self.exemptions: dict[str, Exemption] = {}
        self.ledger_keys: list[tuple[int, str]] = []
        self.ignored: list[Ignored] = []
        self.succeeds: str | None = None
        self.inherits: Inheritance | None = None
        self._ancestors: dict[str, int] = {}

    def apply(self, record: ProvenRecord) -> None:
        """Apply the next trust record, in log order.

        Raises:
            IntegrityError: The genesis is not at index 0 or does not count, or a
                trust record's envelope is gone.
        """
        if record.statement is None or record.envelope is None:
            raise IntegrityError(
                f"trust record #{record.index}",
                expected="an envelope",
                got="none",
                advice="trust records cannot be erased: restore a backup",
            )
        predicate = record.statement.predicate
        if not self.origin:
            self._apply_genesis(record, predicate, MAX_ANCESTORS)
            return
        if not self._is_authorized(record):
            self.ignored.append(
                Ignored(record.index, "not signed by enough administrators")
            )
            return
        try:
            self._follow(record.index, predicate)
        except MalformedError as error:
            self.ignored.append(Ignored(record.index, str(error)))

    def is_member(self, signer: str, org: str, index: int) -> bool:
        """Return whether a signer speaks for an org at an index (rule 4)."""
        changes = self._changes.get(org, {}).get(signer, [])
        upto = [joined for at, joined in changes if at <= index]
        if upto:
            return upto[-1]
        return bool(changes) and changes[0][1]

    def is_revoked(self, signer: str, index: int) -> bool:
        """Return whether what a signer recorded at an index is revoked (rule 3)."""
        enrolment = self.signers.get(signer)
        return (
            enrolment is not None
            and enrolment.revoked_from is not None
            and index >= enrolment.revoked_from
        )

    def level(self, signer: str) -> int:
        """Return a signer's level; -1 for one that is not enrolled."""
        enrolment = self.signers.get(signer)
        return NOT_ENROLLED_LEVEL if enrolment is None else enrolment.level

    def orgs(self) -> Mapping[str, tuple[str, ...]]:
        """Return the present members by org, sorted."""
        members = {
            org: tuple(sorted(one for one, moves in log.items() if moves[-1][1]))
            for org, log in self._changes.items()
        }
        return dict(sorted(members.items()))

    def has_quorum(self, envelope: Envelope, index: int) -> bool:
        """Return whether enough administrators, valid at an index, have signed."""
        signed = {
            signer
            for signer, public_der in self.administrators.items()
            if not self.is_revoked(signer, index)
            and has_signature(envelope, signer, public_der, self._verifier)
        }
        return len(signed) >= self.threshold

    def _apply_genesis(
        self, record: ProvenRecord, predicate: Mapping[str, Any], ancestors: int
    ) -> None:
        """Apply the root of trust (rules 1 and 5)."""
        faulty = IntegrityError(
            "record #0",
            expected="a genesis signed by the administrators that it names",
            got=f"index {record.index}, action {predicate.get('action')!r}",
            advice="the ledger was altered: run ledger verify",
        )
        try:
            action = parse_action(predicate)
        except MalformedError as error:
            raise faulty from error
        if record.index != 0 or not isinstance(action, Genesis) or not ancestors:
            raise faulty
        if action.inherits is not None:
            named = Trust(self._verifier)
            named._set_administrators(0, action.administrators)
            if not named._is_authorized(record):
                raise faulty
            self._inherit(record, action.inherits, ancestors)
        else:
            self._set_administrators(0, action.administrators)
            if not self._is_authorized(record):
                raise faulty
        self.origin, self.succeeds = action.origin, action.succeeds
        self.inherits = action.inherits

    def _inherit(
        self, record: ProvenRecord, inherits: Inheritance, ancestors: int
    ) -> None:
        """Start with the genesis of the origin that this log follows (rule 5)."""
        envelope = parse_envelope(inherits.genesis, subject="inherited genesis")
        statement = parse_statement(envelope.payload, subject="inherited genesis")
        old = record._replace(envelope=envelope, statement=statement)
        self._apply_genesis(old, statement.predicate, ancestors - 1)
        self._ancestors[self.origin] = inherits.size

    def inherited_size(self, origin: str) -> int:
        """Return how many records were taken over from an origin; 0 for none."""
        return self._ancestors.get(origin, 0)

    def _is_authorized(self, record: ProvenRecord) -> bool:
        """Return whether enough administrators, valid at its index, have signed."""
        assert record.envelope is not None  # noqa: S101 - apply() has checked it
        return self.has_quorum(record.envelope, record.index)

    def _follow(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Do what an authorized record orders.

        Raises:
            MalformedError: It orders nothing that can be done here.
        """
        meant_for = predicate.get("origin", self.origin)
        action = parse_action(predicate)
        if isinstance(action, Genesis):
            message = "a second genesis"
            raise MalformedError(message)
        # Administrators may serve several logs with one key: what they signed for one
        # (a staging signer, say) must not be handed in to another.
        is_inherited = index < self._ancestors.get(str(meant_for), 0)
        if meant_for != self.origin and not is_inherited:
            message = f"made for the log {str(meant_for)[:80]!r}"
            raise MalformedError(message)
        if isinstance(action, SetAdministrators):
            self._set_administrators(index, action)
        elif isinstance(action, ChangeOrg):
            for signer in action.signers:
                self._move(index, action.org, signer, joined=action.joined)
        else:
            self._change(index, action)

    def _change(
        self, index: int, action: Enrol | SetLevel | Revoke | RotateKey | Exempt
    ) -> None:
        """Do what concerns one signer, one key or one digest."""
        if isinstance(action, Enrol):
            self._enrol(index, action)
        elif isinstance(action, SetLevel):
            known = self._enrolled(action.signer)
            self.signers[action.signer] = known._replace(level=action.level)
        elif isinstance(action, Revoke):
            known = self._enrolled(action.signer)
            # The earliest of several stands.
            first = action.from_index
            if known.revoked_from is not None:
                first = min(first, known.revoked_from)
            self.signers[action.signer] = known._replace(revoked_from=first)
        elif isinstance(action, RotateKey):
            self.ledger_keys.append((index, action.note))
        else:
            self.exemptions[action.sha256_hex] = Exemption(index, *action[1:])

    def _set_administrators(self, index: int, action: SetAdministrators) -> None:
        """Replace the administrators; each is enrolled as a signer too."""
        self.administrators, self.threshold = dict(action.keys), action.threshold
        for signer, public_der in action.keys.items():
            if signer not in self.signers:
                self.signers[signer] = Enrolment(public_der, DEFAULT_LEVEL, index)

    def _enrol(self, index: int, action: Enrol) -> None:
        """Enrol a signer; a revoked one stays revoked."""
        known = self.signers.get(action.signer)
        self.signers[action.signer] = Enrolment(
            action.public_der,
            action.level,
            index if known is None else known.index,
            None if known is None else known.revoked_from,
        )
        for org in action.orgs:
            self._move(index, org, action.signer, joined=True)

    def _move(self, index: int, org: str, signer: str, *, joined: bool) -> None:
        """Note one change of membership."""
        self._changes.setdefault(org, {}).setdefault(signer, []).append((index, joined))

    def _enrolled(self, signer: str) -> Enrolment:
        """Return the enrolment of a signer.

        Raises:
            MalformedError: There is none.
        """
        known = self.signers.get(signer)
        if known is None:
            message = f"signer {signer[:60]} is not enrolled"
            raise MalformedError(message)
        return known
