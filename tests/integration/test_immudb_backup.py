"""A backup of a ledger in immudb is an archive of our own, for either engine."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.ledger import mirror
from tests.parts.immudb_site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Store

pytestmark = pytest.mark.real("immudb")

JOB = "ci.example.com:payments/api/main#42"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A ledger with a record, a log and a record that was erased."""
    found = Site(tmp_path)
    found.serve()
    assert found.run("ledger", "init").code == 0
    (tmp_path / "console.txt").write_bytes(b"line\n" * 60_000)
    (tmp_path / "gone.txt").write_bytes(b"gone")
    assert found.run("notarize", str(found.app), "--job", JOB).code == 0
    assert found.run("log", "put", JOB, str(tmp_path / "console.txt")).code == 0
    assert found.run("notarize", str(tmp_path / "gone.txt")).code == 0
    assert found.run("ledger", "erase", "3", "--reason", "asked for").code == 0
    yield found
    found.stop()


@pytest.fixture
def copy(site: Site) -> str:
    """A backup with key."""
    folder = str(site.folder / "copy")
    done = site.run("ledger", "backup", folder, "--with-key", "-o", "json")
    assert done.code == 0, done.stderr
    assert (done.json["size"], done.json["bodies"]) == (5, 1)
    return folder


def lose(site: Site) -> None:
    """Lose the server's data, and what lies on this host but the pins."""
    site.stop()
    shutil.rmtree(site.folder / "server")
    shutil.rmtree(site.home / "data/jenkins-notary/immudb")
    site.serve()


def check(site: Site, **changes: str) -> None:
    """Check that a ledger holds what the site's held, and goes on."""
    log = (site.folder / "console.txt").read_bytes()
    assert site.run("ledger", "verify", "--signatures", **changes).code == 0
    assert site.run("authenticate", str(site.app), "--strict", **changes).code == 0
    assert site.run("log", JOB, **changes).stdout == log
    erased = site.run("inspect", str(site.folder / "gone.txt"), **changes)
    assert "erased by  #4" in erased.text
    assert site.run("untrust", str(site.app), "--reason", "x", **changes).code == 0
    assert site.run("authenticate", str(site.app), **changes).code == 1


def test_a_backup_is_one_file_for_either_engine(site: Site, copy: str) -> None:
    there = {"JENKINS_NOTARY_LEDGER": f"{copy}/ledger.db"}
    here = {"JENKINS_NOTARY_LEDGER": str(site.folder / "here.db")}
    site.stop()

    done = site.run("ledger", "restore", copy, **here)
    assert done.code == 0, done.stderr
    assert site.run("authenticate", str(site.app), "--strict", **there).code == 0
    assert site.run("ledger", "verify", **there).code == 0
    check(site, **here)


def test_a_lost_server_comes_back_into_an_empty_one(site: Site, copy: str) -> None:
    lose(site)
    assert site.run("authenticate", str(site.app)).code == 65

    done = site.run("ledger", "restore", copy, "-o", "json")
    assert done.code == 0, done.stderr
    assert (done.json["engine"], done.json["tree_size"]) == ("immudb", 5)
    check(site)
    again = site.run("ledger", "restore", copy)
    assert again.code == 64
    assert "another database" in again.stderr


def test_a_backup_that_is_older_or_altered_is_refused(site: Site, copy: str) -> None:
    assert site.run("untrust", str(site.app), "--reason", "later").code == 0
    lose(site)

    older = site.run("ledger", "restore", copy)
    assert older.code == 65
    assert "fork" in older.stderr
    with closing(sqlite3.connect(f"{copy}/ledger.db")) as file, file:
        file.execute("DELETE FROM subject_row WHERE at = 1")
    altered = site.run("ledger", "restore", copy)
    assert altered.code == 65
    assert "subject" in altered.stderr
    # Nothing was begun, and what was seen of the lost database is not forgotten.
    assert site.run("authenticate", str(site.app)).code == 65


def test_an_interrupted_restoration_is_gone_on_with(site: Site, copy: str) -> None:
    lose(site)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "_check_trust", interrupt)
        assert site.run("ledger", "restore", copy).code == 130

    done = site.run("ledger", "restore", copy)
    assert done.code == 0, done.stderr
    check(site)


def test_a_backup_is_taken_while_others_write_and_erase(site: Site) -> None:
    grow = mirror.Mirror.grow
    calls = iter(range(10))

    def write_meanwhile(
        self: mirror.Mirror, view: LedgerView, source: Store, *, progress: Progress
    ) -> LedgerView:
        if next(calls) == 0:
            assert site.run("notarize", str(site.app)).code == 0
            assert site.run("ledger", "erase", "1", "--reason", "asked for").code == 0
        return grow(self, view, source, progress=progress)

    folder = str(site.folder / "copy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror.Mirror, "grow", write_meanwhile)
        done = site.run("ledger", "backup", folder, "-o", "json")

    assert done.code == 0, done.stderr
    assert done.json["size"] == 7
    at = {"JENKINS_NOTARY_LEDGER": f"{folder}/ledger.db"}
    assert site.run("ledger", "verify", **at).code == 0
