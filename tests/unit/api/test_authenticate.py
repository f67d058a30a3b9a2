from __future__ import annotations

import io
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.authenticate import hint_path, remember_directory
from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.status import Status
from tests.unit.api.people import JOB, digest, foreign, tamper

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The current folder."""
    return tmp_path / "work"


@pytest.fixture
def tree(work: Path) -> Path:
    """A directory of three files."""
    folder = work / "tree"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def repository(work: Path) -> Path:
    """A git work tree with one commit."""
    folder = work / "repository"
    folder.mkdir()
    (folder / "main.c").write_text("int main;")
    for argv in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *argv], cwd=folder, check=True)
    return folder


# Verdicts


def test_verdict_has_record_job_state_and_receipt(
    admin: Person, notary: Notary
) -> None:
    admin.record("app", job=JOB)
    admin.record("b")

    (answer,) = notary.authenticate([digest("app")])

    assert answer.status is Status.TRUSTED
    assert (answer.code, answer.job) == (0, JOB)
    assert answer.record is not None
    assert answer.record.index == 1
    assert answer.as_of is not None
    assert answer.as_of.tree_size == 3
    assert answer.receipt is not None
    vkey = notary.ledger.status().vkey
    proven = verify_receipt(answer.receipt.encode(), vkey=vkey).to_dict()
    assert proven["digests"] == [digest("app")]


@pytest.mark.parametrize(
    ("act", "status", "code"),
    [
        pytest.param("notarize", "TRUSTED", 0, id="trusted"),
        pytest.param("untrust", "UNTRUSTED", 1, id="untrusted"),
        pytest.param("unsupport", "UNSUPPORTED", 3, id="unsupported"),
        pytest.param("revoke", "REVOKED", 4, id="revoked"),
        pytest.param("nothing", "UNKNOWN", 2, id="unknown"),
    ],
)
def test_every_status_has_its_code(  # noqa: PLR0917 - fixtures and the row
    admin: Person, notary: Notary, act: str, status: str, code: int
) -> None:
    if act == "notarize":
        admin.record("app")
    elif act == "revoke":
        other = admin.notary(key="other.pem")
        signer = other.generate_key().signer
        other.notarize([digest("app")], name="app")
        notary.signers.enrol(signer)
        notary.signers.revoke(signer, from_index=1)
    elif act != "nothing":
        getattr(notary, act)([digest("app")], reason="why")

    (answer,) = notary.authenticate([digest("app")])

    assert answer.status is not None
    assert (answer.status.name, answer.code) == (status, code)
    assert answer.to_dict()["code"] == code
    assert (answer.receipt is None) is (status == "UNKNOWN")


def test_every_asset_gets_an_answer(admin: Person, notary: Notary, work: Path) -> None:
    admin.record("app")
    (work / "app").write_text("app")

    answers = notary.authenticate(["app", "missing", "nothing-*", digest("x")])

    assert [one.code for one in answers] == [0, 66, 66, 2]
    assert [one.name for one in answers] == ["app", "missing", "nothing-*", digest("x")]
    assert answers[1].error is not None
    assert answers[1].status is None
    assert answers[1].to_dict()["error"]["code"] == 66


def test_one_unreadable_asset_is_an_answer(notary: Notary) -> None:
    (answer,) = notary.authenticate(["missing"])

    assert (answer.code, answer.name) == (66, "missing")
    assert answer.as_of is None


def test_list_on_standard_input_is_judged_one_by_one(admin: Person, work: Path) -> None:
    admin.record("app")
    (work / "app").write_text("app")
    asking = admin.notary(stdin=io.BytesIO(b"app\nmissing\n"))

    assert [one.code for one in asking.authenticate(["-"])] == [0, 66]


def test_trust_rule_is_the_callers(admin: Person, reader: Person) -> None:
    admin.record("app")
    signer = admin.notary().show_key().signer
    theirs = reader.notary().generate_key().signer
    reader.record("app")
    admin.notary().signers.change_org("acme", [signer], joined=True)
    admin.record("org")

    assert reader.verdict("app", keys=[signer]) == "TRUSTED"
    assert reader.verdict("app", keys=[signer.upper().replace("X", "x")]) == "TRUSTED"
    assert reader.verdict("app", keys=[theirs]) == "TRUSTED"
    assert reader.verdict("org", keys=[theirs]) == "UNKNOWN"
    assert reader.verdict("org", org="acme") == "TRUSTED"
    assert reader.verdict("org", org="other") == "UNKNOWN"
    with pytest.raises(UsageError):
        reader.verdict("app", keys=["0x12"])


# Earlier states


def test_as_of_a_size_or_time(admin: Person, notary: Notary) -> None:
    admin.record("app")
    notary.untrust([digest("app")], reason="CVE")
    view = notary._session.view()
    times = [format_time(view.leaf(index)[1].at_ms) for index in range(3)]

    assert admin.verdict("app", as_of="1") == "UNKNOWN"
    assert admin.verdict("app", as_of="2") == "TRUSTED"
    assert admin.verdict("app", as_of="3") == "UNTRUSTED"
    assert admin.verdict("app", as_of=times[2]) == "UNTRUSTED"
    assert admin.verdict("app", as_of="2", strict=True) == "TRUSTED"
    (answer,) = notary.authenticate([digest("app")], as_of="2")
    assert answer.as_of is not None
    assert tuple(answer.as_of) == (2, times[1])


@pytest.mark.parametrize(
    ("as_of", "kind"),
    [
        pytest.param("0", NotFoundError, id="zero"),
        pytest.param("99", NotFoundError, id="not-grown"),
        pytest.param("2000-01-01T00:00:00Z", NotFoundError, id="before-it-was"),
        pytest.param("yesterday", UsageError, id="no-time"),
        pytest.param("-1", UsageError, id="negative"),
        pytest.param("", UsageError, id="empty"),
    ],
)
def test_wrong_as_of_is_refused(
    admin: Person, as_of: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        admin.verdict("app", as_of=as_of)


# An altered ledger


def test_strict_finds_a_row_that_was_left_out(admin: Person) -> None:
    admin.record("app")
    tamper(admin.ledger, "DELETE FROM subject_row WHERE key = ?", _raw(digest("app")))

    assert admin.verdict("app") == "UNKNOWN"
    with pytest.raises(IntegrityError, match="row was left out") as caught:
        admin.verdict("app", strict=True)
    assert caught.value.exit_code == 65


def test_strict_finds_a_row_that_was_added(admin: Person) -> None:
    admin.record("app")
    tamper(admin.ledger, "INSERT INTO subject_row VALUES (?, ?)", _raw(digest("x")), 1)

    assert admin.verdict("x") == "65"
    with pytest.raises(IntegrityError):
        admin.verdict("x", strict=True)


def test_strict_passes_what_is_whole(admin: Person, work: Path) -> None:
    admin.record("app")
    (work / "app").write_text("app")

    answers = admin.notary().authenticate(["app", "missing"], strict=True)

    assert [one.code for one in answers] == [0, 66]


def test_hidden_negative_row_hides_nothing(admin: Person, notary: Notary) -> None:
    admin.record("app")
    notary.untrust([digest("app")], reason="CVE")
    tamper(admin.ledger, "DELETE FROM subject_row WHERE at = 2")

    assert admin.verdict("app") == "UNTRUSTED"


def test_altered_trust_log_gives_nobody_a_verdict(
    admin: Person, notary: Notary
) -> None:
    admin.record("app")
    notary.untrust([digest("b")], reason="CVE")
    admin.close()
    tamper(admin.ledger, "DELETE FROM trust_entry WHERE at = 1")

    with pytest.raises(IntegrityError):
        admin.verdict("app")


def test_altered_record_fails_its_own_asset_only(admin: Person) -> None:
    admin.record("app")
    admin.record("b")
    admin.record("c")
    tamper(admin.ledger, "DELETE FROM envelope_id WHERE id = 1")

    answers = admin.notary().authenticate([digest("app"), digest("b")])

    assert [one.code for one in answers] == [65, 0]
    assert answers[0].error is not None


def _raw(text: str) -> bytes:
    return bytes.fromhex(text[7:])


# Git trees


def test_clean_tree_is_trusted_and_a_dirty_one_never(
    notary: Notary, repository: Path
) -> None:
    word = f"git://{repository}"
    notary.notarize([word])
    assert notary.authenticate([word])[0].code == 0

    (repository / "main.c").write_text("int evil;")
    (answer,) = notary.authenticate([word])

    assert answer.status is Status.UNKNOWN
    assert "differs from its commit" in answer.reason
    assert answer.advice == "commit or undo the changes"


def test_record_of_a_dirty_tree_never_says_trusted(
    notary: Notary, repository: Path
) -> None:
    (repository / "main.c").write_text("int evil;")
    notary.notarize([f"git://{repository}"])
    dirty = notary.authenticate([f"git://{repository}"])[0]
    subprocess.run(["git", "checkout", "-q", "."], cwd=repository, check=True)

    clean = notary.authenticate([f"git://{repository}"])[0]

    assert (dirty.status, clean.status) == (Status.UNKNOWN, Status.UNKNOWN)
    assert "dirty tree" in clean.reason


# Directories


def test_directory_shows_what_changed(notary: Notary, tree: Path) -> None:
    notary.notarize(["dir://tree"])
    assert notary.authenticate(["dir://tree"])[0].changes is None

    (tree / "a").write_text("other")
    (tree / "b").rename(tree / "renamed")
    (tree / "c").unlink()
    (tree / "fresh").write_text("fresh")
    (answer,) = notary.authenticate(["dir://tree"])

    assert answer.status is Status.UNKNOWN
    assert answer.changes is not None
    found = {key: value for key, value in answer.changes.items() if value}
    assert {key: len(value) for key, value in found.items()} == {
        "new": 1,
        "modified": 1,
        "deleted": 1,
        "renamed": 1,
    }
    assert "fresh" in str(found["new"])
    assert "renamed" in str(found["renamed"])
    assert answer.to_dict()["changes"] == answer.changes


def test_directory_is_compared_with_the_record_that_is_asked_for(
    notary: Notary, reader: Person, tree: Path
) -> None:
    (first,) = notary.notarize(["dir://tree"])
    (tree / "a").write_text("second")
    notary.notarize(["dir://tree"])
    (tree / "b").write_text("third")

    (answer,) = notary.authenticate(["dir://tree"], against=first.digest)
    (theirs,) = reader.notary().authenticate(["dir://tree"], against=first.digest)
    (hinted,) = notary.authenticate(["dir://tree"])
    (unhinted,) = reader.notary().authenticate(["dir://tree"])

    assert answer.changes is not None
    assert len(answer.changes["modified"]) == 2
    assert theirs.changes == answer.changes
    assert hinted.changes is not None
    assert len(hinted.changes["modified"]) == 1
    assert unhinted.changes is None


@pytest.mark.parametrize(
    ("against", "code"),
    [
        pytest.param(digest("none"), 66, id="unknown"),
        pytest.param("sha256:12", 64, id="malformed"),
        pytest.param("", 64, id="empty"),
    ],
)
def test_wrong_against_is_that_directorys_answer(  # noqa: PLR0917 - fixtures and the row
    admin: Person, notary: Notary, tree: Path, against: str, code: int
) -> None:
    admin.record("app")

    answers = notary.authenticate([str(tree), digest("app")], against=against)

    assert [one.code for one in answers] == [code, 0]


def test_against_a_record_without_manifest_finds_none(
    admin: Person, notary: Notary, tree: Path
) -> None:
    admin.record("app")

    (answer,) = notary.authenticate([str(tree)], against=digest("app"))

    assert answer.code == 66
    assert "a record with a manifest" in answer.reason


@pytest.mark.parametrize(
    "hint",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="noise"),
        pytest.param(b"sha256:zz", id="no-digest"),
        pytest.param(digest("none").encode(), id="unknown-digest"),
        pytest.param(b"x" * 10_000, id="long"),
    ],
)
def test_damaged_hint_costs_the_changes_never_the_verdict(
    notary: Notary, tree: Path, hint: bytes
) -> None:
    notary.notarize(["dir://tree"])
    (tree / "a").write_text("other")
    with open(hint_path(notary._session, "tree"), "wb") as file:
        file.write(hint)

    (answer,) = notary.authenticate(["dir://tree"])

    assert (answer.status, answer.changes) == (Status.UNKNOWN, None)


def test_manifest_that_is_gone_costs_the_changes_never_the_verdict(
    admin: Person, notary: Notary, tree: Path
) -> None:
    notary.notarize(["dir://tree"])
    (tree / "a").write_text("other")
    shutil.rmtree(f"{admin.ledger}.blobs")

    (answer,) = notary.authenticate(["dir://tree"])

    assert (answer.status, answer.changes) == (Status.UNKNOWN, None)


def test_hint_that_cannot_be_kept_is_no_failure(
    notary: Notary, tree: Path, admin: Person
) -> None:
    (admin.home / ".cache").write_text("a file, where a folder should be")

    remember_directory(notary._session, str(tree), digest("x"))

    assert notary.notarize([str(tree)])[0].index == 1
    assert not os.path.exists(hint_path(notary._session, str(tree)))


@pytest.mark.parametrize(
    "attachments",
    [
        pytest.param(None, id="none"),
        pytest.param("text", id="text"),
        pytest.param(7, id="number"),
        pytest.param({"label": "manifest"}, id="object"),
        pytest.param(["text", {"label": "other"}], id="other-items"),
    ],
)
def test_records_of_strangers_do_not_stop_a_comparison(
    admin: Person, notary: Notary, tree: Path, attachments: object
) -> None:
    (first,) = notary.notarize(["dir://tree"])
    facts = {"status": "TRUSTED", "attachments": attachments}
    envelope = foreign("eve", "notarization", facts)
    session = notary._session
    raw = envelope
    session.append([raw])
    remember_directory(session, "tree", digest("app"))
    (tree / "a").write_text("other")

    (answer,) = notary.authenticate(["dir://tree"])
    (asked,) = notary.authenticate(["dir://tree"], against=first.digest)

    assert answer.changes is None
    assert asked.changes is not None
    assert admin.is_sound()
