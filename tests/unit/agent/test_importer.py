"""The zipapp's modules are imported from it, once each, with their sources."""

from __future__ import annotations

import subprocess
import sys
import zipimport
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

from jenkins_notary.agent.build import TARGET
from jenkins_notary.agent.importer import Importer, install

if TYPE_CHECKING:
    import pytest


def make_importer() -> Importer:
    return Importer(zipimport.zipimporter(str(TARGET)))


def test_only_modules_of_the_package_in_the_zipapp_are_found() -> None:
    importer = make_importer()
    spec = importer.find_spec("jenkins_notary.errors")
    room = importer.find_spec("jenkins_notary.values")

    assert importer.find_spec("json") is None
    assert importer.find_spec("jenkins_notary.engines") is None
    assert spec is not None
    assert spec.origin == f"{TARGET}/jenkins_notary/errors.py"
    assert spec.submodule_search_locations is None
    assert room is not None
    assert room.submodule_search_locations == []


def test_module_runs_from_its_source() -> None:
    from types import ModuleType

    importer = make_importer()
    spec = importer.find_spec("jenkins_notary.version")
    assert spec is not None
    module = ModuleType("jenkins_notary.version")
    module.__spec__ = spec

    assert importer.create_module(spec) is None
    importer.exec_module(module)
    assert module.VERSION
    assert "VERSION = " in importer.get_source("jenkins_notary.version")


def test_it_is_used_within_a_zipapp_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [])
    install(None)
    install(ModuleSpec("__main__", None))
    assert sys.meta_path == []
    archive = zipimport.zipimporter(str(TARGET))
    install(ModuleSpec("__main__", archive))  # type: ignore[arg-type]  # a loader

    assert isinstance(sys.meta_path[0], Importer)


def test_traceback_shows_the_line() -> None:
    script = (
        "import sys, runpy; sys.argv = ['agent', '--version']\n"
        f"sys.path.insert(0, {str(TARGET)!r})\n"
        "import zipimport\n"
        "from jenkins_notary.agent.importer import Importer\n"
        "for one in [m for m in sys.modules if m.startswith('jenkins')]:"
        " del sys.modules[one]\n"
        f"sys.meta_path.insert(0, Importer(zipimport.zipimporter({str(TARGET)!r})))\n"
        "from jenkins_notary.values.digest import parse_digest\n"
        "try: parse_digest('x')\n"
        "except Exception: import traceback; traceback.print_exc()\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "raise UsageError(" in done.stderr
