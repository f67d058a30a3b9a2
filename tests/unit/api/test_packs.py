from __future__ import annotations

import base64
import io
import tarfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.packs.making import make_pack, verify_pack
from jenkins_notary.api.session import Choices
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    UsageError,
)
from jenkins_notary.evidence.pack_archive import (
    ENVELOPE,
    FOLDER,
    HEAD,
    LEAF,
    PAGE,
    POLICY,
    PROOF,
    REPORT,
    TRUST,
    VERIFIER,
    _rank,
    record_name,
)
from jenkins_notary.evidence.pack_head import (
    BUILD,
    HELD,
    NOT_AS_SIGNED,
    NOT_KEPT,
    NOT_STORED,
    NOT_WANTED,
    PERIOD,
    RELEASE,
    PackHead,
    Selection,
)
from jenkins_notary.keys.log_key import generate_log_key
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.status import Status
from tests.unit.api.packed import BUILD_42, check, edit_head, pack, repack, unpack
from tests.unit.api.people import JOB, digest, foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.trust.record import ProvenRecord
    from tests.unit.api.people import Person

LOG = b"".join(b"line %d\n" % number for number in range(50_000))
OTHER = "ci.example.com:payments/other#7"


@pytest.fixture
def built(admin: Person, tmp_path: Path) -> Person:
    """The administrator, whose ledger has two builds, one with a log."""
    log = tmp_path / "build.log"
    log.write_bytes(LOG)
    admin.record("app.jar", job=JOB, attributes={"release": "1.2"})
    admin.notary().put_log(JOB, str(log))
    admin.record("other.jar", job=OTHER)
    return admin


def members(built: Person, selection: Selection = BUILD_42) -> dict[str, bytes]:
    """Return the members of a pack."""
    return unpack(pack(built.notary(), selection))


def test_pack_of_a_build_is_proven_with_no_ledger(built: Person) -> None:
    found = check(pack(built.notary()), built)

    assert found.checked.head.selected == (1, 2)
    assert [(o.name, o.status) for o in found.checked.artifacts] == [
        ("app.jar", Status.TRUSTED)
    ]
    assert found.checked.body_bytes == len(LOG)
    assert found.to_dict()["complete"] is None


def test_pack_is_the_same_bytes_each_time(built: Person) -> None:
    assert pack(built.notary()) == pack(built.notary())


def test_any_tar_unpacks_a_pack_and_finds_the_log_in_it(built: Person) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(built.notary()))) as archive:
        found = {
            one.name: archive.extractfile(one).read()  # type: ignore[union-attr]
            for one in archive.getmembers()
        }

    assert all(name.startswith(FOLDER) for name in found)
    assert LOG in found.values()
    assert found == {FOLDER + name: data for name, data in members(built).items()}


def test_pack_of_a_release_has_every_record_of_its_builds(built: Person) -> None:
    built.record("loose.jar", attributes={"release": "1.2"})

    for value, indexes in (("1.2", (1, 2, 4)), ("1.3", None)):
        selection = Selection(RELEASE, release=f"release={value}")
        if indexes is None:
            with pytest.raises(NotFoundError):
                pack(built.notary(), selection)
        else:
            found = check(pack(built.notary(), selection), built)
            assert found.checked.head.selected == indexes
            assert found.checked.is_complete is None


def test_release_is_found_in_its_folder_only(built: Person) -> None:
    built.record("x.jar", job="ci.example.com:shop/main#1", attributes={"release": 15})
    built.record("y.jar", job="ci.example.com:shop/main#2", attributes={"ok": True})

    for text, folder, indexes in (
        ("release=1.2", "payments", (1, 2)),
        ("ok=true", "shop", (5,)),
    ):
        selection = Selection(RELEASE, release=text, folder=folder)
        assert check(pack(built.notary(), selection), built).checked.head.selected == (
            indexes
        )
    with pytest.raises(NotFoundError):
        pack(built.notary(), Selection(RELEASE, release="release=1.2", folder="shop"))


