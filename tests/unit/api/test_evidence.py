from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.bodies import find_body
from jenkins_notary.api.inputs import open_file
from jenkins_notary.api.logs.recording import find_log
from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.assets.facts import guess_mime
from jenkins_notary.errors import (
    AmbiguousError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.evidence.bodies import bodies_of
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.claim import check_label
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject
from tests.unit.api.people import (
    JENKINS,
    JOB,
    digest,
    foreign,
    stranger,
    tamper,
)

if TYPE_CHECKING:
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.ports import Signer
    from tests.unit.api.people import Person

COMMIT = "ab" * 20


def found(notary: Notary, **query: Any) -> list[int]:  # noqa: ANN401 - passed on
    """Return the indexes of what a query finds."""
    return [one.record.index for one in notary.evidence(Query(**query))]


def append(notary: Notary, *envelopes: bytes) -> list[int]:
    """Append what others signed."""
    return notary._session.append(list(envelopes))


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A build's log."""
    path = tmp_path / "work" / "build.log"
    path.write_bytes(b"one\r\ntwo \xff\nthree: error\n")
    return str(path)


@pytest.fixture
def builds(admin: Person, notary: Notary) -> Notary:
    """Builds by several names: #1 and #2 of one, and one each of others."""
    for name, job in (
        ("a", "ci.example.com:payments/main#42"),
        ("b", "ci.example.com:payments/main#42"),
        ("c", "ci.example.com:payments/main#43"),
        ("d", "ci.example.com:payments-evil#1"),
        ("e", "ci2.example.com:payments/main#42"),
        ("f", "ci.example.com:payments/api/feature%2Fx#1"),
        ("g", "alone#1"),
    ):
        admin.record(name, job=job)
    return notary


# Looking up


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        pytest.param({"job": "ci.example.com:payments/main#42"}, [1, 2], id="build"),
        pytest.param(
            {"job": "https://ci.example.com/job/payments/job/main/42/console"},
            [1, 2],
            id="url",
        ),
        pytest.param({"job": "payments/main#43"}, [3], id="build-of-any-instance"),
        pytest.param({"job": "alone#1"}, [7], id="build-without-instance"),
        pytest.param({"job": "payments"}, [1, 2, 3, 5, 6], id="folder"),
        pytest.param({"job": "payments/*"}, [1, 2, 3, 5, 6], id="folder-pattern"),
        pytest.param({"job": "payments/main"}, [1, 2, 3, 5], id="job"),
        pytest.param({"job": "ci2.example.com:payments"}, [5], id="folder-of-one"),
        pytest.param(
            {"job": "ci.example.com:payments/api/feature%2Fx#1"}, [6], id="branch"
        ),
        pytest.param({"digest": digest("c")}, [3], id="digest"),
        pytest.param({"digest": digest("c").upper()}, [3], id="digest-in-capitals"),
        pytest.param(
            {"digest": digest("a"), "job": "payments/*"}, [1], id="digest-and-folder"
        ),
        pytest.param({"job": "payments", "limit": 2}, [5, 6], id="limit"),
        pytest.param({"job": "payments", "as_of": "4"}, [1, 2, 3], id="as-of"),
        pytest.param(
            {"since": "2000-01-01T00:00:00Z"}, [0, 1, 2, 3, 4, 5, 6, 7], id="since"
        ),
        pytest.param(
            {"until": "2999-01-01T00:00:00Z", "limit": 1}, [7], id="until-and-limit"
        ),
    ],
)
def test_query_finds_what_it_names(
    builds: Notary, query: dict[str, Any], indexes: list[int]
) -> None:
    assert sorted(found(builds, **query))[-len(indexes) :] == sorted(indexes)
    assert len(found(builds, **query)) == len(indexes)


def test_records_come_in_log_order(builds: Notary) -> None:
    indexes = found(builds, job="payments")

    assert indexes == sorted(indexes)


