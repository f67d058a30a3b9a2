from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import NotFoundError, PermissionDeniedError, UsageError
from jenkins_notary.ledger.author import format_time
from tests.unit.api.people import JOB, digest

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

EMAIL = "jane.doe@example.com"


@pytest.fixture
def records(admin: Person, notary: Notary, tmp_path: Path) -> Notary:
    """Records: #1 says an e-mail address, #2 none, #3's body holds it."""
    admin.record("a", reason=f"asked for by {EMAIL}")
    admin.record("b", reason="release")
    (tmp_path / "work" / "mail.log").write_text(f"From: {EMAIL.upper()}\n")
    notary.attach("mail.log", job=JOB, label="mail")
    return notary


def test_record_is_erased_by_its_index(admin: Person, records: Notary) -> None:
    done = records.ledger.erase([1], reason="asked for")

    assert (done.indexes, done.envelopes, done.bodies) == ((4,), 1, 0)
    assert records.inspect(digest("a"))[0].standing == "erased"
    assert admin.verdict("a") == "UNKNOWN"
    assert admin.verdict("b") == "TRUSTED"
    assert admin.is_sound()


def test_every_record_that_holds_a_text_is_erased(
    admin: Person, records: Notary
) -> None:
    done = records.ledger.erase(containing=EMAIL, reason="asked for")

    assert (done.envelopes, done.bodies) == (1, 1)
    assert records.ledger.status().tree_size == 5
    assert EMAIL.encode() not in admin.ledger.read_bytes()
    with pytest.raises(NotFoundError, match="no record that holds it"):
        records.ledger.erase(containing=EMAIL, reason="asked for")
    assert admin.is_sound()
    assert "search" in admin.steps


def test_indexes_and_text_add_up(records: Notary) -> None:
    done = records.ledger.erase([2, 1], containing=EMAIL, reason="asked for")

    assert done.envelopes == 2


@pytest.mark.parametrize(
    ("containing", "reason"),
    [
        pytest.param(EMAIL, f"remove {EMAIL}", id="same"),
        pytest.param(EMAIL, f"remove {EMAIL.title()}", id="other-case"),
        pytest.param("STRASSE", "remove Straße 7", id="folded"),
    ],
)
def test_reason_must_not_hold_the_text(
    records: Notary, containing: str, reason: str
) -> None:
    with pytest.raises(UsageError, match="without the text") as caught:
        records.ledger.erase(containing=containing, reason=reason)

    assert containing not in str(caught.value)
    assert records.ledger.status().tree_size == 4


@pytest.mark.parametrize(
    ("indexes", "containing", "reason", "kind"),
    [
        pytest.param([], None, "why", UsageError, id="nothing-named"),
        pytest.param([1], None, " ", UsageError, id="no-reason"),
        pytest.param([], "ab", "why", UsageError, id="text-too-short"),
        pytest.param([0], None, "why", UsageError, id="genesis"),
        pytest.param([99], None, "why", NotFoundError, id="no-such-record"),
        pytest.param([], "nobody", "why", NotFoundError, id="text-nowhere"),
    ],
)
def test_wrong_erasure_is_refused(  # noqa: PLR0917 - fixtures and the row
    records: Notary,
    indexes: list[int],
    containing: str | None,
    reason: str,
    kind: type[Exception],
) -> None:
    with pytest.raises(kind):
        records.ledger.erase(indexes, containing=containing, reason=reason)

    assert records.ledger.status().tree_size == 4


def test_erasing_twice_records_it_once(records: Notary) -> None:
    records.ledger.erase([1], reason="asked for")

    again = records.ledger.erase([1], reason="asked for")

    assert (again.envelopes, again.bodies) == (0, 0)


def test_strangers_erase_nothing_but_their_own(reader: Person, records: Notary) -> None:
    own = reader.record("theirs")

    with pytest.raises(PermissionDeniedError):
        reader.notary().ledger.erase([1], reason="why")
    assert reader.notary().ledger.erase([own], reason="why").envelopes == 1
    assert records.inspect(digest("a"))[0].standing == "enrolled"


def test_interrupted_erasure_is_finished(
    admin: Person, records: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jenkins_notary.engines.sqlite import SqliteStore

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "erase", die)
        with pytest.raises(KeyboardInterrupt):
            records.ledger.erase([1], reason="asked for")
    assert records.inspect(digest("a"))[0].standing == "enrolled"
    done = records.ledger.resume_erasures()

    assert done.envelopes == 1
    assert records.inspect(digest("a"))[0].standing == "erased"
    assert admin.notary().ledger.resume_erasures().envelopes == 0
    assert admin.is_sound()


def test_pruning_destroys_old_bodies_and_keeps_the_proofs(
    admin: Person, records: Notary
) -> None:
    view = records._session.view()
    when = format_time(view.leaf(3)[1].at_ms + 1)
    assert records.ledger.prune(before=when, labels=["other"]).bodies == 0
    done = records.ledger.prune(before=when, labels=["mail"])

    assert done.bodies == 1
    assert admin.is_sound()
    assert records.ledger.prune(before=when).bodies == 0


def test_young_bodies_are_not_pruned(records: Notary) -> None:
    assert records.ledger.prune(before="2000-01-01T00:00:00Z").bodies == 0


@pytest.mark.parametrize("before", ["42", "soon", ""])
def test_pruning_needs_a_time(records: Notary, before: str) -> None:
    with pytest.raises(UsageError):
        records.ledger.prune(before=before)


def test_only_an_administrator_prunes(reader: Person, records: Notary) -> None:
    reader.record("theirs")
    before = records.ledger.status().tree_size

    with pytest.raises(PermissionDeniedError, match="an administrator's key"):
        reader.notary().ledger.prune(before="2999-01-01T00:00:00Z")
    assert records.ledger.status().tree_size == before
