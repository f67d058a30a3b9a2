"""Record in the ledger how what runs has drifted: when something became untrusted.

A record of the type ``attachment`` names the digests that changed; its body, with the
label :data:`LABEL`, says what became of them where::

    {"v": 1, "cluster": "prod", "dropped": 0, "changes": [
      {"at": "2026-01-02T03:04:05.006Z", "namespace": "shop", "pod": "web-1",
       "container": "web", "digest": "sha256:...", "was": "TRUSTED",
       "status": "UNTRUSTED", "record": 1207, "tree_size": 1300,
       "exempt": false}]}

So ``evidence --digest sha256:...`` tells of an image in which clusters it ran when it
lost trust. Recorded are changes of a container's status, and containers that are found
UNTRUSTED, UNSUPPORTED or REVOKED; not each pod that comes and goes. Changes are
collected for a while, so that a ledger gets few records.

The replica that leads records. While the ledger is away changes are kept, at most
:data:`MAX_KEPT`; how many were dropped is said in the next record. A change may be
recorded twice, when a replica takes over or an answer is lost: who does not lead keeps
the changes of the last minute, and records them if it comes to lead, for the other may
have been killed before it did. Ended by a signal, a replica records once more. Lost is
what a replica that is killed has kept for longer, because the ledger was away.

It takes a token of its own that may attach, of the role writer: the watcher's own, of
the role reader, cannot write.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections import deque
from contextlib import contextmanager

from jenkins_notary.cluster.board import now_ms
from jenkins_notary.errors import NotaryError, StorageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.shapes import Protocol
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from jenkins_notary.cluster.board import Board, Judged

LABEL = "cluster-history"
MIME = "application/json"
MAX_KEPT = 10_000
BATCH = 200
"""Changes of one record; each has one digest, and a record at most 500."""

STANDBY_MS = 60_000
"""What who does not lead keeps: longer than a Lease and a pause last."""

PAUSE_S = 10.0
MAX_PAUSE_S = 300.0
_BAD = frozenset({Status.UNTRUSTED, Status.UNSUPPORTED, Status.REVOKED})


class Writer(Protocol):
    """A ledger that files can be attached in: ``Notary`` or ``RemoteNotary``."""

    def attach(
        self,
        path: str,
        *,
        job: str | None = None,
        digests: Sequence[str] = (),
        label: str | None = None,
        mime: str | None = None,
    ) -> object:
        """Keep a file as evidence of digests."""


class History:
    """The changes that are to be recorded."""

    def __init__(
        self,
        board: Board,
        open_writer: Callable[[], AbstractContextManager[Writer]],
        *,
        cluster: str,
        job: str | None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Listen to a board from now on; record nothing yet.

        Args:
            board: What runs.
            open_writer: Opens the ledger.
            cluster: What the cluster is called in the records.
            job: The job id that they name, where a writer's token asks for one.
            clock: Milliseconds since the epoch.
        """
        self._board = board
        self._open = open_writer
        self._cluster = cluster
        self._job = job
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: deque[dict[str, Any]] = deque(maxlen=MAX_KEPT)
        self._dropped = 0
        self._standby: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MAX_KEPT)
        board.on_change(self.take)

    def __len__(self) -> int:
        """Return how many changes are not recorded yet."""
        return len(self._kept)

    def take(self, before: Judged | None, after: Judged | None) -> None:
        """Keep a change, if it is one of those that are recorded."""
        if after is None or after.container.digest is None:
            return
        is_changed = (
            before is not None and before.verdict.status != after.verdict.status
        )
        is_found_bad = before is None and after.verdict.status in _BAD
        if not (is_changed or is_found_bad):
            return
        at_ms = self._clock()
        change = _describe(before, after, at_ms)
        with self._lock:
            if self._board.standing.is_leader:
                self._keep(change)
            else:
                self._standby.append((at_ms, change))

    def run(
        self,
        wait: Callable[[float], bool],
        report: Callable[[str], object],
    ) -> None:
        """Record what is kept, now and then, until told to end; then once more.

        Args:
            wait: Waits for so many seconds; returns whether all is to end.
            report: Told why nothing could be recorded.
        """
        pause_s = PAUSE_S
        is_over = False
        while not is_over:
            is_over = wait(pause_s)
            try:
                while self.flush():
                    pass
                pause_s = PAUSE_S
            except NotaryError as error:
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                report(str(error))

    def flush(self) -> bool:
        """Record a batch of what is kept; return whether there was anything.

        Raises:
            NotaryError: It could not be recorded, and is kept.
        """
        with self._lock:
            self._settle_standby()
            batch = [one for one, _ in zip(self._kept, range(BATCH), strict=False)]
            dropped = self._dropped
        if not batch:
            return False
        self._record(batch, dropped)
        with self._lock:
            # What came meanwhile may have driven out the oldest of these.
            gone = len(batch) - (self._dropped - dropped)
            for _ in range(max(0, min(gone, len(self._kept)))):
                self._kept.popleft()
            self._dropped -= dropped
        return True

    def _keep(self, change: dict[str, Any]) -> None:
        """Have a change recorded; the lock is held."""
        self._dropped += len(self._kept) == MAX_KEPT
        self._kept.append(change)

    def _settle_standby(self) -> None:
        """Drop what another replica had the time to record; the lock is held.

        The rest is this one's to record once it leads.
        """
        oldest_ms = self._clock() - STANDBY_MS
        while self._standby and self._standby[0][0] < oldest_ms:
            self._standby.popleft()
        if self._board.standing.is_leader:
            for _, change in self._standby:
                self._keep(change)
            self._standby.clear()

    def _record(self, batch: Sequence[dict[str, Any]], dropped: int) -> None:
        """Attach a batch to the digests that it is about."""
        value = {
            "v": 1,
            "cluster": self._cluster,
            "dropped": dropped,
            "changes": batch,
        }
        digests = sorted({str(one["digest"]) for one in batch})
        with _write(value) as path, self._open() as writer:
            writer.attach(path, job=self._job, digests=digests, label=LABEL, mime=MIME)


@contextmanager
def _write(value: dict[str, Any]) -> Iterator[str]:
    """Yield the path of a file that holds some JSON, for a while.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="jenkins-notary-")
        path = os.path.join(folder.name, f"{LABEL}.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump(value, file)
    except OSError as error:
        raise StorageError(
            "history of the cluster",
            expected="room for a temporary file",
            got=error.strerror or "an error",
        ) from error
    with folder:
        yield path


def _describe(before: Judged | None, after: Judged, at_ms: int) -> dict[str, Any]:
    """Return what a record says of a change."""
    container, verdict = after.container, after.verdict
    return {
        "at": format_time(at_ms),
        "namespace": container.namespace,
        "pod": container.pod,
        "container": container.name,
        "digest": container.digest,
        "was": None if before is None else before.verdict.status.name,
        "status": verdict.status.name,
        "record": verdict.index,
        "tree_size": None if verdict.as_of is None else verdict.as_of.tree_size,
        "exempt": after.exempt is not None,
    }
