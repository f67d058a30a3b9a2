"""A claim is read strictly: an agent may send anything."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.assets.asset import Asset, Subject
from jenkins_notary.assets.claims import (
    Attachment,
    SentClaim,
    format_claim,
    parse_claim,
)
from jenkins_notary.errors import UsageError
from jenkins_notary.values.claim import Claim
from jenkins_notary.values.status import Status

DIGEST = "sha256:" + "ab" * 32
JOB = {
    "id": "ci.example.com:app/main#42",
    "ci": "jenkins",
    "environment": {"BUILD_NUMBER": "42"},
}
SENT = SentClaim(
    "0" * 32,
    "2026-01-02T03:04:05.006Z",
    Claim(Status.TRUSTED, JOB["id"], {"a": "b"}, "why", (3, 7)),  # type: ignore[arg-type]
    JOB,
    [
        Asset(
            "app",
            "git",
            9,
            (Subject("app", DIGEST, (("gitCommit", "0" * 40),)),),
            None,
            {"dirty": True, "n": 1, "s": "t"},
            dirty=True,
        ),
        Asset("img", "image", None, (Subject("img", DIGEST),), f"img@{DIGEST}"),
    ],
    [Attachment("r.xml", "tests", "text/xml", "cd" * 32, 4)],
)


def valid(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a claim's JSON with some keys changed."""
    return {**format_claim(SENT), "v": 1, **changes}


def test_claim_survives_its_json() -> None:
    assert parse_claim(format_claim(SENT)) == SENT
    assert parse_claim(valid()) == SENT


def test_smallest_claim() -> None:
    smallest = parse_claim(
        {
            "recordId": "0" * 32,
            "claimedAt": "2026-01-02T03:04:05Z",
            "status": "TRUSTED",
            "assets": [
                {
                    "name": "a",
                    "kind": "digest",
                    "subjects": [{"name": "a", "digest": DIGEST}],
                }
            ],
        }
    )

    assert (smallest.job, smallest.attachments) == (None, [])
    assert smallest.assets[0].size is None


ASSET = format_claim(SENT)["assets"][0]
SUBJECT = ASSET["subjects"][0]
BODY = format_claim(SENT)["attachments"][0]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "claim",
        {},
        valid(v=2),
        valid(v=None),
        valid(more=1),
        valid(recordId="0" * 31),
        valid(recordId="A" * 32),
        valid(recordId=None),
        valid(claimedAt="yesterday"),
        valid(claimedAt=0),
        valid(status="REVOKED"),
        valid(status="UNKNOWN"),
        valid(status=0),
        valid(status="UNTRUSTED", reason=None),
        valid(reason=7),
        valid(reason="a" * 4097),
        valid(supersedes=[-1]),
        valid(supersedes=[True]),
        valid(supersedes={}),
        valid(supersedes=[0] * 1001),
        valid(attributes=[]),
        valid(attributes={"1": "a"}),
        valid(attributes={"a": None}),
        valid(job="a#1"),
        valid(job={}),
        valid(job={"id": "a"}),
        valid(job={"id": "https://ci.example.com/job/a/1/"}),
        valid(job={"id": "a#1", "secret": 1}),
        valid(job={"id": "a#1", "ci": 7}),
        valid(job={"id": "a#1", "ci": "x y"}),
        valid(job={"id": "a#1", "environment": []}),
        valid(job={"id": "a#1", "environment": {"A": 1}}),
        valid(job={"id": "a#1", "environment": {str(n): "" for n in range(257)}}),
        valid(assets=[]),
        valid(assets=None),
        valid(assets=[7]),
        valid(assets=[{**ASSET, "name": ""}]),
        valid(assets=[{**ASSET, "name": "\ud800"}]),
        valid(assets=[{**ASSET, "name": "a" * 40_000}]),
        valid(assets=[{**ASSET, "kind": "jar"}]),
        valid(assets=[{**ASSET, "size": -1}]),
        valid(assets=[{**ASSET, "size": True}]),
        valid(assets=[{**ASSET, "ref": 1}]),
        valid(assets=[{**ASSET, "dirty": "yes"}]),
        valid(assets=[{**ASSET, "metadata": []}]),
        valid(assets=[{**ASSET, "metadata": {"a": None}}]),
        valid(assets=[{**ASSET, "metadata": {"a b": 1}}]),
        valid(assets=[{**ASSET, "subjects": []}]),
        valid(assets=[{**ASSET, "subjects": [SUBJECT] * 501}]),
        valid(assets=[{**ASSET, "subjects": [7]}]),
        valid(assets=[{**ASSET, "subjects": [{**SUBJECT, "digest": "sha256:00"}]}]),
        valid(assets=[{**ASSET, "subjects": [{**SUBJECT, "digest": 7}]}]),
        valid(assets=[{**ASSET, "subjects": [{**SUBJECT, "name": None}]}]),
        valid(assets=[{**ASSET, "subjects": [{**SUBJECT, "algorithms": []}]}]),
        valid(assets=[{**ASSET, "subjects": [{**SUBJECT, "algorithms": {"a": "x"}}]}]),
        valid(assets=[{**ASSET, "subjects": [{**SUBJECT, "algorithms": {"": "0"}}]}]),
        valid(attachments=[7]),
        valid(attachments=[{**BODY, "body": 1}]),
        valid(attachments=[{**BODY, "body": {"sha256": "x", "size": 1}}]),
        valid(attachments=[{**BODY, "body": {"sha256": "cd" * 32, "size": -1}}]),
        valid(attachments=[{**BODY, "label": 1}]),
        valid(attachments=[{**BODY, "label": "a\nb"}]),
        valid(attachments=[{**BODY, "mime": None}]),
        valid(attachments=[{**BODY, "mime": "a\r\nb"}]),
        valid(attachments=[{**BODY, "name": 7}]),
    ],
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(UsageError):
        parse_claim(value)


def test_environment_is_cut_to_what_is_recorded() -> None:
    environment = {
        "BUILD_NUMBER": "4" * 5000,
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "CI_JOB_ID": "7",
    }

    sent = parse_claim(valid(job={**JOB, "environment": environment}))

    assert sent.job is not None
    assert sent.job["environment"] == {"BUILD_NUMBER": "4" * 2048}
    assert parse_claim(valid(job={"id": JOB["id"]})).job == {"id": JOB["id"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(sorted(valid())), JSON)
def test_no_value_does_more_than_be_refused(key: str, value: object) -> None:
    with suppress(UsageError):
        assert parse_claim(valid(**{key: value})).assets
