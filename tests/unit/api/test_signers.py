from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.signers import record_trust
from jenkins_notary.errors import (
    ConfigurationError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.values.query import Query
from tests.unit.api.people import ORIGIN, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


@pytest.fixture
def pem(reader: Person, tmp_path: Path) -> str:
    """The file of the reader's public key."""
    path = tmp_path / "reader.pub"
    path.write_text(reader.notary().generate_key().pem)
    return str(path)


@pytest.fixture
def theirs(reader: Person, pem: str) -> str:
    """The reader's signer id."""
    assert pem
    return reader.notary().show_key().signer


def size(notary: Notary) -> int:
    return notary.ledger.status().tree_size


def test_maker_is_administrator_and_first_signer(notary: Notary) -> None:
    (one,) = notary.signers.list()

    assert one.signer == notary.show_key().signer
    assert (one.level, one.orgs, one.administrator) == (1, (), True)
    assert (one.enrolled_at, one.revoked_from) == (0, None)


def test_signer_is_enrolled_by_its_pem(
    reader: Person, notary: Notary, pem: str, theirs: str
) -> None:
    reader.record("app")
    assert reader.verdict("app") == "UNKNOWN"
    record = notary.signers.enrol(pem, level=2, orgs=["acme", "tools"])

    assert record.record.leaf.type == "trust"
    assert (record.standing, record.receipt) == ("enrolled", None)
    one = notary.signers.list()[1]
    assert (one.signer, one.level, one.administrator) == (theirs, 2, False)
    assert set(one.orgs) == {"acme", "tools"}
    assert notary.signers.orgs()["acme"] == (theirs,)
    assert reader.verdict("app") == "TRUSTED"


def test_signer_is_enrolled_by_its_id_once_it_has_signed(
    reader: Person, notary: Notary, theirs: str
) -> None:
    with pytest.raises(NotFoundError, match="no record that it signed"):
        notary.signers.enrol(theirs)
    reader.record("app")
    notary.signers.enrol(theirs.upper().replace("X", "x"))

    assert reader.verdict("app") == "TRUSTED"
    # It is known now, without its record being looked for.
    notary.signers.enrol(theirs, level=3)
    assert notary.signers.list()[1].level == 3


def test_key_of_another_id_is_not_taken_from_a_record(
    reader: Person, notary: Notary, theirs: str, admin: Person
) -> None:
    """A forged row leads to a record that another signer signed."""
    from tests.unit.api.people import tamper

    assert reader is not admin
    raw = bytes.fromhex(theirs[2:])
    tamper(admin.ledger, "INSERT INTO signer_row VALUES (?, 0)", raw)

    with pytest.raises(NotFoundError):
        notary.signers.enrol(theirs)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        pytest.param("0x12", UsageError, id="short-id"),
        pytest.param("missing.pem", NotFoundError, id="missing"),
        pytest.param(".", UsageError, id="folder"),
        pytest.param("noise.pem", ConfigurationError, id="noise"),
    ],
)
def test_what_is_no_key_is_refused(
    notary: Notary, tmp_path: Path, word: str, kind: type[NotaryError]
) -> None:
    (tmp_path / "work" / "noise.pem").write_text("noise")

    with pytest.raises(kind):
        notary.signers.enrol(word)
    assert size(notary) == 1


@pytest.mark.parametrize("level", [-1, 1_000_001])
def test_level_out_of_range_is_refused_and_not_recorded(
    notary: Notary, pem: str, level: int
) -> None:
    with pytest.raises(UsageError, match="level"):
        notary.signers.enrol(pem, level=level)
    with pytest.raises(UsageError, match="level"):
        notary.signers.set_level(notary.show_key().signer, level)

    assert size(notary) == 1


def test_level_decides_whose_word_counts(  # noqa: PLR0917 - fixtures and the row
    admin: Person, reader: Person, notary: Notary, pem: str, theirs: str
) -> None:
    notary.signers.enrol(pem, level=1)
    notary.signers.set_level(notary.show_key().signer, 5)
    reader.record("app")
    admin.notary().untrust([digest("app")], reason="CVE")

    assert reader.verdict("app") == "UNTRUSTED"
    assert reader.verdict("app", keys=[theirs]) == "TRUSTED"


@pytest.mark.parametrize("org", ["", " ", "x" * 257, "a\nb", "\u202e"])
def test_org_has_a_printable_name(notary: Notary, pem: str, org: str) -> None:
    with pytest.raises(UsageError, match="org"):
        notary.signers.enrol(pem, orgs=[org])
    with pytest.raises(UsageError, match="org"):
        notary.signers.change_org(org, [notary.show_key().signer], joined=True)

    assert size(notary) == 1


def test_members_join_and_leave(admin: Person, notary: Notary) -> None:
    own = notary.show_key().signer
    notary.signers.change_org("acme", [own], joined=True)
    admin.record("app")
    assert notary.signers.orgs() == {"acme": (own,)}
    notary.signers.change_org("acme", [own], joined=False)
    admin.record("b")

    assert own not in notary.signers.orgs().get("acme", ())
    assert admin.verdict("b", org="acme") == "UNKNOWN"


