"""H6: the ledger in immudb, written by one thread, beside immudb's own client.

Ours are signed records, each with its leaf, envelope, tiles and all indexes, in commits
that the head guards, every answer of the server proven. The peer is immudb's own Go
client, which sets and verifies one value a call over its connections. Both write to
one real server with synced commits, turn about.

Then records are looked up in what was written, on a new view each time, beside the
same records in a file; and the folder of the database is measured.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

from bench.immudb import CONNECTIONS, run_immudb
from bench.ledgers import (
    ORIGIN,
    digest_of,
    job_of,
    make_author,
    make_sequencer,
    sign_records,
    verifiers,
)
from bench.measure import Figure, Goal, percentile, take_turns
from jenkins_notary.engines.immudb.connection import Connection
from jenkins_notary.engines.immudb.sealing import EnvelopeKeys, create_keys
from jenkins_notary.engines.immudb.store import ImmudbStore
from jenkins_notary.engines.immudb.trail import Trail
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.ledger.view import open_view
from jenkins_notary.values.leaf import hash_job
from tests.parts.immudb import MemoryKeeper, server_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.run import Run
    from jenkins_notary.ledger.sequencer import Sequencer
    from jenkins_notary.ports import Store

RECORDS = 10_000
GROUP = 400
ROUNDS = 3
LOOKUPS = 200
VALUE_BYTES = 1200
DATABASE = "bench"
OURS = f"records, one thread, groups of {GROUP}"
PEER = f"immudb, VerifiedSet, {CONNECTIONS} connections"


def measure(run: Run) -> list[Figure]:
    """Measure writing, looking up and bytes a record."""
    count = RECORDS // 5 if run.is_quick else RECORDS
    run.say(f"H6: {count:,} records a round in a real immudb, and its client beside")
    folder, written = run.make_folder("immudb"), [1]
    with run_immudb(folder) as peer:
        store = open_store(run.make_folder("keys"), peer.port)
        sequencer = begin(store)

        def write_ours() -> float:
            envelopes = sign_records(written[0], written[0] + count)
            written[0] += count
            began = time.perf_counter()
            for start in range(0, count, GROUP):
                sequencer.append(envelopes[start : start + GROUP])
            return count / (time.perf_counter() - began)

        rates = take_turns(
            {OURS: write_ours, PEER: lambda: peer.load(count, VALUE_BYTES)},
            rounds=run.rounds(ROUNDS),
        )
        looked_up = _look_up(run, store, written[0])
        store.close()
        size = folder_size(os.path.join(folder, "data", DATABASE)) / written[0]
    rate = Figure(
        "H6", OURS, rates[OURS], "records/s", PEER, rates[PEER], Goal(">=", 2)
    )
    bytes_each = Figure("", "bytes a record in immudb, keys and proofs", size, "bytes")
    return [rate, *looked_up, bytes_each]


def open_store(folder: str, port: int) -> ImmudbStore:
    """Return a store in a new database."""
    connection = Connection(server_at(port, DATABASE))
    connection.create_database()
    path = os.path.join(folder, "envelope-keys")
    create_keys(path)
    keys = EnvelopeKeys(path, threading.Lock)
    return ImmudbStore(connection, Trail(connection, MemoryKeeper()), keys)


def begin(store: Store) -> Sequencer:
    """Begin a ledger; return its writer."""
    sequencer = make_sequencer(store)
    append_genesis(sequencer, make_author(), ORIGIN)
    return sequencer


def _look_up(run: Run, store: Store, size: int) -> list[Figure]:
    """Return how long lookups take, beside the same records in a file."""
    file = SqliteStore.create(os.path.join(run.make_folder("file"), "ledger.db"))
    sequencer = begin(file)
    for start in range(1, size, GROUP):
        sequencer.append(sign_records(start, min(start + GROUP, size)))
    ours, theirs = (time_lookups(one, size) for one in (store, file))
    file.close()
    return [
        Figure(
            "",
            f"new view, by {what}, p50 at {size:,}, immudb",
            ours[what],
            "ms",
            "the same in a file",
            theirs[what],
        )
        for what in ours
    ]


def time_lookups(store: Store, size: int) -> dict[str, float]:
    """Return the median milliseconds of each kind of lookup."""
    finds = {"job id": _find_job, "digest": _find_digest}
    return {what: _time(store, find, size) for what, find in finds.items()}


def _time(store: Store, find: Callable[[Store, int], object], size: int) -> float:
    """Return the median milliseconds of a lookup."""
    chance, times = random.Random(7), []
    for _ in range(LOOKUPS):
        number = chance.randrange(1, size)
        began = time.perf_counter()
        if not find(store, number):
            raise RuntimeError(job_of(number))
        times.append((time.perf_counter() - began) * 1000)
    return percentile(times, 50)


def _find_job(store: Store, number: int) -> object:
    """Look up a build."""
    view = open_view(store, verifiers(), KeyVerifier())
    key = bytes.fromhex(hash_job(job_of(number)))
    return list(view.records(view.find("job", *exact_range(key))))


def _find_digest(store: Store, number: int) -> object:
    """Look up a digest."""
    view = open_view(store, verifiers(), KeyVerifier())
    return list(view.records(view.find_digest(digest_of(number)[7:])))


def folder_size(folder: str) -> int:
    """Return the bytes of the disk that a folder takes."""
    return sum(
        os.stat(os.path.join(path, name)).st_blocks * 512
        for path, _, names in os.walk(folder)
        for name in names
    )
