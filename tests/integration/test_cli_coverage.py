"""Run `coverage` against the stand-in of a controller, as its user would."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import command
from tests.parts.jenkins import TOKEN, USER, StandIn, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Done


@pytest.fixture
def jenkins() -> Iterator[StandIn]:
    with serve_jenkins("/jenkins") as found:
        job = found.add_job("payments/feature%2Fx")
        for _ in range(4):
            job.add_build(log=b"hello\n", artifacts={"a.jar": b"PK"})
        found.add_job("sandbox/try").add_build(log=b"x\n")
        yield found


@pytest.fixture(autouse=True)
def _ledger(jenkins: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JENKINS_NOTARY_JENKINS_URL", jenkins.url)
    monkeypatch.setenv("JENKINS_NOTARY_JENKINS_USER", USER)
    monkeypatch.setenv("JENKINS_NOTARY_JENKINS_TOKEN", TOKEN)
    assert command("ledger", "init").code == 0


def document(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["code"] == done.code
    return found


def test_what_is_missing_is_told_by_number_and_is_66(jenkins: StandIn) -> None:
    for number in (1, 4):
        assert command("collect", f"payments/feature%2Fx#{number}").code == 0
    jenkins.jobs["payments/feature%2Fx"].builds[3].delete()

    done = command("coverage")

    assert done.code == 66
    text = done.stdout.decode()
    assert "payments/feature%2Fx  #2\n" in text
    assert "payments/feature%2Fx  #3\n" in text
    found = document(command("coverage", "-o", "json"))
    (report,) = found["controllers"]
    (payments, _) = report["jobs"]
    assert payments["numbers"] == {"missing": [[2, 2]], "lost": [[3, 3]]}
    assert (payments["present"], payments["artifacts"]) == (2, 2)
    assert found["error"] == "faults"
    assert found["faults"][0]["code"] == 66


def test_what_is_collected_or_exempt_is_covered() -> None:
    assert command("collect", "--job", "payments/*").code == 0
    assert command("coverage", "--job", "payments/*").code == 0
    assert command("coverage").code == 66
    why = ("--owner", "platform team", "--reason", "throw-away jobs")
    done = command("coverage", "exempt", "sandbox", *why, "--expires", "2999-01-01")
    assert done.code == 0

    found = document(command("coverage", "-o", "json"))

    (report,) = found["controllers"]
    assert report["totals"]["exempt"] == 1
    assert report["totals"]["uncovered_jobs"] == 0
    assert report["exemptions"][0]["owner"] == "platform team"
    text = command("coverage").stdout.decode()
    assert "exempt sandbox until 2999-01-01T00:00:00.000Z: throw-away jobs" in text


def test_an_artifact_that_is_not_on_record_is_told(jenkins: StandIn) -> None:
    assert command("collect", "--job", "*").code == 0
    build = jenkins.jobs["payments/feature%2Fx"].builds[4]
    build.artifacts["late\x1b[31m.jar"] = b"PK"

    done = command("coverage", "--job", "payments/*")

    assert done.code == 66
    assert "\x1b" not in done.stdout.decode()
    assert "is not on record" in done.stdout.decode()


def test_a_period_and_a_grace_are_options(jenkins: StandIn) -> None:
    assert command("coverage", "--until", "2001-01-01").code == 0
    assert command("coverage", "--since", "yesterday").code == 64
    assert command("coverage", "--grace", "4000000000").code == 0
    assert jenkins.requests


@pytest.mark.parametrize(("status", "code"), [(503, 69), (403, 77)])
def test_a_job_that_jenkins_does_not_tell_of_is_no_covered_one(
    jenkins: StandIn, status: int, code: int
) -> None:
    assert command("collect", "--job", "*").code == 0
    jenkins.fail("allBuilds", status=status)
    jenkins.fail("builds", status=status)

    done = command("coverage", "-o", "json")

    assert done.code == code
    (report,) = document(done)["controllers"]
    assert [one["covered"] for one in report["jobs"]] == [False, False]


def test_no_controller_is_a_wrong_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("JENKINS_NOTARY_JENKINS_URL")

    assert command("coverage").code == 78
