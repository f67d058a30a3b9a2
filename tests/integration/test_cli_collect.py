"""Run `collect` against the stand-in of a controller, as its user would."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import command
from tests.parts.jenkins import (
    IDENTITY,
    STARTED_MS,
    TOKEN,
    USER,
    StandIn,
    serve_jenkins,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Done

LOG = b"Started by user admin\nbuilding\nFinished: SUCCESS\n"
JOB = "payments/feature%2Fx"


@pytest.fixture
def jenkins() -> Iterator[StandIn]:
    with serve_jenkins("/jenkins") as found:
        yield found


@pytest.fixture(autouse=True)
def _ledger(jenkins: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JENKINS_NOTARY_JENKINS_URL", jenkins.url)
    monkeypatch.setenv("JENKINS_NOTARY_JENKINS_USER", USER)
    monkeypatch.setenv("JENKINS_NOTARY_JENKINS_TOKEN", TOKEN)
    assert command("ledger", "init").code == 0


def instance(jenkins: StandIn) -> str:
    return jenkins.url.split("/")[2].replace(":", "-")


def document(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def evidence(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(command("evidence", job, "-o", "json"))[
        "records"
    ]
    return found


def test_a_build_is_collected_and_its_evidence_found_by_job_id(
    jenkins: StandIn,
) -> None:
    jenkins.add_job(JOB).add_build(
        log=LOG,
        artifacts={"target/app.jar": b"PK"},
        tests=(1, 0, 3),
        stages=[{"id": "6", "name": "Build", "status": "SUCCESS"}],
        parameters=[
            {"_class": "hudson.model.StringParameterValue", "name": "T", "value": "1"},
            {"_class": "hudson.model.PasswordParameterValue", "name": "P"},
        ],
    )

    done = command("collect", f"{JOB}#1")

    assert done.code == 0, done.stderr
    assert done.stdout.startswith(f"collected  {instance(jenkins)}:{JOB}#1".encode())
    found = {one["type"]: one for one in evidence(f"{JOB}#1")}
    assert set(found) == {"log", "test-result", "provenance"}
    tests = found["test-result"]["predicate"]
    assert tests["failedTests"] == ["app.AppTest.case 0"]
    assert len(tests["passedTests"]) == 2
    definition = found["provenance"]["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["parameters"] == [
        {"name": "T", "value": "1"},
        {"name": "P", "secret": True},
    ]
    record = found["provenance"]["predicate"]["jenkinsNotary_record"]
    assert len(record["build"]["controller"]["identity"]) == 64
    assert command("log", f"{JOB}#1").stdout == LOG


def test_json_has_records_and_builds(jenkins: StandIn) -> None:
    jenkins.add_job("app").add_build(log=LOG)

    found = document(command("collect", "app#1", "-o", "json"))

    assert [one["type"] for one in found["records"]] == ["log", "provenance"]
    assert found["builds"][0]["outcome"] == "collected"
    assert found["code"] == 0


def test_json_of_what_failed_is_an_error_with_its_code(jenkins: StandIn) -> None:
    jenkins.add_job("app").add_build(log=LOG, log_lost=True)

    done = command("collect", "app#1", "-o", "json")

    found = document(done)
    assert done.code == found["code"] == 66
    assert found["error"] == "faults"
    assert [one["type"] for one in found["records"]] == ["provenance"]
    assert found["builds"][0]["outcome"] == "partial"


def test_only_the_log_is_collected_for_a_step(jenkins: StandIn) -> None:
    jenkins.add_job("app").add_build(log=LOG, artifacts={"a": b"a"})

    done = command("collect", "app#1", "--only", "log", "-o", "json")

    assert [one["type"] for one in document(done)["records"]] == ["log"]


def test_a_folder_is_swept_and_the_next_sweep_finds_nothing(jenkins: StandIn) -> None:
    for name in ("payments/api", "payments/web"):
        job = jenkins.add_job(name)
        for _ in range(3):
            job.add_build(log=LOG)

    first = command("collect", "--job", "payments/*")
    asked = len(jenkins.requests)
    second = command("collect", "--job", "payments/*")

    assert first.code == second.code == 0
    assert first.stdout.count(b"collected") == 6
    assert second.stdout == b""
    # Who answers (two requests), and the folder.
    assert len(jenkins.requests) - asked == 3


def test_builds_before_a_time_are_left_alone(jenkins: StandIn) -> None:
    job = jenkins.add_job("app")
    for number in range(3):
        job.add_build(log=LOG, timestamp=STARTED_MS + number * 86_400_000)

    done = command("collect", "--job", "app", "--since", "2026-11-30")

    assert done.stdout.count(b"collected") == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 403}, 77),
        ({"status": 401}, 77),
        ({"status": 404}, 66),
        ({"status": 500}, 69),
        ({"status": 302, "headers": {"Location": "https://sso.example/"}}, 69),
        ({"status": 200}, 69),
        ({"cut": 40}, 69),
        ({"cut": 200_000}, 69),
    ],
    ids=["403", "401", "404", "500", "redirect", "html", "cut early", "cut late"],
)
def test_a_log_that_cannot_be_read_has_a_clear_code(
    jenkins: StandIn, fault: dict[str, Any], code: int
) -> None:
    jenkins.add_job("app").add_build(log=LOG * 5000)
    jenkins.fail("consoleText", **fault)

    done = command("collect", "app#1")

    assert done.code == code
    assert b"partial" in done.stdout
    assert [one["type"] for one in evidence("app#1")] == ["provenance"]


def test_an_artifact_that_breaks_off_is_not_recorded_as_good(jenkins: StandIn) -> None:
    jenkins.add_job("app").add_build(
        log=LOG, artifacts={"good.jar": b"PK", "bad.jar": b"x" * 100_000}
    )
    jenkins.fail("bad.jar", cut=50_000)

    done = command("collect", "app#1")

    (record,) = [one for one in evidence("app#1") if one["type"] == "provenance"]
    assert done.code == 69
    assert [one["name"] for one in record["subjects"]] == ["good.jar"]
    assert record["predicate"]["jenkinsNotary_record"]["gaps"]["artifacts"][
        "named"
    ] == [{"path": "bad.jar", "why": "unavailable"}]


@pytest.mark.parametrize(
    "name",
    ["it's $(id) `x`", "a b/ä ö", "rtl\u202etxt", "n" * 300, "feature%2Fx/%252F"],
)
def test_hostile_names_are_collected_as_they_are(jenkins: StandIn, name: str) -> None:
    jenkins.add_job(name).add_build(log=LOG, artifacts={f"{name[:200]}.jar": b"PK"})

    done = command("collect", f"{name}#1", "-o", "json")

    assert done.code == 0, done.stderr
    assert document(done)["builds"][0]["job"] == f"{instance(jenkins)}:{name}#1"


def test_a_running_build_is_followed_to_its_end(jenkins: StandIn) -> None:
    build = jenkins.add_job("app").add_build(log=b"one\n", building=True)

    def work() -> None:
        time.sleep(0.3)
        build.append(b"two\n")
        time.sleep(1.5)
        build.append(b"three\n")
        build.finish()

    worker = threading.Thread(target=work)
    worker.start()
    done = command("collect", "app#1", "--follow", "--interval", "1", "-o", "json")
    worker.join()

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == 0, done.stderr
    outcomes = [one["builds"][0]["outcome"] for one in lines]
    assert outcomes[0] == "growing"
    assert outcomes[-1] == "collected"
    log = [one for one in evidence("app#1") if one["type"] == "log"][-1]["predicate"]
    assert (log["state"], log["extends"]) == ("whole", True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_follows_may_be_stopped_at_any_time(
    jenkins: StandIn, number: signal.Signals
) -> None:
    job = jenkins.add_job("app")
    for _ in range(40):
        job.add_build(log=LOG)
    words = ["collect", "--job", "*", "--follow"]

    with subprocess.Popen(
        [sys.executable, "-m", "jenkins_notary", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(10)]
        process.send_signal(number)
        rest = process.stdout.read().splitlines()
    again = command("collect", "--job", "*")

    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert again.code == 0
    done = len(first) + len(rest)
    # A build may have been recorded and not been told.
    assert 40 - done - 1 <= again.stdout.count(b"collected") <= 40 - done
    assert command("ledger", "verify").code == 0


def test_nothing_is_asked_without_a_ledger(
    jenkins: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    jenkins.add_job("app").add_build(log=LOG)
    away = tmp_path_factory.mktemp("none") / "ledger.db"

    done = command("collect", "app#1", "--ledger", f"sqlite:///{away}")

    assert done.code == 66
    assert jenkins.requests == []


@pytest.mark.parametrize(
    "words",
    [[], ["app#1", "--job", "app"], ["app"], ["--job", "a//b"]],
    ids=["nothing", "both", "no number", "malformed"],
)
def test_what_is_wrong_with_the_words_is_usage(words: list[str]) -> None:
    assert command("collect", *words).code == 64


def test_a_controller_that_is_not_configured_is_configuration(
    jenkins: StandIn,
) -> None:
    done = command("collect", "other.example.com:app#1")

    assert done.code == 78
    assert jenkins.requests == []


def test_a_wrong_token_is_permission(jenkins: StandIn) -> None:
    jenkins.add_job("app").add_build(log=LOG)

    done = command(
        "collect", "app#1", environ={"JENKINS_NOTARY_JENKINS_TOKEN": "wrong"}
    )

    assert done.code == 77


def test_yaml_is_no_output_for_who_follows() -> None:
    assert command("collect", "--job", "*", "--follow", "-o", "yaml").code == 64


def test_an_outbox_is_drained_with_receipts_for_the_hook(
    jenkins: StandIn, tmp_path: Path
) -> None:
    build = jenkins.add_job("app").add_build(log=LOG, artifacts={"a.jar": b"PK"})
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
        "facts": {"mode": "enforce"},
    }
    (events / f"{1:016}.json").write_text(json.dumps(event))

    done = command("collect", "--outbox", str(tmp_path / "outbox"), "-o", "json")

    found = document(done)
    job = f"{instance(jenkins)}:app#1"
    assert done.code == 0, done.stderr
    assert [*found["receipts"]] == [job]
    assert found["receipts"][job].startswith("c2sp.org/tlog-proof@v1\n")
    assert found["checkpoint"]
    assert [*events.iterdir()] == []
    (record,) = [one for one in evidence(job) if one["type"] == "provenance"]
    assert record["predicate"]["jenkinsNotary_record"]["sources"]["mode"] == "hook"
    (log,) = [one for one in evidence(job) if one["type"] == "log"]
    assert f"\nindex {log['index']}\n" in found["receipts"][job]


def test_an_outbox_stands_alone(tmp_path: Path) -> None:
    assert command("collect", "app#1", "--outbox", str(tmp_path)).code == 64


def test_an_outbox_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert command("collect", "--outbox", str(tmp_path / "none")).code == 66
