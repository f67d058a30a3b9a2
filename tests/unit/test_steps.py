"""Hold the Jenkins steps to their house rules, and their table to the exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jenkins_notary import errors
from jenkins_notary.agent.main import AGENT
from jenkins_notary.cli.commands import INSTALLED
from jenkins_notary.cli.main import make_parser
from jenkins_notary.config import OPTIONS, variable_name

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "vars").iterdir())
STEPS = [one.stem for one in SOURCES if one.suffix == ".groovy"]
RUN = (ROOT / "vars/notaryRun.groovy").read_text("utf-8")
COMMON = {"ledger", "credentialsId", "onFailure", "onUnavailable"}
INHERITED = {
    *("ca-file", "config", "controllers", "key", "ledger", "log", "passphrase-file"),
    *("jenkins-token-file", "jenkins-url", "jenkins-user"),
    *("plain-http", "timeout", "token-file"),
    *("org", "signer", "strict"),
}
"""Options by which the environment says where the ledger is, how it is reached, and
whose word counts: without a site's rule more would pass."""


def read_step(name: str) -> str:
    return (ROOT / f"vars/{name}.groovy").read_text("utf-8")


def list_arguments(name: str) -> set[str]:
    """Return the argument names that a step declares."""
    if name == "notaryStage":
        return list_arguments("notaryNotarize") | {"onBodyFailure"}
    pattern = re.compile(r"(?:needs|allows): (\[.*?\]),$", re.MULTILINE | re.DOTALL)
    declared = pattern.findall(read_step(name))
    return set(re.findall(r"'(\w+)'", " ".join(declared)))


def test_each_step_is_a_script_with_its_help_and_nothing_else_lies_there() -> None:
    assert STEPS
    assert {one.name for one in SOURCES} == {
        f"{step}{suffix}" for step in STEPS for suffix in (".groovy", ".txt")
    }
    assert not (ROOT / "src").exists()


@pytest.mark.parametrize("step", STEPS)
def test_step_keeps_the_house_rules(step: str) -> None:
    text = read_step(step)

    assert step.startswith("notary")
    assert "@Field" not in text
    assert "JsonSlurperClassic" not in text
    assert not re.search(r"\b(sh|bat)[ (]*\"", text), "a script that is put together"
    assert max(len(line) for line in text.splitlines()) <= 120


@pytest.mark.parametrize("step", sorted({*STEPS} - {"notaryRun"}))
def test_step_describes_itself_and_takes_a_map(step: str) -> None:
    text = read_step(step)

    assert re.search(r"^def call\(Map args = \[:\]", text, re.MULTILINE)
    assert f"name: '{step}'" in text
    assert len(text.splitlines()) <= 60
    test = f"{step.removeprefix('notary')}Test.groovy"
    assert (ROOT / "tests/groovy/src" / test).is_file()


@pytest.mark.parametrize("step", sorted({*STEPS} - {"notaryRun"}))
def test_help_names_each_argument_and_shows_an_example(step: str) -> None:
    text = (ROOT / f"vars/{step}.txt").read_text("utf-8")
    named = re.findall(r"^  ([a-z]\w+(?:, \w+)*)(?:  |:)", text, re.MULTILINE)
    arguments = {one for line in named for one in line.split(", ")}

    assert arguments == list_arguments(step) | COMMON
    assert f"{step}(" in text.partition("Example:")[2]
    assert "<" not in text, "Jenkins shows help as markup"


def test_table_of_exit_codes_is_the_programs() -> None:
    table = RUN.partition("Map exitCodes() {")[2].partition("\n}")[0]
    ranked = RUN.partition("List severity() {")[2].partition("\n}")[0]
    codes = [int(one) for one in re.findall(r"^    (\d+): ", table, re.MULTILINE)]

    assert sorted(codes) == sorted({*errors.SEVERITY, 126, 127, 130, 9009})
    assert [int(one) for one in re.findall(r"\d+", ranked)] == [*errors.SEVERITY]


def test_each_option_of_a_steps_command_is_inherited_on_purpose_or_unset() -> None:
    commands = {
        found[1]
        for step in {*STEPS} - {"notaryRun", "notaryStage"}
        if (found := re.search(r"command: '(\w+)'", read_step(step)))
    }
    options = {
        option.name
        for edition in (INSTALLED, AGENT)
        for command in commands
        for option in make_parser(command, edition).options
    }
    unset = read_names("List listBlanks(")

    assert len(commands) == len(STEPS) - 2
    assert unset | {variable_name(one) for one in INHERITED} == {
        variable_name(one) for one in options
    }
    assert not unset & {variable_name(one) for one in INHERITED}


def test_each_option_that_a_step_sets_is_one_and_is_not_inherited() -> None:
    given = read_names("List listValues(") | {"JENKINS_NOTARY_ONLY"}

    assert {"JENKINS_NOTARY_ORG", "JENKINS_NOTARY_CLAIMS"} <= given
    assert given <= {variable_name(one) for one in OPTIONS}
    inherited = {variable_name(one) for one in ("ledger", "org", "signer", "strict")}
    assert given - inherited <= read_names("List listBlanks(")


def read_names(method: str) -> set[str]:
    """Return the variables that stand in a method of the internal step."""
    body = RUN.partition(method)[2].partition("\n}")[0]
    names = re.findall(r"'([A-Z_]+)'|JENKINS_NOTARY_([A-Z_]+)=", body)
    return {f"JENKINS_NOTARY_{one or other}" for one, other in names}
