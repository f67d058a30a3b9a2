"""Read what Jenkins' API says of a build, as the provenance needs it.

The build's JSON, as ``.../42/api/json`` gives it (shortened)::

    {"_class": "org.jenkinsci.plugins.workflow.job.WorkflowRun", "number": 42,
     "timestamp": 1767323045006, "duration": 5300, "building": false,
     "result": "SUCCESS", "queueId": 7, "url": "https://ci.example.com/job/app/42/",
     "actions": [{"causes": [{"_class": "hudson.model.Cause$UserIdCause",
                              "userId": "ann", "shortDescription": "Started by ann"}]},
                 {"parameters": [{"name": "TARGET", "value": "prod"}]},
                 {"lastBuiltRevision": {"SHA1": "<40 hex>", "branch": [...]},
                  "remoteUrls": ["https://git.example.com/app.git"]}],
     "artifacts": [{"relativePath": "target/app.jar"}],
     "changeSets": [{"items": [{"commitId": "<40 hex>"}]}]}

Plugins add to it as they like, so what is not understood is left out; without number
and start it is no build. **Secrets:** a parameter that Jenkins hides, or whose name or
value looks like a secret, is kept by its name alone.

Source: Jenkins core ``Run``, ``Cause``, ``ParameterValue``; git plugin ``BuildData``,
``GitChangeSetList``; junit plugin ``TestResultAction``; workflow-cps ``ReplayCause``.
"""

from __future__ import annotations

import re
from itertools import islice

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.secret_words import (
    HIDDEN,
    is_secret_name,
    is_secret_text,
    is_secret_value,
)
from jenkins_notary.evidence.shaping import (
    commit_id,
    cut,
    flag,
    moment,
    number,
    refuse,
    scalar,
    shape_object,
    text,
)
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeGuard

MAX_ARTIFACTS = 50_000
"""Artifacts of one build; each costs a request, and 500 fit into a record."""

MAX_PATH = 1024
"""Characters of an artifact's path; 500 of the longest fit into a record."""

_MAX_PARAMETERS = 500
_MAX_CAUSES = 100
_MAX_CHANGES = 1000
_SECRET_CLASS = re.compile(r"Password|Credential|Secret")
_REPLAYED = re.compile(r"Replayed #([1-9][0-9]{0,17})")
_CAUSE = {
    "userId": text(200),
    "shortDescription": text(500),
    "upstreamProject": text(1024),
    "upstreamBuild": number,
    "originalNumber": number,
}


class BuildInfo(NamedTuple):
    """What the API says of a build.

    Attributes:
        number: The build number.
        started_at_ms: When it started, ms UTC.
        duration_ms: How long it ran; 0 while it is running.
        is_running: Whether it is running still, or its publishers are: its log may
            grow until they have ended.
        result: ``SUCCESS``, ``UNSTABLE``, ``FAILURE``, ``NOT_BUILT``, ``ABORTED``, or
            None while it is running.
        kind: The simple name of its class, such as ``WorkflowRun``.
        url: Its URL.
        queue_id: Its item in the queue, or None.
        node: The agent of a freestyle build, ``""`` for the controller's own; None for
            a Pipeline, which may use many.
        causes: ``kind``, ``description``, ``user``, ``upstream``, ``original`` each.
        parameters: ``name`` and ``value``, or ``secret``: true, each.
        commits: ``url``, ``commit`` and ``branch`` of each checkout.
        changes: Commit ids that are new since the build before.
        artifacts: Relative paths, at most :data:`MAX_ARTIFACTS`.
        artifacts_left: Artifacts that are beyond that, or have no path that can be
            recorded.
        has_tests: Whether there is a JUnit report.
    """

    number: int
    started_at_ms: int
    duration_ms: int
    is_running: bool
    result: str | None
    kind: str
    url: str
    queue_id: int | None
    node: str | None
    causes: tuple[Mapping[str, Any], ...]
    parameters: tuple[Mapping[str, Any], ...]
    commits: tuple[Mapping[str, str], ...]
    changes: tuple[str, ...]
    artifacts: tuple[str, ...]
    artifacts_left: int
    has_tests: bool

    @property
    def finished_at_ms(self) -> int:
        """Return when it ended, as start and duration say."""
        return self.started_at_ms + self.duration_ms


def parse_build(value: Mapping[str, Any], *, subject: str) -> BuildInfo:
    """Return what the API says of a build.

    Args:
        value: The build's JSON object.
        subject: Which build, for the message.

    Raises:
        IntegrityError: It has no number or start.
    """
    try:
        own = shape_object(value, _OWN)
        if "number" not in own or "timestamp" not in own:
            refuse("number and timestamp")
    except ValueError as error:
        raise IntegrityError(subject, expected=f"a build's JSON, {error}") from error
    actions = _objects(value.get("actions"))
    is_running = own.get("building", False) or own.get("inProgress", False)
    listed = _objects(value.get("artifacts"))
    paths = [path for one in listed if _is_path(path := one.get("relativePath"))]
    node = value.get("builtOn")
    return BuildInfo(
        own["number"],
        own["timestamp"],
        0 if is_running else own.get("duration", 0),
        is_running,
        None if is_running else own.get("result"),
        class_name(value),
        own.get("url", ""),
        own.get("queueId"),
        cut(node, 200) if isinstance(node, str) else None,
        tuple(islice(clean_causes(_below(actions, "causes")), _MAX_CAUSES)),
        tuple(islice(clean_parameters(_below(actions, "parameters")), _MAX_PARAMETERS)),
        tuple(islice(_find_commits(actions), _MAX_CAUSES)),
        tuple(islice(_find_changes(value), _MAX_CHANGES)),
        tuple(paths[:MAX_ARTIFACTS]),
        len(listed) - len(paths[:MAX_ARTIFACTS]),
        any(_is_junit(one) for one in actions),
    )


