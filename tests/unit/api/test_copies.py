from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.ledgers import copies, rotation
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.keys.log_key import generate_log_key, load_log_key
from tests.unit.api.people import JOB, ORIGIN, digest, tamper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


@pytest.fixture
def copy(admin: Person, notary: Notary, tmp_path: Path) -> Path:
    """A backup with key of a ledger with a record and a body."""
    admin.record("app", job=JOB)
    (tmp_path / "work" / "build.log").write_text("log")
    notary.put_log(JOB, "build.log")
    notary.ledger.backup(str(tmp_path / "copy"), with_key=True)
    return tmp_path / "copy"


def lose(admin: Person) -> None:
    """Remove the ledger with its key and bodies; the pins stay."""
    admin.close()
    for path in admin.ledger.parent.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


# Backup and restore


def test_backup_is_whole_and_says_what_it_is(
    admin: Person, notary: Notary, copy: Path, tmp_path: Path
) -> None:
    done = notary.ledger.backup(str(tmp_path / "second"))

    assert done.to_dict() == {
        "folder": str(tmp_path / "second"),
        "origin": ORIGIN,
        "size": 3,
        "bodies": 1,
        "with_key": False,
        "with_tokens": False,
    }
    assert not (tmp_path / "second" / "ledger.db.key").exists()
    assert (copy / "ledger.db.key").read_bytes() == admin.log_key.read_bytes()
    assert "copying" in admin.steps
    (answer,) = admin.notary(at=copy / "ledger.db").authenticate([digest("app")])
    assert answer.code == 0


def test_backup_needs_a_folder_of_its_own(notary: Notary, copy: Path) -> None:
    with pytest.raises(UsageError, match="a new or an empty one"):
        notary.ledger.backup(str(copy))
    with pytest.raises(StorageError):
        notary.ledger.backup(str(copy / "ledger.db" / "below"))


def test_altered_ledger_makes_no_backup(
    admin: Person, notary: Notary, tmp_path: Path
) -> None:
    admin.record("app")
    tamper(admin.ledger, "DELETE FROM subject_row WHERE at = 1")

    with pytest.raises(NotaryError) as caught:
        notary.ledger.backup(str(tmp_path / "copy"))

    assert caught.value.exit_code == 65
    assert not (tmp_path / "copy" / "manifest.json").exists()


def test_restored_ledger_goes_on(admin: Person, notary: Notary, copy: Path) -> None:
    lose(admin)

    status = notary.ledger.restore(str(copy))

    assert (status.origin, status.tree_size) == (ORIGIN, 3)
    assert b"".join(notary.read_log(JOB)) == b"log"
    assert admin.record("b") == 3
    assert admin.verdict("app", strict=True) == "TRUSTED"
    assert "nothing shows how far" not in admin.said


def test_restoring_without_a_pin_is_said_to_be_risky(
    admin: Person, meet: Callable[[str], Person], copy: Path
) -> None:
    lose(admin)
    other = meet("other")

    other.notary().ledger.restore(str(copy))

    assert "name them with --published" in other.said


def test_restore_leaves_a_ledger_that_is_there(notary: Notary, copy: Path) -> None:
    with pytest.raises(UsageError, match="move it"):
        notary.ledger.restore(str(copy))


def test_restore_needs_a_manifest(admin: Person, notary: Notary, copy: Path) -> None:
    lose(admin)
    (copy / "manifest.json").unlink()

    with pytest.raises(NotFoundError, match=r"manifest\.json"):
        notary.ledger.restore(str(copy))
    with pytest.raises(NotFoundError):
        notary.ledger.restore(str(copy / "missing"))
    assert not admin.ledger.exists()


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b"[" * 100_000, b"x" * (2 << 20)]
)
def test_damaged_manifest_is_refused(
    admin: Person, notary: Notary, copy: Path, data: bytes
) -> None:
    lose(admin)
    (copy / "manifest.json").write_bytes(data)

    with pytest.raises(IntegrityError):
        notary.ledger.restore(str(copy))
    assert not admin.ledger.exists()


def test_backup_older_than_the_pin_is_refused(
    admin: Person, notary: Notary, copy: Path
) -> None:
    admin.record("later")
    lose(admin)

    with pytest.raises(IntegrityError, match="ledger succeed") as caught:
        notary.ledger.restore(str(copy))
    assert caught.value.exit_code == 65
    assert not admin.ledger.exists()


@pytest.mark.parametrize("what", ["receipt", "checkpoint"])
def test_backup_older_than_what_was_published_is_refused(  # noqa: PLR0917 - fixtures and the row
    admin: Person, meet: Callable[[str], Person], notary: Notary, copy: Path, what: str
) -> None:
    (done,) = notary.notarize([digest("later")], name="later")
    published = done.receipt if what == "receipt" else notary.ledger.status().checkpoint
    lose(admin)
    keeper = meet("other").notary().ledger

    with pytest.raises(IntegrityError, match="to continue it would fork"):
        keeper.restore(str(copy), published=[published.encode()])
    assert not admin.ledger.exists()


