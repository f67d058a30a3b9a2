"""Hold every engine to the Ledger port: the sequencer over it, and what it publishes.

A later engine, or a ledger that is reached otherwise, joins by a line in `LEDGERS`.
"""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.keys.log_key import LogSigner, load_log_verifier
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.sequencer import Sequencer
from jenkins_notary.ledger.view import open_view
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.proofs import verify_inclusion
from jenkins_notary.tlog.receipt import Receipt, verify_receipt
from jenkins_notary.values.envelope import idempotency_key, parse_envelope
from tests.parts.immudb import open_store
from tests.unit.trust.builders import (
    ORIGIN,
    TickingClock,
    author,
    digest,
    forge,
    notarization,
    sid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Appended, Ledger, Store
    from jenkins_notary.tlog.note import Ed25519Verifier

SEED = bytes(range(32))
_names = itertools.count()


def make_log_signer() -> LogSigner:
    """Return the ledger's key: every process of a test has the same."""
    return LogSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(SEED))


class Made(NamedTuple):
    """A ledger, what it stands on, and a second writer's way to it."""

    ledger: Ledger
    store: Store
    verifiers: Sequence[Ed25519Verifier]
    clock: TickingClock

    def view(self) -> LedgerView:
        return open_view(self.ledger.reader, self.verifiers, KeyVerifier())

    def append(self, *envelopes: bytes) -> Sequence[Appended]:
        return self.ledger.append(envelopes)


def make_on(store: Store) -> Made:
    signer, clock = make_log_signer(), TickingClock()
    verifiers = [load_log_verifier(signer.vkey)]
    sequencer = Sequencer(store, signer, verifiers, clock)
    append_genesis(sequencer, author("admin"), ORIGIN)
    return Made(sequencer, store, verifiers, clock)


LEDGERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "sqlite": lambda folder: SqliteStore.create(str(folder / f"{next(_names)}.db")),
}


@pytest.fixture(
    params=[*LEDGERS, pytest.param("immudb", marks=pytest.mark.real("immudb"))]
)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    store: Store
    if request.param == "immudb":
        store = open_store(tmp_path, request.getfixturevalue("immudb_port"))
    else:
        store = LEDGERS[request.param](tmp_path)
    yield make_on(store)
    store.close()


def app(name: str = "app", by: str = "ci") -> bytes:
    return notarization("TRUSTED", [name], (by,))


def test_records_stand_in_the_order_in_which_they_were_handed_in(made: Made) -> None:
    envelopes = [app(f"app{place}") for place in range(5)]

    appended = made.append(*envelopes)

    assert [one.index for one in appended] == [1, 2, 3, 4, 5]
    assert all(one.is_new for one in appended)
    view = made.view()
    assert [
        view.envelope_bytes(view.record(one.index)) for one in appended
    ] == envelopes


def test_a_statement_that_is_handed_in_again_keeps_its_first_place(made: Made) -> None:
    envelope = app()
    (first,) = made.append(envelope)
    made.append(app("other"))

    (again,) = made.append(envelope)

    assert again == first._replace(is_new=False)
    assert made.view().size == 3


def test_a_statement_twice_in_one_call_is_one_record(made: Made) -> None:
    one, other = app(), app("other")

    appended = made.append(one, other, one)

    assert [(a.index, a.is_new) for a in appended] == [(1, True), (2, True), (1, False)]
    assert made.view().size == 3


def test_a_statement_with_another_signature_is_the_same_record(made: Made) -> None:
    envelope = app()
    (first,) = made.append(envelope)

    (again,) = made.append(forge(envelope, sid("ci"), b"\0" * 64))

    assert (again.index, again.is_new) == (first.index, False)
    assert made.view().envelope_bytes(made.view().record(1)) == envelope


def test_the_same_facts_in_a_new_run_are_a_new_record(made: Made) -> None:
    made.append(app())

    (again,) = made.append(app())

    assert again.is_new
    assert again.index == 2


def test_nothing_appended_changes_nothing(made: Made) -> None:
    before = made.ledger.reader.checkpoint()

    assert list(made.append()) == []
    assert made.ledger.reader.checkpoint() == before


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b'{"payload":"","payloadType":"x","signatures":[]}',
        app()[:-1],
        b"\xff",
        b"[" * 100_000,
    ],
    ids=["empty", "no-envelope", "another-type", "cut", "no-utf-8", "deep"],
)
def test_a_malformed_envelope_fails_its_whole_call_and_nothing_else(
    made: Made, bad: bytes
) -> None:
    with pytest.raises(IntegrityError):
        made.append(app(), bad)

    assert made.view().size == 1
    assert made.append(app())[0].index == 1


def test_every_record_is_provable_by_receipt_without_the_ledger(made: Made) -> None:
    made.append(*[app(f"app{place}") for place in range(20)])
    view = made.view()

    for index in range(view.size):
        entry, _ = view.leaf(index)
        receipt = Receipt(index, view.prove(index), view.note)
        checkpoint = verify_receipt(receipt, made.verifiers, leaf=entry)
        assert checkpoint.size == view.size
        with pytest.raises(IntegrityError):
            verify_receipt(receipt, made.verifiers, leaf=entry + b" ")