def test_time_narrows_by_commit_time(builds: Notary) -> None:
    view = builds._session.view()
    times = [view.leaf(index)[1].at_ms for index in range(8)]
    since, until = format_time(times[2]), format_time(times[4])

    wanted = [at for at, ms in enumerate(times) if times[2] <= ms <= times[4]]
    assert found(builds, since=since, until=until) == wanted
    assert found(builds, job="payments/main", since=since, until=until) == [
        at for at in wanted if at in {1, 2, 3, 5}
    ]


def test_signer_finds_its_records(builds: Notary, reader: Person) -> None:
    signer = builds.show_key().signer
    reader.record("theirs")
    theirs = reader.notary().show_key().signer

    assert found(builds, signer=signer) == list(range(8))
    assert found(builds, signer=signer.upper().replace("0X", "0x")) == list(range(8))
    assert found(builds, signer=theirs) == [8]
    assert found(builds, signer=theirs, digest=digest("theirs")) == [8]
    with pytest.raises(NotFoundError):
        found(builds, signer=theirs, digest=digest("a"))


def test_commit_finds_its_records(notary: Notary) -> None:
    author = notary._session.author()
    subject = Subject("repo", digest("repo")[7:], {"gitCommit": COMMIT})
    append(notary, author.sign("notarization", [subject], {"status": "TRUSTED"}))

    assert found(notary, commit=COMMIT) == [1]
    assert found(notary, commit=COMMIT.upper()) == [1]
    assert found(notary, commit=COMMIT, digest=digest("repo")) == [1]


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        pytest.param({}, UsageError, id="nothing"),
        pytest.param({"job": "payments/main#44"}, NotFoundError, id="no-such-build"),
        pytest.param({"job": "pay"}, NotFoundError, id="part-of-a-segment"),
        pytest.param({"job": "ci3.example.com:alone#1"}, NotFoundError, id="instance"),
        pytest.param({"job": ""}, UsageError, id="empty-job"),
        pytest.param({"job": "a/../b#1"}, UsageError, id="dots"),
        pytest.param({"digest": "sha256:12"}, UsageError, id="digest"),
        pytest.param({"digest": digest("x")}, NotFoundError, id="unknown-digest"),
        pytest.param({"commit": "abc"}, UsageError, id="short-commit"),
        pytest.param({"commit": "zz" * 20}, UsageError, id="no-hex"),
        pytest.param({"commit": COMMIT}, NotFoundError, id="unknown-commit"),
        pytest.param({"signer": "0x12"}, UsageError, id="signer"),
        pytest.param({"since": "42"}, UsageError, id="since-a-size"),
        pytest.param({"until": "soon"}, UsageError, id="until-no-time"),
        pytest.param({"since": "2999-01-01T00:00:00Z"}, NotFoundError, id="future"),
        pytest.param({"digest": digest("a"), "as_of": "1"}, NotFoundError, id="before"),
    ],
)
def test_query_that_finds_nothing_says_why(
    builds: Notary, query: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        found(builds, **query)


def test_job_of_several_controllers_is_ambiguous(builds: Notary) -> None:
    with pytest.raises(AmbiguousError) as caught:
        found(builds, job="payments/main#42")

    assert caught.value.exit_code == 67
    assert "ci.example.com:payments/main#42" in caught.value.got
    assert "ci2.example.com:payments/main#42" in caught.value.got
    assert found(builds, job="payments/main#42", as_of="3") == [1, 2]


def test_alias_finds_a_build_by_its_other_name(notary: Notary) -> None:
    author = notary._session.author()
    append(
        notary,
        author.sign(
            "alias", [], {"job": {"id": JOB}, "aliases": ["ci.example.com:old#7"]}
        ),
    )

    assert found(notary, job="ci.example.com:old#7") == [1]
    assert found(notary, job="old#7") == [1]
    assert found(notary, job="old") == [1]
    assert found(notary, job=JOB) == [1]


@pytest.mark.parametrize(
    "aliases",
    [
        pytest.param(None, id="null"),
        pytest.param(7, id="number"),
        pytest.param({"a": 1}, id="object"),
        pytest.param([7, None, [], "no job id", "a//b#1"], id="wrong-items"),
    ],
)
def test_malformed_aliases_of_a_stranger_match_nothing(
    notary: Notary, aliases: object
) -> None:
    facts = {"status": "TRUSTED", "job": {"id": JOB}, "aliases": aliases}
    append(notary, foreign("eve", "notarization", facts))

    assert found(notary, job="payments") == [1]
    assert found(notary, job="payments/main#42") == [1]
    with pytest.raises(NotFoundError):
        found(notary, digest=digest("app"), job="other#1")


def test_record_without_a_job_is_of_none(admin: Person, notary: Notary) -> None:
    admin.record("app")

    with pytest.raises(NotFoundError):
        found(notary, digest=digest("app"), job="payments")
    with pytest.raises(NotFoundError):
        found(notary, digest=digest("app"), job=JOB)


def test_erased_record_is_found_by_what_its_leaf_says(
    admin: Person, notary: Notary
) -> None:
    admin.record("app", job=JOB)
    notary.ledger.erase([1], reason="asked for")

    (by_digest,) = notary.evidence(Query(digest=digest("app")))
    (by_job,) = notary.evidence(Query(job=JOB))
    assert by_digest.standing == by_job.standing == "erased"
    assert by_digest.job is None
    assert by_digest.to_dict()["erased_by"] == 2
    assert bodies_of(by_digest.record) == []
    with pytest.raises(NotFoundError):
        found(notary, job="payments")
    with pytest.raises(NotFoundError, match="erased by #2"):
        notary.envelope(by_digest)


@pytest.mark.parametrize(
    ("sql", "query"),
    [
        pytest.param(
            "INSERT INTO subject_row VALUES (?, 1)",
            {"digest": digest("x")},
            id="digest",
        ),
        pytest.param(
            "INSERT INTO commit_row VALUES (?, 1)", {"commit": COMMIT}, id="commit"
        ),
    ],
)
def test_forged_row_is_found(
    admin: Person, notary: Notary, sql: str, query: dict[str, str]
) -> None:
    admin.record("app")
    ((_, text),) = query.items()
    tamper(admin.ledger, sql, bytes.fromhex(text.removeprefix("sha256:")))

    with pytest.raises(IntegrityError, match="which does not"):
        found(notary, **query)


@pytest.mark.parametrize("kind", ["name", "job", "signer"])
def test_forged_row_of_another_kind_finds_nothing(
    admin: Person, notary: Notary, kind: str
) -> None:
    admin.record("app", job=JOB)
    from jenkins_notary.ledger.rows import name_key
    from jenkins_notary.values.leaf import hash_job

    key, query = {
        "name": (name_key("ci.example.com:x#1"), {"job": "x#1"}),
        "job": (
            bytes.fromhex(hash_job("ci.example.com:x#1")),
            {"job": "ci.example.com:x#1"},
        ),
        "signer": (b"\x01" * 20, {"signer": "0x" + "01" * 20}),
    }[kind]
    tamper(admin.ledger, f"INSERT INTO {kind}_row VALUES (?, 1)", key)

    with pytest.raises(NotFoundError):
        found(notary, **query)


# What is shown


def test_record_shows_the_standing_of_its_signer(
    admin: Person, reader: Person, notary: Notary
) -> None:
    admin.record("a")
    reader.record("b")
    signer = reader.notary().show_key().signer
    first, second = (
        notary.evidence(Query(digest=digest(name)))[0] for name in ("a", "b")
    )
    notary.signers.enrol(signer)
    notary.signers.revoke(signer, from_index=1)
    (revoked,) = notary.evidence(Query(digest=digest("b")))

    assert (first.standing, second.standing) == ("enrolled", "not enrolled")
    assert revoked.standing == "revoked"
    assert first.code == 0
    assert first.receipt is None


def test_receipts_are_made_when_asked_for(admin: Person, notary: Notary) -> None:
    admin.record("app")
    (one,) = notary.evidence(Query(digest=digest("app")), receipts=True)
    assert one.receipt is not None

    vkey = notary.ledger.status().vkey
    envelope = notary.envelope(one)
    proven = verify_receipt(one.receipt.encode(), vkey=vkey, envelope=envelope)
    assert proven.signed_by == notary.show_key().signer


def test_inspect_shows_the_history_of_one_asset(
    admin: Person, notary: Notary, tmp_path: Path
) -> None:
    admin.record("app")
    notary.untrust([digest("app")], reason="CVE")
    (tmp_path / "work" / "app").write_text("app")

    assert [one.record.index for one in notary.inspect("app")] == [1, 2]
    assert [one.record.index for one in notary.inspect(digest("app"))] == [1, 2]
    assert [one.record.index for one in notary.inspect("app", limit=1)] == [2]
    assert [one.record.index for one in notary.inspect("app", as_of="2")] == [1]
    with pytest.raises(NotFoundError):
        notary.inspect(digest("b"))


def test_inspect_of_several_assets_chooses_none(notary: Notary, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "work" / name).write_text(name)

    with pytest.raises(AmbiguousError, match="got 2: a, b"):
        notary.inspect("[ab]")


# Attachments


def test_attached_file_is_found_by_job_digest_and_its_own(
    notary: Notary, log: str
) -> None:
    one = notary.attach(log, job=JOB, digests=[digest("app")], label="notes")

    assert one.record.index == 1
    assert one.receipt is not None
    said = one.to_dict()["predicate"]
    assert (said["name"], said["label"]) == ("build.log", "notes")
    own = said["body"]["sha256"]
    assert found(notary, job=JOB) == [1]
    assert found(notary, digest=digest("app")) == [1]
    assert b"".join(notary.read_attachment(own)) == Path(log).read_bytes()
    assert b"".join(notary.read_attachment(f"sha256:{own}")) != b""


def test_attachment_comes_from_standard_input(admin: Person) -> None:
    notary = admin.notary(stdin=io.BytesIO(b"bytes"))
    one = notary.attach("-", digests=[digest("app")], mime="text/x-test")

    said = one.to_dict()["predicate"]
    assert (said["name"], said["mime"]) == ("stdin", "text/x-test")
    assert list(notary.read_attachment(said["body"]["sha256"])) == [b"bytes"]


def test_attachment_belongs_to_the_job_of_the_environment(
    admin: Person, log: str
) -> None:
    notary = admin.notary(environ=JENKINS)
    notary.attach(log)

    assert found(notary, job=JOB) == [1]


def test_attachment_needs_a_job_or_a_digest(notary: Notary, log: str) -> None:
    with pytest.raises(UsageError, match="a job or a digest") as caught:
        notary.attach(log)

    assert caught.value.exit_code == 64
    with pytest.raises(UsageError):
        notary.put_log(None, log)
    assert notary.ledger.status().tree_size == 1


@pytest.mark.parametrize("label", ["x" * 201, "a\nb", "\x1b[31m", "\u202e"])
def test_label_is_one_printable_line(notary: Notary, log: str, label: str) -> None:
    with pytest.raises(UsageError, match="label"):
        notary.attach(log, job=JOB, label=label)
    with pytest.raises(UsageError):
        notary.put_log(JOB, log, stage=label)


def test_empty_label_is_none() -> None:
    assert check_label("") is None
    assert check_label(None) is None
    assert check_label("x" * 200) == "x" * 200


def test_attachment_of_a_notarized_asset_is_read_by_its_digest(
    notary: Notary, log: str
) -> None:
    notary.notarize(
        [digest("app")], name="app", attachments=[(log, None), (log, "again")]
    )
    record, body = find_body(notary._session, _own_digest(log))

    assert record.leaf.type == "attachment"
    assert body.size == Path(log).stat().st_size
    assert b"".join(notary.read_attachment(_own_digest(log))) == Path(log).read_bytes()
    # The file itself is not TRUSTED by that.
    assert notary.authenticate([f"sha256:{_own_digest(log)}"])[0].code == 2


def _own_digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_digest_that_nothing_attaches_is_not_found(
    admin: Person, notary: Notary
) -> None:
    admin.record("app")

    for name in ("app", "unknown"):
        with pytest.raises(NotFoundError, match="no record that attaches it"):
            list(notary.read_attachment(digest(name)))
    with pytest.raises(UsageError):
        list(notary.read_attachment("sha256:12"))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"attachments": "text"}, id="attachments-text"),
        pytest.param({"attachments": 7}, id="attachments-number"),
        pytest.param({"attachments": [7, None, "text"]}, id="attachments-items"),
    ],
)
def test_malformed_attachments_of_a_stranger_are_no_crash(
    notary: Notary, facts: dict[str, object]
) -> None:
    append(notary, foreign("eve", "attachment", facts))

    with pytest.raises(NotFoundError):
        list(notary.read_attachment(digest("app")))


