"""Tests for agreeing on one that leads, against a server that compares and swaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import (
    HeadMovedError,
    NotaryError,
    NotFoundError,
    UnavailableError,
)
from jenkins_notary.kubernetes.client import ClusterClient
from jenkins_notary.kubernetes.lease import DURATION_S, RENEW_WITHIN_S, Lease

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"


class Leases(ClusterClient):
    """A server with at most one lease."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.error: NotaryError | None = None

    def get(self, path: str, **_: str | int | None) -> dict[str, Any]:
        assert path == f"{FOLDER}/watcher"
        if self.error is not None:
            raise self.error
        if self.lease is None:
            raise NotFoundError("lease")
        return self.lease

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        assert content_type == "application/json"
        assert path == (FOLDER if method == "POST" else f"{FOLDER}/watcher")
        assert body is not None
        given = body["metadata"].get("resourceVersion")
        if (method == "POST") != (self.lease is None):
            raise HeadMovedError("lease")
        if method == "PUT" and given != str(self.version):
            raise HeadMovedError("lease")
        self.version += 1
        metadata = {"name": "watcher", "resourceVersion": str(self.version)}
        self.lease = {**body, "metadata": metadata}
        return self.lease

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec


class Clock:
    """Seconds that are set by hand."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def server() -> Leases:
    return Leases()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def candidate(server: Leases, clock: Clock, name: str) -> Lease:
    return Lease(server, "ns", "watcher", name, clock=clock)


def test_the_first_to_come_holds_it_and_renews_it(server: Leases, clock: Clock) -> None:
    one, two = candidate(server, clock, "one"), candidate(server, clock, "two")
    for _ in range(10):
        one.step()
        two.step()
        clock.s += DURATION_S - 1

    assert (one.is_held, two.is_held) == (True, False)
    assert server.spec["leaseTransitions"] == 0


def test_another_takes_it_once_it_was_not_renewed_for_its_whole_time(
    server: Leases, clock: Clock
) -> None:
    one, two = candidate(server, clock, "one"), candidate(server, clock, "two")
    one.step()
    two.step()
    clock.s += DURATION_S
    two.step()
    early = two.is_held
    clock.s += 1
    two.step()
    one.step()

    assert (early, two.is_held, one.is_held) == (False, True, False)
    assert server.spec["leaseTransitions"] == 1


def test_a_holder_that_is_cut_off_stops_before_another_begins(
    server: Leases, clock: Clock
) -> None:
    one = candidate(server, clock, "one")
    one.step()
    server.error = UnavailableError("server")
    clock.s += RENEW_WITHIN_S - 1
    one.step()
    still = one.is_held
    clock.s += 2
    one.step()

    assert (still, one.is_held) == (True, False)
    assert one.error is server.error
    assert RENEW_WITHIN_S < DURATION_S


def test_who_loses_a_race_does_not_hold_it(server: Leases, clock: Clock) -> None:
    one = candidate(server, clock, "one")
    server.error = None
    one.step()
    lease = server.get(f"{FOLDER}/watcher")
    server.version += 1

    with pytest.raises(HeadMovedError):
        server.send("PUT", f"{FOLDER}/watcher", lease)
    one.step()
    assert not one.is_held


def test_what_is_given_back_is_taken_at_once(server: Leases, clock: Clock) -> None:
    one, two = candidate(server, clock, "one"), candidate(server, clock, "two")
    changes: list[bool] = []
    one.run(lambda _: True, changes.append)
    two.step()

    assert changes == [True, False]
    assert two.is_held
    assert server.spec["holderIdentity"] == "two"


def test_only_the_holder_gives_it_back(server: Leases, clock: Clock) -> None:
    one, two = candidate(server, clock, "one"), candidate(server, clock, "two")
    one.step()
    two.release()

    assert server.spec["holderIdentity"] == "one"


@pytest.mark.parametrize(
    "spec", [None, {}, {"holderIdentity": "x", "leaseDurationSeconds": "long"}]
)
def test_a_lease_of_another_form_is_taken_after_the_usual_time(
    server: Leases, clock: Clock, spec: dict[str, Any] | None
) -> None:
    one = candidate(server, clock, "one")
    server.lease = {"metadata": {"resourceVersion": "0"}, "spec": spec}
    one.step()
    clock.s += DURATION_S + 1
    one.step()

    assert one.is_held