def time_of(built: Person, index: int) -> str:
    """Return when a record was committed."""
    return format_time(built.notary()._session.view().leaf(index)[1].at_ms)


@pytest.fixture
def spread(admin: Person) -> Person:
    """The administrator, whose ledger has five records at five times."""
    for name in "abcde":
        time.sleep(0.003)
        admin.record(name, job=JOB)
    time.sleep(0.003)
    return admin


@pytest.mark.parametrize(
    ("first", "last"),
    [(2, 4), (0, 3), (3, None), (None, 4), (None, None)],
    ids=["middle", "genesis on", "to the end", "from the beginning", "all"],
)
def test_period_of_the_whole_log_is_proven_to_be_complete(
    spread: Person, first: int | None, last: int | None
) -> None:
    selection = Selection(
        PERIOD,
        since="2020-01-01T00:00:00Z" if first is None else time_of(spread, first),
        until=None if last is None else time_of(spread, last),
    )

    found = check(pack(spread.notary(), selection), spread)

    assert found.checked.is_complete is True
    wanted = range(first or 0, 6 if last is None else last + 1)
    assert found.checked.head.selected == tuple(wanted)


def test_period_of_a_folder_holds_that_folder_alone(built: Person) -> None:
    selection = Selection(PERIOD, folder="payments/other", since="2020-01-01T00:00:00Z")

    found = check(pack(built.notary(), selection), built)

    assert found.checked.head.selected == (3,)
    assert found.checked.is_complete is None


@pytest.mark.parametrize(
    "drop", [2, 3, 4], ids=["the first", "one in the middle", "the last"]
)
def test_period_that_lacks_a_record_is_refused(spread: Person, drop: int) -> None:
    selection = Selection(PERIOD, since=time_of(spread, 2), until=time_of(spread, 4))
    found = members(spread, selection)
    for suffix in (LEAF, PROOF, ENVELOPE):
        del found[record_name(drop, suffix)]

    def leave_out(head: PackHead) -> PackHead:
        kept = tuple(one for one in head.selected if one != drop)
        return head._replace(selected=kept)

    edit_head(found, leave_out)
    with pytest.raises(IntegrityError):
        check(repack(found), spread)


def test_period_whose_time_was_widened_is_refused(spread: Person) -> None:
    selection = Selection(PERIOD, since=time_of(spread, 2), until=time_of(spread, 4))

    for wider in (
        selection._replace(since="yesterday"),
        selection._replace(until="42"),
        selection._replace(since=time_of(spread, 1)),
        selection._replace(until=time_of(spread, 5)),
    ):
        found = members(spread, selection)
        edit_head(found, partial(PackHead._replace, selection=wider))
        with pytest.raises(IntegrityError, match=r"pack: (time|record)"):
            check(repack(found), spread)


@pytest.mark.parametrize(
    ("selection", "wrong"),
    [
        (Selection(BUILD, "payments/main"), "NAME#NUMBER"),
        (Selection(BUILD, JOB, folder="payments"), "no --release"),
        (Selection(RELEASE, release="release"), "NAME=VALUE"),
        (Selection(PERIOD), "a JOB_ID, --release"),
        (Selection(PERIOD, since="42"), "RFC 3339"),
        (Selection(PERIOD, until="yesterday"), "RFC 3339"),
        (Selection(PERIOD, since="2026-01-01", started="2026-01-01"), "JOB_ID beside"),
    ],
)
def test_selection_that_makes_no_sense_is_refused(
    built: Person, selection: Selection, wrong: str
) -> None:
    with pytest.raises(UsageError, match=wrong):
        pack(built.notary(), selection)


def test_build_that_is_ambiguous_is_not_chosen(built: Person) -> None:
    built.record("x", job="two.example.com:payments/main#42")

    with pytest.raises(AmbiguousError):
        pack(built.notary(), Selection(BUILD, "payments/main#42"))


# What counts


