"""Decide what the ledger says of a digest: the mission's trust rule, step by step.

Input is every proven record that gives the digest, or one linked to it, a status.
:func:`decide` is pure and total: it answers or raises, and never skips a record that
it cannot judge.

1. A record counts only if its signer is enrolled, or named in ``trust.keys``; its
   signature is then checked, and a bad one ends in IntegrityError.
2. ``trust.org`` set: only signers of that org count. Else ``trust.keys`` set: only
   those. Else only the signers with the highest level among those that count.
3. Among these the last in log order wins, except that:

   a. a TRUSTED record after UNTRUSTED or UNSUPPORTED counts only if its signed
      statement names every such record still standing in ``supersedes``, by a signer
      of at least the level of that record's: a rebuild of the same bytes does not
      undo the word of security;
   b. a record at or after its signer's revocation is REVOKED, and lifts nothing;
   c. a record made from a dirty git tree never says TRUSTED.
4. An erased negative record stands by its proven leaf; an erased positive one is
   UNKNOWN.

Source: DESIGN section 6; levels and trust rule after kube-notary.
"""

from __future__ import annotations

from typing import NamedTuple

from jenkins_notary.errors import IntegrityError
from jenkins_notary.trust.record import ProvenRecord, check_signature, claimed_key
from jenkins_notary.values.status import NEGATIVE, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jenkins_notary.ports import Verifier
    from jenkins_notary.trust.signers import Trust


class TrustRule(NamedTuple):
    """Whose word the reader takes.

    Attributes:
        org: Only signers of this org count; wins over ``keys``.
        keys: Only these signer ids count, enrolled or not.
    """

    org: str | None = None
    keys: tuple[str, ...] = ()


class Verdict(NamedTuple):
    """The answer for one digest.

    Attributes:
        digest_hex: The digest that was asked for.
        status: One of the five.
        record: The record that decides, or None when none counts.
        reason: Why, in one sentence.
        advice: What to do next, or "".
        records: Every record that was considered, in log order.
    """

    digest_hex: str
    status: Status
    record: ProvenRecord | None
    reason: str
    advice: str
    records: tuple[ProvenRecord, ...]


def linked_digests(digest_hex: str, records: Iterable[ProvenRecord]) -> frozenset[str]:
    """Return the digests that records link to one, itself included.

    The subjects of one asset are linked: an image's index, its platform manifests
    and their configs are one thing under several digests.
    """
    linked = {digest_hex}
    for record in records:
        for group in _groups(record):
            if digest_hex in group:
                linked |= group
    return frozenset(linked)


def decide(
    digest_hex: str,
    records: Sequence[ProvenRecord],
    trust: Trust,
    rule: TrustRule,
    verifier: Verifier,
) -> Verdict:
    """Return what the ledger says of a digest.

    Args:
        digest_hex: The digest that was asked for.
        records: Every proven record with a status on it or a linked digest.
        trust: Who may speak, as of the same tree size.
        rule: Whose word the reader takes.
        verifier: Signature checks.

    Returns:
        The verdict.

    Raises:
        IntegrityError: A record that counts bears a bad signature.
    """
    ordered = sorted(records, key=lambda record: record.index)
    known = [one for one in ordered if _is_known(one, trust, rule)]
    for record in known:
        _check(record, trust, verifier)
    counted = _apply_rule(known, trust, rule)
    if not counted:
        reason, advice = _explain_nothing(ordered, trust, rule)
        return Verdict(digest_hex, Status.UNKNOWN, None, reason, advice, tuple(ordered))
    status, record, reason, advice = _weigh(digest_hex, counted, trust)
    return Verdict(digest_hex, status, record, reason, advice, tuple(ordered))


def _groups(record: ProvenRecord) -> list[set[str]]:
    """Return the linked digests of each asset that a record names."""
    statement = record.statement
    if statement is None:
        return []
    groups = []
    for asset in statement.predicate.get("assets") or []:
        places = asset.get("subjects") if isinstance(asset, dict) else None
        if isinstance(places, list) and len(places) > 1:
            groups.append(
                {
                    statement.subjects[place].sha256_hex
                    for place in places
                    if type(place) is int and 0 <= place < len(statement.subjects)
                }
            )
    return groups


def _is_known(record: ProvenRecord, trust: Trust, rule: TrustRule) -> bool:
    """Return whether a record's signer can count at all (step 1)."""
    signer = record.leaf.signer
    named = rule.org is None and signer in rule.keys
    return record.leaf.status is not None and (signer in trust.signers or named)


