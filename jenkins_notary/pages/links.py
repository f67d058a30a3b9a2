"""Make the addresses of pages; each is of this service, and quoted whole.

A job's full name may hold anything but a few characters, ``%`` and ``?`` among them;
what it holds is data, so it is quoted once and nothing of it is taken for an address.

>>> Links("/teams/mobile").build("ci.example.com:app/feature%2Fx#42")
'/teams/mobile/jobs/ci.example.com:app/feature%252Fx%2342'
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from jenkins_notary.assets.asset import is_digest
from jenkins_notary.errors import UsageError
from jenkins_notary.values.jobid import parse_job_id, parse_job_prefix

_KEPT = "/:@"


class Links:
    """The addresses of one service's pages."""

    def __init__(self, root: str = "") -> None:
        """Have them below a path: ``/teams/NAME``, or "" for none."""
        self._root = root

    def place(self, path: str, **asked: object) -> str:
        """Return the address of a path of this service."""
        return f"{self._root}{path}{_query(asked)}"

    def build(self, job: object, **asked: object) -> str | None:
        """Return the address of a build's page, None for what is no job id."""
        path = _quote_job(job)
        return path and self.place(path, **asked)

    def log(self, job: object, **asked: object) -> str | None:
        """Return the address of a build's log, None for what is no job id."""
        path = _quote_job(job)
        return path and self.place(f"{path}/log", **asked)

    def folder(self, name: object, **asked: object) -> str | None:
        """Return the address of a job's or folder's page, None for no such name."""
        if not isinstance(name, str):
            return None
        try:
            parse_job_prefix(name)
        except UsageError:
            return None
        return self.place(f"/jobs/{quote(name, safe=_KEPT)}", **asked)

    def digest(self, digest: object, **asked: object) -> str | None:
        """Return the address of a digest's page, None for what is no digest."""
        if not (isinstance(digest, str) and is_digest(digest)):
            return None
        return self.place(f"/digests/{digest}", **asked)

    def record(self, index: object, what: str = "") -> str | None:
        """Return the address of a record's page, or of its receipt or envelope."""
        if type(index) is not int or index < 0:
            return None
        path = f"/api/v1/records/{index}/{what}" if what else f"/records/{index}"
        return self.place(path)

    def body(self, digest: object) -> str | None:
        """Return where a body is fetched, None for what is no digest."""
        return self.digest(digest) and self.place(f"/api/v1/blobs/{digest}")

    def search(self, words: object, **asked: object) -> str:
        """Return the address of a search."""
        return self.place("/search", q=words, **asked)

    def api(self, name: str, **asked: object) -> str:
        """Return the address of an answer of the API."""
        return self.place(f"/api/v1/{name}", **asked)

    def ancestors(self, name: str) -> list[tuple[str, str | None]]:
        """Return (segment, address of its page) of a full name, the topmost first.

        >>> Links().ancestors("ci.example.com:a/b")
        [('a', '/jobs/ci.example.com:a'), ('b', '/jobs/ci.example.com:a/b')]
        """
        instance, colon, full_name = name.rpartition(":")
        parts = full_name.split("/")
        return [
            (part, self.folder(f"{instance}{colon}{'/'.join(parts[:stop])}"))
            for stop, part in enumerate(parts, 1)
        ]


def outside_url(url: object) -> str | None:
    """Return a URL of the web, None for anything else; it is not of this service."""
    if not isinstance(url, str) or len(url) > 2000 or not url.isascii():
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_web = parts.scheme in {"http", "https"} and parts.hostname is not None
    return url if is_web and url.isprintable() and "@" not in parts.netloc else None


def _quote_job(job: object) -> str | None:
    """Return the path of a build's page, None for what is no job id."""
    if not isinstance(job, str):
        return None
    try:
        parse_job_id(job)
    except UsageError:
        return None
    return f"/jobs/{quote(job, safe=_KEPT)}"


def _query(asked: dict[str, object]) -> str:
    """Return a query of what has a value, "" for nothing."""
    given = {key: str(one) for key, one in asked.items() if one not in {None, ""}}
    return f"?{urlencode(given, errors='replace')}" if given else ""
