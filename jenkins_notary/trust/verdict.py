"""Decide what the ledger says of a digest: the mission's trust rule, step by step.

Input is every proven record that gives the digest, or one linked to it, a status.
:func:`decide` is pure and total: it answers or raises, and never skips a record that
it cannot judge.

1. A record counts only if its signer is enrolled, or named in ``trust.keys``. One that
   was imported has two (``imports``): all that is asked of a signer is asked of both.
2. ``trust.org`` set: only signers of that org count. Else ``trust.keys`` set: only
   those. Else only the signers with the highest level among those that count. The
   signature of a record that counts is then checked; a bad one ends in IntegrityError.
3. Among these the last in log order wins, except that:

   a. a TRUSTED record after UNTRUSTED or UNSUPPORTED counts only if its signed
      statement names every such record still standing in ``supersedes``, by a signer
      of at least the level of that record's: a rebuild of the same bytes does not
      undo the word of security;
   b. a record at or after its signer's revocation is REVOKED, and lifts nothing;
   c. a record made from a dirty git tree, or by the build of a change request
      (``class`` of its job), never says TRUSTED, and lifts nothing.
4. An erased negative record stands by its proven leaf; an erased positive one is
   UNKNOWN.
5. A record on a linked digest can make the verdict worse, and lift what did, but never
   better than what the records on the digest itself say. Only records that count link
   digests: who may not speak of a digest cannot tie it to a bad or a good one either.
   Nor can a change request.

Source: DESIGN section 6; levels and trust rule after kube-notary.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.imports import voices
from jenkins_notary.trust.record import ProvenRecord, check_signature, claimed_key
from jenkins_notary.values.status import NEGATIVE, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jenkins_notary.ports import Verifier
    from jenkins_notary.trust.signers import Trust
    from jenkins_notary.values.statement import Statement


_KEPT: dict[int, tuple[Statement, Sequence[tuple[bool, set[str]]]]] = {}
_KEPT_LIMIT = 64

CHANGE = "change"
"""The class of a build of a change request, which anybody may send."""


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
        counted: Those on the digest itself that count under the rule.
    """

    digest_hex: str
    status: Status
    record: ProvenRecord | None
    reason: str
    advice: str
    records: tuple[ProvenRecord, ...]
    counted: tuple[ProvenRecord, ...] = ()


def linked_digests(digest_hex: str, records: Iterable[ProvenRecord]) -> frozenset[str]:
    """Return the digests that records link to one, itself included.

    The subjects of one asset are linked: an image's index, its platform manifests
    and their configs are one thing under several digests. What is passed in must be
    records whose word is taken: see :func:`find_links`.
    """
    linked = {digest_hex}
    for record in records:
        for _, group in _assets(record):
            if digest_hex in group:
                linked |= group
    return frozenset(linked)


def find_links(
    digest_hex: str, records: Iterable[ProvenRecord], trust: Trust, rule: TrustRule
) -> frozenset[str]:
    """Return the digests that records which count link to one, itself included."""
    own, _ = _split(digest_hex, records, trust, rule)
    told = [r for r in own if not _is_revoked(r, trust) and not is_of_change(r)]
    return linked_digests(digest_hex, told)


def decide(
    digest_hex: str,
    records: Iterable[ProvenRecord],
    trust: Trust,
    rule: TrustRule,
    *,
    verifier: Verifier,
) -> Verdict:
    """Return what the ledger says of a digest.

    Args:
        digest_hex: The digest that was asked for.
        records: Every proven record with a status on it or a linked digest; others
            change nothing.
        trust: Who may speak, as of the same tree size.
        rule: Whose word the reader takes.
        verifier: Signature checks.

    Returns:
        The verdict.

    Raises:
        IntegrityError: A record that counts bears a bad signature.
    """
    ordered = tuple(sorted(records, key=lambda record: record.index))
    own, others = _split(digest_hex, ordered, trust, rule)
    for record in own:
        _check(record, trust, verifier)
    if not own:
        reason, advice = _explain_nothing(digest_hex, ordered, trust, rule)
        return Verdict(digest_hex, Status.UNKNOWN, None, reason, advice, ordered)
    links = find_links(digest_hex, own, trust, rule)
    linked = [one for one in others if not links.isdisjoint(one.leaf.subjects)]
    for record in linked:
        _check(record, trust, verifier)
    counted = sorted([*own, *linked], key=lambda record: record.index)
    status, winner, reason, advice = _weigh(digest_hex, counted, trust)
    return Verdict(digest_hex, status, winner, reason, advice, ordered, tuple(own))


