"""Give each record one leaf with one spelling that agrees with its envelope."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.values.canonical import canonical_json
from jenkins_notary.values.envelope import Signature, format_envelope, parse_envelope
from jenkins_notary.values.leaf import (
    MAX_BYTES,
    MAX_LEAF_BYTES,
    Leaf,
    check_agreement,
    format_leaf,
    format_trust_entry,
    hash_job,
    parse_leaf,
    parse_trust_entry,
    project_leaf,
)
from jenkins_notary.values.statement import (
    MAX_IMPORT_SUBJECTS,
    Subject,
    format_statement,
    parse_statement,
    predicate_uri,
)
from jenkins_notary.values.status import Status

A, B = "0a" * 32, "0b" * 32
SIGNER = "0x" + "12" * 20
FULL = Leaf("gate", A, SIGNER, (A, B), 1767323045000, B, Status.TRUSTED, (12, 3))
BARE = Leaf("log", A, "", (), 0, None, None, ())


def make(*, drop: str = "", **changes: object) -> bytes:
    """Return the entry of ``BARE`` with keys changed; ``drop`` names one to leave."""
    value = {**json.loads(format_leaf(BARE)), **changes}
    value.pop(drop, None)
    return canonical_json(value)


def seal(
    predicate: dict[str, Any], *, keyid: str = SIGNER, names: tuple[str, ...] = (B, A)
) -> bytes:
    """Return the envelope of a notarization of digests."""
    subjects = [Subject("x", name) for name in names]
    payload = format_statement(predicate_uri("notarization"), subjects, predicate)
    return format_envelope(payload, (Signature(keyid, b"s"),))


def project(envelope: bytes, at_ms: int = 7) -> Leaf:
    """Return the leaf of an envelope."""
    parsed = parse_envelope(envelope)
    return project_leaf(envelope, parsed, parse_statement(parsed.payload), at_ms)


def test_a_leaf_has_the_documented_form() -> None:
    assert format_leaf(FULL) == (
        b'{"at":1767323045000,"envelope":"%b","job":"%b","signer":"%b",'
        b'"status":"TRUSTED","subjects":["%b","%b"],"supersedes":[12,3],'
        b'"type":"gate","v":1}'
        % (A.encode(), B.encode(), SIGNER.encode(), A.encode(), B.encode())
    )


@pytest.mark.parametrize("leaf", [FULL, BARE], ids=["full", "bare"])
def test_format_and_parse_are_inverse(leaf: Leaf) -> None:
    assert parse_leaf(format_leaf(leaf)) == leaf
    assert parse_trust_entry(format_trust_entry(7, leaf)) == (7, leaf)


def test_an_envelope_is_projected_field_by_field() -> None:
    envelope = seal({"job": {"id": "ci:a#1"}, "status": "TRUSTED", "supersedes": [4]})

    assert project(envelope) == Leaf(
        "notarization",
        hashlib.sha256(envelope).hexdigest(),
        SIGNER,
        (A, B),
        7,
        hash_job("ci:a#1"),
        Status.TRUSTED,
        (4,),
    )


def test_a_subject_that_stands_twice_stands_once_in_the_leaf() -> None:
    assert project(seal({}, names=(B, A, B))).subjects == (A, B)


@pytest.mark.parametrize("keyid", ["", "0x12", "0X" + "12" * 20, SIGNER + "0", "me"])
def test_a_key_id_of_another_form_is_no_signer(keyid: str) -> None:
    assert project(seal({}, keyid=keyid)).signer == ""


def test_a_job_id_that_is_no_unicode_has_a_hash_too() -> None:
    assert hash_job("a\ud800#1") != hash_job("a\ud801#1")


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"7", id="a number"),
        pytest.param(format_leaf(BARE) + b"\n", id="line end behind"),
        pytest.param(b" " + format_leaf(BARE), id="space before"),
        pytest.param(format_leaf(BARE).replace(b":", b": ", 1), id="space within"),
        pytest.param(format_leaf(BARE).replace(b"log", b"l\\u006fg"), id="escape"),
        pytest.param(make(v=2), id="version 2"),
        pytest.param(make(v="1"), id="version a text"),
        pytest.param(make(v=1.0), id="version 1.0"),
        pytest.param(make(v=True), id="version true"),
        pytest.param(make(drop="v"), id="no version"),
        pytest.param(make(drop="at"), id="no time"),
        pytest.param(make(drop="signer"), id="no signer"),
        pytest.param(make(note="free text"), id="another key"),
        pytest.param(make(type=""), id="empty type"),
        pytest.param(make(type="Log"), id="type in upper case"),
        pytest.param(make(type=["log"]), id="type a list"),
        pytest.param(make(type="a" * 33), id="long type"),
        pytest.param(make(envelope=A[1:]), id="short envelope"),
        pytest.param(make(envelope=None), id="envelope null"),
        pytest.param(make(signer=None), id="signer null"),
        pytest.param(make(signer="someone"), id="signer a name"),
        pytest.param(make(signer=SIGNER.upper()), id="signer in upper case"),
        pytest.param(make(subjects=None), id="subjects null"),
        pytest.param(make(subjects=A), id="subjects a text"),
        pytest.param(make(subjects=[B, A]), id="subjects not sorted"),
        pytest.param(make(subjects=[A, A]), id="subject twice"),
        pytest.param(make(subjects=["x"]), id="subject no digest"),
        pytest.param(make(subjects=[[A]]), id="subject a list"),
        pytest.param(
            make(subjects=[f"{n:064x}" for n in range(MAX_IMPORT_SUBJECTS + 1)]),
            id="too many",
        ),
        pytest.param(make(at=-1), id="time before the epoch"),
        pytest.param(make(at=1.0), id="time a float"),
        pytest.param(make(at=True), id="time true"),
        pytest.param(make(at=1 << 53), id="time too large"),
        pytest.param(make(job=None), id="job null"),
        pytest.param(make(job="ci:a#1"), id="job in clear"),
        pytest.param(make(status=None), id="status null"),
        pytest.param(make(status="UNKNOWN"), id="status UNKNOWN"),
        pytest.param(make(status="REVOKED"), id="status REVOKED"),
        pytest.param(make(status=[]), id="status a list"),
        pytest.param(make(status={}), id="status an object"),
        pytest.param(make(status=0), id="status a number"),
        pytest.param(make(supersedes=None), id="supersedes null"),
        pytest.param(make(supersedes=[]), id="supersedes empty"),
        pytest.param(make(supersedes=7), id="supersedes a number"),
        pytest.param(make(supersedes=[-1]), id="negative index"),
        pytest.param(make(supersedes=[True]), id="index true"),
        pytest.param(make(supersedes=[1 << 53]), id="index too large"),
    ],
)
def test_another_form_is_refused_in_both_logs(entry: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"^leaf 7"):
        parse_leaf(entry, subject="leaf 7")
    with pytest.raises(IntegrityError, match=r"^trust 1"):
        parse_trust_entry(b'{"index":7,"leaf":%b}' % entry, subject="trust 1")


@pytest.mark.parametrize(
    "frame",
    [
        b"%b",
        b"[7,%b]",
        b'{"leaf":%b}',
        b'{"index":7.0,"leaf":%b}',
        b'{"index":true,"leaf":%b}',
        b'{"index":-1,"leaf":%b}',
        b'{"index":"7","leaf":%b}',
        b'{"index":9007199254740992,"leaf":%b}',
        b'{"index":7,"leaf":%b,"more":1}',
        b'{"leaf":%b,"index":7}',
        b'{"index": 7,"leaf":%b}',
        b'{"index":7,"leaf":%b}\n',
    ],
)
def test_a_trust_entry_of_another_form_is_refused(frame: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_trust_entry(frame % format_leaf(BARE))


def test_the_longest_leaf_fits_into_both_logs() -> None:
    leaf = BARE._replace(supersedes=(0,))
    room = MAX_LEAF_BYTES - len(format_leaf(leaf))
    longest = leaf._replace(supersedes=(0,) * (1 + room // 2))

    assert parse_leaf(format_leaf(longest)) == longest
    assert len(format_trust_entry((1 << 53) - 1, longest)) <= MAX_BYTES


def test_a_leaf_that_no_tile_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="name fewer superseded records"):
        format_leaf(BARE._replace(supersedes=(1,) * MAX_BYTES))
    with pytest.raises(IntegrityError, match="at most"):
        parse_leaf(b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("leaf", "counts"),
    [
        (BARE, False),
        (BARE._replace(status=Status.TRUSTED), False),
        (BARE._replace(status=Status.UNTRUSTED), True),
        (BARE._replace(status=Status.UNSUPPORTED), True),
        (BARE._replace(status=Status.TRUSTED, supersedes=(0,)), True),
        (BARE._replace(type="trust"), True),
    ],
)
def test_what_can_change_a_verdict_counts_for_trust(
    leaf: Leaf, *, counts: bool
) -> None:
    assert leaf.counts_for_trust is counts


def test_the_envelope_of_a_leaf_agrees_with_it() -> None:
    data = seal({"job": {"id": "ci:a#1"}, "status": "UNTRUSTED"})
    envelope, statement = check_agreement(project(data), data, subject="record 7")

    assert envelope == parse_envelope(data)
    assert statement.job_id == "ci:a#1"


def test_another_envelope_does_not_agree() -> None:
    leaf = project(seal({"status": "UNTRUSTED"}))

    with pytest.raises(IntegrityError, match="record 7 envelope: expected SHA-256"):
        check_agreement(leaf, seal({"status": "TRUSTED"}), subject="record 7")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "log"},
        {"signer": "0x" + "34" * 20},
        {"signer": ""},
        {"subjects": (A,)},
        {"subjects": ()},
        {"job_hex": None},
        {"job_hex": hash_job("ci:a#2")},
        {"status": None},
        {"status": Status.TRUSTED},
        {"supersedes": ()},
        {"supersedes": (5,)},
    ],
    ids=str,
)
def test_a_leaf_that_says_otherwise_does_not_agree(change: dict[str, Any]) -> None:
    predicate = {"job": {"id": "ci:a#1"}, "status": "UNTRUSTED", "supersedes": [4]}
    data = seal(predicate)
    leaf = project(data)._replace(**change)
    field = next(iter(change))

    with pytest.raises(IntegrityError, match=f"^record 7 {field}: expected .*leaf"):
        check_agreement(leaf, data, subject="record 7")


def test_an_envelope_that_cannot_be_read_does_not_agree() -> None:
    data = b"{}"
    leaf = BARE._replace(envelope_hex=hashlib.sha256(data).hexdigest())

    with pytest.raises(IntegrityError, match=r"^record 7 envelope"):
        check_agreement(leaf, data, subject="record 7")


def test_no_person_and_no_text_of_the_statement_stands_in_a_leaf() -> None:
    planted = "jane.planted@example.com"
    leaf = project(
        seal({"job": {"id": f"{planted}#1"}, "reason": planted}, keyid=planted)
    )

    assert b"planted" not in format_leaf(leaf)
