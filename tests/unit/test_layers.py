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

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "jenkins_notary"

AGENT = (
    *("errors", "shapes", "version", "values", "tlog"),
    *("assets.asset", "assets.files", "agent"),
)
"""What an agent runs without the package: the standard library and these alone."""

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

LIBRARIES = {"jenkins": "python-jenkins", "yaml": "pyyaml"}
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


def imported_names(file: Path) -> Iterator[str]:
    """Yield the dotted name of every import, wherever it stands.

    An import under `if TYPE_CHECKING:` is yielded too: it names a dependency.
    """
    for node in ast.walk(ast.parse(file.read_bytes(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", AGENT)
def test_agent_module_imports_only_standard_library_and_agent_modules(
    module: str,
) -> None:
    allowed = tuple(f"jenkins_notary.{name}." for name in AGENT)

    foreign = {
        (module_name(file), name)
        for file in module_files(module)
        for name in imported_names(file)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not f"{name}.".startswith(allowed)
    }

    assert foreign == set()


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
