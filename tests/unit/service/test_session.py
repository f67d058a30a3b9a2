"""A service goes on from what it has verified, and notices what does not follow it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.api.session import Choices
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError
from jenkins_notary.files.pins import PinFiles
from jenkins_notary.ledger.pins import size_of
from jenkins_notary.service import session as module
from jenkins_notary.service.session import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class World:
    """A ledger that a service holds open."""

    def __init__(self, folder: Path) -> None:
        """Open it, with one record."""
        names = ("DATA", "STATE", "CONFIG", "CACHE")
        xdg = {f"XDG_{one}_HOME": str(folder / one) for one in names}
        self.environ = {"HOME": str(folder), **xdg}
        self.path = str(folder / "ledger.db")
        self.record()
        self.engine = Engine(self.path, Choices(), self.environ)
        self.origin = self.engine.session().view().checkpoint.origin

    def record(self) -> None:
        """Record a digest, as another process would."""
        with Notary(self.path, environ=self.environ) as notary:
            notary.notarize([f"sha256:{os.urandom(32).hex()}"], name="app.jar")

    def append(self) -> int:
        """Record through the service; return the index."""
        session = self.engine.session()
        (index,) = session.append([session.author().sign("deletion", [], {})])
        return index

    def pinned(self) -> int:
        """Return the size that the pin's file names."""
        pin = PinFiles(self.engine.places.pins).load(self.origin)
        assert pin is not None
        return size_of(pin)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.engine.close()


def test_pin_is_moved_now_and_then_and_at_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIN_S", 3600.0)
    first = world.pinned()
    world.append()
    last = world.append()
    late = world.pinned()
    monkeypatch.setattr(module, "PIN_S", 0.0)
    after = world.append()
    moved = world.pinned()
    monkeypatch.setattr(module, "PIN_S", 3600.0)
    end = world.append()
    world.engine.close()

    assert first == late < last
    assert moved == after + 1
    assert world.pinned() == end + 1


def test_records_of_other_processes_are_seen(world: World) -> None:
    first = world.append()
    world.record()

    assert world.append() == first + 2


def test_a_log_that_was_rolled_back_is_refused(world: World, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with Notary(world.path, environ=world.environ) as notary:
        notary.ledger.backup(str(copy))
    world.append()
    world.engine.close()
    shutil.copyfile(copy / "ledger.db", world.path)
    for one in ("-wal", "-shm"):
        (tmp_path / f"ledger.db{one}").unlink(missing_ok=True)

    with pytest.raises(IntegrityError, match="as seen before"):
        Engine(world.path, Choices(), world.environ)


def test_a_checkpoint_that_goes_backwards_hides_nothing(world: World) -> None:
    before = world.engine.store.checkpoint()
    index = world.append()
    store = world.engine.store
    assert isinstance(store, SqliteStore)
    with store._database.writing() as db:
        db.execute("UPDATE checkpoint SET note = ?, size = 0", (before,))

    assert world.engine.session().view().size == index + 1
