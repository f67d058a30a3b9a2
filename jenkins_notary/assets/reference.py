"""Parse image references by the grammar that registries use.

    [registry/]name[:tag][@sha256:hex]

``alpine`` is ``docker.io/library/alpine:latest``: the registry defaults to Docker's
hub, a one-part name there to ``library/``, the tag to ``latest`` when neither tag nor
digest is given.

>>> str(parse_reference("registry.example:5000/team/app:1.2"))
'registry.example:5000/team/app:1.2'
>>> parse_reference("alpine").repository
'library/alpine'

The grammar is strict, because parts of a reference become parts of a URL: anything else
is refused. Source: github.com/distribution/reference (grammar in its package comment);
only SHA-256 digests are known here.
"""

from __future__ import annotations

import re

from jenkins_notary.assets.asset import is_digest, printable
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple

HUB = "docker.io"
"""The registry that a reference without one means."""

MAX_NAME = 255
"""Characters that registry and repository may have together."""

_HOST_LABEL = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)"
_REGISTRY = re.compile(
    rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9a-fA-F:]{{2,39}}\])(?::[0-9]{{1,5}})?"
)
_PART = r"[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MAX_PORT = 65535


class ImageReference(NamedTuple):
    """Where an image is, and which one.

    Attributes:
        registry: Host, with ``:port`` if there is one; ``docker.io`` for the hub.
        repository: Path within the registry, e.g. ``library/alpine``.
        tag: None if only a digest was given.
        digest: ``sha256:…``, or None.
    """

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def name(self) -> str:
        """Return registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """Return what selects the image: the digest, else the tag."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        """Return the reference in full."""
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")

    def pinned(self, digest: str) -> ImageReference:
        """Return the same repository at one digest, without a tag."""
        return self._replace(tag=None, digest=digest)


def parse_reference(text: str) -> ImageReference:
    """Return the parts of an image reference, defaults filled in.

    Raises:
        UsageError: A part breaks the grammar; the message names it.
    """
    rest, _, digest = text.partition("@")
    if "@" in text and not is_digest(digest):
        raise _refused(text, "a digest sha256:<64 hex digits> after @", digest)
    head, slash, tail = rest.rpartition("/")
    last, colon, tag = tail.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _refused(text, "a tag of letters, digits, _ . -", tag)
    registry, repository = _split_registry(head + slash + last)
    host, _, port = registry.rpartition(":")
    if not _REGISTRY.fullmatch(registry) or (
        host and port.isdigit() and not 0 < int(port) <= _MAX_PORT
    ):
        raise _refused(text, "a registry as host or host:port", registry)
    if not _REPOSITORY.fullmatch(repository):
        raise _refused(
            text, "a repository in lower case, parts joined by /", repository
        )
    if len(registry) + 1 + len(repository) > MAX_NAME:
        raise _refused(text, f"a name of at most {MAX_NAME} characters", "a longer one")
    found_tag = tag if colon else None if digest else "latest"
    return ImageReference(registry, repository, found_tag, digest or None)


def _split_registry(name: str) -> tuple[str, str]:
    """Return (registry, repository): the first part is a host only if it looks so."""
    first, slash, rest = name.partition("/")
    is_host = "." in first or ":" in first or first == "localhost"
    if not slash or not (is_host or first != first.lower()):
        first, rest = HUB, name
    if first in ("index.docker.io", "registry-1.docker.io"):
        first = HUB
    if first == HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _refused(text: str, expected: str, got: str) -> UsageError:
    """Return the failure of a reference that breaks the grammar."""
    return UsageError(
        f"image reference {printable(text)}",
        expected=expected,
        got=printable(got) or "nothing",
    )
