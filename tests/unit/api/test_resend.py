from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.ledgers.resend import MAX_LEFT
from jenkins_notary.api.notary import Notary
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.keys.pem import format_public_pem, generate_signer
from tests.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.ports import Signer


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Notary]:
    """A ledger with a backup of its first record."""
    with Notary(str(tmp_path / "old.db")) as notary:
        notary.notarize(["sha256:" + "aa" * 32], name="kept")
        notary.ledger.backup(str(tmp_path / "backup"))
        yield notary


def succeed(tmp_path: Path) -> Notary:
    """Return the successor of the backup."""
    with Notary(str(tmp_path / "backup" / "ledger.db")) as backup:
        backup.ledger.succeed(str(tmp_path / "new.db"))
    return Notary(str(tmp_path / "new.db"))


def person(folder: Path) -> Signer:
    """Return another signer, whose keys lie in a folder."""
    signer = generate_signer(str(folder / "other.pem"), passphrase=None)
    (folder / "other.pub").write_text(format_public_pem(signer.public_der))
    return signer


def status(notary: Notary, digest: str) -> str:
    """Return the word on a digest."""
    (found,) = notary.authenticate([digest])
    assert found.status is not None
    return found.status.name


def test_what_was_lost_is_recorded_again_once(old: Notary, tmp_path: Path) -> None:
    good, bad = "sha256:" + "bb" * 32, "sha256:" + "cc" * 32
    old.notarize([good, bad][:1], name="lost")
    old.untrust([bad], reason="CVE")
    with succeed(tmp_path) as new:
        before = status(new, good), status(new, bad)
        done = new.ledger.resend([str(tmp_path / "old.db")])
        again = new.ledger.resend([str(tmp_path / "old.db")])
        found = status(new, good), status(new, bad)

        assert new.ledger.verify().is_sound
    assert before == ("UNKNOWN", "UNKNOWN")
    assert found == ("TRUSTED", "UNTRUSTED")
    assert (len(done.indexes), done.known, done.left) == (2, 0, ())
    assert (again.indexes, again.known) == ((), 2)


def test_what_is_of_the_old_log_alone_is_left_out(old: Notary, tmp_path: Path) -> None:
    digest = "sha256:" + "bb" * 32
    (record,) = old.untrust([digest], reason="CVE")
    old.notarize(
        [digest], name="lifted", supersedes=[record.index], reason="a false alarm"
    )
    with succeed(tmp_path) as new:
        done = new.ledger.resend([str(tmp_path / "old.db")])
        found = status(new, digest)

    assert found == "UNTRUSTED"
    assert "lifts others" in done.left[0].why
    assert done.to_dict()["leftTotal"] == 1


