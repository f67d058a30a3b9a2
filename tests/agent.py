"""Run the agent part as a build step does: one file, an interpreter, nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from jenkins_notary.agent.build import TARGET
from tests.program import Ran

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BARE = (sys.executable, "-I", "-S")
"""An interpreter without site packages, user folder or environment."""


def agent(
    *argv: str | bytes,
    environ: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    python: tuple[str, ...] = BARE,
) -> Ran:
    """Run a command line of the agent part with an environment of its own."""
    done = subprocess.run(
        [*python, str(TARGET), *argv],
        env={"PATH": os.environ["PATH"], **(environ or {})},
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=110,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
