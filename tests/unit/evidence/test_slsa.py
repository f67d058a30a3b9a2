from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.evidence.provenance import BUILD_TYPE
from jenkins_notary.evidence.slsa import (
    BUILD_TYPE as OURS,
)
from jenkins_notary.evidence.slsa import assess_build, find_corroborations

if TYPE_CHECKING:
    from collections.abc import Callable

SHA = "ab" * 32


def make_records() -> list[dict[str, Any]]:
    """Return the records of a build that can claim L2."""
    provenance = {
        "type": "provenance",
        "standing": "enrolled",
        "index": 7,
        "subjects": [{"name": "app.jar", "digest": {"sha256": SHA}}],
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"script": {"sha256": "cd" * 32}},
                "internalParameters": {
                    "kind": "WorkflowRun",
                    "node": [{"name": "agent-1", "builtIn": False}],
                    "replay": {"isReplay": False},
                },
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": "e" * 40}}
                ],
            },
            "jenkinsNotary_record": {
                "recordId": "0" * 32,
                "recorder": "service",
                "sizes": [9],
                "sources": {"replay": "hook"},
                "build": {"controller": {"identity": "ef" * 32}},
            },
        },
    }
    claim = {"type": "notarization", "standing": "enrolled", "index": 5}
    corroboration = {
        "type": "corroboration",
        "standing": "enrolled",
        "index": 8,
        "predicate": {"claims": [5], "verdict": "agrees"},
    }
    return [claim, provenance, corroboration]


def test_the_build_type_is_that_of_provenance() -> None:
    assert OURS == BUILD_TYPE


def test_a_build_with_every_precondition_claims_level_2_and_never_3() -> None:
    found = assess_build(make_records())

    assert (found["level"], found["next"]) == ("L2", "L3")
    assert found["artifacts"] == [f"sha256:{SHA}"]
    assert found["text"].startswith("SLSA Build L2; L3 not claimed: because nothing")
    assert [one["ok"] for one in found["checks"]] == [True] * 9 + [False]


def edit(*path: str | int, to: object) -> Callable[[list[dict[str, Any]]], None]:
    """Return an edit of one value in the records."""

    def change(records: list[dict[str, Any]]) -> None:
        value: Any = records
        for one in path[:-1]:
            value = value[one]
        value[path[-1]] = to

    return change


DEFINITION = (1, "predicate", "buildDefinition")
INNER = (*DEFINITION, "internalParameters")
FACTS = (1, "predicate", "jenkinsNotary_record")


@pytest.mark.parametrize(
    ("change", "level", "reason"),
    [
        (edit(1, "standing", to="not enrolled"), None, "no provenance"),
        (edit(*FACTS, "gaps", to={"log": "missing"}), None, "not read: log"),
        (edit(*DEFINITION, "resolvedDependencies", to=[]), "L2", "isolated"),
        (edit(*FACTS, "sizes", to=None), None, "no artifact"),
        (edit(*FACTS, "recorder", to=None), "L1", "not recorded by a service"),
        (edit(*FACTS, "build", to={}), "L1", "no instance identity"),
        (edit(*INNER, "node", to=None), "L1", "nodes are not known"),
        (
            edit(*INNER, "node", to=[{"name": "", "builtIn": True}]),
            "L1",
            "controller's own node",
        ),
        (
            edit(*INNER, "node", to=[{"name": "a"}, {"name": "b", "builtIn": False}]),
            "L1",
            "controller's own node",
        ),
        (edit(*INNER, "replay", to={"isReplay": True}), "L1", "it is a replay"),
        (edit(*FACTS, "sources", to={}), "L1", "replay is not known"),
        (edit(2, "predicate", "claims", to=[]), "L1", "#5 was not held"),
        (edit(2, "predicate", "verdict", to="differs"), "L1", "see #8"),
        (edit(2, "standing", to="revoked"), "L1", "#5 was not held"),
    ],
)
def test_each_precondition_that_does_not_hold_is_named(
    change: Callable[[list[dict[str, Any]]], None], level: str | None, reason: str
) -> None:
    records = copy.deepcopy(make_records())
    change(records)

    found = assess_build(records)

    assert found["level"] == level
    assert reason in "; ".join(found["because"])


def test_neither_commit_nor_script_is_no_level() -> None:
    records = make_records()
    edit(*DEFINITION, "resolvedDependencies", to=[])(records)
    edit(*DEFINITION, "externalParameters", to={})(records)

    found = assess_build(records)

    assert found["level"] is None
    assert found["artifacts"] == []
    assert found["text"].startswith("no SLSA build level; L1 not claimed: because ")


def test_a_provenance_that_a_client_signed_is_none_of_the_controller() -> None:
    records = make_records()
    del records[1]["predicate"]["jenkinsNotary_record"]["sources"]

    assert assess_build(records)["level"] is None


@pytest.mark.parametrize("value", [None, 7, "x", [], [7], {"claims": 7, "fields": [7]}])
def test_what_has_another_form_is_no_evidence(value: object) -> None:
    records: list[dict[str, Any]] = [
        {"type": kind, "standing": "enrolled", "index": 1, "predicate": value}
        for kind in ("provenance", "notarization", "corroboration")
    ]

    assert assess_build(records)["level"] is None
    (one,) = find_corroborations(records)
    assert one["claims"] == one["fields"] == []


def test_nothing_recorded_is_no_level() -> None:
    assert assess_build([])["because"][0].startswith("no provenance of this build")
