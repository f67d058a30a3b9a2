"""Decide which digests stand for an image, believing no sender."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets import images
from jenkins_notary.assets.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    FetchedManifest,
    resolve_image,
)
from jenkins_notary.assets.reference import ImageReference, parse_reference
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError

if TYPE_CHECKING:
    from jenkins_notary.assets.asset import Asset

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NAME = "reg.example/app"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Source:
    """An image source in memory that serves documents by tag or digest."""

    def __init__(self) -> None:
        self.documents: dict[str, FetchedManifest] = {}
        self.asked: list[str] = []

    def fetch_manifest(self, reference: ImageReference) -> FetchedManifest:
        self.asked.append(reference.version)
        if reference.version not in self.documents:
            raise NotFoundError(str(reference))
        return self.documents[reference.version]

    def add(
        self, document: object, media_type: str = OCI_MANIFEST, tag: str = "1"
    ) -> dict[str, object]:
        """Serve a document under its digest and a tag; return its descriptor."""
        content = json.dumps(document).encode()
        fetched = FetchedManifest(content, media_type, digest_of(content))
        self.documents[digest_of(content)] = self.documents[tag] = fetched
        return {
            "mediaType": media_type,
            "digest": digest_of(content),
            "size": len(content),
        }


def manifest(about: bytes = b'{"os":"linux"}', **changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(about), "size": 10},
        "layers": [{"mediaType": LAYER, "digest": digest_of(b"l"), "size": 90}],
    }
    return document | changes


def index(*entries: object, **changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": list(entries),
    }
    return document | changes


def on(platform: str, descriptor: dict[str, object]) -> dict[str, object]:
    parts = platform.split("/")
    named = dict(zip(("os", "architecture", "variant"), parts, strict=False))
    return {**descriptor, "platform": named}


def resolve(source: Source, text: str = f"{NAME}:1") -> Asset:
    return resolve_image(parse_reference(text), source)


def test_single_image_links_manifest_and_config() -> None:
    source = Source()
    descriptor = source.add(manifest())

    asset = resolve(source)

    assert [subject.digest for subject in asset.subjects] == [
        descriptor["digest"],
        digest_of(b'{"os":"linux"}'),
    ]
    assert [s.name for s in asset.subjects] == [f"{NAME}:1", f"{NAME}:1#config"]
    assert (asset.kind, asset.size) == ("image", 100)
    assert asset.ref == f"{NAME}@{descriptor['digest']}"


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_index_links_every_platform_and_config(media_type: str) -> None:
    source = Source()
    entries = [
        on(platform, source.add(manifest(platform.encode())))
        for platform in ("linux/amd64", "linux/arm64/v8")
    ]
    top = source.add(index(*entries, mediaType=media_type), media_type)

    asset = resolve(source)

    assert [subject.digest for subject in asset.subjects] == [
        top["digest"],
        entries[0]["digest"],
        digest_of(b"linux/amd64"),
        entries[1]["digest"],
        digest_of(b"linux/arm64/v8"),
    ]
    assert asset.metadata["platforms"] == "linux/amd64,linux/arm64/v8"
    assert len({subject.name for subject in asset.subjects}) == 5


def test_two_images_of_one_platform_have_different_names() -> None:
    source = Source()
    entries = [
        on("windows/amd64", source.add(manifest(config))) for config in (b"a", b"b")
    ]
    source.add(index(*entries), OCI_INDEX)

    names = [subject.name for subject in resolve(source).subjects]

    assert len(set(names)) == len(names) == 5


@pytest.mark.parametrize(
    "mark",
    [
        {"platform": {"os": "unknown", "architecture": "unknown"}},
        {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    ],
    ids=["platform", "annotation"],
)
def test_attestation_is_linked_by_digest_and_not_read(mark: dict[str, object]) -> None:
    source = Source()
    image = on("linux/amd64", source.add(manifest()))
    attestation = {**source.add(manifest(b"attestation")), **mark}
    source.add(index(image, attestation), OCI_INDEX)

    asset = resolve(source)

    assert attestation["digest"] in {subject.digest for subject in asset.subjects}
    assert attestation["digest"] not in source.asked
    assert digest_of(b"attestation") not in {s.digest for s in asset.subjects}
    assert asset.metadata["attestations"] == 1


@pytest.mark.parametrize(
    "config",
    [
        {"mediaType": "application/vnd.oci.empty.v1+json"},
        {"mediaType": "application/vnd.cncf.helm.config.v1+json"},
        {"mediaType": CONFIG},
    ],
    ids=["empty", "chart", "empty that claims to be an image"],
)
def test_config_that_strangers_share_is_not_linked(config: dict[str, object]) -> None:
    source = Source()
    descriptor = {**config, "digest": digest_of(b"{}"), "size": 2}
    source.add(manifest(config=descriptor))

    assert len(resolve(source).subjects) == 1


def test_docker_schema_2_is_understood() -> None:
    source = Source()
    source.add(manifest(mediaType=DOCKER_MANIFEST), DOCKER_MANIFEST)

    assert resolve(source).metadata["mediaType"] == DOCKER_MANIFEST


def test_document_without_media_type_is_known_by_its_form() -> None:
    source = Source()
    document = manifest()
    del document["mediaType"]
    source.add(document, "application/octet-stream")

    assert resolve(source).metadata["mediaType"] == OCI_MANIFEST


def test_digest_asked_for_must_be_that_of_the_bytes() -> None:
    source = Source()
    wanted = "sha256:" + "0" * 64
    source.documents[wanted] = FetchedManifest(json.dumps(manifest()).encode())

    with pytest.raises(IntegrityError, match=f"expected {wanted}"):
        resolve(source, f"{NAME}@{wanted}")


def test_digest_claimed_must_be_that_of_the_bytes() -> None:
    source = Source()
    content = json.dumps(manifest()).encode()
    source.documents["1"] = FetchedManifest(content, OCI_MANIFEST, "sha256:evil")

    with pytest.raises(IntegrityError, match="expected sha256:evil"):
        resolve(source)


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_each_changed_byte_of_a_platform_manifest_is_found(at: int) -> None:
    source = Source()
    entry = on("linux/amd64", source.add(manifest()))
    source.add(index(entry), OCI_INDEX)
    digest = str(entry["digest"])
    content = bytearray(source.documents[digest].content)
    content[at % len(content)] ^= 1
    source.documents[digest] = FetchedManifest(bytes(content), OCI_MANIFEST, digest)

    with pytest.raises(IntegrityError):
        resolve(source)


def test_size_in_the_index_must_be_that_of_the_manifest() -> None:
    source = Source()
    entry = source.add(manifest())
    source.add(index({**entry, "size": 5}), OCI_INDEX)

    with pytest.raises(IntegrityError, match="expected 5 bytes"):
        resolve(source)


def test_missing_platform_manifest_is_a_failure() -> None:
    source = Source()
    entry = source.add(manifest())
    del source.documents[str(entry["digest"])]
    source.add(index(entry), OCI_INDEX)

    with pytest.raises(NotFoundError):
        resolve(source)


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, ""),
        (manifest(), "application/vnd.docker.distribution.manifest.v1+json"),
        (manifest(), "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    ],
    ids=["body", "type", "signed type"],
)
def test_docker_schema_1_is_refused_by_name(document: object, media_type: str) -> None:
    source = Source()
    source.add(document, media_type)

    with pytest.raises(UsageError, match="Docker schema 1"):
        resolve(source)


@pytest.mark.parametrize(
    "document",
    [manifest(manifests=[]), index(config={}), index(layers=[])],
    ids=["manifest", "index with config", "index with layers"],
)
def test_manifest_and_index_at_once_is_refused(document: object) -> None:
    source = Source()
    source.add(document, "")

    with pytest.raises(IntegrityError, match="both at once"):
        resolve(source)


def test_two_media_types_are_refused() -> None:
    source = Source()
    source.add(manifest(), OCI_INDEX)

    with pytest.raises(IntegrityError, match="media type"):
        resolve(source)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        "text",
        manifest(schemaVersion=3),
        manifest(mediaType="application/json"),
        manifest(mediaType=7),
        manifest(config=None),
        manifest(config={"mediaType": CONFIG, "digest": "sha256:12", "size": 1}),
        manifest(config={"mediaType": CONFIG, "digest": digest_of(b""), "size": -1}),
        manifest(config={"mediaType": CONFIG, "digest": digest_of(b""), "size": True}),
        manifest(config={"mediaType": 1, "digest": digest_of(b""), "size": 1}),
        manifest(config={"mediaType": CONFIG, "digest": 5, "size": 1}),
        manifest(
            config={"mediaType": CONFIG, "digest": digest_of(b""), "size": 10**400}
        ),
        manifest(layers="none"),
        index(mediaType=OCI_MANIFEST),
        index(1),
    ],
)
def test_what_is_no_image_is_refused(document: object) -> None:
    source = Source()
    source.add(document, "")

    with pytest.raises((UsageError, IntegrityError)):
        resolve(source)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    source = Source()
    source.documents["1"] = FetchedManifest(content)

    with pytest.raises(UsageError):
        resolve(source)


def test_document_over_the_limit_is_refused() -> None:
    source = Source()
    content = b" " * (images.MAX_MANIFEST_BYTES + 1)
    source.documents["1"] = FetchedManifest(content)

    with pytest.raises(UsageError, match="at most"):
        resolve(source)


def test_nested_indexes_are_followed_to_a_limit() -> None:
    source = Source()
    entry = on("linux/amd64", source.add(manifest()))
    for depth in range(images.MAX_NESTING):
        entry = source.add(index(entry, annotations={"d": str(depth)}), OCI_INDEX)

    assert resolve(source).metadata["platforms"] == "linux/amd64"
    source.add(index(entry), OCI_INDEX)
    with pytest.raises(UsageError, match="nested"):
        resolve(source)


def test_index_with_too_many_manifests_is_refused() -> None:
    source = Source()
    entries = [
        {"mediaType": "x/y", "digest": digest_of(bytes([n])), "size": 1}
        for n in range(images.MAX_MANIFESTS + 1)
    ]
    source.add(index(*entries), OCI_INDEX)

    with pytest.raises(UsageError, match="at most 200 manifests"):
        resolve(source)


def test_platform_with_odd_characters_is_not_shown() -> None:
    source = Source()
    entry = on("linux\n/amd64<script>", source.add(manifest()))
    source.add(index(entry), OCI_INDEX)

    assert "platforms" not in resolve(source).metadata
