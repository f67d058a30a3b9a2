"""What is claimed and what is covered, on the stand-in and on a real controller.

The real one as in `test_jenkins.py`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.collect import Collector
from jenkins_notary.api.builds.corroborate import Corroborator
from jenkins_notary.api.builds.coverage import Coverage, Period
from jenkins_notary.api.notary import Notary
from jenkins_notary.values.jobid import parse_job_id
from tests.contract.jenkins_worlds import FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jenkins_notary.api.builds.coverage import CoverageReport
    from jenkins_notary.jenkins.client import JenkinsClient
    from tests.contract.jenkins_worlds import World

PATH, DATA = next(iter(FILES.items()))
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def claim(tmp_path: Path, notary: Notary) -> Callable[..., None]:
    """Notarize within a build, as a step does."""
    notary.ledger.status()

    def record(
        name: str,
        number: int,
        digest: str = DIGEST,
        path: str = PATH,
        **environment: str,
    ) -> None:
        environ = {
            "HOME": str(tmp_path),
            "JENKINS_URL": "https://ci.example.com/",
            "JOB_NAME": name,
            "BUILD_NUMBER": str(number),
            **environment,
        }
        with Notary(environ=environ) as agent:
            agent.notarize([digest], name=path)

    return record


def compare(notary: Notary, client: JenkinsClient, name: str, number: int) -> Any:  # noqa: ANN401 - a document
    """Return the predicate of the corroboration of a build, None while it runs."""
    job = parse_job_id(f"ci.example.com:{name}#{number}")
    found = Corroborator(notary._session, client).corroborate(job)
    if found.is_running:
        return None
    (index,) = found.indexes
    record = notary._session.view().record(index)
    assert record.statement is not None
    return record.statement.predicate


def verdicts(predicate: Mapping[str, Any]) -> dict[str, str]:
    return {one["field"]: one["verdict"] for one in predicate["fields"]}


@pytest.mark.parametrize("freestyle", [False, True], ids=["pipeline", "freestyle"])
def test_an_honest_build_agrees(
    world: World,
    client: JenkinsClient,
    notary: Notary,
    claim: Callable[..., None],
    *,
    freestyle: bool,
) -> None:
    name = world.add_job(f"honest {freestyle}", freestyle=freestyle)
    number = world.run(name)
    claim(name, number, NODE_NAME="built-in")

    found = compare(notary, client, name, number)

    assert found["verdict"] == "agrees", found
    assert [one["verdict"] for one in found["artifacts"]] == ["agrees"]
    assert verdicts(found)["node"] == ("agrees" if freestyle else "unavailable")
    told = {one["field"]: one.get("observed") for one in found["fields"]}
    assert told["result"] == ["SUCCESS"]
    assert told["cause"][0].startswith("UserIdCause ")


def test_a_lie_differs(
    world: World, client: JenkinsClient, notary: Notary, claim: Callable[..., None]
) -> None:
    name = world.add_job("liar", freestyle=True)
    number = world.run(name)
    claim(name, number, NODE_NAME="agent-7")

    found = compare(notary, client, name, number)

    assert found["verdict"] == "differs"
    assert verdicts(found)["node"] == "differs"


def test_a_running_build_waits_and_one_that_never_was_differs(
    world: World, client: JenkinsClient, notary: Notary, claim: Callable[..., None]
) -> None:
    name = world.add_job("running")
    number = world.start(name)
    claim(name, number)
    claim(name, number + 1)

    assert compare(notary, client, name, number) is None
    never = compare(notary, client, name, number + 1)
    world.stop(name, number)
    ended = compare(notary, client, name, number)

    assert verdicts(never)["build"] == "differs"
    assert ended["verdict"] == "agrees"
    assert {one["field"]: one.get("observed") for one in ended["fields"]}["result"] == [
        "ABORTED" if world.access.url.endswith("/ci/") else "SUCCESS"
    ]


def test_every_number_of_a_folder_is_accounted_for(
    world: World, client: JenkinsClient, notary: Notary
) -> None:
    name = world.add_job("covered/a")
    other = world.add_job("covered/b%2Fc", freestyle=True)
    for one in (name, name, name, name, other):
        world.run(one)
    folder = name.rpartition("/")[0]
    collector = Collector(notary._session, client)
    for number in (1, 4):
        assert collector.collect(name, number).outcome == "collected"
    world.delete_build(name, 2)

    def report() -> CoverageReport:
        return Coverage(notary._session, client).report(f"{folder}/*", Period())

    jobs = {one.job: one for one in report().jobs}
    assert jobs[name].counts["present"] == 2
    assert jobs[name].ranges == {"missing": ((3, 3),), "lost": ((2, 2),)}
    assert jobs[name].artifacts == 2 * len(FILES)
    assert jobs[other].ranges == {"missing": ((1, 1),)}
    collector.collect(name, 3)
    collector.collect(other, 1)
    world.delete_build(name, 1)
    jobs = {one.job: one for one in report().jobs}
    assert jobs[name].counts["present"] == 3
    assert jobs[other].is_covered
