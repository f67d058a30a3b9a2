"""Tests for what an image contains, and for the verdict by it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.results import AsOf
from jenkins_notary.assets.images import FetchedManifest
from jenkins_notary.assets.reference import ImageReference
from jenkins_notary.cluster.board import Verdict
from jenkins_notary.cluster.links import MAX_BYTES, Links, judge_linked, read_links
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI = "application/vnd.oci.image"
CONFIG = f"{OCI}.config.v1+json"
LINUX = {"os": "linux", "architecture": "amd64"}
NOWHERE = {"os": "unknown", "architecture": "unknown"}
A, B, C = (f"sha256:{one * 64}" for one in "abc")


class Images:
    """Documents by their digest."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}

    def add(self, document: Mapping[str, Any]) -> dict[str, Any]:
        content = json.dumps({"schemaVersion": 2, **document}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.documents[digest] = content
        media_type = str(document["mediaType"])
        return {"digest": digest, "size": len(content), "mediaType": media_type}

    def manifest(
        self, config: str, media_type: str = CONFIG, **more: str
    ) -> dict[str, Any]:
        named = {"digest": config, "size": 2, "mediaType": media_type}
        kind = f"{OCI}.manifest.v1+json"
        return self.add({"mediaType": kind, "config": named, "layers": [], **more})

    def index(self, *entries: Mapping[str, Any]) -> dict[str, Any]:
        return self.add({"mediaType": f"{OCI}.index.v1+json", "manifests": [*entries]})

    def read(self, digest: str) -> Links:
        return read_links(
            ImageReference("r.example.com", "web", None, digest),
            lambda one: FetchedManifest(self.documents[str(one.digest)]),
        )


def said(status: Status, level: int = 1, error: str | None = None) -> Verdict:
    """Return a verdict."""
    as_of = AsOf(7, "2026-01-02T03:04:05.006Z")
    nothing = (None, None, None, None)
    return Verdict(status, level, None, status.name, *nothing, error, as_of)


def judge(links: Links, **words: Verdict) -> Verdict:
    """Return the verdict where some digests have words, by their letter."""
    known = {f"sha256:{one * 64}": word for one, word in words.items()}
    unknown = said(Status.UNKNOWN)
    found = {one: known.get(one, unknown) for one in links.digests}
    return judge_linked(unknown, links, found)


def test_manifest_contains_its_config() -> None:
    images = Images()
    digest = images.manifest(A)["digest"]

    assert images.read(digest) == Links(((A,),), (), is_index=False)


def test_what_is_no_image_has_nothing_to_be_trusted_by() -> None:
    images = Images()
    links = images.read(images.manifest(A, "application/vnd.helm.config")["digest"])

    assert links == Links(((),), (), is_index=False)
    assert judge(links, a=said(Status.TRUSTED)).status is Status.UNKNOWN


def test_index_has_a_group_for_all_that_could_run() -> None:
    images = Images()
    arm, amd = images.manifest(A), images.manifest(B)
    nested = images.index({**arm, "platform": LINUX})
    odd = {"digest": C, "size": 2, "mediaType": "application/x-odd"}
    top = images.index(nested, {**amd, "platform": LINUX}, odd)

    links = images.read(top["digest"])

    assert {*links.groups} == {(arm["digest"], A), (amd["digest"], B), (C,)}
    assert links.others == (nested["digest"],)


def test_attestation_that_could_run_must_be_trusted_too() -> None:
    images = Images()
    kind = {"vnd.docker.reference.type": "attestation-manifest"}
    entry = {"digest": C, "size": 2, "mediaType": f"{OCI}.manifest.v1+json"}
    good = {**images.manifest(A), "platform": LINUX}
    disguised = {**entry, "platform": LINUX, "annotations": kind}
    honest = {**entry, "platform": NOWHERE, "annotations": kind}

    refused = images.read(images.index(good, disguised)["digest"])
    twice = images.read(images.index(good, honest, disguised)["digest"])
    taken = images.read(images.index(good, honest)["digest"])

    for links in (refused, twice):
        assert judge(links, a=said(Status.TRUSTED)).status is Status.UNKNOWN
    assert judge(taken, a=said(Status.TRUSTED)).status is Status.TRUSTED
    assert judge(taken, c=said(Status.UNTRUSTED)).status is Status.UNTRUSTED


def test_bytes_of_another_digest_are_refused() -> None:
    images = Images()
    good, other = images.manifest(A)["digest"], images.manifest(B)["digest"]
    images.documents[good] = images.documents[other]

    with pytest.raises(IntegrityError, match=other):
        images.read(good)


def test_images_that_exceed_a_limit_are_refused() -> None:
    images = Images()
    large = images.manifest(A, annotation="x" * MAX_BYTES)["digest"]
    many = images.index(
        *({**images.manifest(A, n=str(n)), "platform": LINUX} for n in range(24))
    )["digest"]
    entries = [
        {"digest": f"sha256:{n:064}", "size": 2, "mediaType": "application/x-odd"}
        for n in range(101)
    ]
    wide = images.index(*entries)["digest"]

    for digest, limit in ((large, "bytes"), (many, "24 documents"), (wide, "100")):
        with pytest.raises(UsageError, match=limit):
            images.read(digest)


def test_index_is_judged_by_the_least_of_all_its_platforms() -> None:
    links = Links(((A,), (B,)), (C,), is_index=True)
    high, low = said(Status.TRUSTED, 3), said(Status.TRUSTED, 1)

    one = judge(links, a=high)
    both = judge(links, a=high, b=low)

    assert (one.status, one.level) == (Status.UNKNOWN, 1)
    assert "of the 2 manifests in this index 1 are TRUSTED" in one.reason
    assert (both.status, both.level) == (Status.TRUSTED, 1)
    assert both.reason.startswith(f"by {B}, which the image contains")


def test_index_of_nothing_is_not_trusted() -> None:
    assert judge(Links((), (), is_index=True)).status is Status.UNKNOWN


@pytest.mark.parametrize(
    "status", [Status.UNTRUSTED, Status.UNSUPPORTED, Status.REVOKED]
)
def test_what_is_negative_on_any_digest_holds(status: Status) -> None:
    links = Links(((A, B),), (C,), is_index=True)
    good = said(Status.TRUSTED)

    assert judge(links, a=good, b=said(status)).status is status
    assert judge(links, a=good, c=said(status)).status is status


def test_digest_that_cannot_be_judged_leaves_the_image_unknown() -> None:
    links = Links(((A, B),), (), is_index=False)
    broken = said(Status.UNKNOWN, error="a record was altered")

    found = judge(links, a=said(Status.TRUSTED), b=broken)

    assert (found.status, found.error) == (Status.UNKNOWN, "a record was altered")
