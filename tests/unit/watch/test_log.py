from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.watch.log import ServiceLog
from tests.unit.ledger.ledgers import Ledger, digest
from tests.unit.watch.services import LedgerService

if TYPE_CHECKING:
    from jenkins_notary.ports import LogName, RowKind


@pytest.fixture
def service() -> LedgerService:
    """A service on a ledger of 601 records."""
    ledger = Ledger()
    ledger.fill(599)
    ledger.add("bad", "UNTRUSTED")
    return LedgerService(ledger)


def open_log(service: LedgerService) -> ServiceLog:
    """Return the reader of a service."""
    connect: Any = lambda: service  # noqa: E731 - it stands for the class
    return ServiceLog(connect)


def test_it_reads_what_the_store_holds(service: LedgerService) -> None:
    log, store = open_log(service), service.ledger.store

    assert log.checkpoint() == store.checkpoint()
    ranges: list[tuple[LogName, int, int]] = [
        ("main", 0, 601),
        ("main", 250, 262),
        ("trust", 0, 9),
    ]
    for name, start, stop in ranges:
        assert list(log.entries(name, start, stop)) == list(
            store.entries(name, start, stop)
        )
    assert log.entries("main", 601, 700) == []
    for tile in ((0, 0, 256), (0, 2, 89), (1, 0, 2)):
        assert log.tile("main", *tile) == store.tile("main", *tile)


def test_entries_are_read_before_anybody_asked_for_the_checkpoint(
    service: LedgerService,
) -> None:
    assert len(open_log(service).entries("main", 0, 3)) == 3


def test_a_tile_beyond_the_log_has_no_bytes(service: LedgerService) -> None:
    assert open_log(service).tile("main", 0, 7, 256) == b""


def test_a_service_without_a_checkpoint_has_none(service: LedgerService) -> None:
    service.ledger.store.checkpoint = lambda: None
    log = open_log(service)

    assert log.checkpoint() is None
    assert log.entries("main", 0, 5) == []


def test_envelopes_that_are_read_in_order_come_with_those_that_follow(
    service: LedgerService,
) -> None:
    log = open_log(service)
    view = service.ledger.view()
    leaves = [leaf for _, leaf in view.leaves(range(256))]
    log.entries("main", 0, 256)
    for leaf in leaves:
        name = bytes.fromhex(leaf.envelope_hex)
        assert log.envelopes([name])[name]

    assert service.asked.count("/envelopes") == 4


def test_an_envelope_that_is_asked_for_alone_comes_alone(
    service: LedgerService,
) -> None:
    seen: list[int] = []

    def count(path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if path == "/envelopes":
            seen.append(len(value["envelopes"]))
        return value

    service.bend_answer = count
    log = open_log(service)
    log.entries("main", 0, 256)
    _, leaf = service.ledger.view().leaf(77)
    log.envelopes([bytes.fromhex(leaf.envelope_hex)])

    assert seen == [1]


def test_an_envelope_that_is_gone_is_left_out(service: LedgerService) -> None:
    assert open_log(service).envelopes([bytes(32)]) == {}


def test_what_did_not_fit_into_an_answer_is_asked_for_again(
    service: LedgerService,
) -> None:
    def cut(path: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if path == "/envelopes":
            name = next(iter(value["envelopes"]))
            return {"envelopes": {name: value["envelopes"][name]}}
        return value

    service.bend_answer = cut
    leaves = service.ledger.view().leaves(range(3))
    names = [bytes.fromhex(leaf.envelope_hex) for _, leaf in leaves]

    assert list(open_log(service).envelopes(names)) == names


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"envelopes": []},
        {"envelopes": {}},
        {"envelopes": {"other": "x"}},
    ],
    ids=str,
)
def test_an_answer_without_any_envelope_ends_the_asking(
    service: LedgerService, answer: object
) -> None:
    service.bend_answer = lambda *_: answer

    with pytest.raises(IntegrityError, match="answer of the service"):
        open_log(service).envelopes([bytes(32)])


def test_an_envelope_must_be_a_text(service: LedgerService) -> None:
    service.bend_answer = lambda *_: {"envelopes": {"00" * 32: 7}}

    with pytest.raises(IntegrityError, match="an envelope's text"):
        open_log(service).envelopes([bytes(32)])


def test_the_records_that_name_a_digest_are_found_page_by_page(
    service: LedgerService,
) -> None:
    name = bytes.fromhex(digest("bad"))
    log, key = open_log(service), exact_range(name)
    service.ledger.add("bad", "UNTRUSTED")
    forward = [row.index for row in log.rows("subject", *key, limit=9)]
    first = log.rows("subject", *key, limit=1, newest_first=True)
    rest = log.rows(
        "subject",
        *key,
        limit=9,
        after=(name, first[0].index),
        newest_first=True,
    )

    assert forward == [600, 601]
    assert [row.index for row in (*first, *rest)] == [601, 600]
    assert log.rows("subject", *key, limit=9, after=(name, 600))[0].index == 601
    assert log.rows("subject", *exact_range(bytes(32)), limit=9) == []


def test_pages_of_records_are_followed(service: LedgerService) -> None:
    def shorten(_: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        if len(value["records"]) > 1:
            last = value["records"][-1]
            return {"records": [last], "next": last["index"]}
        return value

    service.ledger.add("bad", "UNTRUSTED")
    service.bend_answer = shorten
    key = exact_range(bytes.fromhex(digest("bad")))

    found = open_log(service).rows("subject", *key, limit=9)

    assert [row.index for row in found] == [600, 601]


@pytest.mark.parametrize(
    "answer",
    [
        {"records": None},
        {"records": ["x"]},
        {"records": [{"index": -1}]},
        {"records": [{"index": True}]},
        {"records": [], "next": "a"},
    ],
    ids=str,
)
def test_records_of_another_form_are_refused(
    service: LedgerService, answer: object
) -> None:
    service.bend_answer = lambda *_: answer

    with pytest.raises(IntegrityError, match="answer of the service"):
        open_log(service).rows(
            "subject", *exact_range(bytes.fromhex(digest("bad"))), limit=9
        )


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("name", b"a", b"b"), ("subject", bytes(32), bytes(31) + b"\1")],
)
def test_other_rows_are_the_services_own(
    service: LedgerService, kind: RowKind, low: bytes, high: bytes
) -> None:
    with pytest.raises(UsageError, match="rows of a service"):
        open_log(service).rows(kind, low, high, limit=1)
