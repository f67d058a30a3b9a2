from __future__ import annotations

from typing import Any

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.build_info import (
    MAX_ARTIFACTS,
    MAX_PATH,
    BuildInfo,
    parse_build,
)

TOKEN = "ghp_" + "a1B2" * 10


def parse(**more: object) -> BuildInfo:
    value: dict[str, Any] = {"number": 7, "timestamp": 1767323045006, **more}
    return parse_build(value, subject="build app#7")


def parameters(*listed: dict[str, Any]) -> tuple[Any, ...]:
    return parse(actions=[{"parameters": list(listed)}]).parameters


def causes(*listed: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(one) for one in parse(actions=[{"causes": list(listed)}]).causes]


def test_only_number_and_start_are_needed() -> None:
    info = parse()

    assert (info.number, info.started_at_ms) == (7, 1767323045006)
    assert (info.artifacts, info.causes, info.parameters) == ((), (), ())
    assert info.node is None


@pytest.mark.parametrize(
    "more",
    [
        {"number": None},
        {"number": "7"},
        {"number": True},
        {"timestamp": None},
        {"timestamp": -1},
        {"timestamp": 1 << 60},
        {"timestamp": 253402300800000},
        {"building": "yes"},
    ],
    ids=lambda more: str(more)[:40],
)
def test_what_is_no_build_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="build app#7"):
        parse(**more)


@pytest.mark.parametrize("path", [None, 7, "", "a" * (MAX_PATH + 1)])
def test_an_artifact_without_a_path_that_can_be_recorded_is_counted(
    path: object,
) -> None:
    info = parse(artifacts=[{"relativePath": path}, {"relativePath": "b"}])

    assert (info.artifacts, info.artifacts_left) == (("b",), 1)


def test_artifacts_beyond_the_bound_are_counted() -> None:
    info = parse(artifacts=[{"relativePath": "a"}] * (MAX_ARTIFACTS + 3))

    assert (len(info.artifacts), info.artifacts_left) == (MAX_ARTIFACTS, 3)


def test_a_running_build_has_no_result_and_no_duration() -> None:
    info = parse(building=True, result="FAILURE", duration=7)

    assert (info.result, info.duration_ms, info.is_running) == (None, 0, True)


def test_a_build_whose_publishers_still_write_is_running() -> None:
    info = parse(building=False, inProgress=True)

    assert info.is_running
    assert not parse(inProgress=False).is_running


def test_what_plugins_put_between_is_left_out() -> None:
    info = parse(
        actions=[None, {}, 7, {"causes": "x"}, {"parameters": [None, {"name": 7}]}],
        changeSets="none",
        artifacts=None,
    )

    assert info == parse()


@pytest.mark.parametrize(
    "one",
    [
        {"_class": "hudson.model.PasswordParameterValue", "name": "P"},
        {"_class": "hudson.model.PasswordParameterValue", "name": "P", "value": "x"},
        {"_class": "x.CredentialsParameterValue", "name": "P", "value": "id"},
        {"name": "P"},
        {"name": "P", "value": None},
        {"name": "P", "value": TOKEN},
        {"name": "P", "value": f"see https://ann:{TOKEN}@git.example.com/"},
        {"name": "P", "value": {"a": 1}},
        {"name": "P", "value": "x", "secret": True},
    ],
    ids=lambda one: str(one)[:60],
)
def test_a_secret_parameter_is_kept_by_its_name(one: dict[str, Any]) -> None:
    assert parameters(one) == ({"name": "P", "secret": True},)


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "apiKey", "api-key", "GITHUB_TOKEN", "clientSecret", "MY_PAT"],
)
def test_a_parameter_that_sounds_secret_is_kept_by_its_name(name: str) -> None:
    assert parameters({"name": name, "value": "x"}) == ({"name": name, "secret": True},)


@pytest.mark.parametrize("value", ["prod", "", 7, 1.5, True, False])
def test_a_plain_parameter_is_kept_with_its_value(value: object) -> None:
    assert parameters({"name": "T", "value": value}) == ({"name": "T", "value": value},)


def test_a_long_value_is_cut_and_a_url_loses_its_login() -> None:
    found = parameters(
        {"name": "LONG", "value": "ab " * 2000},
        {"name": "URL", "value": "https://ann@git.example.com/a?x=1"},
    )

    assert len(found[0]["value"]) == 2048
    assert found[1]["value"] == "https://git.example.com/a"


def test_a_run_parameter_names_its_build() -> None:
    found = parameters({"name": "RUN", "jobName": "app", "number": "7"})

    assert found == ({"name": "RUN", "value": "app#7"},)


def test_a_name_that_is_no_unicode_is_replaced() -> None:
    assert parameters({"name": "a\ud800", "value": "x"})[0]["name"] == "a?"


def test_causes_tell_kind_user_and_upstream() -> None:
    found = causes(
        {"_class": "hudson.model.Cause$UserIdCause", "userId": "ann"},
        {
            "_class": "hudson.model.Cause$UpstreamCause",
            "upstreamProject": "lib",
            "upstreamBuild": 3,
            "shortDescription": "Started by upstream",
        },
        {},
    )

    assert found == [
        {"kind": "UserIdCause", "user": "ann"},
        {
            "kind": "UpstreamCause",
            "description": "Started by upstream",
            "upstream": {"job": "lib", "build": 3},
        },
        {"kind": "Cause"},
    ]


@pytest.mark.parametrize(
    "said", [{"shortDescription": "Replayed #5"}, {"originalNumber": 5}]
)
def test_a_replay_tells_which_build(said: dict[str, Any]) -> None:
    (found,) = causes({"_class": "x.ReplayCause", **said})

    assert (found["kind"], found["original"]) == ("ReplayCause", 5)


def test_a_cause_of_a_wrong_form_keeps_its_kind() -> None:
    assert causes({"_class": "x.Y", "userId": 7}) == [{"kind": "Y"}]


def test_each_checkout_is_told_once() -> None:
    data = {
        "lastBuiltRevision": {
            "SHA1": "AB" * 20,
            "branch": [{"name": "refs/remotes/origin/main"}],
        },
        "remoteUrls": ["https://bot:x@git.example.com/app.git"],
    }
    odd = {"lastBuiltRevision": {"SHA1": "none"}}
    bare = {"lastBuiltRevision": {"SHA1": "cd" * 20}}

    assert [dict(one) for one in parse(actions=[data, data, odd, bare]).commits] == [
        {
            "commit": "ab" * 20,
            "url": "https://git.example.com/app.git",
            "branch": "refs/remotes/origin/main",
        },
        {"commit": "cd" * 20},
    ]


def test_changes_are_commit_ids_alone() -> None:
    item = {"commitId": "ab" * 20, "author": {"fullName": "Ann"}, "msg": "secret"}

    info = parse(changeSets=[{"items": [item, {}]}], changeSet={"items": [item]})

    assert info.changes == ("ab" * 20, "ab" * 20)
    assert "Ann" not in repr(info)


@pytest.mark.parametrize("action", [{"urlName": "testReport"}, {"failCount": 0}])
def test_a_test_report_is_seen_by_its_action(action: dict[str, Any]) -> None:
    assert parse(actions=[action]).has_tests


def test_the_node_of_a_freestyle_build_is_told() -> None:
    assert parse(builtOn="").node == ""
    assert parse(builtOn="linux-3").node == "linux-3"
