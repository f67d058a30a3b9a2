from __future__ import annotations

import json
from typing import Any

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.evidence.events import Event, Origin, parse_event, parse_time
from jenkins_notary.evidence.hook_facts import parse_facts
from jenkins_notary.evidence.lifecycle import (
    describe_alias,
    describe_deletion,
    name_subjects,
)
from jenkins_notary.evidence.shaping import (
    MAX_ITEMS,
    commit_id,
    cut,
    flag,
    moment,
    number,
    scalar,
    sha256_hex,
    shape,
    text,
)
from jenkins_notary.values.leaf import hash_job_name


def parse(**more: object) -> Event:
    value: dict[str, Any] = {
        "v": 1,
        "seq": 7,
        "at": "2026-01-02T03:04:05.006Z",
        "event": "build-deleted",
        "controller": {"url": "https://ci.example.com/"},
        "job": {"name": "app"},
        "build": {"number": 3, "startedAt": 1767323045006},
        **more,
    }
    return parse_event(json.dumps(value).encode(), subject="event 7")


def test_an_event_tells_its_build() -> None:
    event = parse()

    assert event.build_id is not None
    assert event.build_id.number == 3
    assert event.controller.instance == "ci.example.com"
    assert event.at_ms == 1767323045006


def test_an_event_of_a_job_has_no_build() -> None:
    assert parse(event="job-deleted", build=None).build_id is None


def test_unknown_keys_are_left_out() -> None:
    assert parse(shoe="x", facts={"shoe": 7}) == parse()


@pytest.mark.parametrize(
    "value",
    [None, 7, "", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05+01:00"],
)
def test_a_time_is_rfc_3339_in_utc(value: object) -> None:
    with pytest.raises(IntegrityError):
        parse_time(value, subject="at")


def test_a_time_may_lack_its_fraction() -> None:
    assert parse_time("2026-01-02T03:04:05Z", subject="at") == 1767323045000
    assert parse_time("2026-01-02T03:04:05.1Z", subject="at") == 1767323045100


def test_a_deletion_is_made_of_a_deletion_alone() -> None:
    renamed = parse(event="renamed", build=None, **{"from": "a", "to": "b"})

    with pytest.raises(UsageError, match="got renamed"):
        describe_deletion(Origin("0" * 32, renamed))
    with pytest.raises(UsageError, match="got build-deleted"):
        describe_alias(Origin("0" * 32, parse()))


def test_names_of_jobs_and_instances_are_told_apart() -> None:
    digests = {
        hash_job_name("a"),
        hash_job_name("a", "b"),
        hash_job_name("b:a", "c"),
        hash_job_name("a/b"),
    }

    assert len(digests) == 4
    assert len({one.sha256_hex for one in name_subjects("ci", "a", "b")}) == 4


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        ({"core": 7}, "core"),
        ({"libraries": {}}, "libraries"),
        ({"libraries": [{"sha": "main"}]}, "libraries"),
        ({"script": {"sha256": "x"}}, "script"),
        ({"replay": {"isReplay": "no"}}, "replay"),
        ({"stages": [{"lines": [[2, 1]]}]}, "stages"),
        ({"stages": [{"lines": [[1]]}]}, "stages"),
        ({"log": {"lines": -1}}, "log"),
        ({"plugins": [{}] * (MAX_ITEMS + 1)}, "plugins"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_a_fact_of_a_wrong_form_is_named_and_left_out(
    facts: dict[str, Any], wrong: str
) -> None:
    found, faults = parse_facts({"mode": "warn", **facts})

    assert found == {"mode": "warn"}
    assert set(faults) == {wrong}
    assert faults[wrong].startswith("expected ")


def test_facts_keep_no_secret_parameter_and_no_login() -> None:
    found, _ = parse_facts(
        {
            "parameters": [{"name": "P", "value": "x", "secret": True}],
            "scm": [{"url": "https://bot:pw@git.example.com/a.git"}],
        }
    )

    assert found == {
        "parameters": [{"name": "P", "secret": True}],
        "scm": [{"url": "https://git.example.com/a.git"}],
    }


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (number, -1),
        (number, True),
        (number, 1 << 53),
        (moment, 253402300800000),
        (flag, 1),
        (sha256_hex, "AB" * 32),
        (commit_id, "xy" * 20),
        (commit_id, None),
        (scalar, None),
        (scalar, 1 << 53),
        (text(3), 7),
    ],
)
def test_a_value_of_another_form_is_refused(check: Any, wrong: object) -> None:  # noqa: ANN401 - any shape
    with pytest.raises(ValueError, match=r".+"):
        shape(wrong, check)


def test_a_text_is_cut_by_characters() -> None:
    assert cut("äöü", 3) == "äöü"
    assert cut("äöüß", 3) == "äö\u2026"
