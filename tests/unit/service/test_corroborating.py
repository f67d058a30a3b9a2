"""Claims wait for their builds to end, and nothing that waits holds up the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.corroborate import Corroborated
from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices, JenkinsChoices
from jenkins_notary.errors import IntegrityError, UnavailableError
from jenkins_notary.service.builds import corroborating
from jenkins_notary.service.builds.corroborating import LONGEST_MS, NAME, Corroboration
from jenkins_notary.service.session import Engine
from jenkins_notary.service.state import ServiceState
from jenkins_notary.service.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.values.jobid import JobId

DIGEST = f"sha256:{'ab' * 32}"


class World:
    """A ledger with claims; what comes of asking for a build is the test's."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        environ = {"HOME": str(folder), "JENKINS_URL": "https://ci.example.com/"}
        self.ledger = str(folder / "ledger.db")
        self.environ = environ
        self.told: list[str] = []
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}
        self.claim("app", 1)
        choices = Choices(jenkins=JenkinsChoices(url="https://ci.example.com/"))
        self.engine = Engine(self.ledger, choices, environ)
        self.state = ServiceState(f"{self.ledger}.service")
        self.tasks = Tasks(lambda *_: None)
        self.waiting = Corroboration(
            self.engine, self.state, lambda _, why: self.told.append(why)
        )
        self.waiting._known = frozenset({"ci.example.com"})
        self.now_ms = 1_000_000
        monkeypatch.setattr(corroborating, "Corroborator", self._corroborator)
        clock = self.engine._template.clock
        monkeypatch.setattr(type(clock), "now_ms", lambda _: self.now_ms)

    def claim(
        self, name: str, number: int, instance: str | None = "ci.example.com"
    ) -> None:
        """Record a claim of a build."""
        where = "" if instance is None else f"{instance}:"
        environ = {"HOME": self.environ["HOME"]}
        with Notary(self.ledger, environ=environ) as notary:
            notary.notarize([DIGEST], name="a", job=f"{where}{name}#{number}")

    def note(self) -> None:
        """Note all records, as the follower does."""
        session = self.engine.session()
        view = session.view()
        for record in view.records(range(view.size)):
            self.waiting.note(session, record)

    def work(self, later_ms: int = 10_000) -> None:
        """Do one round, some time later."""
        self.now_ms += later_ms
        self.waiting.work(self.tasks)

    def _corroborator(self, *_: object) -> World:
        return self

    def corroborate(self, job: JobId) -> Corroborated:
        """Answer for a build what the test wants."""
        self.asked.append(f"{job.name}#{job.number}")
        answer = self.answers.get(self.asked[-1], Corroborated((7,)))
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Corroborated)
        return answer


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    made.engine.close()
    made.state.close()


def test_a_build_is_asked_for_once_after_a_while(world: World) -> None:
    world.note()
    world.work(0)
    assert world.asked == []

    world.work()
    world.work()

    assert world.asked == ["app#1"]
    assert world.waiting.waiting() == 0


def test_a_build_that_runs_is_asked_for_again_less_and_less_often(world: World) -> None:
    world.note()
    world.answers["app#1"] = Corroborated((), is_running=True)
    for _ in range(60):
        world.work(5_000)

    assert 5 <= len(world.asked) <= 12
    assert world.told == []


def test_a_controller_that_is_away_is_asked_once_a_round(world: World) -> None:
    world.claim("app", 2)
    world.note()
    world.answers = dict.fromkeys(("app#1", "app#2"), UnavailableError("Jenkins"))

    world.work()

    assert len(world.asked) == 1
    assert world.waiting.waiting() == 2
    world.answers = {}
    world.work(2 * LONGEST_MS)
    assert world.waiting.waiting() == 0


def test_a_build_that_cannot_be_compared_holds_up_no_other(world: World) -> None:
    world.claim("app", 2)
    world.note()
    world.answers["app#1"] = IntegrityError("record #1")

    world.work()

    assert world.asked == ["app#1", "app#2"]
    assert "claims of ci.example.com:app#1 wait: record #1" in world.told


def test_what_waits_for_a_week_is_given_up_and_told(world: World) -> None:
    world.note()
    world.answers["app#1"] = UnavailableError("Jenkins")
    world.work()

    world.work(8 * 86_400_000)

    assert world.waiting.waiting() == 0
    assert "given up" in world.told[-1]


def test_a_claim_that_comes_meanwhile_is_not_forgotten(world: World) -> None:
    world.note()
    before = world.state.get(NAME, "ci.example.com:app#1")
    world.state.put(NAME, "ci.example.com:app#1", {**before, "index": 99})

    world.waiting._forget("ci.example.com:app#1", before)

    assert world.waiting.waiting() == 1


def test_claims_of_controllers_that_may_not_be_read_do_not_wait(world: World) -> None:
    world.claim("other", 1, "elsewhere.example.com")
    world.claim("plain", 1, None)
    world.note()

    assert [key for key, _ in world.state.scan(NAME)] == [
        "ci.example.com:app#1",
        "plain#1",
    ]
