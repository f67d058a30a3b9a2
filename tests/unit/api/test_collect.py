from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.collect import Choice, Collected, Collector
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.jenkins.memory import STARTED_MS, MemoryJenkins
from jenkins_notary.ports import Controller
from jenkins_notary.values.statement import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

JOB = "payments/api"
ID = "ci.example.com:payments/api#7"
LOG = b"Started by user ann\nbuilding\nFinished: SUCCESS\n"


@pytest.fixture
def jenkins() -> MemoryJenkins:
    return MemoryJenkins()


@pytest.fixture
def collect(notary: Notary, jenkins: MemoryJenkins) -> Callable[..., Collected]:
    """Collect build 7 in a program of its own."""

    def run(**choice: Any) -> Collected:  # noqa: ANN401 - as Choice has them
        return Collector(notary._session, jenkins, Choice(**choice)).collect(JOB, 7)

    return run


def facts(result: Collected, own_type: str) -> dict[str, Any]:
    """Return the one record of a type, as its JSON form."""
    (found,) = [
        one.to_dict() for one in result.records if one.record.leaf.type == own_type
    ]
    return found


def extension(result: Collected) -> dict[str, Any]:
    found: dict[str, Any] = facts(result, "provenance")["predicate"][EXTENSION]
    return found


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_build_becomes_log_test_result_and_provenance(
    jenkins: MemoryJenkins, collect: Callable[..., Collected], notary: Notary
) -> None:
    build = jenkins.add(
        JOB,
        7,
        log=LOG,
        artifacts={"target/app.jar": b"PK", "docs/a.txt": b"a"},
        actions=[{"urlName": "testReport", "failCount": 1}],
    )
    build.tests = {"failCount": 1, "passCount": 2, "skipCount": 0}
    build.stages = {"stages": [{"id": "6", "name": "Build", "status": "SUCCESS"}]}

    result = collect()

    assert (result.outcome, result.code, result.job) == ("collected", 0, ID)
    assert [one.record.leaf.type for one in result.records] == [
        "log",
        "test-result",
        "provenance",
    ]
    log = facts(result, "log")
    assert log["job"] == ID
    assert log["predicate"]["body"]["sha256"] == sha256(LOG)
    assert log["predicate"]["state"] == "whole"
    assert log["predicate"]["source"] == "controller"
    assert log["predicate"]["build"]["startedAt"] == result.started_at
    assert b"".join(notary.read_log(ID)) == LOG
    tests = facts(result, "test-result")["predicate"]
    assert tests["result"] == "FAILED"
    assert tests[EXTENSION]["tests"] == {"failed": 1, "passed": 2, "skipped": 0}
    provenance = facts(result, "provenance")
    assert [one["name"] for one in provenance["subjects"]] == [
        "target/app.jar",
        "docs/a.txt",
    ]
    assert provenance["digests"][0] == f"sha256:{min(sha256(b'PK'), sha256(b'a'))}"
    run = provenance["predicate"]["runDetails"]
    assert run["metadata"]["invocationId"] == f"{ID}@{result.started_at}"
    assert run["byproducts"][0]["digest"] == {"sha256": sha256(LOG)}
    assert run["byproducts"][1]["annotations"]["stages"][0]["name"] == "Build"
    assert extension(result)["sizes"] == [2, 1]


