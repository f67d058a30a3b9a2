from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notarize import record_assets, to_subjects
from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.assets.asset import Asset, Subject
from jenkins_notary.errors import FaultsError, NotFoundError, UsageError
from jenkins_notary.values.claim import Claim, check_attributes, describe_job
from jenkins_notary.values.query import Query
from jenkins_notary.values.status import Status
from tests.unit.api.people import JENKINS, JOB, digest

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


def asset(name: str, *, digests: int = 1) -> Asset:
    """Return an asset with some digests."""
    subjects = [
        Subject(f"{name}-{one}", digest(f"{name}-{one}")) for one in range(digests)
    ]
    return Asset(name, "digest", None, tuple(subjects))


def predicate(notary: Notary, index: int) -> dict[str, object]:
    """Return what a record's statement says."""
    record = notary._session.view().record(index)
    assert record.statement is not None
    return dict(record.statement.predicate)


# The job


@pytest.mark.parametrize(
    ("given", "expected", "with_environment"),
    [
        pytest.param(None, JOB, True, id="none-given"),
        pytest.param(JOB, JOB, True, id="the-same"),
        pytest.param("payments/main#42", JOB, True, id="the-same-less-instance"),
        pytest.param("payments/main#43", "payments/main#43", False, id="other-build"),
        pytest.param("other#42", "other#42", False, id="other-job"),
        pytest.param(
            "ci2.example.com:payments/main#42",
            "ci2.example.com:payments/main#42",
            False,
            id="other-instance",
        ),
        pytest.param(
            "https://ci.example.com/job/payments/job/main/42/",
            JOB,
            True,
            id="its-url",
        ),
    ],
)
def test_job_is_the_one_given_else_that_of_the_environment(
    given: str | None, expected: str, *, with_environment: bool
) -> None:
    described = describe_job(JENKINS, given)

    assert described is not None
    assert described["id"] == expected
    assert ("environment" in described) is with_environment
    assert ("ci" in described) is with_environment


def test_job_of_no_environment_is_the_one_given() -> None:
    assert describe_job({}, JOB) == {"id": JOB}
    assert describe_job({}, None) is None


def test_job_without_an_instance_stays_without_one() -> None:
    environ = {"JENKINS_HOME": "/j", "JOB_NAME": "app", "BUILD_NUMBER": "1"}

    assert describe_job(environ, None) == {
        "id": "app#1",
        "ci": "jenkins",
        "environment": {"BUILD_NUMBER": "1", "JOB_NAME": "app"},
    }
    assert describe_job(environ, "ci:app#1") == {"id": "ci:app#1"}


@pytest.mark.parametrize("job", ["", "app", "app#0", "app#-1", "a//b#1", "app#1\n"])
def test_malformed_job_is_refused_and_nothing_recorded(
    notary: Notary, job: str
) -> None:
    with pytest.raises(UsageError):
        notary.notarize([digest("app")], name="app", job=job)

    assert notary.ledger.status().tree_size == 1


def test_job_and_environment_are_recorded(admin: Person) -> None:
    build = admin.notary(environ=JENKINS)
    (done,) = build.notarize([digest("app")], name="app")

    job = predicate(build, done.index)["job"]
    assert done.job == JOB
    assert job == {"id": JOB, "ci": "jenkins", "environment": JENKINS}


# The claim


def test_record_says_what_was_claimed(notary: Notary, newcomer: Person) -> None:
    (newcomer.home / "notes.txt").write_text("notes")
    (done,) = notary.notarize(
        [digest("app")],
        name="app",
        job=JOB,
        attributes={"version": "1.2", "tests": 7, "signed-off": True},
        reason="release",
        attachments=[(str(newcomer.home / "notes.txt"), "notes")],
    )

    said = predicate(notary, done.index)
    assert said["status"] == "TRUSTED"
    assert said["attributes"] == {"version": "1.2", "tests": 7, "signed-off": True}
    assert said["reason"] == "release"
    assert said["assets"] == [{"kind": "digest", "name": "app", "subjects": [0]}]
    listed = said["attachments"]
    assert isinstance(listed, list)
    (attached,) = listed
    assert attached["label"] == "notes"
    assert attached["mime"] == "text/plain"
    assert str(newcomer.home) not in json.dumps(said)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({}, id="none"),
        pytest.param({"a": ""}, id="empty-text"),
        pytest.param({"a" * 64: "x" * 1024}, id="longest"),
        pytest.param({f"a{n}": n for n in range(64)}, id="most"),
        pytest.param({"a": -1, "b": False, "c.d-e_f": "x"}, id="kinds"),
    ],
)
def test_attributes_within_bounds_pass(attributes: dict[str, object]) -> None:
    check_attributes(attributes)


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({f"a{n}": n for n in range(65)}, id="too-many"),
        pytest.param({"": 1}, id="empty-name"),
        pytest.param({"1a": 1}, id="digit-first"),
        pytest.param({"a b": 1}, id="blank"),
        pytest.param({"a\n": 1}, id="line-break"),
        pytest.param({"é": 1}, id="not-ascii"),
        pytest.param({"a" * 65: 1}, id="name-too-long"),
        pytest.param({"a": "x" * 1025}, id="value-too-long"),
        pytest.param({"a": 10**1025}, id="number-too-long"),
        pytest.param({"a": 1.5}, id="fraction"),
        pytest.param({"a": None}, id="none"),
        pytest.param({"a": ["x"]}, id="list"),
        pytest.param({"a": b"x"}, id="bytes"),
    ],
)
def test_attributes_out_of_bounds_are_refused(
    notary: Notary, attributes: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match="attribute") as caught:
        notary.notarize([digest("app")], name="app", attributes=attributes)  # type: ignore[arg-type]  # It refuses other types.

    assert len(str(caught.value)) < 300
    assert notary.ledger.status().tree_size == 1


