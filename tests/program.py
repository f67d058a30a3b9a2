"""Run the program as a process of its own, as a shell or a build step does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from jenkins_notary import Notary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "jenkins_notary")


class Ran:
    """What a process came to.

    Attributes:
        code: Its exit code; negative for the signal that ended it.
        stdout: What it printed.
        stderr: What it said on the side, as text.
    """

    def __init__(self, code: int, stdout: bytes, stderr: bytes) -> None:
        """Keep what was printed."""
        self.code = code
        self.stdout = stdout
        self.stderr = stderr.decode()

    def __repr__(self) -> str:
        """Show all of it when a test fails."""
        return f"Ran({self.code}, {self.stdout[:2000]!r}, {self.stderr[:2000]!r})"

    @property
    def text(self) -> str:
        """Return standard output as text."""
        return self.stdout.decode()

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document's shape is the test's matter
        """Return the document on standard output."""
        return json.loads(self.stdout)


def program(
    *argv: str | bytes,
    environ: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
) -> Ran:
    """Run a command line to its end."""
    process = start(*argv, environ=environ, cwd=cwd, stdin=subprocess.PIPE)
    stdout, stderr = process.communicate(stdin, timeout=110)
    return Ran(process.returncode, stdout, stderr)


def start(
    *argv: str | bytes,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a command line and leave it running."""
    return subprocess.Popen(
        [*PROGRAM, *argv],
        env={**os.environ, **(environ or {})},
        cwd=cwd,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes]) -> Ran:
    """Wait for a process that was started."""
    stdout, stderr = process.communicate(timeout=110)
    return Ran(process.returncode, stdout, stderr)


def stored_envelopes() -> list[bytes]:
    """Return every envelope that the environment's ledger holds, unpacked."""
    with Notary(os.environ.get("JENKINS_NOTARY_LEDGER")) as notary:
        store = notary._session.store
        digests = [*store.scan_envelopes()]
        return [*store.envelopes(digests).values()]