def is_dirty(record: ProvenRecord, digest_hex: str) -> bool:
    """Return whether a record says that a digest comes from a dirty git tree."""
    return any(dirty and digest_hex in group for dirty, group in _assets(record))


def is_of_change(record: ProvenRecord) -> bool:
    """Return whether a service recorded what the build of a change request sent."""
    job = None if record.statement is None else record.statement.facts.get("job")
    return isinstance(job, dict) and job.get("class") == CHANGE


def _assets(record: ProvenRecord) -> Sequence[tuple[bool, set[str]]]:
    """Return (is dirty, linked digests) of the assets that are dirty or link any.

    A record of hundreds of plain assets is asked about each of them, so the answer is
    kept for the records that were asked about last.
    """
    statement = record.statement
    if statement is None:
        return ()
    kept = _KEPT.pop(id(statement), None)
    # An id is used again once its owner is gone; the owner itself tells.
    if kept is None or kept[0] is not statement:
        kept = (
            statement,
            [
                (dirty, group)
                for dirty, group in _read_assets(statement)
                if dirty or len(group) > 1
            ],
        )
    _KEPT[id(statement)] = kept
    if len(_KEPT) > _KEPT_LIMIT:
        _KEPT.pop(next(iter(_KEPT)), None)
    return kept[1]


def _read_assets(statement: Statement) -> Iterator[tuple[bool, set[str]]]:
    """Yield (is dirty, digests) of each asset that a statement names.

    A place that is no subject's place is left out: a signer may write anything.
    """
    listed = statement.facts.get("assets")
    if not isinstance(listed, list):
        return
    for asset in listed:
        places = asset.get("subjects") if isinstance(asset, dict) else None
        if isinstance(places, list):
            group = {
                statement.subjects[place].sha256_hex
                for place in places
                if type(place) is int and 0 <= place < len(statement.subjects)
            }
            yield bool(asset.get("dirty")), group


def _split(
    digest_hex: str, records: Iterable[ProvenRecord], trust: Trust, rule: TrustRule
) -> tuple[list[ProvenRecord], list[ProvenRecord]]:
    """Return the records that count on the digest itself, and on others (2)."""
    known = [one for one in records if _is_known(one, trust, rule)]
    own = [one for one in known if digest_hex in one.leaf.subjects]
    others = [one for one in known if digest_hex not in one.leaf.subjects]
    if rule.org is None and not rule.keys:
        highest = max((_level(one, trust) for one in own), default=0)
        own = [one for one in own if _level(one, trust) == highest]
        others = [one for one in others if _level(one, trust) >= highest]
    return own, others


def _is_known(record: ProvenRecord, trust: Trust, rule: TrustRule) -> bool:
    """Return whether a record's signer can count at all (1, 2)."""
    if record.leaf.status is None:
        return False
    return all(_counts(one, record.index, trust, rule) for one in voices(record))


def _counts(signer: str, index: int, trust: Trust, rule: TrustRule) -> bool:
    """Return whether a signer's word counts at an index (1, 2)."""
    if rule.org is not None:
        return trust.is_member(signer, rule.org, index) and signer in trust.signers
    return signer in rule.keys if rule.keys else signer in trust.signers


