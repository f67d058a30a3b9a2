"""Administer who may speak: enrolment, levels, orgs, revocation, all as records.

Every act is a trust record, signed by an administrator. Where the ledger asks for
several, the further keys are named with ``co_keys``.
"""

from __future__ import annotations

from base64 import b64encode

from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.inputs import open_file
from jenkins_notary.api.results import SignerInfo
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.trust.actions import DEFAULT_LEVEL, MAX_LEVEL
from jenkins_notary.trust.keys import parse_signer_id, signer_id
from jenkins_notary.trust.record import claimed_key
from jenkins_notary.values.envelope import MAX_SIGNATURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Signer

_ORG_LIMIT = 256


def list_signers(session: Session) -> list[SignerInfo]:
    """Return the enrolled signers, in the order of their enrolment."""
    trust = session.view().trust()
    orgs = trust.orgs()
    return [
        SignerInfo(
            signer,
            one.level,
            tuple(org for org, members in orgs.items() if signer in members),
            signer in trust.administrators,
            one.index,
            one.revoked_from,
        )
        for signer, one in sorted(trust.signers.items(), key=lambda item: item[1].index)
    ]


def enrol_signer(
    session: Session,
    signer_or_pem: str,
    *,
    level: int | None,
    orgs: Sequence[str],
    co_signers: Sequence[Signer],
) -> RecordView:
    """Enrol a signer by its public key.

    Args:
        session: An open ledger.
        signer_or_pem: A PEM file of the public key, or a signer id whose key is taken
            from a record that it signed; its hash must be the id.
        level: The level that it gets; None for the one it has, or 1.
        orgs: Orgs that it joins.
        co_signers: Further administrators' keys.
    """
    signer, public_der = _resolve(session, signer_or_pem)
    known = session.view().trust().signers.get(signer)
    if known is not None and known.revoked_from is not None:
        raise UsageError(
            f"signer {signer}",
            expected="one that is not revoked",
            got=f"revoked from #{known.revoked_from}, which cannot be taken back",
            advice="enrol a new key: jenkins-notary key generate",
        )
    if level is None:
        level = DEFAULT_LEVEL if known is None else known.level
    check_level(level)
    facts = {
        "action": "enrol",
        "signerId": signer,
        "publicKey": b64encode(public_der).decode(),
        "level": level,
        "orgs": [check_org(org) for org in orgs],
    }
    return record_trust(session, facts, co_signers)


def set_administrators(
    session: Session,
    signers_or_pems: Sequence[str],
    *,
    threshold: int | None,
    co_signers: Sequence[Signer],
) -> RecordView:
    """Replace the administrators; those before must sign, as their threshold asks.

    Args:
        session: An open ledger.
        signers_or_pems: The new ones, each as for :func:`enrol_signer`; all of them.
        threshold: How many of the new ones must sign a trust record; None for as many
            as now.
        co_signers: Further present administrators' keys.
    """
    keys = dict(_resolve(session, one) for one in signers_or_pems)
    if threshold is None:
        threshold = session.view().trust().threshold
    most = min(len(keys), MAX_SIGNATURES)
    if not 1 <= threshold <= most:
        raise UsageError(
            "--threshold",
            expected=f"1 to {most} administrators",
            got=f"{threshold}",
        )
    facts = {
        "action": "administrators",
        "administrators": [
            {"id": signer, "publicKey": b64encode(public_der).decode()}
            for signer, public_der in keys.items()
        ],
        "threshold": threshold,
    }
    return record_trust(session, facts, co_signers)


def revoke_signer(
    session: Session, text: str, *, from_index: int | None, co_signers: Sequence[Signer]
) -> RecordView:
    """Revoke a signer: what it recorded at an index or later no longer counts.

    Args:
        session: An open ledger.
        text: The signer id.
        from_index: The first index that is revoked; None for from now on.
        co_signers: Further administrators' keys.
    """
    signer = _enrolled(session, text)
    _check_revocable(session, signer)
    size = session.view().size
    start = size if from_index is None else from_index
    if not 0 < start <= size:
        raise UsageError(
            "--from", expected=f"an index from 1 to {size}", got=f"{start}"
        )
    facts = {"action": "revoke", "signerId": signer, "fromIndex": start}
    return record_trust(session, facts, co_signers)


def set_level(
    session: Session, text: str, level: int, co_signers: Sequence[Signer]
) -> RecordView:
    """Give an enrolled signer another level."""
    check_level(level)
    signer = _enrolled(session, text)
    return record_trust(
        session, {"action": "level", "signerId": signer, "level": level}, co_signers
    )


def change_org(
    session: Session,
    org: str,
    signers: Sequence[str],
    *,
    joined: bool,
    co_signers: Sequence[Signer],
) -> RecordView:
    """Let signers join or leave an org."""
    facts = {
        "action": "org-add" if joined else "org-remove",
        "org": check_org(org),
        "signers": [_enrolled(session, one) for one in signers],
    }
    return record_trust(session, facts, co_signers)


