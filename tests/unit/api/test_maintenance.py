from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import FaultsError, IntegrityError, NotaryError
from tests.unit.api.people import JOB, ORIGIN, digest, tamper

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


@pytest.fixture
def records(admin: Person, notary: Notary, tmp_path: Path) -> Notary:
    """A ledger with a record and a log."""
    admin.record("app", job=JOB)
    (tmp_path / "work" / "build.log").write_text("log")
    notary.put_log(JOB, "build.log")
    return notary


def test_status_says_where_the_ledger_stands(admin: Person, records: Notary) -> None:
    status = records.ledger.status()

    assert (status.origin, status.tree_size, status.trust_size) == (ORIGIN, 3, 1)
    assert status.vkey.startswith(ORIGIN)
    assert status.checkpoint.startswith(f"{ORIGIN}\n3\n")
    assert (status.engine, status.ledger) == ("sqlite", f"sqlite://{admin.ledger}")
    # No other servers than its own, so the JSON form has no list of them.
    assert {**status.to_dict(), "servers": ()} == status._asdict()


def test_sound_ledger_verifies(admin: Person, records: Notary) -> None:
    report = records.ledger.verify()

    assert report.is_sound
    assert admin.steps


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param({}, True, id="all"),
        pytest.param({"signatures": False}, True, id="no-signatures"),
        pytest.param({"bodies": False}, False, id="no-bodies"),
    ],
)
def test_bodies_are_hashed_unless_told_otherwise(
    admin: Person, records: Notary, options: dict[str, bool], *, found: bool
) -> None:
    (body,) = [
        one
        for one in admin.ledger.with_name("ledger.db.blobs").rglob("*")
        if one.is_file()
        and one.stat().st_size
        == min(
            other.stat().st_size
            for other in admin.ledger.with_name("ledger.db.blobs").rglob("*")
            if other.is_file()
        )
    ][:1]
    body.chmod(0o600)
    body.write_bytes(b"other")

    assert records.ledger.verify(**options).is_sound is not found


def test_altered_ledger_is_found(admin: Person, records: Notary) -> None:
    tamper(admin.ledger, "DELETE FROM subject_row WHERE at = 1")

    report = records.ledger.verify()

    assert not report.is_sound
    with pytest.raises(FaultsError) as caught:
        report.raise_findings()
    assert caught.value.exit_code == 65


def test_damaged_file_is_no_whole_sqlite_file(admin: Person, records: Notary) -> None:
    admin.close()
    data = bytearray(admin.ledger.read_bytes())
    half = len(data) // 2 // 4096 * 4096
    data[half : half + 3 * 4096] = b"\xff" * (3 * 4096)
    admin.ledger.write_bytes(data)

    def verify() -> None:
        records.ledger.verify().raise_findings()

    with pytest.raises(NotaryError) as caught:
        verify()
    assert caught.value.exit_code == 65


def test_broken_structure_is_named_with_the_advice_to_restore(
    records: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = type(records._session.store)
    monkeypatch.setattr(store, "quick_check", lambda _: [f"page {n}" for n in range(9)])

    with pytest.raises(IntegrityError, match="restore a backup") as caught:
        records.ledger.verify()
    assert caught.value.got == "page 0; page 1; page 2; page 3; page 4"


@pytest.mark.parametrize("full", [False, True], ids=["sample", "full"])
def test_auditor_sees_that_the_log_only_grows(
    admin: Person, records: Notary, tmp_path: Path, *, full: bool
) -> None:
    state = tmp_path / "state" / "audit.pin"

    first = records.ledger.audit(str(state), full=full)
    admin.record("b")
    second = records.ledger.audit(str(state), full=full)

    assert state.exists()
    assert first.pin != second.pin
    assert records.ledger.audit(str(state)).pin == second.pin


def test_auditor_finds_a_ledger_that_was_exchanged(
    admin: Person, reader: Person, records: Notary, tmp_path: Path
) -> None:
    state = str(tmp_path / "audit.pin")
    reader.notary().ledger.audit(state)
    size = records.ledger.status().tree_size
    admin.close()
    for path in admin.ledger.parent.glob("ledger.db*"):
        if path.is_file():
            path.unlink()
    for pin in (*admin.pins, *reader.pins):
        pin.unlink()
    admin.notary().ledger.init(origin=ORIGIN)
    for place in range(size):
        admin.record(f"other {place}")

    with pytest.raises(IntegrityError):
        reader.notary().ledger.audit(state)


def test_damaged_state_of_an_auditor_is_not_taken_for_none(
    records: Notary, tmp_path: Path
) -> None:
    (tmp_path / "audit.pin").write_text("noise")

    with pytest.raises(IntegrityError):
        records.ledger.audit(str(tmp_path / "audit.pin"))


def test_auditor_follows_a_rotated_key(
    admin: Person, records: Notary, tmp_path: Path
) -> None:
    state = str(tmp_path / "audit.pin")
    records.ledger.audit(state)
    records.ledger.rotate_key()
    admin.record("b")

    assert records.ledger.audit(state, full=True).pin is not None


def test_export_grows_with_the_ledger(
    admin: Person, records: Notary, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    records.ledger.export(str(folder))
    before = (folder / "checkpoint").read_bytes()
    admin.record("b")
    records.ledger.export(str(folder))

    after = (folder / "checkpoint").read_bytes()
    assert before != after == records.ledger.status().checkpoint.encode()
    assert digest("app")[7:].encode() in b"".join(
        one.read_bytes() for one in folder.rglob("*") if one.is_file()
    )
