"""Read from a record's predicate where its build is, and of which commit.

Both are claims of whoever recorded them, shown as the way to look them up:

>>> environment = {"BUILD_URL": "https://ci.example.com/job/app/42/"}
>>> read_build("notarization", {"job": {"environment": environment}}).url
'https://ci.example.com/job/app/42/'
"""

from __future__ import annotations

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAX_LOOKED_AT = 20
"""Records of a digest that are looked through for the build that made it."""

MAX_URL = 2000
MAX_COMMIT = 64
_URLS = ("BUILD_URL", "CI_JOB_URL")
_COMMITS = ("GIT_COMMIT", "CI_COMMIT_SHA", "GITHUB_SHA", "BUILD_SOURCEVERSION")


class Build(NamedTuple):
    """A build, as claimed.

    Attributes:
        url: Its address, or None.
        commit: The git commit that it built, or None.
        job: Its job id, or None.
    """

    url: str | None = None
    commit: str | None = None
    job: str | None = None


def read_build(
    kind: str, predicate: Mapping[str, Any], job: str | None = None
) -> Build:
    """Return the build of a record.

    Args:
        kind: The record's type.
        predicate: What it says.
        job: The job id that it names.
    """
    if kind == "provenance":
        definition = _object(predicate, "buildDefinition")
        url = _object(definition, "internalParameters").get("url")
        return Build(_plain(url, MAX_URL), _find_commit(definition), job)
    environment = _object(_object(predicate, "job"), "environment")
    return Build(
        _first(environment, _URLS, MAX_URL),
        _first(environment, _COMMITS, MAX_COMMIT),
        job,
    )


def _find_commit(definition: Mapping[str, Any]) -> str | None:
    """Return the commit of a provenance's source."""
    listed = definition.get("resolvedDependencies")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and one.get("name", "source") == "source":
            commit = _plain(_object(one, "digest").get("gitCommit"), MAX_COMMIT)
            if commit is not None:
                return commit
    return None


def _first(value: Mapping[str, Any], names: tuple[str, ...], limit: int) -> str | None:
    """Return the first of some texts that is there."""
    found = (_plain(value.get(one), limit) for one in names)
    return next((one for one in found if one is not None), None)


def _plain(value: object, limit: int) -> str | None:
    """Return a printable text of bounded length, None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        return None
    return value if value.isprintable() else None


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object's object, empty where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}
