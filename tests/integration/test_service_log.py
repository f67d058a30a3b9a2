"""The log of the real service, read and checked over HTTP by another user.

Each command runs as its own process, with a home and pins of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.parts.serving import Serving, claim
from tests.program import PROGRAM

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
