from __future__ import annotations

import pytest

from jenkins_notary.ledger.rows import (
    MAX_ALIASES,
    below_range,
    derive_named_rows,
    derive_rows,
    exact_range,
    name_key,
    name_range,
)
from jenkins_notary.ports import Row
from jenkins_notary.values.statement import Statement, Subject
from tests.unit.trust.builders import (
    author,
    digest,
    foreign,
    forge,
    notarization,
    prove,
    sid,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def rows_of(envelope: bytes) -> list[Row]:
    record = prove(envelope, 7)
    return derive_rows(7, record.leaf, record.statement)


def statement(*subjects: Subject, **facts: object) -> Statement:
    return Statement("notarization", "uri", subjects, facts, facts)


def is_in(key: bytes | None, bounds: tuple[bytes, bytes]) -> bool:
    assert key is not None
    return bounds[0] <= key < bounds[1]


def test_a_record_is_found_by_subject_job_name_and_signer() -> None:
    envelope = notarization("TRUSTED", ["b", "a"], job={"id": "ci.example.com:x/y#3"})

    rows = rows_of(envelope)

    leaf = prove(envelope, 7).leaf
    assert leaf.job_hex is not None
    assert rows == [
        *(Row("subject", bytes.fromhex(one), 7) for one in leaf.subjects),
        Row("job", bytes.fromhex(leaf.job_hex), 7),
        Row("signer", bytes.fromhex(sid("ci")[2:]), 7),
        Row("name", name_key("ci.example.com:x/y#3") or b"", 7),
    ]


def test_a_foreign_key_id_has_no_signer_row() -> None:
    kinds = {row.kind for row in rows_of(forge(notarization("TRUSTED", ["a"]), ""))}

    assert kinds == {"subject"}


def test_an_erased_record_keeps_the_rows_of_its_leaf_alone() -> None:
    record = prove(notarization("TRUSTED", ["a"], job={"id": "x#3"}), 7)

    rows = derive_rows(7, record.leaf, None)

    assert {row.kind for row in rows} == {"subject", "job", "signer"}


@pytest.mark.parametrize(
    ("commit", "count"),
    [
        (COMMIT, 1),
        (COMMIT + COMMIT[:24], 1),
        (COMMIT.upper(), 0),
        (COMMIT[:-1], 0),
        (COMMIT + "é", 0),
        ("", 0),
    ],
    ids=["sha1", "sha256", "upper-case", "short", "long", "empty"],
)
def test_git_commits_are_indexed_by_their_bytes(commit: str, count: int) -> None:
    one = Subject("x", digest("x"), {"gitCommit": commit})
    other = Subject("y", digest("y"), {"gitCommit": commit, "gitTree": COMMIT})

    rows = derive_named_rows(7, statement(one, other))

    assert [(row.kind, row.key.hex()) for row in rows] == [("commit", commit)] * count


@pytest.mark.parametrize(
    ("aliases", "count"),
    [
        (["a/b#1", "a/b#1", "ci.example.com:a/b#1"], 2),
        (["no job", "", None, 7, {}, []], 0),
        ("a/b#1", 0),
        ({"a/b#1": 1}, 0),
        (7, 0),
        (None, 0),
        ([f"a#{number}" for number in range(1, 1000)], MAX_ALIASES),
    ],
    ids=["twice", "no-jobs", "text", "object", "number", "none", "many"],
)
def test_aliases_lead_to_a_record_within_bounds(aliases: object, count: int) -> None:
    assert len(derive_named_rows(7, statement(aliases=aliases))) == count


def test_aliases_of_a_standard_predicate_stand_in_its_extension() -> None:
    facts = {"aliases": ["a/b#1"], "job": {"id": "c#2"}}
    envelope = foreign("https://slsa.dev/provenance/v1", ["app"], facts, "ci")

    names = [row.key for row in rows_of(envelope) if row.kind == "name"]

    assert names == [name_key("a/b#1"), name_key("c#2")]


def test_a_job_that_cannot_be_parsed_has_no_name() -> None:
    assert name_key("jenkins-payments-42") is None
    assert name_key("a/../b#1") is None


def test_builds_of_one_job_are_one_range_in_the_order_of_their_numbers() -> None:
    keys = [name_key(f"a/b#{number}") or b"" for number in (1, 9, 10, 300, 70000)]

    assert keys == sorted(keys)
    assert all(is_in(key, name_range("a/b")) for key in keys)


@pytest.mark.parametrize(
    ("job", "inside"),
    [
        ("a/b#7", True),
        ("ci.example.com:a/b#7", True),
        ("zz-9.example.com:a/b#7", True),
        ("a/b#8", False),
        ("a/b#1792", False),
        ("a/bb#7", False),
        ("a/b/c#7", False),
        ("a#7", False),
    ],
)
def test_one_build_is_found_at_every_instance(job: str, *, inside: bool) -> None:
    assert is_in(name_key(job), name_range("a/b", 7)) == inside


@pytest.mark.parametrize(
    ("job", "inside"),
    [
        ("a/b#1", True),
        ("a/b/c#1", True),
        ("a/é#1", True),
        ("a#1", False),
        ("a-evil/b#1", False),
        ("a0/b#1", False),
        ("ab/c#1", False),
    ],
)
def test_a_folder_means_what_is_below_it(job: str, *, inside: bool) -> None:
    assert is_in(name_key(job), below_range("a")) == inside


def test_an_exact_range_holds_its_key_alone() -> None:
    low, high = exact_range(b"key")

    assert low <= b"key" < high
    assert not high > b"key\0"
    assert not high > b"kez"


def test_no_key_is_longer_than_the_port_allows() -> None:
    longest = "i" * 253 + ":" + "n" * 1024 + "#" + "9" * 19

    assert len(name_key(longest) or b"") <= 1400


def test_a_record_without_job_has_no_job_row() -> None:
    envelope = author("ci").sign("log", [], {})

    assert [row.kind for row in rows_of(envelope)] == ["signer"]
