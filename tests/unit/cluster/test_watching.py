"""Tests for bringing pods and verdicts onto the board, with a ledger as planned."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.results import AsOf
from jenkins_notary.cluster.board import Board, Verdict
from jenkins_notary.cluster.judging import Answers, News, Question
from jenkins_notary.cluster.settings import (
    ExemptionEntry,
    NamespaceTrust,
    Settings,
    Trust,
    Watch,
)
from jenkins_notary.cluster.watching import Watcher, list_scopes, make_selector
from jenkins_notary.errors import UnavailableError
from jenkins_notary.kubernetes.client import ClusterClient
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jenkins_notary.errors import NotaryError

AS_OF = AsOf(7, "2026-01-02T03:04:05.006Z")


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def make_pod(name: str, image: str = "web", namespace: str = "shop") -> dict[str, Any]:
    told = {"name": "app", "imageID": f"r/{image}@{digest_of(image)}"}
    return {
        "metadata": {"namespace": namespace, "name": name, "uid": name},
        "spec": {"containers": [{"name": "app", "image": f"r/{image}:1"}]},
        "status": {"containerStatuses": [told]},
    }


class Pods(ClusterClient):
    """An API server that lists some pods, and then tells nothing."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = pods
        self.asked: list[str] = []
        self.is_over = threading.Event()

    def get(self, path: str, **_: str | int | None) -> dict[str, Any]:
        self.asked.append(path)
        return {"items": [*self.pods], "metadata": {"resourceVersion": "1"}}

    @contextmanager
    def stream(
        self, path: str, *, silence_s: float, **_: str | int | None
    ) -> Iterator[Iterator[dict[str, Any]]]:
        del path, silence_s
        self.is_over.wait(30)
        yield iter(())

    def end_streams(self) -> None:
        self.is_over.set()

    def close(self) -> None:
        self.is_over.set()


class Ledger:
    """A source that says what it is told to."""

    def __init__(self) -> None:
        self.news = News(is_wide=True)
        self.error: NotaryError | Exception | None = None
        self.says: dict[str, Status] = {}
        self.asked: list[Question] = []
        self.is_closed = False

    def poll(self) -> News:
        if self.error is not None:
            raise self.error
        news, self.news = self.news, News()
        return news

    def judge(self, questions: Sequence[Question]) -> Answers:
        self.asked += questions
        if self.error is not None:
            raise self.error
        return Answers(AS_OF, {one: self.answer(one) for one in questions})

    def answer(self, one: Question) -> Verdict:
        status = self.says.get(one.digest, Status.UNKNOWN)
        said = f"{one.rule.org or 'any'}"
        return Verdict(status, 1, None, said, None, None, None, 1, None, AS_OF)

    def close(self) -> None:
        self.is_closed = True


