"""Decide whether an asset passes a policy, and say why not: pure, so replayable.

An asset that no rule matches is denied; one that several match must pass them all.
Every failed check of every rule is reported, with what to do next.

A rule weighs the *verdict*, under its own org or the reader's trust rule, and the
*vouches*: TRUSTED records on the asset's own digest, of which each signer has one, its
newest word. A vouch is signed by the key that its signer id names, and its signer was
not revoked; a record that was erased, came from a dirty tree, or was followed by
another word of the same signer vouches for nothing.

Which vouches a rule counts: those of the signers that it names; else those of its
org's members; else those that count in the verdict. A build that nobody enrolled can
claim any job: its claim is never weighed.

1. ``status``: what the verdict says.
2. ``max_age``: at least one vouch is young enough, by commit time; older ones are no
   longer weighed below.
3. ``signers``: all of these, and enough of those, vouch.
4. ``job``: at least one vouch names a job that matches.

Source: DESIGN section 6; FEATURES B6, B9, B10.
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.patterns import is_match
from jenkins_notary.trust.policy import orgs_of
from jenkins_notary.trust.record import carried_key, has_signature
from jenkins_notary.trust.verdict import TrustRule, decide, is_dirty
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jenkins_notary.ports import Verifier
    from jenkins_notary.trust.policy import JobPattern, Policy, Rule
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.trust.signers import Trust
    from jenkins_notary.trust.verdict import Verdict


class Vouch(NamedTuple):
    """One signer's standing word for a digest; its signature was checked.

    Attributes:
        record: The TRUSTED record.
        orgs: Orgs that its signer speaks for where the record stands.
    """

    record: ProvenRecord
    orgs: frozenset[str]


class AssetFacts(NamedTuple):
    """All that a policy weighs of one asset; :func:`gather_facts` makes it.

    Attributes:
        digest_hex: The asset's own digest.
        name: Its name, as the caller has it; what rules match by is the caller's word.
        kind: Its kind, as the caller has it.
        verdict: The ledger's word under the reader's trust rule.
        org_verdicts: Its word by each org that the policy names.
        vouches: Standing words, by index.
    """

    digest_hex: str
    name: str
    kind: str
    verdict: Verdict
    org_verdicts: Mapping[str, Verdict]
    vouches: tuple[Vouch, ...]


class Reason(NamedTuple):
    """One check that failed.

    Attributes:
        rule: The rule's name; "" when no rule matched.
        check: ``match``, ``status``, ``max_age``, ``signers`` or ``job``.
        expected: What the rule asks for.
        got: What was found.
        advice: What to do next.
    """

    rule: str
    check: str
    expected: str
    got: str
    advice: str


class GateResult(NamedTuple):
    """The gate's answer.

    Attributes:
        allowed: True exactly when there is no reason against it.
        reasons: Every failed check, in the policy's order.
        rules: Names of the rules that matched.
    """

    allowed: bool
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...]


def gather_facts(
    asset: tuple[str, str, str],
    history: Sequence[ProvenRecord],
    policy: Policy,
    *,
    trust: Trust,
    rule: TrustRule,
    verifier: Verifier,
) -> AssetFacts:
    """Return what a policy weighs of an asset.

    Args:
        asset: SHA-256 hex of its own digest, its name, its kind.
        history: Every record with a status on it (``LedgerView.history``).
        policy: The policy, for the orgs that it names.
        trust: Who may speak, as of the same tree size.
        rule: The reader's trust rule.
        verifier: Signature checks.

    Raises:
        IntegrityError: A record that counts bears a bad signature.
    """
    digest_hex, name, kind = asset

    def ask(one: TrustRule) -> Verdict:
        return decide(digest_hex, history, trust, one, verifier=verifier)

    return AssetFacts(
        digest_hex,
        name,
        kind,
        ask(rule),
        {org: ask(TrustRule(org=org)) for org in sorted(orgs_of(policy))},
        _find_vouches(digest_hex, history, trust, orgs_of(policy), verifier=verifier),
    )


def evaluate(policy: Policy, facts: AssetFacts, now_ms: int) -> GateResult:
    """Return whether an asset passes, and every reason why not.

    Args:
        policy: The policy.
        facts: What is known of the asset.
        now_ms: The time that ages are counted to, ms UTC.
    """
    rules = [rule for rule in policy.rules if _is_for(rule, facts)]
    if not rules:
        unmatched = Reason(
            "",
            "match",
            "a rule for it",
            f"{facts.kind} {facts.name}, which no rule matches",
            "add a rule to the policy; what no rule matches is denied",
        )
        return GateResult(allowed=False, reasons=(unmatched,), rules=())
    reasons = [reason for rule in rules for reason in _check(rule, facts, now_ms)]
    names = tuple(rule.name for rule in rules)
    return GateResult(allowed=not reasons, reasons=tuple(reasons), rules=names)


def _find_vouches(
    digest_hex: str,
    history: Sequence[ProvenRecord],
    trust: Trust,
    orgs: Iterable[str],
    *,
    verifier: Verifier,
) -> tuple[Vouch, ...]:
    """Return each signer's newest word, where it is TRUSTED and stands."""
    words: dict[str, ProvenRecord] = {}
    for record in sorted(history, key=lambda one: one.index):
        names_it = digest_hex in record.leaf.subjects
        if names_it and record.leaf.status and _is_signed(record, trust, verifier):
            words[record.leaf.signer] = record
    return tuple(
        Vouch(record, _orgs_at(record, trust, orgs))
        for signer, record in sorted(words.items(), key=lambda item: item[1].index)
        if record.leaf.status is Status.TRUSTED
        and record.statement is not None
        and not is_dirty(record, digest_hex)
        and not trust.is_revoked(signer, record.index)
    )


