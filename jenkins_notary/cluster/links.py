"""Read which digests an image contains, and judge it by what is said of them.

A ledger can know an image by another of its digests than the one that runs. What hangs
together is read from documents that a registry sends; each must hash to the digest that
it was asked by, so a registry can withhold, but not claim, that one contains another:

- a *manifest* contains the digest of its config. It is TRUSTED if its config is.
- an *index* contains manifests for platforms, and nobody tells which one a node took.
  It is TRUSTED only if each that could run is, by its own digest or its config's. An
  entry of the system ``unknown``, as attestations have it, cannot; whatever else an
  entry says of itself does not excuse it.

What is negative on any of the digests is the verdict. The index that lists a manifest
cannot be found by the manifest's digest: no registry has such a question.
"""

from __future__ import annotations

from jenkins_notary.assets.images import (
    ImageResolution,
    parse_descriptor,
    parse_document,
)
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jenkins_notary.assets.images import FetchedManifest
    from jenkins_notary.assets.reference import ImageReference
    from jenkins_notary.cluster.board import Verdict

MAX_DOCUMENTS = 24
"""Documents that are fetched of one image: an index, and its platforms."""

MAX_BYTES = 512 << 10
"""Bytes of them together; a manifest of a hundred layers has 20 KiB."""

MAX_DIGESTS = 100
_NEGATIVE = (Status.UNTRUSTED, Status.UNSUPPORTED, Status.REVOKED)


class Links(NamedTuple):
    """The digests that an image contains.

    Attributes:
        groups: For each manifest that could run the digests that stand for it.
        others: Those that cannot run, or hold others.
        is_index: Whether the image is an index.
    """

    groups: tuple[tuple[str, ...], ...]
    others: tuple[str, ...]
    is_index: bool

    @property
    def digests(self) -> tuple[str, ...]:
        """Return all of them, none twice."""
        named = (one for group in self.groups for one in group)
        return tuple(dict.fromkeys([*named, *self.others]))


def read_links(
    reference: ImageReference, fetch: Callable[[ImageReference], FetchedManifest]
) -> Links:
    """Return what an image contains, each document proven by its hash.

    Args:
        reference: Where it is, with its digest.
        fetch: Gets a document by its digest.

    Raises:
        IntegrityError: Bytes do not have the digest that they were asked by.
        UsageError: It is no image, or exceeds a limit.
        NotaryError: Whatever ``fetch`` raises.
    """
    digest = reference.digest
    assert digest is not None  # noqa: S101 - the caller has pinned it
    contents: dict[str, bytes] = {}

    def fetch_bounded(version: str) -> FetchedManifest:
        if len(contents) >= MAX_DOCUMENTS:
            raise _exceeded(reference, f"{MAX_DOCUMENTS} documents")
        found = fetch(reference.pinned(version))
        contents[version] = found.content
        if sum(len(one) for one in contents.values()) > MAX_BYTES:
            raise _exceeded(reference, f"manifests of {MAX_BYTES} bytes together")
        return found

    image = ImageResolution(reference.name, fetch_bounded)
    image.start(digest, expected_digest=digest)
    groups = {one: (one, *_configs(image, one)) for one in image.manifests}
    is_index = digest not in groups
    if not is_index:
        groups = {digest: tuple(_configs(image, digest))}
    for one in _runnable(contents, image, reference.name):
        groups.setdefault(one, (one,))
    grouped = {one for group in groups.values() for one in group}
    others = [one.digest for one in image.subjects if one.digest not in grouped]
    links = Links(
        tuple(groups.values()),
        tuple(one for one in others if one != digest),
        is_index,
    )
    if len(links.digests) > MAX_DIGESTS:
        raise _exceeded(reference, f"{MAX_DIGESTS} digests")
    return links


def judge_linked(own: Verdict, links: Links, said: Mapping[str, Verdict]) -> Verdict:
    """Return the verdict on an image of whose own digest nothing is known.

    Args:
        own: The verdict on its digest: UNKNOWN.
        links: What it contains.
        said: The verdict on each of that.
    """
    for status in _NEGATIVE:
        for digest in links.digests:
            if said[digest].status is status:
                return _decided(digest, said[digest])
    for digest in links.digests:
        error = said[digest].error
        if error is not None:
            return own._replace(reason=error, error=error)
    trusted = [
        [one for one in group if said[one].status is Status.TRUSTED]
        for group in links.groups
    ]
    if trusted and all(trusted):
        # The least of what was needed decides.
        least = min((one[0] for one in trusted), key=lambda one: said[one].level or 0)
        return _decided(least, said[least])
    return own._replace(reason=f"{own.reason}; {_explain(links, trusted)}")


def _configs(image: ImageResolution, digest: str) -> list[str]:
    """Return the digest of a manifest's image config; none where it has no such."""
    config = parse_descriptor(image.manifests[digest].get("config"), image.name)
    return [config.digest] if config.digest in image.configs else []


def _runnable(
    contents: Mapping[str, bytes], image: ImageResolution, name: str
) -> list[str]:
    """Return the entries of all indexes that a node could run, but for indexes."""
    found = []
    for digest, content in contents.items():
        if digest in image.manifests:
            continue
        entries = parse_document(content, name).get("manifests")
        for entry in entries if isinstance(entries, list) else ():
            platform = entry.get("platform")
            system = platform.get("os") if isinstance(platform, dict) else None
            target = parse_descriptor(entry, name).digest
            is_index = target in contents and target not in image.manifests
            if system != "unknown" and not is_index:
                found.append(target)
    return found


def _decided(digest: str, verdict: Verdict) -> Verdict:
    """Return a verdict on a digest as that on the image that contains it."""
    return verdict._replace(
        reason=f"by {digest}, which the image contains: {verdict.reason}"
    )


def _explain(links: Links, trusted: list[list[str]]) -> str:
    """Return why what an image contains does not make it TRUSTED."""
    if links.is_index:
        count = sum(1 for one in trusted if one)
        return f"of the {len(trusted)} manifests in this index {count} are TRUSTED"
    return (
        "nor is its config known; an index that lists it cannot be found by its digest"
    )


def _exceeded(reference: ImageReference, limit: str) -> UsageError:
    """Return the failure of an image that exceeds a limit."""
    return UsageError(f"image {reference}", expected=f"at most {limit}", got="more")
