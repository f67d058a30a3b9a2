"""Reduce an image of a local container engine to digests: ``docker://``, ``podman://``.

The engine's own program is asked: ``docker image inspect`` or ``podman image inspect``.
The asset's digest is the image's Id: the config digest, except with Docker's containerd
image store, where it is the manifest's or index's. The digests under which the engine
knows the image in registries (``RepoDigests``, and podman's ``Digest``) are linked.

What the engine says is believed: nothing is hashed here. Where the engine is not to be
trusted, notarize ``image://`` instead.
"""

from __future__ import annotations

from jenkins_notary.assets.asset import Asset, Subject, is_digest, printable
from jenkins_notary.assets.images import parse_json
from jenkins_notary.assets.programs import run_program
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.values.digest import PREFIX

ENGINES = ("docker", "podman")
"""Programs that are known."""

TIMEOUT_S = 60.0
"""Time for the engine to answer."""

MAX_LINKED = 100
"""Registry digests of one image that are linked."""

_ID_LENGTHS = range(12, 65)
_HEX = frozenset("0123456789abcdef")
_ABSENT = ("no such image", "image not known", "unable to find", "no such object")
_DENIED = ("permission denied",)


def inspect_image(engine: str, reference: str) -> Asset:
    """Return an image that a local engine holds.

    Args:
        engine: One of :data:`ENGINES`.
        reference: An image reference, or an image id of 12 to 64 hex digits.

    Raises:
        UsageError: The reference is malformed.
        NotFoundError: The engine has no such image.
        PermissionDeniedError: This user may not ask the engine.
        UnavailableError: The program is missing, or its daemon does not answer.
    """
    given_id = _bare(reference)
    is_id = len(given_id) in _ID_LENGTHS and _HEX.issuperset(given_id)
    if not is_id:
        parse_reference(reference)
    finished = run_program(
        [engine, "image", "inspect", "--format", "{{json .}}", "--", reference],
        timeout_s=TIMEOUT_S,
    )
    if finished.code:
        raise _explain(engine, reference, finished.error)
    what = f"answer of {engine} about {reference}"
    answer = parse_json(finished.output, what)
    # docker prints one object; podman prints a list of one all the same.
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        raise UnavailableError(what, expected="one JSON object", got="another value")
    return _image_asset(engine, reference, answer)


def _bare(text: str) -> str:
    """Return what follows ``sha256:``, or the text itself."""
    return text[len(PREFIX) :] if text.startswith(PREFIX) else text


def _image_asset(engine: str, reference: str, facts: dict[str, object]) -> Asset:
    """Build the asset from the engine's JSON."""
    image_id = PREFIX + _bare(str(facts.get("Id", "")))
    if not is_digest(image_id):
        raise UnavailableError(
            f"answer of {engine} about {reference}",
            expected="an image Id of 64 hex digits",
            got=printable(image_id),
        )
    known = sorted(_texts(facts.get("RepoDigests")))[:MAX_LINKED]
    subjects = {image_id: Subject(reference, image_id)}
    for text in [*known, f"{reference}@{facts.get('Digest', '')}"]:
        name, _, digest = text.rpartition("@")
        if name and is_digest(digest) and digest not in subjects:
            label = f"{name}#{len(subjects)}"
            subjects[digest] = Subject(label, digest)
    size = facts.get("Size")
    metadata: dict[str, str | int | bool] = {}
    for key, label in (("Os", "os"), ("Architecture", "architecture")):
        value = facts.get(key)
        if isinstance(value, str) and value:
            metadata[label] = printable(value, 60)
    tag = reference.rpartition("/")[2].partition("@")[0].partition(":")[2]
    if tag and tag != "latest" and not is_digest(reference):
        metadata["version"] = tag
    return Asset(
        reference,
        engine,
        size if isinstance(size, int) else None,
        tuple(subjects.values()),
        _choose_ref(reference, known),
        metadata,
    )


def _choose_ref(reference: str, known: list[str]) -> str | None:
    """Return the ``name@digest`` under the name that was asked for, else the first."""
    pinned = [text for text in known if is_digest(text.rpartition("@")[2])]
    head, slash, last = reference.partition("@")[0].rpartition("/")
    asked = head + slash + last.partition(":")[0]
    for text in pinned:
        name = text.rpartition("@")[0]
        if name == asked or name.endswith("/" + asked):
            return text
    return pinned[0] if pinned else None


def _texts(value: object) -> list[str]:
    """Return the texts in a list from outside; nothing for another value."""
    if not isinstance(value, list):
        return []
    return [text for text in value if isinstance(text, str)]


def _explain(engine: str, reference: str, message: str) -> NotaryError:
    """Return the failure that the engine's message stands for."""
    lower = message.lower()
    if any(text in lower for text in _ABSENT):
        return NotFoundError(
            f"{engine}://{reference}",
            expected="a local image",
            got="none",
            advice=f"run {engine} pull, or name it as image://",
        )
    if any(text in lower for text in _DENIED):
        return PermissionDeniedError(
            f"{engine}://{reference}",
            expected=f"the right to use {engine}",
            got="permission denied",
        )
    first = message.strip().partition("\n")[0]
    return UnavailableError(
        f"{engine}://{reference}",
        expected=f"an answer of {engine}",
        got=printable(first) or "a failure without a message",
        advice=f"check that {engine} works: {engine} info",
    )
