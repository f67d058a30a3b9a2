"""Read in-toto statements: the fields that count are checked, others kept."""

from __future__ import annotations

import json

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.values.statement import (
    EXTENSION,
    MAX_SUBJECTS,
    MAX_SUPERSEDES,
    OWN_TYPES,
    STATEMENT_TYPE,
    Subject,
    format_statement,
    is_index,
    parse_statement,
    predicate_uri,
    type_of,
)
from jenkins_notary.values.status import Status

HEX = "ab" * 32
OWN = predicate_uri("notarization")
SLSA = "https://slsa.dev/provenance/v1"


def make(predicate_type: str = OWN, *, drop: str = "", **changes: object) -> bytes:
    """Return a statement's JSON; ``drop`` names a key to leave out."""
    value: dict[str, object] = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "app.jar", "digest": {"sha256": HEX}}],
        "predicateType": predicate_type,
        "predicate": {},
        **changes,
    }
    value.pop(drop, None)
    return json.dumps(value).encode()


def test_format_and_parse_are_inverse() -> None:
    subjects = (Subject("a", HEX), Subject("c", HEX, {"gitCommit": "12" * 20}))
    predicate = {
        "job": {"id": "ci:a#1"},
        "status": "UNTRUSTED",
        "supersedes": [3, 1],
    }
    read = parse_statement(format_statement(OWN, subjects, predicate))

    assert read.subjects == subjects
    assert read.predicate == read.facts == predicate
    assert (read.type, read.predicate_type) == ("notarization", OWN)
    assert (read.job_id, read.status) == ("ci:a#1", Status.UNTRUSTED)
    assert read.supersedes == (3, 1)


def test_a_statement_without_facts_has_none() -> None:
    read = parse_statement(make(drop="predicate"))

    assert (read.job_id, read.status, read.supersedes) == (None, None, ())
    assert read.predicate == {}


def test_a_standard_predicate_has_its_facts_in_the_extension() -> None:
    predicate = {"job": {"id": "other#9"}, EXTENSION: {"job": {"id": "ci:a#1"}}}
    read = parse_statement(make(SLSA, predicate=predicate))

    assert (read.type, read.job_id) == ("provenance", "ci:a#1")


def test_a_standard_predicate_without_extension_has_no_facts() -> None:
    read = parse_statement(make(SLSA, predicate={"status": "TRUSTED"}))

    assert read.status is None