def test_untrust_of_another_job_is_in_the_pack(built: Person) -> None:
    built.notary().untrust([digest("app.jar")], reason="CVE-2026-1", job=OTHER)

    found = check(pack(built.notary()), built)

    (artifact,) = found.checked.artifacts
    assert (artifact.status, artifact.index) == (Status.UNTRUSTED, 4)


def test_untrust_that_was_left_out_is_noticed(built: Person) -> None:
    built.notary().untrust([digest("app.jar")], reason="CVE-2026-1")
    found = members(built)
    for suffix in (LEAF, PROOF, ENVELOPE):
        del found[record_name(4, suffix)]

    with pytest.raises(IntegrityError, match="records/0000000000000004"):
        check(repack(found), built)


def test_untrust_without_its_envelope_still_counts(built: Person) -> None:
    built.notary().untrust([digest("app.jar")], reason="CVE-2026-1")
    found = members(built)
    del found[record_name(4, ENVELOPE)]
    with pytest.raises(IntegrityError):
        check(repack(found), built)

    edit_head(found, lambda head: head._replace(withheld=(4,)))

    (artifact,) = check(repack(found), built).checked.artifacts
    assert artifact.status is Status.UNTRUSTED


def test_verdict_is_that_of_the_rule_which_the_reader_chooses(built: Person) -> None:
    data = pack(built.notary())

    assert check(data, built, org="acme").checked.artifacts[0].status is Status.UNKNOWN
    signer = built.notary().show_key().signer
    (artifact,) = check(data, built, keys=[signer]).checked.artifacts
    assert artifact.status is Status.TRUSTED


def test_what_the_reader_may_not_see_is_withheld(built: Person) -> None:
    built.record("app.jar", job=OTHER)
    session = built.notary()._session

    def sees(record: ProvenRecord) -> bool:
        return record.statement is not None and record.statement.job_id == JOB

    data = b"".join(make_pack(session, BUILD_42, sees=sees))

    found = check(data, built)
    assert found.checked.head.withheld == (4,)
    assert OTHER.encode() not in data
    assert base64.b64encode(OTHER.encode())[:40] not in data
    # The newest word is one that nobody here can read: it is not taken for TRUSTED.
    assert found.checked.artifacts[0].status is Status.UNKNOWN


# Bodies


def reasons(built: Person, *, with_bodies: bool = True) -> list[str]:
    """Return why bodies are left out of a pack."""
    found = check(pack(built.notary(), with_bodies=with_bodies), built)
    return [one.why for one in found.checked.head.left_out]


def test_log_that_is_held_is_packed_only_once_it_is_released(
    admin: Person, tmp_path: Path
) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"password = 'hunter2-and-more'\n")
    admin.notary().put_log(JOB, str(log))

    assert reasons(admin) == [HELD]
    assert b"hunter2" not in pack(admin.notary())

    admin.notary().release_log(JOB, reason="changed")
    assert reasons(admin) == []
    assert b"hunter2" in pack(admin.notary())


def test_bodies_that_are_not_there_are_named(admin: Person, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"password = 'hunter2-and-more'\n")
    admin.notary().put_log(JOB, str(log), secrets="digest")
    assert reasons(admin) == [NOT_KEPT]
    log.write_bytes(b"fine\n")
    admin.notary().attach(str(log), job=JOB)
    assert reasons(admin, with_bodies=False) == [NOT_WANTED, NOT_WANTED]

    admin.notary().ledger.prune(before="2099-01-01T00:00:00Z")

    assert reasons(admin) == [NOT_KEPT, NOT_STORED]


def test_body_that_a_stranger_describes_wrongly_stops_no_pack(built: Person) -> None:
    session = built.notary()._session
    named = session.view().record(2).statement
    assert named is not None
    body = {**named.predicate["body"], "root": "00" * 32}
    job = {"id": JOB}
    for facts in (
        {"job": job, "name": "x", "body": body},
        {"job": job, "name": "x", "body": {"sha256": "zz"}},
    ):
        session.append([foreign("mallory", "attachment", facts)])

    assert reasons(built) == [NOT_AS_SIGNED]


