from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.engines.memory import MemoryStore
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.ledger import view as view_module
from jenkins_notary.ledger.pins import Pin, check_pin
from jenkins_notary.ledger.view import open_view, parse_as_of
from jenkins_notary.ports import Row
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    TreeHead,
    format_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.merkle import EMPTY_ROOT, hash_leaf, root_of
from jenkins_notary.tlog.note import sign_note
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.leaf import (
    format_leaf,
    format_trust_entry,
    parse_leaf,
    parse_trust_entry,
)
from jenkins_notary.values.statement import Subject
from jenkins_notary.values.status import Status
from tests.unit.trust.builders import (
    ORIGIN,
    VERIFIER,
    Log,
    author,
    digest,
    enrolment,
    forge,
    notarization,
    sid,
    sign_predicate,
    trust_act,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class LyingStore(MemoryStore):
    """A store whose rows a test can replace."""

    def __init__(self) -> None:
        super().__init__()
        self.lie: Callable[[Sequence[Row]], Sequence[Row]] | None = None
        self.reads = 0

    def rows(self, *args: Any, **kwargs: Any) -> Sequence[Row]:  # noqa: ANN401 - passed on
        rows = super().rows(*args, **kwargs)
        self.reads += 1
        return rows if self.lie is None else self.lie(rows)


@pytest.fixture
def log() -> Log:
    made = Log(LyingStore())
    made.enrol("ci", 1, "acme")
    made.enrol("security", 5, "acme")
    return made


def resign(log: Log, trust_entries: Sequence[bytes] | None = None) -> None:
    """Sign what the store holds, as a host with the ledger's key can."""
    main = log.store._entries["main"]
    if trust_entries is not None:
        log.store._entries["trust"] = list(trust_entries)
    trust = log.store._entries["trust"]
    checkpoint = Checkpoint(
        ORIGIN,
        len(main),
        root_of([hash_leaf(entry) for entry in main]),
        (trust_extension(len(trust), root_of([hash_leaf(one) for one in trust])),),
    )
    note = sign_note(format_checkpoint(checkpoint), [log.signer])
    log.store._checkpoint = (checkpoint.size, note)


class TestOpen:
    def test_a_store_without_checkpoint_is_not_found(self) -> None:
        with pytest.raises(NotFoundError, match="none yet"):
            Log(begin=False).view()

    def test_a_checkpoint_of_another_key_is_refused(self, log: Log) -> None:
        with pytest.raises(IntegrityError, match="no known key"):
            open_view(log.store, Log().verifiers, VERIFIER)

    def test_a_view_does_not_see_what_is_recorded_later(self, log: Log) -> None:
        view = log.view()
        log.note("TRUSTED", "app")

        assert view.verdict(digest("app"), TrustRule()).status is Status.UNKNOWN
        assert list(view.find_digest(digest("app"))) == []
        with pytest.raises(NotFoundError, match="record #3"):
            view.record(3)


class TestTimeTravel:
    def test_a_view_at_a_size_says_what_was_known_then(self, log: Log) -> None:
        first = log.note("TRUSTED", "app", by="security")
        log.note("UNTRUSTED", "app", by="security")
        now = log.view()
        then = now.at_size(first + 1)

        assert then.verdict(digest("app"), TrustRule()).status is Status.TRUSTED
        assert now.verdict(digest("app"), TrustRule()).status is Status.UNTRUSTED
        assert then.root() != now.root() == now.checkpoint.root
        assert now.at_size(now.size).root() == now.root()

    def test_later_enrolments_and_revocations_are_not_seen(self, log: Log) -> None:
        first = log.note("TRUSTED", "app")
        log.append(trust_act("revoke", signerId=sid("ci"), fromIndex=first))

        assert log.status("app") == "REVOKED"
        then = log.view().at_size(first + 1)
        assert then.verdict(digest("app"), TrustRule()).status is Status.TRUSTED
        assert log.view().at_size(1).trust().signers.keys() == {sid("admin")}

    @pytest.mark.parametrize("size", [-1, 0, 4, 1 << 60])
    def test_a_size_that_never_was_is_not_found(self, log: Log, size: int) -> None:
        with pytest.raises(NotFoundError, match="1 to 3"):
            log.view().at_size(size)

    def test_a_time_finds_what_was_committed_up_to_it(self, log: Log) -> None:
        index = log.note("TRUSTED", "app")
        view = log.view()
        at_ms = view.leaf(index)[1].at_ms

        assert view.at_time(at_ms).size == index + 1
        assert view.at_time(at_ms - 1).size == index
        assert view.at_time(1 << 50).size == view.size
        with pytest.raises(NotFoundError, match="ledger at that time"):
            view.at_time(5)

    def test_a_record_that_was_erased_later_is_erased_in_earlier_views(
        self, log: Log
    ) -> None:
        index = log.note("TRUSTED", "app")
        size = log.view().size
        erased = log.view().record(index).leaf.envelope_hex
        (at,) = log.append(erasure_of(erased))
        log.store.erase([bytes.fromhex(erased)], [])

        early = log.view().at_size(size)

        assert early.record(index).erased_by == at
        assert log.view().record(index).erased_by == at
        verdict = early.verdict(digest("app"), TrustRule())
        assert verdict.status is Status.UNKNOWN

    def test_an_earlier_view_of_an_altered_log_is_refused(self, log: Log) -> None:
        log.append(*[notarization("TRUSTED", ["app"]) for _ in range(300)])
        view = log.view()
        log.store._tiles["main", 0, 0] = bytes(256 * 32)

        with pytest.raises(IntegrityError):
            view.at_size(100)


def erasure_of(envelope_hex: str) -> bytes:
    return author("admin").sign("erasure", [Subject("", envelope_hex)], {})


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("1", (1, None)),
        ("999999999999999", (999_999_999_999_999, None)),
        ("2026-01-02T03:04:05.001Z", (None, 1767323045001)),
        ("2026-01-02T03:04:05.999Z", (None, 1767323045999)),
        ("2026-01-02T04:04:05+01:00", (None, 1767323045000)),
        ("2026-01-02", (None, 1767312000000)),
        ("1960-01-01", (None, -315619200000)),
    ],
)
def test_as_of_is_a_size_or_a_time(
    text: str, parsed: tuple[int | None, int | None]
) -> None:
    assert parse_as_of(text) == parsed