def test_reason_has_a_limit(notary: Notary) -> None:
    notary.untrust([digest("app")], reason="x" * 4096)

    with pytest.raises(UsageError, match="4096 characters"):
        notary.untrust([digest("app")], reason="x" * 4097)


@pytest.mark.parametrize("reason", ["", " ", "\n"])
def test_negative_record_needs_a_reason(notary: Notary, reason: str) -> None:
    with pytest.raises(UsageError, match="why"):
        notary.untrust([digest("app")], reason=reason)
    with pytest.raises(UsageError, match="why"):
        notary.unsupport([digest("app")], reason=reason)


def test_bare_digest_needs_a_name_when_it_is_trusted_only(notary: Notary) -> None:
    with pytest.raises(UsageError):
        notary.notarize([digest("app")])

    (done,) = notary.untrust([digest("app")], reason="CVE")
    assert (done.name, done.status) == (digest("app"), Status.UNTRUSTED)


# Superseding


def test_superseding_record_lifts_a_negative_one(admin: Person, notary: Notary) -> None:
    admin.record("app")
    (bad,) = notary.untrust([digest("app")], reason="CVE")
    assert admin.verdict("app") == "UNTRUSTED"

    admin.record("app")
    assert admin.verdict("app") == "UNTRUSTED"
    admin.record("app", supersedes=[bad.index, bad.index], reason="false alarm")
    assert admin.verdict("app") == "TRUSTED"


@pytest.mark.parametrize(
    ("indexes", "reason", "words"),
    [
        pytest.param([99], "why", "a record", id="none-such"),
        pytest.param([-1], "why", "a record", id="negative-index"),
        pytest.param([1], "why", "got TRUSTED", id="positive"),
        pytest.param([0], "why", "got trust", id="no-status"),
        pytest.param([2], None, "--reason", id="no-reason"),
        pytest.param([2], "", "--reason", id="empty-reason"),
    ],
)
def test_wrong_supersede_is_refused(  # noqa: PLR0917 - fixtures and the row
    admin: Person, notary: Notary, indexes: list[int], reason: str | None, words: str
) -> None:
    admin.record("app")
    notary.untrust([digest("app")], reason="CVE")

    with pytest.raises(UsageError, match=words):
        admin.record("app", supersedes=indexes, reason=reason)
    assert notary.ledger.status().tree_size == 3


def test_only_a_trusted_record_supersedes(notary: Notary) -> None:
    notary.untrust([digest("app")], reason="CVE")
    claim = Claim(Status.UNTRUSTED, supersedes=[1], reason="why")

    with pytest.raises(UsageError, match="a TRUSTED record"):
        record_assets(notary._session, [asset("a")], claim)


# Many assets


def test_receipts_prove_every_asset_of_a_call(notary: Notary) -> None:
    done = record_assets(
        notary._session, [asset("a"), asset("b")], Claim(Status.TRUSTED)
    )
    vkey = notary.ledger.status().vkey

    for one in done:
        proven = verify_receipt(one.receipt.encode(), vkey=vkey).to_dict()
        assert one.digest in proven["digests"]
        assert proven["index"] == one.index
    assert {one.index for one in done} == {1}


def test_many_subjects_are_split_into_records_of_one_commit(notary: Notary) -> None:
    assets = [asset(f"a{place}", digests=300) for place in range(4)]
    done = record_assets(notary._session, assets, Claim(Status.TRUSTED, reason="r"))

    assert [one.index for one in done] == [1, 2, 3, 4]
    times = {notary._session.view().leaf(one.index)[1].at_ms for one in done}
    assert len(times) == 1
    parts = [predicate(notary, one.index)["part"] for one in done]
    assert parts == [{"number": place, "of": 4} for place in (1, 2, 3, 4)]
    ids = {predicate(notary, one.index)["recordId"] for one in done}
    assert len(ids) == 1


def test_records_are_filled_before_another_is_begun(notary: Notary) -> None:
    assets = [asset(f"a{place}") for place in range(501)]
    done = record_assets(notary._session, assets, Claim(Status.TRUSTED))

    assert [one.index for one in done] == [1] * 500 + [2]
    assert notary.authenticate([assets[500].digest])[0].code == 0
    listed = predicate(notary, 1)["assets"]
    assert isinstance(listed, list)
    assert listed[499]["subjects"] == [499]


