"""Hold what can be held of the PowerShell script without running it.

It was not run: no PowerShell is at hand where this is tested.
"""

from __future__ import annotations

import re

from jenkins_notary import errors
from jenkins_notary.agent.build import TARGET
from jenkins_notary.config import OPTIONS, VARIABLES
from jenkins_notary.errors import SEVERITY
from jenkins_notary.values.ci import ALLOWED
from jenkins_notary.values.status import Status
from jenkins_notary.version import VERSION

SCRIPT = TARGET.with_name("notary-agent.ps1").read_bytes().decode("ascii")
SHELL = TARGET.with_name("notary-agent.sh").read_bytes().decode("ascii")


def test_version_is_that_of_the_package() -> None:
    assert f"$Version = '{VERSION}'" in SCRIPT
    assert f"\nVERSION={VERSION}\n" in SHELL


def test_order_of_the_codes_is_the_projects() -> None:
    (listed,) = re.findall(r"\$Severity = ([\d, ]+)", SCRIPT)
    (other,) = re.findall(r'split\("([\d ]+)", list', SHELL)

    assert tuple(map(int, listed.split(","))) == SEVERITY
    assert tuple(map(int, other.split())) == SEVERITY


def test_words_of_errors_have_their_codes() -> None:
    block = SCRIPT.partition("$Words = @{")[2].partition("}")[0]
    found = {
        word: int(code) for word, code in re.findall(r"'([a-z-]+)' = (\d+)", block)
    }
    kinds = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.NotaryError)
    ]

    assert found == {
        one.word: one.exit_code
        for one in kinds
        if one.word not in {"head-moved", "faults"}
    }


def test_statuses_have_their_numbers() -> None:
    block = SCRIPT.partition("$Statuses = @{")[2].partition("}")[0]

    assert {word: int(code) for word, code in re.findall(r"'(\w+)' = (\d)", block)} == {
        one.name: one.value for one in Status
    }


def test_every_option_that_it_reads_is_one() -> None:
    named = set(re.findall(r"(?:Get-Option|Get-ListOption) '([A-Z_]+)'", SCRIPT))
    known = {one.upper().replace("-", "_") for one in OPTIONS} | VARIABLES

    assert named <= known
    assert {"LEDGER", "TOKEN", "CLAIMS", "ATTR", "TIMEOUT"} <= named


def test_facts_of_the_build_are_among_those_that_are_recorded() -> None:
    (listed,) = re.findall(r"\$variable in ([^)]+)\)", SCRIPT)
    (other,) = re.findall(r'split\("(BRANCH_NAME[^;]*?)", list', SHELL, re.DOTALL)
    facts = set(re.findall(r"'(\w+)'", listed))

    assert facts <= set(ALLOWED["jenkins"])
    assert set(re.findall(r"[A-Z_]{2,}", other)) == facts


def test_brackets_are_balanced() -> None:
    bare = re.sub(r"#[^\n]*|'(?:[^']|'')*'|\"(?:`.|[^\"])*\"", "", SCRIPT)

    for one, other in ("()", "{}", "[]"):
        assert bare.count(one) == bare.count(other), one


def test_token_is_sent_in_a_header_alone() -> None:
    printed = [
        one
        for one in SCRIPT.splitlines()
        if re.search(r"\$token\b(?!\))", one, re.IGNORECASE)
        and re.search(r"Write-|New-Fault .*\$token", one, re.IGNORECASE)
    ]

    assert printed == []
    assert "Headers['Authorization'] = \"Bearer $Token\"" in SCRIPT