def _level(record: ProvenRecord, trust: Trust) -> int:
    """Return how much a record weighs: no more than any of its signers."""
    return min(trust.level(one) for one in voices(record))


def _is_revoked(record: ProvenRecord, trust: Trust) -> bool:
    """Return whether a record's signer was revoked where it stands."""
    return any(trust.is_revoked(one, record.index) for one in voices(record))


def _check(record: ProvenRecord, trust: Trust, verifier: Verifier) -> None:
    """Check the signature of a record that counts (2)."""
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


def _weigh(
    digest_hex: str, counted: Sequence[ProvenRecord], trust: Trust
) -> tuple[Status, ProvenRecord | None, str, str]:
    """Walk the records that count in log order (3 to 5)."""
    standing: list[ProvenRecord] = []
    last: tuple[Status, ProvenRecord, str] | None = None
    for record in counted:
        if _is_revoked(record, trust):
            status, note = Status.REVOKED, "its signer is revoked"
        elif record.leaf.status in NEGATIVE:
            standing.append(record)
            continue
        else:
            status, note = _read_positive(record, digest_hex)
            if status is Status.UNKNOWN and last is not None:
                # What says nothing hides nothing: a clean record before it stands.
                continue
        if status is Status.TRUSTED:
            standing = [one for one in standing if not _lifts(record, one, trust)]
        if digest_hex in record.leaf.subjects:
            last = status, record, note
    if standing:
        negative = standing[-1]
        assert negative.leaf.status is not None  # noqa: S101 - one of NEGATIVE
        last = negative.leaf.status, negative, _reason_of(negative)
    advice = _advise(Status.UNKNOWN if last is None else last[0], standing)
    if last is None:
        return Status.UNKNOWN, None, "its negative records were superseded", advice
    status, winner, note = last
    return status, winner, f"record #{winner.index}{note and ': '}{note}", advice


def _read_positive(record: ProvenRecord, digest_hex: str) -> tuple[Status, str]:
    """Return (status, note) that a positive record gives (3c, 4)."""
    if record.statement is None:
        return Status.UNKNOWN, f"its envelope was erased by #{record.erased_by}"
    if is_of_change(record):
        return Status.UNKNOWN, "it was recorded by the build of a change request"
    if is_dirty(record, digest_hex):
        return Status.UNKNOWN, "it was recorded from a dirty tree"
    return Status.TRUSTED, ""


def _lifts(positive: ProvenRecord, negative: ProvenRecord, trust: Trust) -> bool:
    """Return whether a TRUSTED record lifts a negative one (3a)."""
    return negative.index in positive.leaf.supersedes and (
        _level(positive, trust) >= _level(negative, trust)
    )


def _reason_of(record: ProvenRecord) -> str:
    """Return the reason that a negative record's statement gives."""
    if record.statement is None:
        return f"its envelope was erased by #{record.erased_by}"
    reason = record.statement.facts.get("reason")
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
    digest_hex: str, records: Sequence[ProvenRecord], trust: Trust, rule: TrustRule
) -> tuple[str, str]:
    """Return why no record counts, and what to do."""
    own = [
        record
        for record in records
        if record.leaf.status is not None and digest_hex in record.leaf.subjects
    ]
    if not own:
        return "no record names this digest", "notarize it, or check the ledger in use"
    last = own[-1]
    strangers = [one for one in voices(last) if one not in trust.signers]
    if strangers:
        who = strangers[0] or "a key of another kind"
        return (
            f"record #{last.index} is by {who}, which is not enrolled",
            f"jenkins-notary signer enrol {who}"
            if strangers[0]
            else "notarize it with a key that can be enrolled",
        )
    signer = last.leaf.signer
    whose = f"org {rule.org}" if rule.org is not None else "trust.keys"
    return f"record #{last.index} is by {signer}, which is not of {whose}", (
        "ask for another org or key, or let an administrator add the signer"
    )