def class_name(value: Mapping[str, Any]) -> str:
    """Return the simple name of the class that a JSON object names.

    >>> class_name({"_class": "hudson.model.Cause$UserIdCause"}), class_name({})
    ('UserIdCause', '')
    """
    name = value.get("_class")
    return re.split(r"[.$]", name)[-1][:100] if isinstance(name, str) else ""


def clean_parameters(listed: object) -> Iterator[dict[str, Any]]:
    """Yield parameters, of the API or the hook, secret ones by their names alone."""
    for one in _objects(listed):
        name = one.get("name")
        if not isinstance(name, str):
            continue
        name = cut(name, 200)
        value = one.get("value")
        if value is None and isinstance(one.get("jobName"), str):
            # A run parameter names a build.
            value = f"{one['jobName']}#{one.get('number', '')}"
        hidden = one.get("secret") is True or _SECRET_CLASS.search(class_name(one))
        if hidden or value is None or is_secret(name, value):
            yield {"name": name, "secret": True}
            continue
        try:
            yield {"name": name, "value": scalar(value)}
        except ValueError:
            yield {"name": name, "secret": True}


def is_secret(name: str, value: object) -> bool:
    """Return whether a value looks like a secret, by its name or by itself.

    >>> is_secret("DEPLOY_TOKEN", "x"), is_secret("TARGET", "prod")
    (True, False)
    """
    return is_secret_name(name) or (isinstance(value, str) and is_secret_value(value))


def clean_causes(listed: object) -> Iterator[dict[str, Any]]:
    """Yield why a build ran; persons stand here and nowhere else."""
    for one in _objects(listed):
        try:
            found = shape_object(one, _CAUSE)
        except ValueError:
            found = {}
        cause: dict[str, Any] = {"kind": class_name(one) or "Cause"}
        if "shortDescription" in found:
            told = found["shortDescription"]
            cause["description"] = HIDDEN if is_secret_text(told) else told
        if "userId" in found:
            cause["user"] = found["userId"]
        if "upstreamProject" in found and "upstreamBuild" in found:
            cause["upstream"] = {
                "job": found["upstreamProject"],
                "build": found["upstreamBuild"],
            }
        if cause["kind"] == "ReplayCause":
            said = _REPLAYED.search(cause.get("description", ""))
            original = found.get("originalNumber") or (said and int(said[1]))
            if original:
                cause["original"] = original
        yield cause


def _find_commits(actions: list[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Yield each checkout of a git repository, each only once."""
    seen = set()
    for one in actions:
        revision = one.get("lastBuiltRevision")
        if not isinstance(revision, dict):
            continue
        try:
            found = {"commit": commit_id(revision.get("SHA1"))}
        except ValueError:
            continue
        urls = one.get("remoteUrls")
        if isinstance(urls, list) and urls and isinstance(urls[0], str):
            found["url"] = text(2048)(urls[0])
        branches = _objects(revision.get("branch"))
        if branches and isinstance(branches[0].get("name"), str):
            found["branch"] = cut(branches[0]["name"], 500)
        key = tuple(sorted(found.items()))
        if key not in seen:
            seen.add(key)
            yield found


def _find_changes(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield the commit ids of the changes; their authors and messages stay behind."""
    sets = [*_objects(value.get("changeSets")), *_objects([value.get("changeSet")])]
    for one in sets:
        for item in _objects(one.get("items")):
            commit = item.get("commitId")
            if isinstance(commit, str):
                yield cut(commit, 64)


def _is_path(value: object) -> TypeGuard[str]:
    """Return whether a value is the path of an artifact, of a length to be recorded."""
    return isinstance(value, str) and 0 < len(value) <= MAX_PATH


def _is_junit(action: Mapping[str, Any]) -> bool:
    """Return whether an action says that there is a test report."""
    return action.get("urlName") == "testReport" or "failCount" in action


def _below(actions: list[Mapping[str, Any]], key: str) -> list[object]:
    """Return the items of a list that stands in some of the actions."""
    lists = [one.get(key) for one in actions]
    return [item for one in lists if isinstance(one, list) for item in one]


def _objects(listed: object) -> list[Mapping[str, Any]]:
    """Return the objects in a list; plugins put null and other things between them."""
    if not isinstance(listed, list):
        return []
    return [one for one in listed if isinstance(one, dict)]


def _duration(value: object) -> int:
    """Return a number of milliseconds, of at most a hundred years."""
    return min(number(value), 100 * 366 * 86_400_000)


_OWN = {
    "number": number,
    "timestamp": moment,
    "duration": _duration,
    "building": flag,
    "inProgress": flag,
    "result": text(20),
    "queueId": number,
    "url": text(2048),
}
