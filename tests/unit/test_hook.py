"""Hold the hook's documentation to its sources."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from jenkins_notary.config import OPTIONS
from jenkins_notary.evidence.events import parse_event, parse_outbox
from jenkins_notary.values.jobid import format_job_id
from jenkins_notary.version import VERSION

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "resources/init.groovy.d/notaryhook"
FORMAT = (ROOT / "docs/formats/outbox.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs/jenkins-hook.md").read_text(encoding="utf-8")


def read_source(name: str) -> str:
    return (SOURCES / f"{name}.groovy").read_text(encoding="utf-8")


def read_example(kind: str) -> dict[str, Any]:
    found = re.search(rf"^```json {kind}\n(.*?)^```$", FORMAT, re.MULTILINE | re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def read_setting_keys() -> list[str]:
    found = re.search(r"KEYS = \[(.*?)\]", read_source("Settings"), re.DOTALL)
    assert found
    return re.findall(r"'(\w+)'", found[1])


def test_the_hook_has_the_version_of_the_package() -> None:
    assert f"VERSION = '{VERSION}'" in read_source("Hook")
    assert read_example("event")["controller"]["hook"] == VERSION


def test_the_collector_reads_the_examples_of_the_format() -> None:
    outbox = parse_outbox(json.dumps(read_example("outbox")).encode(), subject="x")
    example = read_example("event")
    event = parse_event(json.dumps(example).encode(), subject="x")

    assert outbox.id == read_example("outbox")["id"]
    assert outbox.identity == event.controller.identity
    assert event.faults == {}
    assert event.build_id is not None
    assert format_job_id(event.build_id) == "ci.example.com:payments/api/main#42"
    assert {**example["facts"], "parameters": None} == {
        **event.facts,
        "parameters": None,
    }


def test_every_setting_is_documented_and_no_other() -> None:
    rows = re.findall(
        r"^\| `([\w.*]+)` \|", MANUAL.split("## Settings")[1], re.MULTILINE
    )

    assert sorted(set(rows) - {"command.env.JENKINS_NOTARY_*"}) == sorted(
        read_setting_keys()
    )


def test_every_fact_is_documented_and_no_other() -> None:
    told = re.findall(r"find\('(\w+)'\)", read_source("Facts"))
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \|", FORMAT.split("## Facts")[1], re.MULTILINE
    )

    assert {name.strip("` ") for row in rows for name in row.split(",")} == set(told)
    assert set(read_example("event")["facts"]) < set(told)


def test_the_set_up_of_the_manual_lets_the_command_read_logs() -> None:
    names = re.findall(r"^ +command\.env\.JENKINS_NOTARY_(\w+)=", MANUAL, re.MULTILINE)

    assert names == [
        "LEDGER",
        "KEY",
        "JENKINS_URL",
        "JENKINS_USER",
        "JENKINS_TOKEN_FILE",
    ]
    assert {name.lower().replace("_", "-") for name in names} <= OPTIONS.keys()


def test_file_names_in_the_manual_are_those_of_the_hook() -> None:
    assert "MARKER = 'jenkins-notary.event'" in read_source("Hook")
    assert "FILE = 'jenkins-notary.tlog-proof'" in read_source("Receipts")
    assert "`jenkins-notary.event`" in MANUAL
    assert "`jenkins-notary.tlog-proof`" in MANUAL


def test_each_class_stands_in_a_file_of_its_name() -> None:
    for path in SOURCES.glob("*.groovy"):
        text = path.read_text(encoding="utf-8")

        assert text.startswith("package notaryhook\n"), path.name
        assert re.search(rf"^(?:class|interface) {path.stem}\b", text, re.MULTILINE), (
            path.name
        )


@pytest.mark.parametrize("key", sorted({"URL", "CREDENTIALS_ID", "LEDGER", "MODE"}))
def test_configuration_as_code_sets_what_the_hook_reads(key: str) -> None:
    sample = yaml.safe_load(
        (ROOT / "resources/casc/jenkins-notary.yaml").read_text(encoding="utf-8")
    )
    (properties,) = sample["jenkins"]["globalNodeProperties"]
    names = {one["key"] for one in properties["envVars"]["env"]}
    known = {
        "JENKINS_NOTARY_HOOK_" + re.sub("([A-Z])", r"_\1", name).upper()
        for name in read_setting_keys()
    }

    assert f"JENKINS_NOTARY_HOOK_{key}" in names
    assert names <= known


def test_configuration_as_code_pins_the_library() -> None:
    sample = yaml.safe_load(
        (ROOT / "resources/casc/jenkins-notary.yaml").read_text(encoding="utf-8")
    )
    (library,) = sample["unclassified"]["globalLibraries"]["libraries"]

    assert re.fullmatch("[0-9a-f]{40}", library["defaultVersion"])
    assert library["allowVersionOverride"] is False
    assert library["includeInChangesets"] is False
    assert library["implicit"] is False
