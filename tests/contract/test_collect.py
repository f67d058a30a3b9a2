"""What `collect` records, on the stand-in and on a real controller.

The real one as in `test_jenkins.py`. The memory fake is held to the same by the unit
tests of the collector.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.collect import Choice, Collected, Collector
from jenkins_notary.api.builds.sweep import Sweep
from jenkins_notary.values.statement import EXTENSION
from tests.contract.jenkins_worlds import FILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.jenkins.client import JenkinsClient
    from tests.contract.jenkins_worlds import World


@pytest.fixture
def collect(notary: Notary, client: JenkinsClient) -> Callable[[str, int], Collected]:
    """Collect with a program that goes on."""
    collector = Collector(notary._session, client, Choice())
    return collector.collect


def read_log(client: JenkinsClient, name: str, number: int) -> bytes:
    with client.console(name, number) as stream:
        return stream.read()


def predicate(result: Collected, own_type: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [
        one.to_dict()["predicate"]
        for one in result.records
        if one.record.leaf.type == own_type
    ]
    return found


@pytest.mark.parametrize("freestyle", [False, True], ids=["pipeline", "freestyle"])
def test_a_build_is_recorded_with_its_artifacts_and_its_log(
    world: World,
    client: JenkinsClient,
    notary: Notary,
    collect: Callable[[str, int], Collected],
    *,
    freestyle: bool,
) -> None:
    name = world.add_job(f"collected {freestyle}", freestyle=freestyle)
    number = world.run(name)

    result = collect(name, number)

    assert (result.outcome, result.code) == ("collected", 0), result.faults
    record = result.records[-1].to_dict()
    assert {one["name"]: one["digest"]["sha256"] for one in record["subjects"]} == {
        path: hashlib.sha256(data).hexdigest() for path, data in FILES.items()
    }
    assert b"".join(notary.read_log(result.job)) == read_log(client, name, number)
    stages = [
        one
        for one in record["predicate"]["runDetails"]["byproducts"]
        if one["name"] == "stages"
    ]
    assert len(stages) == (0 if freestyle else 1)
    causes = record["predicate"]["buildDefinition"]["internalParameters"]["causes"]
    assert [one["kind"] for one in causes] == ["UserIdCause"]
    # The build, its log, two artifacts, the build again, and stages; who answers is
    # asked once, by two requests.
    assert result.requests == (7 if freestyle else 8)
    assert collect(name, number).outcome == "present"


def test_a_running_build_is_a_chain_that_its_whole_log_extends(
    world: World, collect: Callable[[str, int], Collected]
) -> None:
    name = world.add_job("grows")
    number = world.start(name)

    growing = collect(name, number)
    world.stop(name, number)
    whole = collect(name, number)

    assert growing.outcome == "growing"
    assert predicate(growing, "log")["state"] == "growing"
    log = predicate(whole, "log")
    assert (log["state"], log["extends"]) == ("whole", True)
    assert log["previous"] == growing.records[0].record.index
    build = predicate(whole, "provenance")[EXTENSION]["build"]
    assert build["state"] == "finished"


def test_a_log_that_was_rewritten_while_the_build_ran_is_altered(
    world: World, collect: Callable[[str, int], Collected]
) -> None:
    name = world.add_job("rewritten", freestyle=True)
    number = world.start(name)
    assert collect(name, number).outcome == "growing"
    world.stop(name, number)
    world.set_log(name, number, b"Started by nobody\nhello\n")

    result = collect(name, number)

    assert (result.outcome, result.code) == ("partial", 65)
    assert predicate(result, "log")["extends"] is False


@pytest.mark.parametrize("freestyle", [False, True], ids=["pipeline", "freestyle"])
def test_a_lost_log_is_a_gap_and_the_rest_is_recorded(
    world: World, collect: Callable[[str, int], Collected], *, freestyle: bool
) -> None:
    name = world.add_job(f"lost {freestyle}", freestyle=freestyle)
    number = world.run(name)
    world.lose_log(name, number)

    result = collect(name, number)

    assert (result.outcome, result.code) == ("partial", 66)
    assert predicate(result, "provenance")[EXTENSION]["gaps"] == {"log": "missing"}
    assert len(result.records) == 1


def test_a_deleted_build_is_a_fault(
    world: World, collect: Callable[[str, int], Collected]
) -> None:
    name = world.add_job("deleted")
    number = world.run(name)
    world.delete_build(name, number)

    result = collect(name, number)

    assert (result.outcome, result.code) == ("failed", 66)


def test_a_sweep_finds_what_is_new_in_a_folder(
    world: World, notary: Notary, client: JenkinsClient
) -> None:
    name = world.add_job("swept/feature%2Fx")
    other = world.add_job("swept/b")
    for one in (name, name, other):
        world.run(one)

    def run() -> list[str]:
        collector = Collector(notary._session, client)
        sweep = Sweep(notary._session, collector)
        found = list(sweep.run(f"{name.rpartition('/')[0]}/*"))
        assert {one.outcome for one in found} <= {"collected"}
        return sorted(one.job.partition(":")[2] for one in found)

    first = run()
    world.run(other)
    second = run()
    asked = client.requests
    third = run()

    assert first == sorted([f"{name}#1", f"{name}#2", f"{other}#1"])
    assert second == [f"{other}#2"]
    assert (third, client.requests - asked) == ([], 1)
