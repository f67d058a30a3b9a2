from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.receipts import ReceiptView
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.ledger.receipts import (
    EXTRA_LIMIT,
    RECEIPTS_KEPT,
    check_receipt,
    make_receipt,
)
from jenkins_notary.tlog.receipt import format_receipt, parse_receipt
from jenkins_notary.values.canonical import canonical_json
from jenkins_notary.values.statement import Subject
from jenkins_notary.values.status import Status
from tests.unit.ledger.ledgers import ORIGIN, Ledger, digest, log_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.ledger.receipts import CheckedReceipt


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """A ledger: #1 app, #2 a record of 100 subjects, #3 lib, #4 app untrusted."""
    made = Ledger()
    made.add("app")
    subjects = [Subject(f"f{place}", digest(f"f{place}")) for place in range(100)]
    made.append(made.author().sign("notarization", subjects, {"status": "TRUSTED"}))
    made.add("lib")
    made.add("app", "UNTRUSTED", reason="CVE")
    return made


def receipt_of(ledger: Ledger, index: int) -> bytes:
    return make_receipt(ledger.view(), index)


def envelope_of(ledger: Ledger, index: int) -> bytes:
    view = ledger.view()
    data = view.envelope_bytes(view.record(index))
    assert data is not None
    return data


def check(ledger: Ledger, data: bytes, envelope: bytes | None = None) -> CheckedReceipt:
    return check_receipt(data, ledger.verifiers, envelope=envelope)


def with_extra(data: bytes, extra: bytes | None) -> bytes:
    return format_receipt(parse_receipt(data)._replace(extra=extra))


def test_receipt_of_a_short_leaf_proves_it_alone(ledger: Ledger) -> None:
    checked = check(ledger, receipt_of(ledger, 1))

    assert checked.index == 1
    assert checked.leaf.subjects == (digest("app"),)
    assert checked.leaf.status is Status.TRUSTED
    assert (checked.checkpoint.origin, checked.checkpoint.size) == (ORIGIN, 5)
    assert checked.envelope is None
    assert checked.statement is None


def test_receipt_with_its_envelope_proves_the_statement(ledger: Ledger) -> None:
    checked = check(ledger, receipt_of(ledger, 1), envelope_of(ledger, 1))

    assert checked.statement is not None
    assert checked.statement.job_id == "ci.example.com:payments/main#42"
    assert checked.envelope is not None


def test_leaf_of_many_subjects_is_made_again_from_the_envelope(ledger: Ledger) -> None:
    entry, leaf = ledger.view().leaf(2)
    data = receipt_of(ledger, 2)

    checked = check(ledger, data, envelope_of(ledger, 2))

    assert len(entry) > EXTRA_LIMIT
    assert parse_receipt(data).extra == canonical_json({"at": leaf.at_ms, "v": 1})
    assert checked.leaf == leaf
    assert len(checked.leaf.subjects) == 100


def test_leaf_of_many_subjects_needs_its_envelope(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="envelope") as caught:
        check(ledger, receipt_of(ledger, 2))

    assert caught.value.exit_code == 64


def test_old_receipts_hold_when_the_log_has_grown() -> None:
    ledger = Ledger()
    ledger.add("app")
    data = receipt_of(ledger, 1)
    ledger.fill(300)

    assert check(ledger, data).checkpoint.size == 2
    assert check(ledger, receipt_of(ledger, 1)).checkpoint.size == 302


@pytest.mark.parametrize("index", [1, 2], ids=["leaf", "commit-time"])
def test_every_changed_byte_is_refused(ledger: Ledger, index: int) -> None:
    data, envelope = receipt_of(ledger, index), envelope_of(ledger, index)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1

        with pytest.raises(IntegrityError):
            check(ledger, bytes(changed), envelope)


@pytest.mark.parametrize("index", [1, 2], ids=["leaf", "commit-time"])
def test_every_cut_is_refused(ledger: Ledger, index: int) -> None:
    data, envelope = receipt_of(ledger, index), envelope_of(ledger, index)
    for end in range(len(data)):
        with pytest.raises(IntegrityError):
            check(ledger, data[:end], envelope)
    with pytest.raises(IntegrityError):
        check(ledger, data[1:], envelope)
    with pytest.raises(IntegrityError):
        check(ledger, data + data, envelope)


def test_every_changed_byte_of_the_envelope_is_refused(ledger: Ledger) -> None:
    data, envelope = receipt_of(ledger, 2), envelope_of(ledger, 2)
    for place in range(0, len(envelope), 7):
        changed = bytearray(envelope)
        changed[place] ^= 1

        with pytest.raises(IntegrityError):
            check(ledger, data, bytes(changed))