def test_a_body_is_brought_along_and_one_that_is_gone_is_said(
    old: Notary, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_text("all is well\n")
    old.attach(str(tmp_path / "report.txt"), job="ci.example.com:a#1", label="report")
    with succeed(tmp_path) as new:
        shutil.move(tmp_path / "old.db.blobs", tmp_path / "away")
        without = new.ledger.resend([str(tmp_path / "old.db")])
        shutil.move(tmp_path / "away", tmp_path / "old.db.blobs")
        done = new.ledger.resend([str(tmp_path / "old.db")])

        assert new.ledger.verify().is_sound
    assert "collect it again" in without.left[0].why
    assert len(done.indexes) == 1


def test_archived_envelopes_are_taken_and_bad_ones_named(
    old: Notary, tmp_path: Path
) -> None:
    old.notarize(["sha256:" + "bb" * 32], name="lost")
    (record,) = old.inspect("sha256:" + "bb" * 32)
    data = old.envelope(record)
    folder = tmp_path / "receipts" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.dsse.json").write_bytes(data)
    (folder / "b.dsse.json").write_bytes(b"{}")
    (folder / "c.dsse.json").write_bytes(bent(data))
    (folder / "d.txt").write_bytes(data)
    with succeed(tmp_path) as new:
        done = new.ledger.resend([str(tmp_path / "receipts")])

    assert len(done.indexes) == 1
    assert [one.where[-11:-10] for one in done.left] == ["b", "c"]


def bent(data: bytes) -> bytes:
    """Return an envelope with another signature."""
    value: Any = json.loads(data)
    sig = value["signatures"][0]["sig"]
    value["signatures"][0]["sig"] = ("B" if sig[0] != "B" else "C") + sig[1:]
    return json.dumps(value, separators=(",", ":")).encode()


def test_a_signer_who_was_enrolled_after_the_backup_is_named_until_enrolled_again(
    old: Notary, tmp_path: Path
) -> None:
    other = person(tmp_path)
    digest = "sha256:" + "dd" * 32
    old.signers.enrol(str(tmp_path / "other.pub"))
    path = str(tmp_path / "old.db")
    with Notary(path, key=str(tmp_path / "other.pem")) as someone:
        someone.untrust([digest], reason="CVE")
    succeed(tmp_path).__exit__(None, None, None)
    ledger = ("--ledger", str(tmp_path / "new.db"))
    first = command("ledger", "resend", path, *ledger)
    with Notary(str(tmp_path / "new.db")) as new:
        before = status(new, digest)
        new.signers.enrol(other.keyid)
        found = status(new, digest)
    again = command("ledger", "resend", path, *ledger)

    assert (first.code, again.code) == (77, 0)
    assert f"signer enrol {other.keyid}" in first.text
    assert (before, found) == ("UNKNOWN", "UNTRUSTED")


def test_a_signer_who_was_revoked_there_stays_out(old: Notary, tmp_path: Path) -> None:
    person(tmp_path)
    old.signers.enrol(str(tmp_path / "other.pub"))
    with Notary(str(tmp_path / "old.db"), key=str(tmp_path / "other.pem")) as thief:
        (record,) = thief.notarize(["sha256:" + "dd" * 32], name="bad")
    (view,) = old.inspect("sha256:" + "dd" * 32)
    old.signers.revoke(view.record.leaf.signer, from_index=record.index)
    with succeed(tmp_path) as new:
        done = new.ledger.resend([str(tmp_path / "old.db")])

    assert not done.indexes
    assert any(one.why.endswith("got revoked") for one in done.left)


def test_a_stranger_is_left_out(old: Notary, tmp_path: Path) -> None:
    person(tmp_path)
    digest = "sha256:" + "dd" * 32
    with Notary(str(tmp_path / "other.db"), key=str(tmp_path / "other.pem")) as other:
        other.notarize([digest], name="theirs")
        (record,) = other.inspect(digest)
        (tmp_path / "a.dsse.json").write_bytes(other.envelope(record))
    before = status(old, digest)
    with succeed(tmp_path) as new:
        done = new.ledger.resend([str(tmp_path)])
        with pytest.raises(UsageError, match="that this one follows"):
            new.ledger.resend([str(tmp_path / "other.db")])

    assert before == "UNKNOWN"
    assert not done.indexes
    assert "not enrolled here" in done.left[-1].why


def test_only_the_first_of_many_are_named(old: Notary, tmp_path: Path) -> None:
    assert status(old, "sha256:" + "dd" * 32) == "UNKNOWN"
    for one in range(MAX_LEFT + 3):
        (tmp_path / f"{one}.dsse.json").write_bytes(b"{}")
    with succeed(tmp_path) as new:
        done = new.ledger.resend([str(tmp_path)])

    assert (len(done.left), done.left_total) == (MAX_LEFT, MAX_LEFT + 3)


def test_the_command_says_what_was_done(old: Notary, tmp_path: Path) -> None:
    old.notarize(["sha256:" + "bb" * 32], name="lost")
    (tmp_path / "x.dsse.json").write_bytes(b"{}")
    succeed(tmp_path).__exit__(None, None, None)
    ledger = ("--ledger", str(tmp_path / "new.db"))
    done = command("ledger", "resend", str(tmp_path / "old.db"), str(tmp_path), *ledger)
    missing = command("ledger", "resend", str(tmp_path / "none"), *ledger)

    assert "1 records appended, 0 were here already, 1 left out" in done.text
    assert (done.code, missing.code) == (0, 66)
    with pytest.raises(NotFoundError), Notary(str(tmp_path / "new.db")) as new:
        new.ledger.resend([str(tmp_path / "none")])
