from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from jenkins_notary.evidence.build_info import clean_parameters, parse_build
from jenkins_notary.evidence.hook_facts import parse_facts
from jenkins_notary.evidence.provenance import list_stages
from jenkins_notary.evidence.secret_words import (
    HIDDEN,
    hide_secrets,
    is_secret_text,
    is_secret_value,
)

WORDS = json.loads(
    (Path(__file__).parents[2] / "vectors/secret-words.json").read_text("utf-8")
)
TEXT = "Deploy with password: hunter2?"


@pytest.mark.parametrize("name", WORDS["names"])
def test_a_parameter_of_a_secret_name_is_kept_by_its_name(name: str) -> None:
    (found,) = clean_parameters([{"name": name, "value": "x"}])

    assert found == {"name": name, "secret": True}


@pytest.mark.parametrize("name", WORDS["otherNames"])
def test_a_parameter_of_another_name_keeps_its_value(name: str) -> None:
    (found,) = clean_parameters([{"name": name, "value": "x"}])

    assert found == {"name": name, "value": "x"}


@pytest.mark.parametrize("value", WORDS["values"])
def test_a_parameter_with_a_secret_in_it_is_kept_by_its_name(value: str) -> None:
    (found,) = clean_parameters([{"name": "P", "value": value}])

    assert found == {"name": "P", "secret": True}


@pytest.mark.parametrize("value", WORDS["otherValues"])
def test_a_parameter_without_a_secret_keeps_its_value(value: str) -> None:
    (found,) = clean_parameters([{"name": "P", "value": value}])

    assert found == {"name": "P", "value": value}


@pytest.mark.parametrize("text", WORDS["texts"])
def test_words_with_a_secret_in_them_are_held_back(text: str) -> None:
    assert hide_secrets({"a": [text]}) == {"a": [HIDDEN]}


@pytest.mark.parametrize("text", WORDS["otherTexts"])
def test_other_words_stay(text: str) -> None:
    assert hide_secrets({"a": [text, 7, None]}) == {"a": [text, 7, None]}


def test_no_text_of_a_fact_holds_a_secret() -> None:
    facts, faults = parse_facts(
        {
            "stages": [{"id": "4", "name": TEXT}],
            "causes": [{"kind": "X", "description": TEXT}],
            "approvals": [{"id": "Go", "message": TEXT, "ok": TEXT}],
            "rejections": [{"id": "Go", "message": TEXT}],
        }
    )

    assert "hunter2" not in json.dumps(facts)
    assert faults == {}
    assert facts["stages"] == [{"id": "4", "name": HIDDEN}]


def test_no_text_of_the_api_holds_a_secret() -> None:
    build = {
        "number": 7,
        "timestamp": 1,
        "actions": [{"causes": [{"shortDescription": TEXT}]}],
    }

    assert parse_build(build, subject="x").causes[0]["description"] == HIDDEN
    assert list_stages({"stages": [{"id": "4", "name": TEXT}]}) == [
        {"id": "4", "name": HIDDEN}
    ]


@pytest.mark.parametrize(
    "text",
    ["token", "-u ", "://", "bearer ", "a:", "password ", "api", "--user=", " "],
)
def test_no_text_makes_the_time_more_than_linear(text: str) -> None:
    start = time.perf_counter()
    is_secret_value(text * (400_000 // len(text)))
    is_secret_text("x" * 400_000 + text)

    assert time.perf_counter() - start < 5
