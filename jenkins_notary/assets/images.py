"""Decide which digests stand for an image; whoever fetches the bytes decides nothing.

An image is named by several digests, and different places show different ones: a tag
resolves to the digest of an *index* or *manifest*, a node reports the platform's
manifest, a container engine the *config*. All are recorded and linked:

- a single image: its manifest, then its config;
- a multi-arch index: the index, then for each platform its manifest and its config;
  nested indexes alike.

Every document is hashed here and compared with the digest that asked for it; nothing
that a server says of its own bytes is believed. Attestations and other artifacts in an
index are linked by digest and not read. The config of something that is not a
container image (a chart, an SBOM) is not linked: it is often the same empty ``{}`` for
all of them, and a status on it would reach strangers.

Source: OCI image-spec v1.1 (manifest, image index, "mediaType" MUST rules), Docker
image manifest v2 schema 2; documents that are manifest and index at once are refused,
see CVE-2021-41190.
"""

from __future__ import annotations

import json
from hashlib import sha256

from jenkins_notary.assets.asset import Asset, Subject, is_digest, printable
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from jenkins_notary.assets.reference import ImageReference

    class ImageSource(Protocol):
        """Port: where manifests come from."""

        def fetch_manifest(self, reference: ImageReference) -> FetchedManifest:
            """Return the document that the reference's digest, else its tag, names."""

    Fetch = Callable[[str], "FetchedManifest | None"]
    Document = dict[str, object]

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""The size that the distribution specification asks registries to accept."""

MAX_MANIFESTS = 200
"""Manifests that one index may lead to: with their configs they fit in one record."""

MAX_NESTING = 3
"""Indexes within indexes."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
"""Media types that are understood, in order of preference."""

_INDEXES = (OCI_INDEX, DOCKER_LIST)
_MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
_SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
_IMAGE_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_EMPTY_CONFIG = "sha256:" + sha256(b"{}").hexdigest()
_REFERENCE_TYPE = "vnd.docker.reference.type"
_MAX_SIZE = 2**63


class FetchedManifest(NamedTuple):
    """A document as it came.

    Attributes:
        content: Its exact bytes.
        media_type: What the sender called it, without parameters, or "".
        claimed_digest: What the sender says the digest is, or None.
    """

    content: bytes
    media_type: str = ""
    claimed_digest: str | None = None


class Descriptor(NamedTuple):
    """A pointer from one document to another."""

    media_type: str
    digest: str
    size: int
    platform: str
    """``os/architecture[/variant]``, or "" where none is given."""
    is_attestation: bool


def resolve_image(reference: ImageReference, source: ImageSource) -> Asset:
    """Return the image in a registry as an asset, all its digests linked.

    Raises:
        IntegrityError: Bytes do not have the digest or size that they were asked by.
        UsageError: It is Docker schema 1, or no image at all, or exceeds a limit.
        NotaryError: Whatever the source raises.
    """
    resolution = ImageResolution(
        str(reference._replace(digest=None)) if reference.tag else reference.name,
        lambda version: source.fetch_manifest(
            reference.pinned(version) if is_digest(version) else reference
        ),
    )
    resolution.start(reference.version, expected_digest=reference.digest)
    name = resolution.name
    ref = f"{reference.name}@{resolution.subjects[0].digest}"
    return Asset(
        name,
        "image",
        resolution.size,
        tuple(resolution.subjects),
        ref,
        resolution.facts(reference.tag),
    )


