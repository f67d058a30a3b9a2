"""Fold the trust records of a log into who may speak: signers, orgs, administrators.

A trust record is a signed statement of type ``trust`` whose predicate names one
action::

    {"action": "enrol", "signerId": "0x...", "publicKey": "<base64 DER>",
     "level": 1, "orgs": ["acme"]}

========================  =====================================================
action                    further keys
========================  =====================================================
``genesis``               ``origin``, ``administrators`` (list of ``id``,
                          ``publicKey``), ``threshold``; ``succeeds`` (the last
                          checkpoint of the origin that this one follows)
``enrol``                 ``signerId``, ``publicKey``, ``level``, ``orgs``
``level``                 ``signerId``, ``level``
``org-add, org-remove``   ``org``, ``signers``
``revoke``                ``signerId``, ``fromIndex``
``administrators``        ``administrators``, ``threshold``
``ledger-key``            ``note``: the new key, signed by the old and the new one
``exempt``                ``sha256``, ``owner``, ``reason``, ``expiresAt``
========================  =====================================================

Rules:

1. The record at index 0 is the genesis. It counts if as many of the administrators
   that it names as its threshold asks for have signed it.
2. Every later record counts only if as many administrators, valid at its index, have
   signed it. One that does not count is ignored and listed, for anyone may append.
3. A revocation names an index: what its signer recorded there or later is revoked.
   It never names one before the genesis, and cannot be taken back: enrol a new key.
4. A signer belongs to an org at an index if the last change up to that index put it
   in, or, where there is none, if the first change after it does: an administrator
   vouches for a key, not for a date.

What is left out: the check of statuses (``verdict``) and of policies (``policy``).
"""

from __future__ import annotations

from typing import NamedTuple

from jenkins_notary.errors import IntegrityError
from jenkins_notary.trust.keys import decode_public_key
from jenkins_notary.trust.record import has_signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.ports import Verifier
    from jenkins_notary.trust.record import ProvenRecord

MAX_LEVEL = 1_000_000
DEFAULT_LEVEL = 1
NOT_ENROLLED_LEVEL = -1


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
    index: int
    revoked_from: int | None = None


class Ignored(NamedTuple):
    """A trust record that does not count, and why."""

    index: int
    reason: str


