"""What a sweep finds is kept for those who may see it, until the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices
from jenkins_notary.errors import UnavailableError
from jenkins_notary.jenkins.memory import MemoryJenkins
from jenkins_notary.service.builds.coverage import (
    CoverageSettings,
    CoverageSweeps,
    read_coverage,
    read_states,
    read_unrecorded,
)
from jenkins_notary.service.session import Engine, ServiceSession
from jenkins_notary.service.state import ServiceState
from jenkins_notary.service.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

INSTANCE = "ci.example.com"


class Controllers:
    """The one controller that may be read."""

    instances = (INSTANCE,)

    def __init__(self, jenkins: MemoryJenkins) -> None:
        self._jenkins = jenkins

    def client(self, instance: str | None) -> MemoryJenkins:
        """Return it."""
        assert instance == INSTANCE
        return self._jenkins

    def close(self) -> None:
        """Do nothing."""


class World:
    """A service's ledger and a controller in memory."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        environ = {"HOME": str(folder)}
        ledger = str(folder / "ledger.db")
        with Notary(ledger, environ=environ) as notary:
            notary.ledger.init()
        self.jenkins = MemoryJenkins()
        controllers = Controllers(self.jenkins)
        monkeypatch.setattr(ServiceSession, "controllers", lambda _: controllers)
        self.engine = Engine(ledger, Choices(), environ)
        self.state = ServiceState(f"{ledger}.service")
        self.tasks = Tasks(lambda *_: None)
        self.told: list[str] = []
        self.swept: list[Sequence[Mapping[str, Any]]] = []

    def sweeps(self, **settings: Any) -> CoverageSweeps:  # noqa: ANN401 - settings
        """Return sweeps with settings; old builds are of the period too."""
        chosen = CoverageSettings(**{"days": 100_000, "grace_minutes": 0, **settings})
        made = CoverageSweeps(
            self.engine, self.state, chosen, lambda _, why: self.told.append(why)
        )
        made.on_swept = lambda _, folders: self.swept.append(folders)
        return made

    def read(self, **options: bool) -> Any:  # noqa: ANN401 - a document
        """Return what whoever sees all sees."""
        return read_coverage(self.state, lambda *_: True, **options)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    made.engine.close()
    made.state.close()


def test_a_sweep_keeps_jobs_and_figures_and_tells_folders(world: World) -> None:
    world.jenkins.add("payments/api", 1, artifacts={"a": b"1"})
    world.jenkins.add("web", 1)

    world.sweeps().sweep(INSTANCE, world.tasks)

    (report,) = world.read()
    assert report["totals"]["missing"] == 2
    assert [one["job"] for one in report["jobs"]] == ["payments/api", "web"]
    assert [one["folder"] for one in world.swept[0]] == ["", "payments"]
    assert read_states(world.state)["missing",] == 2
    assert read_unrecorded(world.state) == 0


def test_jobs_that_are_gone_are_forgotten_by_the_next_sweep(world: World) -> None:
    world.jenkins.add("a", 1)
    world.jenkins.add("b", 1)
    sweeps = world.sweeps()
    sweeps.sweep(INSTANCE, world.tasks)
    world.jenkins.delete("a")

    sweeps.sweep(INSTANCE, world.tasks)

    assert [one["job"] for one in world.read()[0]["jobs"]] == ["b"]


def test_a_controller_is_swept_again_only_when_it_is_time(world: World) -> None:
    world.jenkins.add("a", 1)
    world.sweeps().look(INSTANCE, world.tasks)
    asked = world.jenkins.requests

    world.sweeps().look(INSTANCE, world.tasks)
    assert world.jenkins.requests == asked

    kept = world.state.get("coverage-sweep", INSTANCE)
    world.state.put("coverage-sweep", INSTANCE, {**kept, "next": 0})
    world.sweeps().look(INSTANCE, world.tasks)
    assert world.jenkins.requests > asked


def test_what_jenkins_does_not_tell_is_told_and_the_job_is_not_covered(
    world: World,
) -> None:
    world.jenkins.add("a", 1)
    world.jenkins.faults["builds", 0] = UnavailableError("Jenkins")

    world.sweeps().sweep(INSTANCE, world.tasks)

    assert world.told == ["Jenkins"]
    assert world.read()[0]["jobs"][0]["fault"]["code"] == 69


def test_a_service_that_stops_keeps_the_sweep_before(world: World) -> None:
    world.jenkins.add("a", 1)
    world.tasks.stop()

    world.sweeps().sweep(INSTANCE, world.tasks)

    assert world.read() == []


def test_jobs_of_another_controller_are_left_alone(world: World) -> None:
    world.jenkins.add("a", 1)

    world.sweeps(jobs=("elsewhere.example.com:*",)).sweep(INSTANCE, world.tasks)

    assert world.read()[0]["totals"]["jobs"] == 0


def test_only_what_may_be_seen_is_read_and_counted(world: World) -> None:
    for name in ("payments/api", "payments-evil/api"):
        world.jenkins.add(name, 1)
    world.sweeps().sweep(INSTANCE, world.tasks)

    (report,) = read_coverage(
        world.state, lambda _, name: name.startswith("payments/"), every_job=True
    )

    assert report["totals"]["jobs"] == 1
    assert [one["folder"] for one in report["folders"]] == ["payments"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"jobs": ["a//b"]}, "jobs"),
        ({"every-minutes": 0}, "every-minutes"),
        ({"days": -1}, "days"),
        ({"grace-minutes": -1}, "grace-minutes"),
        ({"folders": ["a"]}, "unknown field"),
    ],
)
def test_wrong_settings_are_refused(section: object, expected: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=expected):
        msgspec.convert(section, CoverageSettings)


def test_nothing_is_swept_where_no_job_is_named(world: World) -> None:
    world.sweeps(jobs=()).start(world.tasks)

    assert world.tasks._threads == []
    world.sweeps().start(world.tasks)
    assert len(world.tasks._threads) == 1
    world.tasks.stop()
    world.tasks.join()
