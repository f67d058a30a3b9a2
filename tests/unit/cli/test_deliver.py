"""``deliver`` tells what came of each entry, and goes on where it is asked to."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.command import command
from tests.parts.service import Fault, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AWAY = tuple(Fault(503) for _ in range(6))
REFUSED = b'{"error": "usage", "code": 64, "subject": "job", "expected": "another"}'


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr("jenkins_notary.remote.service._FIRST_PAUSE_S", 0.001)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.jar").write_bytes(b"PK app")
    with StandIn(tmp_path) as running:
        for name, value in running.client.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("JENKINS_NOTARY_SPOOL", str(tmp_path / "spool"))
        yield running


def keep(service: StandIn, *words: str) -> None:
    """Notarize while the service is away."""
    service.fail(*AWAY)
    done = command("notarize", "app.jar", *words)

    assert done.code == 0, done
    assert "-" in done.text.split()
    assert "kept as" in done.stderr


def test_entries_are_told_with_their_records(service: StandIn) -> None:
    keep(service, "--receipts", "receipts")
    keep(service)
    done = command("deliver", "-o", "json")
    none = command("deliver")

    assert done.code == 0
    assert [one["name"] for one in done.json["records"]] == ["app.jar", "app.jar"]
    assert [len(one["indexes"]) for one in done.json["entries"]] == [1, 1]
    assert (none.code, none.text) == (0, "0 waiting\n")


def test_what_was_delivered_before_a_failure_is_told(service: StandIn) -> None:
    keep(service)
    keep(service)
    service.fail(Fault(), *AWAY)
    done = command("deliver")

    assert done.code == 69
    assert "recorded as #" in done.text
    assert "1 waiting" in done.text


def test_what_was_set_aside_gives_its_code_and_can_be_sent_again(
    service: StandIn,
) -> None:
    keep(service)
    service.fail(Fault(400, body=REFUSED))
    refused = command("deliver")
    nothing = command("deliver")
    again = command("deliver", "--again")

    assert refused.code == 64
    assert "set aside: job" in refused.text
    assert (nothing.code, nothing.text) == (0, "0 waiting\n")
    assert (again.code, "recorded as" in again.text) == (0, True)


def test_following_goes_on_as_the_service_asks(
    service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(service)
    service.fail(Fault(429, retry_after="33"))
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    clock = SimpleNamespace(sleep=pause)
    monkeypatch.setattr("jenkins_notary.cli.deliver.time", clock)
    done = command("deliver", "--follow", "--interval", "7", "-o", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.code == 130
    assert "429" in done.stderr
    assert pauses == [33, 7, 7]
    assert [one["waiting"] for one in lines] == [0]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--follow", "--interval", "0"], id="interval"),
        pytest.param(["--follow", "-o", "yaml"], id="yaml"),
        pytest.param(["--ledger", "ledger.db"], id="no service"),
    ],
)
def test_wrong_words_are_refused(service: StandIn, words: list[str]) -> None:
    keep(service)

    assert command("deliver", *words).code == 64
