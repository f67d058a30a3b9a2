"""Hold what the import-linter contracts in setup.cfg cannot say.

The contracts say which room may import which. Here: what runs on an agent needs only
the standard library, every library is declared, and a quick start stays quick.
"""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.agent.build import list_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "jenkins_notary"

NOT_ON_AGENTS = {
    "jenkins_notary.api.evidence.Query",
    "jenkins_notary.api.notary.Notary",
    "jenkins_notary.api.session.Choices",
    "jenkins_notary.api.session.JenkinsChoices",
    "jenkins_notary.api.session.Session",
    "jenkins_notary.registry.client.RegistryClient",
    "jenkins_notary.remote.reading.notary.RemoteReader",
    "jenkins_notary.registry.http_source.HttpSource",
    "yaml",
}
"""What modules of the agent part import, within functions that it never calls, or that
say what to use instead."""

QUICK = (
    *("errors", "shapes", "version", "values", "tlog", "ports", "trust", "ledger"),
    *("assets.files", "assets.selection", "engines.sqlite", "config"),
    *("api.notary", "api.session", "api.notarize", "api.authenticate", "api.results"),
    *("cli.main", "cli.notarize", "cli.authenticate"),
)
"""What every `notarize` and `authenticate` loads."""

SLOW = {
    *("concurrent.futures", "dataclasses", "logging", "pathlib", "subprocess"),
    *("tempfile", "urllib.parse", "urllib.request"),
}
"""Modules that cost milliseconds; libraries are found by their absence under -S."""

LIBRARIES = {
    "google": "protobuf",
    "grpc": "grpcio",
    "jenkins": "python-jenkins",
    "yaml": "pyyaml",
}
"""Import names that differ from the name of the distribution."""


def module_files(module: str) -> list[Path]:
    """Return the files of a module or of all modules of a room; none if absent."""
    path = PACKAGE.joinpath(*module.split("."))
    return sorted(path.rglob("*.py")) or [
        file for file in [path.with_suffix(".py")] if file.exists()
    ]


def module_name(file: Path) -> str:
    """Return the dotted name of a file of the package."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    )


def imported_names(file: Path, *, at_run_time: bool = False) -> Iterator[str]:
    """Yield the dotted name of every import, wherever it stands.

    An import under `if TYPE_CHECKING:` is yielded too, for it names a dependency,
    unless only those that happen are asked for.
    """
    tree = ast.parse(file.read_bytes(), str(file))
    if at_run_time:
        tree.body = [one for one in tree.body if not is_for_types(one)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_for_types(node: ast.stmt) -> bool:
    """Return whether a statement is an `if TYPE_CHECKING:`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def test_agent_part_imports_only_the_standard_library_and_itself() -> None:
    files = list_modules()
    inside = {module_name(file) for file in files}

    foreign = {
        name
        for file in files
        for name in imported_names(file, at_run_time=True)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and inside.isdisjoint({name, name.rpartition(".")[0]})
    }

    assert foreign <= NOT_ON_AGENTS


def test_lint_holds_every_module_of_the_agent_part_to_python_3_8() -> None:
    listed = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", "-", "show"],
        cwd=ROOT,
        input="show: ; @echo $(AGENT)",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    held = {
        file for one in listed for file in [*(ROOT / one).rglob("*.py"), ROOT / one]
    }

    assert {one for one in list_modules() if one.name != "__init__.py"} <= held


def test_every_imported_library_is_a_declared_dependency() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    runtime = setup["options"]["install_requires"]
    extras = [
        text
        for name, text in setup["options.extras_require"].items()
        if name not in {"test", "lint", "bench"}
    ]
    declared = set(re.findall(r"(?m)^[\w-]+", "\n".join([runtime, *extras])))

    undeclared = {
        (module_name(file), top)
        for file in PACKAGE.rglob("*.py")
        for top in (name.partition(".")[0] for name in imported_names(file))
        if top not in sys.stdlib_module_names
        and top != "jenkins_notary"
        and LIBRARIES.get(top, top) not in declared
    }

    assert undeclared == set()


@pytest.mark.parametrize("module", QUICK)
def test_quick_module_loads_nothing_slow(module: str) -> None:
    modules = [module_name(file) for file in module_files(module)]
    script = (
        "import importlib, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"for module in {modules}: importlib.import_module(module)\n"
        f"print(*sorted(set(sys.modules) & {SLOW}))"
    )

    # -S: no site-packages, so a library that is imported at once is an error.
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stderr, done.stdout.strip()) == ("", "")
