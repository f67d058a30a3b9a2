"""What a service keeps beside its ledger, copied."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.engines.companions import copy_companions
from jenkins_notary.errors import StorageError
from jenkins_notary.service.state import ServiceState, state_path

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_is_copied_where_no_service_was(tmp_path: Path) -> None:
    assert copy_companions(str(tmp_path / "a.db"), str(tmp_path / "b.db")) == []
    assert list(tmp_path.iterdir()) == []


def test_cursors_are_copied_while_they_move_and_logins_are_not(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a.db"), str(tmp_path / "b.db")
    with closing(ServiceState(state_path(source))) as old:
        old.put("cursor", "alerts", 41)
        old.put("login", "4f1c", {"name": "ada"}, ends_ms=1 << 50)

        assert copy_companions(source, target) == [".service"]
        old.put("cursor", "alerts", 42)

    with closing(ServiceState(state_path(target))) as new:
        assert new.get("cursor", "alerts") == 41
        assert new.get("login", "4f1c") is None
    data = (tmp_path / "b.db.service").read_bytes()
    assert b"ada" not in data


def test_copies_are_their_owners_alone(tmp_path: Path) -> None:
    source, target = str(tmp_path / "a.db"), str(tmp_path / "b.db")
    (tmp_path / "a.db.tokens").write_bytes(b"{}")
    ServiceState(state_path(source)).close()
    copy_companions(source, target)

    for ending in (".tokens", ".service"):
        assert stat.S_IMODE(os.stat(target + ending).st_mode) == 0o600


def test_keys_go_along_only_where_they_are_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "a.db.keys"
    source.mkdir(0o700)
    (source / "one.pem").write_bytes(b"key")
    (source / "two.pem").write_bytes(b"key")
    (source / "link.pem").symlink_to("/etc/passwd")
    target = tmp_path / "b.db.keys"

    bare = copy_companions(
        str(tmp_path / "a.db"), str(tmp_path / "b.db"), with_keys=False
    )
    assert (bare, target.exists()) == ([], False)
    target.mkdir(0o700)
    (target / "two.pem").write_bytes(b"kept")
    whole = copy_companions(str(tmp_path / "a.db"), str(tmp_path / "b.db"))
    assert whole == [".keys"]
    found = {one.name: one.read_bytes() for one in target.iterdir()}
    assert found == {"one.pem": b"key", "two.pem": b"kept"}
    assert stat.S_IMODE((target / "one.pem").stat().st_mode) == 0o600


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "a.db.tokens").write_bytes(b"old")
    (tmp_path / "b.db.tokens").write_bytes(b"new")

    assert copy_companions(str(tmp_path / "a.db"), str(tmp_path / "b.db")) == []
    assert (tmp_path / "b.db.tokens").read_bytes() == b"new"


def test_state_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.db.service").write_bytes(b"no database" * 100)

    with pytest.raises(StorageError, match=r"a\.db\.service"):
        copy_companions(str(tmp_path / "a.db"), str(tmp_path / "b.db"))
    with closing(sqlite3.connect(tmp_path / "c.db.service")) as other:
        other.execute("CREATE TABLE other (x)")
    with pytest.raises(StorageError, match="no such table"):
        copy_companions(str(tmp_path / "c.db"), str(tmp_path / "b.db"))
    assert not [one for one in tmp_path.iterdir() if "b.db" in one.name]
