from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger import follow
from jenkins_notary.ledger.follow import check_rows, read_log
from jenkins_notary.ledger.view import open_view
from jenkins_notary.ports import Row
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.merkle import hash_leaf, root_of
from jenkins_notary.tlog.note import sign_note
from jenkins_notary.values.statement import Subject
from tests.unit.ledger.ledgers import VERIFIER, Ledger, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.ledger.view import LedgerView


class LyingStore(MemoryStore):
    """A store whose answers a test can replace."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_lie: Callable[[Sequence[Row]], Sequence[Row]] | None = None
        self.entries_lie: Callable[[int, list[bytes]], Sequence[bytes]] | None = None

    def rows(self, *args: Any, **kwargs: Any) -> Sequence[Row]:  # noqa: ANN401 - passed on
        rows = super().rows(*args, **kwargs)
        return rows if self.rows_lie is None else self.rows_lie(rows)

    def entries(self, log: Any, start: int, stop: int) -> Sequence[bytes]:  # noqa: ANN401 - passed on
        found = list(super().entries(log, start, stop))
        if self.entries_lie is None or log != "main":
            return found
        return self.entries_lie(start, found)


@pytest.fixture
def store() -> LyingStore:
    return LyingStore()


@pytest.fixture
def ledger(store: LyingStore) -> Ledger:
    """A ledger: #1 app, #2 lib, #3 lib untrusted, #4 an enrolment, #5 app again."""
    made = Ledger(store)
    made.add("app")
    made.add("lib")
    made.add("lib", "UNTRUSTED", reason="CVE")
    made.enrol("builder")
    made.add("app", by="builder")
    return made


def resign(ledger: Ledger, view: LedgerView, trust: Sequence[bytes]) -> LedgerView:
    """Return the view that the ledger's owner signs with another trust log."""
    extension = trust_extension(len(trust), root_of([hash_leaf(one) for one in trust]))
    checkpoint = Checkpoint(
        view.checkpoint.origin, view.size, view.checkpoint.root, (extension,)
    )
    note = sign_note(format_checkpoint(checkpoint), [ledger.key])
    ledger.store.publish(note, size=view.size)
    return open_view(ledger.store, ledger.verifiers, VERIFIER)


def test_whole_log_passes(ledger: Ledger) -> None:
    check_rows(ledger.view(), {digest("app"), digest("lib"), digest("unknown")})


def test_nothing_asked_for_still_checks_the_logs(ledger: Ledger) -> None:
    check_rows(ledger.view(), set())


