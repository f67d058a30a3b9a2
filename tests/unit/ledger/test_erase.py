from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.ledger.erase import (
    erase,
    find_erasable,
    finish_erasures,
    prune_bodies,
    select_erasable,
)
from jenkins_notary.ledger.rows import exact_range, name_key
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.statement import Subject
from jenkins_notary.values.status import Status
from tests.unit.ledger.ledgers import VERIFIER, Ledger, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ledger.erase import Erasable, ErasureResult
    from jenkins_notary.ports import Appended, RowKind

EMAIL = "jane.doe@example.com"


@pytest.fixture
def ledger() -> Ledger:
    """A ledger with two records on a person."""
    made = Ledger()
    made.enrol("build")
    made.add("app", attributes={"author": EMAIL}, commit="c" * 40)
    made.add("other")
    made.attach(b"x" * 300_000 + b"Commit by Jane.Doe@example.COM\n")
    return made


def run(
    ledger: Ledger, chosen: Sequence[Erasable], *, by: str = "admin"
) -> ErasureResult:
    return erase(
        ledger.view(),
        ledger.sequencer,
        chosen,
        author=ledger.author(by),
        store=ledger.store,
        blobs=ledger.blobs,
        reason="a request of January",
    )


def everything(ledger: Ledger) -> bytes:
    """Return all bytes that the store and the bodies hold."""
    store: Any = ledger.store
    parts = [
        *store._entries["main"],
        *store._entries["trust"],
        *store._envelopes.values(),
    ]
    parts += [key for table in store._rows.values() for key, _ in table]
    parts += [c for kept in ledger.blobs._kept.values() for c in kept.chunks]  # type: ignore[union-attr]  # In memory here.
    return b"\n".join(parts).lower()


def test_a_text_is_found_in_statements_and_bodies(ledger: Ledger) -> None:
    found = find_erasable(ledger.view(), EMAIL.upper(), ledger.blobs)

    assert [one.index for one in found] == [2, 4]
    assert found[0].envelope_hex == ledger.view().leaf(2)[1].envelope_hex
    assert found[1].envelope_hex is None
    assert len(found[1].bodies) == 1


def test_a_text_is_found_across_chunks_and_behind_escapes() -> None:
    made = Ledger()
    made.attach(b"y" * (262_144 - 5) + EMAIL.encode() + b"z")
    made.add("app", attributes={"author": "Jürgen <j@example.com>"})
    payload = (
        b'{"_type":"https://in-toto.io/Statement/v1","subject":[],'
        b'"predicateType":"https://e.example/x","predicate":{"a":"j\\u0061ne@x.org"}}'
    )
    made.append(made.author().sign_payload(payload))

    def search(text: str) -> list[int]:
        found = find_erasable(made.view(), text, made.blobs)
        return [one.index for one in found]

    assert search(EMAIL) == [1]
    assert search("jürgen") == [2]
    assert search("jane@x.org") == [3]
    assert search("nobody@example.com") == []


def test_a_text_that_is_too_short_is_refused(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="three characters"):
        find_erasable(ledger.view(), " a ", ledger.blobs)


def test_what_is_erased_is_gone_and_the_ledger_is_sound(ledger: Ledger) -> None:
    chosen = find_erasable(ledger.view(), EMAIL, ledger.blobs)

    result = run(ledger, chosen)

    assert (result.indexes, result.envelopes, result.bodies) == ((5,), 1, 1)
    assert EMAIL.encode() not in everything(ledger)
    report = ledger.verify()
    assert (report.findings, report.erased) == ((), 1)
    record = ledger.view().record(2)
    assert (record.statement, record.erased_by) == (None, 5)
    assert find_erasable(ledger.view(), EMAIL, ledger.blobs) == []


def test_the_record_of_an_erasure_names_digests_and_no_person(ledger: Ledger) -> None:
    chosen = find_erasable(ledger.view(), EMAIL, ledger.blobs)
    run(ledger, chosen)

    record = ledger.view().record(5)
    assert record.statement is not None
    assert record.leaf.type == "erasure"
    assert {one.name for one in record.statement.subjects} == {""}
    assert record.statement.predicate["records"] == [2, 4]