def test_body_that_was_altered_where_it_lies_is_no_pack(built: Person) -> None:
    blobs = Path(built.notary()._session.places.blobs)
    (path,) = [one for one in blobs.rglob("*") if one.is_file()]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)

    with pytest.raises(IntegrityError):
        pack(built.notary())


def test_erased_record_is_packed_with_what_erased_it(built: Person) -> None:
    built.notary().ledger.erase([1], reason="asked for")

    found = check(pack(built.notary()), built)

    assert found.checked.head.selected[:2] == (1, 2)
    assert record_name(1, ENVELOPE) not in members(built)
    assert record_name(4, LEAF) in members(built)


# Whose log it is


def test_pack_needs_the_key_of_its_log(built: Person) -> None:
    data = io.BytesIO(pack(built.notary()))

    with pytest.raises(UsageError, match="compare before you trust it"):
        verify_pack(data, Choices(), {"HOME": str(built.home / "nobody")})
    assert verify_pack(data, Choices(), built.environ).vkey


def test_pack_under_another_key_is_refused(built: Person) -> None:
    vkey = built.notary().ledger.status().vkey
    name = vkey.partition("+")[0]
    for log in (
        "ci.example.com/else+6b1a5b69+AYmI49V0CfGV/VLbLTy6XXLKZwm/HZQSG9N0iAG0D29c",
        generate_log_key(str(built.home / "x.key"), name).vkey,
    ):
        with pytest.raises(NotaryError) as caught:
            check(pack(built.notary()), built, log=log)
        assert caught.value.exit_code in {65, 78}


def test_pack_is_checked_with_a_key_that_was_rotated_out(built: Person) -> None:
    first = built.notary().ledger.status().vkey
    built.notary().ledger.rotate_key()
    built.record("later")

    found = check(pack(built.notary()), built, log=first)

    assert found.checked.artifacts[0].status is Status.TRUSTED


def test_pack_of_a_log_that_follows_another_is_checked(
    built: Person, tmp_path: Path
) -> None:
    new = tmp_path / "data" / "new.db"
    built.notary().ledger.succeed(str(new), origin="ci.example.com/new")
    opened = built.notary(at=new)

    found = check(pack(opened), built, log=opened.ledger.status().vkey)

    assert found.checked.artifacts[0].status is Status.TRUSTED


def test_record_by_a_key_of_another_kind_that_was_revoked_is_not_trusted(
    built: Person,
) -> None:
    other = built.notary(key=str(built.home / "other.pem"))
    signer = other.generate_key(kind="ecdsa-p256").signer
    other.notarize([digest("theirs")], name="theirs", job=JOB)
    built.notary().signers.enrol(signer)
    built.notary().signers.revoke(signer, from_index=4)

    found = check(pack(built.notary()), built)

    assert {one.name: one.status for one in found.checked.artifacts} == {
        "app.jar": Status.TRUSTED,
        "theirs": Status.REVOKED,
    }


