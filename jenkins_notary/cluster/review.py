"""Read what the API server asks an admission webhook: an AdmissionReview.

What is looked at is who asks, for what, and which containers the object has; whatever
is missing, or of another form, is taken for absent. Kubernetes' own kinds that make
pods hold the containers deeper down (:data:`POD_PATHS`).

Source: Kubernetes ``admission.k8s.io/v1`` and the specifications of its workloads.
"""

from __future__ import annotations

import json

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.cluster.containers import Container
from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from jenkins_notary.cluster.containers import Kind

API_VERSION = "admission.k8s.io/v1"

_LISTS: Mapping[str, Kind] = {
    "containers": "regular",
    "initContainers": "init",
    "ephemeralContainers": "ephemeral",
}
POD_PATHS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    **dict.fromkeys(
        (
            *("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController"),
            "StatefulSet",
        ),
        ("spec", "template", "spec"),
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the kinds that have containers hold them."""


class Request(NamedTuple):
    """What of an AdmissionReview is looked at.

    Attributes:
        uid: The request's, which the answer repeats.
        operation: ``CREATE``, ``UPDATE``, ``DELETE`` or ``CONNECT``.
        kind: The object's kind.
        namespace: Where it is, or "".
        name: Its name, or the start of the one that it will get.
        user: Who asks.
        voices: The user and the user's groups.
        is_dry_run: Whether nothing may be written.
        new: The object.
        old: The object before, empty for none.
    """

    uid: str
    operation: str
    kind: str
    namespace: str
    name: str
    user: str
    voices: frozenset[str]
    is_dry_run: bool
    new: Mapping[str, Any]
    old: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Return which object it is, for people."""
        return printable(f"{self.kind} {self.namespace}/{self.name}")


def parse_review(data: bytes) -> Request:
    """Return the request of an AdmissionReview.

    Raises:
        UsageError: It is none.
    """
    try:
        review = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _no_review("something else") from error
    found = mapping(review)
    request = mapping(found.get("request"))
    uid = request.get("uid")
    if found.get("apiVersion") != API_VERSION or not isinstance(uid, str) or not uid:
        raise _no_review(str(found.get("apiVersion"))[:60])
    new, old = mapping(request.get("object")), mapping(request.get("oldObject"))
    metadata, user = mapping(new.get("metadata")), mapping(request.get("userInfo"))
    name = request.get("name") or metadata.get("name") or metadata.get("generateName")
    username, groups = user.get("username"), user.get("groups")
    listed = groups if isinstance(groups, list) else []
    return Request(
        uid,
        str(request.get("operation")),
        str(mapping(request.get("kind")).get("kind")),
        str(request.get("namespace") or ""),
        str(name or ""),
        str(username or ""),
        frozenset(one for one in (username, *listed) if isinstance(one, str) and one),
        request.get("dryRun") is True,
        new,
        old,
    )


def find_containers(request: Request) -> Iterator[Container]:
    """Yield the containers whose images the old object does not have.

    One without ``@sha256:`` has no digest; ``error`` says why.
    """
    path = POD_PATHS[request.kind]
    known = [one.get("image") for _, one in _list_containers(request.old, path)]
    for kind, one in _list_containers(request.new, path):
        if one.get("image") not in known:
            yield _read_container(request, kind, one)


def _list_containers(
    value: Mapping[str, Any], path: tuple[str, ...]
) -> Iterable[tuple[Kind, Mapping[str, Any]]]:
    """Yield (kind, container) of what an object takes from images.

    That is its containers, and volumes of the source ``image``: what they hold can be
    run by any container.
    """
    spec = value
    for key in path:
        spec = mapping(spec.get(key))
    for field, kind in _LISTS.items():
        listed = spec.get(field)
        for one in listed if isinstance(listed, list) else []:
            yield kind, mapping(one)
    volumes = spec.get("volumes")
    for one in map(mapping, volumes if isinstance(volumes, list) else ()):
        if "image" in one:
            image = mapping(one["image"]).get("reference")
            yield "volume", {"name": one.get("name"), "image": image}


def _read_container(
    request: Request, kind: Kind, value: Mapping[str, Any]
) -> Container:
    """Return a container that is to start."""
    image = value.get("image")
    text = image if isinstance(image, str) else ""
    digest, error = None, None
    try:
        digest = parse_reference(text).digest
    except UsageError as fault:
        error = str(fault)
    if digest is None and error is None:
        error = (
            f"image {printable(text)}: expected name@sha256:..., got a tag; "
            "name the digest that the push reported"
        )
    return Container(
        namespace=request.namespace,
        pod=request.name,
        uid="",
        name=str(value.get("name") or ""),
        kind=kind,
        image=text,
        image_id="",
        container_id="",
        digest=digest,
        error=error,
        node="",
        running=False,
    )


def name_container(container: Container) -> str:
    """Return which container is meant, for people."""
    kind = "container"
    if container.kind == "volume":
        kind = "volume"
    elif container.kind != "regular":
        kind = f"{container.kind} container"
    name = printable(container.name, 80)
    digest = container.digest or ""
    return f"{kind} {name} {digest[:19]}".rstrip()


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def _no_review(got: str) -> UsageError:
    """Return the failure of a body that is no review."""
    return UsageError("body", expected=f"an AdmissionReview of {API_VERSION}", got=got)
