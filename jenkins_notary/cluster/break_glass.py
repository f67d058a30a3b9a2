"""Let an object through by its annotation, for those who may, with a record of it.

The text of the annotation :data:`BREAK_GLASS` is the reason. It counts for users and
groups that are named for it, and once it was recorded. A controller makes pods for
others, by their template: its word counts only where workloads come to the webhook too,
so that nobody could write the annotation into a template who may not himself.
"""

from __future__ import annotations

from jenkins_notary.assets.asset import printable
from jenkins_notary.cluster.review import POD_PATHS, mapping
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.review import Request

BREAK_GLASS = "jenkins-notary/break-glass"
"""The annotation whose text is the reason why an object is let through."""

CONTROLLERS = ("system:kube-controller-manager", "system:serviceaccounts:kube-system")
"""The user and the group by which Kubernetes' own controllers make pods."""

MAX_REASON = 500


class GlassRule(NamedTuple):
    """Whose annotation counts.

    Attributes:
        voices: Groups, or users, that may let an object through.
        has_workloads: Whether workloads come to the webhook too.
    """

    voices: frozenset[str] = frozenset()
    has_workloads: bool = False


class BreakGlass(NamedTuple):
    """That an object was let through, by whom and why.

    Attributes:
        request: What was asked for.
        reason: Why, in the words of whoever asks.
        judged: What would not have been let through.
        faults: Why not, a line each.
    """

    request: Request
    reason: str
    judged: tuple[Judged, ...]
    faults: tuple[str, ...]


def refuse_glass(request: Request, rule: GlassRule, reason: str) -> str | None:
    """Return why an annotation does not count, None where it does."""
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        return f"expected a reason, one printable line of at most {MAX_REASON}"
    if not request.voices.isdisjoint(rule.voices):
        return None
    if not request.voices.isdisjoint(CONTROLLERS):
        if rule.has_workloads:
            return None
        return "a controller made the object, and workloads are not checked here"
    return f"{printable(request.user)} is of no group that may"


def guard_annotation(request: Request, rule: GlassRule) -> str | None:
    """Return why a workload's annotation may not be written, None where it may.

    A controller's pods take it from the template; so it is checked where it is written,
    each place by itself: moved from the object into the template, it counts for more.
    """
    if not rule.has_workloads or request.kind == "Pod":
        return None
    path = POD_PATHS[request.kind]
    pairs = zip(
        _list_reasons(request.new, path), _list_reasons(request.old, path), strict=True
    )
    for reason, before in pairs:
        refused = None
        if reason is not None and reason != before:
            refused = refuse_glass(request, rule, reason)
        if refused is not None:
            return f"annotation {BREAK_GLASS} may not be written: {refused}"
    return None


def read_reason(value: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    """Return the annotation of an object, or of the pods that it describes."""
    found = [one for one in _list_reasons(value, path) if one is not None]
    # The pods get the innermost one.
    return found[-1] if found else None


def _list_reasons(value: Mapping[str, Any], path: tuple[str, ...]) -> list[str | None]:
    """Return the annotation at each level of an object, the outermost first."""
    found, own = [_read_annotation(value)], value
    for key in path[:-1]:
        own = mapping(own.get(key))
        found.append(_read_annotation(own))
    return found


def _read_annotation(value: Mapping[str, Any]) -> str | None:
    """Return the annotation in an object's own metadata."""
    annotations = mapping(mapping(value.get("metadata")).get("annotations"))
    found = annotations.get(BREAK_GLASS)
    return found if isinstance(found, str) else None
