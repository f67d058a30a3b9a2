"""Say how a build came to its results: SLSA provenance v1 of a Jenkins build.

What is known comes from up to two sources, the API and the hook's facts, and the
predicate names for each field which: ``sources`` in the extension object maps a field
to ``api``, ``hook``, or ``api, hook`` where both said something. What could not be read
is a *gap*, named beside it. ``docs/formats/jenkins-build-type.md`` describes every
field, where it is from and what that is worth, with an example that a test parses.

Nothing here claims an SLSA level: a record by whoever collects is worth what its signer
is worth.

Source: SLSA v1.0 provenance predicate; in-toto ResourceDescriptor v1.
"""

from __future__ import annotations

from jenkins_notary.evidence.secret_words import hide_secrets
from jenkins_notary.ledger.author import format_time
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.values.jobid import format_job_id
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.evidence.build_info import BuildInfo
    from jenkins_notary.ports import Controller
    from jenkins_notary.values.jobid import JobId

PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:jenkins-notary:jenkins-build:v1"
API, HOOK = "api", "hook"


class BuildKey(NamedTuple):
    """Which build: what never changes, and tells it from a re-created job's.

    Attributes:
        job: Its job id, with the instance.
        started_at_ms: When it started, ms UTC.
    """

    job: JobId
    started_at_ms: int

    @property
    def invocation(self) -> str:
        """Return the one text that names the build: ``<job id>@<startedAt>``."""
        return f"{format_job_id(self.job)}@{format_time(self.started_at_ms)}"


class BuildSources(NamedTuple):
    """All that is known of a build.

    Attributes:
        key: Which build.
        controller: Who ran it.
        info: What the API says, or None when it was not asked or lost the build.
        facts: What the hook says (``hook_facts``), empty without one.
        finished: ``result`` and ``durationMs`` as the hook's event has them, or None.
        stages: Stages that the API lists, as :func:`list_stages` gives them, or None.
        log: Descriptor of the log as a ResourceDescriptor, or None.
        tests: The same for the test report.
        gaps: What could not be read, by what it is: why.
        hook_version: Version of the hook, or None.
        kind: The build's class, or None where builds have none.
    """

    key: BuildKey
    controller: Controller
    info: BuildInfo | None
    facts: Mapping[str, Any]
    finished: Mapping[str, Any] | None = None
    stages: Sequence[Mapping[str, Any]] | None = None
    log: Mapping[str, Any] | None = None
    tests: Mapping[str, Any] | None = None
    gaps: Mapping[str, object] = {}
    hook_version: str | None = None
    kind: str | None = None


def describe_build(sources: BuildSources) -> dict[str, Any]:
    """Return the ``build`` object of a build's records: enough to tell it apart."""
    info, finished = sources.info, sources.finished or {}
    return drop_none(
        {
            "number": sources.key.job.number,
            "startedAt": format_time(sources.key.started_at_ms),
            "durationMs": finished.get("durationMs")
            if info is None
            else info.duration_ms,
            "result": finished.get("result") if info is None else info.result,
            "state": "running" if info is not None and info.is_running else "finished",
            "controller": describe_controller(sources.controller),
        }
    )


def shorten_sources(sources: BuildSources) -> BuildSources:
    """Return what is known of a build without what a build can make long."""
    facts = {name: one for name, one in sources.facts.items() if name in _SHORT}
    info = sources.info
    if info is not None:
        info = info._replace(parameters=(), causes=(), commits=(), changes=())
    return sources._replace(facts=facts, info=info, stages=None)


def describe_controller(controller: Controller) -> dict[str, Any]:
    """Return the JSON form of a controller."""
    return drop_none({**controller._asdict(), "version": controller.version or None})


def describe_builder(sources: BuildSources) -> str:
    """Return the id of the platform that ran a build.

    A controller runs builds that are trusted to different degrees, which SLSA asks to
    tell apart: each class of them is a builder of its own.
    """
    url, kind = sources.controller.url, sources.kind
    return url if kind is None else f"{url}#{kind}"


def make_provenance(sources: BuildSources) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (the SLSA predicate, the source of each field by its name)."""
    fields = _Fields(sources)
    external = {
        "job": sources.key.job.name,
        "script": fields.pick("script"),
        "parameters": fields.pick("parameters"),
    }
    internal = {
        "number": sources.key.job.number,
        **{name: fields.pick(name) for name in _INTERNAL},
    }
    info = sources.info
    started = sources.key.started_at_ms
    duration = (
        (sources.finished or {}).get("durationMs") if info is None else info.duration_ms
    )
    is_over = duration is not None and not (info is not None and info.is_running)
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": drop_none(external),
            "internalParameters": drop_none(internal),
            "resolvedDependencies": _list_dependencies(fields, sources),
        },
        "runDetails": {
            "builder": {
                "id": describe_builder(sources),
                "version": drop_none(
                    {
                        "jenkins": sources.controller.version
                        or sources.facts.get("core"),
                        "jenkins-notary": VERSION,
                        "jenkins-notary-hook": sources.hook_version,
                    }
                ),
            },
            "metadata": drop_none(
                {
                    "invocationId": sources.key.invocation,
                    "startedOn": format_time(started),
                    "finishedOn": format_time(started + duration)
                    if is_over and duration is not None
                    else None,
                }
            ),
            "byproducts": [
                dict(one)
                for one in (
                    sources.log,
                    _describe_stages(fields.pick("stages")),
                    sources.tests,
                )
                if one is not None
            ],
        },
    }
    return predicate, fields.sources


def list_stages(description: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """Return the stages that ``wfapi/describe`` lists, or None where it does not."""
    listed = (description or {}).get("stages")
    if not isinstance(listed, list):
        return None
    found = []
    for one in listed[:_MAX_STAGES]:
        if not isinstance(one, dict):
            continue
        found.append(
            {
                key: one[name] if kind is int else hide_secrets(str(one[name])[:500])
                for key, name, kind in _STAGE_KEYS
                if type(one.get(name)) is kind
            }
        )
    return found


def drop_none(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping without the keys that have no value."""
    return {key: one for key, one in value.items() if one is not None}


