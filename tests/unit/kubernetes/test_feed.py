"""Tests for following objects, against a server that answers as planned."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import NotaryError, PermissionDeniedError, UnavailableError
from jenkins_notary.kubernetes.client import BusyError, ClusterClient, GoneError
from jenkins_notary.kubernetes.feed import MAX_PAUSE_S, Feed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def make_pod(name: str, version: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": version}}


def make_page(*names: str, version: str = "10", more: str = "") -> dict[str, Any]:
    metadata = {"resourceVersion": version, "continue": more}
    return {"metadata": metadata, "items": [make_pod(one) for one in names]}


def make_event(kind: str, name: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": make_pod(name, version)}


class Planned(ClusterClient):
    """A client whose lists and streams are planned; a failure is raised."""

    def __init__(
        self,
        pages: Sequence[dict[str, Any] | NotaryError],
        streams: Sequence[Sequence[dict[str, Any] | NotaryError]] = (),
    ) -> None:
        self.pages = [*pages]
        self.streams = [*streams]
        self.asked: list[dict[str, Any]] = []

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        self.asked.append({"path": path, **query})
        page = self.pages.pop(0)
        if isinstance(page, NotaryError):
            raise page
        return page

    @contextmanager
    def stream(
        self, path: str, *, silence_s: float, **query: str | int | None
    ) -> Iterator[Iterator[dict[str, Any]]]:
        self.asked.append({"path": path, "silence_s": silence_s, **query})
        plan = self.streams.pop(0)

        def follow() -> Iterator[dict[str, Any]]:
            for one in plan:
                if isinstance(one, NotaryError):
                    raise one
                yield one

        yield follow()


class Recorder:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.errors: list[str] = []

    def changed(self, value: dict[str, Any]) -> None:
        self.told.append(f"+{value['metadata']['name']}")

    def gone(self, uid: str) -> None:
        self.told.append(f"-{uid}")

    def listed(self) -> None:
        self.told.append("listed")

    def answered(self) -> None:
        pass

    def failed(self, error: NotaryError) -> None:
        self.errors.append(str(error))


def run(client: Planned, steps: int) -> tuple[Recorder, list[float]]:
    """Run a feed for so many steps; return what it told, and how long it waited."""
    recorder, pauses = Recorder(), []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == steps

    Feed(
        client, "/pods", recorder, selector="a!=b", wait=wait, chance=lambda: 0.5
    ).run()
    return recorder, pauses


def test_all_are_listed_then_watched_from_that_version() -> None:
    client = Planned(
        [make_page("a", more="next"), make_page("b", version="10")],
        [[make_event("ADDED", "c", "11"), make_event("DELETED", "a", "12")]],
    )
    recorder, pauses = run(client, 1)

    assert recorder.told == ["+a", "+b", "listed", "+c", "-a"]
    assert client.asked[1]["continue"] == "next"
    watch = client.asked[2]
    assert (watch["resourceVersion"], watch["allowWatchBookmarks"]) == ("10", "true")
    assert (watch["timeoutSeconds"], watch["fieldSelector"]) == (225, "a!=b")
    assert pauses == [0.0]


def test_a_watch_goes_on_from_the_last_bookmark() -> None:
    mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}}
    client = Planned([make_page()], [[mark], []])
    run(client, 2)

    assert client.asked[2]["resourceVersion"] == "99"


def test_a_version_that_is_gone_is_answered_by_a_list_that_tells_what_went() -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    client = Planned([make_page("a", "b"), make_page("b", "c")], [[gone], []])
    recorder, _ = run(client, 2)

    assert recorder.told == ["+a", "+b", "listed", "+b", "+c", "-a", "listed"]
    assert recorder.errors == []


def test_a_list_that_breaks_off_tells_nothing_of_what_is_gone() -> None:
    client = Planned(
        [
            make_page("a", "b"),
            GoneError("x"),
            make_page("a", more="next"),
            UnavailableError("x"),
            make_page("a"),
        ],
        [[{"type": "ERROR", "object": {"code": 410}}], []],
    )
    recorder, _ = run(client, 4)

    assert recorder.told[:3] == ["+a", "+b", "listed"]
    assert recorder.told[3:] == ["+a", "+a", "-b", "listed"]


def test_versions_that_are_gone_again_and_again_are_listed_ever_later() -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    client = Planned([make_page("a")] * 5, [[gone]] * 5)
    recorder, pauses = run(client, 5)

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(recorder.errors) == 4
    assert "410 too old" in recorder.errors[0]


def test_failures_are_told_and_tried_again_ever_later() -> None:
    client = Planned([PermissionDeniedError("list", got="403")] * 12)
    recorder, pauses = run(client, 12)

    assert recorder.errors == ["list: got 403"] * 12
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == MAX_PAUSE_S


def test_what_the_server_asks_to_wait_is_waited() -> None:
    busy = BusyError("x")
    busy.wait_s = 17.0
    _, pauses = run(Planned([busy]), 1)

    assert pauses == [17.0]


def test_watches_that_end_at_once_are_not_begun_in_a_hot_loop() -> None:
    _, pauses = run(Planned([make_page()], [[], [], []]), 3)

    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"type": "ADDED"}, id="no-object"),
        pytest.param({"type": "ERROR", "object": {"code": "x"}}, id="odd-error"),
        pytest.param({"type": "ERROR", "object": {"code": 500}}, id="server-error"),
    ],
)
def test_events_of_another_form_end_the_watch(event: dict[str, Any]) -> None:
    recorder, pauses = run(Planned([make_page()], [[event]]), 1)

    assert len(recorder.errors) == 1
    assert pauses == [0.5]


def test_objects_without_metadata_do_no_harm() -> None:
    page = {"items": [{"metadata": 7}, "x", {}], "metadata": None}
    client = Planned([page], [[{"type": "DELETED", "object": {}}]])

    class Bare(Recorder):
        def changed(self, value: dict[str, Any]) -> None:
            self.told.append(f"+{len(value)}")

    recorder = Bare()
    Feed(client, "/pods", recorder, wait=lambda _: True).run()

    assert recorder.told == ["+1", "+0", "listed", "-"]
