"""A build whose service is away loses nothing: the agent part and a real service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.agent.build import TARGET
from jenkins_notary.api.notary import Notary
from jenkins_notary.values.query import Query
from tests.agent import agent
from tests.parts.serving import Serving
from tests.program import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JOB = "ci.example.com:payments/main#42"
COUNT = 6


class World:
    """An agent with files, and a service that comes and goes."""

    def __init__(self, folder: Path, service: Serving) -> None:
        """Make the files."""
        self.folder = folder
        self.service = service
        self.spool = folder / "spool"
        for number in range(COUNT):
            (folder / f"app-{number:02}.jar").write_bytes(b"PK %d" % number)
        (folder / "report.xml").write_text("<ok/>")

    @property
    def client(self) -> Mapping[str, str]:
        """The environment of the agent."""
        return {
            "JENKINS_NOTARY_LEDGER": self.service.url,
            "JENKINS_NOTARY_TOKEN": self.service.admin,
            "JENKINS_NOTARY_SPOOL": str(self.spool),
        }

    def keep(self, number: int) -> None:
        """Notarize a file while the service is away."""
        words = ("notarize", f"app-{number:02}.jar", "--job", JOB, "-o", "json")
        environ = {**self.client, "JENKINS_NOTARY_TIMEOUT": "1"}
        attach = ("--attach", "report.xml:tests") if number == 0 else ()
        ran = agent(*words, *attach, environ=environ, cwd=self.folder)

        assert ran.code == 0, ran
        assert [one["index"] for one in ran.json["assets"]] == [None]

    def recorded(self) -> list[str]:
        """Return the names that the ledger holds, in log order."""
        with Notary(str(self.service.ledger), environ=self.service.environ) as notary:
            found = [one.to_dict() for one in notary.evidence(Query(job=JOB, limit=99))]
            assert not notary.ledger.verify().findings
        found.sort(key=lambda one: one["index"])
        return [
            asset["name"]
            for one in found
            for asset in one["predicate"].get("assets", ())
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Serving(tmp_path) as service:
        yield World(tmp_path, service)


def test_what_was_built_while_the_service_was_away_is_recorded_later(
    world: World,
) -> None:
    world.service.stop()
    for number in range(3):
        world.keep(number)
    away = agent("deliver", "--timeout", "1", environ=world.client, cwd=world.folder)
    world.service.start()
    done = agent("deliver", "-o", "json", environ=world.client, cwd=world.folder)
    again = program("deliver", "-o", "json", environ=world.client, cwd=world.folder)

    assert away.code == 69
    assert done.code == 0, done
    assert [one["code"] for one in done.json["entries"]] == [0, 0, 0]
    assert all(one["receipt"] for one in done.json["records"])
    assert again.json == {"records": [], "entries": [], "waiting": 0}
    assert world.recorded() == [f"app-{n:02}.jar" for n in range(3)]


def test_delivering_that_is_killed_loses_nothing_and_doubles_nothing(
    world: World,
) -> None:
    world.service.stop()
    for number in range(COUNT):
        world.keep(number)
    world.service.start()
    kills = 0
    while len([*world.spool.glob("*.json")]) > 1 and kills < COUNT:
        before = len([*world.spool.glob("*.json")])
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(TARGET), "deliver"],
            env={"PATH": os.environ["PATH"], **world.client},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Killed between an answer and the removal, or in the middle of a request.
        while len([*world.spool.glob("*.json")]) == before and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    last = agent("deliver", environ=world.client, cwd=world.folder)

    assert kills >= 2
    assert last.code == 0, last
    assert world.recorded() == [f"app-{n:02}.jar" for n in range(COUNT)]


def test_following_delivers_what_comes_once_the_service_is_back(world: World) -> None:
    world.service.stop()
    world.keep(0)
    follower = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(TARGET), "deliver", "--follow"),
            *("--interval", "1", "-o", "json"),
        ],
        env={"PATH": os.environ["PATH"], **world.client},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        world.service.start()
        assert follower.stdout is not None
        line: dict[str, Any] = json.loads(follower.stdout.readline())
    finally:
        follower.send_signal(signal.SIGINT)
        code = follower.wait(timeout=20)
        assert follower.stdout is not None
        follower.stdout.close()

    assert [one["name"] for one in line["entries"]] == ["000000000001.json"]
    assert code == 130
    assert world.recorded() == ["app-00.jar"]


def test_a_claim_that_the_token_may_not_make_is_set_aside(world: World) -> None:
    other = world.service.token("billing", "--role", "writer", "--folder", "billing")
    world.service.stop()
    world.keep(1)
    world.service.start()
    environ = {**world.client, "JENKINS_NOTARY_TOKEN": other}
    refused = agent("deliver", "-o", "json", environ=environ, cwd=world.folder)
    rest = agent("deliver", "--again", environ=world.client, cwd=world.folder)

    assert refused.code == 77
    assert [one["code"] for one in refused.json["entries"]] == [77]
    assert rest.code == 0, rest
    assert world.recorded() == ["app-01.jar"]


def test_delivering_needs_a_spool_and_a_service(world: World) -> None:
    none = program("deliver", "--ledger", world.service.url, cwd=world.folder)
    local = program("deliver", "--spool", str(world.spool), cwd=world.folder)

    assert (none.code, local.code) == (64, 64)
    assert "--spool" in none.stderr
    assert "notary service" in local.stderr
