"""Real witnesses: litewitness for our log, our witness for another's (Tessera)."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.keys.log_key import generate_log_key, load_log_verifier
from jenkins_notary.keys.witness_key import load_witness_verifier
from jenkins_notary.ledger.witness import Submission, format_submission
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
)
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.tlog.note import sign_note
from jenkins_notary.tlog.receipt import parse_receipt
from tests.command import command
from tests.integration.test_service_log import Auditor
from tests.parts.build import PARTS
from tests.parts.serving import Serving, claim
from tests.parts.webhook import Webhook
from tests.parts.witnesses import run_litewitness, run_witness, send

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.tlog.note import NoteVerifier
    from tests.parts.witnesses import RealWitness


def settings(folder: Path, quorum: int, *witnesses: tuple[str, str]) -> Path:
    """Return the file of settings that names some witnesses."""
    path = folder / "settings.yaml"
    asked = [{"url": url, "vkey": vkey} for url, vkey in witnesses]
    section = {"quorum": quorum, "every": 1, "ask": asked}
    path.write_text(json.dumps({"witnesses": section}))
    return path


def log_of(service: Serving) -> tuple[str, str]:
    """Return (origin, vkey) of a service's log."""
    found = json.loads(service.command("ledger", "status", "-o", "json"))
    return found["origin"], found["vkey"]


def wait_cosigned(service: Serving, size: int) -> str:
    """Return the newest cosigned checkpoint, once it covers so many records."""
    for _ in range(150):
        found = service.ask("GET", "/api/v1/witnesses").json
        note = found["cosigned"]
        if note is not None and int(note.split("\n")[1]) >= size:
            return str(note)
        time.sleep(0.1)
    raise AssertionError(found, service.said)


@pytest.mark.real("litewitness", "ssh-agent")
def test_receipts_carry_the_cosignatures_of_two_witnesses(tmp_path: Path) -> None:
    with Serving(tmp_path) as first:
        origin, vkey = log_of(first)
        first.stop()
    with (
        run_litewitness(tmp_path / "lite", {origin: vkey}) as lite,
        run_witness(tmp_path / "ours", [vkey]) as ours,
    ):
        file = settings(tmp_path, 2, (lite.url, lite.vkey), (ours.url, ours.vkey))
        with Serving(tmp_path, "--settings", str(file)) as service:
            recorded = service.ask("POST", "/api/v1/records", claim()).json
            index = recorded["assets"][0]["index"]
            note = wait_cosigned(service, index + 1)
            receipt = service.ask("GET", f"/api/v1/records/{index}/receipt").body
            published = service.ask("GET", "/checkpoint").body.decode()
            shown = service.ask("GET", "/api/v1/witnesses").json
            policy = tmp_path / "policy"
            policy.write_text(
                f"log {vkey}\nwitness a {lite.vkey}\nwitness b {ours.vkey}\n"
                "group both all a b\nquorum both\n"
            )
            auditor = Auditor(service, tmp_path / "auditor")
            audited = auditor.audit("--log", str(policy), "-o", "json")

    assert audited.returncode == 0, audited.stderr
    assert json.loads(audited.stdout)["witnessed"] >= index + 1
    (tmp_path / "r").write_bytes(receipt)
    checked = command("receipt", "verify", str(tmp_path / "r"), "--log", str(policy))
    assert checked.code == 0, checked.stderr
    verifiers: list[NoteVerifier] = [
        load_log_verifier(vkey),
        load_witness_verifier(lite.vkey),
        load_witness_verifier(ours.vkey),
    ]
    names = {origin, "lite.example.com", "ours.example.com"}
    for data in (note, published, parse_receipt(receipt).checkpoint_note.decode()):
        opened = open_checkpoint(data.encode(), verifiers)
        assert {one.name for one in opened.note.verified} == names
    assert [one["fault"] for one in shown["witnesses"]] == [None, None]