def test_what_was_published_before_the_backup_is_no_hindrance(
    admin: Person, meet: Callable[[str], Person], notary: Notary, copy: Path
) -> None:
    published = notary.ledger.status().checkpoint.encode()
    lose(admin)

    status = meet("other").notary().ledger.restore(str(copy), published=[published])

    assert status.tree_size == 3


@pytest.mark.parametrize("data", [b"", b"noise", b"c2sp.org/tlog-proof@v1\n"])
def test_malformed_published_file_is_refused(
    admin: Person, notary: Notary, copy: Path, data: bytes
) -> None:
    lose(admin)

    with pytest.raises(NotaryError):
        notary.ledger.restore(str(copy), published=[data])
    assert not admin.ledger.exists()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("DELETE FROM subject_row", id="rows"),
        pytest.param("DELETE FROM envelope_id WHERE id = 1", id="envelope"),
        pytest.param("DELETE FROM checkpoint", id="checkpoint"),
    ],
)
def test_altered_backup_is_refused(
    admin: Person, notary: Notary, copy: Path, sql: str
) -> None:
    lose(admin)
    tamper(copy / "ledger.db", sql)

    with pytest.raises(NotaryError):
        notary.ledger.restore(str(copy))
    assert not admin.ledger.exists()


def test_backup_of_another_log_is_refused(
    admin: Person, notary: Notary, copy: Path
) -> None:
    lose(admin)
    notary.ledger.init(origin=ORIGIN.replace("test", "other"))
    vkey = notary.ledger.status().vkey
    lose(admin)

    with pytest.raises(IntegrityError, match="a checkpoint signed by"):
        admin.notary(log=vkey).ledger.restore(str(copy))


def test_another_key_in_its_place_is_never_replaced(
    admin: Person, notary: Notary, copy: Path
) -> None:
    lose(admin)
    generate_log_key(str(admin.log_key), "ci.example.com/other")
    other = admin.log_key.read_bytes()

    with pytest.raises(IntegrityError, match="move it away"):
        notary.ledger.restore(str(copy))
    assert admin.log_key.read_bytes() == other
    assert not admin.ledger.exists()


def test_same_key_in_its_place_is_no_hindrance(
    admin: Person, notary: Notary, copy: Path
) -> None:
    lose(admin)
    shutil.copy(copy / "ledger.db.key", admin.log_key)

    assert notary.ledger.restore(str(copy)).tree_size == 3


def test_backup_without_key_restores_a_ledger_to_read(
    admin: Person, notary: Notary, copy: Path
) -> None:
    lose(admin)
    (copy / "ledger.db.key").unlink()

    assert notary.ledger.restore(str(copy)).tree_size == 3
    with pytest.raises(NotFoundError):
        admin.record("b")


def test_upgrade_finds_nothing_to_do(admin: Person, notary: Notary) -> None:
    assert notary.ledger.upgrade() == []
    notary._session.store.put_setting("schema", b"2")

    with pytest.raises(ConfigurationError, match="upgrade jenkins-notary"):
        admin.notary().ledger.upgrade()


# Succession


def test_successor_takes_records_and_bodies_over(
    admin: Person, notary: Notary, copy: Path, tmp_path: Path
) -> None:
    new = tmp_path / "data" / "new.db"
    status = notary.ledger.succeed(str(new), origin="ci.example.com/new")

    assert (status.origin, status.tree_size) == ("ci.example.com/new", 3)
    opened = admin.notary(at=new)
    assert opened.authenticate([digest("app")])[0].code == 0
    assert b"".join(opened.read_log(JOB)) == b"log"
    assert opened.notarize([digest("b")], name="b")[0].index == 3
    assert opened.ledger.verify().is_sound
    assert "3 records were taken over, 0 that were published are lost" in admin.said
    assert copy.exists()
    assert not list(new.parent.glob("*.new*"))


def test_successor_of_an_older_copy_says_what_is_lost(
    admin: Person, notary: Notary, copy: Path, tmp_path: Path
) -> None:
    admin.record("later")
    assert notary.ledger.status().tree_size == 4
    old = admin.notary(at=copy / "ledger.db")
    new = tmp_path / "new.db"

    status = old.ledger.succeed(str(new))

    assert status.tree_size == 3
    assert "3 records were taken over, 1 that were published are lost" in admin.said


