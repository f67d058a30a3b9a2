"""As a process: exit codes, Ctrl-C, readers that go away, full disks, no streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = [sys.executable, "-m", "jenkins_notary"]


def run(
    *argv: str, cwd: Path | None = None, shell: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run the program, or a shell line in which ``$P`` is the program."""
    if shell:
        environ = {**os.environ, "P": " ".join(PROGRAM)}
        return subprocess.run(
            ["bash", "-c", shell],
            capture_output=True,
            check=False,
            env=environ,
            cwd=cwd,
        )
    return subprocess.run([*PROGRAM, *argv], capture_output=True, check=False, cwd=cwd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a notarized file and a long log."""
    (tmp_path / "app.jar").write_text("app")
    (tmp_path / "log.txt").write_bytes(b"a line of a log\n" * 200_000)
    assert run("notarize", "app.jar", cwd=tmp_path).returncode == 0
    assert run("log", "put", "a/b#1", "log.txt", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(["--version"], 0, id="version"),
        pytest.param([], 64, id="nothing"),
        pytest.param(["authenticate", "x"], 66, id="missing"),
        pytest.param(["authenticate", "--colour"], 64, id="usage"),
        pytest.param(["doctor", "--config", "none.yaml"], 78, id="configuration"),
    ],
)
def test_exit_code_is_that_of_the_table(
    tmp_path: Path, argv: list[str], code: int
) -> None:
    done = run(*argv, cwd=tmp_path)

    assert done.returncode == code
    assert b"Traceback" not in done.stderr


def test_console_script_is_the_same_program() -> None:
    script = os.path.join(os.path.dirname(sys.executable), "jenkins-notary")
    if not os.path.exists(script):
        pytest.skip("the package's console script is not installed")

    done = subprocess.run([script, "--version"], capture_output=True, check=True)

    assert done.stdout.decode() == f"jenkins-notary {VERSION}\n"


def test_ctrl_c_is_130_without_a_traceback(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "notarize", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)

    assert process.returncode == 130
    assert stderr == b"jenkins-notary: interrupted\n"


def test_reader_that_goes_away_changes_no_code(folder: Path) -> None:
    shell = "$P log -q 'a/b#1' | head -1; echo ${PIPESTATUS[0]}"

    done = run(shell=shell, cwd=folder)

    assert done.stdout == b"a line of a log\n0\n"
    assert done.stderr == b""


def test_verdict_is_kept_when_nobody_reads(folder: Path) -> None:
    (folder / "b").write_text("b")

    done = run(shell="$P authenticate b | true; echo ${PIPESTATUS[0]}", cwd=folder)

    assert done.stdout == b"2\n"
    assert done.stderr == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_full_disk_behind_standard_output_is_74(folder: Path) -> None:
    done = run(shell="$P authenticate app.jar > /dev/full", cwd=folder)

    assert done.returncode == 74
    assert b"standard output" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(folder: Path, closed: str) -> None:
    done = run(shell=f"$P notarize log.txt {closed}", cwd=folder)

    assert done.returncode == 0
    assert run("ledger", "verify", cwd=folder).returncode == 0


def test_name_that_is_no_utf_8_is_one_error(folder: Path) -> None:
    name = os.path.join(os.fsencode(folder), b"\xff")
    with open(name, "wb") as file:
        file.write(b"x")

    done = subprocess.run(
        [*map(os.fsencode, PROGRAM), b"notarize", name],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 64
    assert b"Traceback" not in done.stderr


def test_plain_locale_prints_all_names(folder: Path) -> None:
    (folder / "größe").write_text("x")
    environ = {**os.environ, "LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(
        [*PROGRAM, "notarize", "größe"],
        capture_output=True,
        check=False,
        cwd=folder,
        env=environ,
    )

    assert done.returncode == 0
    assert done.stdout.decode().endswith("  größe\n")
