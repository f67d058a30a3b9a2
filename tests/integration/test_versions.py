"""Clients of an earlier version are served: the agent part as it was released.

What is kept of earlier versions: ``tests/vectors/clients/SOURCES.md``.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.remote.reading.doctor import run_checks
from jenkins_notary.remote.reading.notary import RemoteReader
from jenkins_notary.remote.reading.versions import TOO_OLD, check_clients, compare
from jenkins_notary.version import VERSION
from tests.agent import BARE
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLIENTS = Path(__file__).parents[1] / "vectors/clients"
OLD = sorted(CLIENTS.glob("*.pyz"))
JOB = "ci.example.com:payments/api/main#42"
POLICY = "version: 1\nrules: [{name: all, require: {job: ['**']}}]\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("versions")) as one:
        yield one


def test_a_client_of_each_version_that_is_served_is_kept() -> None:
    versions = [re.sub(r"notary-agent-|\.pyz", "", one.name) for one in OLD]

    assert versions
    assert all(compare(one) != TOO_OLD for one in versions)


@pytest.mark.parametrize("program", OLD, ids=lambda one: one.stem)
def test_agent_part_of_an_earlier_version_is_served(
    service: Serving, program: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.jar").write_bytes(program.name.encode())
    (tmp_path / "report.xml").write_text("<report/>")
    (tmp_path / "policy.yaml").write_text(POLICY)
    name = program.stem.replace(".", "-")
    environ = {
        **service.client(service.token(name, "--role", "admin")),
        "JENKINS_NOTARY_LOG": service.ask("GET", "/api/v1/status").json["vkey"],
    }

    def run(*words: str) -> tuple[int, Any]:
        done = subprocess.run(
            [*BARE, str(program), *words, "-o", "json"],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return done.returncode, json.loads(done.stdout or b"null")

    code, made = run("notarize", "app.jar", "--job", JOB, "--attach", "report.xml:test")
    assert (code, made["assets"][0]["status"]) == (0, "TRUSTED")
    assert run("attach", "report.xml", "--job", JOB)[0] == 0
    code, found = run("authenticate", "app.jar")
    assert code in {0, 2}, found
    assert run("gate", "--policy", "policy.yaml", "app.jar")[0] in {0, 5}
    code, found = run("evidence", JOB)
    assert (code, len(found["records"])) == (0, 3)
    assert run("untrust", "app.jar", "--reason", "CVE-1")[0] == 0
    assert run("authenticate", "app.jar")[0] == 1
    told = service.ask("GET", "/api/v1/about").json["clients"]
    assert [one["skew"] for one in told if one["token"] == name] == ["same"]


class Answering(RemoteReader):
    """A client of a service of some version."""

    version: str

    def __init__(self, version: str) -> None:
        self.version = version

    @property
    def url(self) -> str:
        """Return where it is."""
        return "https://notary.example.com"

    def ask(self, path: str, **_: str | None) -> Mapping[str, Any]:
        """Answer what it is asked of itself, and nothing else."""
        assert path == "/about"
        odd = [None, {"token": 7}]
        return {"version": self.version, "api": "v1", "you": None, "clients": odd}


@pytest.mark.parametrize(
    ("version", "code", "advice"),
    [
        (VERSION, 0, ""),
        ("0.2.0", 0, ""),
        ("0.3.0", 78, "upgrade this program"),
        ("0.0.9", 78, "upgrade the service first"),
        ("none", 78, ""),
    ],
)
def test_doctor_compares_this_program_with_the_service(
    version: str, code: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for look in ("_look_at_ledger", "_look_at_key"):
        name = f"jenkins_notary.remote.reading.doctor.{look}"
        monkeypatch.setattr(name, lambda _: "well")
    found = {one.value["name"]: one.value for one in run_checks(Answering(version))}

    assert (found["versions"]["code"], found["versions"]["advice"]) == (code, advice)
    assert found["clients"]["found"] == "none has asked yet"


def test_doctor_names_those_first_that_do_not_go_with_the_service() -> None:
    def client(number: int, skew: str) -> dict[str, str]:
        return {
            "token": f"t{number}",
            "program": "jenkins-notary-hook",
            "version": f"0.{number}.0",
            "seen": "2026-01-02",
            "skew": skew,
        }

    many = [client(one, "same") for one in range(30)] + [client(99, TOO_OLD)]
    found = check_clients(many)

    assert found["found"].startswith("hook 0.99.0 (token t99, 2026-01-02), ")
    assert found["found"].endswith(" and 11 more")
    assert "one minor version back" in found["advice"]
    assert check_clients([])["found"] == "none has asked yet"
