from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.api.people import ORIGIN, Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jenkins_notary.api.notary import Notary


@pytest.fixture
def meet(tmp_path: Path) -> Iterator[Callable[[str], Person]]:
    """Return a person by name; all of them use one ledger."""
    met: dict[str, Person] = {}

    def person(name: str) -> Person:
        if name not in met:
            met[name] = Person(tmp_path / name, tmp_path / "data" / "ledger.db")
        return met[name]

    yield person
    for one in met.values():
        one.close()


@pytest.fixture
def newcomer(
    meet: Callable[[str], Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Person:
    """Somebody who has no ledger and no key yet, in an empty folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return meet("admin")


@pytest.fixture
def admin(newcomer: Person) -> Person:
    """The administrator of a new ledger, which stays open."""
    newcomer.notary().ledger.init(origin=ORIGIN)
    newcomer.notices.clear()
    return newcomer


@pytest.fixture
def reader(admin: Person, meet: Callable[[str], Person]) -> Person:
    """Somebody else, who has not seen the ledger yet."""
    assert admin.log_key.exists()
    return meet("reader")


@pytest.fixture
def notary(admin: Person) -> Notary:
    """What the administrator has open."""
    return admin.notary()
