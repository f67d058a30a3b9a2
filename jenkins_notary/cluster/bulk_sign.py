r"""Notarize what runs in a cluster as it is, and write the script that does so.

A cluster that is watched for the first time shows everything as UNKNOWN. Its baseline
is a record of each image that runs, by the digest that runs, so that whatever is new
stands out. It says "this ran", not "this is ours":

- A key of its own signs. It must be enrolled at level 0, in no org, and be no
  administrator's: any record of a build outweighs it, and it counts for no org.
- Each record has the attribute ``origin: baseline``.
- What is known stays as it is: TRUSTED is left alone, and what is UNTRUSTED,
  UNSUPPORTED or REVOKED is never signed. So another run signs only what is new, and one
  that was cut off goes on.

The list comes from the API server, or as the JSON of a watcher's ``/results``, which
the script carries along::

    #!/bin/sh
    ...
    exec jenkins-notary kube bulk-sign --results - "$@" <<'RESULTS'
    [
    {"hash":"5f...","containers":[{"namespace":"shop","image":"web:1",...}]}
    ]
    RESULTS

Names of pods and images are whatever somebody wrote. Here they are JSON in ASCII, one
image a line, in a quoted here-document: no line of it can end it, and the shell reads
none of it.
"""

from __future__ import annotations

import json

from jenkins_notary.assets.asset import Asset, Subject, printable
from jenkins_notary.assets.reference import parse_reference
from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.digest import format_digest, is_hex_digest
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.containers import Container

    Authenticate = Callable[[Sequence[str], Sequence[str]], Sequence[Mapping[str, Any]]]

LEVEL = 0
"""The level of a baseline's signer: below that of every build's."""
ORIGIN = {"origin": "baseline"}
"""The attribute of every record of a baseline."""

BATCH = 100
"""Images that are asked for, or recorded, at once."""
MAX_RESULTS_BYTES = 64 << 20
MAX_NAMESPACES = 1000

SIGNED, WOULD_SIGN = "signed", "would be signed"
KNOWN, OWN, LEFT = "known", "signed before", "left"

_SCRIPT = """\
#!/bin/sh
# Notarizes what ran when this was written: {count} images, a line each.
# Lines may be deleted. Needs jenkins-notary, the ledger's URL and a key of its own:
#   JENKINS_NOTARY_LEDGER=https://notary.example.com JENKINS_NOTARY_KEY=baseline.pem \\
#     sh bulk-sign.sh --dry-run
set -eu
command -v jenkins-notary >/dev/null || {{
  echo 'jenkins-notary is not installed: pip install jenkins-notary' >&2
  exit 78
}}
exec jenkins-notary kube bulk-sign --results - "$@" <<'RESULTS'
[
{lines}
]
RESULTS
"""


class Image(NamedTuple):
    """One image that runs.

    Attributes:
        digest: What runs, ``sha256:`` and 64 hex digits.
        name: How the first of its containers names it, without a digest; printable.
        containers: How many run it.
        namespaces: Where, sorted.
    """

    digest: str
    name: str
    containers: int
    namespaces: tuple[str, ...]


class Fate(NamedTuple):
    """What became of an image.

    Attributes:
        image: Which.
        outcome: One of :data:`SIGNED`, :data:`WOULD_SIGN`, :data:`KNOWN`,
            :data:`OWN` and :data:`LEFT`.
        status: What the ledger says of it now.
        reason: Why, in one sentence.
        index: The record that says so, or None.
    """

    image: Image
    outcome: str
    status: Status
    reason: str
    index: int | None  # type: ignore[assignment]  # It hides tuple.index.

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.image.name,
            "kind": "image",
            "digest": self.image.digest,
            "containers": self.image.containers,
            "namespaces": list(self.image.namespaces),
            "outcome": self.outcome,
            "status": self.status.name,
            "code": self.status.value,
            "reason": self.reason,
            "index": self.index,
        }


class Seen(NamedTuple):
    """One container as ``/results`` tells it."""

    namespace: str
    image: str
    digest: str


def see_containers(containers: Iterable[Container]) -> Iterator[Seen]:
    """Yield what runs by digest; what has not started is left out."""
    for one in containers:
        if one.digest is not None and one.image_id:
            yield Seen(one.namespace, one.image or one.image_id, one.digest)


def read_results(data: bytes) -> list[Seen]:
    """Return what runs, from the JSON of a watcher's ``/results``.

    Kube-notary's own is read too. What has no digest is left out.

    Raises:
        UsageError: It is no such JSON.
    """
    if len(data) > MAX_RESULTS_BYTES:
        limit = f"at most {MAX_RESULTS_BYTES} bytes"
        raise UsageError("results", expected=limit, got="more")
    try:
        listed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError("results", expected="JSON", got="something else") from error
    if not isinstance(listed, list) or not all(isinstance(o, dict) for o in listed):
        raise UsageError("results", expected="a list of objects")
    return [seen for place, one in enumerate(listed, 1) for seen in _read(one, place)]


def find_images(seen: Iterable[Seen]) -> list[Image]:
    """Return the images that run, each once, by name and digest.

    >>> found = find_images([Seen("shop", "web:1", "sha256:" + "ab" * 32)] * 2)
    >>> found[0].name, found[0].containers, found[0].namespaces
    ('web:1', 2, ('shop',))
    """
    grouped: dict[str, list[Seen]] = {}
    for one in seen:
        grouped.setdefault(one.digest, []).append(one)
    images = [
        Image(
            digest,
            min(_name(one.image) for one in group),
            len(group),
            tuple(sorted({one.namespace for one in group})),
        )
        for digest, group in grouped.items()
    ]
    return sorted(images, key=lambda one: (one.name, one.digest))


