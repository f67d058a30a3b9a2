"""Hold what every benchmark needs to know of the run."""

from __future__ import annotations

import compileall
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import jenkins_notary
from bench.measure import Finished, child_environment, run_process
from tests.parts.build import PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPT = """\
import sys
from jenkins_notary.cli.main import run
if __name__ == "__main__":
    sys.exit(run())
"""


class Run(NamedTuple):
    """One run of the benchmarks.

    Attributes:
        folder: A temporary folder, removed afterwards.
        is_quick: Whether to be done in a minute or two.
    """

    folder: str
    is_quick: bool

    def say(self, text: str) -> None:
        """Tell a person what goes on."""
        print(f"# {text}", file=sys.stderr, flush=True)

    def rounds(self, full: int) -> int:
        """Return how many rounds to run: all of them, or a third."""
        return max(full // 3, 3) if self.is_quick else full

    def make_folder(self, name: str) -> str:
        """Return a new folder."""
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        return path


class Program(NamedTuple):
    """The installed program, with a home where a ledger has been made.

    Attributes:
        argv: How it is started.
        env: The environment of every call.
    """

    argv: tuple[str, ...]
    env: dict[str, str]

    def run(self, *words: str, stdin: str = os.devnull) -> Finished:
        """Run one call as a whole process."""
        return run_process([*self.argv, *words], self.env, stdin=stdin)

    def time(self, *words: str, stdin: str = os.devnull) -> float:
        """Return the seconds that one call takes as a whole process."""
        return self.run(*words, stdin=stdin).seconds


def install_program(home: str, first: str) -> Program:
    """Return the program as a user has it: compiled, with key and ledger made.

    Args:
        home: A new folder for its data.
        first: A file to notarize, so that the ledger is there.
    """
    package = os.path.dirname(jenkins_notary.__file__ or "")
    compileall.compile_dir(package, quiet=1)
    program = Program((sys.executable, _find_script(home)), child_environment(home))
    program.run("notarize", first)
    return program


def find_cosign() -> str | None:
    """Return the real cosign's path; None if `make parts` has not built it."""
    path = PARTS["cosign"].find()
    return None if path is None else str(path)


def make_cosign_key(cosign: str, home: str) -> Sequence[str]:
    """Make a local key; return the command that signs a blob with it, offline."""
    prefix = os.path.join(home, "cosign")
    env = child_environment(home)
    run_process([cosign, "generate-key-pair", "--output-key-prefix", prefix], env)
    # A signing config would fetch service URLs; version 3 has it on by default.
    offline = ("--tlog-upload=false", "--use-signing-config=false")
    return (cosign, "sign-blob", "--key", f"{prefix}.key", *offline, "-y")


def _find_script(home: str) -> str:
    """Return the console script, or one like it where the package is not installed."""
    path = os.path.join(os.path.dirname(sys.executable), "jenkins-notary")
    if os.path.exists(path):
        return path
    path = os.path.join(home, "jenkins-notary")
    with open(path, "w", encoding="ascii") as file:
        file.write(_SCRIPT)
    return path
