"""Say once what runs, with its verdicts: what a watcher shows, without going on."""

from __future__ import annotations

from jenkins_notary.cluster.board import Board, Verdict
from jenkins_notary.cluster.containers import read_containers
from jenkins_notary.cluster.kept import Kept
from jenkins_notary.cluster.watching import list_scopes, make_selector
from jenkins_notary.errors import worst_code
from jenkins_notary.kubernetes.feed import list_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.cluster.board import Judged
    from jenkins_notary.cluster.judging import Source
    from jenkins_notary.cluster.settings import Settings
    from jenkins_notary.kubernetes.client import ClusterClient

DIGESTS = 200
"""Digests that are asked for together."""


def survey(
    client: ClusterClient, settings: Settings, source: Source
) -> tuple[Judged, ...]:
    """Return all containers with their verdicts, sorted.

    Raises:
        NotaryError: The API server or the ledger does not answer, or refuses.
    """
    board, kept = Board(), Kept(settings)
    selector = make_selector(settings.watch.exclude_namespaces)
    for path in list_scopes(settings.watch.namespaces):
        for pod in list_all(client, path, selector):
            containers = read_containers(pod)
            if containers:
                kept.place(containers[0].uid, containers)
    source.poll()
    while questions := kept.take_due(DIGESTS):
        for question, verdict in source.judge(questions).verdicts.items():
            kept.settle(question, verdict)
    board.stand(cluster_error=None, ledger_error=None)
    at_ms = board.now_ms()
    for containers in kept.pods.values():
        for one in containers:
            said = Verdict.unknown(one.error or "no digest")
            if one.digest is not None:
                said = kept.verdict_of(one) or said
            board.put(one, said, settings.exemption_of(one, at_ms))
    return board.snapshot()


def worst_of(rows: Sequence[Judged]) -> int:
    """Return the exit code of what runs: the worst status of what is not exempt."""
    return worst_code([one.verdict.status.value for one in rows if one.exempt is None])
