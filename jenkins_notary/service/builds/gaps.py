"""Count and tell what is not on record, and what differs from what was claimed.

The figures are those of the last sweep (``coverage``); a controller that was never
swept has none. A folder is told of when what it lacks changes, all folders of a sweep
in one alert; a build when a claim on it differs from what its controller tells.
"""

from __future__ import annotations

from jenkins_notary.assets.asset import printable
from jenkins_notary.evidence.corroboration import DIFFERS
from jenkins_notary.service.builds.coverage import (
    list_sweeps,
    read_states,
    read_unrecorded,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.service.monitoring.alerts import Alerts
    from jenkins_notary.service.session import ServiceSession
    from jenkins_notary.service.state import ServiceState
    from jenkins_notary.serving.metrics import Counter, Metrics
    from jenkins_notary.trust.record import ProvenRecord

_TOLD = 5
_LACKING = (
    ("missing", "missing"),
    ("lost", "lost"),
    ("unrecorded", "files unrecorded"),
)


def add_coverage_gauges(metrics: Metrics, state: ServiceState) -> None:
    """Add the figures of the last sweeps."""
    metrics.gauge(
        "coverage_builds",
        "Builds by what the last sweep found.",
        "state",
        read=lambda: read_states(state),
    )
    metrics.gauge(
        "coverage_unrecorded_artifacts",
        "Archived files that are not on record.",
        read=lambda: read_unrecorded(state),
    )
    metrics.gauge(
        "coverage_sweep_time_seconds",
        "When each controller was swept last, since 1970.",
        "instance",
        read=lambda: {(name,): one["ms"] / 1000 for name, one in list_sweeps(state)},
    )


def tell_coverage(
    alerts: Alerts, instance: str, folders: Sequence[Mapping[str, Any]]
) -> None:
    """Tell which folders of a sweep lack something, if that has changed.

    Args:
        alerts: Where it is told.
        instance: The controller's.
        folders: The figures of its folders (``evidence.coverage.sum_folders``).
    """
    states = {
        f"{instance}:{one['folder'] or '*'}": _describe_lack(one) for one in folders
    }
    lacking = [f"{key} ({lack})" for key, lack in states.items() if lack is not None]
    listed = ", ".join(printable(one, 300) for one in lacking[:_TOLD])
    more = f" and {len(lacking) - _TOLD} more" if len(lacking) > _TOLD else ""
    text = f"not on record: {listed}{more}" if lacking else "every build is on record"
    # What is bad stands first, for it gives the alert its state.
    ordered = sorted(states.items(), key=lambda item: item[1] is None)
    alerts.tell_each("coverage", dict(ordered), text, instance=instance)


def count_verdict(counter: Counter, record: ProvenRecord) -> None:
    """Count a corroboration by its verdict."""
    verdict = _verdict_of(record)
    if verdict is not None:
        counter.add(verdict)


def tell_difference(
    alerts: Alerts, session: ServiceSession, record: ProvenRecord
) -> None:
    """Tell of a build whose claims differ from what its controller tells.

    Args:
        alerts: Where it is told.
        session: The ledger.
        record: A record that is new.
    """
    if _verdict_of(record) != DIFFERS or session.view().standing(record) != "enrolled":
        return
    assert record.statement is not None  # noqa: S101 - it has a verdict
    said = record.statement.predicate
    job = printable(str(record.statement.job_id), 500)
    fields = [one["field"] for one in said["fields"] if one["verdict"] == DIFFERS]
    count = (said.get("counts") or {}).get(DIFFERS, 0)
    what = [*fields, *([f"{count} artifacts"] if count else [])]
    alerts.tell(
        "corroboration",
        job,
        DIFFERS,
        f"{job}: what was claimed of it differs in {', '.join(what)}",
        index=record.index,
        fields=fields,
    )


def _verdict_of(record: ProvenRecord) -> str | None:
    """Return the verdict of a corroboration, None for another record."""
    if record.leaf.type != "corroboration" or record.statement is None:
        return None
    verdict = record.statement.predicate.get("verdict")
    return verdict if isinstance(verdict, str) else None


def _describe_lack(folder: Mapping[str, Any]) -> str | None:
    """Return what a folder lacks, None for nothing."""
    said = [f"{folder[key]} {word}" for key, word in _LACKING if folder[key]]
    return ", ".join(said) or None
