from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.trust.gate import AssetFacts, GateResult, evaluate, gather_facts
from jenkins_notary.trust.policy import (
    JobPattern,
    Policy,
    Rule,
    Signers,
    parse_policy,
)
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.digest import format_digest
from jenkins_notary.values.status import Status
from tests.unit.trust.builders import (
    VERIFIER,
    Records,
    digest,
    forge,
    notarization,
    sid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_700_000_000_000
DAY = 86_400_000


@pytest.fixture
def log() -> Records:
    records = Records()
    records.enrol("ci", 1, "acme")
    records.enrol("qa", 1, "acme")
    records.enrol("other", 1)
    return records


def make_policy(*rules: Rule) -> Policy:
    return Policy(format_digest("00" * 32), rules)


def gather(
    log: Records,
    policy: Policy,
    *,
    name: str = "app.jar",
    kind: str = "file",
    rule: TrustRule = TrustRule(),  # noqa: B008 - immutable
) -> AssetFacts:
    return gather_facts(
        (digest("app"), name, kind),
        log.all,
        policy,
        trust=log.trust(),
        rule=rule,
        verifier=VERIFIER,
    )


def ask(log: Records, *rules: Rule, now_ms: int = NOW) -> GateResult:
    policy = make_policy(*rules)
    return evaluate(policy, gather(log, policy), now_ms)


def checks(result: GateResult) -> list[str]:
    assert result.allowed == (not result.reasons)
    assert all(one.expected and one.got and one.advice for one in result.reasons)
    return [one.check for one in result.reasons]


def test_a_trusted_asset_passes(log: Records) -> None:
    log.note("TRUSTED", "app")

    result = ask(log, Rule("release"))

    assert result == GateResult(allowed=True, reasons=(), rules=("release",))


@pytest.mark.parametrize(
    ("kind", "name", "matched"),
    [
        ("file", "app.jar", ["jars"]),
        ("file", "target/app.jar", ["jars"]),
        ("file", "dist/app.jar", ["jars", "dist"]),
        ("image", "app.jar", []),
        ("file", "app.jar.exe", []),
        ("image", "dist/x/y", ["dist"]),
    ],
)
def test_rules_match_by_kind_and_name(
    log: Records, kind: str, name: str, matched: list[str]
) -> None:
    log.note("TRUSTED", "app")
    policy = make_policy(
        Rule("jars", kinds=("file",), names=("*.jar",)),
        Rule("dist", names=("dist/**",)),
    )

    result = evaluate(policy, gather(log, policy, name=name, kind=kind), NOW)

    assert result.rules == tuple(matched)
    assert result.allowed == bool(matched)


def test_an_asset_that_no_rule_matches_is_denied(log: Records) -> None:
    log.note("TRUSTED", "app")

    result = ask(log, Rule("images", kinds=("image",)))

    assert checks(result) == ["match"]
    assert result.reasons[0].rule == ""
    assert "what no rule matches is denied" in result.reasons[0].advice


def test_every_rule_that_matches_must_pass(log: Records) -> None:
    log.note("TRUSTED", "app")
    strict = Rule("strict", signers=Signers(all_of=(sid("qa"),)))

    result = ask(log, Rule("easy"), strict)

    assert result.rules == ("easy", "strict")
    assert [one.rule for one in result.reasons] == ["strict"]


@pytest.mark.parametrize("status", ["UNTRUSTED", "UNSUPPORTED"])
def test_a_negative_status_is_denied_with_its_reason(log: Records, status: str) -> None:
    log.note("TRUSTED", "app")
    log.note(status, "app", by="qa", reason="CVE-1")

    (reason,) = ask(log, Rule("release")).reasons

    assert reason.check == "status"
    assert reason.expected == "TRUSTED"
    assert reason.got == f"{status}, record #5: CVE-1"
    assert "--supersede 5" in reason.advice


def test_a_status_that_the_policy_names_passes(log: Records) -> None:
    log.note("UNSUPPORTED", "app")
    rule = Rule("legacy", status=(Status.TRUSTED, Status.UNSUPPORTED))

    assert ask(log, rule).allowed


def test_a_trusted_asset_is_denied_where_another_status_is_asked_for(
    log: Records,
) -> None:
    log.note("TRUSTED", "app")

    (reason,) = ask(log, Rule("odd", status=(Status.UNTRUSTED,))).reasons

    assert reason.advice == "notarize it with the status that is asked for"


def test_an_unknown_asset_fails_every_check(log: Records) -> None:
    rule = Rule(
        "release",
        signers=Signers((sid("ci"),), (sid("qa"),)),
        jobs=(JobPattern(None, "payments/**"),),
        max_age_ms=DAY,
    )

    result = ask(log, rule)

    assert checks(result) == ["status", "max_age", "signers", "signers", "job"]
    assert result.reasons[1].got == "none"
    assert result.reasons[4].got == "no job"


class TestOrg:
    RULE = Rule("release", org="acme")

    def test_the_word_of_the_org_decides(self, log: Records) -> None:
        log.note("TRUSTED", "app", by="ci")
        log.note("UNTRUSTED", "app", by="other")

        assert ask(log, self.RULE).allowed
        assert checks(ask(log, Rule("any"))) == ["status"]

    def test_the_word_of_others_does_not_count(self, log: Records) -> None:
        log.note("TRUSTED", "app", by="other")

        (reason,) = ask(log, self.RULE).reasons

        assert reason.expected == "TRUSTED by org acme"

    def test_only_its_members_vouch(self, log: Records) -> None:
        log.note("TRUSTED", "app", by="ci", job={"id": "ci:evil#1"})
        log.note("TRUSTED", "app", by="other", job={"id": "ci:payments/a#1"})
        rule = self.RULE._replace(jobs=(JobPattern(None, "payments/**"),))

        assert checks(ask(log, rule)) == ["job"]

    def test_a_member_that_is_not_enrolled_does_not_vouch(self, log: Records) -> None:
        log.act("org-add", org="acme", signers=[sid("stranger")])
        log.note("TRUSTED", "app", by="stranger")
        signers = Signers((sid("stranger"),))

        result = ask(log, self.RULE._replace(signers=signers))

        assert checks(result) == ["status", "signers"]

    def test_facts_without_its_verdict_are_an_error(self, log: Records) -> None:
        facts = gather(log, make_policy(Rule("other")))

        with pytest.raises(UsageError, match="a verdict by acme"):
            evaluate(make_policy(self.RULE), facts, NOW)


class TestSigners:
    def test_enough_different_ones_of_any_pass(self, log: Records) -> None:
        signers = Signers((sid("ci"), sid("qa"), sid("other")), (), 2)
        rule = Rule("release", signers=signers)
        log.note("TRUSTED", "app", by="ci")
        log.note("TRUSTED", "app", by="ci")
        once = ask(log, rule)
        log.note("TRUSTED", "app", by="other")

        assert checks(once) == ["signers"]
        assert once.reasons[0].got == sid("ci")
        assert once.reasons[0].advice == (
            f"let 1 of these notarize it: {sid('qa')}, {sid('other')}"
        )
        assert ask(log, rule).allowed

    def test_every_one_of_all_must_vouch(self, log: Records) -> None:
        rule = Rule("release", signers=Signers((), (sid("ci"), sid("qa"))))
        log.note("TRUSTED", "app", by="ci")
        once = ask(log, rule)
        log.note("TRUSTED", "app", by="qa")

        assert checks(once) == ["signers"]
        assert once.reasons[0].advice == f"let these notarize it too: {sid('qa')}"
        assert ask(log, rule).allowed

    def test_a_signer_that_the_policy_names_needs_no_enrolment(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "app", by="ci")
        log.note("TRUSTED", "app", by="customer")

        assert ask(log, Rule("x", signers=Signers((sid("customer"),)))).allowed

    def test_the_newest_word_of_a_signer_counts(self, log: Records) -> None:
        log.note("TRUSTED", "app", by="qa")
        log.note("TRUSTED", "app", by="customer")
        log.note("UNTRUSTED", "app", by="customer")
        rule = Rule("x", signers=Signers((sid("customer"),)))

        assert checks(ask(log, rule)) == ["signers"]

    def test_a_forged_record_neither_vouches_nor_ends_a_vouch(
        self, log: Records
    ) -> None:
        log.note("TRUSTED", "app", by="ci")
        log.note("TRUSTED", "app", by="customer")
        log.add(forge(notarization("UNTRUSTED", ["app"]), sid("customer")))
        log.add(forge(notarization("TRUSTED", ["app"]), sid("boss"), b"\0" * 64))

        assert ask(log, Rule("x", signers=Signers((sid("customer"),)))).allowed
        assert checks(ask(log, Rule("x", signers=Signers((sid("boss"),))))) == [
            "signers"
        ]

    def test_a_forged_record_that_counts_is_an_error(self, log: Records) -> None:
        log.add(forge(notarization("TRUSTED", ["app"], ["boss"]), sid("ci")))

        with pytest.raises(IntegrityError):
            ask(log, Rule("x"))

    @pytest.mark.parametrize("how", ["revoked", "erased", "dirty", "linked"])
    def test_what_does_not_stand_vouches_for_nothing(
        self, log: Records, how: str
    ) -> None:
        names = ["index", "config"] if how == "linked" else ["app"]
        assets = [{"subjects": [0], "dirty": how == "dirty"}]
        index = log.note("TRUSTED", *names, by="qa", assets=assets)
        if how == "revoked":
            log.act("revoke", signerId=sid("qa"), fromIndex=index)
        if how == "erased":
            log.erase(index)
        log.note("TRUSTED", "app", by="ci")

        result = ask(log, Rule("x", signers=Signers((sid("qa"),))))

        assert checks(result) == ["signers"]
        assert result.reasons[0].got == "none"


class TestJob:
    RULE = Rule("x", jobs=(JobPattern(None, "payments/**"),))

    @pytest.mark.parametrize(
        ("pattern", "job", "passes"),
        [
            (
                JobPattern(None, "payments/**"),
                "ci.example.com:payments/api/main#4",
                True,
            ),
            (JobPattern(None, "payments/**"), "payments/api#4", True),
            (JobPattern(None, "payments/**"), "payments-evil/api#4", False),
            (JobPattern("ci.example.com", "**"), "ci.example.com:a/b#1", True),
            (JobPattern("ci.example.com", "**"), "evil.example.com:a/b#1", False),
            (JobPattern("ci.example.com", "**"), "a/b#1", False),
            (JobPattern(None, "**"), "not a job", False),
            (JobPattern(None, "**"), "https://x.example/job/a/3/", True),
        ],
    )
    def test_the_job_of_a_vouch_must_match(
        self, log: Records, pattern: JobPattern, job: str, *, passes: bool
    ) -> None:
        log.note("TRUSTED", "app", job={"id": job})

        assert ask(log, Rule("x", jobs=(pattern,))).allowed == passes

    def test_a_stranger_that_claims_the_job_does_not_help(self, log: Records) -> None:
        log.note("TRUSTED", "app", by="ci", job={"id": "sandbox/pr#1"})
        log.note("TRUSTED", "app", by="stranger", job={"id": "payments/api#1"})

        result = ask(log, self.RULE)

        assert checks(result) == ["job"]
        assert result.reasons[0].got == "sandbox/pr#1"

    def test_one_signer_may_approve_what_another_built(self, log: Records) -> None:
        log.note("TRUSTED", "app", by="ci", job={"id": "payments/api#1"})
        log.note("TRUSTED", "app", by="qa")

        signers = Signers((), (sid("ci"), sid("qa")))

        assert ask(log, self.RULE).allowed
        assert ask(log, self.RULE._replace(signers=signers)).allowed

    def test_an_instance_is_named_in_the_reason(self, log: Records) -> None:
        log.note("TRUSTED", "app")
        jobs = (JobPattern("ci.example.com", "a"), JobPattern(None, "b"))

        (reason,) = ask(log, Rule("x", jobs=jobs)).reasons

        assert reason.expected == "a job that matches ci.example.com:a or b"


class TestAge:
    def test_commit_time_decides(self, log: Records) -> None:
        log.add(notarization("TRUSTED", ["app"]), at_ms=NOW - DAY)
        rule = Rule("x", max_age_ms=DAY)

        assert ask(log, rule).allowed
        assert ask(log, rule, now_ms=NOW - 2 * DAY).allowed
        (reason,) = ask(log, rule, now_ms=NOW + 2 * DAY).reasons
        assert (reason.check, reason.expected, reason.got) == (
            "max_age",
            "a vouch recorded in the last 24h",
            "the newest is 3d old",
        )

    def test_vouches_that_are_too_old_no_longer_count(self, log: Records) -> None:
        log.add(notarization("TRUSTED", ["app"], ["qa"]), at_ms=NOW - 3 * DAY)
        log.add(notarization("TRUSTED", ["app"], ["ci"]), at_ms=NOW)
        signers = Signers((), (sid("ci"), sid("qa")))

        result = ask(log, Rule("x", signers=signers, max_age_ms=DAY))

        assert checks(result) == ["signers"]

    def test_a_young_record_of_a_stranger_does_not_help(self, log: Records) -> None:
        log.add(notarization("TRUSTED", ["app"]), at_ms=NOW - 3 * DAY)
        log.add(notarization("TRUSTED", ["app"], ["stranger"]), at_ms=NOW)

        assert checks(ask(log, Rule("x", max_age_ms=DAY))) == ["max_age"]

    def test_minutes_are_told_as_minutes(self, log: Records) -> None:
        log.add(notarization("TRUSTED", ["app"]), at_ms=NOW - 90 * 60_000)

        (reason,) = ask(log, Rule("x", max_age_ms=60_000)).reasons

        assert reason.got == "the newest is 90m old"


def test_the_readers_own_rule_decides_where_a_rule_names_no_org(log: Records) -> None:
    log.note("TRUSTED", "app", by="other")
    policy = make_policy(Rule("x"))
    rules: Iterator[TrustRule] = iter([TrustRule(), TrustRule(org="acme")])

    results = [
        evaluate(policy, gather(log, policy, rule=rule), NOW).allowed for rule in rules
    ]

    assert results == [True, False]


def test_a_parsed_policy_is_evaluated(log: Records) -> None:
    log.note("TRUSTED", "app", job={"id": "payments/api#1"})
    source = b"{}"
    value = {
        "version": 1,
        "rules": [
            {
                "name": "release",
                "match": {"kind": ["file"], "name": ["*.jar"]},
                "require": {
                    "org": "acme",
                    "signers": {"any": [sid("ci"), sid("qa")], "count": 1},
                    "job": ["payments/**"],
                },
            }
        ],
    }
    policy = parse_policy(value, source, kinds=["file"])

    assert evaluate(policy, gather(log, policy), NOW).allowed
