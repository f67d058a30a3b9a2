"""The log of the real service, read and checked over HTTP by another user.

Each command runs as its own process, with a home and pins of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.command import command
from tests.parts.serving import Serving, claim
from tests.program import PROGRAM
from tests.unit.watch.test_alerting import receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Auditor:
    """Somebody on another host: a token, a home, nothing else."""

    def __init__(self, service: Serving, home: Path, *options: str) -> None:
        home.mkdir(exist_ok=True)
        self.state = str(home / "seen.json")
        kinds = ("DATA", "STATE", "CONFIG", "CACHE")
        token = service.token(home.name, "--role", "auditor", *options)
        self.environ = {
            **os.environ,
            "HOME": str(home),
            **{f"XDG_{one}_HOME": str(home / one.lower()) for one in kinds},
            **service.client(token),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command line."""
        return subprocess.run(
            [*PROGRAM, *words],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def audit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``ledger audit``."""
        return self.run("ledger", "audit", "--state", self.state, *words)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A service with some records."""
    with Serving(tmp_path_factory.mktemp("log")) as running:
        claims = [claim() for _ in range(60)]
        assert running.ask("POST", "/api/v1/records", {"claims": claims}).status == 200
        yield running


def test_the_log_is_read_checked_and_exported_over_http(
    service: Serving, tmp_path: Path
) -> None:
    auditor = Auditor(service, tmp_path / "reader")
    status = auditor.run("ledger", "status", "-o", "json")
    verified = auditor.run("ledger", "verify", "-o", "json")
    exported = auditor.run("ledger", "export", str(tmp_path / "tiles"), "-o", "json")
    own = json.loads(service.command("ledger", "status", "-o", "json"))
    shown = json.loads(status.stdout)

    assert "first contact with" in verified.stderr
    for key in ("origin", "vkey", "tree_size", "root", "trust_size", "checkpoint"):
        assert shown[key] == own[key]
    found = json.loads(verified.stdout)
    assert (found["sound"], found["size"]) == (True, own["tree_size"])
    assert found["signatures"] == own["tree_size"]
    assert json.loads(exported.stdout)["size"] == own["tree_size"]
    assert (tmp_path / "tiles" / "checkpoint").read_text() == own["checkpoint"]


def test_an_audit_over_http_keeps_a_copy_that_other_commands_read(
    service: Serving, tmp_path: Path
) -> None:
    auditor = Auditor(service, tmp_path / "auditor")
    digest = f"sha256:{os.urandom(32).hex()}"
    service.ask("POST", "/api/v1/records", claim(digest))
    first = auditor.audit("-o", "json")
    bad = claim(digest, status="UNTRUSTED", reason="CVE", job=None)
    service.ask("POST", "/api/v1/records", bad)
    second = auditor.audit("-o", "json", "--full")
    judged = auditor.run(
        *("authenticate", digest, "--name", "a", "--strict"),
        *("--ledger", f"{auditor.state}.copy"),
    )

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    found = json.loads(second.stdout)
    assert found["old_root_hex"] == json.loads(first.stdout)["root_hex"]
    assert found["verdicts"] == 1
    assert (judged.returncode, "UNTRUSTED" in judged.stdout) == (1, True)


def test_a_service_that_lost_records_is_found(tmp_path: Path) -> None:
    with Serving(tmp_path) as service:
        auditor = Auditor(service, tmp_path / "auditor")
        service.command("ledger", "backup", str(tmp_path / "backup"), "--with-key")
        service.ask("POST", "/api/v1/records", claim())
        assert auditor.audit().returncode == 0
        service.stop()
        for one in service.home.glob("ledger.db*"):
            if one.is_file() and one.suffix in {".db", ".db-wal", ".db-shm"}:
                one.unlink()
        for one in (service.home / "state").rglob("*.pin"):
            one.unlink()
        service.command("ledger", "restore", str(tmp_path / "backup"))
        service.start()
        done = auditor.audit()

    assert done.returncode == 65
    assert "as seen before" in done.stderr


def test_an_audit_that_goes_on_tells_what_changes_and_ends_with_65(
    tmp_path: Path,
) -> None:
    metrics, hook = tmp_path / "audit.prom", tmp_path / "webhook"
    with Serving(tmp_path) as service, receiver() as (url, got):
        hook.write_text(f"{url}/hook\n")
        hook.chmod(0o600)
        auditor = Auditor(service, tmp_path / "auditor")
        service.command("ledger", "backup", str(tmp_path / "backup"))
        service.ask("POST", "/api/v1/records", claim())
        with subprocess.Popen(
            [
                *(*PROGRAM, "ledger", "audit", "--state", auditor.state, "--follow"),
                *("--interval", "1", "--metrics-file", str(metrics), "-o", "json"),
                *("--webhook-file", str(hook), "--timeout", "2"),
            ],
            env=auditor.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as follower:
            assert follower.stdout is not None
            first = json.loads(follower.stdout.readline())
            service.ask("POST", "/api/v1/records", claim())
            later = [json.loads(follower.stdout.readline()) for _ in range(2)]
            service.stop()
            wait_for(got, 1)
            service.start()
            wait_for(got, 2)
            service.stop()
            for one in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
                (service.home / one).unlink(missing_ok=True)
            for each in (service.home / "state").rglob("*.pin"):
                each.unlink()
            service.command("ledger", "restore", str(tmp_path / "backup"))
            service.start()
            code = follower.wait(timeout=60)

    states = [json.loads(body)["state"] for _, _, body in got]
    assert later[-1]["size"] == first["size"] + 1
    assert (code, states[:2], states[-1]) == (65, ["unreachable", "well"], "integrity")
    assert json.loads(got[-1][2])["key"] == first["origin"]
    assert 'audit_fault{log="' in metrics.read_text()
    assert 'state="integrity"} 1' in metrics.read_text()


def wait_for(got: list[Any], count: int) -> None:
    """Wait until a webhook was told so often."""
    for _ in range(300):
        if len(got) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(got)


@pytest.mark.parametrize(
    "words",
    [
        ("--interval", "0"),
        ("-o", "yaml"),
        ("--webhook-file", "/nowhere"),
    ],
    ids=" ".join,
)
def test_an_audit_that_cannot_go_on_so_is_refused(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    ledger = str(tmp_path / "l.db")
    done = command(
        *("ledger", "audit", "--state", "s", "--follow", "--ledger", ledger), *words
    )

    assert done.code in {64, 66}


def test_a_token_of_some_folders_gets_no_envelopes_of_others(
    service: Serving, tmp_path: Path
) -> None:
    auditor = Auditor(service, tmp_path / "folders", "--folder", "payments")
    done = auditor.run("ledger", "verify")

    assert done.returncode == 77
    assert "a token of all folders" in done.stderr


@pytest.mark.parametrize(
    "digests", [None, [], ["x"], ["0" * 64] * 257, ["0" * 64, 7]], ids=str
)
def test_envelopes_are_asked_for_by_their_digests(
    service: Serving, digests: object
) -> None:
    answer = service.ask("POST", "/api/v1/envelopes", {"digests": digests})

    assert answer.status == 400


def test_an_unknown_envelope_is_null(service: Serving) -> None:
    answer = service.ask("POST", "/api/v1/envelopes", {"digests": ["0" * 64]})

    assert answer.json == {"envelopes": {"0" * 64: None}}