class ImageResolution:
    """Follow one image from its first document to every digest linked with it.

    Attributes:
        name: What the first subject is called; the others append to it.
        subjects: All digests found, the first document's first, none twice.
        size: Bytes of layers and config as declared; None for an index.
        platforms: ``os/architecture`` of each platform, in the index's order.
        manifests: Each image manifest read, by digest, for whoever checks layers.
        configs: The digest of each image config linked.
    """

    def __init__(self, name: str, fetch: Fetch) -> None:
        """Take how to get a document by digest (or, the first, by any version).

        Where the index may lead to platforms that are not there, ``fetch`` answers None
        for them; their digests are linked all the same.
        """
        self.name = name
        self.subjects: list[Subject] = []
        self.size: int | None = None
        self.platforms: list[str] = []
        self.manifests: dict[str, Document] = {}
        self.configs: list[str] = []
        self.media_type = ""
        self.attestations = 0
        self._fetch = fetch
        self._seen: set[str] = set()
        self._documents = 0

    def start(self, version: str, *, expected_digest: str | None) -> None:
        """Read the first document and all that it leads to."""
        fetched = self._fetch(version) or FetchedManifest(b"")
        document, digest = self._check(fetched, expected_digest, None)
        self.media_type = media_type_of(document, fetched.media_type, self.name)
        self._link(self.name, digest)
        if self.media_type in _INDEXES:
            self._read_index(document, 1)
            return
        self._read_manifest(document, digest, "")
        layers = _descriptors(document, "layers", self.name)
        config = parse_descriptor(document.get("config"), self.name)
        self.size = config.size + sum(layer.size for layer in layers)

    def facts(self, tag: str | None) -> dict[str, str | int | bool]:
        """Return the asset's metadata."""
        facts: dict[str, str | int | bool] = {"mediaType": self.media_type}
        if tag:
            facts["tag"] = tag
            if tag != "latest":
                facts["version"] = tag
        if self.platforms:
            facts["platforms"] = ",".join(self.platforms)
        if self.attestations:
            facts["attestations"] = self.attestations
        return facts

    def _link(self, name: str, digest: str) -> None:
        """Add a subject unless its digest is there; its name is made unique."""
        if digest in self._seen:
            return
        self._seen.add(digest)
        if any(subject.name == name for subject in self.subjects):
            name = f"{name}-{len(self.subjects)}"
        self.subjects.append(Subject(name, digest))

    def _check(
        self, fetched: FetchedManifest, digest: str | None, size: int | None
    ) -> tuple[Document, str]:
        """Return the parsed document and its digest once its bytes are proven.

        (1) bounded, (2) the digest asked for, (3) the digest claimed, (4) the size
        that the descriptor states, (5) one JSON object.
        """
        content = fetched.content
        if len(content) > MAX_MANIFEST_BYTES:
            limit = f"at most {MAX_MANIFEST_BYTES} bytes"
            raise UsageError(f"manifest of {self.name}", expected=limit, got="more")
        actual = "sha256:" + sha256(content).hexdigest()
        for wanted in (digest, fetched.claimed_digest):
            if wanted is not None and wanted != actual:
                raise IntegrityError(
                    f"manifest of {self.name}", expected=printable(wanted), got=actual
                )
        if size is not None and size != len(content):
            raise IntegrityError(
                f"manifest {actual} of {self.name}",
                expected=f"{size} bytes",
                got=f"{len(content)}",
            )
        return parse_document(content, f"manifest of {self.name}"), actual

    def _read_index(self, document: Document, depth: int) -> None:
        if depth > MAX_NESTING:
            limit = f"at most {MAX_NESTING} nested indexes"
            raise UsageError(f"index of {self.name}", expected=limit, got="more")
        for entry in _descriptors(document, "manifests", self.name):
            self._documents += 1
            if self._documents > MAX_MANIFESTS:
                raise UsageError(
                    f"index of {self.name}",
                    expected=f"at most {MAX_MANIFESTS} manifests",
                    got="more",
                    advice="notarize single platforms by digest",
                )
            label = entry.platform or f"manifest-{self._documents}"
            if entry.is_attestation:
                label = f"attestation-{self._documents}"
                self.attestations += 1
            if entry.digest in self._seen:
                continue
            self._link(f"{self.name}#{label}", entry.digest)
            if entry.is_attestation or entry.media_type not in ACCEPTED:
                continue
            self._read_entry(entry, depth)

    def _read_entry(self, entry: Descriptor, depth: int) -> None:
        """Fetch what an index points at, by digest, and read it."""
        fetched = self._fetch(entry.digest)
        if fetched is None:
            return
        document, digest = self._check(fetched, entry.digest, entry.size)
        media_type = media_type_of(document, fetched.media_type, self.name)
        if media_type != entry.media_type:
            raise IntegrityError(
                f"manifest {digest} of {self.name}",
                expected=entry.media_type,
                got=media_type,
            )
        if media_type in _INDEXES:
            self._read_index(document, depth + 1)
            return
        self._read_manifest(document, digest, entry.platform)
        if entry.platform:
            self.platforms.append(entry.platform)

    def _read_manifest(self, document: Document, digest: str, platform: str) -> None:
        self.manifests[digest] = document
        config = parse_descriptor(document.get("config"), self.name)
        if config.media_type in _IMAGE_CONFIGS and config.digest != _EMPTY_CONFIG:
            self.configs.append(config.digest)
            label = f"{platform}/config" if platform else "config"
            self._link(f"{self.name}#{label}", config.digest)