def test_successor_of_a_copy_from_before_a_rotation_is_refused(
    admin: Person, notary: Notary, copy: Path, tmp_path: Path
) -> None:
    notary.ledger.rotate_key()
    admin.record("later")
    old = admin.notary(at=copy / "ledger.db")

    with pytest.raises(IntegrityError, match="from after the rotation"):
        old.ledger.succeed(str(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("origin", [ORIGIN, "a b", "../x"])
def test_successor_needs_a_name_of_its_own(
    notary: Notary, tmp_path: Path, origin: str
) -> None:
    with pytest.raises(UsageError):
        notary.ledger.succeed(str(tmp_path / "new.db"), origin=origin)

    assert not list(tmp_path.glob("new.db*"))


def test_successor_needs_the_administrators(
    admin: Person, reader: Person, tmp_path: Path
) -> None:
    admin.record("app")
    reader.notary().generate_key()

    with pytest.raises(PermissionDeniedError):
        reader.notary().ledger.succeed(str(tmp_path / "new.db"))
    assert not list(tmp_path.glob("new.db*"))


def test_successor_takes_no_place_that_is_taken(
    admin: Person, notary: Notary, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        notary.ledger.succeed(str(admin.ledger))
    generate_log_key(str(tmp_path / "new.db.key"), "ci.example.com/other")
    key = (tmp_path / "new.db.key").read_bytes()

    with pytest.raises(UsageError, match=r"new\.db\.key"):
        notary.ledger.succeed(str(tmp_path / "new.db"))
    assert (tmp_path / "new.db.key").read_bytes() == key


def test_altered_ledger_has_no_successor(
    admin: Person, notary: Notary, tmp_path: Path
) -> None:
    admin.record("app")
    tamper(admin.ledger, "DELETE FROM subject_row WHERE at = 1")

    with pytest.raises(NotaryError) as caught:
        notary.ledger.succeed(str(tmp_path / "new.db"))
    assert caught.value.exit_code == 65
    assert not list(tmp_path.glob("new.db*"))


@pytest.mark.parametrize("where", ["succeed_log", "copy_bodies"])
def test_interrupted_succession_is_begun_again(  # noqa: PLR0917 - fixtures and the row
    notary: Notary,
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    new = tmp_path / "new" / "new.db"
    with monkeypatch.context() as patch:
        patch.setattr(copies, where, die)
        with pytest.raises(KeyboardInterrupt):
            notary.ledger.succeed(str(new))
    assert copy.exists()
    assert not new.exists()
    status = notary.ledger.succeed(str(new))

    assert status.tree_size == 3
    assert min(os.listdir(new.parent)) == "new.db"
    assert not list(new.parent.glob("*.new*"))


def test_log_of_a_killed_succession_is_not_replayed(
    notary: Notary, copy: Path, tmp_path: Path
) -> None:
    """The write-ahead log of a killed call must not flow into the next one's file."""
    folder = tmp_path / "new"
    folder.mkdir()
    left = SqliteStore.create(str(folder / "left.db"))
    left.put_setting("origin", b"ci.example.com/left")
    for end in ("", "-wal", "-shm"):
        shutil.copy(folder / f"left.db{end}", folder / f"new.db.new{end}")
    left.close()
    assert copy.exists()

    status = notary.ledger.succeed(str(folder / "new.db"), origin="ci.example.com/new")

    assert status.origin == "ci.example.com/new"


# Rotation


def test_rotation_that_was_interrupted_before_its_record_begins_again(
    admin: Person, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupt(notary, monkeypatch, "rotate_ledger_key")
    assert admin.record("app") == 1
    old = load_log_key(str(admin.log_key)).vkey

    notary.ledger.rotate_key()

    assert load_log_key(str(admin.log_key)).vkey != old
    assert notary.ledger.status().tree_size == 3
    assert admin.is_sound()


def test_rotation_that_was_interrupted_after_its_record_is_finished_by_a_writer(
    admin: Person, reader: Person, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.verdict("app")
    _interrupt(notary, monkeypatch, "finish_rotation")
    old = load_log_key(str(admin.log_key)).vkey

    assert admin.record("app") == 2
    assert load_log_key(str(admin.log_key)).vkey != old
    assert reader.verdict("app", strict=True) == "TRUSTED"
    assert admin.is_sound()


def test_rotation_that_was_interrupted_after_its_record_is_finished_by_a_call(
    admin: Person, reader: Person, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.verdict("app")
    _interrupt(notary, monkeypatch, "finish_rotation")

    notary.ledger.rotate_key()

    assert notary.ledger.status().tree_size == 2
    assert admin.record("app") == 2
    assert reader.verdict("app") == "TRUSTED"


@pytest.mark.parametrize("call", ["put_setting", "replace"])
def test_rotation_is_finished_wherever_it_stopped(  # noqa: PLR0917 - fixtures and the row
    admin: Person,
    reader: Person,
    notary: Notary,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    reader.verdict("app")
    with monkeypatch.context() as patch:
        if call == "replace":
            patch.setattr(os, "replace", die)
        else:
            patch.setattr(SqliteStore, "put_setting", die)
        with pytest.raises(KeyboardInterrupt):
            notary.ledger.rotate_key()

    assert admin.record("app") == 2
    assert reader.verdict("app") == "TRUSTED"
    assert not list(admin.ledger.parent.glob("*.new"))
    assert admin.is_sound()


def test_key_is_rotated_only_where_it_is(admin: Person, notary: Notary) -> None:
    admin.log_key.unlink()

    with pytest.raises(NotFoundError):
        notary.ledger.rotate_key()


def _interrupt(notary: Notary, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Let a rotation die where it would call a function."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rotation, where, die)
        with pytest.raises(KeyboardInterrupt):
            notary.ledger.rotate_key()
