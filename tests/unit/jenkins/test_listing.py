"""Folders and builds in pages, while they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import NotaryError, UnavailableError, UsageError
from jenkins_notary.jenkins import listing, transport
from jenkins_notary.ports import JobSummary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.jenkins.jenkins_stand_in import Lab


def numbers_of(lab: Lab, first: int, last: int) -> list[int]:
    return [one["number"] for one in lab.client.builds("many", first=first, last=last)]


def test_more_than_a_hundred_builds_come_in_pages(lab: Lab) -> None:
    lab.add_many(230)

    assert numbers_of(lab, 1, 230) == list(range(230, 0, -1))
    assert lab.client.requests == 5  # Pages of 50 that overlap by one.


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [(1, 40, 2), (225, 230, 1), (5, 5, 2), (200, 900, 1), (300, 400, 1), (9, 8, 0)],
)
def test_a_range_costs_what_it_holds_and_not_what_lies_above(
    lab: Lab, first: int, last: int, count: int
) -> None:
    lab.add_many(230)

    assert numbers_of(lab, first, last) == list(range(min(last, 230), first - 1, -1))
    assert lab.client.requests == count


def test_no_list_is_asked_for_whole(lab: Lab) -> None:
    lab.add_many(130)
    numbers_of(lab, 1, 130)
    trees = [one.query["tree"] for one in lab.jenkins.requests]

    assert [tree.rpartition("{")[2] for tree in trees] == ["0,50}", "49,99}", "98,148}"]


def test_a_range_below_deleted_builds_is_found(lab: Lab) -> None:
    job = lab.add_many(400)
    for number in range(101, 390):
        job.builds[number].delete()

    assert numbers_of(lab, 90, 105) == list(range(100, 89, -1))
    assert lab.client.requests < 8


def test_a_job_without_builds_has_none(lab: Lab) -> None:
    lab.add_many(0)

    assert numbers_of(lab, 1, 10) == []
    assert list(lab.client.jobs("many")) == [JobSummary("many", 1, None, None)]


def test_builds_that_come_in_meanwhile_are_not_listed_twice(lab: Lab) -> None:
    job = lab.add_many(120)
    walk = lab.client.builds("many", first=1, last=120)
    got = [next(walk)["number"] for _ in range(30)]
    for _ in range(25):
        job.add_build()
    got += [one["number"] for one in walk]

    assert got == list(range(120, 0, -1))


@pytest.mark.parametrize("gone", [1, 40, 49, 70, 110])
def test_builds_that_are_deleted_meanwhile_hide_no_other(lab: Lab, gone: int) -> None:
    job = lab.add_many(120)
    walk = lab.client.builds("many", first=1, last=120)
    got = [next(walk)["number"] for _ in range(50)]
    for number in range(120, 120 - gone, -1):
        job.builds[number].delete()
    got += [one["number"] for one in walk]

    kept = sorted(job.builds, reverse=True)
    assert got == list(range(120, 70, -1)) + [one for one in kept if one < 71]


def test_a_list_that_never_holds_still_ends(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> list[dict[str, int]]:
        return [{"number": 500}] * 50

    monkeypatch.setattr(listing, "_ask_builds", ask)
    with pytest.raises(UnavailableError, match="expected a list that holds still"):
        numbers_of(lab, 1, 100)


def test_a_page_that_is_too_long_is_asked_for_in_smaller_ones(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add_many(30)
    monkeypatch.setattr(transport, "MAX_JSON_BYTES", 3000)

    assert numbers_of(lab, 1, 30) == list(range(30, 0, -1))


def test_a_build_that_is_too_long_even_alone_is_unavailable(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add_many(30)
    monkeypatch.setattr(transport, "MAX_JSON_BYTES", 300)

    with pytest.raises(UnavailableError, match="at most 300 bytes"):
        numbers_of(lab, 1, 30)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"allBuilds": {}}',
        b'{"allBuilds": [1]}',
        b'{"allBuilds": [{"number": "1"}]}',
        b'{"allBuilds": [{"number": true}]}',
    ],
)
def test_what_is_no_list_of_builds_is_unavailable(lab: Lab, body: bytes) -> None:
    lab.add_many(1)
    lab.jenkins.fail("api/json", swap=body)

    with pytest.raises(UnavailableError, match="a list of builds"):
        numbers_of(lab, 1, 1)


def test_folders_are_walked_with_one_request_each(lab: Lab) -> None:
    for name in ("a/x", "a/y", "a/b/z", "c/d/e/f"):
        lab.jenkins.add_job(name)
    lab.jenkins.add_folder("empty")
    names = [one.name for one in lab.client.jobs("*")]

    assert names == ["main", "a/x", "a/y", "a/b/z", "c/d/e/f"]
    assert lab.client.requests == 7


@pytest.mark.parametrize("pattern", ["a", "a/*"])
def test_a_pattern_means_what_is_below_whole_segments(lab: Lab, pattern: str) -> None:
    for name in ("a/x", "a/b/z", "ab/x"):
        lab.jenkins.add_job(name)

    assert [one.name for one in lab.client.jobs(pattern)] == ["a/x", "a/b/z"]


@pytest.mark.parametrize("pattern", ["a/*/b", "../x", "", "a//b", "a\n", "**"])
def test_another_pattern_is_refused(lab: Lab, pattern: str) -> None:
    with pytest.raises(UsageError):
        list(lab.client.jobs(pattern))
    assert lab.client.requests == 0


def test_a_large_folder_comes_in_pages(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "JOBS_PAGE", 10)
    for number in range(25):
        lab.jenkins.add_job(f"big/{number:02}")

    assert len({one.name for one in lab.client.jobs("big")}) == 25
    assert lab.client.requests == 3


def test_jobs_that_move_between_pages_come_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "JOBS_PAGE", 2)
    for name in ("b", "c", "d"):
        lab.jenkins.add_job(f"big/{name}")
    walk = lab.client.jobs("big")
    names = [next(walk).name, next(walk).name]
    lab.jenkins.add_job("big/a")
    names += [one.name for one in walk]

    assert names == ["big/b", "big/c", "big/d"]


def test_a_job_that_may_not_be_seen_is_left_out(lab: Lab) -> None:
    lab.jenkins.add_job("secret").denied = 404

    assert [one.name for one in lab.client.jobs("*")] == ["main"]


def test_names_that_no_job_id_holds_are_told_after_all_others(lab: Lab) -> None:
    lab.jenkins.add_job("a <quoted> name")
    lab.jenkins.add_job("zz")
    walk = lab.client.jobs("*")
    names = [next(walk).name, next(walk).name]

    assert names == ["main", "zz"]
    with pytest.raises(NotaryError, match="quoted"):
        next(walk)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"jobs": 1}',
        b'{"jobs": [1]}',
        b'{"jobs": [{"name": 1}]}',
        b'{"jobs": [{"name": "a/b"}]}',
        b'{"jobs": [{"name": "../../x"}]}',
    ],
)
def test_what_is_no_list_of_jobs_is_unavailable(lab: Lab, body: bytes) -> None:
    lab.jenkins.fail("api/json", swap=body)

    with pytest.raises(UnavailableError, match="expected"):
        list(lab.client.jobs("*"))


@pytest.mark.parametrize("name", ["..", ".", " "])
def test_a_folder_named_like_a_way_out_is_not_walked(lab: Lab, name: str) -> None:
    def jobs() -> Iterator[bytes]:
        yield b'{"jobs": [{"name": "%s", "jobs": []}]}' % name.encode()

    lab.jenkins.fail("api/json", swap=b"".join(jobs()))

    with pytest.raises(UsageError):
        list(lab.client.jobs("*"))
    assert lab.client.requests == 1


def test_numbers_of_another_type_are_none(lab: Lab) -> None:
    lab.jenkins.fail(
        "api/json",
        swap=b'{"jobs": [{"name": "a", "nextBuildNumber": "x", "firstBuild": 3, '
        b'"lastBuild": {"number": 7}}, {"name": "b", "lastBuild": {"number": "7"}}]}',
    )

    assert list(lab.client.jobs("*")) == [
        JobSummary("a", 8, None, 7),
        JobSummary("b", 1, None, None),
    ]
