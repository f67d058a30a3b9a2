"""The keys that sign for builds: made once, enrolled, kept from others."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.errors import ConfigurationError
from jenkins_notary.keys.pem import generate_signer
from jenkins_notary.service.builds.classes import BuildsSection, ProtectedBranches
from jenkins_notary.service.builds.signing import ClassKeys, keys_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "payments/api/main#1"
SECTION = BuildsSection(
    protected=(ProtectedBranches("payments", ("main",), "payments"),)
)


class Place:
    """A ledger, and the keys of a service on it."""

    def __init__(self, folder: Path, *administrators: str) -> None:
        self.notary = Notary(str(folder / "ledger.db"), environ={"HOME": str(folder)})
        if administrators:
            other = Notary(
                str(folder / "ledger.db"),
                environ={"HOME": str(folder)},
                co_keys=administrators,
            )
            other.ledger.init(threshold=2)
            other.close()
        else:
            self.notary.ledger.init()
        self.told: list[str] = []
        self.folder = keys_path(str(folder / "ledger.db"))
        self.keys = self.open()

    def open(self, section: BuildsSection = SECTION) -> ClassKeys:
        return ClassKeys(self.folder, section, lambda _, text: self.told.append(text))

    def sign(self, kind: str, folder: str = "payments", job: str = JOB) -> str:
        session = self.notary._session
        return self.keys.for_build(session, job, folder, kind).keyid

    def orgs(self, signer: str) -> tuple[str, ...]:
        self.notary._session.refresh()
        found = {one.signer: one for one in self.notary.signers.list()}
        return found[signer].orgs


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path)
    yield one
    one.notary.close()


def test_each_folder_and_class_has_a_key_of_its_own(place: Place) -> None:
    kinds = ("protected", "branch", "change", "weak")
    found = {place.sign(kind, folder) for kind in kinds for folder in ("a", "b")}

    assert len(found) == 8
    assert place.notary._session.signer().keyid not in found
    assert {place.sign(kind, "a") for kind in kinds} < found


def test_keys_are_of_their_owner_alone(place: Place) -> None:
    place.sign("branch")
    (name,) = os.listdir(place.folder)

    assert stat.S_IMODE(os.stat(place.folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(os.path.join(place.folder, name)).st_mode) == 0o600


def test_key_that_others_may_read_signs_nothing(place: Place) -> None:
    place.sign("branch")
    (name,) = os.listdir(place.folder)
    os.chmod(os.path.join(place.folder, name), 0o644)
    place.keys = place.open()

    with pytest.raises(ConfigurationError):
        place.sign("branch")


def test_only_protected_joins_the_org_and_persons_do(place: Place) -> None:
    protected, branch = place.sign("protected"), place.sign("branch")
    person = place.keys.for_person(place.notary._session).keyid

    assert (place.orgs(protected), place.orgs(branch)) == (("payments",), ())
    assert place.orgs(person) == ("payments",)


def test_org_that_is_named_later_is_joined_then(place: Place) -> None:
    plain = BuildsSection(protected=(ProtectedBranches("payments", ("main",)),))
    place.keys = place.open(plain)
    before = place.sign("protected")
    assert place.orgs(before) == ()
    place.keys = place.open()

    assert place.sign("protected") == before
    assert place.orgs(before) == ("payments",)


def test_key_is_the_same_for_the_next_process_and_enrolled_once(place: Place) -> None:
    first = place.sign("branch")
    size = place.notary.ledger.status().tree_size
    place.keys = place.open()

    assert place.sign("branch") == first
    assert place.notary.ledger.status().tree_size == size


def test_revoked_key_signs_no_more_until_its_file_is_gone(place: Place) -> None:
    revoked = place.sign("branch")
    place.notary.signers.revoke(revoked)
    with pytest.raises(ConfigurationError) as caught:
        place.sign("branch")
    assert "revoked" in str(caught.value)
    for name in os.listdir(place.folder):
        os.unlink(os.path.join(place.folder, name))
    place.keys = place.open()

    assert place.sign("branch") != revoked


def test_several_administrators_are_told_once_what_to_enrol(tmp_path: Path) -> None:
    generate_signer(str(tmp_path / "bob.pem"))
    place = Place(tmp_path, str(tmp_path / "bob.pem"))
    signer = place.sign("protected")
    place.sign("protected")

    known = {one.signer for one in place.notary.signers.list()}
    assert signer not in known
    (told,) = place.told
    assert signer in told
    place.notary.close()
