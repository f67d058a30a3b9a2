from __future__ import annotations

from typing import Any

from jenkins_notary.evidence.coverage import MISSING, PRESENT, Account
from jenkins_notary.evidence.slsa import assess_build
from jenkins_notary.pages.findings import (
    MAX_GAPS,
    MAX_ROWS,
    describe_level,
    list_folders,
    list_gaps,
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


def make_report(instance: str, *jobs: str) -> dict[str, Any]:
    """Return a report of jobs that lack number 2, and a file of number 1."""
    listed = []
    for name in jobs:
        account = Account(instance, name)
        account.add(1, PRESENT)
        account.add(2, MISSING)
        account.add(3, MISSING)
        account.add_artifacts(1, listed=2, missing=["late.jar"])
        listed.append(account.close().to_dict())
    figures = {"present": 1, "missing": 2, "lost": 0, "unrecorded": 1}
    folder = {"folder": "", "deleted": 0, "exempt": 0, **figures}
    folders = [{**folder, "folder": name.rpartition("/")[0]} for name in jobs]
    return {"instance": instance, "at": "now", "jobs": listed, "folders": folders}


def test_folders_have_their_controller_where_there_are_several() -> None:
    one, other = make_report("a", "x/y", "z"), make_report("b", "x/y")

    assert [row["name"] for row in list_folders([one])] == ["x", "a:*"]
    assert [row["name"] for row in list_folders([one, other])] == ["a:x", "a:*", "b:x"]
    assert {row["missing"] for row in list_folders([one])} == {3}


def test_gaps_are_lines_and_there_are_not_too_many() -> None:
    assert list_gaps([make_report("a", "x/y")]) == [
        "a:x/y#2 to #3 (missing)",
        "a:x/y#1: late.jar is not on record",
    ]
    many = list_gaps([make_report("a", *(f"x/{one}" for one in range(1000)))])
    assert len(many) == MAX_GAPS + 1
