from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.unit.api.people import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from jenkins_notary.api.results import Check
    from tests.unit.api.people import Person


def checks(person: Person) -> dict[str, Check]:
    """Return every check by its name."""
    return {one.name: one for one in person.notary().doctor()}


def failed(person: Person) -> set[str]:
    """Return the names of the checks that failed."""
    return {name for name, one in checks(person).items() if not one.ok}


def test_all_is_well_for_the_administrator(admin: Person) -> None:
    found = checks(admin)

    assert failed(admin) == set()
    assert len(found) == 9
    assert "1 records, as pinned" in found["ledger"].found
    assert "enrolled with level 1" in found["enrolment"].found
    assert "this user can write" in found["ledger key"].found
    assert "not made yet" in found["bodies"].found
    assert "MiB free" in found["disk"].found
    assert found["version"].to_dict()["code"] == 0


def test_doctor_makes_nothing(newcomer: Person) -> None:
    found = checks(newcomer)

    assert found["signing key"].ok
    assert "none yet" in found["signing key"].found
    assert "no key yet" in found["enrolment"].found
    assert found["ledger"].code == 66
    assert found["ledger"].advice
    assert found["disk"].ok
    assert not newcomer.ledger.exists()
    assert not newcomer.ledger.parent.exists()
    assert not newcomer.key.exists()


def test_reader_without_the_ledger_key_is_told_so(
    admin: Person, reader: Person
) -> None:
    admin.log_key.unlink()

    found = checks(reader)

    assert found["ledger key"].ok
    assert "not write to it" in found["ledger key"].found
    assert found["enrolment"].ok


def test_signer_that_does_not_count_is_told_what_to_ask_for(reader: Person) -> None:
    signer = reader.notary().generate_key().signer

    found = checks(reader)

    assert failed(reader) == {"enrolment"}
    assert f"signer enrol {signer}" in found["enrolment"].advice


def test_one_fault_hides_no_other(admin: Person, meet: Callable[[str], Person]) -> None:
    admin.pins[0].write_text("noise")
    admin.key.write_text("noise")

    found = checks(admin)

    assert found["ledger"].code == 65
    assert found["signing key"].code == 78
    assert found["disk"].ok
    assert failed(meet("other")) == set()


def test_wrong_ledger_key_is_found(admin: Person) -> None:
    admin.log_key.write_text("noise")

    assert checks(admin)["ledger key"].code == 78


def test_bodies_are_found(admin: Person) -> None:
    admin.ledger.with_name("ledger.db.blobs").mkdir()

    assert "not made yet" not in checks(admin)["bodies"].found


def test_clock_that_is_behind_the_ledger_is_found(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.record("app")
    opened = admin.notary()
    monkeypatch.setattr(opened._session.clock, "now_ms", lambda: 1000, raising=False)

    found = {one.name: one for one in opened.doctor()}

    assert not found["clock"].ok
    assert "set the clock" in found["clock"].advice


def test_older_copy_is_found(admin: Person) -> None:
    admin.close()
    shutil.copy(admin.ledger, admin.home / "older.db")
    admin.record("app")
    admin.close()
    shutil.copy(admin.home / "older.db", admin.ledger)

    assert checks(admin)["ledger"].code == 65
    assert digest("app")
