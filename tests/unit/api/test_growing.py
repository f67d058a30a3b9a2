from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.collect import Choice, Collected, Collector
from jenkins_notary.errors import UnavailableError
from jenkins_notary.evidence.bodies import read_body
from jenkins_notary.evidence.growing_log import LogTree, parse_part
from jenkins_notary.jenkins.memory import MemoryBuild, MemoryJenkins
from jenkins_notary.values.body import parse_body

if TYPE_CHECKING:
    from jenkins_notary.api.notary import Notary

JOB = "payments/api"
ID = "ci.example.com:payments/api#7"


@pytest.fixture
def jenkins() -> MemoryJenkins:
    return MemoryJenkins()


@pytest.fixture
def build(jenkins: MemoryJenkins) -> MemoryBuild:
    return jenkins.add(JOB, 7, log=b"one\n", building=True)


@pytest.fixture
def follower(notary: Notary, jenkins: MemoryJenkins) -> Collector:
    """A program that goes on."""
    return Collector(notary._session, jenkins)


def predicate(result: Collected) -> dict[str, Any]:
    found: dict[str, Any] = result.records[0].to_dict()["predicate"]
    return found


def test_a_log_that_grows_is_a_chain_of_records(
    notary: Notary, build: MemoryBuild, follower: Collector
) -> None:
    first = follower.collect(JOB, 7)
    build.log = b"one\ntwo\nthr"
    second = follower.collect(JOB, 7)

    assert [first.outcome, second.outcome] == ["growing", "growing"]
    assert predicate(first)["state"] == predicate(second)["state"] == "growing"
    assert predicate(first)["form"] == "progressiveText"
    assert "previous" not in predicate(first)
    assert predicate(second)["previous"] == first.records[0].record.index
    parts = [predicate(one)["part"] for one in (first, second)]
    assert [one["number"] for one in parts] == [1, 2]
    bodies = [parse_body(predicate(one)["body"]) for one in (first, second)]
    pieces = [b"".join(read_body(notary._session.blobs, one)) for one in bodies]
    assert pieces == [b"one\r\n", b"two\r\n"]
    assert parts[1]["start"] == len(pieces[0])


def test_each_record_of_a_chain_extends_the_tree_of_the_one_before(
    build: MemoryBuild, follower: Collector, notary: Notary
) -> None:
    tree = LogTree()
    for number in range(4):
        build.log = (build.log or b"") + b"%06d\n" % number * 20_000
        result = follower.collect(JOB, 7)
        body = parse_body(predicate(result)["body"])
        for chunk in read_body(notary._session.blobs, body):
            tree.update(chunk)

        assert parse_part(predicate(result)["part"], subject="x").tree == tree.body()


def test_a_log_that_did_not_grow_makes_no_record(
    build: MemoryBuild, follower: Collector
) -> None:
    follower.collect(JOB, 7)
    build.log = b"one\nnot yet a line"

    result = follower.collect(JOB, 7)

    assert (result.outcome, result.records, result.code) == ("growing", (), 0)


def test_a_build_that_has_written_nothing_yet_makes_no_record(
    build: MemoryBuild, follower: Collector
) -> None:
    build.log = b""

    assert follower.collect(JOB, 7).records == ()


def test_a_new_program_goes_on_with_the_chain(
    notary: Notary, jenkins: MemoryJenkins, build: MemoryBuild, follower: Collector
) -> None:
    first = follower.collect(JOB, 7)
    build.log = b"one\ntwo\n"

    second = Collector(notary._session, jenkins).collect(JOB, 7)

    assert predicate(second)["previous"] == first.records[0].record.index
    assert predicate(second)["part"]["number"] == 2
    assert predicate(second)["body"]["size"] == len(b"two\r\n")


def test_a_log_that_was_rewritten_before_a_new_program_came_is_noticed(
    notary: Notary, jenkins: MemoryJenkins, build: MemoryBuild, follower: Collector
) -> None:
    follower.collect(JOB, 7)
    build.log = b"oNe\ntwo\n"

    result = Collector(notary._session, jenkins).collect(JOB, 7)

    assert (result.outcome, result.code, result.records) == ("failed", 65, ())
    assert "rewritten" in str(result.faults[0])


def test_a_log_that_rolled_over_is_noticed(
    build: MemoryBuild, follower: Collector
) -> None:
    build.log = b"one\ntwo\nthree\n"
    follower.collect(JOB, 7)
    build.log = b"new\n"

    result = follower.collect(JOB, 7)

    assert (result.outcome, result.code) == ("failed", 65)


def test_a_failure_in_the_middle_is_made_up_for_by_the_next_call(
    jenkins: MemoryJenkins, build: MemoryBuild, follower: Collector
) -> None:
    follower.collect(JOB, 7)
    build.log = b"one\ntwo\n"
    jenkins.faults["console_part", 7] = UnavailableError("log", got="HTTP 502")
    failed = follower.collect(JOB, 7)
    jenkins.faults.clear()

    result = follower.collect(JOB, 7)

    assert failed.code == 69
    assert predicate(result)["part"]["number"] == 2
    assert predicate(result)["body"]["size"] == len(b"two\r\n")


def test_the_whole_log_closes_the_chain_and_is_proven_to_extend_it(
    build: MemoryBuild, follower: Collector
) -> None:
    chain = follower.collect(JOB, 7)
    build.log = b"one\ntwo\r\nthree"
    build.finish()

    result = follower.collect(JOB, 7)

    assert result.outcome == "collected"
    whole = predicate(result)
    assert (whole["state"], whole["form"]) == ("whole", "consoleText")
    assert whole["previous"] == chain.records[0].record.index
    assert whole["extends"] is True


@pytest.mark.parametrize(
    "log", [b"oNe\ntwo\n", b"on", b""], ids=["altered", "shorter", "empty"]
)
def test_a_whole_log_that_does_not_begin_with_the_chain_is_recorded_as_altered(
    build: MemoryBuild, follower: Collector, log: bytes
) -> None:
    follower.collect(JOB, 7)
    build.log = log
    build.finish()

    result = follower.collect(JOB, 7)

    assert (result.outcome, result.code) == ("partial", 65)
    assert predicate(result)["extends"] is False


def test_a_log_that_is_no_utf_8_is_not_said_to_extend_or_not(
    build: MemoryBuild, follower: Collector
) -> None:
    build.log = b"caf\xe9\n"
    follower.collect(JOB, 7)
    build.finish()

    result = follower.collect(JOB, 7)

    assert result.outcome == "collected"
    assert "extends" not in predicate(result)


def test_a_running_build_is_not_whole_and_its_log_is(
    notary: Notary, jenkins: MemoryJenkins, build: MemoryBuild
) -> None:
    only = Collector(notary._session, jenkins, Choice(only_log=True))
    only.collect(JOB, 7)
    build.finish()

    first, second = only.collect(JOB, 7), only.collect(JOB, 7)

    assert [first.outcome, second.outcome] == ["collected", "present"]


def test_no_more_running_builds_are_remembered_than_fit(
    jenkins: MemoryJenkins,
    build: MemoryBuild,
    follower: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jenkins_notary.api.builds.growing.MAX_FOLLOWED", 1)
    other = jenkins.add(JOB, 8, log=b"one\n", building=True)
    for number in (7, 8):
        follower.collect(JOB, number)
    for one in (build, other):
        one.log = b"one\ntwo\n"

    results = [follower.collect(JOB, number) for number in (7, 8)]

    assert [predicate(one)["part"]["number"] for one in results] == [2, 2]
