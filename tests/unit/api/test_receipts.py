from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notarize import record_assets
from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.assets.asset import Asset, Subject
from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.values.claim import Claim
from jenkins_notary.values.query import Query
from jenkins_notary.values.status import Status
from tests.unit.api.people import JOB, digest, foreign, stranger
from tests.unit.ledger.ledgers import log_key

if TYPE_CHECKING:
    from jenkins_notary.api.notary import Notary
    from jenkins_notary.ports import Signer


def receipt(notary: Notary, index: int) -> bytes:
    return make_receipt(notary._session.view(), index)


def envelope(notary: Notary, index: int) -> bytes:
    view = notary._session.view()
    data = view.envelope_bytes(view.record(index))
    assert data is not None
    return data


def test_receipt_and_key_alone_show_what_was_recorded(notary: Notary) -> None:
    (done,) = notary.notarize([digest("app")], name="app", job=JOB)
    vkey = notary.ledger.status().vkey

    said = verify_receipt(done.receipt.encode(), vkey=vkey).to_dict()

    assert said["digests"] == [digest("app")]
    assert (said["index"], said["status"], said["type"]) == (
        1,
        "TRUSTED",
        "notarization",
    )
    assert (said["signer"], said["timestamp"]) == (done.signer, done.timestamp)
    assert (said["signed_by"], said["job"]) == (None, None)


def test_envelope_shows_job_and_signature_too(notary: Notary) -> None:
    (done,) = notary.notarize([digest("app")], name="app", job=JOB)
    vkey = notary.ledger.status().vkey

    said = verify_receipt(
        done.receipt.encode(), vkey=vkey, envelope=envelope(notary, 1)
    ).to_dict()

    assert (said["signed_by"], said["job"]) == (done.signer, JOB)


def test_record_of_many_subjects_needs_its_envelope(notary: Notary) -> None:
    subjects = tuple(Subject(f"s{n}", digest(f"s{n}")) for n in range(100))
    big = Asset("big", "image", None, subjects)
    (done,) = record_assets(notary._session, [big], Claim(Status.TRUSTED))
    vkey = notary.ledger.status().vkey

    with pytest.raises(UsageError):
        verify_receipt(done.receipt.encode(), vkey=vkey)
    view = verify_receipt(
        done.receipt.encode(), vkey=vkey, envelope=envelope(notary, 1)
    )
    assert len(view.to_dict()["digests"]) == 100


def test_trust_record_has_no_status(notary: Notary) -> None:
    vkey = notary.ledger.status().vkey

    said = verify_receipt(receipt(notary, 0), vkey=vkey).to_dict()

    assert (said["type"], said["status"], said["digests"]) == ("trust", None, [])


def test_another_key_is_refused(notary: Notary) -> None:
    notary.notarize([digest("app")], name="app")

    with pytest.raises(IntegrityError):
        verify_receipt(receipt(notary, 1), vkey=log_key("ci.example.com/o").vkey)
    with pytest.raises(ConfigurationError):
        verify_receipt(receipt(notary, 1), vkey="noise")


def test_envelope_with_a_bad_signature_is_refused(notary: Notary) -> None:
    """The log holds it, byte for byte; that does not make it signed."""
    good = stranger("eve")
    impostor = _Impostor(good.signers[0], stranger("mallory").signers[0])
    forged = good._replace(signers=(impostor,))
    data = forged.sign("notarization", [], {"status": "TRUSTED"})
    notary._session.append([data])
    vkey = notary.ledger.status().vkey

    with pytest.raises(IntegrityError, match="a good signature"):
        verify_receipt(receipt(notary, 1), vkey=vkey, envelope=data)


class _Impostor:
    """Shows one key and signs with another."""

    def __init__(self, shown: Signer, used: Signer) -> None:
        self._used = used
        self.keyid = shown.keyid
        self.public_der = shown.public_der

    def sign(self, message: bytes) -> bytes:
        return self._used.sign(message)


def test_envelope_that_carries_no_key_is_signed_by_nobody_known(
    notary: Notary,
) -> None:
    from jenkins_notary.values.canonical import canonical_json
    from jenkins_notary.values.envelope import parse_envelope
    from jenkins_notary.values.statement import STATEMENT_TYPE, predicate_uri

    author = stranger("eve")
    payload = canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [],
            "predicateType": predicate_uri("log"),
            "predicate": {},
        }
    )
    data = author.sign_payload(payload)
    assert parse_envelope(data).payload == payload
    notary._session.append([data])
    vkey = notary.ledger.status().vkey

    view = verify_receipt(receipt(notary, 1), vkey=vkey, envelope=data)
    assert view.signed_by is None


def test_strangers_receipt_names_the_stranger(notary: Notary) -> None:
    data = foreign("eve", "log", {})
    notary._session.append([data])
    vkey = notary.ledger.status().vkey

    view = verify_receipt(receipt(notary, 1), vkey=vkey, envelope=data)

    assert view.signed_by == stranger("eve").signers[0].keyid
    assert notary.evidence(Query(digest=digest("app")))[0].standing == "not enrolled"
