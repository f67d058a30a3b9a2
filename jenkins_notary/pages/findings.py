"""Bring what is known of a build's claims, and of coverage, into rows for the pages."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

MAX_ROWS = 200
MAX_GAPS = 500
_NOTHING = "-"


def list_verdicts(build: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each field and artifact that was held to the controller.

    Args:
        build: The view of a build (``evidence.build_view``).

    Returns:
        ``field``, ``found``, ``claimed``, ``read``: the verdict, and both sides. What
        differs comes first.
    """
    rows = [row for one in build["corroborations"] for row in _list_rows(one)]
    rows.sort(key=lambda row: row["found"] != "differs")
    return rows[:MAX_ROWS]


def describe_level(build: Mapping[str, Any]) -> dict[str, Any]:
    """Return the level that a build can claim, and what is against the next."""
    slsa = build["slsa"]
    level = slsa["level"]
    return {
        "level": f"SLSA Build {level}" if level else "not claimed",
        "reasons": [
            f"{slsa['next']} not claimed: because {one}" for one in slsa["because"]
        ],
    }


def list_folders(reports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each folder of coverage reports; what is lost is missing too."""
    is_one = len(reports) == 1
    return [
        {
            "name": _name_folder(report["instance"], folder["folder"], is_one=is_one),
            "present": folder["present"],
            "missing": folder["missing"] + folder["lost"] + folder["unrecorded"],
            "deleted": folder["deleted"],
            "exempt": folder["exempt"],
            "at": report["at"],
        }
        for report in reports
        for folder in report["folders"]
    ]


def list_gaps(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each run of numbers, and each artifact, that is missing."""
    lines: list[str] = []
    for report in reports:
        for job in report["jobs"]:
            lines += _list_gaps(job)
            if len(lines) >= MAX_GAPS:
                return [*lines[:MAX_GAPS], "and more: jenkins-notary coverage"]
    return lines


def _name_folder(instance: str, folder: str, *, is_one: bool) -> str:
    """Return the name of a folder, with its controller where there are several."""
    if not folder:
        return f"{instance}:*"
    return folder if is_one else f"{instance}:{folder}"


def _list_rows(corroboration: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of one corroboration."""
    for one in corroboration["fields"]:
        observed = ", ".join(map(str, one.get("observed") or ()))
        yield {
            "field": one.get("field"),
            "found": one.get("verdict"),
            "claimed": ", ".join(map(str, one.get("claimed") or ())) or _NOTHING,
            "read": observed or one.get("why") or _NOTHING,
        }
    for one in corroboration["artifacts"]:
        where = one.get("path") if one.get("verdict") == "agrees" else None
        yield {
            "field": one.get("name"),
            "found": one.get("verdict"),
            "claimed": one.get("digest"),
            "read": where or one.get("observed") or one.get("why") or _NOTHING,
        }


def _list_gaps(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a job."""
    name = f"{job['instance']}:{job['job']}"
    for state in ("missing", "lost"):
        for first, last in job["numbers"].get(state, ()):
            numbers = f"#{first}" if first == last else f"#{first} to #{last}"
            yield f"{name}{numbers} ({state})"
    for one in job["unrecorded_artifacts"]:
        yield f"{name}#{one['number']}: {one['path']} is not on record"
