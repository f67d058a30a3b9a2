"""The agent part runs as one file, on old Pythons too, with nothing around it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.agent.build import TARGET
from tests.agent import BARE, agent
from tests.parts.registry import Authority
from tests.parts.service import Fault, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = "ci.example.com:payments/main#42"


def find_python(version: str) -> str | None:
    """Return an interpreter of a version: on PATH, or where pyenv keeps them."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    named = sorted(root.glob(f"versions/{version}.*/bin/python3"))
    found = str(named[0]) if named else shutil.which(f"python{version}")
    if found is None:
        return None
    done = subprocess.run([found, "-c", "pass"], capture_output=True, check=False)
    return found if done.returncode == 0 else None


PYTHONS = ("3.8", "3.9", "3.10", "3.12", "3.13")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path) as running:
        yield running


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/app.jar").write_bytes(b"PK\x03\x04 app")
    (tmp_path / "work/tree").mkdir()
    (tmp_path / "work/tree/a").write_text("a")
    return tmp_path / "work"


@pytest.mark.parametrize("version", PYTHONS)
def test_it_runs_on_every_python(service: StandIn, work: Path, version: str) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is missing: pyenv install {version}")
    for words in (
        ["notarize", "app.jar", "tree", "--job", JOB, "--attach", "app.jar:x"],
        ["authenticate", "app.jar", "tree"],
        ["evidence", JOB],
        ["notarize", "*.jar", "--receipts", "r"],
        ["untrust", "tree", "--reason", "x"],
        ["attach", "app.jar", "--job", JOB],
    ):
        done = agent(
            *words,
            *("-o", "json"),
            environ=service.client,
            cwd=work,
            python=(python, "-I", "-S"),
        )

        assert done.code == 0, done
        assert done.stderr == ""


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_older_python_ends_with_126(work: Path, version: str) -> None:
    python = find_python(version)
    if python is None and version == "2.7":
        root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
        python = next(map(str, root.glob("versions/2.7.*/bin/python")), None)
    if python is None:
        pytest.skip(f"Python {version} is missing: pyenv install {version}")

    done = agent("notarize", "app.jar", cwd=work, python=(python,))

    assert (done.code, done.stdout) == (126, b"")
    assert "older than 3.8" in done.stderr


def test_environment_needs_to_hold_nothing(work: Path) -> None:
    done = subprocess.run(
        [*BARE, str(TARGET), "notarize", "app.jar", "--claims", "c.json"],
        env={},
        cwd=work,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done
    assert (work / "c.json").exists()


def test_workspace_cannot_shadow_a_module(service: StandIn, work: Path) -> None:
    (work / "json.py").write_text("raise SystemExit(0)\n")
    (work / "jenkins_notary").mkdir()
    (work / "jenkins_notary/__init__.py").write_text("raise SystemExit(0)\n")

    done = agent("notarize", "app.jar", "-o", "json", environ=service.client, cwd=work)

    assert done.code == 0
    assert done.json["assets"][0]["status"] == "TRUSTED"


def test_list_on_standard_input(service: StandIn, work: Path) -> None:
    done = agent(
        *("notarize", "-o", "json", "-"),
        environ=service.client,
        stdin=b"app.jar\ntree\n",
        cwd=work,
    )

    assert [one["name"] for one in done.json["assets"]] == ["app.jar", "tree"]


def test_private_authority_and_token(tmp_path: Path, work: Path) -> None:
    authority = Authority()
    pair = authority.issue(tmp_path, "server")
    ca_file = str(authority.write(tmp_path))
    with StandIn(tmp_path, certificate=pair) as service:
        words = ("notarize", "app.jar", "-o", "json")
        trusted = agent(*words, "--ca-file", ca_file, environ=service.client, cwd=work)
        stranger = agent(*words, environ=service.client, cwd=work)

    assert trusted.code == 0, trusted
    assert stranger.code == 69
    assert "--ca-file" in stranger.json["advice"]
    assert len(service.seen) == 1


def test_waiting_is_bounded(service: StandIn, work: Path) -> None:
    service.fail(*[Fault(hang_s=30)] * 5)
    environ = {**service.client, "JENKINS_NOTARY_TIMEOUT": "2"}
    started = time.monotonic()

    done = agent("notarize", "app.jar", "-o", "json", environ=environ, cwd=work)

    assert (done.code, done.json["code"]) == (69, 69)
    assert time.monotonic() - started < 5
    # The second attempt is the same claim.
    assert len({one.json["recordId"] for one in service.seen}) == 1
    assert len(service.seen) == 2


def test_token_is_in_no_output(service: StandIn, work: Path) -> None:
    service.fail(Fault(401), Fault(500, body=service.token.encode()))
    for _ in range(3):
        done = agent("notarize", "app.jar", environ=service.client, cwd=work)

        assert service.token not in done.text + done.stderr
