"""Whoever may listen no more hears no more, however much there is to hear."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.answers import events as module
from jenkins_notary.service.answers.events import Events
from jenkins_notary.serving.metrics import Metrics

if TYPE_CHECKING:
    import pytest


def test_listener_of_a_log_that_is_never_quiet_is_looked_at_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    follower: Any = SimpleNamespace(subscribe=lambda *_, **__: None)
    engine: Any = None
    events = Events(engine, follower, Metrics())
    heard: list[bytes] = []

    async def read(place: int) -> tuple[list[bytes], int, int]:
        await asyncio.sleep(0.001)
        return [b"one"], place + 1, place + 2

    def refuse() -> None:
        raise PermissionDeniedError("token", got="revoked")

    async def listen() -> None:
        waker = events.enter(Principal("ci", "reader", ()))
        heard.extend([one async for one in events.follow(waker, 0, read, refuse)])

    async def run() -> None:
        await asyncio.wait_for(listen(), 5)

    asyncio.run(run())
    assert heard[1] == b"one"


def test_page_of_large_records_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = SimpleNamespace(to_dict=lambda: {"name": "x" * 1000})
    monkeypatch.setattr(module, "show_record", lambda *_, **__: shown)
    monkeypatch.setattr(module, "PAGE_BYTES", 3000)
    view = SimpleNamespace(size=10, record=lambda index: index)
    session = SimpleNamespace(followed_view=lambda: view)
    engine: Any = SimpleNamespace(session=lambda: session)
    follower: Any = SimpleNamespace(subscribe=lambda *_, **__: None)
    events = Events(engine, follower, Metrics())
    who: Any = SimpleNamespace(sees=lambda _: True)

    found, place, size = events.read(2, who)
    assert (len(found), place, size) == (3, 5, 10)
    found, place, _ = events.read(8, who)
    assert (len(found), place) == (2, 10)
