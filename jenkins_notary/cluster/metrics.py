r"""Tell what runs, and the ledger's word on it, in the text format of Prometheus.

Kube-notary's gauges keep their names, labels and numbers, so that what was built on
them goes on; ours beside them say whose build it is and what is exempt::

    kube_notary_vcn_verification_status{namespace="shop",pod="web-0",container="web",\
        image="web:1",image_id="web@sha256:5f…",hash="5f…"} 0
    kube_notary_vcn_verification_level{…the same…} 3
    kube_notary_aggregate_status{target_namespace="",status="TRUSTED"} 1
    jenkins_notary_cluster_container_info{namespace="shop",pod="web-0",container="web",\
        kind="regular",hash="5f…",status="TRUSTED",exempt="false",stale="false",\
        signer="0x…",build="ci.example.com:shop/web#7"} 1
    jenkins_notary_cluster_containers{namespace="shop",status="TRUSTED"} 1

What runs no more has no series, and an aggregate that was not zero becomes zero. A
container without a digest has an empty ``hash``, status 2 and level 0: it is unknown,
not absent. Text that strangers chose is made visible, for a control character would
end the scrape for every other container too.

Source: Prometheus text exposition format 0.0.4; kube-notary's names.
"""

from __future__ import annotations

from collections import Counter

from jenkins_notary.assets.asset import printable
from jenkins_notary.serving.metrics import PREFIX, format_labels
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jenkins_notary.cluster.board import Judged

MAX_LABEL = 1024
"""The most characters of a label's value."""

CLUSTER = f"{PREFIX}cluster_"
_STATUS = "kube_notary_vcn_verification_status"
_LEVEL = "kube_notary_vcn_verification_level"
_NAMED = f"{CLUSTER}container_info"
_LABELS = ("namespace", "pod", "container", "image", "image_id", "hash")
_INFO = (
    *("namespace", "pod", "container", "kind", "hash"),
    *("status", "exempt", "stale", "signer", "build"),
)
_STATUSES = tuple(one.name for one in Status)


class ContainerSeries:
    """Writes the series of containers; the lines of what did not change are kept.

    With 5,000 containers one that changed costs a tenth of writing all anew.
    """

    def __init__(self) -> None:
        """Have written nothing yet."""
        self._kept: dict[tuple[str, str, str], _Lines] = {}

    def render(self, rows: Sequence[Judged], targets: Sequence[str] = ()) -> bytes:
        """Return the series of all containers, and their sums; from one thread a time.

        Args:
            rows: What runs. Of two under one name the worse is told: a scrape in which
                a series stands twice is refused.
            targets: The namespaces that are watched; () for all.
        """
        known: dict[tuple[str, str, str], Judged] = {}
        for one in rows:
            key = one.container.namespace, one.container.pod, one.container.name
            other = known.get(key)
            if other is None or _badness(one) > _badness(other):
                known[key] = one
        kept = self._kept
        self._kept = {
            key: found
            if (found := kept.get(key)) is not None and found.of is one
            else _write_lines(one)
            for key, one in known.items()
        }
        text = "".join((*self._write(), *_write_sums(rows, targets)))
        return text.encode("utf-8", "replace")

    def _write(self) -> Iterator[str]:
        """Yield the lines of all containers, a metric after the other."""
        lines = self._kept.values()
        yield _head(
            _STATUS, "0 trusted, 1 untrusted, 2 unknown, 3 unsupported, 4 revoked."
        )
        yield from (one.status for one in lines)
        yield _head(_LEVEL, "Level of the signer whose record decides, 0 without one.")
        yield from (one.level for one in lines)
        yield _head(_NAMED, "A container, its status, and whose build it is.")
        yield from (one.info for one in lines)


class _Lines(NamedTuple):
    """The lines of one container.

    Attributes:
        of: What they say; another of the same name has others.
        status: The line of its status.
        level: The line of its level.
        info: The line of our own.
    """

    of: Judged
    status: str
    level: str
    info: str


def _write_lines(one: Judged) -> _Lines:
    """Return the lines of a container."""
    labels = format_labels(_LABELS, _values(one))
    return _Lines(
        one,
        f"{_STATUS}{labels} {one.verdict.status.value}\n",
        f"{_LEVEL}{labels} {one.verdict.level or 0}\n",
        f"{_NAMED}{format_labels(_INFO, _info(one))} 1\n",
    )


def _write_sums(rows: Sequence[Judged], targets: Sequence[str]) -> Iterator[str]:
    """Yield how many containers have each status, by what is watched and by namespace.

    All statuses are told of what has any container, so that a sum falls to zero before
    it goes away.
    """
    counts = Counter((one.container.namespace, one.verdict.status.name) for one in rows)
    name = "kube_notary_aggregate_status"
    yield _head(name, "Containers by status, of the namespaces that are watched.")
    for target in targets or ("",):
        for status in _STATUSES:
            found = (
                count
                for (space, word), count in counts.items()
                if word == status and target in {"", space}
            )
            pair = format_labels(("target_namespace", "status"), (target, status))
            yield f"{name}{pair} {sum(found)}\n"
    name = f"{CLUSTER}containers"
    yield _head(name, "Containers by namespace and status.")
    for space in sorted({*targets, *(space for space, _ in counts)}):
        for status in _STATUSES:
            pair = format_labels(("namespace", "status"), (_fit(space), status))
            yield f"{name}{pair} {counts[space, status]}\n"


def _head(name: str, told: str) -> str:
    """Return what stands above a gauge's series."""
    return f"# HELP {name} {told}\n# TYPE {name} gauge\n"


def _values(one: Judged) -> tuple[str, ...]:
    """Return the values of kube-notary's labels."""
    has = one.container
    texts = has.namespace, has.pod, has.name, has.image, has.image_id
    return (*map(_fit, texts), _hash(has.digest))


def _info(one: Judged) -> tuple[str, ...]:
    """Return the values of the labels of our own."""
    has, said = one.container, one.verdict
    return (
        *(_fit(text) for text in (has.namespace, has.pod, has.name, has.kind)),
        *(_hash(has.digest), said.status.name),
        *("false" if one.exempt is None else "true", str(one.stale).lower()),
        *(said.signer or "", _fit(said.job or "")),
    )


def _hash(digest: str | None) -> str:
    """Return a digest as kube-notary writes it: hex alone, "" for none."""
    return (digest or "").removeprefix("sha256:")


def _fit(text: str) -> str:
    """Return a text as the value of a label."""
    return printable(text, MAX_LABEL)


def _badness(one: Judged) -> int:
    """Return how bad a status is."""
    return BADNESS[one.verdict.status]


BADNESS = {
    Status.UNTRUSTED: 4,
    Status.REVOKED: 3,
    Status.UNKNOWN: 2,
    Status.UNSUPPORTED: 1,
    Status.TRUSTED: 0,
}
"""Which status comes first where the worst does."""
