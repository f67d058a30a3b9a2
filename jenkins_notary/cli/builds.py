"""Print the view of a build (``evidence.build_view``), as ``evidence JOB_ID`` does."""

from __future__ import annotations

from jenkins_notary.cli.output import format_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_TOLD = 20


def format_build(build: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a build's view."""
    yield f"build {build['job']}"
    yield from format_fields(_list_facts(build))
    if build["artifacts"]:
        yield "artifacts"
    for one in build["artifacts"]:
        said = ", ".join(one["recorded"]) or "archived"
        yield f"  {one['digest']}  {one['name']}  ({said})"
    if build["attachments"]:
        yield "attachments"
    for one in build["attachments"]:
        label = f", {one['label']}" if one["label"] else ""
        yield f"  {one['digest']}  {one['name']}{label}  (#{one['index']})"
    log = build["log"]
    if log is not None:
        yield "log"
        yield from format_fields(
            (
                ("digest", log["digest"]),
                ("form", f"{log['form']}, {log['state']}, {log['size']} bytes"),
                ("read by", f"{log['source']}  (#{log['index']})"),
                ("kept", log["kept"]),
                ("secrets", f"{log['findings']} places" if log["findings"] else None),
                ("text", f"jenkins-notary log {build['job']}"),
                ("checkpoints", _format_checkpoints(build)),
            )
        )
    for one in build["corroborations"]:
        yield from _format_corroboration(one)
    yield from _format_level(build["slsa"])
    for one in build["deleted"]:
        yield f"{one['what']} deleted in Jenkins at {one['at']}  (#{one['index']})"
    if build["uncounted"]:
        listed = ", ".join(f"#{one}" for one in build["uncounted"][:_TOLD])
        yield f"by signers that do not count: {listed}"


def _format_corroboration(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of what a controller tells of claims."""
    listed = ", ".join(f"#{index}" for index in one["claims"][:_TOLD])
    yield f"held to the controller: {listed}: {one['verdict']}  (#{one['index']})"
    yield from format_fields(
        [(str(o.get("field")), _format_verdict(o)) for o in one["fields"]]
    )
    for artifact in one["artifacts"][:_TOLD]:
        yield f"  {artifact.get('name')}: {_format_verdict(artifact)}"
    left = len(one["artifacts"]) - _TOLD
    if left > 0:
        yield f"  and {left} more: {one['counts']}"


def _format_verdict(one: Mapping[str, Any]) -> str:
    """Return the verdict on a field or an artifact, with both sides if they differ."""
    claimed, observed = one.get("claimed", one.get("digest")), one.get("observed")
    told = f"claimed {claimed}, the controller says {observed}"
    said = told if one.get("verdict") == "differs" and observed else one.get("why")
    return f"{one.get('verdict')}" + (f": {said}" if said else "")


def _format_level(slsa: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a build's level: what is claimed, and what is against more."""
    level, following = slsa["level"], slsa["next"]
    yield f"SLSA Build {level}" if level else "no SLSA build level"
    for reason in slsa["because"]:
        yield f"  {following} not claimed: because {reason}"


def format_trace(trace: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a digest's way through builds."""
    first = trace["producer"]
    if first is not None:
        how = "first recorded" if trace["complete"] else "first recorded of these"
        yield f"{how} by {first['job']}  (#{first['index']}, {first['type']})"
    for one in trace["consumers"]:
        yield f"then by {one['job']}  (#{one['index']}, {one['type']})"


def _list_facts(build: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield label and value of what is known of a build."""
    others = [one for one in build["names"] if one != build["job"]]
    yield "also named", others
    yield "started", build["started"]
    yield "result", build.get("result")
    yield "commit", build.get("commits")
    yield "cause", build.get("causes")
    yield "replay", "yes" if build.get("replay") else None
    yield "node", build.get("nodes")
    yield "tests", _format_counts(build["tests"])
    yield "stage logs", ", ".join(build["stage_logs"])
    gaps = build["gaps"]
    if isinstance(gaps, dict):
        for what, why in gaps.items():
            count = why.get("count") if isinstance(why, dict) else why
            yield "gap", f"{what}: {count}"


def _format_checkpoints(build: Mapping[str, Any]) -> str:
    """Return what checkpoints the log has, or how they are read."""
    found = build.get("checkpoints")
    if found is None:
        return f"jenkins-notary log {build['job']} --checkpoints"
    if found["error"] is not None:
        return f"ERROR {found['error']}"
    verified = [
        f"line {one['line']} at size {one['tree_size']}"
        for one in found["verified"][:_TOLD]
    ]
    ignored = f"{found['ignored']} others ignored" if found["ignored"] else ""
    return "; ".join([", ".join(verified) or "none", *([ignored] if ignored else [])])


def _format_counts(tests: Mapping[str, Any] | None) -> str | None:
    """Return a test report's counts in one line."""
    if not tests:
        return None
    counts = tests["counts"] if isinstance(tests["counts"], dict) else {}
    said = ", ".join(f"{key} {value}" for key, value in counts.items())
    return f"{said or tests.get('result')}  (#{tests['index']})"
