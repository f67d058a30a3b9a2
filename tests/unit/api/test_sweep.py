from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.builds.collect import Choice, Collector
from jenkins_notary.api.builds.sweep import Sweep, parse_since
from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.jenkins.memory import STARTED_MS, MemoryJenkins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.ports import JobSummary

JOB = "payments/api"


@pytest.fixture
def jenkins() -> MemoryJenkins:
    found = MemoryJenkins()
    for number in range(1, 61):
        add(found, number)
    return found


@pytest.fixture
def sweep(notary: Notary, jenkins: MemoryJenkins) -> Sweep:
    return make_sweep(notary, jenkins)


def add(jenkins: MemoryJenkins, number: int, name: str = JOB, shift: int = 0) -> None:
    jenkins.add(
        name,
        number,
        log=b"log %d\n" % number,
        timestamp=STARTED_MS + shift + number * 60_000,
        _class="hudson.model.FreeStyleBuild",
    )


def make_sweep(
    notary: Notary,
    jenkins: MemoryJenkins,
    *,
    since_ms: int | None = None,
    again: bool = False,
) -> Sweep:
    """Return a sweep by a new program."""
    collector = Collector(notary._session, jenkins, Choice(again=again))
    return Sweep(notary._session, collector, since_ms=since_ms, again=again)


def numbers(sweep: Sweep, pattern: str = JOB) -> list[int]:
    """Return the numbers of the builds that a run collects."""
    found = list(sweep.run(pattern))
    assert {one.outcome for one in found} <= {"collected", "present"}
    return [int(one.job.rpartition("#")[2]) for one in found]


def test_a_first_sweep_collects_every_build_the_newest_first(sweep: Sweep) -> None:
    assert numbers(sweep) == [*range(60, 0, -1)]


def test_a_sweep_asks_for_a_folder_once_and_for_pages_of_builds(
    sweep: Sweep, jenkins: MemoryJenkins
) -> None:
    asked: list[str] = []
    jenkins.on_request = asked.append

    numbers(sweep)

    assert asked.count("jobs") == 1
    assert asked.count("builds") == 2
    # A build's JSON comes with its page: each is read once, to see that it stayed.
    assert asked.count("build") == asked.count("console") == 60


