"""Whoever wants each new record gets it, in order, whatever happens."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices
from jenkins_notary.errors import UnavailableError
from jenkins_notary.service.follower import Follower
from jenkins_notary.service.session import Engine
from jenkins_notary.service.state import ServiceState
from jenkins_notary.service.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jenkins_notary.service.session import ServiceSession
    from jenkins_notary.trust.record import ProvenRecord


class World:
    """A ledger that is followed, until stopped."""

    def __init__(self, folder: Path) -> None:
        """Open it, with one record."""
        self.environ = {
            "HOME": str(folder),
            **{
                f"XDG_{one}_HOME": str(folder / one)
                for one in ("DATA", "STATE", "CONFIG", "CACHE")
            },
        }
        self.path = str(folder / "ledger.db")
        self._folder = folder
        self.record()
        self.begin()

    def begin(self) -> None:
        """Follow it."""
        self.engine = Engine(self.path, Choices(), self.environ)
        self.state = ServiceState(f"{self.path}.service")
        self.tasks = Tasks(lambda *_: None)
        self.follower = Follower(self.engine, self.state, self.tasks)

    def record(self) -> None:
        """Record a digest, as another process would."""
        with Notary(self.path, environ=self.environ) as notary:
            notary.notarize([f"sha256:{os.urandom(32).hex()}"], name="app.jar")

    def stop(self) -> None:
        """Follow it no more."""
        self.tasks.stop()
        self.follower.wake()
        self.tasks.join()
        self.engine.close()
        self.state.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a ledger that is followed."""
    return World(tmp_path)


def collect(
    count: int, *, failing: int = 0
) -> tuple[list[int], threading.Event, Callable[[ServiceSession, ProvenRecord], None]]:
    """Return (indexes so far, set once there are so many, a handler)."""
    seen: list[int] = []
    enough = threading.Event()
    faults = [failing]

    def handle(_: ServiceSession, record: ProvenRecord) -> None:
        if faults[0]:
            faults[0] -= 1
            raise UnavailableError("webhook", got="nothing")
        seen.append(record.index)
        if len(seen) >= count:
            enough.set()

    return seen, enough, handle


def test_records_are_handed_over_in_order_from_the_end_that_was(world: World) -> None:
    """A new subscriber sees what comes, not what was."""
    size = world.engine.session().view().size
    seen, enough, handle = collect(2)
    world.follower.subscribe("new", handle, durable=False)
    everything, whole, handle_all = collect(size + 2)
    world.follower.subscribe("all", handle_all, from_begin=True)
    for _ in range(100):
        if world.follower.lag("all") == 0:
            break
        threading.Event().wait(0.05)
    world.record()
    world.record()
    world.follower.wake()

    assert enough.wait(20)
    assert whole.wait(20)
    assert (seen, everything) == ([size, size + 1], list(range(size + 2)))
    world.stop()


def test_entries_are_handed_over_in_pages_from_the_end_that_was(world: World) -> None:
    """They are those that the store gives, each once."""
    found: list[bytes] = []
    enough = threading.Event()

    def handle(entries: Sequence[bytes]) -> None:
        found.extend(entries)
        if len(found) >= 2:
            enough.set()

    world.follower.subscribe_entries("entries", handle)
    for _ in range(100):
        world.record()
        world.follower.wake()
        if enough.wait(0.2):
            break
    session = world.engine.session()
    size = session.view().size
    last = session.view().read_entries(size - len(found), size)
    world.stop()

    assert len(found) >= 2
    assert [*last] == found


def test_records_of_one_type_are_handed_over_and_no_others(world: World) -> None:
    """The ledger begins with trust records; the file was notarized behind them."""
    seen, enough, handle = collect(1)
    world.follower.subscribe("one", handle, from_begin=True, kind="notarization")
    assert enough.wait(20)
    session = world.engine.session()
    kinds = [session.view().record(index).leaf.type for index in seen]
    world.stop()

    assert kinds == ["notarization"]
    assert seen[0] > 0


def test_a_durable_subscriber_goes_on_where_it_was(world: World) -> None:
    """What came while nobody followed is handed over later."""
    size = world.engine.session().view().size
    _, enough, handle = collect(size)
    world.follower.subscribe("all", handle, from_begin=True)
    assert enough.wait(20)
    world.stop()
    world.record()

    world.begin()
    assert world.follower.lag("all") == 1
    seen, enough, handle = collect(1)
    world.follower.subscribe("all", handle)
    assert enough.wait(20)
    world.stop()

    assert seen == [size]


def test_one_that_fails_is_tried_again_and_holds_up_nobody(world: World) -> None:
    """The record that failed is handed over again."""
    size = world.engine.session().view().size
    seen, enough, handle = collect(size, failing=1)
    others, whole, handle_all = collect(size)
    world.follower.subscribe("bad", handle, from_begin=True)
    world.follower.subscribe("good", handle_all, from_begin=True)

    assert whole.wait(20)
    assert enough.wait(20)
    assert seen == others == list(range(size))
    assert world.tasks.faults == {"bad": 1, "good": 0}
    world.stop()