def test_record_of_many_artifacts_is_packed_whole(
    built: Person, tmp_path: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for place in range(60):
        (folder / f"{place}.txt").write_text(str(place))
    built.notary().notarize([f"{folder}/*.txt"], job=JOB)

    assert len(check(pack(built.notary()), built).checked.artifacts) == 61


def test_negative_record_that_was_lifted_does_not_stand(built: Person) -> None:
    built.notary().untrust([digest("app.jar")], reason="CVE-2026-1")
    built.record("app.jar", job=JOB, supersedes=[4], reason="not affected")

    (artifact,) = check(pack(built.notary()), built).checked.artifacts

    assert artifact.status is Status.TRUSTED


# Hostile packs


def test_byte_that_is_changed_anywhere_is_noticed(admin: Person) -> None:
    admin.record("app.jar", job=JOB)
    data = pack(admin.notary())
    log = admin.notary().ledger.status().vkey
    head = unpack(data)[HEAD]
    spared = range(512, 512 + len(head))

    for offset in range(0, len(data), 61):
        altered = bytearray(data)
        altered[offset] ^= 1
        try:
            check(bytes(altered), admin, log=log)
        except IntegrityError:
            continue
        # The packer's own words alone are nobody's promise.
        assert offset in spared


def test_pack_that_is_cut_short_anywhere_is_refused(admin: Person) -> None:
    admin.record("app.jar", job=JOB)
    data = pack(admin.notary())
    log = admin.notary().ledger.status().vkey

    for length in range(0, len(data), 512):
        with pytest.raises(IntegrityError):
            check(data[:length], admin, log=log)


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    """Return what takes a member out."""

    def take(found: dict[str, bytes]) -> None:
        del found[name]

    return take


def swapped(suffix: str) -> Callable[[dict[str, bytes]], None]:
    """Return what exchanges a file of two records."""

    def swap(found: dict[str, bytes]) -> None:
        one, other = record_name(1, suffix), record_name(2, suffix)
        found[one], found[other] = found[other], found[one]

    return swap


def _extra_body(found: dict[str, bytes]) -> None:
    """Add a body that no record names."""
    found["bodies/" + "ff" * 32] = b"evil"


def _other_body(found: dict[str, bytes]) -> None:
    """Put other bytes in a body's place."""
    name = next(one for one in found if one.startswith("bodies/"))
    found[name] = b"x" * len(found[name])


def _no_body(found: dict[str, bytes]) -> None:
    """Take a body out."""
    del found[next(one for one in found if one.startswith("bodies/"))]


def _less_trust(found: dict[str, bytes]) -> None:
    """Cut an entry off the trust log."""
    found[TRUST] = b""


@pytest.mark.parametrize(
    "alter",
    [
        *map(without, (HEAD, "checkpoint", TRUST)),
        *(without(record_name(1, one)) for one in (LEAF, PROOF, ENVELOPE)),
        without(record_name(0, ENVELOPE)),
        *map(swapped, (LEAF, PROOF, ENVELOPE)),
        _extra_body,
        _other_body,
        _no_body,
        _less_trust,
    ],
)
def test_pack_with_a_member_that_is_not_its_own_is_refused(
    built: Person, alter: Callable[[dict[str, bytes]], None]
) -> None:
    found = members(built)
    alter(found)
    ordered = dict(sorted(found.items(), key=lambda one: _rank(one[0])))

    with pytest.raises(IntegrityError):
        check(repack(ordered), built)


def test_selected_record_cannot_be_withheld(built: Person) -> None:
    found = members(built)
    del found[record_name(1, ENVELOPE)]
    edit_head(found, lambda head: head._replace(withheld=(1,)))

    with pytest.raises(IntegrityError, match="it is withheld"):
        check(repack(found), built)


@pytest.mark.parametrize("name", [PAGE, REPORT, VERIFIER])
def test_text_that_says_other_than_the_records_is_refused(
    built: Person, name: str
) -> None:
    found = members(built)
    assert b"app.jar" in found[name] or name == VERIFIER
    found[name] = found[name].replace(b"TRUSTED", b"trusted").replace(b"65", b"0")

    with pytest.raises(IntegrityError, match=name):
        check(repack(found), built)
    del found[name]
    with pytest.raises(IntegrityError, match=name):
        check(repack(found), built)


def test_texts_of_another_version_are_not_said_to_be_proven(built: Person) -> None:
    found = members(built)
    found[PAGE] = b"<p>all is well"
    edit_head(found, lambda head: head)

    assert check(repack(found), built).to_dict()["report"] == "not compared"
    assert check(pack(built.notary()), built).to_dict()["report"] == "proven"


def test_policy_goes_along(built: Person) -> None:
    data = pack(built.notary(), policy=b"rules: []\n")

    assert unpack(data)[POLICY] == b"rules: []\n"
    assert check(data, built).checked.records


def test_pack_of_another_size_than_its_checkpoint_is_refused(built: Person) -> None:
    found = members(built)
    edit_head(found, lambda head: head._replace(tree_size=3))

    with pytest.raises(IntegrityError, match="treeSize"):
        check(repack(found), built)
