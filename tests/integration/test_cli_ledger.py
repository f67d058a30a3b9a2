"""A ledger, made, looked at, checked and looked after."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.command import command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, after a file of it was recorded in the ledger."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.jar").write_text("app")
    assert command("notarize", "app.jar").code == 0
    return tmp_path


@pytest.fixture
def ledger(folder: Path) -> Path:
    """Return the ledger's file."""
    assert folder.is_dir()
    return Path(os.environ["XDG_DATA_HOME"]) / "jenkins-notary/ledger.db"


def test_ledger_is_made_once(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/a.db"

    made = command("ledger", "init", "--ledger", url, "--origin", "example.com/log")
    again = command("ledger", "init", "--ledger", url)

    assert made.code == 0
    assert "example.com/log" in made.text
    assert again.code == 64


@pytest.mark.usefixtures("folder")
def test_status_has_what_scripts_rely_on() -> None:
    done = command("ledger", "status", "-o", "json")

    assert done.json.keys() >= {
        *("origin", "vkey", "tree_size", "root", "checkpoint", "engine")
    }
    assert done.json["tree_size"] == 2
    assert done.json["checkpoint"].startswith(done.json["origin"] + "\n2\n")


@pytest.mark.usefixtures("folder")
def test_status_with_the_expected_key_is_checked() -> None:
    vkey = command("ledger", "status", "-o", "json").json["vkey"]
    command("ledger", "init", "--ledger", "b.db")
    other = command("ledger", "status", "--ledger", "b.db", "-o", "json").json["vkey"]

    assert command("ledger", "status", "--log", vkey).code == 0
    assert command("ledger", "status", "--log", other).code == 65
    assert command("ledger", "status", "--log", "nonsense").code in {64, 78}


def test_missing_ledger_is_66(tmp_path: Path) -> None:
    assert command("ledger", "status", "--ledger", f"{tmp_path}/none.db").code == 66


@pytest.mark.parametrize("url", ["mysql://x", "immudb://host/db", " "])
def test_unknown_engine_is_78(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Who asks immudb is part of what has to be known.
    monkeypatch.delenv("JENKINS_NOTARY_IMMUDB_USER", raising=False)
    assert command("ledger", "status", "--ledger", url).code == 78


@pytest.mark.parametrize("argv", [[], ["--no-signatures", "--no-bodies"]])
@pytest.mark.usefixtures("folder")
def test_sound_ledger_verifies(argv: list[str]) -> None:
    done = command("ledger", "verify", *argv)

    assert done.code == 0
    assert done.text.startswith("OK")


def test_altered_ledger_is_65_with_what_and_where(ledger: Path) -> None:
    with sqlite3.connect(ledger) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%row%'"
        ).fetchall()
        for (table,) in tables:
            database.execute(f"DELETE FROM {table}")
    database.close()

    done = command("ledger", "verify")

    assert tables
    assert done.code == 65
    assert "ERROR" in done.text or "error" in done.stderr


def test_damaged_file_is_65(ledger: Path) -> None:
    data = bytearray(ledger.read_bytes())
    data[: len(data) // 2] = bytes(len(data) // 2)
    ledger.write_bytes(data)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(f"{ledger}{suffix}"):
            os.unlink(f"{ledger}{suffix}")

    assert command("ledger", "verify").code == 65


def test_export_writes_the_checkpoint_and_tiles(folder: Path) -> None:
    assert command("ledger", "export", "out").code == 0
    status = command("ledger", "status", "-o", "json").json
    assert (folder / "out/checkpoint").read_text() == status["checkpoint"]


def test_audit_finds_a_ledger_that_was_put_back(ledger: Path) -> None:
    state = ["--state", "state"]
    first = command("ledger", "audit", *state)
    old = ledger.read_bytes()
    command("notarize", "app.jar")
    second = command("ledger", "audit", *state)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(f"{ledger}{suffix}"):
            os.unlink(f"{ledger}{suffix}")
    ledger.write_bytes(old)

    assert (first.code, second.code) == (0, 0)
    assert command("ledger", "audit", *state).code == 65


@pytest.mark.usefixtures("folder")
def test_backup_is_restored_elsewhere() -> None:
    assert command("ledger", "backup", "copy", "--with-key").code == 0
    done = command("ledger", "restore", "copy", "--ledger", "restored.db")
    assert done.code == 0
    assert command("authenticate", "app.jar", "--ledger", "restored.db").code == 0


@pytest.mark.usefixtures("folder")
def test_successor_binds_the_old_log() -> None:
    done = command("ledger", "succeed", "next.db", "--origin", "example.com/next")

    assert done.code == 0
    assert command("ledger", "verify", "--ledger", "next.db").code == 0


@pytest.mark.usefixtures("folder")
def test_upgrade_of_a_current_ledger_changes_nothing() -> None:
    before = command("ledger", "status").text

    assert command("ledger", "upgrade").code == 0
    assert command("ledger", "status").text == before


@pytest.mark.usefixtures("folder")
def test_pruned_log_is_gone_and_the_ledger_verifies() -> None:
    command("log", "put", "a/b#1", "-", stdin=b"text\n")

    assert command("ledger", "prune", "--before", "2100-01-01").code == 0
    assert command("log", "a/b#1").code == 66
    assert command("ledger", "verify").code == 0


@pytest.mark.usefixtures("folder")
def test_erased_record_is_gone_and_the_ledger_verifies() -> None:
    command("notarize", "app.jar", "-a", "owner=person@example.com")

    done = command("ledger", "erase", "2", "--reason", "asked for")

    assert done.code == 0
    assert command("ledger", "verify").code == 0
    assert b"person@" not in command("inspect", "app.jar", "--envelope").stdout


def test_erased_text_is_in_no_byte_of_the_file(ledger: Path) -> None:
    command("notarize", "app.jar", "-a", "owner=person@example.com")
    assert command("ledger", "erase", "2", "--reason", "asked for").code == 0
    assert b"person@example.com" not in ledger.read_bytes()


@pytest.mark.usefixtures("folder")
def test_text_to_erase_is_read_from_standard_input() -> None:
    command("notarize", "app.jar", "-a", "owner=person@example.com")
    argv = ["--containing", "-", "--reason", "asked for"]

    done = command(
        "ledger", "erase", *argv, "-o", "json", stdin=b"person@example.com\n"
    )
    again = command("ledger", "erase", *argv, stdin=b"person@example.com\n")
    resumed = command("ledger", "erase", "--resume")

    assert (done.code, again.code, resumed.code) == (0, 66, 0)
    assert done.json["envelopes"] == 1
    assert b"person@" not in command("inspect", "app.jar", "--envelope").stdout


@pytest.mark.parametrize("stdin", [None, b"", b" \n", b"a\nb\n", b"\xff", b"x" * 5000])
@pytest.mark.usefixtures("folder")
def test_text_to_erase_is_one_line(stdin: bytes | None) -> None:
    argv = ["--containing", "-", "--reason", "asked for"]

    assert command("ledger", "erase", *argv, stdin=stdin).code == 64


@pytest.mark.usefixtures("folder")
def test_erase_needs_an_index_and_a_reason() -> None:
    assert command("ledger", "erase", "x", "--reason", "a").code == 64
    assert command("ledger", "erase", "1").code == 64
    assert command("ledger", "erase", "--reason", "a").code == 64


@pytest.mark.usefixtures("folder")
def test_rotated_key_signs_and_old_clients_follow() -> None:
    before = command("ledger", "status", "-o", "json").json["vkey"]

    done = command("ledger", "rotate-key", "-o", "json")

    assert done.code == 0
    assert done.json["vkey"] != before
    assert command("ledger", "verify").code == 0


def test_migrate_moves_a_ledger_to_another_file(tmp_path: Path) -> None:
    app = tmp_path / "moved.jar"
    app.write_bytes(b"moved")
    old, new = str(tmp_path / "old.db"), str(tmp_path / "folder" / "new.db")
    assert command("notarize", str(app), "--ledger", old).code == 0
    done = command("ledger", "migrate", new, "--ledger", old, "-o", "json")

    assert done.code == 0, done.stderr
    assert done.json["tree_size"] == 4
    assert "sealed" in done.stderr
    assert command("authenticate", str(app), "--ledger", new).code == 0
    assert command("ledger", "verify", "--ledger", new).code == 0
    assert command("notarize", str(app), "--ledger", old).code == 78
    same = command("ledger", "migrate", new, "--ledger", new)
    assert same.code == 64


def test_migrate_seals_nothing_where_another_key_is_in_the_way(tmp_path: Path) -> None:
    app = tmp_path / "kept.jar"
    app.write_bytes(b"kept")
    old, new = str(tmp_path / "old.db"), tmp_path / "new.db"
    assert command("notarize", str(app), "--ledger", old).code == 0
    (tmp_path / "new.db.key").write_bytes(b"another ledger's key")
    (tmp_path / "new.db.key").chmod(0o600)
    done = command("ledger", "migrate", str(new), "--ledger", old)

    assert done.code == 64
    assert "new.db.key" in done.stderr
    assert command("notarize", str(app), "--ledger", old).code == 0
