from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import (
    HeadMovedError,
    IntegrityError,
    StorageError,
    UnavailableError,
)
from jenkins_notary.keys.log_key import LogSigner, load_log_verifier
from jenkins_notary.ledger import sequencer as sequencer_module
from jenkins_notary.ledger.genesis import append_genesis
from jenkins_notary.ledger.sequencer import Sequencer, read_head
from jenkins_notary.ports import Head
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.values.leaf import format_leaf, parse_leaf
from tests.unit.trust.builders import (
    ORIGIN,
    VERIFIER,
    Log,
    author,
    digest,
    forge,
    notarization,
    sid,
    sign_predicate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.ports import Batch


def app(name: str = "app") -> bytes:
    return notarization("TRUSTED", [name])


class FlakyStore(MemoryStore):
    """A store in which a test decides what happens around a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.before_commit: Callable[[], None] = lambda: None
        self.before_publish: Callable[[], None] = lambda: None

    def commit(self, batch: Batch, *, onto: Head | None) -> None:
        self.before_commit()
        super().commit(batch, onto=onto)

    def publish(self, checkpoint: bytes, *, size: int) -> None:
        self.before_publish()
        super().publish(checkpoint, size=size)


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore()


@pytest.fixture
def log(store: FlakyStore) -> Log:
    made = Log(store)
    made.enrol("ci")
    return made


def fail(error: BaseException) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


def test_the_checkpoint_names_both_logs(log: Log) -> None:
    log.note("TRUSTED", "app")
    log.note("UNTRUSTED", "app")

    checkpoint = log.view().checkpoint

    assert checkpoint.origin == log.sequencer.origin == ORIGIN
    assert (checkpoint.size, checkpoint.trust.size) == (4, 3)


class TestCrash:
    def test_a_head_ahead_of_the_checkpoint_is_proven_and_published(
        self, log: Log, store: FlakyStore
    ) -> None:
        store.before_publish = fail(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            log.note("TRUSTED", "app")
        behind = log.view().size
        store.before_publish = lambda: None

        (index,) = log.append(app("other"))

        assert behind == 2
        assert index == 3
        assert log.view().size == 4
        assert log.status("app") == "TRUSTED"

    def test_what_was_committed_is_not_recorded_twice(
        self, log: Log, store: FlakyStore
    ) -> None:
        envelope = app()
        store.before_publish = fail(StorageError("disk"))
        with pytest.raises(StorageError, match="1 records are in the log, from #"):
            log.append(envelope)
        store.before_publish = lambda: None

        (again,) = log.sequencer.append([envelope])

        assert (again.index, again.is_new) == (2, False)
        assert log.view().size == 3

    def test_a_store_that_died_in_its_first_commit_goes_on(
        self, store: FlakyStore
    ) -> None:
        log = Log(store, begin=False)
        store.before_publish = fail(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            append_genesis(log.sequencer, author("admin"), ORIGIN)
        store.before_publish = lambda: None

        log.append(app())

        assert log.view().size == 2
        assert log.view().trust().origin == ORIGIN

    def test_a_checkpoint_is_never_signed_for_a_lost_commit(
        self, log: Log, store: FlakyStore
    ) -> None:
        before = store.checkpoint()
        store.before_commit = fail(StorageError("disk", got="full"))

        with pytest.raises(StorageError):
            log.append(app())

        assert store.checkpoint() == before
        assert log.view().size == 2


class TestRaces:
    def test_a_lost_race_is_built_again(self, log: Log, store: FlakyStore) -> None:
        other = log.another()
        raced: list[int] = []

        def overtake() -> None:
            if len(raced) < 3:
                raced.append(1)
                store.before_commit, kept = lambda: None, store.before_commit
                other.append([app(f"first{len(raced)}")])
                store.before_commit = kept

        store.before_commit = overtake

        (index,) = log.append(app())

        assert index == 5
        assert log.view().size == 6

    def test_a_statement_that_the_winner_recorded_is_not_recorded_again(
        self, log: Log, store: FlakyStore
    ) -> None:
        other, envelope = log.another(), app()

        def overtake() -> None:
            store.before_commit = lambda: None
            other.append([envelope])

        store.before_commit = overtake

        (appended,) = log.sequencer.append([envelope])

        assert (appended.index, appended.is_new) == (2, False)
        assert log.view().size == 3

    def test_a_commit_between_the_two_reads_of_the_head_is_no_alarm(
        self, log: Log, store: FlakyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raced: list[int] = []

        def overtake(read: Callable[[], Any]) -> Callable[[], Any]:
            def reading() -> object:
                value = read()
                if len(raced) < 4:
                    raced.append(1)
                    log.another().append([app(f"first{len(raced)}")])
                return value

            return reading

        monkeypatch.setattr(store, "checkpoint", overtake(store.checkpoint))
        monkeypatch.setattr(store, "head", overtake(store.head))

        log.append(app())

        assert len(raced) == 4
        assert log.view().size == 7

    def test_races_lost_for_too_long_are_told(
        self, log: Log, store: FlakyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sequencer_module, "DEADLINE_S", 0.05)
        store.before_commit = fail(HeadMovedError("head"))

        with pytest.raises(UnavailableError, match="other writers were always first"):
            log.append(app())


class TestGroups:
    def test_a_failure_of_the_store_reaches_every_caller(
        self, log: Log, store: FlakyStore
    ) -> None:
        store.before_commit = fail(StorageError("disk", got="full"))
        errors: list[BaseException] = []

        self.run(log, errors, 4)

        assert [type(one) for one in errors] == [StorageError] * 4
        assert log.view().size == 2

    def test_an_interrupt_of_the_leader_is_not_the_others_own(
        self, log: Log, store: FlakyStore
    ) -> None:
        entered, gate = threading.Event(), threading.Event()

        def hold() -> None:
            entered.set()
            gate.wait(10)
            store.before_commit = fail(KeyboardInterrupt())

        store.before_commit = hold
        errors: list[BaseException] = []
        first = threading.Thread(target=log.append, args=(app("first"),))
        first.start()
        entered.wait(10)
        threads = self.start(log, errors, 4)
        while len(log.sequencer._queue) < 4:
            threading.Event().wait(0.001)
        gate.set()
        for one in (first, *threads):
            one.join()

        assert sorted(type(one).__name__ for one in errors) == [
            "KeyboardInterrupt",
            *["UnavailableError"] * 3,
        ]

    def run(self, log: Log, errors: list[BaseException], count: int) -> None:
        for one in self.start(log, errors, count):
            one.join()

    def start(
        self, log: Log, errors: list[BaseException], count: int
    ) -> list[threading.Thread]:
        def work(number: int) -> None:
            try:
                log.append(app(f"app{number}"))
            except BaseException as error:  # noqa: BLE001 - what came is looked at
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
        for one in threads:
            one.start()
        return threads


class TestPoison:
    """What a hostile envelope can hold must not fail those who wait beside it."""

    @pytest.mark.parametrize(
        "predicate",
        [
            {"aliases": 7},
            {"aliases": ["a/b#1", None, {}, "https://x.example/job/a/1/"]},
            {"aliases": ["x#1"] * 100_000},
            {"job": {"id": "\ud800#1"}},
            {"job": {"id": "a" * 100_000 + "#1"}},
            {"job": {"id": "a/b#9999999999999999999"}},
            {"assets": 7, "signer": 7, "recordId": []},
            {"supersedes": list(range(1 << 52, (1 << 52) + 1000))},
        ],
        ids=lambda value: f"{value}"[:30],
    )
    def test_an_odd_statement_is_recorded(
        self, log: Log, predicate: dict[str, object]
    ) -> None:
        (index,) = log.append(sign_predicate("notarization", predicate, "ci"))

        assert log.view().record(index).statement is not None
        assert len(list(log.store.scan_rows("name"))) <= 100


class TestAuthors:
    @pytest.fixture
    def strict(self, log: Log) -> Sequencer:
        return Sequencer(
            log.store, log.signer, log.verifiers, log.clock, authors=VERIFIER
        )

    def test_records_by_their_own_signer_are_taken(self, strict: Sequencer) -> None:
        assert strict.append([app()])[0].is_new

    def test_a_forged_signer_is_refused(self, log: Log, strict: Sequencer) -> None:
        forged = forge(notarization("UNTRUSTED", ["app"], ["stranger"]), sid("ci"))

        with pytest.raises(IntegrityError, match="envelope: expected the public key"):
            strict.append([app(), forged])
        assert log.view().size == 2


class TestAltered:
    def test_a_head_that_was_rolled_back_is_refused(
        self, log: Log, store: FlakyStore
    ) -> None:
        old = store.head()
        log.append(app())
        store._head = old

        with pytest.raises(IntegrityError, match="main head: expected at least 3"):
            log.append(app("other"))

    def test_a_head_that_vanished_is_refused(self, log: Log, store: FlakyStore) -> None:
        store._head = None

        with pytest.raises(IntegrityError, match="head: expected the head"):
            log.append(app())

    @pytest.mark.parametrize("which", ["main", "trust"])
    def test_a_head_of_another_tree_is_refused(
        self, log: Log, store: FlakyStore, which: str
    ) -> None:
        other = Frontier().append([hash_leaf(b"x"), hash_leaf(b"y")]).encode()
        head = store.head()
        assert head is not None
        store._head = (
            head._replace(main=other) if which == "main" else head._replace(trust=other)
        )

        with pytest.raises(IntegrityError, match=f"{which} head: expected the signed"):
            log.append(app())

    def test_a_longer_head_that_is_not_the_signed_log_is_refused(
        self, log: Log, store: FlakyStore
    ) -> None:
        log.append(app())
        published = store._checkpoint
        log.append(app("second"))
        store._checkpoint = published
        entries = store._entries["main"]
        leaf = parse_leaf(entries[1])
        entries[1] = format_leaf(leaf._replace(at_ms=leaf.at_ms + 1))
        forged = Frontier().append([hash_leaf(entry) for entry in entries])
        assert store._head is not None
        store._head = store._head._replace(main=forged.encode())

        with pytest.raises(IntegrityError, match="main head: expected the log that"):
            log.append(app("third"))

    def test_a_head_that_is_not_of_the_stored_entries_is_refused(
        self, log: Log, store: FlakyStore
    ) -> None:
        published = store._checkpoint
        log.append(app())
        store._checkpoint = published
        store._entries["main"][-1] += b" "

        with pytest.raises(IntegrityError, match="main head"):
            log.append(app("third"))

    def test_a_damaged_head_is_refused(self, log: Log, store: FlakyStore) -> None:
        store._head = Head(b"xx", b"", 0)

        with pytest.raises(IntegrityError, match="frontier"):
            log.append(app())

    def test_a_checkpoint_of_another_key_is_refused(
        self, log: Log, store: FlakyStore
    ) -> None:
        other = LogSigner(ORIGIN, Ed25519PrivateKey.generate())
        writer = Sequencer(store, other, [load_log_verifier(other.vkey)], log.clock)

        with pytest.raises(IntegrityError, match="no known key has signed it"):
            writer.append([app()])
        assert log.view().size == 2

    def test_a_statement_row_that_leads_nowhere_is_found(
        self, log: Log, store: FlakyStore
    ) -> None:
        envelope = app()
        log.append(envelope)
        store._rows["statement"] = [(key, 99) for key, _ in store._rows["statement"]]

        with pytest.raises(
            IntegrityError, match="statement row of #99: expected a rec"
        ):
            log.append(envelope)

    def test_a_statement_row_that_leads_to_another_record_is_found(
        self, log: Log, store: FlakyStore
    ) -> None:
        envelope = notarization("UNTRUSTED", ["app"])
        log.append(envelope)
        store._rows["statement"] = [(key, 0) for key, _ in store._rows["statement"]]

        with pytest.raises(IntegrityError, match="statement row of #0"):
            log.append(envelope)

    def test_an_erased_statement_keeps_its_place(
        self, log: Log, store: FlakyStore
    ) -> None:
        envelope = app()
        (index,) = log.append(envelope)
        leaf = log.view().leaf(index)[1]
        store.erase([bytes.fromhex(leaf.envelope_hex)], [])

        (again,) = log.sequencer.append([envelope])

        assert (again.index, again.is_new) == (index, False)


def test_a_new_store_has_empty_frontiers(store: FlakyStore) -> None:
    head, main, trust = read_head(store, [])

    assert head is None
    assert (main.size, trust.size) == (0, 0)


def test_rows_lead_from_every_key_to_the_record(log: Log, store: FlakyStore) -> None:
    index = log.note("TRUSTED", "app", job={"id": "ci.example.com:a/b#7"})

    kinds = {kind: list(store.scan_rows(kind)) for kind in ("job", "name", "signer")}

    assert [row.index for row in kinds["job"]] == [index]
    assert [row.key[:3] for row in kinds["name"]] == [b"a/b"]
    assert bytes.fromhex(sid("ci")[2:]) in {row.key for row in kinds["signer"]}
    assert list(log.view().find_digest(digest("app"))) == [index]


def test_the_published_note_opens_with_the_ledgers_key_alone(log: Log) -> None:
    note = log.store.checkpoint()
    opened = open_checkpoint(note, log.verifiers)

    assert opened.checkpoint.size == 2
    assert len(opened.note.verified) == 1