def test_a_witness_that_is_away_delays_no_answer(tmp_path: Path) -> None:
    with run_witness(tmp_path / "gone", [_some_log(tmp_path)]) as gone:
        pass
    file = settings(tmp_path, 1, (gone.url, gone.vkey))
    with Serving(tmp_path, "--settings", str(file)) as service:
        began = time.monotonic()
        answers = [service.ask("POST", "/api/v1/records", claim()) for _ in range(20)]
        took_s = time.monotonic() - began
        for _ in range(100):
            shown = service.ask("GET", "/api/v1/witnesses").json
            if shown["witnesses"][0]["fault"]:
                break
            time.sleep(0.1)

    assert {one.status for one in answers} == {200}
    assert took_s < 10
    assert "expected an answer" in shown["witnesses"][0]["fault"]
    assert shown["cosigned"] is None


def test_a_service_that_was_rolled_back_is_not_signed_and_says_so(
    tmp_path: Path,
) -> None:
    with Serving(tmp_path) as first:
        _, vkey = log_of(first)
        first.command("ledger", "backup", str(tmp_path / "backup"))
        first.stop()
    with run_witness(tmp_path / "ours", [vkey]) as ours, Webhook() as hook:
        file = settings(tmp_path, 1, (ours.url, ours.vkey))
        told = {
            **json.loads(file.read_text()),
            "alerts": {"webhooks": [{"name": "chat", "url": hook.url}]},
        }
        file.write_text(json.dumps(told))
        with Serving(tmp_path, "--settings", str(file)) as service:
            service.ask("POST", "/api/v1/records", {"claims": [claim(), claim()]})
            wait_cosigned(service, 3)
            service.stop()
            roll_back(service, tmp_path / "backup")
            service.start()
            for _ in range(100):
                shown = service.ask("GET", "/api/v1/witnesses").json
                if shown["witnesses"][0]["fault"]:
                    break
                time.sleep(0.1)

            came = [json.loads(one.body) for one in hook.wait(1)]
            metrics = service.ask("GET", "/metrics").body.decode()

    assert "it was rolled back" in shown["witnesses"][0]["fault"]
    assert (came[0]["kind"], came[0]["state"]) == ("audit", "integrity")
    assert came[0]["key"] == "witness ours.example.com"
    assert 'jenkins_notary_witness_size{witness="ours.example.com"}' in metrics


def roll_back(service: Serving, backup: Path) -> None:
    """Put an older copy in the ledger's place, and forget what was seen."""
    for one in service.home.iterdir():
        if one.name in {"ledger.db", "ledger.db-wal", "ledger.db-shm"}:
            one.unlink()
    for one in (service.home / "state").rglob("*.pin"):
        one.unlink()
    service.command("ledger", "restore", str(backup))


