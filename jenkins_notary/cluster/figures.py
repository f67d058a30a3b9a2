"""Say which figures a watcher has of itself: what it reaches, how late it is.

These are told by every replica; the containers (``metrics``) by the leader alone, so
that a sum over two replicas counts each container once.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from jenkins_notary.assets.asset import printable
from jenkins_notary.serving.metrics import add_process_gauges
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from jenkins_notary.cluster.board import Board, Judged
    from jenkins_notary.serving.metrics import Metrics


_NONE = "none"
"""What stands for the status of what has not come yet, or went."""


def add_figures(metrics: Metrics, board: Board) -> None:
    """Add what is read of a board when it is asked for, and count its changes."""
    add_process_gauges(metrics)
    _add_standing(metrics, board)
    _add_ages(metrics, board)
    changes = metrics.counter(
        "cluster_changes_total",
        "Containers whose status changed, came (from none) or went (to none).",
        *("from", "to"),
    )

    # A series that begins with 1 would hide its first change from `increase`.
    words = [_NONE, *(one.name for one in Status)]
    for old, new in permutations(words, 2):
        changes.add(old, new, by=0)

    def count(before: Judged | None, after: Judged | None) -> None:
        old, new = _word_of(before), _word_of(after)
        if old != new and board.standing.is_leader:
            changes.add(old, new)

    board.on_change(count)


def _add_standing(metrics: Metrics, board: Board) -> None:
    """Add whether it reaches what it needs, and which replica it is."""
    metrics.gauge(
        "cluster_api_server_up",
        "Whether the API server answers.",
        read=lambda: board.standing.cluster_error is None,
    )
    metrics.gauge(
        "cluster_ledger_up",
        "Whether the ledger answers.",
        read=lambda: board.standing.ledger_error is None,
    )
    metrics.gauge(
        "cluster_listed",
        "Whether all pods were listed: before that nothing is complete.",
        read=lambda: board.standing.is_listed,
    )
    metrics.gauge(
        "cluster_leader",
        "Whether this replica tells of containers, records and alerts.",
        read=lambda: board.standing.is_leader,
    )
    metrics.gauge(
        "cluster_stale_containers",
        "Containers whose status may have changed meanwhile.",
        read=lambda: sum(one.stale for one in _told(board)),
    )
    metrics.gauge(
        "cluster_unresolved_containers",
        "Containers that could not be judged.",
        read=lambda: sum(one.verdict.error is not None for one in _told(board)),
    )
    metrics.gauge(
        "cluster_exempt_containers",
        "Containers that are exempt.",
        read=lambda: sum(one.exempt is not None for one in _told(board)),
    )
    metrics.gauge(
        "cluster_exemption_end_timestamp_seconds",
        "When the exemption of a container ends, since 1970.",
        *("namespace", "pod", "container"),
        read=lambda: _ends(board),
    )


def _add_ages(metrics: Metrics, board: Board) -> None:
    """Add how late it is."""
    metrics.gauge(
        "cluster_lag_seconds",
        "Time that the last change took onto the board.",
        read=lambda: board.standing.lag_ms / 1000,
    )
    metrics.gauge(
        "cluster_last_event_timestamp_seconds",
        "When the API server last told something, since 1970.",
        read=lambda: _seconds(board.standing.last_event_ms),
    )
    metrics.gauge(
        "cluster_last_ledger_timestamp_seconds",
        "When the ledger last answered, since 1970.",
        read=lambda: _seconds(board.standing.last_ledger_ms),
    )
    metrics.gauge(
        "cluster_tree_size",
        "Records of the log that the verdicts hold for.",
        read=lambda: (as_of := board.standing.as_of) and as_of.tree_size,
    )


def _told(board: Board) -> tuple[Judged, ...]:
    """Return the containers that this replica tells of."""
    return board.snapshot() if board.standing.is_leader else ()


def _place_of(one: Judged) -> tuple[str, str, str]:
    """Return the names of a container."""
    return one.container.namespace, one.container.pod, one.container.name


def _ends(board: Board) -> dict[tuple[str, ...], float]:
    """Return when exemptions end, in seconds, by what is exempt."""
    return {
        tuple(printable(text) for text in _place_of(one)): one.exempt.expires_at_ms
        / 1000
        for one in _told(board)
        if one.exempt is not None
    }


def _seconds(at_ms: int | None) -> float | None:
    """Return a time in seconds, None for none."""
    return None if at_ms is None else at_ms / 1000


def _word_of(one: Judged | None) -> str:
    """Return the status of a container as a label has it."""
    return _NONE if one is None else one.verdict.status.name