class Run:
    """A watcher that runs."""

    def __init__(self, settings: Settings, client: Pods, ledger: Ledger) -> None:
        self.board, self.ledger = Board(), ledger
        self.wake: Callable[[], object] = bool
        self.faults: list[int] = []
        self.ms = 1000
        self.watcher = Watcher(
            self.board,
            settings,
            client,
            self._open,
            clock=lambda: self.ms,
            on_fault=lambda: self.faults.append(1),
        )

    def _open(self, wake: Callable[[], object]) -> Ledger:
        self.wake = wake
        return self.ledger

    def until(self, holds: Callable[[], bool]) -> bool:
        """Wait until something holds; return whether it does in time."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if holds():
                return True
            time.sleep(0.01)
        return False

    def status_of(self, pod: str) -> Status | None:
        found = [o for o in self.board.snapshot() if o.container.pod == pod]
        return found[0].verdict.status if found else None


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@contextmanager
def running(
    ledger: Ledger, *pods: dict[str, Any], settings: Settings | None = None
) -> Iterator[Run]:
    quick = settings or Settings(watch=Watch(interval=0.1))
    run = Run(quick, Pods(*pods), ledger)
    run.watcher.start()
    try:
        yield run
    finally:
        run.watcher.stop()


def test_what_is_listed_is_judged_once_for_each_digest(ledger: Ledger) -> None:
    ledger.says[digest_of("web")] = Status.TRUSTED
    with running(ledger, make_pod("a"), make_pod("b"), make_pod("c", "odd")) as run:
        assert run.until(lambda: run.board.standing.is_listed)
        assert run.status_of("a") is run.status_of("b") is Status.TRUSTED
        assert run.status_of("c") is Status.UNKNOWN
        assert sorted(one.digest for one in ledger.asked) == sorted(
            [digest_of("web"), digest_of("odd")]
        )
        assert run.board.standing.as_of == AS_OF
        assert not run.board.standing.is_stale
    assert ledger.is_closed


def test_news_change_a_verdict(ledger: Ledger) -> None:
    ledger.says[digest_of("web")] = Status.TRUSTED
    with running(ledger, make_pod("a")) as run:
        assert run.until(lambda: run.status_of("a") is Status.TRUSTED)
        ledger.says[digest_of("web")] = Status.UNTRUSTED
        ledger.news = News(frozenset({digest_of("web")[7:]}))
        assert run.until(lambda: run.status_of("a") is Status.UNTRUSTED)


def test_a_source_that_wakes_is_polled_at_once(ledger: Ledger) -> None:
    slow = Settings(watch=Watch(interval=3600))
    with running(ledger, make_pod("a"), settings=slow) as run:
        assert run.until(lambda: run.status_of("a") is Status.UNKNOWN)
        ledger.says[digest_of("web")] = Status.REVOKED
        ledger.news = News(is_wide=True)
        run.wake()
        assert run.until(lambda: run.status_of("a") is Status.REVOKED)


def test_a_ledger_that_is_away_leaves_verdicts_and_says_what_was_never_judged(
    ledger: Ledger,
) -> None:
    ledger.says[digest_of("web")] = Status.TRUSTED
    with running(ledger, make_pod("a")) as run:
        assert run.until(lambda: run.status_of("a") is Status.TRUSTED)
        ledger.error = UnavailableError("ledger", got="nothing")
        assert run.until(lambda: run.board.standing.is_stale)
        run.watcher.take(make_pod("new", "other"))
        run.watcher.take(make_pod("twin"))
        assert run.until(lambda: run.status_of("new") is Status.UNKNOWN)
        assert run.until(lambda: run.status_of("twin") is Status.TRUSTED)
        shown = {one.container.pod: one for one in run.board.snapshot()}
        assert shown["new"].verdict.error == "not judged yet: ledger: got nothing"
        assert shown["a"].stale
        ledger.says[digest_of("other")] = Status.TRUSTED
        ledger.error = None
        assert run.until(lambda: run.status_of("new") is Status.TRUSTED)
        assert not run.board.snapshot()[0].stale


def test_a_ledger_that_was_never_there_leaves_nothing_out(ledger: Ledger) -> None:
    ledger.error = UnavailableError("ledger")
    with running(ledger, make_pod("a"), make_pod("b", "other")) as run:
        assert run.until(lambda: len(run.board.snapshot()) == 2)
        assert run.until(lambda: run.board.standing.is_listed)


def test_a_fault_ends_all_and_is_told(ledger: Ledger) -> None:
    ledger.error = ZeroDivisionError("a fault")
    with running(ledger, make_pod("a")) as run:
        assert run.watcher.wait(10)
        assert isinstance(run.watcher.fault, ZeroDivisionError)
        assert run.faults == [1]
    assert ledger.is_closed


def test_each_namespace_has_its_rule(ledger: Ledger) -> None:
    trust = Trust(org="acme", namespaces=(NamespaceTrust("pay", org="release"),))
    settings = Settings(watch=Watch(interval=0.1), trust=trust)
    pods = make_pod("a"), make_pod("b", namespace="pay")
    with running(ledger, *pods, settings=settings) as run:
        assert run.until(lambda: len(run.board.snapshot()) == 2)
        reasons = {o.container.pod: o.verdict.reason for o in run.board.snapshot()}
    assert reasons == {"a": "acme", "b": "release"}


def test_an_exemption_ends_without_a_change(ledger: Ledger) -> None:
    from datetime import UTC, datetime

    end = datetime.fromtimestamp(2, UTC)
    entry = ExemptionEntry("ops", "vendor", end, namespace="shop")
    settings = Settings(watch=Watch(interval=0.1), exemptions=(entry,))
    with running(ledger, make_pod("a"), settings=settings) as run:
        assert run.until(lambda: len(run.board.snapshot()) == 1)
        first = run.board.snapshot()[0].exempt
        run.ms = 2000
        assert run.until(lambda: run.board.snapshot()[0].exempt is None)
    assert first is not None


def test_an_exemption_ends_while_the_ledger_is_away(ledger: Ledger) -> None:
    from datetime import UTC, datetime

    end = datetime.fromtimestamp(2, UTC)
    entry = ExemptionEntry("ops", "vendor", end, namespace="shop")
    settings = Settings(watch=Watch(interval=0.1), exemptions=(entry,))
    with running(ledger, make_pod("a"), settings=settings) as run:
        assert run.until(lambda: len(run.board.snapshot()) == 1)
        assert run.board.snapshot()[0].exempt is not None
        ledger.error = UnavailableError("ledger")
        assert run.until(lambda: run.board.standing.ledger_error is not None)
        run.ms = 2000

        assert run.until(lambda: run.board.snapshot()[0].exempt is None)


def test_excluded_namespaces_are_left_out_by_their_exact_name(ledger: Ledger) -> None:
    settings = Settings(watch=Watch(exclude_namespaces=("shop",), interval=0.1))
    pods = make_pod("a"), make_pod("b", namespace="shop-2")
    with running(ledger, *pods, settings=settings) as run:
        assert run.until(lambda: run.board.standing.is_listed)
        assert [o.container.pod for o in run.board.snapshot()] == ["b"]


def test_scopes_are_asked_apart_and_once() -> None:
    assert list_scopes(["a", "b", "a"]) == [
        "/api/v1/namespaces/a/pods",
        "/api/v1/namespaces/b/pods",
    ]
    assert list_scopes([]) == ["/api/v1/pods"]
    assert make_selector(["kube-system"]).endswith(",metadata.namespace!=kube-system")
