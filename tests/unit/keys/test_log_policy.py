from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.errors import ConfigurationError, IntegrityError
from jenkins_notary.keys.log_policy import load_policy
from jenkins_notary.keys.witness_key import WitnessSigner
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.tlog.note import parse_note, sign_note
from tests.command import command
from tests.unit.ledger.ledgers import Ledger, StepClock

if TYPE_CHECKING:
    from pathlib import Path


def witness(number: int) -> WitnessSigner:
    """Return a witness."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return WitnessSigner(f"w{number}.example.com", key, StepClock())


def write(folder: Path, ledger: Ledger, *lines: str) -> str:
    """Return the file of a policy on a ledger's log and two witnesses."""
    path = folder / "policy"
    named = [f"witness {one} {witness(one).vkey}" for one in (1, 2)]
    path.write_text("\n".join([f"log {ledger.key.vkey}", *named, *lines, ""]))
    return str(path)


def cosign(ledger: Ledger, *signers: WitnessSigner) -> bytes:
    """Return a ledger's checkpoint with cosignatures."""
    note = parse_note(ledger.view().note)
    return sign_note(note.text, signers, existing=note.signatures)


def test_a_key_alone_asks_for_no_witness() -> None:
    ledger = Ledger()
    policy = load_policy(ledger.key.vkey)

    assert not policy.has_quorum
    assert policy.vkeys == [ledger.key.vkey]
    assert policy.check(ledger.view().note).checkpoint.size == 1


def test_a_quorum_is_asked_for(tmp_path: Path) -> None:
    ledger = Ledger()
    policy = load_policy(write(tmp_path, ledger, "group g all 1 2", "quorum g"))

    assert policy.has_quorum
    assert policy.check(cosign(ledger, witness(1), witness(2)))
    for signers in ((), (witness(1),), (witness(2), witness(3))):
        with pytest.raises(IntegrityError, match="the quorum g"):
            policy.check(cosign(ledger, *signers))
    bent = cosign(ledger, witness(1), witness(2)).replace(b"\n1\n", b"\n2\n")
    with pytest.raises(IntegrityError):
        policy.check(bent)
    alone = sign_note(parse_note(bent).text, [witness(1), witness(2)])
    with pytest.raises(IntegrityError, match="a signature by a known key"):
        policy.check(alone)


def test_a_receipt_is_held_to_the_policy(tmp_path: Path) -> None:
    ledger = Ledger()
    index = ledger.add("app.jar")
    view = ledger.view()
    plain, signed = tmp_path / "plain", tmp_path / "signed"
    plain.write_bytes(make_receipt(view, index))
    view.receipts.clear()
    view.note = cosign(ledger, witness(1))
    signed.write_bytes(make_receipt(view, index))
    path = write(tmp_path, ledger, "quorum 1")
    good = command("receipt", "verify", str(signed), "--log", path)
    bad = command("receipt", "verify", str(plain), "--log", path)
    alone = command("receipt", "verify", str(plain), "--log", ledger.key.vkey)

    assert (good.code, bad.code, alone.code) == (0, 65, 0), good.stderr
    assert "some seconds later" in bad.stderr


@pytest.mark.parametrize("text", ["", "none", "a\0b", "a+b+c", "/none+a+b"])
def test_what_is_neither_key_nor_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        load_policy(text)


def test_a_policy_without_a_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_text("quorum none\n")

    with pytest.raises(ConfigurationError, match="a log line"):
        load_policy(str(path))


def test_commands_that_open_a_ledger_take_the_policys_one_log(
    tmp_path: Path,
) -> None:
    store = str(tmp_path / "l.db")
    made = command("ledger", "init", "--ledger", store, "-o", "json")
    path = tmp_path / "policy"
    path.write_text(f"log {made.json['vkey']}\nquorum none\n")
    good = command("ledger", "status", "--ledger", store, "--log", str(path))
    other = Ledger(origin="ci.example.com/other").key.vkey
    path.write_text(f"log {other}\nquorum none\n")
    wrong = command("ledger", "status", "--ledger", store, "--log", str(path))
    path.write_text(f"log {other}\nlog {made.json['vkey']}\nquorum none\n")
    two = command("ledger", "status", "--ledger", store, "--log", str(path))
    none = command("ledger", "status", "--ledger", store, "--log", "none")

    assert (good.code, wrong.code, two.code, none.code) == (0, 65, 78, 78)