def test_rows_of_names_go_and_those_of_the_leaf_stay(ledger: Ledger) -> None:
    run(ledger, select_erasable(ledger.view(), [2]))

    def indexes(kind: RowKind, key: bytes | None) -> list[int]:
        return list(ledger.view().find(kind, *exact_range(key or b"")))

    assert indexes("name", name_key("ci.example.com:payments/main#42")) == [3]
    assert indexes("commit", b"\xcc" * 20) == []
    assert indexes("subject", bytes.fromhex(digest("app"))) == [2]


def test_what_was_erased_is_not_recorded_again_when_handed_in(ledger: Ledger) -> None:
    envelope = ledger.author().sign("notarization", [], {"attributes": {"a": EMAIL}})
    (first,) = ledger.append(envelope)
    run(ledger, select_erasable(ledger.view(), [first.index]))

    (again,) = ledger.append(envelope)

    assert again == first._replace(is_new=False)
    assert ledger.view().record(first.index).statement is None
    assert ledger.verify().is_sound


def test_a_positive_record_that_was_erased_is_unknown(ledger: Ledger) -> None:
    run(ledger, select_erasable(ledger.view(), [2]))

    verdict = ledger.view().verdict(digest("app"), TrustRule())

    assert verdict.status is Status.UNKNOWN
    assert "erased by #5" in verdict.reason


def test_a_negative_record_that_was_erased_stands(ledger: Ledger) -> None:
    bad = ledger.add("app", "UNTRUSTED", reason=EMAIL)
    run(ledger, select_erasable(ledger.view(), [bad]))

    assert ledger.view().verdict(digest("app"), TrustRule()).status is Status.UNTRUSTED
    assert ledger.verify().is_sound


def test_trust_and_erasure_records_are_refused_by_name(ledger: Ledger) -> None:
    run(ledger, select_erasable(ledger.view(), [2]))

    with pytest.raises(UsageError, match=r"#0 \(trust\), #1 \(trust\), #5 \(erasure\)"):
        select_erasable(ledger.view(), [0, 1, 3, 5])
    assert ledger.view().size == 6


def test_an_unknown_record_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError, match="record #99"):
        select_erasable(ledger.view(), [99])


def test_a_stranger_may_not_erase_and_a_signer_its_own_only(ledger: Ledger) -> None:
    own = ledger.add("mine", by="build", attributes={"a": EMAIL})

    with pytest.raises(PermissionDeniedError, match="record #2"):
        run(ledger, select_erasable(ledger.view(), [2, own]), by="build")
    result = run(ledger, select_erasable(ledger.view(), [own]), by="build")

    assert result.envelopes == 1
    assert ledger.verify().is_sound


def test_a_reason_is_needed(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="reason"):
        erase(
            ledger.view(),
            ledger.sequencer,
            [],
            author=ledger.author(),
            store=ledger.store,
            blobs=None,
            reason=" ",
        )


def test_nothing_chosen_records_nothing(ledger: Ledger) -> None:
    assert run(ledger, []) == ((), 0, 0)


def test_many_subjects_are_split_over_records(ledger: Ledger) -> None:
    ledger.fill(600)
    chosen = select_erasable(ledger.view(), range(5, 605))

    result = run(ledger, chosen)

    assert (len(result.indexes), result.envelopes) == (2, 600)
    assert ledger.verify().erased == 600


def test_a_body_that_another_record_needs_is_kept(ledger: Ledger) -> None:
    first = ledger.attach(b"shared")
    second = ledger.attach(b"shared")

    kept = run(ledger, select_erasable(ledger.view(), [first]))
    gone = run(ledger, select_erasable(ledger.view(), [second]))

    assert (kept.bodies, gone.bodies) == (0, 1)
    assert ledger.verify().is_sound


