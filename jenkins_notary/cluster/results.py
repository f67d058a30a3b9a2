"""Tell what runs as JSON, in the shape that kube-notary's ``/results`` has.

An entry for each digest and word on it; what kube-notary did not have stands beside
what it had::

    [{"hash": "5f…",
      "containers": [{"namespace": "shop", "pod": "web-0", "container": "web",
                      "containerID": "containerd://…", "image": "web:1",
                      "imageID": "…@sha256:5f…", "kind": "regular", "node": "node-1",
                      "running": true, "since": "2026-01-02T03:04:05.000Z",
                      "stale": false, "exempt": null}],
      "verification": {"level": 3, "status": 0, "trusted": true, "timestamp": "…",
                       "word": "TRUSTED", "reason": "…", "signer": "0x…",
                       "job": "ci.example.com:shop/web#7", "build_url": "https://…",
                       "commit": "…", "index": 41,
                       "record": "https://notary.example.com/records/41",
                       "receipt": "c2sp.org/tlog-proof@v1…",
                       "as_of": {"tree_size": 90, "timestamp": "…"}},
      "errors": []}]

``receipt`` proves that the record which decides is in the log (``receipt verify``).
``timestamp`` is when the word held: the commit time of the last record of the log that
it was taken from. What has no digest has an entry of its own, with an empty ``hash``
and the reason under ``errors``: it is not left out.
"""

from __future__ import annotations

from jenkins_notary.ledger.author import format_time
from jenkins_notary.pages.links import Links, outside_url
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from jenkins_notary.cluster.board import Judged, Verdict


def list_results(
    rows: Iterable[Judged], pages_url: str | None = None
) -> list[dict[str, Any]]:
    """Return an entry for each digest and word on it, in the order of the rows.

    Args:
        rows: What runs.
        pages_url: Where the service's pages are, or None.
    """
    link = None if pages_url is None else Links(pages_url)
    found: dict[object, dict[str, Any]] = {}
    for one in rows:
        has, said = one.container, one.verdict
        # Namespaces may ask for different signers: one digest, and two words on it.
        word = said._replace(as_of=None, receipt=None)
        key = (has.key, None) if has.digest is None else (has.digest, word)
        if key not in found:
            found[key] = {
                "hash": (has.digest or "").removeprefix("sha256:"),
                "containers": [],
                "verification": _describe_word(said, link),
                "errors": [] if said.error is None else [said.error],
            }
        found[key]["containers"].append(_describe_container(one))
    return [*found.values()]


def _describe_container(one: Judged) -> dict[str, Any]:
    """Return the JSON form of a container."""
    has, exempt = one.container, one.exempt
    return {
        "namespace": has.namespace,
        "pod": has.pod,
        "container": has.name,
        "containerID": has.container_id,
        "image": has.image,
        "imageID": has.image_id,
        "kind": has.kind,
        "node": has.node,
        "running": has.running,
        "since": format_time(one.since_ms),
        "stale": one.stale,
        "exempt": None
        if exempt is None
        else {
            "owner": exempt.owner,
            "reason": exempt.reason,
            "expires_at": exempt.expires_at,
        },
    }


def _describe_word(said: Verdict, link: Links | None) -> dict[str, Any]:
    """Return the JSON form of the word on a digest."""
    as_of = said.as_of
    return {
        "level": said.level or 0,
        "status": said.status.value,
        "trusted": said.status is Status.TRUSTED,
        "timestamp": None if as_of is None else as_of.timestamp,
        "word": said.status.name,
        "reason": said.reason,
        "signer": said.signer,
        "job": said.job,
        "build_url": outside_url(said.build_url),
        "commit": said.commit,
        "index": said.index,
        "record": link and link.record(said.index),
        "receipt": said.receipt,
        "as_of": None if as_of is None else as_of._asdict(),
    }