def test_the_requests_of_a_build_are_counted_and_few(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a"}, _class="hudson.FreeStyleBuild")

    result = collect()

    # The build, its log, its artifact, and the build again.
    assert result.requests == 4


def test_a_build_without_artifacts_is_known_by_its_log(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG)

    provenance = facts(collect(), "provenance")

    assert provenance["digests"] == [f"sha256:{sha256(LOG)}"]


def test_what_the_steps_archived_is_no_product_of_the_build(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    receipt = ".jenkins-notary/receipts/1/app.jar.tlog-proof"
    jenkins.add(JOB, 7, log=LOG, artifacts={"app.jar": b"jar", receipt: b"proof"})

    provenance = facts(collect(), "provenance")

    assert provenance["digests"] == [f"sha256:{sha256(b'jar')}"]


@pytest.mark.parametrize("word", ["FAILURE", "ABORTED", "UNSTABLE", "NOT_BUILT"])
def test_a_build_of_any_result_is_collected(
    jenkins: MemoryJenkins, collect: Callable[..., Collected], word: str
) -> None:
    jenkins.add(JOB, 7, log=LOG, result=word)

    result = collect()

    assert result.outcome == "collected"
    assert extension(result)["build"]["result"] == word
    assert facts(result, "log")["predicate"]["build"]["result"] == word


def test_a_build_that_was_recorded_whole_is_not_read_again(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG)
    first = collect()

    second = collect()

    assert (second.outcome, second.requests) == ("present", 1)
    assert second.records[0].record.index == first.records[-1].record.index


def test_the_same_content_read_again_is_the_same_record(
    jenkins: MemoryJenkins, collect: Callable[..., Collected], notary: Notary
) -> None:
    jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a"})
    first = collect()
    size = notary.ledger.status().tree_size

    second = collect(again=True)

    assert [one.record.index for one in second.records] == [
        one.record.index for one in first.records
    ]
    assert notary.ledger.status().tree_size == size


def test_other_content_read_again_is_another_record(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    build = jenkins.add(JOB, 7, log=LOG)
    first = collect()
    build.log = LOG + b"more\n"

    second = collect(again=True)

    assert second.records[0].record.index > first.records[-1].record.index
    assert extension(second)["recordId"] == extension(first)["recordId"]


def test_a_build_of_a_job_that_was_made_again_is_another_build(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG)
    first = collect()
    jenkins.add(JOB, 7, log=b"other\n", timestamp=STARTED_MS + 1)

    second = collect()

    assert second.outcome == "collected"
    assert second.started_at != first.started_at
    assert extension(second)["recordId"] != extension(first)["recordId"]


def test_a_build_of_another_controller_with_the_same_name_is_another_build(
    notary: Notary, jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG)
    collect()
    clone = MemoryJenkins(
        Controller("ci.example.com", "https://ci.example.com/", "2.421", "cd" * 32)
    )
    clone.add(JOB, 7, log=LOG)

    result = Collector(notary._session, clone).collect(JOB, 7)

    assert result.outcome == "collected"


def test_only_the_log_is_recorded_when_only_that_is_asked_for(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a"})

    result = collect(only_log=True)

    assert [one.record.leaf.type for one in result.records] == ["log"]
    assert collect(only_log=True).outcome == "present"
    assert collect().outcome == "collected"


@pytest.mark.parametrize(
    "fault",
    [
        (NotFoundError("log", got="HTTP 404"), "missing"),
        (PermissionDeniedError("log", got="HTTP 403"), "denied"),
        (UnavailableError("log", got="HTTP 500"), "unavailable"),
        (UnavailableError("log", got="a page of HTML"), "unavailable"),
    ],
    ids=["lost", "denied", "broken", "html"],
)
def test_what_cannot_be_read_of_a_log_is_a_gap_that_the_record_names(
    jenkins: MemoryJenkins,
    collect: Callable[..., Collected],
    fault: tuple[NotaryError, str],
) -> None:
    error, word = fault
    jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a"})
    jenkins.faults["console", 7] = error

    result = collect()

    assert (result.outcome, result.code) == ("partial", error.exit_code)
    assert [one.record.leaf.type for one in result.records] == ["provenance"]
    assert extension(result)["gaps"] == {"log": word}
    assert facts(result, "provenance")["predicate"]["runDetails"]["byproducts"] == []


def test_a_gap_that_may_close_is_read_again_and_closed(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG)
    jenkins.faults["console", 7] = UnavailableError("log", got="HTTP 503")
    collect()
    jenkins.faults.clear()

    result = collect()

    assert result.outcome == "collected"
    assert "gaps" not in extension(result)


def test_a_lost_log_is_told_once_and_the_build_not_read_again(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=None)

    assert collect().code == 66
    assert collect().outcome == "present"


def test_a_log_that_breaks_off_is_not_recorded(
    jenkins: MemoryJenkins,
    collect: Callable[..., Collected],
    notary: Notary,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 4:
                raise UnavailableError("log", expected="99 bytes", got="an end after 8")
            return super().read(4 if size is None else min(size, 8))

    jenkins.add(JOB, 7, log=LOG)
    monkeypatch.setattr("jenkins_notary.jenkins.memory.io.BytesIO", Broken)

    result = collect()

    assert (result.outcome, result.code) == ("partial", 69)
    assert extension(result)["gaps"] == {"log": "unavailable"}
    assert list(notary._session.blobs.scan()) == []


def test_a_disk_that_fails_is_no_fault_of_jenkins(
    jenkins: MemoryJenkins,
    collect: Callable[..., Collected],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_session: object, stream: BinaryIO, **_policy: object) -> None:
        stream.read(1)
        raise NotFoundError("body store", got="no such folder")

    jenkins.add(JOB, 7, log=LOG)
    monkeypatch.setattr("jenkins_notary.api.builds.reading.keep_log", fail)

    with pytest.raises(NotFoundError, match="body store"):
        collect()


def test_a_full_disk_ends_the_collection(
    jenkins: MemoryJenkins,
    collect: Callable[..., Collected],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_session: object, stream: BinaryIO, **_policy: object) -> None:
        stream.read(1)
        raise StorageError("body store", got="no space left")

    jenkins.add(JOB, 7, log=LOG)
    monkeypatch.setattr("jenkins_notary.api.builds.reading.keep_log", fail)

    with pytest.raises(StorageError):
        collect()


def test_an_artifact_that_went_between_listing_and_reading_is_a_named_gap(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    build = jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a", "b": b"b"})

    def lose(method: str) -> None:
        if method == "console":
            build.artifacts = {"a": b"a", "b": b"b"}
        if method == "artifact":
            jenkins.on_request = lambda _method: None
            jenkins.faults["artifact", 7] = NotFoundError("artifact a", got="HTTP 404")

    jenkins.on_request = lose

    result = collect()

    assert (result.outcome, result.code) == ("partial", 66)
    assert extension(result)["gaps"]["artifacts"] == {
        "count": 2,
        "named": [{"path": "a", "why": "missing"}, {"path": "b", "why": "missing"}],
    }
    assert facts(result, "provenance")["digests"] == [f"sha256:{sha256(LOG)}"]


def test_a_build_whose_artifacts_change_while_it_is_read_is_not_recorded(
    jenkins: MemoryJenkins, collect: Callable[..., Collected], notary: Notary
) -> None:
    build = jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a"})
    size = notary.ledger.status().tree_size

    def change(method: str) -> None:
        if method == "artifact":
            build.artifacts = {"a": b"a", "late": b"b"}

    jenkins.on_request = change

    result = collect()

    assert (result.outcome, result.code) == ("failed", 69)
    assert "another artifacts" in str(result.faults[0])
    assert notary.ledger.status().tree_size == size


def test_a_build_that_is_deleted_while_it_is_read_is_recorded_as_such(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG, _class="hudson.model.FreeStyleBuild")
    seen: list[str] = []

    def delete(method: str) -> None:
        seen.append(method)
        if seen == ["build", "console", "build"]:
            jenkins.delete(JOB, 7)

    jenkins.on_request = delete

    result = collect()

    assert (result.outcome, result.code) == ("partial", 66)
    assert extension(result)["gaps"] == {"build": "deleted"}
    assert facts(result, "log")["predicate"]["body"]["sha256"] == sha256(LOG)


def test_a_build_that_is_not_there_is_a_fault_and_no_record(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    result = collect()

    assert (result.outcome, result.code, result.records) == ("failed", 66, ())
    assert result.started_at is None
    assert jenkins.requests == 1


def test_json_that_is_no_build_is_a_fault_and_no_record(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, timestamp="soon")

    result = collect()

    assert (result.outcome, result.code) == ("failed", 65)


def test_the_json_of_another_build_is_a_fault(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7).value["number"] = 8

    assert collect().code == 69


def test_reports_that_cannot_be_read_are_gaps(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    build = jenkins.add(JOB, 7, log=LOG, actions=[{"urlName": "testReport"}])
    build.tests = {"failCount": "many"}
    jenkins.faults["stages", 7] = UnavailableError("stages", got="HTTP 500")

    result = collect()

    assert extension(result)["gaps"] == {
        "tests": "unavailable",
        "stages": "unavailable",
    }
    assert [one.record.leaf.type for one in result.records] == ["log", "provenance"]


def test_more_than_500_artifacts_stand_in_several_records(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG, artifacts={f"{n}": b"%d" % n for n in range(501)})

    result = collect()

    parts = [
        one.to_dict()["predicate"][EXTENSION]["part"]
        for one in result.records
        if one.record.leaf.type == "provenance"
    ]
    assert parts == [{"number": 1, "of": 2}, {"number": 2, "of": 2}]
    assert len(result.records[-1].record.leaf.subjects) == 1


def test_a_log_with_a_secret_is_held_back_as_the_policy_says(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=b"password = hunter2-and-more\n")

    log = facts(collect(), "log")["predicate"]

    assert log["kept"] == "held"
    assert log["findings"]["kinds"] == {"password": 1}


def test_a_signer_who_does_not_count_is_told_so(
    jenkins: MemoryJenkins, reader: Person
) -> None:
    reader.notary().generate_key()

    Collector(reader.notary()._session, jenkins)

    assert any("is not enrolled" in one for one in reader.notices)


def test_a_build_cannot_get_round_its_record_by_making_it_too_long(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    parameters = [{"name": f"P{n}", "value": "\u00e9 " * 1024} for n in range(500)]
    build = jenkins.add(
        JOB, 7, log=LOG, artifacts={"a": b"a"}, actions=[{"parameters": parameters}]
    )
    names = [{"id": "1", "name": "\u00e9" * 500} for _ in range(1000)]
    build.stages = {"stages": names}

    result = collect()

    assert result.outcome == "collected"
    assert extension(result)["gaps"] == {"fields": "too long"}
    assert facts(result, "provenance")["subjects"][0]["name"] == "a"
    assert collect().outcome == "present"


def test_artifacts_that_cannot_be_recorded_are_counted(
    jenkins: MemoryJenkins, collect: Callable[..., Collected]
) -> None:
    jenkins.add(JOB, 7, log=LOG, artifacts={"a": b"a", "b" * 2000: b"b"})

    result = collect()

    assert (result.outcome, result.code) == ("partial", 66)
    assert extension(result)["gaps"] == {"artifacts": {"count": 1, "named": []}}
