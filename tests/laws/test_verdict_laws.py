"""Hold verdicts to what must be true of every log, whoever wrote what into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.trust.verdict import TrustRule, decide
from jenkins_notary.values.status import NEGATIVE, Status
from tests.unit.trust.builders import (
    VERIFIER,
    Log,
    Records,
    digest,
    enrolment,
    notarization,
    sid,
    trust_act,
)

if TYPE_CHECKING:
    from random import Random

ASSETS = ("a", "b", "c")
LEVELS = {"ci": 1, "qa": 1, "security": 5}
SIGNERS = (*LEVELS, "stranger")
RULES = {
    "levels": TrustRule(),
    "org": TrustRule(org="acme"),
    "keys": TrustRule(keys=(sid("ci"), sid("stranger"))),
}


class Note(NamedTuple):
    """A notarization; `lifts` are counted back from its own place."""

    by: str
    status: str
    assets: tuple[str, ...]
    lifts: tuple[int, ...] = ()
    dirty: bool = False


class Act(NamedTuple):
    """A trust record about a signer."""

    action: str
    signer: str
    number: int


notes = st.builds(
    Note,
    st.sampled_from(SIGNERS),
    st.sampled_from([one.name for one in (*NEGATIVE, Status.TRUSTED, Status.TRUSTED)]),
    st.lists(st.sampled_from(ASSETS), min_size=1, max_size=2, unique=True).map(tuple),
    st.lists(st.integers(1, 5), max_size=2, unique=True).map(tuple),
    st.sampled_from([False, False, False, True]),
)
acts = st.builds(
    Act,
    st.sampled_from(["revoke", "level", "org-add", "org-remove"]),
    st.sampled_from(tuple(LEVELS)),
    st.integers(1, 12),
)
histories = st.lists(st.one_of(notes, notes, notes, acts), max_size=12)
rules = st.sampled_from(list(RULES.values()))
assets = st.sampled_from(ASSETS)


def envelopes(history: list[Note | Act]) -> list[bytes]:
    """Return the records of a history: record 0 is the genesis, then enrolments."""
    made = [
        trust_act("enrol", **enrolment(name, level, ["acme"] if level == 1 else []))
        for name, level in LEVELS.items()
    ]
    for event in history:
        index = len(made) + 1
        if isinstance(event, Note):
            made.append(note_envelope(event, index))
            continue
        facts = {
            "revoke": {"signerId": sid(event.signer), "fromIndex": event.number},
            "level": {"signerId": sid(event.signer), "level": event.number},
        }.get(event.action, {"org": "acme", "signers": [sid(event.signer)]})
        made.append(trust_act(event.action, ["admin"], **facts))
    return made


def note_envelope(note: Note, index: int) -> bytes:
    lifted = [index - back for back in note.lifts if index >= back]
    assets = [
        {"subjects": list(range(len(note.assets))), "dirty": note.dirty},
    ]
    facts = {"assets": assets, **({"supersedes": lifted} if lifted else {})}
    return notarization(note.status, note.assets, (note.by,), **facts)


def build(history: list[Note | Act]) -> Records:
    records = Records()
    for envelope in envelopes(history):
        records.add(envelope)
    return records


def summary(records: Records, asset: str, rule: TrustRule) -> tuple[object, ...]:
    """Return what of a verdict must not change."""
    verdict = records.decide(asset, rule)
    index = None if verdict.record is None else verdict.record.index
    return verdict.status, index, verdict.advice if index is not None else None


@given(histories, assets, rules, st.sampled_from(tuple(LEVELS)))
def test_a_rebuild_never_lifts_a_negative(
    history: list[Note | Act], asset: str, rule: TrustRule, by: str
) -> None:
    records = build([*history, Note("ci", "UNTRUSTED", (asset,))])
    before = records.decide(asset, rule)
    if before.status not in NEGATIVE or before.record is None:
        return
    trust, decider = records.trust(), before.record.leaf.signer
    # The level rule lets a higher level overrule a lower one altogether.
    if rule == TrustRule() and trust.level(sid(by)) > trust.level(decider):
        return

    records.note("TRUSTED", asset, by=by)

    assert records.decide(asset, rule).status in NEGATIVE


@given(histories, assets, rules, notes)
def test_a_record_of_a_signer_that_does_not_count_never_changes_a_verdict(
    history: list[Note | Act], asset: str, rule: TrustRule, note: Note
) -> None:
    records = build(history)
    stranger = note._replace(by="nobody")
    before = summary(records, asset, rule)

    for _ in range(2):
        records.add(note_envelope(stranger, len(records.all)))

    assert summary(records, asset, rule) == before


@given(histories, assets, notes)
def test_a_lower_level_never_changes_the_word_of_a_higher_one(
    history: list[Note | Act], asset: str, note: Note
) -> None:
    records = build(history)
    records.act("enrol", **enrolment("boss", 1000))
    records.note("TRUSTED", asset, by="boss")
    before = summary(records, asset, TrustRule())

    records.add(note_envelope(note, len(records.all)))

    assert before[0] is Status.TRUSTED
    assert summary(records, asset, TrustRule()) == before


@given(histories, assets, rules, notes)
def test_a_record_on_an_unrelated_digest_never_changes_a_verdict(
    history: list[Note | Act], asset: str, rule: TrustRule, note: Note
) -> None:
    records = build(history)
    before = summary(records, asset, rule)

    records.add(note_envelope(note._replace(assets=("z",)), len(records.all)))

    assert summary(records, asset, rule) == before


@given(histories, assets, rules, st.randoms())
def test_the_order_of_records_handed_in_never_matters(
    history: list[Note | Act], asset: str, rule: TrustRule, random: Random
) -> None:
    records = build(history)
    mixed = list(records.all)
    random.shuffle(mixed)

    verdict = decide(digest(asset), mixed, records.trust(), rule, verifier=VERIFIER)

    assert verdict == records.decide(asset, rule)


@given(histories, assets, rules)
def test_trusted_is_only_what_a_signer_that_counts_signed_as_trusted(
    history: list[Note | Act], asset: str, rule: TrustRule
) -> None:
    records = build(history)
    verdict = records.decide(asset, rule)
    if verdict.status is not Status.TRUSTED:
        return

    record, trust = verdict.record, records.trust()

    assert record is not None
    assert record in verdict.counted
    assert record.leaf.status is Status.TRUSTED
    assert digest(asset) in record.leaf.subjects
    assert not trust.is_revoked(record.leaf.signer, record.index)
    assert record.leaf.signer in trust.signers or record.leaf.signer in rule.keys


@given(histories, assets, rules, st.data())
def test_a_view_says_what_all_records_up_to_its_size_say(
    history: list[Note | Act], asset: str, rule: TrustRule, data: st.DataObject
) -> None:
    log = Log()
    log.append(*envelopes(history))
    view = log.view()
    size = data.draw(st.integers(1, view.size), "size")
    early = view.at_size(size)

    records = [view.record(index) for index in range(size)]
    plain = Records()
    plain.all = records
    wanted = plain.decide(asset, rule)
    verdict = early.verdict(digest(asset), rule)
    weighed = decide(
        digest(asset),
        early.history(digest(asset)),
        early.trust(),
        rule,
        verifier=VERIFIER,
    )

    assert verdict[:5] == wanted[:5]
    assert weighed[:5] == wanted[:5]


@given(histories, assets, rules)
def test_the_log_only_grows_a_verdict_as_of_a_size_never_changes(
    history: list[Note | Act], asset: str, rule: TrustRule
) -> None:
    log = Log()
    made = envelopes(history)
    log.append(*made[: len(made) // 2])
    size = log.view().size
    before = log.view().verdict(digest(asset), rule)

    log.append(*made[len(made) // 2 :])

    assert log.view().at_size(size).verdict(digest(asset), rule)[:5] == before[:5]
