"""What is not on record, and what differs, is counted and told when it changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices
from jenkins_notary.service.builds.gaps import (
    add_coverage_gauges,
    count_verdict,
    tell_coverage,
    tell_difference,
)
from jenkins_notary.service.monitoring.alerts import Alerts, AlertSettings
from jenkins_notary.service.session import Engine
from jenkins_notary.service.state import ServiceState
from jenkins_notary.serving.metrics import Metrics
from tests.parts.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTANCE = "ci.example.com"


class World:
    """Alerts, figures and a ledger."""

    def __init__(self, folder: Path, hook: Webhook) -> None:
        self.hook = hook
        self.ledger = str(folder / "ledger.db")
        self.environ = {"HOME": str(folder)}
        with Notary(self.ledger, environ=self.environ) as notary:
            notary.ledger.init()
        self.state = ServiceState(str(folder / "state"))
        self.metrics = Metrics()
        value = {"webhooks": [{"name": "chat", "url": hook.url}]}
        settings = msgspec.convert(value, AlertSettings)
        self.alerts = Alerts(settings, "x", self.state, self.metrics)

    def sent(self) -> list[Any]:
        """Return what the webhook gets."""
        for one in self.alerts._targets:
            self.alerts.deliver(one)
        return [json.loads(one.body) for one in self.hook.came]

    def append(self, home: str = "", **facts: object) -> None:
        """Record a corroboration."""
        environ = {"HOME": home or self.environ["HOME"]}
        with Notary(self.ledger, environ=environ) as notary:
            author = notary._session.author()
            envelope = author.sign("corroboration", [], facts)
            notary._session.append([envelope])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Webhook() as hook:
        one = World(tmp_path, hook)
        yield one
        one.state.close()


def folder(
    name: str, missing: int = 0, lost: int = 0, files: int = 0
) -> dict[str, Any]:
    return {"folder": name, "missing": missing, "lost": lost, "unrecorded": files}


def test_a_sweep_tells_what_folders_lack_once_and_when_it_is_well_again(
    world: World,
) -> None:
    lacking = [folder("good"), folder("payments", 2, 1), folder("", 0, 0, 3)]
    tell_coverage(world.alerts, INSTANCE, lacking)
    tell_coverage(world.alerts, INSTANCE, lacking)
    tell_coverage(world.alerts, INSTANCE, [folder("good"), folder("payments")])

    first, second = world.sent()

    assert first["kind"] == "coverage"
    assert first["state"] == "2 missing, 1 lost"
    assert first["text"] == (
        "not on record: ci.example.com:payments (2 missing, 1 lost), "
        "ci.example.com:* (3 files unrecorded)"
    )
    assert first["facts"]["keys"] == ["ci.example.com:*", "ci.example.com:payments"]
    assert (second["state"], second["text"]) == ("well", "every build is on record")


def test_many_folders_are_one_alert_and_hostile_names_are_harmless(
    world: World,
) -> None:
    tell_coverage(
        world.alerts, INSTANCE, [folder(f"f{n}\n<b>", 1) for n in range(1000)]
    )

    (alert,) = world.sent()

    assert "and 995 more" in alert["text"]
    assert "\n" not in alert["text"]


def test_a_difference_is_told_by_signers_that_count_alone(
    world: World, tmp_path: Path
) -> None:
    fields = [{"field": "commit", "verdict": "differs"}]
    said: dict[str, Any] = {
        "job": {"id": "a#1"},
        "fields": fields,
        "counts": {"differs": 2},
    }
    world.append(**said, verdict="differs")
    world.append(**{**said, "job": {"id": "b#1"}}, verdict="agrees")
    world.append(str(tmp_path / "other"), **said, verdict="differs")
    counter = world.metrics.counter("corroborations_total", "x", "verdict")
    engine = Engine(world.ledger, Choices(), world.environ)
    session = engine.session()
    try:
        view = session.view()
        for record in view.records(range(view.size)):
            tell_difference(world.alerts, session, record)
            count_verdict(counter, record)
    finally:
        engine.close()

    (alert,) = world.sent()

    assert alert["text"] == (
        "a#1: what was claimed of it differs in commit, 2 artifacts"
    )
    assert (alert["kind"], alert["key"], alert["state"]) == (
        "corroboration",
        "a#1",
        "differs",
    )
    assert 'corroborations_total{verdict="agrees"} 1' in world.metrics.render().decode()


def test_figures_are_there_once_a_controller_was_swept(world: World) -> None:
    add_coverage_gauges(world.metrics, world.state)
    assert "coverage_builds{" not in world.metrics.render().decode()

    states = ("present", "missing", "lost", "deleted", "exempt", "open")
    totals = {**dict.fromkeys(states, 2), "unrecorded": 3}
    for name in (INSTANCE, "b"):
        world.state.put("coverage-sweep", name, {"totals": totals, "ms": 5000})

    text = world.metrics.render().decode()
    assert 'jenkins_notary_coverage_builds{state="missing"} 4' in text
    assert "jenkins_notary_coverage_unrecorded_artifacts 6" in text
    assert 'coverage_sweep_time_seconds{instance="b"} 5' in text
