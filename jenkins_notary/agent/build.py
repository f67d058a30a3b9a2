"""Make the agent part: one file that any Python from 3.8 on runs.

``make agent`` writes ``resources/jenkins_notary/notary-agent.pyz``. The same sources
give the same bytes on any machine: entries are sorted, have one time, and are stored as
they are, because compressed bytes differ from one zlib to the next.

Comments and docstrings are left out: a third of a cold start is spent on compiling, and
the file travels to the agent with each step. Nothing else is changed, so that a
traceback's line still reads like the module's.
"""

from __future__ import annotations

import ast
import io
import os
import tokenize
import zipfile
from pathlib import Path  # noqa: TID253 (this module makes the agent part only)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[1]
TARGET = PACKAGE.parent / "resources" / "jenkins_notary" / "notary-agent.pyz"
SHEBANG = b"#!/usr/bin/env python3\n"

MODULES = (
    *("__init__", "config", "errors", "shapes", "version", "whole_file"),
    *("agent/__init__", "agent/collect", "agent/importer", "agent/main"),
    "assets/*",
    *("cli/__init__", "cli/attach", "cli/authenticate", "cli/builds", "cli/commands"),
    *(
        "cli/context",
        "cli/deliver",
        "cli/evidence",
        "cli/files",
        "cli/gate",
        "cli/main",
    ),
    *("cli/notarize", "cli/options", "cli/output", "cli/progress", "cli/receipts"),
    "cli/records",
    *("evidence/__init__", "evidence/build_view", "evidence/slsa"),
    *("ledger/__init__", "ledger/receipts"),
    "remote/*",
    *("tlog/__init__", "tlog/canonical", "tlog/checkpoint", "tlog/ed25519"),
    *("tlog/merkle", "tlog/note", "tlog/policy", "tlog/proofs"),
    "tlog/receipt",
    "values/*",
)
"""What the agent part is made of: modules of the package, or whole rooms."""

_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


def main() -> None:
    """Write the agent part where the steps find it."""
    data = make_agent()
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(data)
    TARGET.chmod(0o755)


def make_agent() -> bytes:
    """Return the zipapp's bytes."""
    entries = {"__main__.py": PACKAGE / "agent" / "__main__.py"}
    for path in list_modules():
        entries[path.relative_to(PACKAGE.parent).as_posix()] = path
    buffer = io.BytesIO(SHEBANG)
    buffer.seek(0, os.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(entries.items()):
            info = zipfile.ZipInfo(name, _TIME)
            # Otherwise the system that it was made on would show.
            info.create_system, info.external_attr = 3, _MODE
            archive.writestr(info, strip_source(path.read_text("utf-8")).encode())
    return buffer.getvalue()


def list_modules() -> list[Path]:
    """Return the files of all modules of the agent part."""
    found = [path for one in MODULES for path in sorted(PACKAGE.glob(f"{one}.py"))]
    return list(dict.fromkeys(found))


def strip_source(source: str) -> str:
    r"""Return a module's source without comments, docstrings and blank lines.

    >>> strip_source("'Doc.'\n\nX = 1  # why\n\ndef f():\n    'Doc.'\n")
    'X = 1\ndef f():\n    ""\n'
    """
    cut: dict[int, tuple[int, str]] = {}
    dropped: set[int] = set()
    for first, last, column, filler in _find_docstrings(source):
        dropped.update(range(first, last + 1))
        if filler:
            dropped.discard(first)
            cut[first] = column, filler
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    for token in tokens:
        row, column = token.start
        if token.type == tokenize.COMMENT:
            cut.setdefault(row, (column, ""))
    lines = []
    inside = _lines_in_strings(tokens)
    for number, line in enumerate(source.splitlines(), 1):
        if number in dropped:
            continue
        column, filler = cut.get(number, (len(line), ""))
        kept = (line[:column] + filler).rstrip() if number in cut else line
        if kept or number in inside:
            lines.append(kept)
    return "\n".join(lines) + "\n"


def _find_docstrings(source: str) -> Iterator[tuple[int, int, int, str]]:
    """Yield (first line, last line, column, what must stand there instead)."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            is_alone = len(node.body) == 1 and not isinstance(node, ast.Module)
            filler = '""' if is_alone else ""
            yield first.lineno, first.end_lineno or 0, first.col_offset, filler


def _lines_in_strings(tokens: list[tokenize.TokenInfo]) -> set[int]:
    """Return the lines that begin within a string."""
    inside: set[int] = set()
    depth: list[int] = []
    for token in tokens:
        name = tokenize.tok_name[token.type]
        if name == "STRING":
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
        # From Python 3.12 on an f-string is several tokens.
        elif name.endswith("STRING_START"):
            depth.append(token.start[0])
        elif name.endswith("STRING_END"):
            inside.update(range(depth.pop() + 1, token.end[0] + 1))
    return inside


if __name__ == "__main__":
    main()
