from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.trust.record import check_author, check_signature, claimed_key
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.statement import parse_statement
from tests.unit.trust.builders import (
    VERIFIER,
    foreign,
    forge,
    key,
    notarization,
    prove,
    sid,
    sign_predicate,
)


def test_a_statement_carries_the_key_of_its_signer() -> None:
    record = prove(notarization("TRUSTED", ["app"]), 1)

    assert claimed_key(record) == key("ci").public_der
    assert claimed_key(record._replace(statement=None)) is None


@pytest.mark.parametrize(
    "signer",
    [None, "0x", [], {}, {"publicKey": 7}, {"publicKey": "!"}, {"publicKey": "MCow"}],
    ids=repr,
)
def test_a_statement_may_carry_no_usable_key(signer: object) -> None:
    envelope = sign_predicate("notarization", {"signer": signer}, "ci")

    assert claimed_key(prove(envelope, 1)) is None


def test_a_good_signature_passes() -> None:
    check_signature(
        prove(notarization("TRUSTED", ["app"]), 1), key("ci").public_der, VERIFIER
    )


def test_a_record_without_envelope_has_no_signature() -> None:
    record = prove(notarization("TRUSTED", ["app"]), 7)._replace(envelope=None)

    with pytest.raises(IntegrityError, match=r"record #7: expected .* got none"):
        check_signature(record, key("ci").public_der, VERIFIER)


def check(envelope_bytes: bytes) -> None:
    envelope = parse_envelope(envelope_bytes)
    statement = parse_statement(envelope.payload)
    check_author(envelope, statement, VERIFIER, subject="record")


@pytest.mark.parametrize(
    "envelope",
    [
        notarization("TRUSTED", ["app"]),
        notarization("TRUSTED", ["app"], ("ci", "other")),
        foreign("https://slsa.dev/provenance/v1", ["app"], {}, "ci"),
        forge(notarization("TRUSTED", ["app"]), ""),
        forge(notarization("TRUSTED", ["app"]), "SHA256:another-scheme"),
    ],
    ids=["own", "co-signed", "standard", "no-key-id", "foreign-key-id"],
)
def test_an_envelope_by_its_own_signer_is_taken(envelope: bytes) -> None:
    check(envelope)


@pytest.mark.parametrize(
    ("envelope", "got"),
    [
        (forge(notarization("TRUSTED", ["app"]), sid("security")), "no such key"),
        (forge(notarization("TRUSTED", ["app"]), sid("ci"), b"\0" * 64), "a bad sig"),
        (forge(notarization("TRUSTED", ["app"]), sid("ci"), b""), "a bad signature"),
        (notarization("TRUSTED", ["app"], ("ci",), signer={}), "no such key"),
        (sign_predicate("notarization", {}, "ci"), "no such key"),
        (
            sign_predicate("notarization", {"signer": {"publicKey": "AAAA"}}, "ci"),
            "no such key",
        ),
    ],
    ids=["forged-id", "zeros", "empty", "key-left-out", "no-signer", "another-key"],
)
def test_an_envelope_that_is_not_by_its_signer_is_refused(
    envelope: bytes, got: str
) -> None:
    with pytest.raises(IntegrityError, match=got):
        check(envelope)
