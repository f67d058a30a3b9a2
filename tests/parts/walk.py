"""Walk through the commands that a page shows, in its order, on a real API server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.parts import require_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.parts.kubernetes import Cluster

ROOT = Path(__file__).parents[2]


def list_lines(page: Path, heading: str = "") -> list[str]:
    """Return the command lines of a page, or of one of its chapters, each whole."""
    text = page.read_text("utf-8")
    if heading:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"  +", " ", one) for one in lines if not one.startswith("#")]


def walk(
    cluster: Cluster,
    lines: Sequence[str],
    folder: Path,
    *,
    instead: Mapping[str, str],
    environ: Mapping[str, str],
) -> str:
    """Run lines in one shell, which ends at the first that fails; return its output.

    Args:
        cluster: Where kubectl and Helm lead.
        lines: What is run.
        folder: Where it is run; it gets the checkout's `resources`.
        instead: What stands in the lines, and what is meant here.
        environ: Further variables.

    Raises:
        AssertionError: A line failed; with all that was said.
    """
    (folder / "resources").symlink_to(ROOT / "resources")
    programs = folder / "bin"
    programs.mkdir()
    for name in ("kubectl", "helm"):
        (programs / name).symlink_to(require_part(name))
    program = programs / "jenkins-notary"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m jenkins_notary "$@"\n')
    program.chmod(0o755)
    script = "\n".join(lines)
    for text, meant in instead.items():
        script = script.replace(text, meant)
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-eu"],
        input=script,
        cwd=folder,
        env={
            **os.environ,
            **environ,
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "KUBECONFIG": str(cluster.kubeconfig),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
