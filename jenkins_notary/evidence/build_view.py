"""Make the view of one build, and the way of a digest through builds, from records.

A view is made of the records alone, in their JSON form: whoever has the records can
make it. Only records by signers that count speak for the build; the others are named.
Nothing here is a verdict: what was recorded of an artifact is said as it was recorded.

This module is part of the agent: standard library only, Python 3.8.
"""

from __future__ import annotations

from jenkins_notary.evidence.slsa import assess_build, find_corroborations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Record = Mapping[str, Any]

_EXTENSION = "jenkinsNotary_record"
_COUNTING = "enrolled"
_TEXT = 200


def describe_build(records: Sequence[Record]) -> dict[str, Any]:
    """Return the view of a build, from the JSON form of its records.

    Returns:
        ``job``, ``names``, ``started``, ``result`` and what else the provenance says,
        ``artifacts``, ``attachments``, ``tests``, ``log``, ``stage_logs``, ``gaps``,
        ``corroborations``, ``slsa``, ``deleted``, ``uncounted``; a key without a value
        is None or empty.
    """
    counting = [one for one in records if one.get("standing") == _COUNTING]
    provenance = _newest(counting, "provenance")
    logs = [one for one in counting if one.get("type") == "log"]
    names = [one["job"] for one in records if isinstance(one.get("job"), str)]
    build: dict[str, Any] = {
        "job": names[-1] if names else None,
        "names": sorted(set(names)),
        "started": _started(counting),
        **_read_provenance(provenance),
        "artifacts": _list_artifacts(counting),
        "attachments": [
            {
                "name": predicate_of(one).get("name"),
                "label": predicate_of(one).get("label"),
                "digest": one.get("digest"),
                "index": one.get("index"),
            }
            for one in counting
            if one.get("type") == "attachment"
        ],
        "tests": _read_tests(_newest(counting, "test-result")),
        "log": _read_log([one for one in logs if not predicate_of(one).get("stage")]),
        "stage_logs": sorted(
            {
                str(predicate_of(one)["stage"])
                for one in logs
                if predicate_of(one).get("stage")
            }
        ),
        "gaps": facts_of(provenance).get("gaps"),
        "corroborations": find_corroborations(counting),
        "slsa": assess_build(records),
        "deleted": [
            {
                "at": object_of(predicate_of(one).get("event")).get("at"),
                "what": "build" if one.get("job") else "job",
                "index": one.get("index"),
            }
            for one in counting
            if one.get("type") == "deletion"
        ],
        "uncounted": [
            one.get("index") for one in records if one.get("standing") != _COUNTING
        ],
    }
    return build


def trace_digest(records: Sequence[Record]) -> dict[str, Any]:
    """Return which builds a digest went through, from the records that name it.

    Returns:
        ``producer``, the build whose record names it first, and ``consumers``, those
        that named it later, each with ``job``, ``index`` and ``type``. Records by
        signers that do not count are left out.
    """
    builds: dict[str, dict[str, Any]] = {}
    for one in records:
        job = one.get("job")
        if isinstance(job, str) and one.get("standing") == _COUNTING:
            found = {"job": job, "index": one.get("index"), "type": one.get("type")}
            builds.setdefault(job, found)
    producer, *consumers = builds.values() or [None]
    return {"producer": producer, "consumers": consumers}


def _read_provenance(record: Record | None) -> dict[str, Any]:
    """Return what a provenance says of how the build came about."""
    definition = object_of(predicate_of(record).get("buildDefinition"))
    internal = object_of(definition.get("internalParameters"))
    build = object_of(facts_of(record).get("build"))
    listed = definition.get("resolvedDependencies")
    commits = []
    for one in objects_of(listed):
        commit = object_of(one.get("digest")).get("gitCommit")
        if one.get("name") == "source" and commit:
            commits.append(f"{commit}  {one.get('uri', '')}".rstrip()[:_TEXT])
    return {
        "result": internal.get("result", build.get("result")),
        "commits": commits,
        "causes": [_describe_cause(one) for one in objects_of(internal.get("causes"))],
        "replay": object_of(internal.get("replay")).get("isReplay") is True,
        "nodes": [
            str(one.get("name"))[:_TEXT] for one in objects_of(internal.get("node"))
        ],
        "provenance": None if record is None else record.get("index"),
    }


def _describe_cause(cause: Mapping[str, Any]) -> str:
    """Return a cause in one line."""
    upstream = object_of(cause.get("upstream"))
    said = str(cause.get("description") or cause.get("kind") or "")
    if upstream:
        said = f"upstream {upstream.get('job')}#{upstream.get('build')}"
    user = cause.get("user")
    if isinstance(user, str) and user not in said:
        said = f"{said} by {user}"
    return said[:_TEXT]


def _list_artifacts(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return each digest that the build is on record with, and what was said of it."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        kind = record.get("type")
        if kind not in {"provenance", "notarization"}:
            continue
        for one in objects_of(record.get("subjects")):
            name = one.get("name")
            sha256 = object_of(one.get("digest")).get("sha256")
            if kind == "provenance" and name == "build log":
                continue
            entry = found.setdefault(
                f"sha256:{sha256}",
                {
                    "name": name,
                    "digest": f"sha256:{sha256}",
                    "archived": False,
                    "recorded": [],
                },
            )
            if kind == "provenance":
                entry["archived"] = True
            else:
                said = f"recorded {record.get('status')} in #{record.get('index')}"
                entry["recorded"].append(said)
    return list(found.values())


def _read_tests(record: Record | None) -> dict[str, Any] | None:
    """Return what a test result says, None without one."""
    if record is None:
        return None
    return {
        "result": predicate_of(record).get("result"),
        "counts": facts_of(record).get("tests"),
        "index": record.get("index"),
    }


def _read_log(records: Sequence[Record]) -> dict[str, Any] | None:
    """Return the log that ``log`` reads, None without one."""
    if not records:
        return None

    def rank(record: Record) -> tuple[bool, bool, int]:
        said = predicate_of(record)
        return (
            said.get("source") == "controller",
            said.get("state") != "growing",
            record["index"],
        )

    best = max(records, key=rank)
    said = predicate_of(best)
    return {
        "digest": best.get("digest"),
        "size": object_of(said.get("body")).get("size"),
        "form": said.get("form", "consoleText"),
        "state": said.get("state", "whole"),
        "source": said.get("source", "agent"),
        "kept": said.get("kept", "stored"),
        "findings": object_of(said.get("findings")).get("count"),
        "index": best.get("index"),
    }


def _started(records: Sequence[Record]) -> str | None:
    """Return when the build started, as its records say, or None."""
    for one in records:
        started = object_of(facts_of(one).get("build")).get("startedAt")
        if isinstance(started, str):
            return started
    return None


def _newest(records: Sequence[Record], kind: str) -> Record | None:
    """Return the newest record of a type, None for none."""
    found = [one for one in records if one.get("type") == kind]
    return found[-1] if found else None


def predicate_of(record: Record | None) -> Mapping[str, Any]:
    """Return a record's predicate."""
    return {} if record is None else object_of(record.get("predicate"))


def facts_of(record: Record | None) -> Mapping[str, Any]:
    """Return what a record says under this project's own keys."""
    predicate = predicate_of(record)
    return object_of(predicate.get(_EXTENSION, predicate))


def object_of(value: object) -> Mapping[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """Return the JSON objects of a list."""
    listed = value if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, dict)]
