"""Each command has a help, a line in the docs and a test."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.cli.commands import COMMANDS, load_command

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]


def test_page_of_commands_is_current() -> None:
    make_page: Callable[[], str] = runpy.run_path(str(ROOT / "docs/make_cli.py"))[
        "make_page"
    ]

    assert (ROOT / "docs/cli.md").read_text() == make_page(), "run docs/make_cli.py"


@pytest.mark.parametrize("words", COMMANDS)
def test_command_has_a_section(words: str) -> None:
    page = (ROOT / "docs/cli.md").read_text()

    assert f"## jenkins-notary {words}\n" in page


@pytest.mark.parametrize("words", COMMANDS)
def test_command_is_run_by_a_test(words: str) -> None:
    called = ", ".join(f'"{one}"' for one in words.split())
    tests = [*(ROOT / "tests").rglob("test_*.py")]

    assert any(f"command({called}" in one.read_text() for one in tests)


@pytest.mark.parametrize("words", COMMANDS)
def test_first_example_is_of_the_command(words: str) -> None:
    assert load_command(words).examples.strip().startswith(words)