@pytest.mark.parametrize("index", [1, 2], ids=["leaf", "commit-time"])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda ledger: envelope_of(ledger, 3), id="another-record"),
        pytest.param(lambda ledger: envelope_of(ledger, 0), id="another-type"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"{}", id="no-envelope"),
        pytest.param(lambda _: b"\xff" * 100, id="noise"),
    ],
)
def test_wrong_envelope_is_refused(
    ledger: Ledger, index: int, make: Callable[[Ledger], bytes]
) -> None:
    with pytest.raises(IntegrityError):
        check(ledger, receipt_of(ledger, index), make(ledger))


def test_receipt_of_another_log_is_refused(ledger: Ledger) -> None:
    other = Ledger(origin="ci.example.com/other")
    other.add("app")

    with pytest.raises(IntegrityError):
        check(ledger, receipt_of(other, 1))


def test_receipt_of_a_log_of_the_same_name_is_refused(ledger: Ledger) -> None:
    impostor = log_key(ORIGIN, number=1)

    with pytest.raises(IntegrityError):
        check_receipt(
            receipt_of(ledger, 1),
            [load_log_verifier(impostor.vkey)],
            envelope=None,
        )


@pytest.mark.parametrize("index", [0, 2, 3, 4, 5, 1 << 40])
def test_replayed_index_is_refused(ledger: Ledger, index: int) -> None:
    data = receipt_of(ledger, 1).replace(b"\nindex 1\n", b"\nindex %d\n" % index)

    with pytest.raises(IntegrityError):
        check(ledger, data)


def test_proof_of_another_record_is_refused(ledger: Ledger) -> None:
    one, other = (parse_receipt(receipt_of(ledger, index)) for index in (1, 3))

    with pytest.raises(IntegrityError):
        check(ledger, format_receipt(one._replace(proof=other.proof)))


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(None, id="none"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{", id="no-json"),
        pytest.param(b'{"at":1,"v":1}{"at":1,"v":1}', id="two"),
        pytest.param(b'{"at":true,"v":1}', id="boolean-time"),
        pytest.param(b'{"at":"1","v":1}', id="text-time"),
        pytest.param(b'{"at":1.5,"v":1}', id="fraction"),
        pytest.param(b'{"at":-1,"v":1}', id="negative-time"),
        pytest.param(b'{"at":1,"v":2}', id="other-version"),
        pytest.param(b'{"at":1,"v":1}', id="other-time"),
        pytest.param(b'{"at":1%s,"v":1}' % (b"0" * 400), id="endless-time"),
        pytest.param(b'{"at":1,"v":1,"w":1}', id="further-key"),
        pytest.param(b'{"at":1,"at":2,"v":1}', id="key-twice"),
        pytest.param(b'{"v":1}', id="no-time"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"\xff\xfe", id="no-text"),
    ],
)
def test_wrong_extra_is_refused(ledger: Ledger, extra: bytes | None) -> None:
    data = with_extra(receipt_of(ledger, 2), extra)

    with pytest.raises(IntegrityError):
        check(ledger, data, envelope_of(ledger, 2))


def test_leaf_of_another_record_in_extra_is_refused(ledger: Ledger) -> None:
    entry, _ = ledger.view().leaf(3)

    with pytest.raises(IntegrityError):
        check(ledger, with_extra(receipt_of(ledger, 1), entry))


def test_proven_entry_that_is_no_leaf_is_refused() -> None:
    """A log that signs what is no leaf proves nothing that this program reads."""
    from jenkins_notary.tlog.checkpoint import (
        Checkpoint,
        format_checkpoint,
        trust_extension,
    )
    from jenkins_notary.tlog.merkle import EMPTY_ROOT, hash_leaf
    from jenkins_notary.tlog.note import sign_note
    from jenkins_notary.tlog.receipt import Receipt

    key, entry = log_key(ORIGIN), b'{"at":"no time","v":1,"x":0}'
    trust = trust_extension(0, EMPTY_ROOT)
    checkpoint = Checkpoint(ORIGIN, 1, hash_leaf(entry), (trust,))
    note = sign_note(format_checkpoint(checkpoint), [key])
    data = format_receipt(Receipt(0, (), note, entry))

    with pytest.raises(IntegrityError, match="receipt leaf"):
        check_receipt(data, [load_log_verifier(key.vkey)], envelope=None)


@pytest.mark.parametrize("index", [1, 4], ids=["trusted-before", "untrusted"])
def test_what_is_said_of_a_receipt_is_the_past(ledger: Ledger, index: int) -> None:
    said = ReceiptView(check(ledger, receipt_of(ledger, index)), None).to_dict()

    assert said["proven"].startswith("was recorded")
    assert "only the ledger" in said["proven"]
    assert "now" not in str(said)
    assert "code" not in said
    assert "verdict" not in said


def test_view_keeps_only_the_last_receipts() -> None:
    ledger = Ledger()
    ledger.fill(RECEIPTS_KEPT + 2)
    view = ledger.view()
    made = [make_receipt(view, index) for index in range(RECEIPTS_KEPT + 3)]

    assert len(view.receipts) == RECEIPTS_KEPT
    assert [make_receipt(view, index) for index in range(len(made))] == made