@pytest.mark.parametrize("body", [None, 7, "x", {}, {"sha256": "zz"}])
def test_malformed_body_of_a_stranger_hides_no_other(
    notary: Notary, tmp_path: Path, body: object
) -> None:
    (tmp_path / "work" / "app").write_text("app")
    notary.attach("app", job=JOB)
    append(notary, foreign("eve", "attachment", {"attachments": [{"body": body}]}))
    append(notary, foreign("mallory", "log", {"body": body}))

    assert b"".join(notary.read_attachment(digest("app"))) == b"app"


def test_record_with_two_names_of_a_folder_is_found_once(notary: Notary) -> None:
    author = notary._session.author()
    names = ["ci.example.com:payments/old#42", "ci2.example.com:payments/main#42"]
    append(notary, author.sign("alias", [], {"job": {"id": JOB}, "aliases": names}))

    assert found(notary, job="payments") == [1]
    assert found(notary, job="payments/main#42") == [1]


# Logs


def test_log_is_read_byte_for_byte(notary: Notary, log: str) -> None:
    one = notary.put_log(JOB, log, form="consoleText")

    assert one.record.leaf.type == "log"
    assert b"".join(notary.read_log(JOB)) == Path(log).read_bytes()
    assert b"".join(notary.read_log("payments/main#42")) != b""


