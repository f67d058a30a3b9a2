from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jenkins_notary.evidence.build_info import parse_build
from jenkins_notary.evidence.hook_facts import FACTS, parse_facts
from jenkins_notary.evidence.provenance import (
    BuildKey,
    BuildSources,
    describe_build,
    list_stages,
    make_provenance,
)
from jenkins_notary.ports import Controller
from jenkins_notary.values.jobid import parse_job_id
from jenkins_notary.values.statement import EXTENSION, parse_statement

PAGE = Path(__file__).parents[3] / "docs/formats/jenkins-build-type.md"
STARTED_MS = 1767323045006
COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
CONTROLLER = Controller("ci.example.com", "https://ci.example.com/", "2.421", "a8" * 32)
KEY = BuildKey(parse_job_id("ci.example.com:payments/api/main#42"), STARTED_MS)
API = {
    "_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun",
    "number": 42,
    "timestamp": STARTED_MS,
    "duration": 5300,
    "building": False,
    "result": "SUCCESS",
    "queueId": 311,
    "url": "https://ci.example.com/job/payments/job/api/job/main/42/",
    "actions": [
        {
            "causes": [
                {
                    "_class": "hudson.model.Cause$UpstreamCause",
                    "shortDescription": "Started by upstream project",
                    "upstreamProject": "payments/lib",
                    "upstreamBuild": 7,
                }
            ]
        },
        {
            "parameters": [
                {"name": "RELEASE", "value": "1.2"},
                {"name": "DEPLOY_PASSWORD"},
                {"name": "CHANNEL", "value": "beta"},
            ]
        },
        {
            "lastBuiltRevision": {"SHA1": COMMIT, "branch": [{"name": "main"}]},
            "remoteUrls": ["https://bot:pw@git.example.com/payments/api.git"],
        },
    ],
    "artifacts": [{"relativePath": "target/app-1.2.jar"}],
    "changeSets": [{"items": [{"commitId": COMMIT}]}],
}
HOOK: dict[str, Any] = {
    "script": {
        "kind": "pipeline",
        "sha256": "b3" * 32,
        "source": "scm",
        "scm": {
            "url": "https://git.example.com/payments/api.git",
            "commit": COMMIT,
            "path": "Jenkinsfile",
        },
    },
    "libraries": [
        {"name": "acme", "version": "main", "sha": "8f" * 20, "trusted": True}
    ],
    "replay": {"isReplay": False},
    "parameters": [
        {"name": "RELEASE", "value": "1.2"},
        {"name": "DEPLOY_PASSWORD", "secret": True},
        {"name": "CHANNEL", "secret": True},
    ],
    "approvals": [
        {
            "id": "Deploy",
            "message": "Deploy 1.2?",
            "ok": "Deploy",
            "submitter": "robin",
            "at": "2026-01-02T03:04:09.112Z",
        }
    ],
    "node": [{"name": "linux-3", "builtIn": False, "labels": ["linux"]}],
    "core": "2.421",
    "plugins": [{"name": "workflow-job", "version": "1342.v046651d5b_dfe"}],
    "stages": [
        {
            "id": "4",
            "name": "Build",
            "startedAt": STARTED_MS + 619,
            "durationMs": 993,
            "status": "SUCCESS",
            "lines": [[6, 6], [9, 12]],
        }
    ],
    "mode": "enforce",
}


def make_sources(**more: Any) -> BuildSources:  # noqa: ANN401 - fields of BuildSources
    """Return a build of which API and hook say something."""
    facts, faults = parse_facts(HOOK)
    assert not faults
    fields: dict[str, Any] = {
        "key": KEY,
        "controller": CONTROLLER,
        "info": parse_build(API, subject="build"),
        "facts": facts,
        "finished": {"number": 42, "result": "SUCCESS", "queueId": 311},
        "log": {
            "name": "build log",
            "digest": {"sha256": "75" * 32},
            "mediaType": "text/plain",
            "annotations": {"form": "consoleText", "size": 16087},
        },
        "tests": {
            "name": "test report",
            "annotations": {"failed": 0, "passed": 12, "skipped": 0},
        },
        "hook_version": "0.1.0",
        **more,
    }
    return BuildSources(**fields)


