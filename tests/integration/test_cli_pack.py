"""Evidence is handed over in one file, and checked by somebody who has nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.command import command

JOB = "ci.example.com:payments/api/main#42"
ROOT = Path(__file__).parents[2]
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
NAME = "build-ci.example.com-payments-api-main-42.pack.tar"


@pytest.fixture
def vkey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the log's key, after a build was recorded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.jar").write_text("app")
    (tmp_path / "console.txt").write_text("one\ntwo\n")
    argv = ["notarize", "app.jar", "--job", JOB, "--attr", "release=1.2"]
    assert command(*argv).code == 0
    assert command("log", "put", JOB, "console.txt").code == 0
    found = json.loads(command("ledger", "status", "-o", "json").stdout)
    return str(found["vkey"])


def as_auditor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Go on as somebody who has no ledger, no key, no pin."""
    monkeypatch.setenv("HOME", str(tmp_path / "auditor"))
    for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "JENKINS_NOTARY_LEDGER"):
        monkeypatch.delenv(name, raising=False)


def test_auditor_checks_a_pack_with_no_ledger(
    vkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("pack", JOB).code == 0
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    as_auditor(monkeypatch, tmp_path)

    assert command("verify-pack", NAME).code == 64
    done = command("verify-pack", NAME, "--log", vkey)

    assert done.code == 0
    assert done.text.startswith("OK the pack is whole")
    assert "TRUSTED  app.jar" in done.text
    assert "page and report say what the records say" in done.text
    found = json.loads(command("verify-pack", NAME, "--log", vkey, "-o", "json").stdout)
    assert (found["selected"], found["bodies"], found["complete"]) == (2, 1, None)


def test_pack_that_was_altered_is_refused(vkey: str, tmp_path: Path) -> None:
    assert command("pack", JOB, "--file", "a.tar").code == 0
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(data.replace(b"one\ntwo\n", b"one\nTWO\n"))

    assert command("verify-pack", "b.tar", "--log", vkey).code == 65
    assert command("verify-pack", "none.tar", "--log", vkey).code == 66
    assert command("verify-pack", ".", "--log", vkey).code == 64


@pytest.mark.parametrize(
    "argv",
    [["--release", "release=1.2"], ["--since", "2020-01-01"], [JOB, "--no-bodies"]],
    ids=["release", "period", "without bodies"],
)
def test_pack_goes_to_standard_output(
    vkey: str, tmp_path: Path, argv: list[str]
) -> None:
    done = command("pack", *argv, "--file", "-")
    (tmp_path / "out.tar").write_bytes(done.stdout)

    assert done.code == 0
    assert command("verify-pack", "out.tar", "--log", vkey).code == 0
    assert (b"one\ntwo\n" in done.stdout) is ("--no-bodies" not in argv)


def test_pack_overwrites_nothing_and_leaves_nothing_half(
    vkey: str, tmp_path: Path
) -> None:
    assert vkey
    assert command("pack", JOB).code == 0
    assert command("pack", JOB).code == 64
    assert command("pack", "none#1").code == 66
    assert command("pack").code == 64
    assert command("pack", JOB, "--file", "no/such/folder.tar").code == 74
    assert not list(tmp_path.glob("*.tmp"))


def test_verifier_in_the_pack_needs_nothing_of_this_project(
    vkey: str, tmp_path: Path
) -> None:
    assert command("pack", JOB, "--file", "a.tar").code == 0
    with tarfile.open(tmp_path / "a.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(data.replace(b"one\ntwo\n", b"one\nTWO\n"))
    blocked = (
        "import runpy, sys; sys.modules['jenkins_notary'] = None; "
        "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    )

    def verify(*argv: str) -> subprocess.CompletedProcess[str]:
        script = str(tmp_path / "jenkins-notary-pack/verify.py")
        return subprocess.run(
            [sys.executable, "-I", "-c", blocked, script, *argv],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )

    done = verify("a.tar", vkey)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("OK        all of it is proven\n")
    assert "TRUSTED  'app.jar'" in done.stdout
    assert verify("b.tar", vkey).returncode == 65
    assert verify("none.tar", vkey).returncode == 66
    assert verify("a.tar").returncode == 64
    assert verify("a.tar", "x+y").returncode == 65


def test_long_log_takes_little_memory(vkey: str, tmp_path: Path) -> None:
    with (tmp_path / "long.txt").open("wb") as file:
        for number in range(96):
            file.write((b"%06d line of a long log\n" % number) * 40_000)
    assert command("log", "put", JOB, "long.txt").code == 0
    program = [sys.executable, "-m", "jenkins_notary"]
    script = str(ROOT / "jenkins_notary/standalone/verify.py")
    for argv in (
        [*program, "pack", JOB, "--file", "a.tar"],
        [*program, "verify-pack", "a.tar", "--log", vkey],
        [sys.executable, script, "a.tar", vkey],
    ):
        measured = subprocess.run(
            [sys.executable, "-c", MEASURE, *argv],
            check=True,
            capture_output=True,
            text=True,
        )
        assert int(measured.stdout.split()[-1]) < 100 << 10
    assert (tmp_path / "a.tar").stat().st_size > 96_000_000


def test_report_is_written_for_a_person(vkey: str, tmp_path: Path) -> None:
    text = command("report", JOB).text
    assert text.startswith(f"# `build {JOB}`\n")
    assert "| TRUSTED | `app.jar` |" in text

    argv = ["report", "--since", "2020-01-01", "--format", "html"]
    assert command(*argv, "--file", "a.html").code == 0
    page = (tmp_path / "a.html").read_text()
    assert "<h1><bdi>Period, since 2020-01-01</bdi></h1>" in page
    assert JOB.partition("#")[0] in page
    found = command("report", "--release", "release=1.2", "-o", "json").json
    assert found["counts"] == {"TRUSTED": 1}
    assert vkey.startswith(found["log"])
    assert command("report", "none#1").code == 66


def test_policy_goes_along_with_a_pack(vkey: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("rules: []\n")

    done = command("pack", JOB, "--policy", "policy.yaml", "--file", "-")

    assert vkey
    assert b"rules: []\n" in done.stdout
    assert command("pack", JOB, "--policy", "none.yaml").code == 66
