"""A probe finds a rewritten log with very little traffic."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.watch.probe import decode_proof
from tests.command import command
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Done


class Probing:
    """A service, and an auditor who looks at it from elsewhere."""

    def __init__(self, folder: Path, service: Serving) -> None:
        self.service = service
        self.marks = 0
        self.state = str(folder / "seen.json")
        self.token = service.token("probe", "--role", "auditor")

    def add(self, *numbers: int) -> None:
        with self.service.notary() as edge:
            edge.notarize(
                [f"sha256:{one:064x}" for one in numbers], job="ci:a#1", name="app"
            )

    def look(self, *options: str) -> Done:
        environ = {**os.environ, "JENKINS_NOTARY_TOKEN": self.token}
        return command(
            *("ledger", "audit", "--ledger", self.service.url, "--state", self.state),
            *("-o", "json", *options),
            environ=environ,
        )

    def sent(self) -> int:
        """Return the bytes that the service has sent to the probe."""
        # The log is written in order, and a moment later.
        self.marks += 1
        self.service.ask("GET", "/healthz", token=self.token)
        lines: list[dict[str, Any]] = []
        for _ in range(100):
            lines = self.service.lines(0)
            if sum(one["path"] == "/healthz" for one in lines) >= self.marks:
                break
            time.sleep(0.1)
        return sum(one["sent"] for one in lines if one.get("token") == "probe")


@pytest.fixture
def probing(tmp_path: Path) -> Iterator[Probing]:
    with Serving(tmp_path) as service:
        yield Probing(tmp_path, service)


def test_a_round_proves_growth_and_a_record_in_some_kilobytes(probing: Probing) -> None:
    for number in range(30):
        probing.add(number)
    first = probing.look("--probe")
    before = probing.sent()
    idle = probing.look("--probe")
    between = probing.sent()
    for number in range(30, 40):
        probing.add(number)
    with probing.service.notary() as edge:
        edge.untrust([f"sha256:{1:064x}"], reason="CVE-2026-0001")
    grown = probing.look("--probe")
    after = probing.sent()

    assert [one.code for one in (first, idle, grown)] == [0, 0, 0], grown.stderr
    assert grown.json["old_size"] == idle.json["size"] < grown.json["size"]
    assert grown.json["old_trust_size"] < grown.json["trust_size"]
    assert (idle.json["records"], grown.json["records"]) == (1, 1)
    assert between - before < 4000
    assert after - between < 6000
    assert not os.path.exists(f"{probing.state}.copy")


def test_what_a_probe_has_seen_an_audit_goes_on_with(probing: Probing) -> None:
    probing.add(1)
    probing.look("--probe")
    probing.add(2)
    audit = probing.look()
    again = probing.look("--probe")

    assert (audit.code, again.code) == (0, 0), audit.stderr
    assert audit.json["old_size"] < audit.json["size"] == again.json["old_size"]


def test_a_log_that_was_rolled_back_or_forked_is_found(probing: Probing) -> None:
    ledger = probing.service.ledger
    probing.add(1)
    probing.service.stop()
    shutil.copy(ledger, f"{ledger}.old")
    probing.service.start()
    probing.add(2)
    probing.look("--probe")
    state = Path(probing.state).read_bytes()
    probing.service.stop()
    for end in ("-wal", "-shm"):
        if os.path.exists(f"{ledger}{end}"):
            os.unlink(f"{ledger}{end}")
    shutil.copy(f"{ledger}.old", ledger)
    shutil.rmtree(probing.service.home / "state" / "jenkins-notary" / "pins")
    probing.service.start()
    shorter = probing.look("--probe")
    probing.add(3)
    probing.add(4)
    forked = probing.look("--probe")

    assert (shorter.code, forked.code) == (65, 65), shorter.text + forked.text
    assert Path(probing.state).read_bytes() == state


def test_an_erased_record_is_proven_without_its_envelope(probing: Probing) -> None:
    probing.add(1)
    with probing.service.notary() as edge:
        size = edge.ledger.status().tree_size
        edge.ledger.erase([size - 1], reason="a request")
    probing.look("--probe")
    records = {probing.look("--probe").json["records"] for _ in range(8)}

    assert records <= {0, 1}


def test_a_new_key_of_the_log_is_followed(probing: Probing) -> None:
    probing.add(1)
    probing.look("--probe")
    probing.service.command("ledger", "rotate-key")
    found = probing.look("--probe")

    assert found.code == 0, found.stderr


@pytest.mark.parametrize("options", [["--full"], ["--ledger", "file.db"]], ids=str)
def test_a_probe_is_of_a_service(probing: Probing, options: list[str]) -> None:
    assert probing.look("--probe", *options).code == 64


def test_a_proof_of_an_unknown_log_is_refused(probing: Probing) -> None:
    answer = probing.service.ask("GET", "/api/v1/proofs?log=x&from=1&size=1")

    assert answer.status == 400


@pytest.mark.parametrize("value", [None, [1], ["?"], {}, "a"], ids=str)
def test_what_is_no_proof_is_refused(value: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(IntegrityError, match="a proof"):
        decode_proof(value)