def _check(record: ProvenRecord, trust: Trust, verifier: Verifier) -> None:
    """Check the signature of a record that can count (step 1)."""
    if record.statement is None:
        return
    enrolment = trust.signers.get(record.leaf.signer)
    public_der = claimed_key(record) if enrolment is None else enrolment.public_der
    if public_der is None:
        raise IntegrityError(
            f"record #{record.index}",
            expected=f"the public key of {record.leaf.signer}",
            got="none in the statement",
            advice="enrol the signer: jenkins-notary signer enrol",
        )
    check_signature(record, public_der, verifier)


def _apply_rule(
    known: Sequence[ProvenRecord], trust: Trust, rule: TrustRule
) -> list[ProvenRecord]:
    """Return the records that count under the reader's rule (step 2)."""
    if rule.org is not None:
        org = rule.org
        return [r for r in known if trust.is_member(r.leaf.signer, org, r.index)]
    if rule.keys:
        return [r for r in known if r.leaf.signer in rule.keys]
    highest = max((trust.level(r.leaf.signer) for r in known), default=0)
    return [r for r in known if trust.level(r.leaf.signer) == highest]


def _weigh(
    digest_hex: str, counted: Sequence[ProvenRecord], trust: Trust
) -> tuple[Status, ProvenRecord, str, str]:
    """Walk the records that count in log order (step 3); at least one."""
    standing: list[ProvenRecord] = []
    status, winner, note = Status.UNKNOWN, counted[0], ""
    for record in counted:
        word = record.leaf.status
        revoked = trust.is_revoked(record.leaf.signer, record.index)
        if revoked and standing:
            continue
        if revoked:
            status, winner, note = Status.REVOKED, record, "its signer is revoked"
        elif word in NEGATIVE:
            standing.append(record)
            status, winner, note = word, record, _reason_of(record)
        else:
            standing = [one for one in standing if not _lifts(record, one, trust)]
            if not standing:
                status, note = _positive(record, digest_hex)
                winner = record
            else:
                winner = standing[-1]
                status = winner.leaf.status or Status.UNKNOWN
                note = _reason_of(winner)
    return status, winner, f"record #{winner.index}{note and ': '}{note}", (
        _advise(status, standing)
    )


def _positive(record: ProvenRecord, digest_hex: str) -> tuple[Status, str]:
    """Return the status that a positive record gives (steps 3c and 4)."""
    statement = record.statement
    if statement is None:
        return Status.UNKNOWN, f"its envelope was erased by #{record.erased_by}"
    for asset in statement.predicate.get("assets") or []:
        if not isinstance(asset, dict) or not asset.get("dirty"):
            continue
        places = asset.get("subjects") or []
        if digest_hex in {statement.subjects[p].sha256_hex for p in places}:
            return Status.UNKNOWN, "it was recorded from a dirty tree"
    return Status.TRUSTED, ""


def _lifts(positive: ProvenRecord, negative: ProvenRecord, trust: Trust) -> bool:
    """Return whether a TRUSTED record lifts a negative one (step 3a)."""
    return (
        positive.statement is not None
        and negative.index in positive.statement.supersedes
        and trust.level(positive.leaf.signer) >= trust.level(negative.leaf.signer)
    )


def _reason_of(record: ProvenRecord) -> str:
    """Return the reason that a negative record's statement gives."""
    if record.statement is None:
        return f"its envelope was erased by #{record.erased_by}"
    reason = record.statement.predicate.get("reason")
    return reason if isinstance(reason, str) else ""


def _advise(status: Status, standing: Sequence[ProvenRecord]) -> str:
    """Return the next step for a verdict that is not TRUSTED."""
    if standing:
        named = " ".join(f"--supersede {record.index}" for record in standing)
        return (
            "do not use it; to lift this, a signer of at least its level runs "
            f"jenkins-notary notarize {named} --reason TEXT"
        )
    if status is Status.REVOKED:
        return "notarize it again with a key that is not revoked"
    if status is Status.UNKNOWN:
        return "notarize it again"
    return ""


def _explain_nothing(
    records: Sequence[ProvenRecord], trust: Trust, rule: TrustRule
) -> tuple[str, str]:
    """Return why no record counts, and what to do."""
    with_status = [record for record in records if record.leaf.status is not None]
    if not with_status:
        return "no record names this digest", "notarize it, or check the ledger in use"
    last = with_status[-1]
    signer = last.leaf.signer or "a key of another kind"
    if signer not in trust.signers:
        return (
            f"record #{last.index} is by {signer}, which is not enrolled",
            f"jenkins-notary signer enrol {signer}",
        )
    whose = f"org {rule.org}" if rule.org is not None else "trust.keys"
    return f"record #{last.index} is by {signer}, which is not of {whose}", (
        "ask for another org or key, or let an administrator add the signer"
    )
