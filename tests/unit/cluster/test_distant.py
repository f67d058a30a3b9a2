"""Tests for asking a service, against one that answers as planned."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.cluster.builds import Build
from jenkins_notary.cluster.distant import RemoteSource, _read_event
from jenkins_notary.cluster.judging import News, Question
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.remote.reading.events import Event, EventReader
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DIGEST = "sha256:" + "ab" * 32
SIGNER = "0x" + "1" * 40
QUESTION = Question(DIGEST, TrustRule())


class Service:
    """A service as the source sees it: a reader that answers as planned."""

    def __init__(self) -> None:
        self.size = 10
        self.error: NotaryError | None = None
        self.stream_error: NotaryError | None = None
        self.items: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.record: dict[str, Any] | NotaryError = NotFoundError("record")
        self.levels: dict[str, int] | NotaryError = {SIGNER: 3}
        self.records: list[dict[str, Any]] = []
        self.events: list[Event] = []
        self.is_over = threading.Event()

    @contextmanager
    def open(self) -> Iterator[Service]:
        yield self

    @property
    def ledger(self) -> SimpleNamespace:
        if self.error is not None:
            raise self.error
        value = {"tree_size": self.size, "timestamp": "t"}
        status = SimpleNamespace(to_dict=lambda: value)
        return SimpleNamespace(status=lambda: status)

    @property
    def signers(self) -> SimpleNamespace:
        levels = self.levels
        if isinstance(levels, NotaryError):
            raise levels
        listed = [
            SimpleNamespace(value={"signer": k, "level": v}) for k, v in levels.items()
        ]
        return SimpleNamespace(list=lambda: listed)

    def authenticate(
        self, words: Sequence[str], *, org: str | None, keys: Sequence[str]
    ) -> list[SimpleNamespace]:
        self.asked.append((tuple(words), org, tuple(keys)))
        if self.error is not None:
            raise self.error
        items = [self.items.get(one, self.item(None)) for one in words]
        return [SimpleNamespace(to_dict=lambda one=one: one) for one in items]

    def item(
        self, index: int | None, status: str = "TRUSTED", job: str | None = None
    ) -> dict[str, Any]:
        return {
            "status": status if index is not None else "UNKNOWN",
            "signer": None if index is None else SIGNER,
            "index": index,
            "job": job,
            "reason": "said",
            "as_of": {"tree_size": self.size, "timestamp": "t"},
        }

    def ask(self, path: str, **parameters: str) -> dict[str, Any]:
        self.asked.append((path, *parameters.values()))
        if isinstance(self.record, NotaryError):
            raise self.record
        if path == "/evidence":
            return {"records": self.records}
        return {"record": self.record}

    def connect(self) -> Service:
        return self

    url = "https://notary.example.com"

    def stream(self, path: str, sink: Callable[[bytes], object], **_: object) -> None:
        assert path == "/events"
        if self.stream_error is not None:
            raise self.stream_error
        for one in [Event(self.size - 1, None), *self.events]:
            sink(format_event(one))
        self.events.clear()
        self.is_over.wait(0.2)
        raise UnavailableError("stream", got="an end")


def format_event(one: Event) -> bytes:
    import json

    if one.record is None:
        return f"id: {one.index}\n\n".encode()
    return (
        f"id: {one.index}\nevent: record\ndata: {json.dumps(one.record)}\n\n".encode()
    )


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def source(service: Service) -> Iterator[RemoteSource]:
    one = RemoteSource(
        service.open,  # type: ignore[arg-type]  # a reader as far as it is used
        interval_s=0.02,
        wake=bool,
    )
    yield one
    one.close()
    service.is_over.set()


def await_news(source: RemoteSource, wanted: Callable[[News], bool]) -> News:
    """Return all news until some are among them."""
    found, deadline = News(), time.monotonic() + 10
    while time.monotonic() < deadline:
        found += source.poll()
        if wanted(found):
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def await_standing(source: RemoteSource, *, is_up: bool) -> bool:
    """Return whether the source says in time that the service is there, or away."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            source.poll()
        except UnavailableError:
            if not is_up:
                return True
        else:
            if is_up:
                return True
        time.sleep(0.01)
    return False


def test_all_is_news_at_first(source: RemoteSource) -> None:
    assert source.poll().is_wide


def test_an_event_is_news_of_its_digests(
    service: Service, source: RemoteSource
) -> None:
    source.poll()
    time.sleep(0.1)
    service.events = [
        Event(10, {"index": 10, "digests": [DIGEST], "status": "TRUSTED"})
    ]
    service.size = 11

    assert DIGEST[7:] in await_news(source, lambda news: bool(news.digests)).digests


def test_without_events_the_size_is_asked_for(
    service: Service, source: RemoteSource
) -> None:
    service.stream_error = PermissionDeniedError("events", got="429")
    source.poll()
    time.sleep(0.1)
    source.poll()
    service.size = 12

    assert await_news(source, lambda news: news.is_wide)


def test_a_service_that_is_away_is_said_until_it_answers(
    service: Service, source: RemoteSource
) -> None:
    service.error = UnavailableError("service")
    assert await_standing(source, is_up=False)
    service.error = None

    assert await_standing(source, is_up=True)


def test_a_fault_in_the_thread_is_raised_by_the_next_poll(
    service: Service, source: RemoteSource
) -> None:
    service.stream_error = ZeroDivisionError()  # type: ignore[assignment]  # a fault
    deadline = time.monotonic() + 10

    def poll_on() -> None:
        while time.monotonic() < deadline:
            source.poll()
            time.sleep(0.01)

    with pytest.raises(ZeroDivisionError):
        poll_on()


