from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.builds.gathering import Wanted, gather, parse_pattern
from jenkins_notary.errors import UnavailableError, UsageError
from jenkins_notary.jenkins.memory import MemoryJenkins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jenkins_notary.api.builds.collect import Collected
    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

JOB = "payments/api"


class StoppedError(Exception):
    """Who follows went away."""


class OneController:
    """The configured controllers: one."""

    instances = ("ci.example.com",)

    def __init__(self, jenkins: MemoryJenkins) -> None:
        self._jenkins = jenkins

    def client(self, _instance: str | None) -> MemoryJenkins:
        return self._jenkins


@pytest.fixture
def jenkins(notary: Notary, monkeypatch: pytest.MonkeyPatch) -> MemoryJenkins:
    found = MemoryJenkins()
    monkeypatch.setattr(notary._session, "controllers", lambda: OneController(found))
    return found


@pytest.fixture
def follow(notary: Notary) -> Callable[..., Iterator[Collected]]:
    """Follow, and do one thing after another in the pauses."""

    def run(wanted: Wanted, *steps: Callable[[], object]) -> Iterator[Collected]:
        rest = iter(steps)

        def sleep(seconds: float) -> None:
            assert seconds == wanted.interval_s
            step = next(rest, None)
            if step is None:
                raise StoppedError
            step()

        return gather(notary._session, wanted, sleep=sleep)

    return run


def outcomes(results: Iterator[Collected]) -> list[str]:
    """Return what came of the builds until who follows went away."""
    found = []
    try:
        for one in results:
            number = one.job.rpartition("#")[2]
            found.append(f"{number} {one.outcome}")
    except StoppedError:
        found.append("stopped")
    return found


def test_builds_that_are_followed_by_id_end_the_following(
    jenkins: MemoryJenkins, follow: Callable[..., Iterator[Collected]]
) -> None:
    build = jenkins.add(JOB, 7, log=b"one\n", building=True)
    jenkins.add(JOB, 8, log=b"done\n")
    wanted = Wanted([f"{JOB}#7", f"{JOB}#8"], interval_s=5.0)

    found = outcomes(follow(wanted, lambda: None, build.finish))

    # The second look finds nothing new, and says nothing.
    assert found == ["7 growing", "8 collected", "7 collected"]


def test_a_pattern_is_followed_for_ever(
    jenkins: MemoryJenkins, follow: Callable[..., Iterator[Collected]]
) -> None:
    build = jenkins.add(JOB, 7, log=b"one\n", building=True)
    wanted = Wanted(pattern="*", interval_s=5.0)

    found = outcomes(
        follow(wanted, build.finish, lambda: jenkins.add(JOB, 8, log=b"two\n"))
    )

    assert found == ["7 growing", "7 collected", "8 collected", "stopped"]


def test_who_follows_a_pattern_waits_for_a_controller_that_restarts(
    admin: Person,
    jenkins: MemoryJenkins,
    follow: Callable[..., Iterator[Collected]],
) -> None:
    jenkins.add(JOB, 7, log=b"one\n")
    jenkins.faults["jobs", 0] = UnavailableError("Jenkins", got="no connection")
    wanted = Wanted(pattern="*", interval_s=5.0)

    found = outcomes(follow(wanted, jenkins.faults.clear))

    assert found == ["7 collected", "stopped"]
    assert any("trying again" in one for one in admin.notices)


def test_who_does_not_follow_hears_of_a_running_build_once(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    jenkins.add(JOB, 7, building=True)

    assert outcomes(gather(notary._session, Wanted([f"{JOB}#7"]))) == ["7 growing"]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(["a#1"], "a"),
        Wanted(["a#1"], interval_s=0.5),
        Wanted(["a#1"], since="2026-01-01"),
        Wanted(pattern="a", since="soon"),
        Wanted(pattern=""),
        Wanted(pattern="UPPER:a"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_usage(notary: Notary, wanted: Wanted) -> None:
    with pytest.raises(UsageError):
        list(gather(notary._session, wanted))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("*", (None, "*")),
        ("ci.example.com:*", ("ci.example.com", "*")),
        ("payments", (None, "payments")),
        ("ci.example.com:payments/*", ("ci.example.com", "payments/*")),
    ],
)
def test_a_pattern_may_name_its_controller(
    text: str, parsed: tuple[str | None, str]
) -> None:
    assert parse_pattern(text) == parsed
