"""Make the addresses of pages; each is a path of this service, quoted whole.

A job's full name may hold anything but a few characters, ``%`` and ``?`` among them;
what it holds is data, so it is quoted once and nothing of it is taken for an address.

>>> build_path("ci.example.com:payments/feature%2Fx#42")
'/jobs/ci.example.com:payments/feature%252Fx%2342'
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from jenkins_notary.assets.asset import is_digest
from jenkins_notary.errors import UsageError
from jenkins_notary.values.jobid import parse_job_id, parse_job_prefix

_KEPT = "/:@"


def build_path(job: object, **asked: object) -> str | None:
    """Return the path of a build's page, None for what is no job id."""
    if not isinstance(job, str):
        return None
    try:
        parse_job_id(job)
    except UsageError:
        return None
    return f"/jobs/{quote(job, safe=_KEPT)}{_query(asked)}"


def log_path(job: object, **asked: object) -> str | None:
    """Return the path of a build's log, None for what is no job id."""
    path = build_path(job)
    return path and f"{path}/log{_query(asked)}"


def folder_path(name: object, **asked: object) -> str | None:
    """Return the path of a job's or folder's page, None for what is no such name."""
    if not isinstance(name, str):
        return None
    try:
        parse_job_prefix(name)
    except UsageError:
        return None
    return f"/jobs/{quote(name, safe=_KEPT)}{_query(asked)}"


def digest_path(digest: object) -> str | None:
    """Return the path of a digest's page, None for what is no digest."""
    if not (isinstance(digest, str) and is_digest(digest)):
        return None
    return f"/digests/{digest}"


def record_path(index: object, what: str = "") -> str | None:
    """Return the path of a record's page, or of its receipt or envelope."""
    if type(index) is not int or index < 0:
        return None
    return f"/api/v1/records/{index}/{what}" if what else f"/records/{index}"


def body_path(digest: object) -> str | None:
    """Return where a body is fetched, None for what is no digest."""
    path = digest_path(digest)
    return path and f"/api/v1/blobs/{digest}"


def search_path(words: object) -> str:
    """Return the path of a search."""
    return f"/search{_query({'q': words})}"


def api_path(name: str, **asked: object) -> str:
    """Return the path of an answer of the API."""
    return f"/api/v1/{name}{_query(asked)}"


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


def ancestors(name: str) -> list[tuple[str, str | None]]:
    """Return (segment, path of its page) of a full name, the topmost folder first.

    >>> ancestors("ci.example.com:a/b")
    [('a', '/jobs/ci.example.com:a'), ('b', '/jobs/ci.example.com:a/b')]
    """
    instance, colon, full_name = name.rpartition(":")
    parts = full_name.split("/")
    return [
        (part, folder_path(f"{instance}{colon}{'/'.join(parts[:stop])}"))
        for stop, part in enumerate(parts, 1)
    ]


def _query(asked: dict[str, object]) -> str:
    """Return a query of what has a value, "" for nothing."""
    given = {key: str(one) for key, one in asked.items() if one not in {None, ""}}
    return f"?{urlencode(given, errors='replace')}" if given else ""