def test_an_older_state_is_not_believed(service: Service, source: RemoteSource) -> None:
    source.judge([QUESTION])
    service.size = 9

    with pytest.raises(IntegrityError, match="at least 10 records, as seen before"):
        source.judge([QUESTION])


def test_a_verdict_has_level_build_and_state(
    service: Service, source: RemoteSource
) -> None:
    environment = {"BUILD_URL": "https://ci/1/", "GIT_COMMIT": "c0ffee"}
    service.record = {
        "type": "notarization",
        "predicate": {"job": {"environment": environment}},
    }
    service.items[DIGEST] = service.item(4, job="ci:web#7")
    first = source.judge([QUESTION]).verdicts[QUESTION]
    source.judge([QUESTION])

    assert (first.status, first.level, first.index) == (Status.TRUSTED, 3, 4)
    assert (first.build_url, first.commit) == ("https://ci/1/", "c0ffee")
    assert first.as_of is not None
    assert first.as_of.tree_size == 10
    assert [one for one in service.asked if len(one) == 1] == [("/records/4",)]


def test_what_the_token_may_not_see_is_left_out(
    service: Service, source: RemoteSource
) -> None:
    service.levels = PermissionDeniedError("trust")
    service.items[DIGEST] = service.item(4)
    found = source.judge([QUESTION]).verdicts[QUESTION]

    assert (found.status, found.level) == (Status.TRUSTED, None)
    assert Build(found.build_url, found.commit, found.job) == Build()


def test_who_distrusts_an_image_does_not_hide_what_made_it(
    service: Service, source: RemoteSource
) -> None:
    service.record = {"type": "notarization", "predicate": {}}
    service.records = [
        _made("ci:web#6", "enrolled"),
        _made("ci:web#7", "enrolled"),
        _made("ci:evil#1", "not enrolled"),
        {"type": "notarization", "predicate": {}, "standing": "enrolled"},
    ]
    service.items[DIGEST] = service.item(9)
    found = source.judge([QUESTION]).verdicts[QUESTION]
    source.judge([QUESTION])

    assert (found.index, found.job) == (9, "ci:web#7")
    assert (found.build_url, found.commit) == ("https://ci/1/", "c0ffee")
    assert [one for one in service.asked if one[0] == "/evidence"] == [
        ("/evidence", DIGEST, "20")
    ]


def _made(job: str, standing: str) -> dict[str, Any]:
    """Return a record of a build."""
    environment = {"BUILD_URL": "https://ci/1/", "GIT_COMMIT": "c0ffee"}
    return {
        "type": "notarization",
        "predicate": {"job": {"environment": environment}},
        "job": job,
        "standing": standing,
    }


def test_each_rule_is_asked_apart(service: Service, source: RemoteSource) -> None:
    strict = Question(DIGEST, TrustRule("acme", (SIGNER,)))
    source.judge([QUESTION, strict])

    assert service.asked == [((DIGEST,), None, ()), ((DIGEST,), "acme", (SIGNER,))]


def test_an_answer_that_is_an_error_is_unknown_with_it(
    service: Service, source: RemoteSource
) -> None:
    service.items[DIGEST] = {"status": None, "error": {"message": "altered"}}
    found = source.judge([QUESTION])

    assert found.verdicts[QUESTION].status is Status.UNKNOWN
    assert found.verdicts[QUESTION].error == "altered"
    assert found.as_of.tree_size == 10


def test_an_answer_without_a_state_is_refused(
    service: Service, source: RemoteSource
) -> None:
    service.items[DIGEST] = {**service.item(4), "as_of": None}

    with pytest.raises(IntegrityError, match="the state that it holds for"):
        source.judge([QUESTION])


@pytest.mark.parametrize(
    ("event", "is_wide"),
    [
        pytest.param(Event(5, {"status": "TRUSTED"}), False, id="next"),
        pytest.param(Event(6, {"status": "TRUSTED"}), True, id="one-left-out"),
        pytest.param(Event(5, {"status": "UNTRUSTED"}), True, id="negative"),
        pytest.param(Event(5, {"type": "trust"}), True, id="trust"),
        pytest.param(Event(5, {"supersedes": [1]}), True, id="superseding"),
        pytest.param(Event(4, None), False, id="heartbeat"),
        pytest.param(Event(5, None), True, id="hidden-record"),
        pytest.param(Event(5, {"digests": [7], "status": []}), False, id="odd"),
    ],
)
def test_news_reach_as_wide_as_a_record_can(event: Event, is_wide: bool) -> None:  # noqa: FBT001 - a case
    assert _read_event(event, 5).is_wide is is_wide


def test_a_stream_is_read_however_it_is_cut() -> None:
    told: list[Event] = []
    reader = EventReader("url", told.append)
    data = b'retry: 5000\n\nid: 4\nevent: record\ndata: {"index": 4}\n\nid: 7\n\n'
    for n in range(len(data)):
        reader.feed(data[n : n + 1])

    assert told == [Event(4, {"index": 4}), Event(7, None)]


@pytest.mark.parametrize(
    "data",
    [b"id: 4\ndata: [1]\n\n", b'id: 4\ndata: {"index": 5}\n\n', b"id: 4\ndata: x\n\n"],
)
def test_an_event_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        EventReader("url", list).feed(data)


def test_an_event_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jenkins_notary.remote.reading.events.MAX_EVENT_BYTES", 10)

    with pytest.raises(UnavailableError, match="at most 10 bytes"):
        EventReader("url", list).feed(b"id: 4\ndata: xxxxxxxx")
