from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds import jobs
from jenkins_notary.api.builds.jobs import list_builds, list_jobs
from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.ledger.rows import name_key
from jenkins_notary.ports import Row
from jenkins_notary.values.jobid import format_job_id
from tests.unit.trust.builders import Log, trust_act

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord


class LyingStore(MemoryStore):
    """A store whose rows a test can replace."""

    lie: Callable[[Sequence[Row]], Sequence[Row]] | None = None

    def rows(self, *args: Any, **kwargs: Any) -> Sequence[Row]:  # noqa: ANN401 - passed on
        rows = super().rows(*args, **kwargs)
        return rows if self.lie is None else self.lie(rows)


@pytest.fixture
def log() -> Log:
    made = Log(LyingStore())
    made.enrol("ci")
    return made


def record(log: Log, *ids: str, aliases: Sequence[str] | None = None) -> None:
    for one in ids:
        log.note("TRUSTED", one, job={"id": one}, aliases=aliases)


def see_all(_: ProvenRecord) -> bool:
    return True


def see_none(_: ProvenRecord) -> bool:
    return False


def names(view: LedgerView, **asked: Any) -> list[str]:  # noqa: ANN401 - passed on
    return [one.name for one in list_jobs(view, sees=see_all, **asked)[0]]


def test_folder_holds_its_own_job_and_those_below_but_no_name_that_begins_alike(
    log: Log,
) -> None:
    record(log, "ci:a#1", "ci:a/b#1", "ci:a-b#1", "ci:a b#2", "ci:ab/c#1", "ci:z#1")

    assert names(log.view()) == ["a", "a b", "a-b", "a/b", "ab/c", "z"]
    assert names(log.view(), prefix="a") == ["a", "a/b"]
    assert names(log.view(), prefix="ci:a/*") == ["a", "a/b"]
    assert names(log.view(), prefix="other:a") == []
    assert names(log.view(), prefix="a", after="a") == ["a/b"]


def test_job_with_many_builds_does_not_hide_the_next_one(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SKIPPED_AT", 3)
    record(log, *(f"ci:a#{number}" for number in range(1, 12)), "ci:b#1")

    found, following = list_jobs(log.view(), sees=see_all)
    assert [format_job_id(one.newest) for one in found] == ["ci:a#11", "ci:b#1"]
    assert following is None


def test_page_that_has_looked_at_enough_says_where_to_go_on(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_LOOKED_AT", 4)
    monkeypatch.setattr(jobs, "MAX_TRIED", 2)
    for job in "abcd":
        record(log, *(f"ci:{job}#{number}" for number in range(1, 6)))

    pages, after = [], ""
    for _ in range(9):
        found, following = list_jobs(log.view(), sees=see_none, after=after)
        pages.append((len(found), following))
        if following is None:
            break
        after = following
    assert pages == [(0, "b"), (0, None)]


def test_builds_come_newest_first_each_once_in_pages(log: Log) -> None:
    record(log, *(f"ci:a#{number}" for number in (1, 2, 2, 3, 10)))

    found, before = list_builds(log.view(), "a", sees=see_all, limit=2)
    assert [one.job.number for one in found] == [10, 3]
    assert before == 3
    found, before = list_builds(log.view(), "ci:a", sees=see_all, before=before)
    assert [one.job.number for one in found] == [2, 1]
    assert before is None


def test_builds_of_other_controllers_are_other_builds(log: Log) -> None:
    record(log, "one:a#1", "two:a#1")

    found, _ = list_builds(log.view(), "a", sees=see_all)
    assert {one.job.instance for one in found} == {"one", "two"}
    found, _ = list_builds(log.view(), "two:a", sees=see_all)
    assert [one.job.instance for one in found] == ["two"]


def test_builds_that_may_not_be_seen_are_left_out_in_bounded_work(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_LOOKED_AT", 3)
    record(log, *(f"ci:a#{number}" for number in range(1, 9)))

    found, before = list_builds(log.view(), "a", sees=see_none)
    assert found == []
    assert before == 6


def test_record_that_names_another_build_beside_its_own_lists_none(log: Log) -> None:
    record(log, "ci:a#1", aliases=["ci:b#7"])

    assert names(log.view()) == ["a"]


def test_row_that_leads_to_another_jobs_record_is_an_integrity_fault(
    log: Log,
) -> None:
    record(log, "ci:a#1")
    last = log.view().size - 1

    def lie(rows: Iterable[Row]) -> Sequence[Row]:
        key = name_key("ci:a#9")
        assert key is not None
        return [Row(one.kind, key, last) for one in rows if one.kind == "name"]

    log.store.lie = lie
    with pytest.raises(IntegrityError, match=r"row of ci:a#9.*which is not"):
        list_jobs(log.view(), sees=see_all)
    with pytest.raises(IntegrityError, match="row of ci:a#9"):
        list_builds(log.view(), "a", sees=see_all)


@pytest.mark.parametrize("prefix", ["a//b", "..", "a#1", "b:", "\x00"])
def test_malformed_folder_is_refused(log: Log, prefix: str) -> None:
    log.append(trust_act("noise"))
    with pytest.raises(UsageError):
        list_jobs(log.view(), sees=see_all, prefix=prefix)
    with pytest.raises(UsageError):
        list_jobs(log.view(), sees=see_all, after=prefix)