def test_big_log_passes_and_is_read_once_page_by_page(
    store: LyingStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_PAGE", 100)
    ledger.fill(650)
    reads: list[tuple[int, int]] = []

    def count(start: int, found: list[bytes]) -> list[bytes]:
        reads.append((start, len(found)))
        return found

    view = ledger.view()
    store.entries_lie = count
    check_rows(view, {digest("app"), digest("f600")})

    assert [start for start, _ in reads] == [0, 100, 200, 300, 400, 500, 600]
    assert sum(size for _, size in reads) == 656


def test_read_log_yields_every_entry_with_its_index(ledger: Ledger) -> None:
    view = ledger.view()

    found = list(read_log(view))

    assert [index for index, _ in found] == list(range(6))
    assert [entry for _, entry in found] == [view.leaf(at)[0] for at in range(6)]


@pytest.mark.parametrize(
    ("lie", "name"),
    [
        pytest.param(lambda _: [], "app", id="all-left-out"),
        pytest.param(
            lambda rows: [one for one in rows if one.index != 5], "app", id="newest"
        ),
        pytest.param(
            lambda rows: [one for one in rows if one.index != 1], "app", id="oldest"
        ),
        pytest.param(
            lambda rows: [one for one in rows if one.index != 3], "lib", id="negative"
        ),
    ],
)
def test_row_that_was_left_out_is_found(
    store: LyingStore,
    ledger: Ledger,
    lie: Callable[[Sequence[Row]], Sequence[Row]],
    name: str,
) -> None:
    view = ledger.view()
    store.rows_lie = lie

    with pytest.raises(IntegrityError, match="row was left out or added") as caught:
        check_rows(view, {digest(name)})

    assert caught.value.exit_code == 65


def test_row_that_was_added_is_found(store: LyingStore, ledger: Ledger) -> None:
    view = ledger.view()
    key = bytes.fromhex(digest("unknown"))
    store.rows_lie = lambda _: [Row("subject", key, 1)]

    with pytest.raises(IntegrityError, match=r"records \[\].*got \[1\]"):
        check_rows(view, {digest("unknown")})


def test_record_that_names_a_digest_elsewhere_is_not_taken_for_one(
    ledger: Ledger,
) -> None:
    # The digest stands in the leaf's bytes as its envelope, not as a subject.
    envelope = ledger.view().leaf(1)[1].envelope_hex

    check_rows(ledger.view(), {envelope})


@pytest.mark.parametrize("left_out", [1, 2], ids=["untrust", "enrolment"])
def test_trust_entry_that_is_hidden_is_found(
    store: LyingStore, ledger: Ledger, left_out: int
) -> None:
    entries = list(store.entries("trust", 0, 10))
    del entries[left_out]

    hidden = resign(ledger, ledger.view(), entries)

    with pytest.raises(IntegrityError, match="hides or invents a verdict") as caught:
        check_rows(hidden, {digest("app")})
    assert caught.value.exit_code == 65


def test_trust_entry_that_is_invented_is_found(
    store: LyingStore, ledger: Ledger
) -> None:
    entries = list(store.entries("trust", 0, 10))

    invented = resign(ledger, ledger.view(), [*entries, entries[-1]])

    with pytest.raises(IntegrityError, match=r"the 3 records.*got 4 others"):
        check_rows(invented, set())


def test_trust_entries_in_another_order_are_found(
    store: LyingStore, ledger: Ledger
) -> None:
    entries = list(store.entries("trust", 0, 10))

    swapped = resign(ledger, ledger.view(), [entries[0], entries[2], entries[1]])

    with pytest.raises(IntegrityError, match="trust log"):
        check_rows(swapped, set())


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda *_: [], id="none"),
        pytest.param(lambda _, found: found[:-1], id="one-short"),
        pytest.param(lambda _, found: [*found, found[-1]], id="one-more"),
        pytest.param(lambda _, found: found[::-1], id="reversed"),
        pytest.param(
            lambda _, found: [one.replace(b"UNTRUSTED", b"TRUSTED") for one in found],
            id="changed",
        ),
    ],
)
def test_entries_that_are_not_the_signed_log_are_found(
    store: LyingStore,
    ledger: Ledger,
    lie: Callable[[int, list[bytes]], Sequence[bytes]],
) -> None:
    view = ledger.view()
    store.entries_lie = lie

    with pytest.raises(IntegrityError):
        check_rows(view, {digest("lib")})


def test_no_entry_counts_as_proven_before_the_end(
    store: LyingStore, ledger: Ledger
) -> None:
    view = ledger.view()
    store.entries_lie = lambda _, found: found[::-1]
    reading = read_log(view)

    assert next(reading)[0] == 0
    with pytest.raises(IntegrityError, match="main log"):
        list(reading)


def test_earlier_view_asks_for_its_own_rows_only(ledger: Ledger) -> None:
    earlier = ledger.view().at_size(3)

    check_rows(earlier, {digest("app"), digest("lib")})


def test_earlier_view_finds_a_row_that_was_left_out(
    store: LyingStore, ledger: Ledger
) -> None:
    earlier = ledger.view().at_size(3)
    store.rows_lie = lambda rows: [one for one in rows if one.index != 1]

    with pytest.raises(IntegrityError, match="records"):
        check_rows(earlier, {digest("app")})


def test_words_of_the_trust_log_in_other_records_change_nothing(
    ledger: Ledger,
) -> None:
    # A leaf holds no free text, so a statement cannot plant a mark in it.
    ledger.append(
        ledger.author().sign(
            "notarization",
            [Subject('"status":"UNTRUSTED"', digest("odd"))],
            {"status": "TRUSTED", "reason": '"type":"trust"'},
        )
    )

    check_rows(ledger.view(), {digest("odd")})


def test_superseding_record_is_in_the_trust_log(ledger: Ledger) -> None:
    ledger.add("lib", supersedes=[3], reason="patched")

    check_rows(ledger.view(), {digest("lib")})
