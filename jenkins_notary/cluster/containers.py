"""Read the containers of a pod: what each runs, by digest, or why that is not known.

Every container of a pod becomes one :class:`Container`: regular, init and ephemeral
ones, those that have not started yet, and those whose digest nobody tells. None is left
out.

What runs is told by ``imageID`` of a container's status. Its form hangs on the runtime:

=============================================  =====================================
``docker-pullable://NAME@sha256:HEX``          dockershim, an image from a registry
``docker://sha256:HEX``                        dockershim, an image built on the node
``NAME@sha256:HEX``                            containerd, CRI-O
``sha256:HEX``                                 containerd, an image without a name
``HEX``                                        CRI-O, an image built on the node
=============================================  =====================================

The digest is that of a manifest or an index in the forms with a name, else of a config.
Before the image is there ``imageID`` is empty: then a digest in the reference that was
asked for (``NAME@sha256:HEX``) is what will run. There ``sha256:HEX`` is no digest, but
the tag HEX of an image that is called sha256.

>>> find_digest("docker-pullable://reg.example.com/web@sha256:" + "ab" * 32)
'sha256:abababababababababababababababababababababababababababababababab'

Pods of the phases Succeeded and Failed run nothing any more, and are not asked for.

Source: Kubernetes API v1 (Pod, ContainerStatus); kubelet's dockershim and CRI for the
forms of ``imageID``.
"""

from __future__ import annotations

import re

from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import format_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Literal

    Kind = Literal["regular", "init", "ephemeral", "volume"]

_KINDS: tuple[tuple[Kind, str, str], ...] = (
    ("regular", "containers", "containerStatuses"),
    ("init", "initContainers", "initContainerStatuses"),
    ("ephemeral", "ephemeralContainers", "ephemeralContainerStatuses"),
)
"""(kind, key of the spec, key of the status)."""

MAX_TEXT = 1024
"""Characters of a name or reference that are kept; the API server bounds most below.

The end of one that is cut is a mark, so that no digest is found at the cut.
"""

MAX_CONTAINERS = 1000
"""Containers of a pod that are read; a pod of 1.5 MB cannot have more that differ."""

MAX_PULL_SECRETS = 8
"""Pull secrets of a pod that are read."""

_DIGEST = re.compile(r"(?:[^@]*@)?sha256:([0-9a-f]{64})")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")
_BARE = re.compile(r"[0-9a-f]{64}")


class Container(NamedTuple):
    """One container of one pod, as the API server tells.

    Attributes:
        namespace: The pod's.
        pod: The pod's name.
        uid: The pod's, which no other pod has, ever.
        name: The container's, which no other of the pod has, whatever its kind.
        kind: ``regular``, ``init`` or ``ephemeral``; ``volume`` for a volume that is
            made of an image, which admission alone looks at.
        image: The reference, as asked for.
        image_id: What the runtime tells of the image, or "".
        container_id: What the runtime calls it, or "".
        digest: ``sha256:`` and 64 hex digits of what runs, or None.
        error: Why there is no digest, or None where there is one.
        node: Where it runs, or "".
        running: Whether it runs now.
        pull_secrets: The names of the secrets that the pod's images are pulled with.
    """

    namespace: str
    pod: str
    uid: str
    name: str
    kind: Kind
    image: str
    image_id: str
    container_id: str
    digest: str | None
    error: str | None
    node: str
    running: bool
    pull_secrets: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells this container from all others, ever: (uid, name)."""
        return self.uid, self.name


def read_containers(pod: Mapping[str, Any]) -> tuple[Container, ...]:
    """Return the containers of a pod's JSON, in the pod's order.

    Args:
        pod: ``metadata``, ``spec`` and ``status`` of a v1 Pod; whatever it lacks, or
            has in another form, is taken for absent.
    """
    metadata, spec, status = (_object(pod, k) for k in ("metadata", "spec", "status"))
    found: dict[str, Container] = {}
    secrets = _read_pull_secrets(spec)
    for kind, named, told in _KINDS:
        statuses = {_text(one, "name"): one for one in _objects(status, told)}
        asked = {_text(one, "name"): one for one in _objects(spec, named)}
        for name in [*asked, *(one for one in statuses if one not in asked)]:
            if name not in found and len(found) < MAX_CONTAINERS:
                found[name] = _read_container(
                    metadata,
                    kind,
                    name,
                    asked=asked.get(name, {}),
                    told=statuses.get(name, {}),
                    node=_text(spec, "nodeName"),
                )._replace(pull_secrets=secrets)
    return tuple(found.values())


def find_digest(image_id: str) -> str | None:
    """Return the digest in an ``imageID``, None where there is none, or more than one.

    >>> find_digest("registry.example.com/shop/web:1.2") is None
    True
    """
    plain = image_id[len(mark[0]) :] if (mark := _SCHEME.match(image_id)) else image_id
    if _BARE.fullmatch(plain):
        return format_digest(plain)
    found = _DIGEST.fullmatch(plain)
    return None if found is None else format_digest(found[1])


def _read_container(
    metadata: Mapping[str, Any],
    kind: Kind,
    name: str,
    *,
    asked: Mapping[str, Any],
    told: Mapping[str, Any],
    node: str,
) -> Container:
    """Return one container, by what was asked for and what is told of it."""
    image = _text(asked, "image") or _text(told, "image")
    image_id = _text(told, "imageID")
    digest = find_digest(image_id) if image_id else _find_asked(image)
    return Container(
        _text(metadata, "namespace"),
        _text(metadata, "name"),
        _text(metadata, "uid"),
        name,
        kind,
        image,
        image_id,
        _text(told, "containerID"),
        digest,
        None if digest is not None else _explain(image_id, _object(told, "state")),
        node,
        "running" in _object(told, "state"),
    )


def _find_asked(image: str) -> str | None:
    """Return the digest in a reference that was asked for, None where there is none."""
    try:
        return parse_reference(image).digest
    except UsageError:
        return None


def _read_pull_secrets(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a pod's pull secrets, none twice."""
    names = (_text(one, "name") for one in _objects(spec, "imagePullSecrets"))
    return tuple(dict.fromkeys(one for one in names if one))[:MAX_PULL_SECRETS]


def _explain(image_id: str, state: Mapping[str, Any]) -> str:
    """Return why nobody knows what a container runs."""
    if image_id:
        return f"no sha256 digest in its imageID {image_id[:200]!r}"
    reason = _text(_object(state, "waiting"), "reason")
    return f"its image is not there yet{f' ({reason[:80]})' if reason else ''}"


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object's object, empty where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of an object's list."""
    found = value.get(key)
    yield from (
        one for one in (found if isinstance(found, list) else ()) if type(one) is dict
    )


def _text(value: Mapping[str, Any], key: str) -> str:
    """Return an object's text, "" where there is none, and no more than is kept."""
    found = value.get(key)
    text = found if isinstance(found, str) else ""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
