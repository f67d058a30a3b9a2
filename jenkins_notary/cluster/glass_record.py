"""Record in the ledger that glass was broken: who, what, why, and what was wrong.

The record is an attachment to the digests that were let through, under the label
``break-glass``, of a job of the cluster's own, so that both find it::

    jenkins-notary inspect sha256:...
    jenkins-notary evidence --job prod:kubernetes/shop

Its body is JSON and can be erased, for it names who asked::

    {"at": "2026-01-02T03:04:05.006Z", "cluster": "prod", "namespace": "shop",
     "kind": "Pod", "name": "web", "operation": "CREATE", "uid": "705ab4f5-...",
     "user": "oncall-1", "reason": "INC-7: shop is down",
     "images": ["registry.example.com/app@sha256:..."],
     "faults": ["container app sha256:...: expected TRUSTED, got UNTRUSTED (...)"]}

With a spool it is kept on disk where the service is away, and delivered later.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import OrderedDict

from jenkins_notary.errors import UnavailableError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.jobid import JobId, format_job_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.notary import Notary
    from jenkins_notary.cluster.break_glass import BreakGlass
    from jenkins_notary.remote.notary import RemoteNotary

LABEL = "break-glass"
FOLDER = "kubernetes"
"""The folder of the jobs that stand for a cluster's namespaces."""

AGAIN_S = 3600.0
"""A controller that makes the same pod again and again is recorded once in so long."""
MAX_RECORDS = 200
"""Records of that time: who reaches the webhook must not fill a ledger with them."""


class GlassRecorder:
    """Records in a ledger; for any number of threads."""

    def __init__(
        self,
        open_client: Callable[[], Notary | RemoteNotary],
        cluster: str,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Record nothing yet.

        Args:
            open_client: Opens the ledger for one call.
            cluster: The cluster's name, the instance of its jobs.
            now_ms: The time.
        """
        self._open = open_client
        self._cluster = cluster
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._last: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def __call__(self, act: BreakGlass) -> None:
        """Record an act durably.

        Raises:
            NotaryError: It could not be.
        """
        from tempfile import TemporaryDirectory

        request, at_ms = act.request, self._now_ms()
        digests = sorted({str(one.container.digest) for one in act.judged})
        key = (request.namespace, request.user, act.reason, *digests, *act.faults)
        if self._is_known(key, at_ms):
            return
        # A number is not unique, but these are a cluster's acts in one namespace.
        job = JobId(self._cluster, f"{FOLDER}/{request.namespace}", at_ms)
        with TemporaryDirectory() as folder, self._open() as client:
            path = os.path.join(folder, f"{LABEL}.json")
            with open(path, "wb") as file:
                file.write(self._describe(act, at_ms))
            client.attach(path, job=format_job_id(job), digests=digests, label=LABEL)
        with self._lock:
            self._last[key] = at_ms
            self._last.move_to_end(key)

    def _is_known(self, key: tuple[str, ...], at_ms: int) -> bool:
        """Return whether an act was recorded lately.

        Raises:
            UnavailableError: Too many others were.
        """
        with self._lock:
            while self._last:
                oldest = next(iter(self._last))
                if at_ms - self._last[oldest] < AGAIN_S * 1000:
                    break
                del self._last[oldest]
            if key not in self._last and len(self._last) >= MAX_RECORDS:
                raise UnavailableError(
                    "records of broken glass",
                    expected=f"at most {MAX_RECORDS} in an hour",
                    got="more",
                    advice="who asks? see the cluster's audit log",
                )
            return key in self._last

    def _describe(self, act: BreakGlass, at_ms: int) -> bytes:
        """Return the record's body."""
        request = act.request
        facts = {
            "at": format_time(at_ms),
            "cluster": self._cluster,
            "namespace": request.namespace,
            "kind": request.kind,
            "name": request.name,
            "operation": request.operation,
            "uid": request.uid,
            "user": request.user,
            "reason": act.reason,
            "images": [one.container.image for one in act.judged],
            "faults": list(act.faults),
        }
        return json.dumps(facts, indent=1).encode("ascii") + b"\n"
