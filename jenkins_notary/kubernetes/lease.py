"""Be the one of several replicas that acts, by a Lease of the API server.

Whoever holds the lease renews it every few seconds. Another takes it once it saw no
renewal for the lease's whole time, by its own clock: clocks of two machines are never
compared. The server lets only one of two succeed (``resourceVersion``). A holder that
cannot renew stops acting before the other begins: after ten of the fifteen seconds.

What cannot be ruled out, as with every lease: a holder that is frozen for longer acts
once more when it wakes. What it does then must do no harm when it is done twice.

Source: client-go ``leaderelection`` (durations, rules); coordination.k8s.io/v1 Lease.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import UTC, datetime

from jenkins_notary.errors import HeadMovedError, NotaryError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jenkins_notary.kubernetes.client import ClusterClient

DURATION_S = 15
RENEW_WITHIN_S = 10.0
PAUSE_S = 2.0


class Lease:
    """One lease, as one candidate sees it.

    Attributes:
        is_held: Whether this candidate holds it.
        error: Why the server was not asked well last time, or None.
    """

    def __init__(
        self,
        client: ClusterClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hold nothing yet.

        Args:
            client: The API server.
            namespace: The lease's.
            name: Its name.
            identity: What no other candidate is called.
            clock: Monotonic seconds.
        """
        self._client = client
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._clock = clock
        self._seen: tuple[object, object] | None = None
        self._seen_s = 0.0
        self._renewed_s = 0.0
        self.is_held = False
        self.error: NotaryError | None = None

    def run(
        self,
        wait: Callable[[float], bool],
        change: Callable[[bool], object],
        tell: Callable[[NotaryError | None], object] = lambda _: None,
    ) -> None:
        """Try to hold it until told to end, then give it back.

        Args:
            wait: Waits for so many seconds; returns whether all is to end.
            change: Called with whether it is held, whenever that changes.
            tell: Called with what is wrong when that begins, with None when it ends.
        """
        was_held, had_error = False, False
        while True:
            self.step()
            if self.is_held != was_held:
                was_held = self.is_held
                change(was_held)
            if (self.error is not None) != had_error:
                had_error = not had_error
                tell(self.error)
            pause_s = PAUSE_S * (0.8 + 0.4 * random.random())  # noqa: S311 - jitter
            if wait(pause_s):
                break
        if self.is_held:
            change(False)  # noqa: FBT003 - whether it is held
            self.release()

    def step(self) -> None:
        """Take the lease or renew it, if that can be done."""
        began = self._clock()
        try:
            is_held = self._try()
        except HeadMovedError:
            # Another candidate was first; what it wrote is read next time.
            is_held = False
        except NotaryError as error:
            self.error = error
            is_held = self.is_held and began - self._renewed_s < RENEW_WITHIN_S
            self.is_held = is_held
            return
        self.error = None
        self.is_held = is_held
        if is_held:
            self._renewed_s = began

    def release(self) -> None:
        """Give it back, so that nobody has to wait; as far as that can be done."""
        self.is_held = False
        with suppress(NotaryError):
            lease = self._client.get(f"{self._folder}/{self._name}")
            if _spec(lease).get("holderIdentity") == self._identity:
                self._write("PUT", lease, holder="", taken=False)

    def _try(self) -> bool:
        """Return whether the lease is held now.

        Raises:
            HeadMovedError: Another candidate was first.
            NotaryError: The server does not answer, or refuses.
        """
        try:
            lease = self._client.get(f"{self._folder}/{self._name}")
        except NotFoundError:
            self._write("POST", {}, holder=self._identity, taken=True)
            return True
        holder = _spec(lease).get("holderIdentity")
        if holder == self._identity:
            self._write("PUT", lease, holder=self._identity, taken=False)
            return True
        if holder and not self._is_over(lease):
            return False
        self._write("PUT", lease, holder=self._identity, taken=True)
        return True

    def _is_over(self, lease: dict[str, Any]) -> bool:
        """Return whether another's lease was not renewed for its whole time."""
        spec, now = _spec(lease), self._clock()
        seen = spec.get("holderIdentity"), spec.get("renewTime")
        if seen != self._seen:
            self._seen, self._seen_s = seen, now
        told = spec.get("leaseDurationSeconds")
        duration_s = told if type(told) is int and told > 0 else DURATION_S
        return now - self._seen_s > duration_s

    def _write(
        self, method: str, lease: dict[str, Any], *, holder: str, taken: bool
    ) -> None:
        """Write who holds it, onto what was read."""
        before, now = _spec(lease), _format_now()
        count = before.get("leaseTransitions")
        transitions = count if type(count) is int else 0
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_S if holder else 1,
            "acquireTime": now if taken else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": transitions + (taken and bool(lease)),
        }
        version = lease.get("metadata", {}).get("resourceVersion")
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                **({} if version is None else {"resourceVersion": version}),
            },
            "spec": spec,
        }
        path = self._folder if method == "POST" else f"{self._folder}/{self._name}"
        self._client.send(method, path, body)


def _spec(lease: dict[str, Any]) -> dict[str, Any]:
    """Return a lease's spec, empty where it has none."""
    spec = lease.get("spec")
    return spec if isinstance(spec, dict) else {}


def _format_now() -> str:
    """Return the time as a lease has it: RFC 3339 with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
