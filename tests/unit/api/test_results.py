from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jenkins_notary.api.results import AssetVerdict
from jenkins_notary.values.query import Query
from jenkins_notary.values.status import Status
from tests.unit.api.people import JOB, ORIGIN, digest, foreign

if TYPE_CHECKING:
    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person


def test_record_of_an_asset_has_the_documented_keys(notary: Notary) -> None:
    (done,) = notary.notarize([digest("app")], name="app", job=JOB)

    said = json.loads(json.dumps(done.to_dict()))
    assert (said["name"], said["kind"], said["digest"]) == (
        "app",
        "digest",
        done.digest,
    )
    assert (said["status"], said["code"], said["job"]) == ("TRUSTED", 0, JOB)
    assert (said["ref"], said["size"], said["index"]) == (None, None, 1)
    assert said["receipt"].startswith("c2sp.org/tlog-proof@v1\n")
    assert said["timestamp"].endswith("Z")
    assert said["signer"].startswith("0x")


def test_verdict_has_the_documented_keys(admin: Person, notary: Notary) -> None:
    admin.record("app", job=JOB)
    known, unknown = notary.authenticate([digest("app"), digest("b")])

    said = json.loads(json.dumps(known.to_dict()))
    assert (said["status"], said["code"], said["index"]) == ("TRUSTED", 0, 1)
    assert said["as_of"]["tree_size"] == 2
    assert "error" not in said
    assert "changes" not in said
    said = json.loads(json.dumps(unknown.to_dict()))
    assert (said["status"], said["code"]) == ("UNKNOWN", 2)
    assert [said[key] for key in ("index", "signer", "timestamp", "receipt")] == [
        None
    ] * 4


def test_verdict_without_status_is_never_a_good_one(notary: Notary) -> None:
    (answer,) = notary.authenticate([digest("app")])

    assert answer._replace(status=None).code == Status.UNKNOWN.value
    assert isinstance(answer, AssetVerdict)


def test_record_shows_leaf_and_statement(admin: Person, notary: Notary) -> None:
    admin.record("app", job=JOB, reason="release")
    (one,) = notary.evidence(Query(digest=digest("app")), receipts=True)

    said = json.loads(json.dumps(one.to_dict()))
    assert (said["name"], said["kind"], said["type"]) == (
        "app",
        "digest",
        "notarization",
    )
    assert (said["standing"], said["status"], said["job"]) == (
        "enrolled",
        "TRUSTED",
        JOB,
    )
    assert said["digests"] == [digest("app")]
    assert said["subjects"] == [
        {"name": "app", "digest": {"sha256": digest("app")[7:]}}
    ]
    assert said["predicate"]["reason"] == "release"
    assert said["predicate_type"] == "urn:jenkins-notary:notarization:v1"
    assert (said["supersedes"], said["erased_by"]) == ([], None)


def test_trust_record_and_erased_record_are_shown(
    admin: Person, notary: Notary
) -> None:
    admin.record("app")
    notary.ledger.erase([1], reason="asked for")

    genesis, erased, _ = notary.evidence(Query(since="2000-01-01T00:00:00Z"))
    said = json.loads(json.dumps(genesis.to_dict()))
    assert (said["type"], said["name"], said["digest"]) == ("trust", None, None)
    assert said["predicate"]["origin"] == ORIGIN
    said = json.loads(json.dumps(erased.to_dict()))
    assert (said["name"], said["digest"], said["job"]) == (None, digest("app"), None)
    assert (said["standing"], said["erased_by"]) == ("erased", 2)
    assert "predicate" not in said


def test_record_of_a_stranger_is_shown_whatever_it_holds(notary: Notary) -> None:
    session = notary._session
    odd: list[object] = [None, 7, [], [7], [{}], [{"name": ["x"], "size": {}}]]
    for place, assets in enumerate(odd):
        session.append([foreign(f"eve {place}", "notarization", {"assets": assets})])

    for one in notary.evidence(Query(digest=digest("app"))):
        said = json.loads(json.dumps(one.to_dict()))
        assert said["digest"] == digest("app")
        assert said["standing"] == "not enrolled"


def test_other_answers_are_json(admin: Person, notary: Notary) -> None:
    admin.record("app")

    said = [
        *(one.to_dict() for one in notary.signers.list()),
        *(one.to_dict() for one in notary.doctor()),
        notary.show_key().to_dict(),
        notary.ledger.status().to_dict(),
    ]
    assert json.loads(json.dumps(said)) == said
