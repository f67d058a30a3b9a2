from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.audit import audit_ledger
from tests.unit.ledger.ledgers import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence


def draw(population: int, count: int) -> Sequence[int]:
    """Return a sample that is the same in each run."""
    return random.Random(7).sample(range(population), count)


@pytest.fixture
def ledger() -> Ledger:
    """A ledger with a negative record and some others."""
    made = Ledger()
    made.add("lib", "UNTRUSTED")
    made.fill(20)
    return made


def test_the_first_round_pins_what_it_read(ledger: Ledger) -> None:
    found = audit_ledger(ledger.view(), None, ledger.key.vkey)

    assert (found.old_size, found.size, found.records) == (0, 22, 22)
    assert found.pin == ledger.pin()
    assert found.to_dict()["checkpoint"] == ledger.view().note.decode()


def test_a_later_round_proves_growth_and_reads_what_came(ledger: Ledger) -> None:
    pin = audit_ledger(ledger.view(), None, ledger.key.vkey).pin
    ledger.add("lib2", "UNTRUSTED")
    ledger.fill(0)

    found = audit_ledger(ledger.view(), pin, ledger.key.vkey, sample=draw, samples=5)

    assert (found.old_size, found.size, found.records) == (22, 23, 6)
    assert (found.old_trust_size, found.trust_size) == (2, 3)
    assert found.old_root_hex != found.root_hex


def test_nothing_new_is_no_fault(ledger: Ledger) -> None:
    found = audit_ledger(ledger.view(), ledger.pin(), ledger.key.vkey, sample=draw)

    assert found.old_root_hex == found.root_hex
    assert found.records == 22


def test_progress_ends_at_the_number_of_records(ledger: Ledger) -> None:
    seen: list[tuple[str, int, int]] = []
    audit_ledger(
        ledger.view(),
        None,
        ledger.key.vkey,
        progress=lambda *step: seen.append(step),
    )

    assert seen[-1] == ("records", 22, 22)


def test_a_log_that_was_rolled_back_is_refused(ledger: Ledger) -> None:
    older = ledger.view()
    ledger.add("later")

    with pytest.raises(IntegrityError, match="at least 23 records"):
        audit_ledger(older, ledger.pin(), ledger.key.vkey)


def test_a_fork_is_refused(ledger: Ledger) -> None:
    fork = Ledger()
    fork.fill(40)

    with pytest.raises(IntegrityError):
        audit_ledger(fork.view(), ledger.pin(), ledger.key.vkey)


def test_another_log_is_refused(ledger: Ledger) -> None:
    other = Ledger(origin="other.example.com/log")
    other.fill(40)

    with pytest.raises(IntegrityError, match=r"other\.example\.com"):
        audit_ledger(other.view(), ledger.pin(), other.key.vkey)


def test_a_changed_record_is_found(ledger: Ledger) -> None:
    pin = ledger.pin()
    key = bytes.fromhex(ledger.view().leaf(5)[1].envelope_hex)
    ledger.store._envelopes[key] = b"{}"

    with pytest.raises(IntegrityError, match="record #5"):
        audit_ledger(ledger.view(), pin, ledger.key.vkey)