def test_a_second_sweep_asks_for_nothing_but_the_folder(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    numbers(sweep)
    before = jenkins.requests

    assert numbers(make_sweep(notary, jenkins)) == []
    assert jenkins.requests - before == 1


def test_an_interrupted_sweep_goes_on_where_it_was(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    assert len([*islice(sweep.run(JOB), 20)]) == 20

    assert numbers(make_sweep(notary, jenkins)) == [*range(40, 0, -1)]


def test_only_the_gaps_are_read(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    numbers(sweep)
    add(jenkins, 61)
    add(jenkins, 62)
    before = jenkins.requests

    assert numbers(make_sweep(notary, jenkins)) == [62, 61]
    # The folder, a page, and two requests a build.
    assert jenkins.requests - before == 6


def test_builds_that_jenkins_deleted_are_asked_for_once_a_program(
    jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    jenkins.delete(JOB, 30)

    assert 30 not in numbers(sweep)

    before = jenkins.requests
    assert numbers(sweep) == []
    assert jenkins.requests - before == 1


def test_builds_that_started_earlier_are_left_alone(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    sweep = make_sweep(notary, jenkins, since_ms=STARTED_MS + 50 * 60_000)

    assert numbers(sweep) == [*range(60, 49, -1)]

    before = jenkins.requests
    assert numbers(sweep) == []
    assert jenkins.requests - before == 1


def test_a_job_that_was_made_again_is_read_anew(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    numbers(sweep)
    jenkins.delete(JOB)
    for number in range(1, 6):
        add(jenkins, number, shift=10**9)

    assert numbers(make_sweep(notary, jenkins)) == [5, 4, 3, 2, 1]


def test_a_job_that_was_made_again_and_has_more_builds_is_read_anew(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    numbers(sweep)
    jenkins.delete(JOB)
    for number in range(1, 63):
        add(jenkins, number, shift=10**9)

    assert {*numbers(make_sweep(notary, jenkins))} == {*range(1, 63)}


def test_jobs_below_a_folder_are_swept_and_others_not(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    add(jenkins, 1, "payments/web")
    add(jenkins, 1, "payments-evil/web")

    found = [one.job for one in make_sweep(notary, jenkins).run("payments/*")]

    assert "ci.example.com:payments/web#1" in found
    assert not any("evil" in one for one in found)


def test_a_name_that_no_job_id_holds_is_told_when_all_others_are_done(
    jenkins: MemoryJenkins, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = jenkins.jobs

    def jobs(pattern: str) -> Iterator[JobSummary]:
        yield from listed(pattern)
        raise UsageError("job id 'a <b>'", expected="another name")

    monkeypatch.setattr(jenkins, "jobs", jobs)
    found: list[object] = []
    with pytest.raises(UsageError, match="a <b>"):
        found.extend(sweep.run(JOB))

    assert len(found) == 60


def test_a_build_that_fails_does_not_stop_the_sweep(
    jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    jenkins.faults["console", 50] = UnavailableError("log", got="HTTP 500")

    found = {one.job.rpartition("#")[2]: one for one in sweep.run(JOB)}

    assert len(found) == 60
    assert (found["50"].outcome, found["50"].code) == ("partial", 69)


def test_a_build_with_an_open_gap_is_read_by_the_next_sweep(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    jenkins.faults["console", 50] = UnavailableError("log", got="HTTP 500")
    list(sweep.run(JOB))
    jenkins.faults.clear()

    assert numbers(make_sweep(notary, jenkins)) == [50]


def test_a_build_that_cannot_be_read_whole_rests_longer_each_time(
    jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    jenkins.faults["console", 50] = UnavailableError("log", got="HTTP 500")

    rounds = [len(list(sweep.run(JOB))) for _ in range(12)]

    assert rounds == [60, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0]


def test_a_sweep_gives_up_when_jenkins_does_not_answer_any_more(
    jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    for number in range(1, 40):
        for method in ("build", "console"):
            jenkins.faults[method, number] = UnavailableError("Jenkins", got="nothing")

    with pytest.raises(UnavailableError):
        list(sweep.run(JOB))


def test_a_listing_that_is_refused_ends_the_sweep(
    jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    jenkins.faults["jobs", 0] = PermissionDeniedError("Jenkins", got="HTTP 403")

    with pytest.raises(PermissionDeniedError):
        list(sweep.run(JOB))


def test_a_job_without_builds_costs_nothing(
    notary: Notary, jenkins: MemoryJenkins
) -> None:
    for number in range(1, 61):
        jenkins.delete(JOB, number)

    assert numbers(make_sweep(notary, jenkins)) == []


def test_everything_is_read_again_when_that_is_asked_for(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    numbers(sweep)
    size = notary.ledger.status().tree_size

    assert len(numbers(make_sweep(notary, jenkins, again=True))) == 60
    assert notary.ledger.status().tree_size == size


def test_progress_is_told_with_the_total(
    notary: Notary, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(notary._session, "report", lambda *one: told.append(one))

    numbers(sweep)

    assert told[0] == ("builds", 1, 60)
    assert told[-1] == ("builds", 60, 60)


def test_a_time_without_zone_is_utc() -> None:
    assert parse_since("2026-01-02T03:04:05") == 1767323045000


@pytest.mark.parametrize("text", ["7", "yesterday", ""])
def test_since_is_a_time(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        parse_since(text)


def test_a_folder_that_is_not_there_is_said_so(
    jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    jenkins.faults["jobs", 0] = NotFoundError("Jenkins", got="HTTP 404")

    with pytest.raises(NotFoundError):
        list(sweep.run("nowhere"))


@pytest.mark.parametrize(
    "names",
    [("payments/api", "payments/web", "payments/web"), ("payments", "pay", "pay/api")],
    ids=["job", "folder"],
)
def test_what_was_recorded_under_an_earlier_name_is_not_read_again(
    notary: Notary,
    jenkins: MemoryJenkins,
    sweep: Sweep,
    names: tuple[str, str, str],
) -> None:
    old, new, name = names
    numbers(sweep)
    rename(notary, old, new)
    jenkins.delete(JOB)
    for number in range(1, 63):
        add(jenkins, number, name)

    assert numbers(make_sweep(notary, jenkins), name) == [62, 61]


def test_a_new_job_under_a_name_that_another_one_had_is_read(
    notary: Notary, jenkins: MemoryJenkins, sweep: Sweep
) -> None:
    numbers(sweep)
    rename(notary, JOB, "payments/old")
    for number in range(1, 61):
        add(jenkins, number, shift=10**9)

    assert len(numbers(make_sweep(notary, jenkins))) == 60


def rename(notary: Notary, old: str, new: str) -> None:
    """Record that a job or folder has another name now."""
    session = notary._session
    instance = "ci.example.com"
    facts = {"instance": instance, "from": old, "to": new}
    subjects = name_subjects(instance, old, new)
    session.append([session.author().sign("alias", subjects, facts)])