class _Fields:
    """Choose for each field between hook and API, and remember whose it is."""

    def __init__(self, sources: BuildSources) -> None:
        """Bring what the API says under the names of the hook's facts."""
        self._facts = {**(sources.finished or {}), **sources.facts}
        self._info = {} if sources.info is None else _name_as_facts(sources.info)
        self._info["stages"] = sources.stages
        self.sources: dict[str, str] = {}

    def pick(self, name: str) -> Any:  # noqa: ANN401 - a part of a JSON document
        """Return a field's value, None for none; the hook knows more of a build."""
        hook, api = self._facts.get(name), self._info.get(name)
        if hook is not None and api is not None:
            differs = name in _SCALARS and hook != api
            self.sources[name] = (
                f"{HOOK}, {API} differs" if differs else f"{API}, {HOOK}"
            )
            return _merge_parameters(api, hook) if name == "parameters" else hook
        if hook is not None or api is not None:
            self.sources[name] = API if hook is None else HOOK
        return api if hook is None else hook


def _name_as_facts(info: BuildInfo) -> dict[str, Any]:
    """Return what the API says under the names of the hook's facts."""
    replay = next((one for one in info.causes if one["kind"] == "ReplayCause"), None)
    return {
        "result": info.result,
        "kind": info.kind or None,
        "url": info.url or None,
        "queueId": info.queue_id,
        "causes": list(info.causes) or None,
        "parameters": list(info.parameters) or None,
        "scm": list(info.commits) or None,
        "changes": list(info.changes) or None,
        "node": None
        if info.node is None
        else [{"name": info.node or "built-in", "builtIn": not info.node}],
        "replay": replay
        and drop_none({"isReplay": True, "original": replay.get("original")}),
    }


def _merge_parameters(
    api: Sequence[Mapping[str, Any]], hook: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the parameters of both; one that either takes for secret is secret."""
    merged: dict[str, dict[str, Any]] = {}
    for one in [*api, *hook]:
        known = merged.setdefault(one["name"], dict(one))
        if one.get("secret") or known.get("secret"):
            merged[one["name"]] = {"name": one["name"], "secret": True}
    return list(merged.values())


def _list_dependencies(fields: _Fields, sources: BuildSources) -> list[dict[str, Any]]:
    """Return what went into the build: commits, libraries, builds upstream."""
    libraries = fields.pick("libraries") or []
    # Jenkins lists a library's checkout among those of the sources.
    theirs = {one.get(key) for one in libraries for key in ("sha", "version")}
    found = [
        drop_none(
            {
                "name": "source",
                "uri": _git_uri(one),
                "digest": {"gitCommit": one["commit"]} if "commit" in one else None,
            }
        )
        for one in fields.pick("scm") or []
        if one.get("commit") not in theirs or "commit" not in one
    ]
    found += [
        drop_none(
            {
                "name": f"library {one.get('name', '')}",
                "digest": {"gitCommit": one["sha"]} if "sha" in one else None,
                "annotations": drop_none(
                    {key: one.get(key) for key in ("version", "trusted")}
                ),
            }
        )
        for one in libraries
    ]
    causes = fields.pick("causes") or []
    found += [
        {
            "name": "upstream build",
            "uri": f"{sources.controller.instance}:{one['upstream']['job']}"
            f"#{one['upstream']['build']}",
        }
        for one in causes
        if {"job", "build"} <= one.get("upstream", {}).keys()
    ]
    return found


def _git_uri(one: Mapping[str, Any]) -> str | None:
    """Return the URI of a checkout, SPDX's form of a download location."""
    if "url" not in one:
        return None
    return f"git+{one['url']}" + (f"@{one['branch']}" if "branch" in one else "")


def _describe_stages(
    stages: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any] | None:
    """Return the stage list as a byproduct."""
    if not stages:
        return None
    return {"name": "stages", "annotations": {"stages": [dict(one) for one in stages]}}


_SCALARS = frozenset({"queueId", "result"})
_SHORT = frozenset({"core", "log", "mode", "replay"})
_MAX_STAGES = 1000
_STAGE_KEYS = (
    ("id", "id", str),
    ("name", "name", str),
    ("status", "status", str),
    ("startedAt", "startTimeMillis", int),
    ("durationMs", "durationMillis", int),
)
_INTERNAL = (
    "result",
    "kind",
    "url",
    "queueId",
    "causes",
    "replay",
    "node",
    "approvals",
    "rejections",
    "change",
    "changes",
    "plugins",
    "mode",
)
