"""Show what runs as a page: counters, bars, a filter, and the way to each build.

What the address asks for is the page; the script of it only asks again::

    /status?status=UNTRUSTED&namespace=shop&q=web&page=2

The worst stands first, what is exempt behind what is not. Everything that a container,
a pod or a record names was chosen by strangers: the templates make it visible, and an
address is made only of what has the form of one.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode

from jenkins_notary.cluster.metrics import BADNESS
from jenkins_notary.errors import UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.pages.links import Links, outside_url
from jenkins_notary.pages.site import Frame, render
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.cluster.board import Judged, Standing

ROWS = 100
"""Containers of one page."""

MAX_WORDS = 200
MAX_NAMESPACES = 500
"""Namespaces that the filter offers; any other may be asked for by the address."""

PATH = "/status"
REFRESH_S = 10
"""How often a browser without script asks again."""


class Filter(NamedTuple):
    """Which containers are asked for.

    Attributes:
        status: Those of one status, or None for all.
        namespace: Those of one namespace, or "" for all.
        words: Those that have this in a name, digest, job, commit or signer.
        page: Which page of them, from 1.
    """

    status: Status | None = None
    namespace: str = ""
    words: str = ""
    page: int = 1

    def matches(self, one: Judged) -> bool:
        """Return whether a container is asked for, whatever its status."""
        if self.namespace not in {"", one.container.namespace}:
            return False
        words = self.words.casefold()
        return not words or any(words in text.casefold() for text in _texts(one))

    def includes(self, one: Judged) -> bool:
        """Return whether a container is asked for."""
        return self.status in {None, one.verdict.status} and self.matches(one)

    def address(self) -> str:
        """Return the address of the page.

        >>> Filter(Status.UNTRUSTED, words="a&b", page=2).address()
        '/status?status=UNTRUSTED&q=a%26b&page=2'
        """
        asked = {
            "status": self.status and self.status.name,
            "namespace": self.namespace,
            "q": self.words,
            "page": self.page if self.page > 1 else None,
        }
        given = {key: text for key, text in asked.items() if text}
        return f"{PATH}?{urlencode(given, errors='replace')}" if given else PATH


def parse_filter(query: Mapping[str, str]) -> Filter:
    """Return what a query asks for.

    >>> parse_filter({"status": "UNTRUSTED", "q": " web "})[:3]
    (<Status.UNTRUSTED: 1>, '', 'web')

    Raises:
        UsageError: It asks for what there is not.
    """
    unknown = set(query) - {"status", "namespace", "q", "page"}
    if unknown:
        raise UsageError("query", expected="status, namespace, q, page")
    status, words = query.get("status", ""), query.get("q", "").strip()
    page = query.get("page", "1")
    if status and status not in Status.__members__:
        raise UsageError("status", expected=", ".join(Status.__members__))
    if len(words) > MAX_WORDS:
        raise UsageError("q", expected=f"at most {MAX_WORDS} characters")
    if not (page.isascii() and page.isdigit() and 0 < len(page) < 7):
        raise UsageError("page", expected="a number from 1")
    namespace = query.get("namespace", "")
    found = Status[status] if status else None
    return Filter(found, namespace, words, max(1, int(page)))


def render_status(rows: Sequence[Judged], standing: Standing, asked: Filter) -> bytes:
    """Return the page as UTF-8.

    Args:
        rows: What runs.
        standing: How the watcher stands.
        asked: Which of it is shown.
    """
    matching = [one for one in rows if asked.matches(one)]
    shown = [one for one in matching if asked.includes(one)]
    shown.sort(key=_place_of)
    pages = max(1, -(-len(shown) // ROWS))
    page = min(asked.page, pages)
    link = None if standing.pages_url is None else Links(standing.pages_url)
    bad = sum(BADNESS[one.verdict.status] > 2 and not one.exempt for one in rows)
    return render(
        "board",
        Frame(f"({bad}) What runs" if bad else "What runs"),
        asked=asked,
        standing=standing,
        counts=_count(matching, asked),
        total=len(matching),
        verifiable=sum(one.verdict.index is not None for one in matching),
        exempt=sum(one.exempt is not None for one in matching),
        namespaces=sorted({one.container.namespace for one in rows})[:MAX_NAMESPACES],
        statuses=[one.name for one in _ORDER],
        rows=[_describe(one, link) for one in shown[(page - 1) * ROWS : page * ROWS]],
        found=len(shown),
        first=(page - 1) * ROWS + 1,
        before=asked._replace(page=page - 1).address() if page > 1 else None,
        after=asked._replace(page=page + 1).address() if page < pages else None,
        last_event=standing.last_event_ms and format_time(standing.last_event_ms),
        refresh_s=REFRESH_S,
    )


_ORDER = sorted(Status, key=lambda one: -BADNESS[one])


def _count(rows: Sequence[Judged], asked: Filter) -> list[dict[str, Any]]:
    """Return how many have each status, with the address that shows them."""
    counts = dict.fromkeys(_ORDER, 0)
    for one in rows:
        counts[one.verdict.status] += 1
    most = max(1, len(rows))
    return [
        {
            "word": status.name,
            "count": count,
            # What is there at all is seen, however little it is.
            "share": max(0.5, round(100 * count / most, 1)) if count else 0,
            "path": asked._replace(status=status, page=1).address(),
            "is_asked": asked.status is status,
        }
        for status, count in counts.items()
    ]


def _describe(one: Judged, link: Links | None) -> dict[str, Any]:
    """Return what the page shows of a container, and where it leads."""
    has, said = one.container, one.verdict
    tag = hashlib.sha256("\n".join(has.key).encode("utf-8", "replace")).hexdigest()
    return {
        "id": f"c-{tag[:16]}",
        "has": has,
        "said": said,
        "status": said.status.name,
        "exempt": one.exempt,
        "stale": one.stale,
        "since": format_time(one.since_ms),
        "digest_path": link and link.digest(has.digest),
        "job_path": link and link.build(said.job),
        "log_path": link and link.log(said.job),
        "commit_path": link and said.commit and link.search(said.commit),
        "record_path": link and link.record(said.index),
        "outside": outside_url(said.build_url),
    }


def _place_of(one: Judged) -> tuple[object, ...]:
    """Return where a container stands: the worst first."""
    has = one.container
    badness = BADNESS[one.verdict.status]
    return one.exempt is not None, -badness, has.namespace, has.pod, has.uid, has.name


def _texts(one: Judged) -> tuple[str, ...]:
    """Return what is searched of a container."""
    has, said = one.container, one.verdict
    told = has.digest, said.job, said.commit, said.signer
    named = has.namespace, has.pod, has.name, has.image, has.node
    return (*named, *(text for text in told if text))
