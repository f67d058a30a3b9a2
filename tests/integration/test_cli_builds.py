"""All of a build in one view; where a digest went; a job that was made again."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jenkins_notary import Notary
from jenkins_notary.evidence.checkpoint_lines import format_checkpoint_line
from jenkins_notary.evidence.lifecycle import name_subjects
from jenkins_notary.values.jobid import format_instance
from tests.command import command
from tests.parts.jenkins import IDENTITY, STARTED_MS, TOKEN, USER, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.values.statement import Subject
    from tests.parts.jenkins import StandIn

JAR = b"jar"
DIGEST = "sha256:" + hashlib.sha256(JAR).hexdigest()
COMMIT = "ab" * 20
GIT: dict[str, object] = {
    "_class": "hudson.plugins.git.util.BuildData",
    "lastBuiltRevision": {
        "SHA1": COMMIT,
        "branch": [{"SHA1": COMMIT, "name": "origin/main"}],
    },
    "remoteUrls": ["https://git.example.com/api.git"],
}


@pytest.fixture
def jenkins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Return a controller whose builds are recorded in a ledger of the test's."""
    monkeypatch.chdir(tmp_path)
    with serve_jenkins() as served:
        monkeypatch.setenv("JENKINS_NOTARY_JENKINS_URL", served.url)
        monkeypatch.setenv("JENKINS_NOTARY_JENKINS_USER", USER)
        monkeypatch.setenv("JENKINS_NOTARY_JENKINS_TOKEN", TOKEN)
        assert command("ledger", "init").code == 0
        yield served


def collect(jenkins: StandIn, name: str, timestamp: int = STARTED_MS) -> str:
    """Record a build with everything; return its full job id."""
    job = jenkins.jobs.get(name) or jenkins.add_job(name)
    build = job.add_build(
        log=b"Started\nFinished: SUCCESS\n",
        artifacts={"target/app.jar": JAR},
        actions=[GIT],
        tests=(1, 0, 9),
        causes=[{"_class": "hudson.model.Cause$UserIdCause", "userId": "jo"}],
        timestamp=timestamp,
    )
    job_id = f"{format_instance(jenkins.url)}:{name}#{build.number}"
    assert command("collect", job_id).code == 0
    return job_id


def test_everything_of_a_build_is_shown_in_one_view(jenkins: StandIn) -> None:
    job = collect(jenkins, "payments/api")
    command("notarize", DIGEST, "--name", "app.jar", "--job", job)
    command("attach", "-", "--job", job, "--label", "notes", stdin=b"hello")

    text = command("evidence", job).text
    build = command("evidence", job, "-o", "json").json["build"]
    assert build["result"] == "SUCCESS"
    assert build["commits"][0].startswith(COMMIT)
    assert build["started"]
    assert [(one["digest"], one["archived"]) for one in build["artifacts"]] == [
        (DIGEST, True)
    ]
    assert build["tests"]["counts"]
    assert (build["log"]["source"], build["log"]["state"]) == ("controller", "whole")
    assert build["attachments"][0]["label"] == "notes"
    for line in (
        *("result", COMMIT, DIGEST, "controller", "consoleText, whole"),
        *("recorded TRUSTED in #", "notes", "tests", "cause"),
    ):
        assert line in text


def test_digest_is_traced_through_the_builds_that_recorded_it(jenkins: StandIn) -> None:
    first, second = collect(jenkins, "build"), collect(jenkins, "deploy")

    trace = command("evidence", "--digest", DIGEST, "-o", "json").json["trace"]
    assert trace["producer"]["job"] == first
    assert [one["job"] for one in trace["consumers"]] == [second]
    assert trace["complete"]
    text = command("evidence", "--digest", DIGEST).text
    assert text.splitlines()[0].startswith("first recorded by ")
    assert "then by " in text


def test_commit_and_time_find_collected_builds(jenkins: StandIn) -> None:
    collect(jenkins, "build")

    by_commit = command("evidence", "--commit", COMMIT, "-o", "json").json["records"]
    assert {one["type"] for one in by_commit} == {"provenance"}
    since = by_commit[0]["timestamp"]
    by_time = command("evidence", "--since", since, "--until", since, "-o", "json")
    assert by_time.code == 0
    assert command("evidence", "--commit", "cd" * 20).code == 66


def test_job_that_was_made_again_is_ambiguous_until_one_is_chosen(
    jenkins: StandIn,
) -> None:
    job = collect(jenkins, "api", STARTED_MS)
    del jenkins.jobs["api"]
    collect(jenkins, "api", STARTED_MS + 1000)

    found = command("evidence", job)
    assert found.code == 67
    times = [
        one["predicate"]["jenkinsNotary_record"]["build"]["startedAt"]
        for one in command("evidence", "--job", "api", "-o", "json").json["records"]
        if one["type"] == "provenance"
    ]
    assert len(times) == 2
    assert command("log", job).code == 67
    for started in times:
        done = command("evidence", job, "--started", started, "-o", "json")
        assert done.json["build"]["started"] == started
        assert command("log", job, "--started", started).code == 0
    assert command("evidence", job, "--started", "2001-01-01T00:00:00Z").code == 66


def test_folder_is_listed_and_takes_no_start(jenkins: StandIn) -> None:
    collect(jenkins, "pay/api")

    assert "build" not in command("evidence", "pay/api", "-o", "json").json
    start = "2026-01-02T03:04:05Z"
    assert command("evidence", "--job", "pay", "--started", start).code == 64
    assert command("evidence", "--digest", DIGEST, "--started", start).code == 64


