"""Hand what the API server tells to whoever judges it, without a queue that grows.

Of a pod only the newest state is kept, in the place of the one that nobody took yet: a
pod that changes a thousand times a second is taken once. What waits is bounded by how
many pods there are.
"""

from __future__ import annotations

import threading
import time

from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.cluster.containers import Container


class Waiting(NamedTuple):
    """A pod that waits to be looked at.

    Attributes:
        uid: The pod's.
        containers: Its containers; none once it is gone.
        since_s: ``time.monotonic()`` of the first state that was not taken.
    """

    uid: str
    containers: tuple[Container, ...]
    since_s: float


class Inbox:
    """Pods that changed; one thread takes, any thread may put."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._condition = threading.Condition()
        self._pods: dict[str, Waiting] = {}
        self._is_awake = False

    def put(self, uid: str, containers: tuple[Container, ...]) -> None:
        """Take a pod's state; none of its containers once it is gone."""
        with self._condition:
            before = self._pods.get(uid)
            since_s = time.monotonic() if before is None else before.since_s
            self._pods[uid] = Waiting(uid, containers, since_s)
            self._condition.notify()

    def wake(self) -> None:
        """Have whoever waits go on, though no pod has changed."""
        with self._condition:
            self._is_awake = True
            self._condition.notify()

    def take(self, limit: int, timeout_s: float) -> list[Waiting]:
        """Return pods that changed, those that wait longest first.

        Args:
            limit: How many at most.
            timeout_s: How long to wait where there are none.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._pods or self._is_awake, timeout_s)
            self._is_awake = False
            uids = [uid for uid, _ in zip(self._pods, range(limit), strict=False)]
            return [self._pods.pop(uid) for uid in uids]

    def __len__(self) -> int:
        """Return how many pods wait."""
        return len(self._pods)