def test_only_enrolled_signers_are_administered(notary: Notary, theirs: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: notary.signers.set_level(theirs, 2),
        lambda: notary.signers.change_org("acme", [theirs], joined=True),
        lambda: notary.signers.revoke(theirs),
    ]
    for act in acts:
        with pytest.raises(NotFoundError, match="not enrolled"):
            act()

    assert size(notary) == 1


def test_revoked_signer_does_not_count_from_an_index(
    reader: Person, notary: Notary, pem: str, theirs: str
) -> None:
    notary.signers.enrol(pem)
    reader.record("before")
    reader.record("after")
    notary.signers.revoke(theirs, from_index=3)

    assert reader.verdict("before") == "TRUSTED"
    assert reader.verdict("after") == "REVOKED"
    assert notary.signers.list()[1].revoked_from == 3


def test_revocation_without_an_index_is_from_now_on(
    reader: Person, notary: Notary, pem: str, theirs: str
) -> None:
    notary.signers.enrol(pem)
    reader.record("before")
    notary.signers.revoke(theirs)
    reader.record("after")

    assert reader.verdict("before") == "TRUSTED"
    assert reader.verdict("after") == "REVOKED"


@pytest.mark.parametrize("start", [-1, 0, 3, 99])
def test_revocation_starts_within_the_log(
    notary: Notary, pem: str, theirs: str, start: int
) -> None:
    notary.signers.enrol(pem)

    with pytest.raises(UsageError, match="--from"):
        notary.signers.revoke(theirs, from_index=start)


def test_last_administrator_is_not_revoked(notary: Notary) -> None:
    with pytest.raises(UsageError, match="first name others"):
        notary.signers.revoke(notary.show_key().signer)

    assert size(notary) == 1


# Administrators


def test_only_an_administrator_writes_trust_records(
    reader: Person, notary: Notary, pem: str, theirs: str
) -> None:
    own = notary.show_key().signer
    notary.signers.enrol(pem)
    before = size(notary)
    signers = reader.notary().signers

    for act in (
        lambda: signers.enrol(pem),
        lambda: signers.set_level(own, 2),
        lambda: signers.revoke(theirs),
        lambda: signers.change_org("acme", [own], joined=True),
        lambda: signers.set_administrators([pem]),
        reader.notary().ledger.rotate_key,
    ):
        with pytest.raises(PermissionDeniedError) as caught:
            act()
        assert caught.value.exit_code == 77
        assert own in caught.value.expected
    assert size(notary) == before


def test_threshold_of_two_needs_both_keys(
    newcomer: Person, meet: Callable[[str], Person]
) -> None:
    second, third = meet("second"), meet("third")
    for one in (second, third):
        one.notary().generate_key()
    alone = newcomer.notary()
    both = newcomer.notary(co_keys=[str(second.key)])
    both.ledger.init(origin=ORIGIN, threshold=2)
    own = alone.show_key().signer

    for few in (alone, newcomer.notary(co_keys=[str(third.key)])):
        with pytest.raises(PermissionDeniedError, match="2 of the administrators"):
            few.signers.set_level(own, 2)
    with pytest.raises(PermissionDeniedError):
        newcomer.notary(co_keys=[str(newcomer.key)]).signers.set_level(own, 2)
    record = both.signers.set_level(own, 2)
    assert record.record.envelope is not None
    assert len(record.record.envelope.signatures) == 2
    assert alone.signers.list()[0].level == 2
    assert newcomer.record("app") == 2


def test_missing_co_key_is_not_found(newcomer: Person) -> None:
    with pytest.raises(NotFoundError):
        newcomer.notary(co_keys=["missing.pem"]).ledger.init()


def test_administrators_are_replaced(
    reader: Person, notary: Notary, pem: str, theirs: str
) -> None:
    own = notary.show_key().signer
    notary.signers.set_administrators([pem])

    with pytest.raises(PermissionDeniedError):
        notary.signers.set_level(own, 2)
    reader.notary().signers.set_administrators([own, theirs], threshold=2)
    with pytest.raises(PermissionDeniedError):
        reader.notary().signers.set_level(own, 2)


@pytest.mark.parametrize("threshold", [0, -1, 2])
def test_threshold_must_be_reachable(notary: Notary, pem: str, threshold: int) -> None:
    with pytest.raises(UsageError, match="--threshold"):
        notary.signers.set_administrators([pem], threshold=threshold)

    assert size(notary) == 1


def test_record_that_orders_nothing_is_said_to_be_ignored(notary: Notary) -> None:
    with pytest.raises(UsageError, match="trust record #1"):
        record_trust(notary._session, {"action": "unheard-of"}, [])


def test_trust_record_of_another_log_does_not_count(
    notary: Notary, pem: str, theirs: str
) -> None:
    """A record that names its log cannot be replayed into another one."""
    notary.signers.enrol(pem)
    found = notary.evidence(Query(signer=notary.show_key().signer))
    assert found[-1].record.statement is not None

    assert found[-1].record.statement.predicate["origin"] == ORIGIN
    assert found[-1].record.statement.predicate["signerId"] == theirs