def _orgs_at(record: ProvenRecord, trust: Trust, orgs: Iterable[str]) -> frozenset[str]:
    """Return the orgs that a record's signer speaks for where it stands."""
    signer = record.leaf.signer
    if signer not in trust.signers:
        return frozenset()
    return frozenset(one for one in orgs if trust.is_member(signer, one, record.index))


def _is_signed(record: ProvenRecord, trust: Trust, verifier: Verifier) -> bool:
    """Return whether a record is the word of the signer that it names.

    An erased one cannot be checked; it is taken as that signer's, for as such it can
    only end an older vouch.
    """
    if record.statement is None or record.envelope is None:
        return True
    signer = record.leaf.signer
    known = trust.signers.get(signer)
    public_der = (
        carried_key(record.statement, signer) if known is None else known.public_der
    )
    return public_der is not None and has_signature(
        record.envelope, signer, public_der, verifier
    )


def _is_for(rule: Rule, facts: AssetFacts) -> bool:
    """Return whether a rule is for an asset."""
    if rule.kinds and facts.kind not in rule.kinds:
        return False
    base = facts.name.rpartition("/")[2]
    return not rule.names or any(
        is_match(pattern, facts.name if "/" in pattern else base)
        for pattern in rule.names
    )


def _check(rule: Rule, facts: AssetFacts, now_ms: int) -> list[Reason]:
    """Return every failed check of one rule, numbered as in the module."""
    verdict = facts.verdict if rule.org is None else facts.org_verdicts.get(rule.org)
    if verdict is None:
        raise UsageError(f"facts of {facts.name}", expected=f"a verdict by {rule.org}")
    reasons = []
    # (1) The verdict.
    if verdict.status not in rule.status:
        reasons.append(
            Reason(
                rule.name,
                "status",
                " or ".join(status.name for status in rule.status)
                + ("" if rule.org is None else f" by org {rule.org}"),
                f"{verdict.status.name}, {verdict.reason}",
                verdict.advice or "notarize it with the status that is asked for",
            )
        )
    # (2) Age, which leaves fewer vouches for the rest.
    vouches = _select_vouches(rule, facts, verdict)
    young = [
        vouch
        for vouch in vouches
        if rule.max_age_ms is None
        or now_ms - vouch.record.leaf.at_ms <= rule.max_age_ms
    ]
    if rule.max_age_ms is not None and not young:
        reasons.append(_explain_age(rule, vouches, now_ms))
    # (3) Signers, then (4) jobs.
    return [*reasons, *_check_signers(rule, young), *_check_jobs(rule, young)]