def test_newest_log_of_a_stage_is_read(notary: Notary, tmp_path: Path) -> None:
    for name, stage in (
        ("whole", None),
        ("old", "Build"),
        ("test", "Test"),
        ("new", "Build"),
    ):
        (tmp_path / "work" / name).write_text(name)
        notary.put_log(JOB, name, stage=stage)

    assert b"".join(notary.read_log(JOB)) == b"whole"
    assert b"".join(notary.read_log(JOB, stage="Build")) == b"new"
    assert b"".join(notary.read_log(JOB, stage="Build", as_of="4")) == b"old"
    with pytest.raises(NotFoundError, match="marks of it in the log's text") as caught:
        list(notary.read_log(JOB, stage="Deploy"))
    assert "Build, Test" in caught.value.advice


def test_lines_of_a_log_are_found(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)

    found_lines = list(notary.search_log(JOB, grep="error"))
    assert [number for number, _ in found_lines] == [3]
    assert b"three: error" in found_lines[0][1]
    asked = list(notary.search_log(JOB, lines=(1, 2)))
    assert [number for number, _ in asked] == [1, 2]
    assert list(notary.search_log(JOB, grep="o", lines=(3, 3))) == [
        (3, b"three: error")
    ]
    assert len(list(notary.search_log(JOB))) == 3


