"""Hold what a search for records looks for."""

from __future__ import annotations

from jenkins_notary.shapes import NamedTuple


class Query(NamedTuple):
    """What to look for; at least one key, each further one narrows.

    Attributes:
        job: A job id, or a job or folder (``payments/*``).
        digest: A digest.
        commit: A git commit id of 40 or 64 hex digits.
        signer: A signer id.
        since: First commit time, RFC 3339, or None.
        until: Last commit time, RFC 3339, or None.
        limit: The most records that are returned, the newest of them.
        started: When the build started, RFC 3339: of builds under one id, this one.
        before: Only records before this index: the next page.
        as_of: A tree size or time; None for now.
    """

    job: str | None = None
    digest: str | None = None
    commit: str | None = None
    signer: str | None = None
    since: str | None = None
    until: str | None = None
    limit: int = 1000
    as_of: str | None = None
    started: str | None = None
    before: int | None = None