@pytest.mark.real("witnessed", "fsck")
def test_a_tessera_log_gets_our_cosignatures_and_no_checkpoint_without(
    tmp_path: Path,
) -> None:
    signer = generate_log_key(str(tmp_path / "log.key"), "tessera.example.com/log")
    program = PARTS["witnessed"].find()
    with run_witness(tmp_path / "ours", [signer.vkey]) as ours:
        policy = tmp_path / "policy"
        policy.write_text(
            f"log {signer.vkey}\nwitness w {ours.vkey} {ours.url}/\nquorum w\n"
        )
        done = subprocess.run(
            [
                *(str(program), str(tmp_path / "tiles"), str(tmp_path / "log.key")),
                *(str(policy), "5"),
            ],
            capture_output=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr.decode()
    verifiers: list[NoteVerifier] = [
        load_log_verifier(signer.vkey),
        load_witness_verifier(ours.vkey),
    ]
    opened = open_checkpoint(done.stdout, verifiers)
    assert opened.checkpoint.size == 5
    assert {one.name for one in opened.note.verified} == {
        signer.name,
        "ours.example.com",
    }


class _Tree:
    """A log of a few leaves, signed at each size."""

    def __init__(self, folder: Path, name: str = "log.example.com/a") -> None:
        self.signer = generate_log_key(str(folder / f"{len(name)}.key"), name)
        self.hashes = [hash_leaf(bytes([one])) for one in range(9)]

    def note(self, size: int, *, salt: int = 0) -> bytes:
        """Return the checkpoint at a size; another salt gives another past."""
        leaves = [hash_leaf(bytes([salt])), *self.hashes[1:]] if salt else self.hashes
        root = Frontier().append(leaves[:size]).root()
        return sign_note(
            format_checkpoint(Checkpoint(self.signer.name, size, root)), [self.signer]
        )

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """Return the consistency proof of two sizes."""
        from jenkins_notary.tlog.proofs import consistency_proof

        def read(level: int, index: int) -> bytes:
            start = index << level
            return Frontier().append(self.hashes[start : start + (1 << level)]).root()

        assert size <= len(self.hashes)
        return tuple(consistency_proof(old, size, read))

    def submission(self, old: int, size: int, *, salt: int = 0) -> bytes:
        """Return what is sent."""
        proof = self.proof(old, size) if old else ()
        return format_submission(Submission(old, proof, self.note(size, salt=salt)))


def _some_log(folder: Path) -> str:
    """Return the vkey of a log that nobody keeps."""
    return generate_log_key(str(folder / "some.key"), "log.example.com/some").vkey


def test_what_was_signed_outlives_the_witness(tmp_path: Path) -> None:
    tree = _Tree(tmp_path)
    with run_witness(tmp_path / "ours", [tree.signer.vkey]) as ours:
        first = send(ours.url, tree.submission(0, 7))
    with run_witness(tmp_path / "ours", [tree.signer.vkey]) as ours:
        rolled = send(ours.url, tree.submission(0, 3))
        forked = send(ours.url, tree.submission(7, 7, salt=1))
        later = send(ours.url, tree.submission(7, 9))

    assert first[0] == later[0] == 200
    assert rolled == (409, "text/x.tlog.size", b"7\n")
    assert forked == (409, "text/x.tlog.size", b"7\n")


def test_of_many_requests_at_once_none_takes_back_what_was_signed(
    tmp_path: Path,
) -> None:
    tree = _Tree(tmp_path)
    with run_witness(tmp_path / "ours", [tree.signer.vkey]) as ours:
        assert send(ours.url, tree.submission(0, 1))[0] == 200
        with ThreadPoolExecutor(8) as pool:
            bodies = [tree.submission(1, size) for size in (2, 3, 4, 5, 6, 7, 8, 9)]
            found = list(pool.map(lambda one: send(ours.url, one), bodies))
        last = send(ours.url, tree.submission(0, 9))

    signed = [place + 2 for place, one in enumerate(found) if one[0] == 200]
    assert len(signed) == 1
    assert last == (409, "text/x.tlog.size", f"{signed[0]}\n".encode())


@pytest.mark.real("litewitness", "ssh-agent")
@pytest.mark.parametrize("kind", ["ours", "lite"])
def test_both_witnesses_answer_alike(tmp_path: Path, kind: str) -> None:
    tree, other = _Tree(tmp_path), _Tree(tmp_path, "log.example.com/other")
    name, vkey = tree.signer.name, tree.signer.vkey
    wrong = tree.submission(3, 5)
    forged = sign_note("x\n1\nAAAA\n", [other.signer])
    stolen = format_checkpoint(Checkpoint(name, 4, bytes(32)))
    if kind == "ours":
        running = run_witness(tmp_path / "w", [vkey])
    else:
        running = run_litewitness(tmp_path / "w", {name: vkey})
    with running as witness:
        got = [
            _status(witness, tree.submission(0, 3)),
            _status(witness, tree.submission(3, 3)),
            _status(witness, tree.submission(2, 5)),
            _status(witness, wrong.replace(b"\n\n", b"\nAAAA\n\n", 1)),
            _status(witness, format_submission(Submission(3, (), tree.note(5)))),
            _status(witness, format_submission(Submission(5, (), tree.note(3)))),
            _status(witness, other.submission(0, 3)),
            _status(
                witness,
                format_submission(Submission(3, (), sign_note(stolen, [other.signer]))),
            ),
            _status(witness, b"nothing"),
            _status(witness, b"old 0\n\n" + forged),
            _status(witness, tree.submission(3, 9)),
        ]

    assert got == [200, 200, 409, 400, 422, 400, 404, 403, 400, 404, 200]


def _status(witness: RealWitness, data: bytes) -> int:
    """Return the status of the answer to a submission."""
    return send(witness.url, data)[0]
