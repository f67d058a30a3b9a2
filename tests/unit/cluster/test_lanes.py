"""Only so many wait for an answer, and only so much of it waits for its readers."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from jenkins_notary.cluster import lanes
from jenkins_notary.cluster.lanes import Lane, takes_gzip
from jenkins_notary.errors import UnavailableError
from jenkins_notary.serving.replies import Reply

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def request_of(**headers: str) -> Request:
    listed = [(key.encode(), text.encode()) for key, text in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/results",
        "headers": listed,
        "query_string": b"",
        "server": ("x", 80),
        "scheme": "http",
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("br, GZIP ; q=0.5", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
    ],
)
def test_answer_is_packed_only_for_who_takes_it(
    accepted: str, *, is_packed: bool
) -> None:
    assert takes_gzip(request_of(**{"accept-encoding": accepted})) is is_packed


def test_who_comes_when_too_many_wait_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "MAX_WAITING", 2)
    goes_on = threading.Event()

    def answer(_: Request) -> Reply:
        assert goes_on.wait(20)
        return Reply(b"made", "text/plain")

    async def run() -> list[object]:
        handle = Lane(1).make(answer)
        first = [asyncio.ensure_future(handle(request_of())) for _ in range(3)]
        await asyncio.sleep(0.1)
        try:
            with pytest.raises(UnavailableError, match="too many who ask"):
                await handle(request_of())
        finally:
            goes_on.set()
        return [one.body for one in await asyncio.gather(*first)]

    assert asyncio.run(run()) == [b"made"] * 3


def test_what_nobody_reads_is_counted_until_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "SEND_S", 0.2)
    monkeypatch.setattr(lanes, "MAX_UNSENT_BYTES", 1000)
    lane = Lane(1)
    counted = []

    async def dawdle(_: MutableMapping[str, Any]) -> None:
        counted.append(lane.unsent_bytes)
        await asyncio.sleep(20)

    async def run() -> None:
        handle = lane.make(lambda _: Reply(b"x" * 1000, "text/plain"))
        response = await handle(request_of())
        sending = asyncio.ensure_future(
            response(request_of().scope, request_of().receive, dawdle)
        )
        await asyncio.sleep(0.05)
        with pytest.raises(UnavailableError):
            await handle(request_of())
        await sending

    asyncio.run(run())
    assert (counted, lane.unsent_bytes) == ([1000], 0)
