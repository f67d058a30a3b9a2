"""Run a command line in this process, as a person would in a shell."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from jenkins_notary.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Mapping


class Done(NamedTuple):
    """What a command line came to."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Return standard output as text."""
        return self.stdout.decode()

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document's shape is the test's matter
        """Return the document on standard output."""
        return json.loads(self.stdout)


class Terminal(io.BytesIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def command(
    *argv: str,
    environ: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    terminal: bool = False,
) -> Done:
    """Run a command line with the test's environment and more variables."""
    stdout = Terminal() if terminal else io.BytesIO()
    stderr = Terminal() if terminal else io.BytesIO()
    code = main(
        argv,
        {**os.environ, **(environ or {})},
        stdin=None if stdin is None else io.BytesIO(stdin),
        stdout=stdout,
        stderr=stderr,
    )
    return Done(code, stdout.getvalue(), stderr.getvalue().decode())
