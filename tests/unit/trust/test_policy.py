from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.errors import FaultsError
from jenkins_notary.trust import policy as policy_module
from jenkins_notary.trust.policy import (
    JobPattern,
    Policy,
    Rule,
    Signers,
    orgs_of,
    parse_policy,
)
from jenkins_notary.values.status import Status

KINDS = ("file", "image")
ONE = "0x" + "11" * 20
TWO = "0x" + "22" * 20


def parse(value: object) -> Policy:
    return parse_policy(value, b"source", kinds=KINDS)


def with_rule(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any value is the point
    return {"version": 1, "rules": [{"name": "release", **changes}]}


def require(**checks: Any) -> dict[str, Any]:  # noqa: ANN401 - any value is the point
    return with_rule(require=checks)


def faults_of(value: object) -> list[str]:
    with pytest.raises(FaultsError) as caught:
        parse(value)
    assert caught.value.exit_code == 78
    return [str(fault) for fault in caught.value.faults]


def test_the_documented_policy_is_read() -> None:
    text = policy_module.__doc__
    assert text is not None
    source = text.partition("::\n\n")[2].partition("\n\n``version``")[0].encode()

    policy = parse_policy(yaml.safe_load(source), source, kinds=KINDS)

    assert policy.digest == "sha256:" + hashlib.sha256(source).hexdigest()
    assert policy.rules == (
        Rule(
            "release",
            ("file", "image"),
            ("*.jar", "registry.example.com/payments/**"),
            (Status.TRUSTED,),
            "acme",
            Signers(("0x5050d80d22ecd471ea55df7034042c1e041341ff",), (), 1),
            (
                JobPattern(None, "payments/**"),
                JobPattern("ci.example.com", "tools/*/main"),
            ),
            30 * 86_400_000,
        ),
    )
    assert orgs_of(policy) == {"acme"}


def test_a_rule_without_checks_asks_for_trusted() -> None:
    policy = parse(with_rule())

    assert policy.rules == (Rule("release"),)
    assert policy.rules[0].status == (Status.TRUSTED,)
    assert orgs_of(policy) == set()


def test_signer_ids_are_read_in_either_case() -> None:
    upper = "0x" + "AB" * 20

    (rule,) = parse(require(signers={"all": [upper]})).rules

    assert rule.signers == Signers((), (upper.lower(),), 1)


@pytest.mark.parametrize(
    ("text", "age_ms"),
    [
        ("1m", 60_000),
        ("12h", 43_200_000),
        ("30d", 2_592_000_000),
        ("2w", 1_209_600_000),
    ],
)
def test_an_age_is_a_number_and_a_unit(text: str, age_ms: int) -> None:
    assert parse(require(max_age=text)).rules[0].max_age_ms == age_ms


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "policy: expected an object with rules, version, got NoneType"),
        ([], "policy: expected an object"),
        ("x", "policy: expected an object with rules, version, got x"),
        ({}, "policy rules: expected to be there"),
        ({"version": 2, "rules": []}, "policy version: expected 1, got int 2; a newer"),
        ({"version": "1", "rules": []}, "policy version: expected 1, got 1"),
        ({"version": True, "rules": []}, "policy version: expected 1, got bool True"),
        ({"version": 1, "rules": []}, "policy rules: expected a list of 1 to 1000"),
        ({"version": 1, "rules": {}}, "policy rules: expected a list"),
        (
            {"version": 1, "rules": [7]},
            "policy rules[0]: expected an object with match",
        ),
        ({"version": 1, "rules": [{}]}, "policy rules[0].name: expected to be there"),
        (with_rule(name=""), "rules[0].name: expected a text of 1 to 1024"),
        (with_rule(name=" "), "rules[0].name: expected a text"),
        (with_rule(name=7), "rules[0].name: expected a text of 1 to 1024"),
        (with_rule(matches={}), "rules[0]: expected one of match, name, require, got"),
        (with_rule(match=[]), "rules[0].match: expected an object with kind, name"),
        (with_rule(match={"kind": "file"}), "rules[0].match.kind: expected a list"),
        (with_rule(match={"kind": []}), "rules[0].match.kind: expected a list of 1"),
        (
            with_rule(match={"kind": ["disk"]}),
            "rules[0].match.kind[0]: expected one of file, image, got disk",
        ),
        (with_rule(match={"kind": [["x"]]}), "match.kind[0]: expected one of"),
        (with_rule(match={"name": [""]}), "match.name[0]: expected a text"),
        (with_rule(match={"name": ["x" * 1025]}), "match.name[0]: expected a text"),
        (with_rule(match={"name": ["x", "x"]}), "match.name[1]: expected an item of"),
        (with_rule(require=None), "rules[0].require: expected an object with job"),
        (require(branch="main"), "got the unknown key branch"),
        (require(evidence=[]), "got the unknown key evidence"),
        ({**require(), "exemptions": []}, "got the unknown key exemptions"),
        (require(**{"x" * 200: 1}), "got the unknown key " + "x" * 60),
        (require(status="TRUSTED"), "require.status: expected a list"),
        (require(status=["trusted"]), "require.status[0]: expected one of TRUSTED,"),
        (require(status=[0]), "require.status[0]: expected one of"),
        (require(org=["acme"]), "require.org: expected a text of 1 to 1024"),
        (require(org=""), "require.org: expected a text"),
        (require(signers=[ONE]), "require.signers: expected an object with all, any"),
        (require(signers={}), "require.signers: expected at least one signer"),
        (require(signers={"any": [], "all": []}), "at least one signer in any or all"),
        (
            require(signers={"any": [int(ONE, 16)]}),
            "signers.any[0]: expected 0x and 40 hex digits, got int; put it in quotes",
        ),
        (require(signers={"any": ["0x12"]}), "signers.any[0]: expected 0x and 40 hex"),
        (require(signers={"any": [ONE, ONE]}), "any[1]: expected an item of its own"),
        (require(signers={"any": [ONE, ONE.upper()]}), "signers.any[1]: expected"),
        (
            require(signers={"any": [ONE, TWO], "count": 3}),
            "signers.count: expected at most the 2 signers of any, got int 3",
        ),
        (require(signers={"all": [ONE], "count": 1}), "at most the 0 signers of any"),
        (
            require(signers={"any": [ONE], "count": 0}),
            "count: expected a number from 1",
        ),
        (require(signers={"any": [ONE], "count": True}), "count: expected a number"),
        (require(signers={"any": [ONE], "count": "1"}), "count: expected a number"),
        (require(signers={"none": [ONE], "any": [ONE]}), "the unknown key none"),
        (require(job="payments"), "require.job: expected a list of 1 to 1000 items"),
        (require(job=["/payments"]), "job[0]: expected segments that are not empty"),
        (require(job=["payments/"]), "job[0]: expected segments that are not empty"),
        (require(job=["ci:"]), "job[0]: expected segments that are not empty"),
        (require(job=["CI!:payments"]), "job[0]: expected an instance of lower-case"),
        (require(job=[":payments"]), "job[0]: expected an instance"),
        (
            require(job=[7]),
            "job[0]: expected a text of 1 to 1024 characters, got int 7",
        ),
        (require(max_age=30), "max_age: expected a number and m, h, d or w"),
        (require(max_age="30"), "max_age: expected a number and m, h, d or w, such as"),
        (require(max_age="0d"), "max_age: expected"),
        (require(max_age="-1d"), "max_age: expected"),
        (require(max_age="1.5d"), "max_age: expected"),
        (require(max_age="30d\n"), "max_age: expected"),
        (require(max_age="9999999w"), "max_age: expected"),
        (require(max_age="٣d"), "max_age: expected"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_wrong_policy_is_refused_with_its_path(value: object, fault: str) -> None:
    faults = faults_of(value)

    assert any(fault in one for one in faults), faults


def test_all_faults_are_reported_together() -> None:
    value = {
        "version": 1,
        "rules": [
            {"name": "a", "require": {"status": ["X"], "max_age": 3, "scan": 1}},
            {"match": {"kind": ["disk"]}},
            {"name": "a"},
        ],
    }

    faults = faults_of(value)

    assert [re.split(": expected", one)[0] for one in faults] == [
        "policy rules[0].require",
        "policy rules[0].require.status[0]",
        "policy rules[0].require.max_age",
        "policy rules[1].name",
        "policy rules[1].match.kind[0]",
        "policy rules[2].name",
    ]


def test_a_file_is_named_in_its_faults() -> None:
    with pytest.raises(FaultsError, match=r"gate\.yaml version: expected 1"):
        parse_policy({"version": 9, "rules": []}, b"", kinds=KINDS, subject="gate.yaml")


@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**5000), 1e308, float("nan"), {"a": {}}, b"bytes", {1: 2, None: 3}],
    ids=lambda value: type(value).__name__,
)
def test_a_huge_or_odd_value_is_shown_shortly(value: object) -> None:
    for policy in (value, with_rule(name=value), require(signers={"any": [value]})):
        assert all(len(one) < 400 for one in faults_of(policy))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "version",
                    "rules",
                    "name",
                    "match",
                    "require",
                    "status",
                    "org",
                    "signers",
                    "any",
                    "all",
                    "count",
                    "job",
                    "max_age",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(VALUES)
def test_any_value_is_a_policy_or_a_list_of_faults(value: object) -> None:
    for one in (value, with_rule(require=value), with_rule(match=value)):
        try:
            policy = parse(one)
        except FaultsError:
            continue
        assert policy.rules
