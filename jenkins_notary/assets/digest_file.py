r"""Take an image's digest from the file that its push wrote: no registry is asked.

Who pushed an image knows its digest best; a tag that is resolved later may have moved.
Understood are what these programs write:

- ``docker buildx build --push --metadata-file F``: JSON with ``containerimage.digest``,
  of ``bake`` one such object for each target;
- ``skopeo copy --digestfile F``, ``podman push --digestfile F``, ``buildah push
  --digestfile F``, ``kaniko --digest-file F``, ``crane digest``: ``sha256:<64 hex>``;
- ``crane push``, ``kaniko --image-name-with-digest-file``,
  ``--image-name-tag-with-digest-file``: ``NAME[:TAG]@sha256:<64 hex>``, a line each.

>>> content = b'{"containerimage.digest": "sha256:' + b"ab" * 32 + b'"}'
>>> find_digest(content, parse_reference("registry.example/app:1.2"))[:14]
'sha256:abababa'

Rules: one digest must come out for the image that is named. A name in the file must be
the image's; a file that names several images is searched for it. The digest is linked
with none other: what the index leads to, only the registry knows.

Source: docker buildx documentation (``--metadata-file``), skopeo-copy(1),
podman-push(1), the README of kaniko and of crane.
"""

from __future__ import annotations

from jenkins_notary.assets.asset import Asset, Subject, is_digest, printable
from jenkins_notary.assets.files import explain_os_error
from jenkins_notary.assets.images import parse_json
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.errors import AmbiguousError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.assets.reference import ImageReference

MAX_BYTES = 4 << 20
"""Longest file that is read: buildx puts its whole provenance beside the digest."""

_DIGEST = "containerimage.digest"
_NAMES = "image.name"


def read_pushed_image(reference: ImageReference, path: str) -> Asset:
    """Return an image as an asset, by the digest that its push reported.

    Args:
        reference: The image's name; a digest in it must be the reported one.
        path: The file that the push wrote.

    Raises:
        NotaryError: The file cannot be read.
        UsageError: It holds no digest of this image, or another than the name.
        AmbiguousError: It holds several.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise explain_os_error(path, error) from error
    if len(content) > MAX_BYTES:
        raise _refuse(path, f"at most {MAX_BYTES} bytes", "more")
    digest = find_digest(content, reference, what=path)
    if reference.digest not in (None, digest):
        raise _refuse(path, str(reference.digest), digest)
    name = str(reference._replace(digest=None)) if reference.tag else reference.name
    facts: dict[str, str | int | bool] = {"digestFrom": "push"}
    if reference.tag:
        facts["tag"] = reference.tag
        if reference.tag != "latest":
            facts["version"] = reference.tag
    ref = f"{reference.name}@{digest}"
    return Asset(name, "image", None, (Subject(name, digest),), ref, facts)


def find_digest(
    content: bytes, reference: ImageReference, *, what: str = "digest file"
) -> str:
    """Return the digest of an image in what its push wrote.

    Args:
        content: The file's bytes.
        reference: The image.
        what: The file, for messages.

    Raises:
        UsageError: None of this image's, or another form.
        AmbiguousError: Several.
    """
    pairs = list(
        _read_json(content, what)
        if content.lstrip()[:1] == b"{"
        else _read_lines(content, what)
    )
    ours = {digest for names, digest in pairs if _is_named(names, reference)}
    if len(ours) == 1:
        return ours.pop()
    if ours:
        raise AmbiguousError(
            f"digest file {printable(what)}",
            expected=f"one digest of {reference.name}",
            got=", ".join(sorted(ours)[:5]),
        )
    named = sorted({name for names, _ in pairs for name in names})
    raise _refuse(
        what,
        f"the digest of {reference.name}",
        "that of " + ", ".join(map(printable, named[:5])) if named else "none",
    )


def _read_lines(content: bytes, what: str) -> Iterator[tuple[list[str], str]]:
    """Yield (names, digest) of each line that is not blank."""
    try:
        lines = content.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise _refuse(what, "a digest, or JSON", "other bytes") from error
    for line in lines:
        name, _, digest = line.strip().rpartition("@")
        if not digest and not name:
            continue
        if not is_digest(digest):
            raise _refuse(what, "sha256:<64 hex digits>", line)
        yield ([name] if name else []), digest


def _read_json(content: bytes, what: str) -> Iterator[tuple[list[str], str]]:
    """Yield (names, digest) of a build's metadata, or of each target of a bake."""
    document = parse_json(content, f"digest file {printable(what)}")
    assert isinstance(document, dict)  # noqa: S101 - it begins with a brace
    targets = [document] if _DIGEST in document else list(document.values())
    for target in targets:
        if not isinstance(target, dict) or _DIGEST not in target:
            continue
        digest, names = target[_DIGEST], target.get(_NAMES, "")
        if not isinstance(digest, str) or not is_digest(digest):
            raise _refuse(what, f"a digest in {_DIGEST}", repr(digest))
        listed = names.split(",") if isinstance(names, str) else []
        yield [one.strip() for one in listed if one.strip()], digest


def _is_named(names: list[str], reference: ImageReference) -> bool:
    """Return whether names are those of an image; without names all are."""
    if not names:
        return True
    for name in names:
        try:
            found = parse_reference(name)
        except UsageError:
            continue
        if found.name == reference.name:
            return True
    return False


def _refuse(what: str, expected: str, got: str) -> UsageError:
    """Return the failure of a file that does not say it."""
    return UsageError(
        f"digest file {printable(what)}",
        expected=expected,
        got=printable(got, 100) or "nothing",
    )
