"""The agent part is made of the package, the same everywhere, and the committed one."""

from __future__ import annotations

import ast
import io
import zipfile

import pytest

from jenkins_notary.agent import build
from jenkins_notary.agent.build import TARGET, list_modules, make_agent, strip_source


def test_committed_agent_part_is_made_of_these_sources() -> None:
    assert TARGET.read_bytes() == make_agent(), "run `make agent`"


def test_agent_part_can_be_run_as_a_program() -> None:
    assert TARGET.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert TARGET.stat().st_mode & 0o111


def test_entries_are_sorted_stored_and_of_one_time() -> None:
    with zipfile.ZipFile(io.BytesIO(make_agent())) as archive:
        entries = archive.infolist()

    names = [one.filename for one in entries]
    assert names == sorted(names)
    assert {one.date_time for one in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {one.compress_type for one in entries} == {zipfile.ZIP_STORED}
    assert {one.create_system for one in entries} == {3}


def test_agent_part_holds_no_builder_and_no_ledger() -> None:
    with zipfile.ZipFile(TARGET) as archive:
        names = set(archive.namelist())

    assert "__main__.py" in names
    assert "jenkins_notary/agent/build.py" not in names
    assert not [one for one in names if "/engines/" in one or "/api/" in one]


def test_writing_it_makes_the_folder(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = type(TARGET)(str(tmp_path)) / "a" / "agent.pyz"
    monkeypatch.setattr(build, "TARGET", target)

    build.main()

    assert target.read_bytes() == make_agent()


@pytest.mark.parametrize("path", list_modules(), ids=lambda one: one.stem)
def test_stripped_module_says_the_same(path: object) -> None:
    source = type(TARGET)(str(path)).read_text("utf-8")

    assert code_of(strip_source(source)) == code_of(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param('X = "# no"  # a\n', 'X = "# no"\n', id="hash-in-a-string"),
        pytest.param(
            'X = """a\n\n# b\n"""\n', 'X = """a\n\n# b\n"""\n', id="long-text"
        ),
        pytest.param("X = f'''a\n\n{1}\n'''\n", "X = f'''a\n\n{1}\n'''\n", id="long-f"),
        pytest.param(
            'def f():\n    "d"\n\n    # a\n    x()\n', "def f():\n    x()\n", id="def"
        ),
        pytest.param('class A:\n    "d"\n', 'class A:\n    ""\n', id="nothing-else"),
        pytest.param(
            'class A:\n    """d\n\n    e"""\n', 'class A:\n    ""\n', id="long-doc"
        ),
    ],
)
def test_only_comments_docstrings_and_blank_lines_go(
    source: str, expected: str
) -> None:
    assert strip_source(source) == expected


def code_of(source: str) -> str:
    """Return a module's syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)