def check_signer(signer: str, signers: Iterable[Mapping[str, Any]]) -> None:
    """Check that a key may sign a baseline.

    Args:
        signer: Its id.
        signers: The enrolled signers, in the JSON form of ``signer list``.

    Raises:
        ConfigurationError: It could be taken for a build's.
    """
    known = next((one for one in signers if one["signer"] == signer), None)
    enrol = f"jenkins-notary signer enrol KEY.pub.pem --level {LEVEL}"
    got = ""
    if known is None:
        got = "one that is not enrolled"
    elif known["revoked_from"] is not None:
        got = f"one that is revoked from #{known['revoked_from']}"
    elif known["administrator"]:
        got = "an administrator's"
    elif known["orgs"]:
        got = f"one of the org {printable(', '.join(known['orgs']), 80)}"
    elif known["level"] != LEVEL:
        got = f"one of level {known['level']}"
    if got:
        raise ConfigurationError(
            f"signer {signer}",
            expected=f"a key for baselines alone: level {LEVEL}, in no org",
            got=got,
            advice=f"jenkins-notary key generate --key baseline.pem; {enrol}",
        )


def sort_out(
    images: Sequence[Image], authenticate: Authenticate, signer: str | None
) -> Iterator[Fate]:
    """Yield what is to become of each image, in order; nothing is recorded.

    Args:
        images: What runs.
        authenticate: Returns the ledger's word on digests, by these signers alone if
            there are any, in the JSON form of ``authenticate``.
        signer: The baseline's own, or None where only a look is wanted.

    Raises:
        IntegrityError: The ledger has no word on one: a record of it was altered.
    """
    for start in range(0, len(images), BATCH):
        group = images[start : start + BATCH]
        found = [_weigh(*pair) for pair in _ask(group, authenticate, ())]
        open_ = [one.image for one in found if one.outcome == WOULD_SIGN]
        own: dict[str, Fate] = {}
        if open_ and signer is not None:
            # A dirty tree, say, gives UNKNOWN whoever else has signed.
            mine = [_weigh(*one) for one in _ask(open_, authenticate, (signer,))]
            own = {
                one.image.digest: one._replace(outcome=OWN)
                for one in mine
                if one.outcome == KNOWN
            }
        yield from (own.get(one.image.digest, one) for one in found)


def to_asset(image: Image) -> Asset:
    """Return what is recorded of an image."""
    try:
        ref = f"{parse_reference(image.name).name}@{image.digest}"
    except UsageError:
        ref = None
    shown = ",".join(image.namespaces)[:MAX_NAMESPACES]
    return Asset(
        image.name,
        "image",
        None,
        (Subject(image.name, image.digest),),
        ref,
        {"containers": image.containers, "namespaces": printable(shown, 1000)},
    )


def format_script(judged: Iterable[Judged]) -> bytes:
    """Return the script that notarizes what is on a board."""
    grouped: dict[str, list[dict[str, str]]] = {}
    for one in judged:
        container = one.container
        for seen in see_containers([container]):
            grouped.setdefault(seen.digest, []).append(
                {
                    "namespace": seen.namespace,
                    "pod": container.pod,
                    "container": container.name,
                    "image": seen.image,
                    "imageID": container.image_id,
                }
            )
    lines = ",\n".join(
        json.dumps({"hash": digest[7:], "containers": found}, separators=(",", ":"))
        for digest, found in grouped.items()
    )
    return _SCRIPT.format(count=len(grouped), lines=lines).encode("ascii")


def _read(entry: Mapping[str, Any], place: int) -> Iterator[Seen]:
    """Yield the containers of one entry."""
    text, listed = entry.get("hash"), entry.get("containers")
    if text == "":
        return
    hex_digits = text.removeprefix("sha256:") if isinstance(text, str) else ""
    if not is_hex_digest(hex_digits) or not isinstance(listed, list):
        raise UsageError(
            f"results entry {place}", expected="a hash and a list of containers"
        )
    for one in listed:
        found = one if isinstance(one, dict) else {}
        texts = [found.get(key) for key in ("namespace", "image", "imageID")]
        namespace, image, image_id = (o if isinstance(o, str) else "" for o in texts)
        # What has no imageID has not started.
        if image_id:
            yield Seen(namespace, image or image_id, format_digest(hex_digits))


def _ask(
    images: Sequence[Image], authenticate: Authenticate, signers: Sequence[str]
) -> Iterator[tuple[Image, Mapping[str, Any]]]:
    """Yield each image with the ledger's word on it."""
    words = authenticate([one.digest for one in images], signers)
    yield from zip(images, words, strict=True)


def _weigh(image: Image, word: Mapping[str, Any]) -> Fate:
    """Return what the ledger's word makes of an image."""
    if word["status"] is None:
        raise IntegrityError(
            f"image {image.name} {image.digest}",
            expected="a verdict",
            got=str(word["reason"]),
        )
    status = Status[word["status"]]
    outcome = {Status.TRUSTED: KNOWN, Status.UNKNOWN: WOULD_SIGN}.get(status, LEFT)
    return Fate(image, outcome, status, str(word["reason"]), word["index"])


def _name(image: str) -> str:
    """Return how an image is called, without its digest.

    >>> _name("registry.example.com/app:1@sha256:" + "0" * 64)
    'registry.example.com/app:1'
    """
    return printable(image.partition("@")[0]) or "image"