def test_an_erasure_that_was_interrupted_is_finished(ledger: Ledger) -> None:
    chosen = find_erasable(ledger.view(), EMAIL, ledger.blobs)
    view, store = ledger.view(), ledger.store

    class Died(Exception):  # noqa: N818 - the process dies
        pass

    class Dying:
        reader = store

        def append(self, envelopes: Sequence[bytes]) -> Sequence[Appended]:
            ledger.append(*envelopes)
            raise Died

    with pytest.raises(Died):
        erase(
            view,
            Dying(),
            chosen,
            author=ledger.author(),
            store=store,
            blobs=ledger.blobs,
            reason="r",
        )
    assert EMAIL.encode() in everything(ledger)

    done = finish_erasures(ledger.view(), store, ledger.blobs, VERIFIER)
    again = finish_erasures(ledger.view(), store, ledger.blobs, VERIFIER)

    assert (done.indexes, done.envelopes, done.bodies) == ((5,), 1, 1)
    assert again == ((), 0, 0)
    assert EMAIL.encode() not in everything(ledger)
    assert ledger.verify().is_sound


def test_finishing_obeys_no_stranger_and_spares_trust_records(ledger: Ledger) -> None:
    trust_hex = ledger.view().leaf(1)[1].envelope_hex
    app_hex = ledger.view().leaf(2)[1].envelope_hex
    (body,) = ledger.blobs.scan()
    for by, sha in (
        ("stranger", app_hex),
        ("build", app_hex),
        ("build", body),
        ("admin", trust_hex),
    ):
        ledger.append(
            ledger.author(by).sign("erasure", [Subject("", sha)], {"reason": "r"})
        )

    done = finish_erasures(ledger.view(), ledger.store, ledger.blobs, VERIFIER)

    assert done == ((), 0, 0)


def test_a_signer_may_finish_what_erases_its_own_bodies(ledger: Ledger) -> None:
    own = ledger.attach(b"mine", by="build")
    (chosen,) = select_erasable(ledger.view(), [own])
    subjects = [Subject("", sha) for sha in chosen.bodies]
    ledger.append(
        ledger.author("build").sign(
            "erasure", subjects, {"reason": "r", "records": [own, 0, "x", -1]}
        )
    )

    done = finish_erasures(ledger.view(), ledger.store, ledger.blobs, VERIFIER)

    assert done.bodies == 1
    assert ledger.verify().is_sound


def test_a_lost_statement_row_stops_an_erasure(ledger: Ledger) -> None:
    chosen = select_erasable(ledger.view(), [2])
    ledger.store._rows["statement"].clear()

    with pytest.raises(IntegrityError, match="row that leads to its record"):
        run(ledger, chosen)


def test_old_bodies_are_pruned_and_young_and_shared_ones_kept() -> None:
    made = Ledger()
    made.attach(b"old log")
    made.attach(b"old report", label="report")
    made.attach(b"shared")
    cut = made.view().leaf(3)[1].at_ms + 1
    made.attach(b"shared")
    made.attach(b"young")

    result = prune_bodies(
        made.view(),
        made.sequencer,
        made.blobs,
        made.author(),
        before_ms=cut,
        labels={"log"},
    )
    again = prune_bodies(
        made.view(),
        made.sequencer,
        made.blobs,
        made.author(),
        before_ms=cut,
        labels={"log"},
    )

    assert (result.indexes, result.envelopes, result.bodies) == ((6,), 0, 1)
    assert again == ((), 0, 0)
    assert len(list(made.blobs.scan())) == 3
    assert made.verify().is_sound
    record = made.view().record(6)
    assert record.statement is not None
    assert record.statement.predicate["reason"] == "retention"


def test_only_an_administrator_prunes(ledger: Ledger) -> None:
    with pytest.raises(PermissionDeniedError):
        prune_bodies(
            ledger.view(),
            ledger.sequencer,
            ledger.blobs,
            ledger.author("build"),
            before_ms=1 << 50,
        )
