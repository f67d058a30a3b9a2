"""One caller takes no more than it may, and others are not held up by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from jenkins_notary.errors import StorageError
from jenkins_notary.service.access.limits import (
    DAY_S,
    MAX_CALLERS,
    Buckets,
    LimitSettings,
    Quotas,
    TooManyError,
    Watermark,
)
from jenkins_notary.service.monitoring.alerts import Alerts, AlertSettings
from jenkins_notary.service.state import ServiceState
from jenkins_notary.serving.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "ci.example.com:payments/api#1"


class Clock:
    """A time that a test moves."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ServiceState]:
    one = ServiceState(str(tmp_path / "state"))
    yield one
    one.close()


def test_bucket_empties_and_refills_for_each_caller() -> None:
    clock = Clock(0)
    buckets = Buckets(60, clock)
    for _ in range(60):
        buckets.take("a", "token a")
    with pytest.raises(TooManyError, match="token a: expected at most 60") as caught:
        buckets.take("a", "token a")
    assert caught.value.retry_s == 2
    buckets.take("b", "token b")

    clock.now_s = 1.0
    buckets.take("a", "token a")
    with pytest.raises(TooManyError):
        buckets.take("a", "token a")


def test_callers_that_are_remembered_are_bounded() -> None:
    buckets = Buckets(1, Clock(0))
    for number in range(MAX_CALLERS + 10):
        buckets.take(str(number), "x")

    assert len(buckets._left) == MAX_CALLERS
    Buckets(None).take("a", "x")


def quotas(state: ServiceState, clock: Clock, **values: object) -> Quotas:
    return Quotas(msgspec.convert(values, LimitSettings), state, clock)


def test_quota_of_a_day_ends_with_it_and_outlives_a_restart(
    state: ServiceState,
) -> None:
    clock = Clock(1_800_000_000.0)
    mine = {"records-a-day": 2, "bytes-a-day": 10}
    first = quotas(state, clock, **mine)
    first.take_record("token a", JOB, 0)
    first.take_bytes("token a", 10)
    first.save()
    second = quotas(state, clock, **mine)
    second.take_record("token a", JOB, 0)
    with pytest.raises(TooManyError, match="records of token a") as caught:
        second.take_record("token a", JOB, 0)
    with pytest.raises(TooManyError, match="bytes of token a"):
        second.take_bytes("token a", 1)
    second.take_record("token b", JOB, 0)

    assert 0 < caught.value.retry_s <= DAY_S + 1
    second.save()
    clock.now_s += DAY_S
    second.take_record("token a", JOB, 0)
    assert len(second._counts) == 1


def test_quota_of_a_folder_holds_for_all_who_record_there(state: ServiceState) -> None:
    folder = {"folder": "payments", "records-a-day": 2, "bytes-a-day": 5}
    bound = quotas(state, Clock(1e9), folders=[folder])
    bound.take_record("token a", JOB, 5)
    with pytest.raises(TooManyError, match="bytes of folder payments"):
        bound.take_record("token b", JOB, 1)
    bound.take_record("token b", JOB, 0)
    with pytest.raises(TooManyError, match="records of folder payments"):
        bound.take_record("token b", JOB, 0)

    bound.take_record("token b", "ci.example.com:payments-evil/api#1", 9)
    bound.take_record("token b", None, 9)


def test_bodies_are_refused_while_the_disk_is_nearly_full(
    state: ServiceState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alerts = Alerts(AlertSettings(), "x/1", state, Metrics())
    mark = Watermark(str(tmp_path / "l.db"), LimitSettings(min_free_bytes=100), alerts)
    free = 99
    monkeypatch.setattr(
        "jenkins_notary.service.access.limits.free_bytes", lambda _: free
    )
    mark.look()
    with pytest.raises(StorageError):
        mark.check()

    free = 100
    mark.look()
    mark.check()


def test_folder_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"folders": [{"folder": "*"}]}, LimitSettings)
