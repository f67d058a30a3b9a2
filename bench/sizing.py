"""Hold the formula of docs/sizing.md to ledgers that are measured, and go on by it.

Both engines are filled with the records of :mod:`bench.ledgers`; at each size the disk
is read off and set against what the formula says for such records. The formula knows
the bytes of one record and how the engines store a key; what a commit takes was
measured with commits of one record, nothing else. In immudb the index is measured as it
grows and once more after immudb's own compaction.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple

from bench.engine import DATABASE, begin, folder_size, open_store, time_lookups
from bench.immudb import run_immudb
from bench.ledgers import fetch_ledger, sign_records
from bench.measure import Figure
from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.packing import pack_entry, pack_envelope
from jenkins_notary.ledger.rows import derive_keys
from jenkins_notary.values.envelope import idempotency_key, parse_envelope
from jenkins_notary.values.leaf import format_leaf, project_leaf
from jenkins_notary.values.statement import parse_statement
from tests.parts.immudb import compact_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run import Run
    from jenkins_notary.ledger.sequencer import Sequencer

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000)
GROUP = 500
BILLION = 1_000_000_000
_SAMPLE = 200

# immudb 1.11.1: what the transaction log holds of a key beside the key (lengths, where
# its value is, the value's hash), and what a leaf of the index does.
_TX_KEY = 48
_INDEX_KEY = 76
_PREFIX = 1
_TX = 1100
"""A commit: two transactions' headers, head, checkpoint and signer."""

_PAGE = 4096
_FILL = math.log(2)
"""How full the pages of a B-tree are whose keys come in any order."""

_FLUSH = 4 << 20
"""Bytes of keys behind which immudb writes out the changed pages of its index."""

_SEAL = 9 + 16
_LIST = 16
_TILES = 32 * 256 / 255
_SQLITE_ROW = 8
_RANDOM_KEYS = 4


class Shape(NamedTuple):
    """The mean bytes of a record of some kind.

    Attributes:
        leaf: Its leaf, as JSON.
        packed_leaf: The leaf as SQLite has it.
        envelope: Its envelope, packed.
        keys: Bytes of all its keys in immudb.
        key_count: How many they are.
        name: Bytes of its job's name and number.
    """

    leaf: float
    packed_leaf: float
    envelope: float
    keys: float
    key_count: float
    name: float


def read_shape(envelopes: Sequence[bytes]) -> Shape:
    """Return what records like these take."""
    found = [_sizes_of(data) for data in envelopes]
    means = [sum(column) / len(found) for column in zip(*found, strict=True)]
    return Shape(*means)


def _sizes_of(data: bytes) -> Shape:
    """Return what one record takes."""
    envelope = parse_envelope(data)
    statement = parse_statement(envelope.payload)
    leaf = project_leaf(data, envelope, statement, 1_800_000_000_000)
    rows = [*derive_keys(leaf, statement), ("statement", idempotency_key(envelope))]
    named = [keys.format_row_key(kind, key) for kind, key in rows if kind != "signer"]
    named += [keys.format_entry("main", 0), keys.format_envelope(bytes(32))]
    entry = format_leaf(leaf)
    return Shape(
        len(entry),
        len(pack_entry(entry)),
        len(pack_envelope(data)),
        sum(map(len, named)),
        len(named),
        sum(len(key) for kind, key in rows if kind == "name"),
    )


def immudb_bytes(shape: Shape, records: int, group: float) -> float:
    """Return what immudb keeps for ever: transactions and values.

    Args:
        shape: One record.
        records: How many.
        group: Records of a commit.
    """
    written = shape.keys + shape.key_count * (_PREFIX + _TX_KEY)
    listed = (shape.key_count - 2) * _LIST
    values = shape.leaf + shape.envelope + _SEAL + listed + shape.key_count * _PREFIX
    return records * (written + values + _TILES) + records / group * _TX


def index_bytes(shape: Shape, records: int) -> float:
    """Return immudb's index, compacted."""
    leaves = shape.keys + shape.key_count * (_PREFIX + _INDEX_KEY)
    # A page of the level above has a key, and three numbers, for each page.
    above = 1 + (shape.keys / shape.key_count + 27) / (_PAGE * _FILL)
    return records * leaves * above


