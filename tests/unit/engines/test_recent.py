"""What a writer has just committed comes from memory; all else from the file."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING

from jenkins_notary.engines.recent import RecentStore
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.ports import Batch, Head
from jenkins_notary.tlog.merkle import hash_leaf

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.ports import Store


def write(store: Store, start: int, stop: int) -> None:
    """Commit entries whose bytes are their numbers, each with an envelope."""
    entries = [b"%d" % n for n in range(start, stop)]
    batch = Batch(
        Head(stop.to_bytes(8, "big"), bytes(8), stop),
        start,
        entries,
        0,
        [],
        {sha256(one).digest(): one for one in entries},
        {},
        [],
    )
    store.commit(batch, onto=store.head())


def test_the_last_batch_is_read_without_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    store = RecentStore.create(path)
    write(store, 0, 3)
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM main_entry")
        db.execute("DELETE FROM envelope")

    key = sha256(b"1").digest()
    hashes = b"".join(hash_leaf(b"%d" % n) for n in range(3))

    assert store.entries("main", 1, 3) == [b"1", b"2"]
    assert store.envelopes([key]) == {key: b"1"}
    assert store.tile("main", 0, 0, 3) == hashes
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM main_entry").fetchone() == (0,)
    store.close()


def test_tail_is_right_whoever_wrote_between(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger.db")
    store = RecentStore.create(path)
    other = SqliteStore.open(path)
    hashes = [hash_leaf(b"%d" % n) for n in range(700)]

    end = 0
    for turn, count in enumerate((1, 100, 155, 1, 99, 156, 150)):
        write(store if turn % 2 else other, end, end + count)
        end += count
        for n in range(end // 256 + 1):
            width = min(256, end - n * 256)
            expected = b"".join(hashes[n * 256 : n * 256 + width])

            assert store.tile("main", 0, n, width) == expected
            assert other.tile("main", 0, n, width) == expected
    store.close()
    other.close()


def test_what_is_erased_is_forgotten(tmp_path: Path) -> None:
    store = RecentStore.create(str(tmp_path / "ledger.db"))
    write(store, 0, 2)
    key = sha256(b"1").digest()

    store.erase([key], [])

    assert store.envelopes([key]) == {}
    assert store.entries("main", 0, 2) == [b"0", b"1"]
    store.close()
