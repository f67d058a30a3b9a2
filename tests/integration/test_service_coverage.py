"""A real service accounts for the builds of the stand-in of a controller."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.remote.reading.notary import RemoteReader
from tests.command import command
from tests.parts.jenkins import TOKEN, USER, serve_jenkins
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("coverage")
    with serve_jenkins("/jenkins") as jenkins:
        for name in ("payments/app", "payments/deep/app", "other/app"):
            jenkins.add_job(name).add_build(log=b"x\n", artifacts={"a.jar": b"PK"})
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        settings = folder / "settings.yaml"
        settings.write_text("coverage: {days: 400, grace-minutes: 0}\n")
        options = ("--jenkins-url", jenkins.url, "--jenkins-user", USER)
        access = ("--jenkins-token-file", str(folder / "token"))
        more = ("--settings", str(settings))
        with Serving(folder, *options, *access, *more) as service:
            deadline = time.monotonic() + 30
            while not ask(service):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield service


def ask(service: Serving, query: str = "", token: str | None = None) -> Any:  # noqa: ANN401 - a document
    answer = service.ask("GET", f"/api/v1/coverage{query}", token=token)
    assert answer.status == 200, answer
    return answer.json["controllers"]


def test_an_administrator_sees_every_job_that_lacks_something(
    service: Serving,
) -> None:
    (report,) = ask(service)

    assert report["totals"]["missing"] == 3
    assert [one["job"] for one in report["jobs"]] == [
        "other/app",
        "payments/app",
        "payments/deep/app",
    ]
    assert report["jobs"][0]["numbers"] == {"missing": [[1, 1]]}


def test_a_reader_sees_jobs_and_figures_of_its_folders_alone(service: Serving) -> None:
    scope = ("--role", "reader", "--folder", "payments")
    reader = service.token("payments-reader", *scope)

    (report,) = ask(service, "?all=true", reader)

    assert {one["folder"] for one in report["folders"]} == {"payments", "payments/deep"}
    assert report["totals"]["jobs"] == 2
    (deep,) = ask(service, "?folder=payments/deep", reader)
    assert [one["job"] for one in deep["jobs"]] == ["payments/deep/app"]
    assert ask(service, "?folder=other", reader)[0]["totals"]["jobs"] == 0


def test_a_wrong_question_is_refused_and_a_hook_may_not_ask(service: Serving) -> None:
    for query in ("?all=maybe", "?since=2026", "?folder=a//b"):
        assert service.ask("GET", f"/api/v1/coverage{query}").status == 400, query
    scope = ("--role", "controller", "--folder", "ci.example.com:*")
    hook = service.token("a-hook", *scope)

    assert service.ask("GET", "/api/v1/coverage", token=hook).status == 403


def test_the_page_of_coverage_shows_the_same(service: Serving) -> None:
    scope = ("--role", "reader", "--folder", "other")
    reader = service.token("other-reader", *scope)

    text = service.ask("GET", "/coverage", token=reader).body.decode()

    assert ">other/app</bdi>" in text
    assert "1: #1</dd>" in text
    assert "payments" not in text


def test_the_command_shows_a_services_last_sweep(
    service: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = ("--role", "reader", "--folder", "payments")
    token = service.token("command-reader", *scope)
    for name, value in service.client(token).items():
        monkeypatch.setenv(name, value)

    done = command("coverage", "-o", "json")

    assert done.code == 66, done.stderr
    found = json.loads(done.stdout)
    assert found["code"] == 66
    assert found["controllers"][0]["totals"]["jobs"] == 2
    text = command("coverage", "--job", "payments/deep/*").stdout.decode()
    assert "payments/deep/app  #1\n" in text
    assert "payments/app" not in text
    assert command("coverage", "--since", "2026-01-01").code == 64
    monkeypatch.setenv("JENKINS_NOTARY_TOKEN", "nobody.x")
    assert command("coverage").code == 77


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({}, 65),
        ({"controllers": [7]}, 65),
        ({"controllers": [{"totals": {}}]}, 65),
        ({"controllers": []}, 66),
    ],
)
def test_a_service_that_answers_something_else_is_not_believed(
    service: Serving, monkeypatch: pytest.MonkeyPatch, answer: object, code: int
) -> None:
    for name, value in service.client(service.admin).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(RemoteReader, "ask", lambda *_, **__: answer)

    assert command("coverage").code == code