def test_proofs_hold_across_the_borders_of_tiles(made: Made) -> None:
    made.append(*[app(f"app{place}") for place in range(254)])
    for _ in range(4):
        made.append(app())
    made.append(*[app() for _ in range(260)])

    view = made.view()

    assert view.size == 519
    for index in (0, 1, 254, 255, 256, 257, 258, 511, 512, 518):
        entry, leaf = view.leaf(index)
        verify_inclusion(
            hash_leaf(entry),
            index,
            view.size,
            view.prove(index),
            view.checkpoint.root,
        )
        assert leaf.type == ("trust" if index == 0 else "notarization")
    for size in (1, 2, 255, 256, 257, 512, 519):
        assert view.at_size(size).size == size


def test_commit_times_never_run_backwards(made: Made) -> None:
    made.append(app())
    made.clock.at_ms -= 1_000_000
    (second,) = made.append(app())
    made.clock.at_ms += 5_000_000
    (third,) = made.append(app())

    view = made.view()
    times = [view.leaf(index)[1].at_ms for index in range(view.size)]

    assert times == sorted(times)
    assert second.at_ms == times[1]
    assert third.at_ms > second.at_ms


def test_a_reader_sees_what_was_acknowledged(made: Made) -> None:
    for place in range(1, 4):
        made.append(app("app"))

        assert made.view().size == place + 1
        assert len(list(made.view().find_digest(digest("app")))) == place


def test_many_threads_lose_nothing(made: Made) -> None:
    threads, each = 32, 20
    results: dict[int, list[Appended]] = {}
    failures: list[int] = []
    shared = [app(f"shared{place}") for place in range(each)]

    def work(number: int) -> None:
        results[number] = []
        for place in range(each):
            # Every thread hands in the shared record too; one of them is first.
            own = notarization("TRUSTED", [f"{number}-{place}"])
            results[number] += made.append(own, shared[place])
            if number % 8 == 0:
                try:
                    made.append(own[: -place - 1])
                except IntegrityError:
                    failures.append(number)

    running = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    view = made.view()

    own = [one for result in results.values() for one in result[::2]]
    again = [result[1::2] for result in results.values()]
    assert len(failures) == each * threads // 8
    assert all(one.is_new for one in own)
    assert len({one.index for one in own}) == threads * each
    assert view.size == 1 + threads * each + each
    for places in zip(*again, strict=True):
        assert len({one.index for one in places}) == 1
        assert [one.is_new for one in places].count(True) == 1
    for number, result in results.items():
        for place, placed in enumerate(result[::2]):
            record = view.record(placed.index)
            assert record.leaf.subjects == (digest(f"{number}-{place}"),)
            assert record.leaf.at_ms == placed.at_ms


def test_two_writers_of_one_store_never_fork_it(made: Made) -> None:
    other = Sequencer(made.store, make_log_signer(), made.verifiers, made.clock)
    envelopes = [app(f"app{place}") for place in range(40)]

    def work(ledger: Ledger, mine: Sequence[bytes]) -> None:
        for one in mine:
            ledger.append([one])

    running = [
        threading.Thread(target=work, args=(made.ledger, envelopes[::2])),
        threading.Thread(target=work, args=(other, envelopes[1::2])),
    ]
    for one in running:
        one.start()
    for one in running:
        one.join()
    view = made.view()

    assert view.size == 41
    kept = {view.envelope_bytes(one) for one in view.records(range(1, view.size))}
    assert kept == set(envelopes)


def append_from_a_process(path: str, number: int, count: int) -> list[tuple[int, bool]]:
    """Append records and one that all processes share; return where they stand."""
    store = SqliteStore.open(path)
    signer = make_log_signer()
    sequencer = Sequencer(
        store, signer, [load_log_verifier(signer.vkey)], TickingClock(1_700_000_000_000)
    )
    shared = author("ci")._replace(record_id="ff" * 16).sign("notarization", [], {})
    placed: list[tuple[int, bool]] = []
    for place in range(count):
        # The counter of record ids is each process's own: the name tells them apart.
        own = notarization("TRUSTED", [f"{number}-{place}"])
        placed += [(one.index, one.is_new) for one in sequencer.append([own, shared])]
    store.close()
    return placed


def test_many_processes_append_to_one_file(tmp_path: Path) -> None:
    processes, count = 8, 12
    path = str(tmp_path / "ledger.db")
    store = SqliteStore.create(path)
    made = make_on(store)

    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        placed = pool.starmap(
            append_from_a_process,
            [(path, number, count) for number in range(processes)],
        )
    view = made.view()

    own = [index for result in placed for index, _ in result[::2]]
    shared = [one for result in placed for one in result[1::2]]
    assert sorted([*own, shared[0][0]]) == list(range(1, view.size))
    assert view.size == 2 + processes * count
    assert len({index for index, _ in shared}) == 1
    assert [is_new for _, is_new in shared].count(True) == 1
    times = [leaf.at_ms for _, leaf in view.leaves(range(view.size))]
    assert times == sorted(times)
    keys = [one.envelope for one in view.records(range(view.size))]
    assert len({idempotency_key(one) for one in keys if one}) == view.size
    for number, result in enumerate(placed):
        for place, (index, _) in enumerate(result[::2]):
            assert view.record(index).leaf.subjects == (digest(f"{number}-{place}"),)
    assert parse_envelope(view.envelope_bytes(view.record(1)) or b"")
    store.close()
