"""Import the zipapp's modules, each compiled once.

Python's own importer of zip files compiles a module twice, the first time only to tell
the name of its file (``zipimporter.get_filename``, up to Python 3.13 at least). In a
file without bytecode that is a third of a cold start.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from zipimport import zipimporter

_PACKAGE = "jenkins_notary"


class Importer:
    """Finds and loads the modules of one zipapp."""

    def __init__(self, archive: zipimporter) -> None:
        """Take modules from the archive's reader."""
        self._archive = archive
        self._sources: dict[str, bytes] = {}

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return how a module of the zipapp is loaded, None for any other."""
        if name.partition(".")[0] != _PACKAGE:
            return None
        for ending in (".py", "/__init__.py"):
            file = name.replace(".", "/") + ending
            try:
                self._sources[name] = self._archive.get_data(file)
            except OSError:
                continue
            return ModuleSpec(
                name,
                self,  # type: ignore[arg-type]  # It has what is asked of a loader.
                origin=f"{self._archive.archive}/{file}",
                is_package=ending != ".py",
            )
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002
        """Leave it to Python."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source."""
        spec = module.__spec__
        origin = (spec and spec.origin) or module.__name__
        source = self._sources[module.__name__]
        exec(compile(source, origin, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - as every importer does

    def get_source(self, name: str) -> str:
        """Return a module's source: tracebacks show its lines."""
        return self._sources[name].decode()


def install(spec: ModuleSpec | None) -> None:
    """Import from the zipapp that runs, if it is one.

    Args:
        spec: Where ``__main__`` came from.
    """
    loader = None if spec is None else spec.loader
    if hasattr(loader, "archive"):
        sys.meta_path.insert(0, Importer(loader))  # type: ignore[arg-type]
