"""Bound a token to folders: whole path segments, on one controller or on any.

``payments`` means that job or folder and all below it, so not ``payments-evil``;
``ci.example.com:payments`` the same on one controller; ``ci.example.com:*`` all of it.

>>> from jenkins_notary.values.jobid import parse_job_id
>>> scope = parse_scope("payments/*")
>>> covers(scope, parse_job_id("ci.example.com:payments/api#1"))
True
>>> covers(scope, parse_job_id("ci.example.com:payments-evil/api#1"))
False
"""

from __future__ import annotations

from jenkins_notary.errors import UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import JobId, parse_job_id, parse_job_prefix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Scope(NamedTuple):
    """Where a token holds.

    Attributes:
        instance: The controller's slug, or None for any.
        folder: Full name of a job or folder, or None for all of the controller.
    """

    instance: str | None
    folder: str | None


def parse_scope(text: str) -> Scope:
    """Return the scope of ``[INSTANCE:]FOLDER`` or ``INSTANCE:*``.

    Raises:
        UsageError: Malformed, or all of any controller.
    """
    instance, colon, name = text.rpartition(":")
    if name == "*":
        if not colon:
            raise UsageError(
                "folder '*'", expected="a folder", advice="leave it out to mean all"
            )
        return Scope(parse_job_prefix(f"{instance}:a")[0], None)
    return Scope(*parse_job_prefix(text))


def format_scope(scope: Scope) -> str:
    """Return a scope's text; the inverse of :func:`parse_scope`."""
    where = "" if scope.instance is None else f"{scope.instance}:"
    return where + ("*" if scope.folder is None else scope.folder)


def covers(scope: Scope, job: JobId) -> bool:
    """Return whether a build, or a job by any number, is within a scope."""
    if scope.instance is not None and job.instance != scope.instance:
        return False
    folder = scope.folder
    return folder is None or job.name == folder or job.name.startswith(f"{folder}/")


def is_within(scopes: Sequence[Scope], text: str | None) -> bool:
    """Return whether a job id is within any of some scopes; without scopes any is.

    No job, or one that cannot be parsed, is within no scope.
    """
    if not scopes:
        return True
    if text is None:
        return False
    try:
        job = parse_job_id(text)
    except UsageError:
        return False
    return any(covers(one, job) for one in scopes)