@pytest.mark.parametrize("text", ["", "x", "-1", "1e3", "٣", "2026-13-01", "9" * 400])
def test_anything_else_is_no_as_of(text: str) -> None:
    with pytest.raises(UsageError, match="a tree size or an RFC 3339 time"):
        parse_as_of(text)


class TestRows:
    """Rows are hints of a stranger: each ends in proof, or in 65."""

    def lie(self, log: Log, *rows: Row) -> None:
        log.store.lie = lambda _: rows

    def test_a_row_that_leads_to_another_record_is_found(self, log: Log) -> None:
        log.note("TRUSTED", "app")
        self.lie(log, Row("subject", bytes.fromhex(digest("evil")), 3))

        with pytest.raises(IntegrityError, match="record #3, which does not"):
            log.view().verdict(digest("evil"), TrustRule())

    @pytest.mark.parametrize(
        "rows",
        [
            [Row("subject", bytes.fromhex(digest("app")), -1)],
            [Row("subject", bytes.fromhex(digest("other")), 3)],
            [Row("subject", b"", 3)],
            [
                Row("subject", bytes.fromhex(digest("app")), 3),
                Row("subject", bytes.fromhex(digest("app")), 4),
            ],
            [Row("subject", bytes.fromhex(digest("app")), 3)] * 2,
        ],
        ids=["negative", "another-key", "empty-key", "wrong-order", "twice"],
    )
    def test_rows_that_cannot_be_are_found(self, log: Log, rows: Sequence[Row]) -> None:
        log.note("TRUSTED", "app")
        log.note("TRUSTED", "app")
        self.lie(log, *rows)

        with pytest.raises(IntegrityError, match="subject row"):
            list(log.view().find_digest(digest("app")))

    def test_a_reader_that_repeats_its_page_is_found(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(view_module, "PAGE", 2)
        page = [Row("subject", bytes.fromhex(digest("app")), at) for at in (4, 3)]
        log.append(*[notarization("TRUSTED", ["app"]) for _ in range(2)])
        self.lie(log, *page)

        with pytest.raises(IntegrityError, match="in order"):
            list(log.view().find_digest(digest("app")))

    def test_a_row_behind_the_checkpoint_is_left_for_a_later_view(
        self, log: Log
    ) -> None:
        self.lie(log, Row("subject", bytes.fromhex(digest("app")), 3))

        assert list(log.view().find_digest(digest("app"))) == []
        assert log.status("app") == "UNKNOWN"

    def test_rows_are_read_page_by_page_in_both_directions(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(view_module, "PAGE", 2)
        log.append(*[notarization("TRUSTED", ["app"]) for _ in range(7)])
        key = bytes.fromhex(digest("app"))
        view = log.view()

        assert list(view.find("subject", key, key + b"\0")) == list(range(3, 10))
        assert list(view.find_digest(digest("app"))) == list(range(9, 2, -1))

    def test_a_left_out_row_never_hides_a_negative_record(self, log: Log) -> None:
        log.note("TRUSTED", "app", by="security")
        bad = log.note("UNTRUSTED", "app", by="security")
        log.store.lie = lambda rows: [row for row in rows if row.index != bad]

        assert log.status("app") == "UNTRUSTED"

    def test_left_out_rows_of_all_records_make_unknown(self, log: Log) -> None:
        log.note("TRUSTED", "app")
        self.lie(log)

        assert log.status("app") == "UNKNOWN"


class TestProof:
    def test_an_altered_entry_is_found(self, log: Log) -> None:
        index = log.note("UNTRUSTED", "app")
        entries = log.store._entries["main"]
        entries[index] = entries[index].replace(b"UNTRUSTED", b"TRUSTED")

        with pytest.raises(IntegrityError, match="inclusion of leaf 3"):
            log.view().leaf(index)

    def test_a_missing_entry_is_found(self, log: Log) -> None:
        view = log.view()
        log.store._entries["main"] = []

        with pytest.raises(IntegrityError):
            view.leaf(0)

    def test_an_exchanged_envelope_is_found(self, log: Log) -> None:
        index = log.note("TRUSTED", "app")
        key = bytes.fromhex(log.view().leaf(index)[1].envelope_hex)
        log.store._envelopes[key] = notarization("TRUSTED", ["other"])

        with pytest.raises(
            IntegrityError, match="record #3 envelope: expected SHA-256"
        ):
            log.status("app")

    def test_an_envelope_that_is_gone_without_erasure_is_found(self, log: Log) -> None:
        index = log.note("TRUSTED", "app")
        key = bytes.fromhex(log.view().leaf(index)[1].envelope_hex)
        log.store.erase([key], [])

        with pytest.raises(IntegrityError, match="no erasure record names it"):
            log.status("app")
        assert log.view().leaf(index)[1].status is Status.TRUSTED

    def test_another_record_that_names_the_envelope_is_no_erasure(
        self, log: Log
    ) -> None:
        index = log.note("TRUSTED", "app")
        envelope_hex = log.view().leaf(index)[1].envelope_hex
        log.append(author("ci").sign("attachment", [Subject("", envelope_hex)], {}))
        log.store.erase([bytes.fromhex(envelope_hex)], [])

        with pytest.raises(IntegrityError, match="no erasure record names it"):
            log.view().record(index)

    def test_entries_and_envelopes_are_handed_out_as_they_are(self, log: Log) -> None:
        envelope = notarization("TRUSTED", ["app"])
        (index,) = log.append(envelope)
        view = log.view()

        assert view.envelope_bytes(view.record(index)) == envelope
        assert list(view.read_entries(0, 9)) == log.store._entries["main"]
        assert [leaf.type for _, leaf in view.leaves([0, 3])] == [
            "trust",
            "notarization",
        ]


class TestTrustLog:
    def entries(self, log: Log) -> list[bytes]:
        return list(log.store._entries["trust"])

    @pytest.mark.parametrize("how", ["cut", "emptied", "altered", "swapped"])
    def test_a_trust_log_that_is_not_the_signed_one_is_found(
        self, log: Log, how: str
    ) -> None:
        log.note("UNTRUSTED", "app")
        entries = self.entries(log)
        log.store._entries["trust"] = {
            "cut": entries[:-1],
            "emptied": [],
            "altered": [*entries[:-1], entries[-1].replace(b"UNTRUSTED", b"TRUSTED")],
            "swapped": entries[::-1],
        }[how]

        with pytest.raises(IntegrityError, match="trust log: expected the signed root"):
            log.status("app")

    def test_an_entry_whose_index_points_to_another_record_is_found(
        self, log: Log
    ) -> None:
        bad = log.note("UNTRUSTED", "app")
        log.note("TRUSTED", "app")
        entries = self.entries(log)
        _, leaf = parse_trust_entry(entries[-1])
        resign(log, [*entries[:-1], format_trust_entry(bad + 1, leaf)])

        with pytest.raises(IntegrityError, match="expected the leaf of the main log"):
            log.status("app")

    def test_an_entry_whose_index_is_behind_the_log_is_found(self, log: Log) -> None:
        log.note("UNTRUSTED", "app")
        log.note("TRUSTED", "app")
        entries = self.entries(log)
        _, leaf = parse_trust_entry(entries[-1])
        resign(log, [*entries[:-1], format_trust_entry(1000, leaf)])

        with pytest.raises(IntegrityError, match="trust log entry of record #1000"):
            log.status("app")

    @pytest.mark.parametrize("order", [(0, 1, 1, 2), (0, 2, 1)], ids=["twice", "mixed"])
    def test_trust_records_out_of_order_are_found(
        self, log: Log, order: Sequence[int]
    ) -> None:
        entries = self.entries(log)
        resign(log, [entries[place] for place in order])

        with pytest.raises(IntegrityError, match="in the order of the main log"):
            log.view().trust()

    def test_a_trust_log_without_genesis_lets_nobody_speak(self, log: Log) -> None:
        log.note("TRUSTED", "app")
        resign(log, [])

        assert log.view().trust().origin == ""
        assert log.status("app") == "UNKNOWN"

    def test_a_missing_genesis_before_other_trust_records_is_found(
        self, log: Log
    ) -> None:
        resign(log, self.entries(log)[1:])

        with pytest.raises(IntegrityError, match="genesis"):
            log.view().trust()

    def test_the_genesis_of_another_log_is_found(self, log: Log) -> None:
        other = Log(origin="copy.example.com/1", begin=False)
        kept = [log.view().envelope_bytes(log.view().record(at)) for at in range(3)]
        other.append(*[one for one in kept if one])

        with pytest.raises(IntegrityError, match="expected its own genesis"):
            other.view().trust()

    def test_trust_records_by_anybody_are_listed_and_change_nothing(
        self, log: Log
    ) -> None:
        (index,) = log.append(trust_act("enrol", ["evil"], **enrolment("evil", 9)))
        log.note("TRUSTED", "app", by="evil")

        assert [one.index for one in log.view().trust().ignored] == [index]
        assert log.status("app") == "UNKNOWN"


class TestLinks:
    def test_an_older_record_with_a_link_is_found_behind_a_newer_one_without(
        self, log: Log
    ) -> None:
        log.note("TRUSTED", "index", "config", by="security")
        log.note("UNTRUSTED", "config", by="security")
        log.note("TRUSTED", "other", by="security")
        for _ in range(3):
            log.note("TRUSTED", "index", by="security")

        assert log.status("index") == "UNTRUSTED"
        assert log.status("other") == "TRUSTED"

    @pytest.mark.parametrize(
        "rule",
        [TrustRule(), TrustRule(org="acme"), TrustRule(keys=(sid("security"),))],
        ids=["levels", "org", "keys"],
    )
    def test_older_records_are_read_only_if_they_may_link(
        self, log: Log, rule: TrustRule
    ) -> None:
        log.append(
            *[notarization("TRUSTED", ["app"], ["security"]) for _ in range(600)]
        )
        log.store.reads = 0

        assert log.status("app", rule) == "TRUSTED"
        assert log.store.reads == 1

    def test_a_record_with_a_status_and_no_subject_links_nothing(
        self, log: Log
    ) -> None:
        log.append(author("security").sign("notarization", [], {"status": "UNTRUSTED"}))
        log.note("TRUSTED", "app")

        assert log.status("app") == "TRUSTED"

    def test_an_envelope_of_the_same_digest_is_no_subject(self, log: Log) -> None:
        bad = log.note("UNTRUSTED", "app", by="security")
        envelope_hex = log.view().leaf(bad)[1].envelope_hex
        subject = [Subject("the envelope itself", envelope_hex)]
        facts = {"status": "UNSUPPORTED"}
        log.append(author("security").sign("notarization", subject, facts))

        verdict = log.view().verdict(envelope_hex, TrustRule())

        assert verdict.status is Status.UNSUPPORTED
        assert [record.index for record in verdict.records] == [bad + 1]

    def test_the_history_holds_all_that_can_matter(self, log: Log) -> None:
        first = log.note("TRUSTED", "index", "config", by="stranger")
        log.note(None, "index")
        second = log.note("TRUSTED", "index")
        third = log.note("UNTRUSTED", "config", by="security")
        log.note("TRUSTED", "config")

        history = log.view().history(digest("index"))

        assert [record.index for record in history] == [first, second, third]


class TestStanding:
    def test_it_names_how_the_signer_stands(self, log: Log) -> None:
        first = log.note("TRUSTED", "a")
        stranger = log.note("TRUSTED", "b", by="stranger")
        gone = log.note("TRUSTED", "c")
        envelope_hex = log.view().leaf(gone)[1].envelope_hex
        log.append(
            trust_act("revoke", signerId=sid("ci"), fromIndex=stranger),
            erasure_of(envelope_hex),
        )
        last = log.note("TRUSTED", "d")
        log.store.erase([bytes.fromhex(envelope_hex)], [])
        view = log.view()

        found = [
            view.standing(one) for one in view.records([first, stranger, gone, last])
        ]

        assert found == ["enrolled", "not enrolled", "erased", "revoked"]

    def test_a_signer_without_a_key_is_only_not_enrolled(self, log: Log) -> None:
        (index,) = log.append(sign_predicate("log", {}, "stranger"))

        assert log.view().standing(log.view().record(index)) == "not enrolled"

    def test_a_bad_signature_is_found(self, log: Log) -> None:
        (index,) = log.append(forge(notarization("TRUSTED", ["a"]), sid("security")))

        with pytest.raises(IntegrityError, match="a good signature"):
            log.view().standing(log.view().record(index))


class TestConsistency:
    def pin(self, log: Log) -> Pin:
        return Pin(log.signer.vkey, log.view().note)

    def test_a_log_that_has_grown_extends_its_pin(self, log: Log) -> None:
        pin = self.pin(log)
        same = check_pin(pin, log.view())
        log.note("UNTRUSTED", "app")

        assert not same
        assert check_pin(pin, log.view())

    def test_a_log_that_was_rolled_back_is_found(self, log: Log) -> None:
        old = log.store._checkpoint
        log.note("TRUSTED", "app")
        pin = self.pin(log)
        log.store._checkpoint = old

        with pytest.raises(IntegrityError, match="expected at least 4 records"):
            check_pin(pin, log.view())

    def test_a_log_that_was_forked_is_found(self, log: Log) -> None:
        log.note("TRUSTED", "app")
        pin = self.pin(log)
        entries = log.store._entries["main"]
        leaf = parse_leaf(entries[3])
        entries[3] = format_leaf(leaf._replace(at_ms=leaf.at_ms + 1))
        resign(log)

        with pytest.raises(IntegrityError, match="consistency of tree size 4"):
            check_pin(pin, log.view())

    def test_a_trust_log_that_lost_a_record_is_found_though_the_log_grew(
        self, log: Log
    ) -> None:
        log.note("TRUSTED", "app", by="security")
        log.note("UNTRUSTED", "app", by="security")
        pin = self.pin(log)
        log.note("TRUSTED", "other")
        resign(log, log.store._entries["trust"][:-1])
        log.store.lie = lambda rows: [row for row in rows if row.index != 4]

        assert log.status("app") == "TRUSTED"
        with pytest.raises(IntegrityError, match="trust log: expected at least 4"):
            check_pin(pin, log.view())

    def test_a_trust_log_that_was_rewritten_is_found(self, log: Log) -> None:
        log.note("UNTRUSTED", "app")
        pin = self.pin(log)
        log.note("UNTRUSTED", "other")
        entries = log.store._entries["trust"]
        resign(log, [*entries[:-2], entries[-1], entries[-1]])

        with pytest.raises(IntegrityError, match="consistency"):
            check_pin(pin, log.view())

    def test_a_pin_of_another_log_is_refused(self, log: Log) -> None:
        other = Log(origin="other.example.com/1")

        with pytest.raises(IntegrityError, match=r"pin of log\.example\.com/0a1b2c3d"):
            check_pin(Pin(other.signer.vkey, other.view().note), log.view())

    def test_an_empty_trust_log_extends_to_any(self, log: Log) -> None:
        log.view().check_trust_consistent(TreeHead(0, EMPTY_ROOT))

        with pytest.raises(IntegrityError):
            log.view().check_trust_consistent(TreeHead(0, bytes(32)))
