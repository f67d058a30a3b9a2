"""Write one line of JSON for each change, for ELK, Fluent and whoever reads lines.

::

    {"at": "2026-01-02T03:04:05.006Z", "level": "warning", "event": "changed",
     "leader": true, "namespace": "shop", "pod": "web-1", "container": "web",
     "kind": "regular",
     "image": "registry.example.com/shop/web:1.2", "hash": "sha256:...",
     "status": "UNTRUSTED", "was": "TRUSTED", "verification_level": 1,
     "signer": "0x...", "job": "ci.example.com:shop/web#42", "record": 1207,
     "reason": "untrusted: CVE-...", "error": null, "exempt": null}

``event`` is ``found``, ``changed`` or ``gone`` for a container; ``cluster`` or
``ledger`` where one of the two stops answering, or answers again; ``lease`` where
replicas cannot agree on one that leads, for the same reason; ``leader``, ``started``
and ``stopped`` for the watcher itself. ``level`` is ``warning`` for what is neither
TRUSTED nor exempt, and for what does not answer. Each replica writes all of them;
``leader`` says whether it was the one that leads. A line is ASCII: whatever a container
is named, it neither ends the line nor reaches a terminal.
"""

from __future__ import annotations

import json
import threading

from jenkins_notary.cluster.board import NOT_ASKED, now_ms
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jenkins_notary.cluster.board import Board, Judged
    from jenkins_notary.errors import NotaryError


class ChangeLog:
    """The lines of one watcher."""

    def __init__(
        self,
        board: Board,
        write: Callable[[bytes], object],
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Listen to a board from now on.

        Args:
            board: What runs.
            write: Takes a whole line; that it fails must not end the watcher.
            clock: Milliseconds since the epoch.
        """
        self._board = board
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._is_up: dict[str, bool] = {}
        self._is_leader = board.standing.is_leader
        board.on_change(self.tell_change)

    def tell(self, event: str, *, is_warning: bool = False, **facts: object) -> None:
        """Write a line of one's own."""
        line = {
            "at": format_time(self._clock()),
            "level": "warning" if is_warning else "info",
            "event": event,
            "leader": self._board.standing.is_leader,
            **facts,
        }
        data = json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            self._write(data)

    def tell_change(self, before: Judged | None, after: Judged | None) -> None:
        """Write the line of a container that came, changed or went."""
        one = after or before
        assert one is not None  # noqa: S101 - one of the two is there
        event = "changed" if before and after else "found" if after else "gone"
        is_good = one.verdict.status is Status.TRUSTED or one.exempt is not None
        was = None if before is None or after is None else before.verdict.status.name
        self.tell(
            event, is_warning=not is_good and after is not None, **describe(one, was)
        )

    def tell_standing(self) -> None:
        """Write a line for each side that stopped answering, or answers again."""
        standing = self._board.standing
        sides = {"cluster": standing.cluster_error, "ledger": standing.ledger_error}
        for event, error in sides.items():
            is_up = error is None
            if error != NOT_ASKED and self._is_up.get(event) is not is_up:
                self._is_up[event] = is_up
                self.tell(event, is_warning=not is_up, error=error)
        if standing.is_leader is not self._is_leader:
            self._is_leader = standing.is_leader
            self.tell("leader")

    def tell_lease(self, error: NotaryError | None) -> None:
        """Write that leading cannot be asked for, or can again."""
        said = None if error is None else str(error)
        self.tell("lease", is_warning=error is not None, error=said)


def describe(one: Judged, was: str | None) -> dict[str, Any]:
    """Return what a line says of a container."""
    container, verdict, exempt = one.container, one.verdict, one.exempt
    return {
        "namespace": container.namespace,
        "pod": container.pod,
        "uid": container.uid,
        "container": container.name,
        "kind": container.kind,
        "image": container.image,
        "image_id": container.image_id,
        "hash": container.digest,
        "node": container.node,
        "running": container.running,
        "status": verdict.status.name,
        "was": was,
        "verification_level": verdict.level,
        "signer": verdict.signer,
        "job": verdict.job,
        "build_url": verdict.build_url,
        "commit": verdict.commit,
        "record": verdict.index,
        "reason": verdict.reason,
        "error": verdict.error,
        "exempt": None
        if exempt is None
        else {
            "owner": exempt.owner,
            "reason": exempt.reason,
            "expires": exempt.expires_at,
        },
    }
