from __future__ import annotations

import json

import pytest

from jenkins_notary.ledger.author import Author, describe_signer, format_time
from jenkins_notary.trust.keys import decode_public_key
from jenkins_notary.trust.record import check_author, has_signature
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.statement import Subject, parse_statement
from tests.unit.trust.builders import VERIFIER, digest, key, sid

AUTHOR = Author((key("ci"), key("boss")), "ab" * 16, 1767323045006)


def test_a_statement_carries_record_id_time_and_signer() -> None:
    envelope = parse_envelope(AUTHOR.sign("log", [Subject("x", digest("x"))], {"a": 1}))
    statement = parse_statement(envelope.payload)

    assert statement.type == "log"
    assert statement.facts == {
        "recordId": "ab" * 16,
        "claimedAt": "2026-01-02T03:04:05.006Z",
        "signer": describe_signer(key("ci")),
        "a": 1,
    }


def test_every_key_signs_and_the_first_names_the_signer() -> None:
    data = AUTHOR.sign("log", [], {})
    envelope = parse_envelope(data)

    assert [one.keyid for one in envelope.signatures] == [sid("ci"), sid("boss")]
    for name in ("ci", "boss"):
        assert has_signature(envelope, sid(name), key(name).public_der, VERIFIER)
    check_author(envelope, parse_statement(envelope.payload), VERIFIER, subject="x")


def test_facts_without_a_value_are_left_out() -> None:
    payload = parse_envelope(AUTHOR.sign("log", [], {"a": None, "b": 0})).payload

    predicate = json.loads(payload)["predicate"]

    assert "a" not in predicate
    assert predicate["b"] == 0


def test_the_same_call_makes_the_same_bytes() -> None:
    assert AUTHOR.sign("log", [], {"b": 1, "a": 2}) == AUTHOR.sign(
        "log", [], {"a": 2, "b": 1}
    )


def test_a_described_key_proves_its_id() -> None:
    described = describe_signer(key("ci"))

    der = decode_public_key(described["publicKey"], signer=described["id"])

    assert der == key("ci").public_der


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1767323045006, "2026-01-02T03:04:05.006Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert format_time(at_ms) == text