def record_trust(
    session: Session, facts: Mapping[str, object], co_signers: Sequence[Signer]
) -> RecordView:
    """Append a trust record, which must count.

    Raises:
        PermissionDeniedError: The keys at hand are not those of enough administrators.
    """
    session.check_administrators(co_signers)
    author = session.author(*co_signers)
    # A record that names its log cannot be replayed into another one.
    facts = {**facts, "origin": session.view().checkpoint.origin}
    (index,) = session.append([author.sign("trust", [], facts)])
    view = session.view()
    ignored = {one.index: one.reason for one in view.trust().ignored}
    if index in ignored:
        raise UsageError(f"trust record #{index}", got=ignored[index])
    return show_record(view, view.record(index), receipt=False)


def check_level(level: int) -> None:
    """Check a level before it is recorded: a record that orders none stays for good.

    Raises:
        UsageError: Out of range.
    """
    if not 0 <= level <= MAX_LEVEL:
        raise UsageError("level", expected=f"0 to {MAX_LEVEL}", got=f"{level}")


def check_org(org: str) -> str:
    """Return an org's name.

    Raises:
        UsageError: Empty, too long, or not printable.
    """
    if not org.strip() or len(org) > _ORG_LIMIT or not org.isprintable():
        raise UsageError("org", expected=f"1 to {_ORG_LIMIT} printable characters")
    return org


def _check_revocable(session: Session, signer: str) -> None:
    """Refuse to revoke an administrator without whom nobody could administer."""
    view = session.view()
    trust = view.trust()
    left = [
        one
        for one in trust.administrators
        if one != signer and not trust.is_revoked(one, view.size)
    ]
    if signer in trust.administrators and len(left) < trust.threshold:
        raise UsageError(
            f"signer {signer}",
            expected=f"at least {trust.threshold} administrators besides",
            got=f"{len(left)}",
            advice="first name others: jenkins-notary signer administrators",
        )


def _resolve(session: Session, signer_or_pem: str) -> tuple[str, bytes]:
    """Return (signer id, public key) of a PEM file, or of an id that has signed."""
    if signer_or_pem.lower().startswith("0x"):
        signer = parse_signer_id(signer_or_pem)
        return signer, _find_key(session.view(), signer)
    from jenkins_notary.keys.pem import MAX_BYTES, parse_public_pem

    with open_file(signer_or_pem) as stream:
        text = stream.read(MAX_BYTES)
    public_der = parse_public_pem(text, subject=f"public key {signer_or_pem}")
    return signer_id(public_der), public_der


def _enrolled(session: Session, text: str) -> str:
    """Return a signer id that is enrolled."""
    signer = parse_signer_id(text)
    if signer not in session.view().trust().signers:
        raise NotFoundError(
            f"signer {signer}",
            got="not enrolled",
            advice=f"jenkins-notary signer enrol {signer}",
        )
    return signer


def _find_key(view: LedgerView, signer: str) -> bytes:
    """Return the public key of a signer from a record that it signed."""
    known = view.trust().signers.get(signer)
    if known is not None:
        return known.public_der
    from jenkins_notary.ledger.rows import exact_range

    key = exact_range(bytes.fromhex(signer[2:]))
    for index in view.find("signer", *key, newest_first=True):
        record = view.record(index)
        public_der = claimed_key(record)
        if public_der is not None and record.leaf.signer == signer:
            return public_der
    raise NotFoundError(
        f"public key of {signer}",
        got="no record that it signed",
        advice="give its PEM file: jenkins-notary signer enrol FILE.pem",
    )


class Signers:
    """Who may speak on a ledger; ``Notary.signers``."""

    def __init__(self, session: Session) -> None:
        """Hold what is open."""
        self._session = session

    def list(self) -> builtins.list[SignerInfo]:
        """Return the enrolled signers."""
        return list_signers(self._session)

    def orgs(self) -> Mapping[str, tuple[str, ...]]:
        """Return the members of each org."""
        return self._session.view().trust().orgs()

    def enrol(
        self,
        signer_or_pem: str,
        *,
        level: int | None = None,
        orgs: Sequence[str] = (),
    ) -> RecordView:
        """Enrol a signer by its PEM file, or by its id if it has signed a record.

        Args:
            signer_or_pem: The PEM file of its public key, or its id.
            level: Its level; None for the one it has, or 1.
            orgs: Orgs that it joins.
        """
        return enrol_signer(
            self._session,
            signer_or_pem,
            level=level,
            orgs=orgs,
            co_signers=self._session.co_signers(),
        )

    def revoke(self, signer: str, *, from_index: int | None = None) -> RecordView:
        """Revoke what a signer recorded from an index on; None for from now on."""
        return revoke_signer(
            self._session,
            signer,
            from_index=from_index,
            co_signers=self._session.co_signers(),
        )

    def set_administrators(
        self, signers_or_pems: Sequence[str], *, threshold: int | None = None
    ) -> RecordView:
        """Replace the administrators, and how many must sign a trust record.

        Args:
            signers_or_pems: The new ones, all of them: PEM files or signer ids.
            threshold: How many of them must sign; None for as many as now.
        """
        return set_administrators(
            self._session,
            signers_or_pems,
            threshold=threshold,
            co_signers=self._session.co_signers(),
        )

    def set_level(self, signer: str, level: int) -> RecordView:
        """Give an enrolled signer another level."""
        return set_level(self._session, signer, level, self._session.co_signers())

    def change_org(
        self, org: str, signers: Sequence[str], *, joined: bool
    ) -> RecordView:
        """Let signers join or leave an org."""
        return change_org(
            self._session,
            org,
            signers,
            joined=joined,
            co_signers=self._session.co_signers(),
        )