def read_example() -> dict[str, Any]:
    found = re.search(r"```json statement\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    statement: dict[str, Any] = json.loads(found[1])
    return statement


def test_the_example_of_the_page_is_what_is_made() -> None:
    predicate, sources = make_provenance(make_sources())

    example = read_example()
    extension = example["predicate"].pop(EXTENSION)
    assert predicate == example["predicate"]
    assert sources == extension["sources"]
    assert extension["build"] == describe_build(make_sources())


def test_the_example_of_the_page_is_a_statement_of_its_job() -> None:
    statement = parse_statement(json.dumps(read_example()).encode())

    assert statement.type == "provenance"
    assert statement.job_id == "ci.example.com:payments/api/main#42"


def test_the_page_has_a_row_for_every_field_with_a_source() -> None:
    _, sources = make_provenance(make_sources())
    rows = set(re.findall(r"(?m)^\| `(\w+)`", PAGE.read_text()))

    assert set(sources) <= rows
    assert set(FACTS) - {"log", "artifacts", "core"} <= rows


def test_a_parameter_that_either_takes_for_secret_is_secret() -> None:
    predicate, _ = make_provenance(make_sources())

    assert predicate["buildDefinition"]["externalParameters"]["parameters"] == [
        {"name": "RELEASE", "value": "1.2"},
        {"name": "DEPLOY_PASSWORD", "secret": True},
        {"name": "CHANNEL", "secret": True},
    ]


def test_no_password_of_a_url_is_kept() -> None:
    assert "pw" not in json.dumps(make_provenance(make_sources()))


def test_what_hook_and_api_say_differently_is_named() -> None:
    sources = make_sources(finished={"result": "FAILURE"})

    predicate, fields = make_provenance(sources)

    assert fields["result"] == "hook, api differs"
    assert predicate["buildDefinition"]["internalParameters"]["result"] == "FAILURE"


def test_a_build_of_which_only_the_key_is_known_is_described() -> None:
    predicate, fields = make_provenance(BuildSources(KEY, CONTROLLER, None, {}))

    assert fields == {}
    assert predicate["buildDefinition"]["resolvedDependencies"] == []
    assert "finishedOn" not in predicate["runDetails"]["metadata"]


def test_a_running_build_has_no_end() -> None:
    info = parse_build({**API, "building": True}, subject="build")

    predicate, _ = make_provenance(make_sources(info=info, facts={}, finished=None))

    assert "finishedOn" not in predicate["runDetails"]["metadata"]
    assert describe_build(make_sources(info=info))["state"] == "running"


def test_a_replay_is_told_by_its_cause() -> None:
    cause = {"_class": "x.ReplayCause", "shortDescription": "Replayed #41"}
    info = parse_build({**API, "actions": [{"causes": [cause]}]}, subject="build")

    predicate, fields = make_provenance(make_sources(info=info, facts={}))

    replay = predicate["buildDefinition"]["internalParameters"]["replay"]
    assert replay == {"isReplay": True, "original": 41}
    assert fields["replay"] == "api"


@pytest.mark.parametrize(
    ("built_on", "node"),
    [
        ("", {"name": "built-in", "builtIn": True}),
        ("linux-3", {"name": "linux-3", "builtIn": False}),
    ],
)
def test_the_node_of_a_freestyle_build_is_told(
    built_on: str, node: dict[str, Any]
) -> None:
    info = parse_build({**API, "builtOn": built_on}, subject="build")

    predicate, _ = make_provenance(make_sources(info=info, facts={}))

    assert predicate["buildDefinition"]["internalParameters"]["node"] == [node]


def test_a_dependency_of_which_little_is_known_is_named_without_digest() -> None:
    facts = {"libraries": [{"name": "acme"}], "scm": [{"branch": "main"}]}

    predicate, _ = make_provenance(make_sources(info=None, facts=facts))

    assert predicate["buildDefinition"]["resolvedDependencies"] == [
        {"name": "source"},
        {"name": "library acme", "annotations": {}},
    ]


def test_the_checkout_of_a_library_is_no_source_of_the_build() -> None:
    library, own = "ab" * 20, "cd" * 20
    facts = {
        "libraries": [{"name": "acme", "version": library}],
        "scm": [{"commit": library}, {"commit": own}],
    }

    predicate, _ = make_provenance(make_sources(info=None, facts=facts))

    sources = predicate["buildDefinition"]["resolvedDependencies"]
    assert [one["digest"] for one in sources if one["name"] == "source"] == [
        {"gitCommit": own}
    ]


@pytest.mark.parametrize("answer", [None, {}, {"stages": "none"}])
def test_stages_that_the_api_does_not_list_are_none(answer: Any) -> None:  # noqa: ANN401 - any JSON
    assert list_stages(answer) is None


def test_stages_of_a_wrong_form_are_left_out() -> None:
    answer = {
        "stages": [
            7,
            {"id": 6, "name": "Build", "startTimeMillis": True, "durationMillis": 3},
        ]
    }

    assert list_stages(answer) == [{"name": "Build", "durationMs": 3}]
