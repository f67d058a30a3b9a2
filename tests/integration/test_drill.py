"""The drill: the service's disk is lost, and only an older backup is left.

One story, end to end, on the real service and the stand-in of a controller: the backup
may not be continued; a successor begins; clients and auditor follow it; what was lost
is recorded again from where it lies; what waited in the hook's outbox arrives.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from tests.integration.test_service_jenkins import LOG, World
from tests.integration.test_service_log import Auditor
from tests.parts.jenkins import TOKEN, USER, serve_jenkins
from tests.parts.serving import Serving, claim
from tests.program import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

DIGESTS = {name: f"sha256:{os.urandom(32).hex()}" for name in ("kept", "lost", "bad")}


def record(service: Serving, name: str, *, is_bad: bool = False) -> dict[str, Any]:
    """Record an artifact; return the answer's item."""
    value = claim(DIGESTS[name])
    if is_bad:
        value = {**value, "status": "UNTRUSTED", "reason": "CVE", "job": None}
    answer = service.ask("POST", "/api/v1/records", value)
    assert answer.status == 200, answer
    return dict(answer.json["assets"][0])


def words(service: Serving) -> dict[str, str]:
    """Return the service's word on each artifact."""
    assets = [
        {"name": name, "kind": "file", "digest": digest}
        for name, digest in DIGESTS.items()
    ]
    answer = service.ask("POST", "/api/v1/verdicts", {"assets": assets})
    return {one["name"]: one["status"] for one in answer.json["assets"]}


def refuse(service: Serving, *line: str) -> str:
    """Run a command line that must fail with 65; return what it says."""
    done = subprocess.run(
        [*PROGRAM, *line],
        env=service.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 65, done
    return done.stderr


def lose_the_disk(service: Serving) -> None:
    """Remove the ledger and all beside it; the administrator knows his token."""
    for one in service.home.glob("ledger.db*"):
        if one.is_dir():
            shutil.rmtree(one)
        elif one.suffix != ".admin-token":
            one.unlink()


def test_the_drill(tmp_path: Path) -> None:
    with serve_jenkins("/jenkins") as jenkins:
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "token").chmod(0o600)
        options = (
            *("--jenkins-url", jenkins.url, "--jenkins-user", USER),
            *("--jenkins-token-file", str(tmp_path / "token")),
        )
        jenkins.add_folder("payments")
        builds = jenkins.add_job("payments/app")
        builds.add_build(log=LOG)
        instance = jenkins.url.split("/")[2].replace(":", "-")
        with Serving(tmp_path, *options) as service:
            scope = ("--folder", f"{instance}:*")
            hook = service.token("hook", "--role", "controller", *scope)
            world = World(jenkins, service, instance, hook)
            auditor = Auditor(service, tmp_path / "auditor")
            record(service, "kept")
            service.command("ledger", "backup", str(tmp_path / "backup"))
            play(world, auditor, tmp_path)


def play(world: World, auditor: Auditor, tmp_path: Path) -> None:
    """Play the drill, from behind the backup on."""
    service = world.service
    # (1) Behind the backup: a record, an UNTRUSTED, a build; audited, then lost.
    receipt = tmp_path / "lost.tlog-proof"
    receipt.write_text(record(service, "lost")["receipt"])
    record(service, "bad")
    record(service, "bad", is_bad=True)
    assert world.deliver(world.event(1)).json["accepted"] == 1
    types = world.types(f"{world.instance}:payments/app#1")
    audited = auditor.audit("-o", "json")
    assert audited.returncode == 0, audited.stderr
    size = json.loads(audited.stdout)["size"]
    service.stop()
    lose_the_disk(service)

    # (2) The backup may not go on: by the pin, and on a new host by a receipt.
    told = refuse(service, *restore(service, tmp_path))
    assert "to continue it would fork the log" in told
    pins = service.home / "state" / "jenkins-notary" / "pins"
    pins.rename(tmp_path / "pins")
    told = refuse(service, *restore(service, tmp_path), "--published", str(receipt))
    assert "ledger succeed" in told
    assert not service.ledger.exists()

    # (3) A successor binds the newest checkpoint that anybody has seen: the auditor's.
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_text(json.loads(audited.stdout)["checkpoint"])
    done = subprocess.run(
        [
            *(*PROGRAM, "ledger", "succeed", str(service.ledger), "-o", "json"),
            *("--ledger", str(tmp_path / "backup" / "ledger.db")),
            *("--published", str(receipt), "--published", str(checkpoint)),
        ],
        env=service.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    inherited = json.loads(done.stdout)["tree_size"]
    assert f"{size - inherited} that were published are lost" in done.stderr
    service.start()
    assert words(service) == {"kept": "TRUSTED", "lost": "UNKNOWN", "bad": "UNKNOWN"}

    bring_back(world, auditor, tmp_path, size - inherited)
    # What the controller still has is recorded again too.
    build = f"{world.instance}:payments/app#1"
    access = ("--jenkins-url", world.jenkins.url, "--jenkins-user", USER)
    file = ("--jenkins-token-file", str(tmp_path / "token"))
    service.command("collect", build, "--again", *access, *file)
    assert set(types) <= set(world.types(build))
    # (7) All of it is sound, and the auditor finds nothing.
    assert json.loads(service.command("ledger", "verify", "-o", "json"))["sound"]
    last = auditor.audit("--full")
    assert last.returncode == 0, last.stderr


def bring_back(world: World, auditor: Auditor, tmp_path: Path, lost: int) -> None:
    """Play what follows the succession."""
    service = world.service
    # (4) Who saw the old log follows: the auditor, told how much is lost.
    followed = auditor.audit("-o", "json")
    assert followed.returncode == 0, followed.stderr
    assert f"{lost} are lost" in followed.stderr
    assert list((tmp_path / "auditor").glob("seen.json.*.ended"))

    # (5) The auditor's copy of the old log gives back what was lost; twice is once.
    (copy,) = (tmp_path / "auditor").glob("seen.json.copy.*.ended")
    done = service.notary().ledger.resend([str(copy)])
    for signer in done.unenrolled:
        service.command("signer", "enrol", signer)
    again = json.loads(service.command("ledger", "resend", str(copy), "-o", "json"))
    assert any("collect it again" in one.why for one in done.left)
    assert again["indexes"] == []
    assert again["known"] == len(done.indexes)
    assert words(service) == {"kept": "TRUSTED", "lost": "TRUSTED", "bad": "UNTRUSTED"}

    # (6) What waited in the hook's outbox arrives.
    world.jenkins.jobs["payments/app"].add_build(log=LOG)
    second = world.event(2, build={**world.event(1)["build"], "number": 2})
    assert world.deliver(second).json["accepted"] == 2
    assert world.types(f"{world.instance}:payments/app#2")


def restore(service: Serving, tmp_path: Path) -> tuple[str, ...]:
    """Return the command line that restores the backup."""
    ledger = ("--ledger", str(service.ledger))
    return ("ledger", "restore", str(tmp_path / "backup"), *ledger)
