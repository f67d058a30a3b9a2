"""The list of tests that do not hold on immudb names tests that there are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.engines import MODULES, NOT_ON_IMMUDB, engines_of

FOLDER = Path(__file__).parents[1] / "integration"


@pytest.mark.parametrize("name", NOT_ON_IMMUDB)
def test_what_is_left_out_is_a_test_of_commands(name: str) -> None:
    module, _, test = name.partition("::")
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    tests = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}

    assert MODULES.fullmatch(f"tests.integration.{module}")
    assert not test or test in tests


def test_a_test_of_commands_runs_on_both_engines_and_any_other_as_it_is() -> None:
    module = "tests.integration.test_cli_ledger"

    assert [one.id for one in engines_of(module, "test_new")] == ["sqlite", "immudb"]
    left_out = engines_of(module, "test_damaged_file_is_65")
    assert [one.id for one in left_out] == ["sqlite"]
    assert engines_of("tests.integration.test_service", "test_new") == []
