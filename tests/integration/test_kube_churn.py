"""Pods come and go, and the watcher stays as small and as quiet as it was.

The long form is ``make bench BENCH_ARGS=cluster``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.cluster import World, time_changes, watch_churn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.kubernetes import Cluster

PODS = 150
CHURN_S = 8.0
RATE = 20.0


@pytest.mark.real("etcd", "kube-apiserver", "kubectl", "helm")
@pytest.mark.slow
def test_memory_and_requests_stay_flat_while_pods_come_and_go(
    tmp_path: Path, cluster: Cluster
) -> None:
    world = World(cluster, str(tmp_path), PODS)
    with world.watching:
        world.await_board()
        reaction = time_changes(world, 5)
        looks = watch_churn(world, CHURN_S, RATE)
    half, last = looks[len(looks) // 2], looks[-1]

    assert len(reaction) == 5
    assert last.mib - half.mib < 8, looks
    assert last.requests - looks[0].requests <= 1, looks
    # What went is gone: no more than a second's pods are there beside those that stay.
    assert last.pods - looks[0].pods <= 2 * RATE, looks