def _select_vouches(rule: Rule, facts: AssetFacts, verdict: Verdict) -> list[Vouch]:
    """Return the vouches that a rule counts."""
    named = rule.signers
    counted = {record.index for record in verdict.counted}
    return [
        vouch
        for vouch in facts.vouches
        if (rule.org is None or rule.org in vouch.orgs)
        and (
            vouch.record.leaf.signer in named.any_of + named.all_of
            if named is not None
            else rule.org is not None or vouch.record.index in counted
        )
    ]


def _explain_age(rule: Rule, vouches: Sequence[Vouch], now_ms: int) -> Reason:
    """Return why nothing is young enough."""
    assert rule.max_age_ms is not None  # noqa: S101 - the caller has checked it
    newest = max((vouch.record.leaf.at_ms for vouch in vouches), default=None)
    return Reason(
        rule.name,
        "max_age",
        f"a vouch recorded in the last {_format_age(rule.max_age_ms)}",
        "none"
        if newest is None
        else f"the newest is {_format_age(now_ms - newest)} old",
        "notarize it again, after whatever should be repeated was repeated",
    )


def _check_signers(rule: Rule, vouches: Sequence[Vouch]) -> list[Reason]:
    """Return which signers are missing."""
    if rule.signers is None:
        return []
    any_of, all_of, least = rule.signers
    present = {vouch.record.leaf.signer for vouch in vouches}
    got = ", ".join(sorted(present)) or "none"
    reasons = []
    missing = [signer for signer in all_of if signer not in present]
    if missing:
        reasons.append(
            Reason(
                rule.name,
                "signers",
                "vouches by all of " + ", ".join(all_of),
                got,
                "let these notarize it too: " + ", ".join(missing),
            )
        )
    found = present.intersection(any_of)
    if any_of and len(found) < least:
        absent = [signer for signer in any_of if signer not in found]
        reasons.append(
            Reason(
                rule.name,
                "signers",
                f"vouches by {least} of " + ", ".join(any_of),
                got,
                f"let {least - len(found)} of these notarize it: " + ", ".join(absent),
            )
        )
    return reasons


def _check_jobs(rule: Rule, vouches: Sequence[Vouch]) -> list[Reason]:
    """Return that no vouch names a job that matches, if so."""
    jobs = [_job_of(vouch.record) for vouch in vouches]
    if not rule.jobs or any(
        _is_job_match(pattern, job) for pattern in rule.jobs for job in jobs
    ):
        return []
    wanted = [
        one.name if one.instance is None else f"{one.instance}:{one.name}"
        for one in rule.jobs
    ]
    return [
        Reason(
            rule.name,
            "job",
            "a job that matches " + " or ".join(wanted),
            ", ".join(job for job in jobs if job)[:200] or "no job",
            "build it in such a job, and notarize it there",
        )
    ]


def _job_of(record: ProvenRecord) -> str:
    """Return the job id that a vouch claims, or ""."""
    statement = record.statement
    return "" if statement is None else statement.job_id or ""


def _is_job_match(pattern: JobPattern, job_id: str) -> bool:
    """Return whether a claimed job id is one of a pattern's."""
    try:
        job = parse_job_id(job_id)
    except UsageError:
        return False
    if pattern.instance is not None and job.instance != pattern.instance:
        return False
    return is_match(pattern.name, job.name)


def _format_age(age_ms: int) -> str:
    """Return an age in the largest unit that says it well.

    >>> _format_age(86_400_000 * 30), _format_age(5_400_000)
    ('30d', '90m')
    """
    minutes = age_ms // 60_000
    if minutes >= 2 * 1440:
        return f"{minutes // 1440}d"
    return f"{minutes // 60}h" if minutes >= 2 * 60 else f"{minutes}m"
