"""A service's backup, taken while it serves, serves on elsewhere."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.command import command
from tests.parts.serving import Serving, claim

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "cd" * 32


def test_restored_service_knows_its_tokens(tmp_path: Path) -> None:
    copy = str(tmp_path / "copy")
    with Serving(tmp_path / "old") as old:
        writer = old.token("payments", "--role", "writer", "--folder", "payments")
        leaked = old.token("leaked", "--role", "writer", "--folder", "payments")
        assert old.ask("POST", "/api/v1/records", claim(DIGEST)).status == 200
        done = old.command("ledger", "backup", copy, "--with-key", "-o", "json")
        old.command("token", "revoke", "leaked")
        assert old.ask("GET", "/api/v1/status", token=leaked).status == 401
    assert '"with_tokens": true' in done

    new = Serving(tmp_path / "new")
    shutil.copytree(old.home / "data", new.home / "data")
    restored = command(
        *("ledger", "restore", copy, "--ledger", str(new.ledger)), environ=new.environ
    )
    assert restored.code == 0, restored.stderr
    assert "revoke again what was revoked since then" in restored.stderr
    (new.home / "ledger.db.admin-token").write_text(old.admin)
    with new:
        assert new.ask("GET", "/api/v1/status", token=writer).status == 200
        assert new.ask("GET", "/api/v1/status", token=leaked).status == 200
        new.command("token", "revoke", "leaked")
        assert new.ask("GET", "/api/v1/status", token=leaked).status == 401
        assert new.ask("POST", "/api/v1/records", claim(), token=writer).status == 200


@pytest.mark.parametrize("is_there", [True, False], ids=["kept", "none"])
def test_tokens_that_are_there_stay(tmp_path: Path, is_there: bool) -> None:  # noqa: FBT001 - a parameter
    copy, home = str(tmp_path / "copy"), Serving(tmp_path / "home")
    ledger = ("--ledger", str(home.ledger))
    assert command("ledger", "init", *ledger, environ=home.environ).code == 0
    made = command(
        *("token", "create", "one", "--role", "reader", *ledger), environ=home.environ
    )
    assert made.code == 0, made.stderr
    assert command("ledger", "backup", copy, *ledger, environ=home.environ).code == 0
    for one in home.home.glob("ledger.db*"):
        if one.is_file() and not (is_there and one.suffix == ".tokens"):
            one.unlink()
    done = command("ledger", "restore", copy, *ledger, environ=home.environ)

    assert done.code == 0, done.stderr
    expected = "tokens stay those of" if is_there else "tokens are those of the backup"
    assert expected in done.stderr


def test_tokens_hold_at_the_successor(tmp_path: Path) -> None:
    with Serving(tmp_path / "home") as old:
        token = old.token("one", "--role", "auditor")
    following = str(old.home / "next.db")
    words = ("ledger", "succeed", following, "--ledger", str(old.ledger))
    done = command(*words, environ=old.environ)
    assert done.code == 0, done.stderr

    new = Serving(tmp_path / "home")
    new.ledger = old.home / "next.db"
    with new:
        answer = new.ask("GET", "/api/v1/status", token=token)
        assert answer.status == 200
        assert answer.json["origin"] in done.text