def test_only_the_log_of_a_signer_that_counts_is_read(  # noqa: PLR0917 - fixtures and the row
    admin: Person, reader: Person, notary: Notary, log: str, tmp_path: Path
) -> None:
    (tmp_path / "work" / "forged").write_text("all is well")
    reader.notary().put_log(JOB, "forged")

    with pytest.raises(NotFoundError, match="none, and 1 by others"):
        list(notary.read_log(JOB))
    admin.notary().put_log(JOB, log)
    reader.notary().put_log(JOB, "forged")
    assert find_log(notary._session, JOB).record.index == 2
    assert b"one\r\n" in b"".join(notary.read_log(JOB))


@pytest.mark.parametrize("job", ["payments/main", "payments/*", ""])
def test_a_folder_has_no_log(notary: Notary, log: str, job: str) -> None:
    notary.put_log(JOB, log)

    with pytest.raises(UsageError):
        list(notary.read_log(job))


def test_build_without_a_log_has_none(admin: Person, notary: Notary) -> None:
    admin.record("app", job=JOB)

    with pytest.raises(NotFoundError, match="none notarized"):
        list(notary.read_log(JOB))
    with pytest.raises(NotFoundError):
        list(notary.read_log("other#1"))


def test_log_of_two_controllers_is_ambiguous(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)
    notary.put_log("ci2.example.com:payments/main#42", log)

    with pytest.raises(AmbiguousError):
        list(notary.read_log("payments/main#42"))


