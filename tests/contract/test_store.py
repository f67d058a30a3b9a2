"""Hold every engine to the Store port: one suite, run on each.

A later engine joins by a line in `ENGINES`. Heads are opaque to a store, so here they
are just the two sizes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.engines.recent import RecentStore
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import HeadMovedError, IntegrityError
from jenkins_notary.ports import ROW_KINDS, Batch, Head, Row
from jenkins_notary.values.envelope import Signature, format_envelope
from tests.parts.immudb import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from jenkins_notary.ports import LogName, RowKind, Store

_names = itertools.count()


ENGINES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SqliteStore.create(str(folder / f"{next(_names)}.db")),
    "sqlite-recent": lambda folder: RecentStore.create(
        str(folder / f"{next(_names)}.db")
    ),
}


@pytest.fixture(
    params=[*ENGINES, pytest.param("immudb", marks=pytest.mark.real("immudb"))]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "immudb":
        made = open_store(tmp_path, request.getfixturevalue("immudb_port"))
    else:
        made = ENGINES[request.param](tmp_path)
    yield made
    made.close()


def make_head(main: int, trust: int = 0) -> Head:
    return Head(main.to_bytes(8, "big"), trust.to_bytes(8, "big"), 1000 + main)


def make_batch(start: int = 0, count: int = 1, **changes: Any) -> Batch:  # noqa: ANN401 - any field
    """Make a batch of entries only, on a main log of `start` entries."""
    entries = [b'{"entry":%d}' % index for index in range(start, start + count)]
    batch = Batch(make_head(start + count), start, entries, 0, [], {}, {}, [])
    return batch._replace(**changes)


def digest_of(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def hash_entries(entries: Sequence[bytes]) -> bytes:
    return b"".join(hashlib.sha256(b"\0" + entry).digest() for entry in entries)


def dump(store: Store) -> object:
    """Return everything that a store holds."""
    logs: tuple[LogName, ...] = ("main", "trust")
    digests = list(store.scan_envelopes())
    return (
        store.head(),
        store.checkpoint(),
        [list(store.entries(log, 0, 1 << 40)) for log in logs],
        [list(store.scan_tiles(log)) for log in logs],
        [list(store.scan_rows(kind)) for kind in ROW_KINDS],
        dict(store.envelopes(digests)),
    )


FULL = Batch(
    head=make_head(2, 1),
    main_start=0,
    main=[b'{"main":0}', b'{"main":1}'],
    trust_start=0,
    trust=[b'{"trust":0}'],
    envelopes={digest_of(b"one"): b"one"},
    tiles={("main", 1, 0): b"h" * 32, ("trust", 1, 0): b"t" * 32},
    rows=[Row(kind, kind.encode(), 1) for kind in ROW_KINDS],
)


def test_new_store_is_empty(store: Store) -> None:
    assert dump(store) == (None, None, [[], []], [[], []], [[]] * 6, {})
    assert store.get_setting("origin") is None


def test_commit_keeps_all_of_a_batch(store: Store) -> None:
    store.commit(FULL, onto=None)

    assert dump(store) == (
        FULL.head,
        None,
        [FULL.main, FULL.trust],
        [[(1, 0, b"h" * 32)], [(1, 0, b"t" * 32)]],
        [[row] for row in FULL.rows],
        FULL.envelopes,
    )


@pytest.mark.parametrize(
    "onto",
    [
        pytest.param(None, id="new store"),
        pytest.param(make_head(1, 1), id="main"),
        pytest.param(make_head(2, 0), id="trust"),
        pytest.param(make_head(2, 1)._replace(at_ms=0), id="time"),
    ],
)
def test_commit_onto_another_head_changes_nothing(
    store: Store, onto: Head | None
) -> None:
    store.commit(FULL, onto=None)
    before = dump(store)
    batch = make_batch(2, rows=[Row("job", b"late", 2)], envelopes={b"d" * 32: b"late"})

    with pytest.raises(HeadMovedError):
        store.commit(batch, onto=onto)
    assert dump(store) == before


def test_first_commit_onto_a_head_changes_nothing(store: Store) -> None:
    with pytest.raises(HeadMovedError):
        store.commit(make_batch(), onto=make_head(0))
    assert store.head() is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"main_start": 1}, id="overlap"),
        pytest.param({"main_start": 3}, id="gap"),
        pytest.param({"trust_start": 0, "trust": [b"again"]}, id="trust overlap"),
        pytest.param({"trust_start": 2, "trust": [b"late"]}, id="trust gap"),
    ],
)
def test_batch_that_does_not_continue_the_log_changes_nothing(
    store: Store, changes: dict[str, Any]
) -> None:
    store.commit(FULL, onto=None)
    before = dump(store)
    batch = make_batch(2, tiles={("main", 1, 0): b"x" * 64})._replace(**changes)

    with pytest.raises(IntegrityError, match="log"):
        store.commit(batch, onto=FULL.head)
    assert dump(store) == before


class Exploding(list[Any]):
    """A sequence that fails behind its last item."""

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"main": Exploding([b"a"])}, id="main"),
        pytest.param({"trust": Exploding([b"a"])}, id="trust"),
        pytest.param({"rows": Exploding([Row("job", b"k", 2)])}, id="rows"),
        pytest.param({"rows": [Row("none", b"k", 2)]}, id="kind"),  # type: ignore[arg-type]  # hostile
    ],
)
def test_commit_that_fails_halfway_changes_nothing(
    store: Store, changes: dict[str, Any]
) -> None:
    store.commit(FULL, onto=None)
    before = dump(store)
    envelopes = {digest_of(b"two"): b"two"}

    with pytest.raises((KeyboardInterrupt, KeyError)):
        store.commit(make_batch(2, envelopes=envelopes, **changes), onto=FULL.head)
    assert dump(store) == before
    store.commit(make_batch(2), onto=FULL.head)
    assert store.head() == make_head(3)


@pytest.mark.parametrize(
    ("start", "stop", "numbers"),
    [
        pytest.param(0, 5, range(5), id="all"),
        pytest.param(2, 4, range(2, 4), id="middle"),
        pytest.param(4, 9, range(4, 5), id="over the end"),
        pytest.param(5, 9, [], id="behind the end"),
        pytest.param(1 << 62, 1 << 70, [], id="far behind"),
        pytest.param(0, 1 << 70, range(5), id="huge stop"),
        pytest.param(3, 3, [], id="nothing"),
        pytest.param(4, 2, [], id="backwards"),
        pytest.param(-2, 3, [], id="negative"),
    ],
)
def test_entries_gives_the_range(
    store: Store, start: int, stop: int, numbers: Sequence[int]
) -> None:
    store.commit(make_batch(count=5), onto=None)

    found = store.entries("main", start, stop)
    assert list(found) == [b'{"entry":%d}' % number for number in numbers]


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(range(256)) * 8, id="binary"),
        pytest.param(b"a" * 65_535, id="longest"),
        pytest.param(b"\xff" * 65_599, id="longest of the trust log"),
    ],
)
def test_entry_comes_back_byte_for_byte(store: Store, entry: bytes) -> None:
    store.commit(make_batch(main=[entry]), onto=None)

    assert list(store.entries("main", 0, 1)) == [entry]


@pytest.mark.parametrize("width", [1, 2, 43, 44, 255, 256])
def test_partial_tile_is_made_of_its_entries(store: Store, width: int) -> None:
    batch = make_batch(count=300)
    full = hash_entries(batch.main[:256])
    store.commit(batch._replace(tiles={("main", 0, 0): full}), onto=None)
    partial = hash_entries(batch.main[256:])

    assert store.tile("main", 0, 0, width) == full[: width * 32]
    assert store.tile("main", 0, 1, width) == partial[: width * 32]
    assert store.tile("trust", 0, 0, width) == b""


@pytest.mark.parametrize(
    ("level", "n", "width"),
    [(0, 9, 256), (1, 1, 1), (2, 0, 1), (63, 0, 1), (0, 1 << 60, 1), (0, 0, 0)],
)
def test_tile_that_is_not_there_is_empty(
    store: Store, level: int, n: int, width: int
) -> None:
    store.commit(FULL, onto=None)

    assert store.tile("main", level, n, width) == b""


def test_tile_that_grew_replaces_the_shorter_one(store: Store) -> None:
    store.commit(FULL, onto=None)
    grown = b"h" * 32 + b"i" * 32
    store.commit(make_batch(2, tiles={("main", 1, 0): grown}), onto=FULL.head)

    assert store.tile("main", 1, 0, 2) == grown
    assert store.tile("main", 1, 0, 256) == grown
    assert store.tile("main", 1, 0, 1) == b"h" * 32
    assert list(store.scan_tiles("main")) == [(1, 0, grown)]


KEYS = st.binary(max_size=3) | st.binary(min_size=60, max_size=70)
PAIRS = st.tuples(KEYS, st.integers(0, 5) | st.just((1 << 62) - 1))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(PAIRS, max_size=40),
    low=KEYS,
    high=KEYS | st.just(b"\xff" * 80),
    after=st.none() | PAIRS,
    limit=st.integers(0, 8) | st.just(1 << 40),
    newest_first=st.booleans(),
)
def test_rows_are_those_of_a_sorted_list(
    *,
    store: Store,
    pairs: list[tuple[bytes, int]],
    low: bytes,
    high: bytes,
    after: tuple[bytes, int] | None,
    limit: int,
    newest_first: bool,
) -> None:
    rows = [Row("name", *pair) for pair in pairs]
    other = [Row("job", b"\0", 0)]
    head = store.head()
    size = 0 if head is None else int.from_bytes(head.main, "big")
    store.commit(make_batch(size, rows=[*rows, *other]), onto=head)
    model = [pair for pair in sorted(set(pairs)) if low <= pair[0] < high]
    if newest_first:
        model.reverse()
    if after is not None:
        model = [
            pair for pair in model if (pair < after if newest_first else pair > after)
        ]

    found = store.rows(
        "name", low, high, limit=limit, after=after, newest_first=newest_first
    )
    everything = list(store.scan_rows("name"))
    # One store serves all examples, so nothing of this one may stay in it.
    store.erase([], rows)
    assert list(found) == [Row("name", *pair) for pair in model[:limit]]
    assert everything == [Row("name", *pair) for pair in sorted(set(pairs))]
    assert list(store.scan_rows("name")) == []


@pytest.mark.parametrize("newest_first", [False, True])
def test_paging_reaches_every_row_once(store: Store, *, newest_first: bool) -> None:
    rows = [Row("subject", bytes((n % 7,)) * 32, n) for n in range(50)]
    store.commit(make_batch(rows=rows), onto=None)
    seen: list[Row] = []
    after = None
    while page := store.rows(
        "subject", b"", b"\xff", limit=7, after=after, newest_first=newest_first
    ):
        seen += page
        after = page[-1].key, page[-1].index

    model = sorted(rows, key=lambda row: (row.key, row.index), reverse=newest_first)
    assert seen == model


def test_row_that_is_committed_twice_is_there_once(store: Store) -> None:
    row = Row("job", b"k", 0)
    store.commit(make_batch(rows=[row, row]), onto=None)
    store.commit(make_batch(1, rows=[row]), onto=make_head(1))

    assert list(store.scan_rows("job")) == [row]


def test_longest_key_comes_back(store: Store) -> None:
    rows = [Row("name", bytes((n,)) * 1400, n) for n in range(40)]
    store.commit(make_batch(rows=rows), onto=None)

    assert list(store.scan_rows("name")) == rows


SIGNATURES = (Signature("0x" + "ab" * 20, b"s" * 64), Signature("", b""))
OURS = format_envelope(b'{"_type":"https://in-toto.io/Statement/v1"}', SIGNATURES)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(OURS, id="ours"),
        pytest.param(json.dumps(json.loads(OURS), indent=1).encode(), id="indented"),
        pytest.param(OURS + b"\n", id="final newline"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff" * 9, id="binary"),
        pytest.param(hashlib.shake_128(b"").digest(100_000), id="incompressible"),
        pytest.param(b"a" * (16 << 20), id="longest, all alike"),
    ],
)
def test_envelope_comes_back_byte_for_byte(store: Store, raw: bytes) -> None:
    digest = digest_of(raw)
    store.commit(make_batch(envelopes={digest: raw}), onto=None)

    assert store.envelopes([digest, b"n" * 32, digest]) == {digest: raw}


def test_envelope_that_exists_stays_as_it_is(store: Store) -> None:
    store.commit(make_batch(envelopes={b"d" * 32: b"first"}), onto=None)
    later = {b"d" * 32: b"second", b"e" * 32: b"other"}
    store.commit(make_batch(1, envelopes=later), onto=make_head(1))

    assert store.envelopes([b"d" * 32, b"e" * 32]) == {
        b"d" * 32: b"first",
        b"e" * 32: b"other",
    }


@pytest.mark.parametrize(
    ("notes", "kept"),
    [
        pytest.param([(b"a", 1), (b"b", 2)], b"b", id="larger replaces"),
        pytest.param([(b"b", 2), (b"a", 1)], b"b", id="smaller is dropped"),
        pytest.param([(b"a", 1), (b"b", 1)], b"b", id="same size replaces"),
    ],
)
def test_publish_keeps_the_largest_checkpoint(
    store: Store, notes: list[tuple[bytes, int]], kept: bytes
) -> None:
    for note, size in notes:
        store.publish(note, size=size)

    assert store.checkpoint() == kept


def test_setting_is_kept_and_replaced(store: Store) -> None:
    store.put_setting("origin", b"one")
    store.put_setting("origin", b"two")
    store.put_setting("vkey", b"\x00\xff")

    assert store.get_setting("origin") == b"two"
    assert store.get_setting("vkey") == b"\x00\xff"


def test_erase_takes_what_is_named_and_nothing_else(store: Store) -> None:
    raws = [b"envelope %d" % n for n in range(5)]
    rows = [Row(kind, b"key", n) for kind in ROW_KINDS for n in range(3)]
    store.commit(
        make_batch(envelopes={digest_of(raw): raw for raw in raws}, rows=rows),
        onto=None,
    )
    gone = [Row("name", b"key", 1), Row("job", b"key", 2), Row("job", b"none", 0)]

    for _ in range(2):
        store.erase([digest_of(raws[1]), digest_of(raws[3]), b"n" * 32], gone)
        kept = {digest_of(raw): raw for raw in (raws[0], raws[2], raws[4])}
        assert list(store.scan_envelopes()) == sorted(kept)
        assert store.envelopes([digest_of(raw) for raw in raws]) == kept
        assert {row for kind in ROW_KINDS for row in store.scan_rows(kind)} == set(
            rows
        ) - set(gone)
    assert store.head() == make_head(1)


def test_what_was_erased_can_be_committed_again(store: Store) -> None:
    row, digest = Row("name", b"k", 0), digest_of(b"raw")
    store.commit(make_batch(envelopes={digest: b"raw"}, rows=[row]), onto=None)
    store.erase([digest], [row])
    store.commit(
        make_batch(1, envelopes={digest: b"raw"}, rows=[row]), onto=make_head(1)
    )

    assert store.envelopes([digest]) == {digest: b"raw"}
    assert list(store.scan_rows("name")) == [row]


def commit_many(
    store: Store,
    rows: Sequence[Row],
    tiles: Mapping[tuple[LogName, int, int], bytes] | None = None,
    envelopes: Mapping[bytes, bytes] | None = None,
) -> Head:
    """Commit more than one batch may hold; return the head."""
    parts: list[tuple[str, Any]] = [("rows", one) for one in rows]
    parts += [("tiles", one) for one in (tiles or {}).items()]
    parts += [("envelopes", one) for one in (envelopes or {}).items()]
    head, step = None, min(store.max_keys, 900)
    for number, start in enumerate(range(0, len(parts), step)):
        page = parts[start : start + step]
        chosen = {kind: [o for k, o in page if k == kind] for kind, _ in page}
        batch = make_batch(number, rows=chosen.get("rows", []))
        batch = batch._replace(
            tiles=dict(chosen.get("tiles", [])),
            envelopes=dict(chosen.get("envelopes", [])),
        )
        store.commit(batch, onto=head)
        head = batch.head
    assert head is not None
    return head


def test_scans_are_sorted_and_whole_over_many_pages(store: Store) -> None:
    kind: RowKind = "subject"
    rows = [Row(kind, digest_of(b"%d" % (n % 900)), n) for n in range(2500)]
    tiles: dict[tuple[LogName, int, int], bytes] = {
        ("main", n % 3, n): b"t" * 8192 for n in range(150)
    }
    envelopes = {digest_of(b"%d" % n): b"%d" % n for n in range(2100)}
    commit_many(store, rows, tiles, envelopes)

    assert list(store.scan_rows(kind)) == sorted(rows, key=lambda row: row[1:])
    assert list(store.scan_envelopes()) == sorted(envelopes)
    assert [tile[:2] for tile in store.scan_tiles("main")] == sorted(
        (level, n) for _, level, n in tiles
    )


def test_scan_goes_on_while_a_writer_commits(store: Store) -> None:
    rows = [Row("subject", digest_of(b"%d" % n), n) for n in range(2500)]
    head = commit_many(store, rows)
    size = int.from_bytes(head.main, "big")
    scan = store.scan_rows("subject")
    first = next(scan)
    store.commit(make_batch(size, rows=[Row("subject", b"", 1)]), onto=head)

    assert {first, *scan} == set(rows)


def append_one(store: Store, name: bytes) -> None:
    """Append an entry, again and again until no other writer is first."""
    while True:
        head = store.head()
        size = int.from_bytes(head.main, "big") if head else 0
        try:
            store.commit(
                make_batch(size, main=[name], rows=[Row("job", name, size)]), onto=head
            )
        except HeadMovedError:
            continue
        return


def test_threads_append_all_and_never_fork(store: Store) -> None:
    names = [b"%d-%d" % (thread, n) for thread in range(8) for n in range(10)]

    def run(part: list[bytes]) -> None:
        for name in part:
            append_one(store, name)

    threads = [
        threading.Thread(target=run, args=(names[at : at + 10],))
        for at in range(0, 80, 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    entries = store.entries("main", 0, 1000)
    assert sorted(entries) == sorted(names)
    assert sorted(store.scan_rows("job")) == sorted(
        Row("job", name, index) for index, name in enumerate(entries)
    )
    assert store.head() == make_head(80)


def test_first_rows_are_found_in_one_call(store: Store) -> None:
    names = [digest_of(b"%d" % n) for n in range(5)]
    rows = [Row("statement", one, n) for n, one in enumerate(names)]
    store.commit(make_batch(rows=rows[:3]), onto=None)
    again = Row("statement", names[1], 7)
    store.commit(make_batch(1, rows=[rows[3], again]), onto=make_head(1))

    found = store.first_rows([*names, names[0]])
    assert found == {one: n for n, one in enumerate(names[:4])}
    assert list(store.scan_rows("statement")) == sorted(
        [*rows[:4], again], key=lambda row: row[1:]
    )


def test_engine_says_its_name(store: Store, request: pytest.FixtureRequest) -> None:
    assert f"[{store.engine}" in request.node.name