def test_renamed_and_deleted_build_is_shown_with_both(jenkins: StandIn) -> None:
    job = collect(jenkins, "old")
    instance = format_instance(jenkins.url)
    events: dict[str, tuple[list[Subject], dict[str, object]]] = {
        "alias": (
            name_subjects(instance, "old", "new"),
            {"from": "old", "to": "new", "instance": instance},
        ),
        "deletion": (
            name_subjects(instance, "new"),
            {"name": "new", "event": {"at": "2026-02-03T04:05:06.007Z"}},
        ),
    }
    with Notary(os.environ.get("JENKINS_NOTARY_LEDGER")) as notary:
        session = notary._session
        session.append(
            [session.author().sign(kind, *event) for kind, event in events.items()]
        )

    for name in (job, job.replace("old", "new")):
        done = command("evidence", name)
        assert "job deleted in Jenkins at 2026-02-03T04:05:06.007Z" in done.text
        assert DIGEST in done.text
        assert command("log", name).stdout == b"Started\nFinished: SUCCESS\n"


def test_stage_has_the_lines_that_the_hook_told(
    jenkins: StandIn, tmp_path: Path
) -> None:
    log = b"Started\n[Pipeline] { (Test)\nall is well\n[Pipeline] }\nmake test\n"
    build = jenkins.add_job("app").add_build(log=log)
    identity = hashlib.sha256(base64.b64decode(IDENTITY)).hexdigest()
    events = tmp_path / "outbox/events"
    events.mkdir(parents=True)
    about = {"v": 1, "id": "0" * 32, "identity": identity}
    (tmp_path / "outbox/outbox.json").write_text(json.dumps(about))
    event = {
        "v": 1,
        "seq": 1,
        "at": "2026-11-28T00:20:00.000Z",
        "event": "finalized",
        "controller": {"url": jenkins.url, "version": "2.421", "identity": identity},
        "job": {"name": "app"},
        "build": {"number": 1, "startedAt": build.timestamp, "result": "SUCCESS"},
        "facts": {"stages": [{"id": "7", "name": "Test", "lines": [[1, 1], [5, 5]]}]},
    }
    (events / f"{1:016}.json").write_text(json.dumps(event))
    assert command("collect", "--outbox", str(tmp_path / "outbox")).code == 0

    done = command("log", "app#1", "--stage", "Test")
    assert done.text == "Started\nmake test\n"
    assert "bounds by the controller" in done.stderr
    proof = command("log", "app#1", "--stage", "Test", "--excerpt", "-")
    assert len(proof.json["excerpts"]) == 2


def test_log_of_a_running_build_is_read_and_compared(jenkins: StandIn) -> None:
    build = jenkins.add_job("app").add_build(log=b"one\n", building=True)
    assert command("collect", "app#1").code == 0
    build.append(b"two\n")
    assert command("collect", "app#1").code == 0

    done = command("log", "app#1")
    assert done.stdout == b"one\r\ntwo\r\n"
    assert "growing, 2 pieces, form progressiveText" in done.stderr
    assert command("log", "app#1", "--verify").code == 0
    build.append(b"three\n")
    build.finish("SUCCESS")
    after = command("log", "app#1", "--verify", "-o", "json")
    assert (after.code, after.json["outcome"]) == (0, "beginning")
    assert command("collect", "app#1").code == 0
    assert command("log", "app#1").stdout == b"one\ntwo\nthree\n"
    assert command("log", "app#1", "--verify", "-o", "json").json["outcome"] == (
        "identical"
    )


def test_checkpoints_in_the_log_are_told_with_the_build(jenkins: StandIn) -> None:
    note = command("ledger", "status", "-o", "json").json["checkpoint"].encode()
    lines = format_checkpoint_line(note) + format_checkpoint_line(b"x" + note)
    jenkins.add_job("app").add_build(log=b"hello\n" + lines)
    assert command("collect", "app#1").code == 0

    done = command("evidence", "app#1", "-o", "json")
    assert (done.code, done.json["build"]["checkpoints"]) == (
        0,
        {"verified": [{"line": 2, "tree_size": 1}], "ignored": 1, "error": None},
    )
    text = command("evidence", "app#1").text
    assert "line 2 at size 1; 1 others ignored" in text


def test_altered_log_is_told_with_the_build(jenkins: StandIn) -> None:
    job = collect(jenkins, "app")
    with Notary(os.environ.get("JENKINS_NOTARY_LEDGER")) as notary:
        folder = Path(notary._session.places.blobs)
    (path,) = [one for one in folder.rglob("*") if one.is_file()]
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(bytes(data))

    done = command("evidence", job)
    assert done.code == 65
    assert "checkpoints  ERROR" in done.text
    path.unlink()
    assert command("evidence", job).code == 0


def test_long_list_comes_page_by_page(jenkins: StandIn) -> None:
    for _ in range(3):
        collect(jenkins, "api")

    page = command("evidence", "--job", "api", "--limit", "2", "-o", "json")
    first = page.json["records"][0]["index"]
    assert f"--before {first}" in page.stderr
    older = command("evidence", "--job", "api", "--before", str(first), "-o", "json")
    assert older.json["records"][-1]["index"] < first