def parse_json(content: bytes, what: str) -> object:
    """Return any JSON value from untrusted bytes.

    Raises:
        UsageError: It is not JSON.
    """
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(what, expected="JSON", got="something else") from error
    return value


def parse_document(content: bytes, what: str) -> Document:
    """Return a JSON object from untrusted bytes.

    Raises:
        UsageError: It is not a JSON object.
    """
    document = parse_json(content, what)
    if not isinstance(document, dict):
        raise UsageError(what, expected="a JSON object", got="another value")
    return document


def media_type_of(document: Document, sent: str, name: str) -> str:
    """Return what a document is, where the sender and the document itself agree.

    Raises:
        UsageError: It is Docker schema 1, or nothing that is understood.
        IntegrityError: It is ambiguous: two media types, or manifest and index at once.
    """
    what = f"manifest of {name}"
    inside = document.get("mediaType", "")
    if document.get("schemaVersion") == 1 or sent in _SCHEMA_1:
        raise UsageError(
            what,
            expected="an OCI image or Docker schema 2",
            got="Docker schema 1, whose digest does not cover a config",
            advice="push the image again with a current client",
        )
    sent = sent if sent in ACCEPTED else ""
    if not isinstance(inside, str) or (inside and sent and inside != sent):
        raise IntegrityError(what, expected=f"media type {sent}", got=str(inside)[:100])
    has_index = "manifests" in document
    has_manifest = "config" in document or "layers" in document
    if has_index and has_manifest:
        raise IntegrityError(what, expected="manifest or index", got="both at once")
    media_type = inside or sent or (OCI_INDEX if has_index else OCI_MANIFEST)
    fits = has_index if media_type in _INDEXES else has_manifest
    if media_type not in ACCEPTED or document.get("schemaVersion") != 2 or not fits:
        raise UsageError(
            what,
            expected="an OCI or Docker image manifest or index",
            got=printable(media_type) or "something else",
        )
    return media_type


def parse_descriptor(value: object, name: str) -> Descriptor:
    """Return a descriptor from parsed JSON.

    Raises:
        UsageError: A field is missing, of the wrong type, or no SHA-256 digest.
    """
    found = value if isinstance(value, dict) else {}
    media_type, digest = found.get("mediaType", ""), found.get("digest")
    size = found.get("size")
    if (
        not isinstance(media_type, str)
        or not isinstance(digest, str)
        or not is_digest(digest)
        or not isinstance(size, int)
        or isinstance(size, bool)
        or not 0 <= size < _MAX_SIZE
    ):
        raise UsageError(
            f"manifest of {name}",
            expected="descriptors with mediaType, sha256 digest and size",
            got="another structure",
        )
    platform, annotations = found.get("platform"), found.get("annotations")
    kind = annotations.get(_REFERENCE_TYPE) if isinstance(annotations, dict) else ""
    system = platform.get("os") if isinstance(platform, dict) else ""
    is_attestation = kind == "attestation-manifest" or system == "unknown"
    return Descriptor(media_type, digest, size, _platform(platform), is_attestation)


def _platform(value: object) -> str:
    """Return ``os/architecture[/variant]``; "" for none, unknown or odd values."""
    if not isinstance(value, dict):
        return ""
    parts = [value.get("os"), value.get("architecture"), value.get("variant", "")]
    texts = [part for part in parts if isinstance(part, str) and part]
    text = "/".join(texts)
    is_plain = text.replace("/", "").replace(".", "").replace("-", "").isalnum()
    if len(texts) < 2 or texts[0] == "unknown" or not is_plain or len(text) > 60:
        return ""
    return text if text.isascii() else ""


def _descriptors(document: Document, key: str, name: str) -> list[Descriptor]:
    """Return the list of descriptors under ``key``."""
    entries = document.get(key)
    if not isinstance(entries, list):
        raise UsageError(f"manifest of {name}", expected=f"a list of {key}", got="none")
    return [parse_descriptor(entry, name) for entry in entries]
