"""Tests for the record that glass was broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import pytest

from jenkins_notary.cluster import glass_record
from jenkins_notary.cluster.break_glass import BreakGlass
from jenkins_notary.cluster.glass_record import GlassRecorder
from jenkins_notary.cluster.review import parse_review
from jenkins_notary.errors import StorageError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


class Client:
    """A ledger that keeps what is attached."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.error: StorageError | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def attach(self, path: str, **facts: object) -> None:
        """Keep a body and what it belongs to."""
        if self.error is not None:
            raise self.error
        with open(path, "rb") as file:
            self.found.append({**facts, "path": path, "body": json.loads(file.read())})


def make_act(reason: str = "INC-7", name: str = "web") -> BreakGlass:
    """Return an act."""
    request = {
        "uid": "u",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "name": name,
        "operation": "CREATE",
        "userInfo": {"username": "oncall-1"},
    }
    review = {"apiVersion": "admission.k8s.io/v1", "request": request}
    asked = parse_review(json.dumps(review).encode())
    return BreakGlass(asked, reason, (), ("container app: got UNTRUSTED",))


class World:
    """A recorder, its ledger and its clock."""

    def __init__(self) -> None:
        self.client = Client()
        self.ms = 1_700_000_000_000
        open_client: Any = lambda: self.client  # noqa: E731 - it stands for a Notary
        self.record = GlassRecorder(open_client, "prod", now_ms=lambda: self.ms)


@pytest.fixture
def world() -> World:
    """Return a recorder."""
    return World()


def test_record_says_who_what_and_why(world: World) -> None:
    world.record(make_act())
    (found,) = world.client.found

    assert found["job"] == "prod:kubernetes/shop#1700000000000"
    assert found["label"] == "break-glass"
    assert found["path"].endswith("/break-glass.json")
    assert found["body"] == {
        "at": "2023-11-14T22:13:20.000Z",
        "cluster": "prod",
        "namespace": "shop",
        "kind": "Pod",
        "name": "web",
        "operation": "CREATE",
        "uid": "u",
        "user": "oncall-1",
        "reason": "INC-7",
        "images": [],
        "faults": ["container app: got UNTRUSTED"],
    }


def test_the_same_act_is_recorded_once_an_hour(world: World) -> None:
    world.record(make_act(name="web-1"))
    world.record(make_act(name="web-2"))
    world.record(make_act("another reason"))
    world.ms += 3_600_001
    world.record(make_act(name="web-3"))

    assert [one["body"]["name"] for one in world.client.found] == [
        "web-1",
        "web",
        "web-3",
    ]


def test_act_that_was_not_recorded_is_tried_again(world: World) -> None:
    world.client.error = StorageError("disk")
    with pytest.raises(StorageError):
        world.record(make_act())
    world.client.error = None
    world.record(make_act())

    assert len(world.client.found) == 1


def test_records_are_bounded_and_leave_no_file_behind(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(glass_record, "MAX_RECORDS", 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for reason in ("one", "two", "one"):
        world.record(make_act(reason))
    with pytest.raises(UnavailableError, match=r"at most 2 in an hour"):
        world.record(make_act("three"))
    world.ms += 3_600_001
    world.record(make_act("three"))

    assert [one["body"]["reason"] for one in world.client.found] == [
        "one",
        "two",
        "three",
    ]
    assert not [*tmp_path.iterdir()]