def test_a_single_record_has_no_part(notary: Notary) -> None:
    record_assets(notary._session, [asset("a", digests=500)], Claim(Status.TRUSTED))

    assert "part" not in predicate(notary, 1)


def test_asset_of_too_many_digests_is_refused(notary: Notary) -> None:
    big = asset("big", digests=501)

    with pytest.raises(UsageError, match="at most 500 digests, got 501"):
        to_subjects(big)
    with pytest.raises(UsageError):
        record_assets(notary._session, [asset("a"), big], Claim(Status.TRUSTED))
    assert notary.ledger.status().tree_size == 1


def test_first_subject_bears_the_name_of_the_asset(notary: Notary) -> None:
    record_assets(notary._session, [asset("app", digests=2)], Claim(Status.TRUSTED))

    statement = notary._session.view().record(1).statement
    assert statement is not None
    assert [one.name for one in statement.subjects] == ["app", "app-1"]


def test_facts_of_an_asset_are_recorded(notary: Notary) -> None:
    whole = asset("app", digests=2)._replace(
        size=7, ref="r/app@sha256:ab", metadata={"os": "linux"}, dirty=True
    )
    record_assets(notary._session, [whole], Claim(Status.TRUSTED))

    assert predicate(notary, 1)["assets"] == [
        {
            "kind": "digest",
            "name": "app",
            "subjects": [0, 1],
            "size": 7,
            "ref": "r/app@sha256:ab",
            "metadata": {"os": "linux"},
            "dirty": True,
        }
    ]


# Linked digests


def test_negative_record_names_every_linked_digest(notary: Notary) -> None:
    record_assets(notary._session, [asset("i", digests=3)], Claim(Status.TRUSTED))
    notary.untrust([digest("i-2")], reason="CVE")

    statement = notary._session.view().record(2).statement
    assert statement is not None
    assert {one.sha256_hex for one in statement.subjects} == {
        digest(f"i-{place}")[7:] for place in range(3)
    }
    answers = notary.authenticate([digest(f"i-{place}") for place in range(3)])
    assert [one.code for one in answers] == [1, 1, 1]


def test_strangers_do_not_link(admin: Person, reader: Person, notary: Notary) -> None:
    notary.notarize([digest("good")], name="good")
    bait = Asset(
        "bait",
        "digest",
        None,
        (Subject("bad", digest("bad")), Subject("good", digest("good"))),
    )
    record_assets(reader.notary()._session, [bait], Claim(Status.TRUSTED))
    notary.untrust([digest("bad")], reason="CVE")

    assert admin.verdict("good") == "TRUSTED"


def test_too_many_links_prevent_no_untrust(notary: Notary) -> None:
    common = Subject("common", digest("common"))
    for place in range(2):
        one = asset(f"a{place}", digests=400)
        one = one._replace(subjects=(common, *one.subjects))
        record_assets(notary._session, [one], Claim(Status.TRUSTED))

    notary.untrust([digest("common")], reason="CVE")

    assert len(notary._session.view().leaf(3)[1].subjects) == 500
    asked = [digest("common"), *(digest(f"a1-{place}") for place in range(0, 400, 40))]
    assert {one.code for one in notary.authenticate(asked)} == {1}


# Failures


def test_one_missing_file_records_nothing(notary: Notary, tmp_path: Path) -> None:
    (tmp_path / "work" / "a.txt").write_text("a")

    with pytest.raises(NotFoundError):
        notary.notarize(["a.txt", "missing.txt"])
    with pytest.raises(FaultsError):
        notary.notarize(["a.txt", "missing.txt", "none.txt"])
    with pytest.raises(NotFoundError):
        notary.notarize(["a.txt"], attachments=[("missing.txt", None)])
    assert notary.ledger.status().tree_size == 1


def test_files_are_recorded_by_name_and_size(notary: Notary, tmp_path: Path) -> None:
    (tmp_path / "work" / "a.txt").write_text("a")
    (tmp_path / "work" / "b.txt").write_text("bb")

    done = notary.notarize(["*.txt"])

    assert [(one.name, one.size, one.kind) for one in done] == [
        ("a.txt", 1, "file"),
        ("b.txt", 2, "file"),
    ]
    assert [one.digest for one in done] == [digest("a"), digest("bb")]
    found = notary.evidence(Query(digest=digest("bb")))
    assert [one.record.index for one in found] == [1]


def test_superseding_needs_a_record_on_the_asset(admin: Person, notary: Notary) -> None:
    notary.untrust([digest("other")], reason="CVE")

    with pytest.raises(UsageError, match="a record on others"):
        admin.record("app", supersedes=[1], reason="why")


def test_signer_that_was_revoked_is_told_so(admin: Person, notary: Notary) -> None:
    other = admin.notary(key="other.pem")
    signer = other.generate_key().signer
    other.notarize([digest("app")], name="app")
    notary.signers.enrol(signer)
    notary.signers.revoke(signer)
    admin.notices.clear()

    other.notarize([digest("b")], name="b")

    assert admin.said == f"{signer} is revoked: its records do not count"
    with pytest.raises(UsageError, match="cannot be taken back"):
        notary.signers.enrol(signer)