@pytest.mark.parametrize("word", sorted(OWN_TYPES))
def test_every_own_type_is_known_by_its_uri(word: str) -> None:
    assert type_of(predicate_uri(word)) == word


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "URN:jenkins-notary:trust:v1",
        "urn:jenkins-notary",
        "urn:other:jenkins-notary:trust:v1",
        "https://slsa.dev/provenance/v1 ",
        "https://in-toto.io/attestation/release/v0.1",
    ],
)
def test_any_foreign_type_is_an_attestation(uri: str) -> None:
    assert type_of(uri) == "attestation"


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("urn:jenkins-notary:", id="no word"),
        pytest.param("urn:jenkins-notary:v1", id="no version"),
        pytest.param("urn:jenkins-notary::v1", id="empty word"),
        pytest.param("urn:jenkins-notary:trust:", id="empty version"),
        pytest.param("urn:jenkins-notary:trust:v2", id="newer version"),
        pytest.param("urn:jenkins-notary:trust:v1:x", id="something behind"),
        pytest.param("urn:jenkins-notary:trust:v1 ", id="a blank behind"),
        pytest.param("urn:jenkins-notary:Trust:v1", id="upper case"),
        pytest.param("urn:jenkins-notary:unheard:v1", id="unknown word"),
    ],
)
def test_an_own_type_that_is_not_known_is_refused(uri: str) -> None:
    # As an attestation it would not count for trust, whatever it changes.
    with pytest.raises(IntegrityError, match=r"that this version knows; .*upgrade"):
        type_of(uri)
    with pytest.raises(IntegrityError, match=r"upgrade$"):
        parse_statement(make(uri))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"[]", id="no object"),
        pytest.param(make(drop="_type"), id="no _type"),
        pytest.param(make(_type="https://in-toto.io/Statement/v0.1"), id="v0.1"),
        pytest.param(make(drop="predicateType"), id="no predicate type"),
        pytest.param(make(predicateType=7), id="predicate type a number"),
        pytest.param(make(predicate=[]), id="predicate a list"),
        pytest.param(make(predicate=""), id="predicate a text"),
        pytest.param(make(predicate=0), id="predicate a number"),
        pytest.param(make(drop="subject"), id="no subjects"),
        pytest.param(make(subject={}), id="subjects an object"),
        pytest.param(make(subject=["x"]), id="subject a text"),
        pytest.param(make(subject=[{"name": "x"}]), id="no digest"),
        pytest.param(make(subject=[{"digest": HEX}]), id="digest a text"),
        pytest.param(make(subject=[{"digest": {"sha1": "x"}}]), id="no sha256"),
        pytest.param(make(subject=[{"digest": {"sha256": [HEX]}}]), id="in a list"),
        pytest.param(
            make(subject=[{"digest": {"sha256": HEX.upper()}}]), id="upper case"
        ),
        pytest.param(
            make(subject=[{"name": 1, "digest": {"sha256": HEX}}]), id="name a number"
        ),
        pytest.param(
            make(subject=[{"digest": {"sha256": HEX, "sha1": 1}}]), id="sha1 a number"
        ),
        pytest.param(make(SLSA, predicate={EXTENSION: []}), id="extension a list"),
        pytest.param(make(SLSA, predicate={EXTENSION: None}), id="extension null"),
        pytest.param(make(predicate={"job": "a#1"}), id="job a text"),
        pytest.param(make(predicate={"job": {}}), id="job without id"),
        pytest.param(make(predicate={"job": {"id": ""}}), id="empty job id"),
        pytest.param(make(predicate={"job": {"id": ["a#1"]}}), id="job id a list"),
        pytest.param(make(predicate={"status": "REVOKED"}), id="status REVOKED"),
        pytest.param(make(predicate={"status": "UNKNOWN"}), id="status UNKNOWN"),
        pytest.param(make(predicate={"status": "trusted"}), id="status lower case"),
        pytest.param(make(predicate={"status": 0}), id="status a number"),
        pytest.param(make(predicate={"status": []}), id="status a list"),
        pytest.param(make(predicate={"status": {}}), id="status an object"),
        pytest.param(make(predicate={"supersedes": 1}), id="supersedes a number"),
        pytest.param(make(predicate={"supersedes": None}), id="supersedes null"),
        pytest.param(make(predicate={"supersedes": [-1]}), id="negative index"),
        pytest.param(make(predicate={"supersedes": [True]}), id="index true"),
        pytest.param(make(predicate={"supersedes": [1.0]}), id="index a float"),
        pytest.param(make(predicate={"supersedes": [1 << 53]}), id="index too large"),
        pytest.param(
            make(predicate={"supersedes": [1] * (MAX_SUPERSEDES + 1)}), id="too many"
        ),
    ],
)
def test_a_malformed_field_is_refused(payload: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"^record 3"):
        parse_statement(payload, subject="record 3")


def test_subjects_are_bounded() -> None:
    one = {"digest": {"sha256": HEX}}

    most = parse_statement(make(subject=[one] * MAX_SUBJECTS))
    with pytest.raises(IntegrityError, match=f"at most {MAX_SUBJECTS} subjects"):
        parse_statement(make(subject=[one] * (MAX_SUBJECTS + 1)))

    assert most.subjects == (Subject("", HEX),) * MAX_SUBJECTS


def test_an_import_may_have_one_subject_more() -> None:
    one = {"digest": {"sha256": HEX}}
    kind = "urn:jenkins-notary:import:v1"
    most = parse_statement(make(subject=[one] * (MAX_SUBJECTS + 1), predicateType=kind))
    with pytest.raises(IntegrityError, match=f"at most {MAX_SUBJECTS + 1} subjects"):
        parse_statement(make(subject=[one] * (MAX_SUBJECTS + 2), predicateType=kind))

    assert len(most.subjects) == MAX_SUBJECTS + 1


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(0, True), ((1 << 53) - 1, True), (1 << 53, False), (-1, False), (True, False)],
)
def test_an_index_is_an_integer_that_json_carries(value: int, *, is_one: bool) -> None:
    assert is_index(value) is is_one
