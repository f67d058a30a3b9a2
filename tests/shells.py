"""Build agents without Python: a folder of programs that is their whole PATH."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from jenkins_notary.agent.build import TARGET
from tests.parts import require_part
from tests.program import Ran

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SCRIPT = TARGET.with_name("notary-agent.sh")
TOOLS = (
    *(
        "awk",
        "cat",
        "cut",
        "date",
        "grep",
        "head",
        "mkdir",
        "mktemp",
        "mv",
        "od",
        "rm",
        "sed",
    ),
    *("sleep", "tail", "tr", "wc"),
)


class Shell:
    """One machine without Python.

    Attributes:
        argv: Its shell.
        path: Its PATH: one folder.
    """

    def __init__(
        self, folder: Path, shell: str, hasher: str = "sha256sum", client: str = "curl"
    ) -> None:
        """Link the few programs that it has.

        Args:
            folder: Empty.
            shell: ``dash``, or ``busybox``, whose own programs are used then.
            hasher: Which program hashes.
            client: Which program sends.
        """
        folder.mkdir()
        self.path = str(folder)
        names: Sequence[str] = [hasher, client]
        if shell == "busybox":
            busybox = require_part("busybox")
            for name in ("sh", *TOOLS, "sha256sum"):
                (folder / name).symlink_to(busybox)
            names = [client]
            self.argv = [str(folder / "sh")]
        else:
            self.argv = [str(require_part(shell))]
            names = [*names, *TOOLS]
        for name in names:
            found = shutil.which(name)
            assert found is not None, f"{name} is not installed"
            if not (folder / name).exists():
                (folder / name).symlink_to(found)

    def run(
        self,
        *argv: str | bytes,
        environ: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        cwd: Path | None = None,
        script: Path = SCRIPT,
    ) -> Ran:
        """Run the script of the agent part to its end."""
        done = subprocess.run(
            [*self.argv, str(script), *argv],
            env={"PATH": self.path, **(environ or {})},
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=110,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)
