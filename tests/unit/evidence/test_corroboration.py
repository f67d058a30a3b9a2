"""What is claimed and what is told, compared: pure, and whatever strangers wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.evidence.build_claim import (
    MAX_TEXT,
    MAX_TEXTS,
    BuildClaim,
    ClaimedAsset,
    read_claim,
)
from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.evidence.corroboration import (
    FIELDS,
    MAX_ARTIFACTS,
    Observed,
    compare,
    observe,
    refuse_all,
)
from jenkins_notary.evidence.provenance import BUILD_TYPE
from jenkins_notary.trust.record import ProvenRecord
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.leaf import Leaf
from jenkins_notary.values.statement import Statement, Subject

JOB = parse_job_id("ci.example.com:payments/feature%2Fx#7")
SHA, OTHER = "ab" * 32, "cd" * 32
SIGNER, STRANGER = "0x" + "1" * 40, "0x" + "2" * 40
STARTED_MS = 1_767_323_045_006
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_record(
    own_type: str = "notarization",
    predicate: Any = None,  # noqa: ANN401 - a document
    facts: Any = None,  # noqa: ANN401 - a document
    *,
    signer: str = STRANGER,
    subjects: tuple[Subject, ...] = (Subject("app.jar", SHA),),
) -> ProvenRecord:
    """Return a record as it comes out of a proven leaf."""
    said = {} if predicate is None else predicate
    told = {"job": {"id": "ci.example.com:payments/feature%2Fx#7"}}
    told |= facts or {}
    statement = Statement(own_type, "x", subjects, said, told)
    leaf = Leaf(own_type, "0" * 64, signer, (SHA,), STARTED_MS + 1, None, None, ())
    return ProvenRecord(12, leaf, None, statement)


def read(record: ProvenRecord) -> BuildClaim:
    claim = read_claim(record, SIGNER)
    assert claim is not None
    return claim


def tell(**changes: Any) -> Observed:  # noqa: ANN401 - fields of the answer
    """Return what a controller tells of the build."""
    value = {
        "_class": "hudson.model.FreeStyleBuild",
        "number": 7,
        "timestamp": STARTED_MS,
        "duration": 5,
        "result": "SUCCESS",
        "builtOn": "agent-1",
        "actions": [
            {
                "parameters": [
                    {"name": "TARGET", "value": "prod"},
                    {"name": "DEPLOY_TOKEN", "value": "hunter2"},
                ]
            },
            {
                "causes": [
                    {
                        "_class": "hudson.model.Cause$UpstreamCause",
                        "upstreamProject": "lib",
                        "upstreamBuild": 3,
                    }
                ]
            },
            {
                "lastBuiltRevision": {
                    "SHA1": COMMIT,
                    "branch": [{"name": "refs/remotes/origin/feature/x"}],
                }
            },
        ],
        **changes.pop("value", {}),
    }
    facts = changes.pop("facts", {})
    info = parse_build(value, subject="build")
    return observe(JOB, info, facts, archived=changes.pop("archived", {}), **changes)


def verdict(claim: BuildClaim, name: str, observed: Observed | None = None) -> str:
    found = compare(JOB, [claim], observed or tell())
    return str(next(o for o in found["fields"] if o["field"] == name)["verdict"])


PROVENANCE = {
    "buildDefinition": {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "parameters": [
                {"name": "TARGET", "value": "prod"},
                {"name": "DEPLOY_TOKEN", "secret": True},
            ]
        },
        "internalParameters": {
            "result": "SUCCESS",
            "node": [{"name": "agent-1"}],
            "causes": [
                {"kind": "UpstreamCause", "upstream": {"job": "lib", "build": 3}}
            ],
        },
        "resolvedDependencies": [
            {"name": "source", "digest": {"gitCommit": COMMIT}},
            {"name": "library x", "digest": {"gitCommit": "f" * 40}},
        ],
    }
}


def test_a_provenance_that_a_client_signed_claims_every_field() -> None:
    claim = read(make_record("provenance", PROVENANCE))

    found = compare(JOB, [claim], tell(archived={"app.jar": SHA}))

    assert found["verdict"] == "agrees"
    assert {o["field"]: o["verdict"] for o in found["fields"]} == {
        **dict.fromkeys(FIELDS, "agrees"),
        "branch": "unavailable",
    }


@pytest.mark.parametrize(
    ("where", "key", "value", "field"),
    [
        ("internalParameters", "result", "FAILURE", "result"),
        ("internalParameters", "node", [{"name": "agent-2"}], "node"),
        ("internalParameters", "causes", [{"kind": "TimerTriggerCause"}], "cause"),
        (
            "externalParameters",
            "parameters",
            [{"name": "TARGET", "value": "test"}],
            "parameters",
        ),
    ],
)
def test_each_field_of_a_provenance_can_differ(
    where: str, key: str, value: object, field: str
) -> None:
    predicate = json.loads(json.dumps(PROVENANCE))
    predicate["buildDefinition"][where][key] = value

    assert verdict(read(make_record("provenance", predicate)), field) == "differs"


def test_a_value_that_the_controller_keeps_secret_is_compared_by_name_alone() -> None:
    predicate = json.loads(json.dumps(PROVENANCE))
    predicate["buildDefinition"]["externalParameters"]["parameters"] = [
        {"name": "DEPLOY_TOKEN", "value": "hunter2"}
    ]
    found = compare(JOB, [read(make_record("provenance", predicate))], tell())

    assert "hunter2" not in json.dumps(found)


def test_a_provenance_of_another_build_type_claims_commit_and_subjects() -> None:
    definition = {
        **PROVENANCE["buildDefinition"],
        "buildType": "https://e.example/v1",
        "resolvedDependencies": [{"digest": {"gitCommit": "f" * 40}}],
    }
    claim = read(make_record("provenance", {"buildDefinition": definition}))

    assert set(claim.fields) == {"commit"}
    assert verdict(claim, "commit") == "differs"
    assert claim.assets == (ClaimedAsset("app.jar", "file", SHA),)


@pytest.mark.parametrize(
    "record",
    [
        make_record("provenance", PROVENANCE, signer=SIGNER),
        make_record("log"),
        make_record(facts={"job": {"id": "x#1", "ci": "gitlab"}}),
        make_record(facts={"job": None}),
        make_record()._replace(statement=None),
    ],
    ids=["own provenance", "log", "another system", "no job", "erased"],
)
def test_what_is_no_claim_on_a_jenkins_build_is_none(record: ProvenRecord) -> None:
    assert read_claim(record, SIGNER) is None


@pytest.mark.parametrize(
    ("names", "archived", "expected"),
    [
        ("app.jar", {"out/app.jar": OTHER}, ("differs", "out/app.jar")),
        ("./out/app.jar", {"out/app.jar": OTHER}, ("differs", "out/app.jar")),
        ("ws/out/app.jar", {"out/app.jar": OTHER}, ("differs", "out/app.jar")),
        ("app.jar", {"a/app.jar": OTHER, "b/app.jar": OTHER}, ("unavailable", None)),
        ("app.jar", {"xapp.jar": OTHER}, ("unavailable", None)),
        ("app.jar", {"a": SHA, "app.jar": SHA}, ("agrees", "app.jar")),
        ("app.jar", {"a": SHA, "app.jar": OTHER}, ("agrees", "a")),
    ],
)
def test_an_archived_file_is_found_by_its_digest_or_by_the_one_name_it_can_have(
    names: str, archived: dict[str, str], expected: tuple[str, str | None]
) -> None:
    assets = [{"name": names, "kind": "file", "subjects": [0]}]
    claim = read(make_record(predicate={"assets": assets}))

    (found,) = compare(JOB, [claim], tell(archived=archived))["artifacts"]

    assert (found["verdict"], found.get("path")) == expected


def test_an_image_does_not_differ_from_a_file_of_its_name() -> None:
    assets = [{"name": "app", "kind": "image", "subjects": [0]}]
    claim = read(make_record(predicate={"assets": assets}))

    (found,) = compare(JOB, [claim], tell(archived={"app": OTHER}))["artifacts"]

    assert found["verdict"] == "unavailable"


def claim_environment(**environment: str) -> BuildClaim:
    job = {"id": "ci.example.com:payments/feature%2Fx#7", "environment": environment}
    return read(make_record(facts={"job": job}))


@pytest.mark.parametrize(
    ("branch", "observed", "expected"),
    [
        ("origin/feature/x", tell(), "agrees"),
        ("feature/x", tell(value={"actions": []}), "agrees"),
        ("main", tell(), "differs"),
        ("main", tell(value={"actions": []}), "unavailable"),
        ("PR-7", tell(facts={"change": {"id": "PR-7", "branch": "x"}}), "agrees"),
    ],
    ids=["checkout", "name of the job", "another", "nothing told", "change request"],
)
def test_a_branch_is_that_of_checkout_job_or_change_request(
    branch: str, observed: Observed, expected: str
) -> None:
    claim = claim_environment(GIT_BRANCH=branch)

    assert verdict(claim, "branch", observed) == expected


@pytest.mark.parametrize(
    ("node", "observed", "expected"),
    [
        ("built-in", tell(value={"builtOn": ""}), "agrees"),
        ("master", tell(value={"builtOn": ""}), "agrees"),
        (
            "agent-1",
            tell(facts={"node": [{"name": "a"}, {"name": "agent-1"}]}),
            "agrees",
        ),
        ("agent-1", tell(value={"builtOn": None}), "unavailable"),
        ("agent-1", tell(facts={"node": [{"name": "b"}]}), "differs"),
    ],
)
def test_the_controllers_own_node_has_had_several_names(
    node: str, observed: Observed, expected: str
) -> None:
    assert verdict(claim_environment(NODE_NAME=node), "node", observed) == expected


def test_that_there_is_such_a_build_bears_out_nothing() -> None:
    claim = claim_environment(JOB_NAME="payments/feature%2Fx", BUILD_NUMBER="7")

    found = compare(JOB, [claim], tell(value={"actions": []}))

    assert found["fields"][0]["verdict"] == "agrees"
    assert found["verdict"] == "unavailable"


def test_a_record_names_so_many_artifacts_and_those_that_differ_first() -> None:
    assets = tuple(
        ClaimedAsset(f"{number}.jar", "file", f"{number:064x}")
        for number in range(10_000)
    )
    claim = BuildClaim(12, STARTED_MS, {}, assets)
    archived = {"9999.jar": OTHER}

    found = compare(JOB, [claim], tell(archived=archived))

    assert len(found["artifacts"]) == MAX_ARTIFACTS
    assert found["artifacts"][0]["name"] == "9999.jar"
    assert found["counts"] == {"agrees": 0, "differs": 1, "unavailable": 9_999}
    refused = refuse_all([claim], verdict="unavailable", why="gone")
    assert len(refused["artifacts"]) == MAX_ARTIFACTS


def test_long_and_many_texts_are_cut() -> None:
    many = [{"digest": {"gitCommit": f"{n}" + "f" * 900}} for n in range(500)]
    definition = {"buildType": "x", "resolvedDependencies": many}
    claim = read(make_record("provenance", {"buildDefinition": definition}))

    assert len(claim.fields["commit"]) == MAX_TEXTS
    assert {len(one) for one in claim.fields["commit"]} == {MAX_TEXT}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("buildDefinition", "buildType", "externalParameters"),
                    *("internalParameters", "resolvedDependencies", "parameters"),
                    *("name", "digest", "gitCommit", "causes", "node", "upstream"),
                    *("assets", "subjects", "kind", "result", "value", "job", "build"),
                ]
            ),
            below,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(predicate=st.dictionaries(st.text(max_size=3), JSON) | JSON, kind=st.booleans())
def test_whatever_a_stranger_signs_is_compared_without_a_fault(
    predicate: object, *, kind: bool
) -> None:
    if not isinstance(predicate, dict):
        predicate = {"buildDefinition": predicate, "assets": predicate}
    own_type = "provenance" if kind else "notarization"
    record = make_record(own_type, predicate, {"job": {"id": "a#1", "environment": {}}})

    found = compare(JOB, [read(record)], tell())

    assert [one["field"] for one in found["fields"]] == [*FIELDS]
    json.dumps(found)


@given(definition=JSON, environment=JSON)
def test_a_definition_of_any_form_claims_what_can_be_read(
    definition: object, environment: object
) -> None:
    inner = {"buildType": BUILD_TYPE, "externalParameters": definition}
    inner |= {"internalParameters": definition, "resolvedDependencies": definition}
    read(make_record("provenance", {"buildDefinition": inner}))
    job = {"id": "a#1", "environment": environment}

    assert read(make_record(facts={"job": job})).assets == ()
