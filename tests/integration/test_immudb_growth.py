"""A ledger in a real immudb that grows: lists by several writers, nothing in excess."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bench.ledgers import ORIGIN, make_author, make_sequencer, sign_records
from bench.sizing import immudb_bytes, index_bytes, read_shape
from jenkins_notary.engines.immudb import reading
from jenkins_notary.engines.immudb.connection import Connection
from jenkins_notary.engines.immudb.sealing import EnvelopeKeys, create_keys
from jenkins_notary.engines.immudb.store import ImmudbStore
from jenkins_notary.engines.immudb.trail import Trail
from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ports import Batch, Head, Row
from tests.parts.immudb import (
    MemoryKeeper,
    compact_index,
    drop_database,
    serve_immudb,
    server_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jenkins_notary.ports import RowKind

pytestmark = pytest.mark.real("immudb")

KEY = b"k" * 32
KINDS: list[RowKind] = ["subject", "signer"]
_numbers = itertools.count()


@pytest.fixture
def open_one(immudb_port: int, tmp_path: Path) -> Iterator[Callable[[], ImmudbStore]]:
    """Return what opens one and the same database, as another process would."""
    name = f"growth{os.getpid()}n{next(_numbers)}"
    path = str(tmp_path / "keys")
    create_keys(path)
    opened = []

    def open_one() -> ImmudbStore:
        opened.append(open_database(immudb_port, name, path))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
    drop_database(immudb_port, name)


def open_database(port: int, name: str, path: str) -> ImmudbStore:
    """Return a store in a database that is made if it is missing."""
    connection = Connection(server_at(port, name))
    connection.create_database()
    keys = EnvelopeKeys(path, threading.Lock)
    return ImmudbStore(connection, Trail(connection, MemoryKeeper()), keys)


def append(store: ImmudbStore, count: int = 1, **changes: Any) -> None:  # noqa: ANN401 - any field
    """Commit entries, with what comes with them, onto the newest head."""
    head = store.head()
    size = 0 if head is None else int.from_bytes(head.main, "big")
    entries = [b"%d" % index for index in range(size, size + count)]
    after = Head((size + count).to_bytes(8, "big"), b"", 1)
    batch = Batch(after, size, entries, 0, [], {}, {}, [])
    store.commit(batch._replace(**changes), onto=head)


def digests(count: int) -> list[bytes]:
    """Return some digests."""
    return [hashlib.sha256(b"%d" % number).digest() for number in range(count)]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_many_commits_list_is_read_in_pages_both_ways(
    open_one: Callable[[], ImmudbStore],
    monkeypatch: pytest.MonkeyPatch,
    kind: RowKind,
    *,
    newest_first: bool,
) -> None:
    monkeypatch.setattr(reading, "SCAN_PAGE", 3)
    store = open_one()
    indexes = [0, 1, 2, 7, 8, 9, 20, 21, 40, 50, 51]
    for part in (indexes[:3], indexes[3:6], indexes[6:8], [40], [50, 51]):
        append(store, rows=[Row(kind, KEY, index) for index in part])
    other = Row(kind, KEY + b"x", 60)
    append(store, rows=[other])

    seen: list[Row] = []
    after = None
    while page := store.rows(
        kind, KEY, KEY + b"\xff", limit=2, after=after, newest_first=newest_first
    ):
        seen += page
        after = page[-1].key, page[-1].index
    rows = [*(Row(kind, KEY, index) for index in indexes), other]
    assert seen == (rows[::-1] if newest_first else rows)
    one_key = store.rows(
        kind, KEY, KEY + b"\0", limit=99, after=(KEY, 8), newest_first=newest_first
    )
    wanted = [2, 1, 0] if newest_first else [9, 20, 21, 40, 50, 51]
    wanted = wanted if not newest_first else [7, *wanted]
    assert [row.index for row in one_key] == wanted


def test_what_another_writer_recorded_is_found(
    open_one: Callable[[], ImmudbStore],
) -> None:
    here, there = open_one(), open_one()
    named = digests(20)

    def record(store: ImmudbStore, numbers: Sequence[int]) -> None:
        rows = [Row("statement", named[number], number) for number in numbers]
        append(store, len(rows), rows=rows)

    def find(store: ImmudbStore) -> dict[bytes, int]:
        store.head()
        return dict(store.first_rows(named))

    for round_, store in enumerate((here, here, there, here, there, there)):
        assert find(store) == {named[n]: n for n in range(3 * round_)}
        record(store, range(3 * round_, 3 * round_ + 3))
    assert find(here) == find(there) == {named[n]: n for n in range(18)}


def test_a_row_that_is_added_while_others_are_erased_stays(
    open_one: Callable[[], ImmudbStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = open_one(), open_one()
    append(here, rows=[Row("name", b"job", 0), Row("name", b"other", 0)])
    removals = here._rows.removals
    rounds: list[Any] = []

    def read_slowly(rows: Sequence[Row]) -> Any:  # noqa: ANN401 - what it replaces
        found = [*removals(rows)]
        if not rounds:
            append(there, rows=[Row("name", b"job", 5)])
        rounds.append(found)
        return found

    monkeypatch.setattr(here._rows, "removals", read_slowly)
    here.erase([], [Row("name", b"job", 0), Row("name", b"other", 0)])

    assert len(rounds) == 2
    assert list(there.scan_rows("name")) == [Row("name", b"job", 5)]


def test_an_envelope_whose_erasure_broke_off_can_come_again(
    open_one: Callable[[], ImmudbStore],
) -> None:
    store = open_one()
    digest = digests(1)[0]
    append(store, envelopes={digest: b"raw"})
    # Its key is destroyed; immudb was gone before the rest.
    store._envelopes.destroy([digest])

    assert store.envelopes([digest]) == {}
    append(store, envelopes={digest: b"raw"})
    assert store.envelopes([digest]) == {digest: b"raw"}


def test_a_copy_older_than_its_envelope_keys_is_not_gone_on_with(
    open_one: Callable[[], ImmudbStore],
) -> None:
    store = open_one()
    append(store)
    store._envelopes._keys.destroy([1 << 16])

    with pytest.raises(IntegrityError, match="older copy"):
        append(store, envelopes={digests(1)[0]: b"raw"})


def test_a_ledger_takes_the_disk_that_the_guide_says(tmp_path: Path) -> None:
    count, group = 3000, 100
    envelopes = sign_records(1, count + 1)
    shape = read_shape(envelopes[:200])
    create_keys(str(tmp_path / "keys"))
    with serve_immudb(str(tmp_path / "server")) as port:
        store = open_database(port, "sized", str(tmp_path / "keys"))
        sequencer = make_sequencer(store)
        append_genesis(sequencer, make_author(), ORIGIN)
        index = tmp_path / "server/data/sized/index_00"
        for start in range(0, count, group):
            sequencer.append(envelopes[start : start + group])
            # What is looked up and appended in turns writes no index out.
            store.rows("subject", KEY, KEY + b"\0", limit=5)
        grown = size_of(index)
        for number in range(2):
            # A scan writes it out; after two of them there is something to compact.
            sequencer.append(sign_records(count + 1 + number, count + 2 + number))
            next(store.scan_rows("subject"))
        compact_index(port, "sized")
        compacted = size_of(index)
        log = sum(size_of(index.parent / name) for name in ("tx", "val_0", "commit"))
        store.close()

    assert grown < 64 << 10
    assert compacted == pytest.approx(index_bytes(shape, count), rel=0.1)
    assert log == pytest.approx(immudb_bytes(shape, count, group), rel=0.05)


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