def rewritten_bytes(shape: Shape, low: int, high: int) -> float:
    """Return what immudb's index grows by between two sizes, without compaction.

    Every flush writes the pages that have changed. Of a record four keys begin with a
    hash and change any page; the others stand beside the last ones.
    """
    size = shape.keys / shape.key_count + _PREFIX + 48 + 8
    flush = _FLUSH / size / shape.key_count
    total, records = 0.0, float(low)
    while records + flush <= high:
        records += flush
        pages = index_bytes(shape, int(records)) / (_PAGE * _FILL)
        changed = pages * -math.expm1(-flush * _RANDOM_KEYS / pages)
        above = pages * (shape.keys / shape.key_count + 27) / (_PAGE * _FILL)
        total += (changed + min(changed, above)) * _PAGE * _FILL
    return total


def sqlite_bytes(shape: Shape, records: int) -> float:
    """Return what a ledger in a file takes."""
    in_order = shape.packed_leaf + shape.envelope + _TILES + 3 * _SQLITE_ROW
    in_order += 20 + 2 * _SQLITE_ROW
    in_order += shape.name + _SQLITE_ROW
    by_hash = _RANDOM_KEYS * (32 + _SQLITE_ROW) / _FILL
    return records * (in_order * 1.02 + by_hash)


def measure(run: Run) -> list[Figure]:
    """Fill both engines, and set each size against the formula."""
    sizes = QUICK_SIZES if run.is_quick else SIZES
    shape = read_shape(sign_records(1, _SAMPLE))
    figures = _measure_immudb(run, shape, sizes)
    if not run.is_quick:
        for size in sizes:
            ledger = fetch_ledger(size, run.say)
            got = os.path.getsize(ledger.path) / size
            said = sqlite_bytes(shape, size) / size
            figures.append(_figure(f"SQLite at {size:,}", got, said))
    return figures + _describe_billion(shape)


def _measure_immudb(run: Run, shape: Shape, sizes: Sequence[int]) -> list[Figure]:
    """Fill an immudb, and read its disk off at each size."""
    figures: list[Figure] = []
    folder = run.make_folder("immudb")
    with run_immudb(folder) as server:
        store = open_store(run.make_folder("keys"), server.port)
        sequencer = begin(store)
        kept, last = 0.0, 1
        data = os.path.join(folder, "data", DATABASE)
        for size in sizes:
            run.say(f"sizing: {size:,} records in immudb")
            _fill(sequencer, last, size)
            kept += rewritten_bytes(shape, last, size)
            index = _index_size(data)
            log = (folder_size(data) - index) / size
            said = immudb_bytes(shape, size, GROUP) / size
            figures.append(_figure(f"immudb's log at {size:,}", log, said))
            name = f"its index at {size:,}"
            figures.append(_figure(name, index / size, kept / size))
            compact_index(server.port, DATABASE)
            if _index_size(data) != index:
                kept, index = index_bytes(shape, size), _index_size(data)
                name = f"its index at {size:,}, compacted"
                figures.append(_figure(name, index / size, kept / size))
            for what, found_ms in time_lookups(store, size).items():
                name = f"immudb, new view, by {what}, p50 at {size:,}"
                figures.append(Figure("", name, found_ms, "ms"))
            last = size
        store.close()
    return figures


def _fill(sequencer: Sequencer, first: int, size: int) -> None:
    """Append the records of a range."""
    for start in range(first, size, GROUP):
        sequencer.append(sign_records(start, min(start + GROUP, size)))


def _index_size(folder: str) -> int:
    """Return the bytes of an index."""
    return folder_size(os.path.join(folder, "index_00"))


def _describe_billion(shape: Shape) -> list[Figure]:
    """Return what the formula says of a billion records."""
    terabyte = 1e12
    kept = {
        "immudb's log": immudb_bytes(shape, BILLION, GROUP),
        "its index, compacted": index_bytes(shape, BILLION),
        "SQLite": sqlite_bytes(shape, BILLION),
    }
    return [
        Figure("", f"{what} at {BILLION:,}, by the formula", size / terabyte, "TB")
        for what, size in kept.items()
    ]


def _figure(what: str, got: float, said: float) -> Figure:
    """Return a measured point beside the formula."""
    return Figure("", f"{what}, a record", got, "bytes", "the formula", said)
