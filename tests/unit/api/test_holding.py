from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.bodies import body_of
from jenkins_notary.api.logs.holding import RELEASE, find_release
from jenkins_notary.api.logs.recording import find_log
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject
from tests.unit.api.people import JOB, stranger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

SECRET = b"hunter2-and-more"
LOG = b"one\npassword = '" + SECRET + b"'\nthree\n"
REASON = "the password was changed"


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A build's log in which a secret stands."""
    path = tmp_path / "work" / "build.log"
    path.write_bytes(LOG)
    return str(path)


def body_hex(notary: Notary) -> str:
    """Return the address of the log's body."""
    record = find_log(notary._session, JOB).record
    assert record.statement is not None
    return str(record.statement.predicate["body"]["sha256"])


def files(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_held_log_is_read_by_nobody(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)

    for read in (
        lambda: list(notary.read_log(JOB)),
        lambda: list(notary.search_log(JOB, grep="one")),
        lambda: list(notary.search_log(JOB, lines=(1, 1))),
        lambda: list(notary.read_attachment(body_hex(notary))),
    ):
        with pytest.raises(PermissionDeniedError, match="held") as caught:
            read()
        assert "log release ci.example.com:payments/main#42" in caught.value.advice


def test_foreign_record_that_names_a_held_body_does_not_open_it(
    notary: Notary, log: str
) -> None:
    held = notary.put_log(JOB, log).to_dict()["predicate"]["body"]
    envelope = stranger("eve").sign(
        "attachment", [Subject("mine", held["sha256"])], {"body": held}
    )
    notary._session.append([envelope])

    with pytest.raises(NotFoundError):
        list(notary.read_attachment(held["sha256"]))


def test_log_of_which_the_digest_alone_is_kept_says_so(
    notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log, secrets="digest")

    with pytest.raises(NotFoundError, match="its digest alone") as caught:
        list(notary.read_log(JOB))
    assert "--verify" in caught.value.advice
    with pytest.raises(NotFoundError, match="its digest alone"):
        list(notary.read_attachment(body_hex(notary)))
    with pytest.raises(UsageError, match="one that is held"):
        notary.release_log(JOB, reason=REASON)


def test_release_lets_a_held_log_be_read(
    admin: Person, notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    release = notary.release_log(JOB, reason=REASON)

    assert release.record.index == 2
    assert release.job == JOB
    said = release.to_dict()["predicate"]
    assert (said["action"], said["record"], said["reason"]) == (RELEASE, 1, REASON)
    assert b"".join(notary.read_log(JOB)) == LOG
    assert b"".join(notary.read_attachment(body_hex(notary))) == LOG
    assert files(admin.ledger.with_name("ledger.db.held")) == []
    assert [one.record.leaf.type for one in notary.evidence(Query(job=JOB))] == [
        "log",
        "administration",
    ]


def test_second_release_records_nothing(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)

    first = notary.release_log(JOB, reason=REASON)
    assert notary.release_log(JOB, reason="again").record.index == first.record.index
    assert notary.ledger.status().tree_size == 3


def test_log_whose_release_was_interrupted_is_read_where_it_lies(
    notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    notary.release_log(JOB, reason=REASON)
    session = notary._session
    assert session.blobs.move(body_of(find_log(session, JOB).record), session.held)

    assert b"".join(notary.read_log(JOB)) == LOG
    assert b"".join(notary.read_attachment(body_hex(notary))) == LOG
    notary.release_log(JOB, reason=REASON)
    assert session.blobs.has(body_hex(notary))
    assert not session.held.has(body_hex(notary))


def test_signer_of_a_log_and_administrators_may_release_it_and_nobody_else(
    notary: Notary, meet: Callable[[str], Person], log: str
) -> None:
    for name in ("builder", "other"):
        meet(name).record(name)
        notary.signers.enrol(meet(name).notary().show_key().signer)
    builder, other = meet("builder").notary(), meet("other").notary()
    second = JOB.replace("42", "43")
    for job in (JOB, second):
        builder.put_log(job, log)

    with pytest.raises(PermissionDeniedError, match="administrator"):
        other.release_log(JOB, reason=REASON)
    builder.release_log(JOB, reason=REASON)
    notary.release_log(second, reason=REASON)
    assert b"".join(other.read_log(JOB)) == b"".join(other.read_log(second)) == LOG


def test_release_by_a_key_that_was_revoked_does_not_count(
    notary: Notary, reader: Person, log: str
) -> None:
    reader.record("theirs")
    signer = reader.notary().show_key().signer
    notary.signers.enrol(signer)
    reader.notary().put_log(JOB, log)
    reader.notary().release_log(JOB, reason=REASON)
    assert b"".join(notary.read_log(JOB)) == LOG

    index = notary.ledger.status().tree_size - 1
    notary.signers.revoke(signer, from_index=index)
    with pytest.raises(PermissionDeniedError):
        list(notary.read_log(JOB))
    with pytest.raises(PermissionDeniedError):
        reader.notary().release_log(JOB, reason=REASON)


def test_release_by_a_stranger_does_not_count(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)
    envelope = stranger("eve").sign(
        "administration",
        [Subject("held log", body_hex(notary))],
        {"action": RELEASE, "job": {"id": JOB}, "record": 1, "reason": "give it to me"},
    )
    notary._session.append([envelope])

    assert find_release(notary._session, find_log(notary._session, JOB).record) is None
    with pytest.raises(PermissionDeniedError):
        list(notary.read_log(JOB))


def test_release_of_another_record_does_not_count(notary: Notary, log: str) -> None:
    other = JOB.replace("42", "43")
    notary.put_log(JOB, log)
    notary.put_log(other, log)
    notary.release_log(JOB, reason=REASON)

    assert b"".join(notary.read_log(JOB)) == LOG
    with pytest.raises(PermissionDeniedError):
        list(notary.read_log(other))


@pytest.mark.parametrize("reason", ["", "  ", "x" * 5000])
def test_release_needs_a_reason(notary: Notary, log: str, reason: str) -> None:
    notary.put_log(JOB, log)

    with pytest.raises(UsageError, match="--reason"):
        notary.release_log(JOB, reason=reason)


def test_log_that_is_not_held_is_not_released(notary: Notary, tmp_path: Path) -> None:
    path = tmp_path / "work" / "clean.log"
    path.write_bytes(b"nothing to see\n")
    notary.put_log(JOB, str(path))

    with pytest.raises(UsageError, match="one that is held"):
        notary.release_log(JOB, reason=REASON)
    with pytest.raises(NotFoundError):
        notary.release_log(JOB.replace("42", "7"), reason=REASON)


# Keeping the held ones


def test_erasing_a_record_destroys_its_held_body(
    admin: Person, notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    done = notary.ledger.erase([1], reason="asked for")

    assert done.bodies == 1
    assert files(admin.ledger.with_name("ledger.db.held")) == []
    with pytest.raises(NotFoundError):
        list(notary.read_log(JOB))


def test_erasing_by_text_searches_held_bodies(
    admin: Person, notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    notary.ledger.erase([], containing=SECRET.decode(), reason="a leak")

    assert files(admin.ledger.with_name("ledger.db.held")) == []


def test_pruning_takes_held_bodies_too(admin: Person, notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)

    assert notary.ledger.prune(before="2999-01-01T00:00:00Z").bodies == 1
    assert files(admin.ledger.with_name("ledger.db.held")) == []
    with pytest.raises(NotFoundError, match="pruned or erased"):
        notary.release_log(JOB, reason=REASON)


def test_backup_and_restore_keep_a_held_log_held(
    admin: Person, notary: Notary, log: str, tmp_path: Path
) -> None:
    notary.put_log(JOB, log)
    backup = tmp_path / "backup"
    notary.ledger.backup(str(backup), with_key=True)
    back = admin.notary(at=tmp_path / "back" / "ledger.db")
    back.ledger.restore(str(backup))

    assert len(files(backup / "ledger.db.held")) == 1
    assert files(backup / "ledger.db.blobs") == []
    with pytest.raises(PermissionDeniedError):
        list(back.read_log(JOB))
    back.release_log(JOB, reason=REASON)
    assert b"".join(back.read_log(JOB)) == LOG


def test_verify_reads_held_bodies_and_needs_none_of_a_digest(
    admin: Person, notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    notary.put_log(JOB.replace("42", "43"), log, secrets="digest")
    (path,) = files(admin.ledger.with_name("ledger.db.held"))

    report = notary.ledger.verify()
    assert report.is_sound
    assert report.bodies == 1
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not notary.ledger.verify().is_sound
    path.unlink()
    assert not notary.ledger.verify().is_sound


def test_altered_held_log_is_not_released_as_good(
    admin: Person, notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    (path,) = files(admin.ledger.with_name("ledger.db.held"))
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(bytes(data))
    notary.release_log(JOB, reason=REASON)

    with pytest.raises(IntegrityError):
        list(notary.read_log(JOB))


def test_doctor_tells_of_held_logs(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)

    (bodies,) = [one for one in notary.doctor() if one.name == "bodies"]
    assert "1 held back" in bodies.found
