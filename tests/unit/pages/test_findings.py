from __future__ import annotations

from typing import Any

from jenkins_notary.evidence.slsa import assess_build
from jenkins_notary.pages.findings import (
    MAX_ROWS,
    describe_level,
    list_verdicts,
)


def make_corroboration(**changes: object) -> dict[str, Any]:
    fields = [
        {"field": "commit", "verdict": "agrees", "claimed": ["a"], "observed": ["a"]},
        {"field": "node", "verdict": "unavailable", "why": "nobody claims it"},
        {"field": "branch", "verdict": "differs", "claimed": ["x"], "observed": ["y"]},
    ]
    return {"fields": fields, "artifacts": [], **changes}


def test_what_differs_comes_first_with_both_sides() -> None:
    rows = list_verdicts({"corroborations": [make_corroboration()]})

    assert rows[0] == {
        "field": "branch",
        "found": "differs",
        "claimed": "x",
        "read": "y",
    }
    assert [one["field"] for one in rows[1:]] == ["commit", "node"]
    assert (rows[2]["claimed"], rows[2]["read"]) == ("-", "nobody claims it")


def test_artifacts_are_rows_and_there_are_not_too_many() -> None:
    artifacts = [
        {"name": "a", "digest": "sha256:1", "verdict": "agrees", "path": "out/a"},
        {"name": "b", "digest": "sha256:2", "verdict": "unavailable", "why": "no file"},
        *({"name": "c", "digest": "sha256:3", "verdict": "unavailable"},) * 500,
    ]
    rows = list_verdicts({"corroborations": [make_corroboration(artifacts=artifacts)]})

    assert len(rows) == MAX_ROWS
    assert [one["read"] for one in rows[3:6]] == ["out/a", "no file", "-"]


def test_a_level_that_is_not_claimed_is_said_with_the_reasons() -> None:
    found = describe_level({"slsa": assess_build([])})

    assert found["level"] == "not claimed"
    assert found["reasons"][0].startswith("L1 not claimed: because no provenance")
    slsa = {"level": "L1", "next": "L2", "because": []}
    assert describe_level({"slsa": slsa})["level"] == "SLSA Build L1"