def test_log_whose_body_was_pruned_is_not_found(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)
    done = notary.ledger.prune(before="2999-01-01T00:00:00Z")

    assert done.bodies == 1
    with pytest.raises(NotFoundError) as caught:
        list(notary.read_log(JOB))
    assert caught.value.exit_code == 66
    with pytest.raises(NotFoundError):
        list(notary.search_log(JOB, grep="one"))


def test_log_that_was_erased_is_not_found(notary: Notary, log: str) -> None:
    notary.put_log(JOB, log)
    notary.ledger.erase([1], reason="asked for")

    with pytest.raises(NotFoundError):
        list(notary.read_log(JOB))


def test_log_whose_body_was_altered_is_refused(
    admin: Person, notary: Notary, log: str
) -> None:
    notary.put_log(JOB, log)
    for folder, _, names in os.walk(f"{admin.ledger}.blobs"):
        for name in names:
            path = os.path.join(folder, name)
            data = bytearray(Path(path).read_bytes())
            data[-1] ^= 1
            os.chmod(path, 0o600)
            Path(path).write_bytes(data)

    with pytest.raises(IntegrityError):
        list(notary.read_log(JOB))


def test_log_record_without_a_body_is_refused(notary: Notary) -> None:
    session = notary._session
    author = session.author()
    append(notary, author.sign("log", [], {"job": {"id": JOB}}))

    with pytest.raises(IntegrityError, match="record #1 body"):
        list(notary.read_log(JOB))


def test_stranger_cannot_sign_in_anothers_name(notary: Notary) -> None:
    liar = _Impostor(notary._session.signer(), stranger("eve").signers[0])
    author = stranger("eve")._replace(signers=(liar,))
    append(notary, author.sign("log", [], {"job": {"id": JOB}}))

    with pytest.raises(IntegrityError):
        found(notary, job=JOB)


class _Impostor:
    """Shows one key and signs with another."""

    def __init__(self, shown: Signer, used: Signer) -> None:
        self._used = used
        self.keyid = shown.keyid
        self.public_der = shown.public_der

    def sign(self, message: bytes) -> bytes:
        return self._used.sign(message)


# Files


def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(UsageError, match="a regular file"):
            open_file(str(path))
    for text in ("", " "):
        with pytest.raises(UsageError, match="a path"):
            open_file(text)


@pytest.mark.parametrize("path", ["missing", "a\0b", "\ud800"])
def test_path_that_names_no_file_is_not_found(path: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        open_file(path)

    str(caught.value).encode()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(PermissionError(13, "denied"), PermissionDeniedError, id="right"),
        pytest.param(OSError(5, "I/O error"), StorageError, id="disk"),
    ],
)
def test_file_that_cannot_be_opened_says_why(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: OSError,
    kind: type[Exception],
) -> None:
    (tmp_path / "a").write_text("a")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(kind):
        open_file(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("path", "mime"),
    [
        ("a.txt", "text/plain"),
        ("a.json", "application/json"),
        ("a.unheard-of", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_media_type_is_guessed_by_name(path: str, mime: str) -> None:
    assert guess_mime(path) == mime
