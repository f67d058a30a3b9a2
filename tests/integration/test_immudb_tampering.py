"""What somebody puts into a ledger's database with immudb's own client is found."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.engines.immudb.connection import Connection
from jenkins_notary.engines.immudb.wire import MESSAGES
from tests.parts.immudb import server_at
from tests.parts.immudb_site import DATABASE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real("immudb")

JOB = "ci.example.com:payments/api/main#42"
APP = hashlib.sha256(b"app").hexdigest().encode()
FIRST = b"0" * 16


class Forger:
    """Somebody with the right to write to the database."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._connection = Connection(server_at(site.port, DATABASE))

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        pair = MESSAGES["KeyValue"](key=key, value=value)
        self._connection.write("Set", entries=[pair])

    def delete(self, key: bytes) -> None:
        """Delete a key."""
        self._connection.write("Delete", keys=[key])

    def close(self) -> None:
        """End the session."""
        self._connection.close()


@pytest.fixture
def forger(tmp_path: Path) -> Iterator[Forger]:
    """A ledger with a record, and one that distrusts another file."""
    site = Site(tmp_path)
    site.serve()
    assert site.run("ledger", "init").code == 0
    assert site.run("notarize", str(site.app), "--job", JOB).code == 0
    bad = tmp_path / "bad"
    bad.write_bytes(b"bad")
    assert site.run("notarize", str(bad)).code == 0
    assert site.run("untrust", str(bad), "--reason", "x").code == 0
    found = Forger(site)
    yield found
    found.close()
    site.stop()


def test_each_key_that_was_added_is_found(forger: Forger) -> None:
    """None is of a record, so none is left behind when it is deleted."""
    for key in (
        b"main/" + b"f" * 16,
        b"trust/0000000000000028",
        b"main/0",
        b"job2/payments",
        b"setting/other",
        b"envelope/",
        b"envelope/" + b"e" * 32,
        b"tile/main/zz",
        b"tile/main/-1/-000000000000001",
        b"tile/trust/00/" + FIRST,
        b"sha256/" + b"ab" * 32,
        b"job/payments/api/main#0000000042:evil",
        b"job-sha256/x",
        b"signer/x",
        b"statement/x",
        b"commit/zz",
    ):
        forger.put(key, b"0000000000000001")
        done = forger.site.run("ledger", "verify")
        assert done.code == 65, (key, done.stderr)
        forger.delete(key)

    assert forger.site.run("ledger", "verify").code == 0


@pytest.mark.parametrize("key", [b"head", b"checkpoint"])
def test_what_changes_with_each_commit_is_damaged_and_no_other_layout(
    forger: Forger, key: bytes
) -> None:
    forger.put(key, b"{}")

    assert forger.site.run("ledger", "verify").code == 65
    assert forger.site.run("notarize", str(forger.site.app), "--job", JOB).code == 65


def test_a_setting_that_was_deleted_is_no_missing_ledger(forger: Forger) -> None:
    forger.delete(b"setting/origin")

    for words in (("notarize", "--job", JOB), ("authenticate",)):
        done = forger.site.run(*words, str(forger.site.app))
        assert done.code == 65, done.stderr
        assert "origin" in done.stderr


def test_an_untrust_counts_without_its_rows_and_a_forged_row_is_not_believed(
    forger: Forger,
) -> None:
    bad = hashlib.sha256(b"bad").hexdigest().encode()
    forger.delete(b"sha256/" + bad)
    forger.put(b"sha256/" + APP, b"0000000000000002")

    # What was deleted keeps its history, which is no list any more.
    assert forger.site.run("authenticate", str(forger.site.folder / "bad")).code != 0
    assert forger.site.run("authenticate", str(forger.site.app)).code == 65
    assert forger.site.run("ledger", "verify").code == 65