class Exemption(NamedTuple):
    """An administrator's exemption of one digest, until it expires."""

    index: int
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
            self._apply_genesis(record, predicate)
            return
        if not self._is_authorized(record):
            self.ignored.append(
                Ignored(record.index, "not signed by enough administrators")
            )
            return
        action = _ACTIONS.get(predicate.get("action", ""))
        try:
            if action is None:
                message = f"unknown action {predicate.get('action')!r}"
                raise _MalformedError(message)  # noqa: TRY301 - one handler for all
            action(self, record.index, predicate)
        except _MalformedError as error:
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

    def _apply_genesis(self, record: ProvenRecord, predicate: Mapping[str, Any]) -> None:
        """Apply the root of trust (rule 1)."""
        faulty = IntegrityError(
            "record #0",
            expected="a genesis signed by the administrators that it names",
            got=f"index {record.index}, action {predicate.get('action')!r}",
            advice="the ledger was altered: run ledger verify",
        )
        if record.index != 0 or predicate.get("action") != "genesis":
            raise faulty
        try:
            self._set_administrators(0, predicate)
            origin, succeeds = predicate.get("origin"), predicate.get("succeeds")
            if not isinstance(origin, str) or not origin:
                message = "no origin"
                raise _MalformedError(message)  # noqa: TRY301 - one handler for all
        except _MalformedError as error:
            raise faulty from error
        if not self._is_authorized(record):
            raise faulty
        self.origin = origin
        self.succeeds = succeeds if isinstance(succeeds, str) else None

    def _is_authorized(self, record: ProvenRecord) -> bool:
        """Return whether enough administrators, valid at its index, have signed."""
        assert record.envelope is not None  # noqa: S101 - apply() has checked it
        signed = {
            signer
            for signer, public_der in self.administrators.items()
            if not self.is_revoked(signer, record.index)
            and has_signature(record.envelope, signer, public_der, self._verifier)
        }
        return len(signed) >= self.threshold

    def _set_administrators(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Replace the administrators; each is enrolled as a signer too."""
        listed = predicate.get("administrators")
        threshold = predicate.get("threshold")
        if not isinstance(listed, list) or not all(isinstance(a, dict) for a in listed):
            message = "no list of administrators"
            raise _MalformedError(message)
        keys = {
            _text(one, "id"): _public_key(one, _text(one, "id")) for one in listed
        }
        if type(threshold) is not int or not 1 <= threshold <= len(keys):
            message = f"threshold {threshold!r} of {len(keys)} administrators"
            raise _MalformedError(message)
        self.administrators, self.threshold = keys, threshold
        for signer, public_der in keys.items():
            if signer not in self.signers:
                self.signers[signer] = Enrolment(public_der, DEFAULT_LEVEL, index)

    def _enrol(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Enrol a signer; a revoked one stays revoked."""
        signer = _text(predicate, "signerId")
        public_der = _public_key(predicate, signer)
        level = _level(predicate)
        orgs = predicate.get("orgs", [])
        if not isinstance(orgs, list) or not all(isinstance(o, str) for o in orgs):
            message = "orgs is no list of names"
            raise _MalformedError(message)
        known = self.signers.get(signer)
        self.signers[signer] = Enrolment(
            public_der,
            level,
            index if known is None else known.index,
            None if known is None else known.revoked_from,
        )
        for org in orgs:
            self._move(index, org, signer, joined=True)

    def _set_level(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Give an enrolled signer another level."""
        signer = self._enrolled(predicate)
        self.signers[signer] = self.signers[signer]._replace(level=_level(predicate))

    def _change_org(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Let signers join or leave an org."""
        org, listed = _text(predicate, "org"), predicate.get("signers")
        if not isinstance(listed, list) or not all(isinstance(s, str) for s in listed):
            message = "signers is no list of ids"
            raise _MalformedError(message)
        for signer in listed:
            self._move(index, org, signer, joined=predicate["action"] == "org-add")

    def _move(self, index: int, org: str, signer: str, *, joined: bool) -> None:
        """Note one change of membership."""
        self._changes.setdefault(org, {}).setdefault(signer, []).append((index, joined))

    def _revoke(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Revoke a signer from an index on; the earliest of several stands."""
        signer = self._enrolled(predicate)
        start = predicate.get("fromIndex")
        if type(start) is not int or start < 0:
            message = f"fromIndex {start!r}"
            raise _MalformedError(message)
        known = self.signers[signer].revoked_from
        first = start if known is None else min(start, known)
        self.signers[signer] = self.signers[signer]._replace(revoked_from=first)

    def _rotate_ledger_key(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Note a rotation of the ledger's key; the reader checks its note."""
        self.ledger_keys.append((index, _text(predicate, "note")))

    def _exempt(self, index: int, predicate: Mapping[str, Any]) -> None:
        """Exempt a digest until a time."""
        self.exemptions[_text(predicate, "sha256")] = Exemption(
            index,
            _text(predicate, "owner"),
            _text(predicate, "reason"),
            _text(predicate, "expiresAt"),
        )

    def _enrolled(self, predicate: Mapping[str, Any]) -> str:
        """Return the signer that a predicate names, which must be enrolled."""
        signer = _text(predicate, "signerId")
        if signer not in self.signers:
            message = f"signer {signer} is not enrolled"
            raise _MalformedError(message)
        return signer


class _MalformedError(ValueError):
    """A predicate that cannot be applied; its record is ignored, not fatal."""


def _text(value: Mapping[str, Any], key: str) -> str:
    """Return a non-empty text of a predicate."""
    text = value.get(key)
    if not isinstance(text, str) or not text:
        message = f"no {key}"
        raise _MalformedError(message)
    return text


def _level(predicate: Mapping[str, Any]) -> int:
    """Return the level of a predicate."""
    level = predicate.get("level", DEFAULT_LEVEL)
    if type(level) is not int or not 0 <= level <= MAX_LEVEL:
        message = f"level {level!r}"
        raise _MalformedError(message)
    return level


def _public_key(value: Mapping[str, Any], signer: str) -> bytes:
    """Return the public key of a predicate; its hash must be the signer's id."""
    public_der = decode_public_key(value.get("publicKey"), signer=signer)
    if public_der is None:
        message = f"the public key does not hash to {signer}"
        raise _MalformedError(message)
    return public_der


_ACTIONS = {
    "enrol": Trust._enrol,  # noqa: SLF001 - the table of this class's own actions
    "level": Trust._set_level,  # noqa: SLF001
    "org-add": Trust._change_org,  # noqa: SLF001
    "org-remove": Trust._change_org,  # noqa: SLF001
    "revoke": Trust._revoke,  # noqa: SLF001
    "administrators": Trust._set_administrators,  # noqa: SLF001
    "ledger-key": Trust._rotate_ledger_key,  # noqa: SLF001
    "exempt": Trust._exempt,  # noqa: SLF001
}
