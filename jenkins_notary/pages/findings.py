"""Bring what is known of a build's claims into rows for its page."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

MAX_ROWS = 200
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
