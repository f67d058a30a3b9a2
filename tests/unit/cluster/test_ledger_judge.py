"""Tests for the judge of what is to start: what it keeps, and what it does without."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.results import AsOf
from jenkins_notary.cluster import ledger_judge
from jenkins_notary.cluster.board import Verdict
from jenkins_notary.cluster.containers import Container
from jenkins_notary.cluster.judging import Answers, News
from jenkins_notary.cluster.ledger_judge import LedgerJudge
from jenkins_notary.cluster.settings import Settings, Watch
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jenkins_notary.cluster.judging import Question

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


class Ledger:
    """A source whose word, news and failures are set by hand."""

    def __init__(self) -> None:
        self.status = Status.TRUSTED
        self.news = News()
        self.error: NotaryError | None = None
        self.judge_error: NotaryError | None = None
        self.asked: list[str] = []
        self.threads: set[str] = set()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.is_closed = threading.Event()

    def poll(self) -> News:
        """Return the news once."""
        self.threads.add(threading.current_thread().name)
        self.may_answer.wait(20)
        if self.error is not None:
            raise self.error
        news, self.news = self.news, News()
        return news

    def judge(self, questions: Sequence[Question]) -> Answers:
        """Say the same of all."""
        self.threads.add(threading.current_thread().name)
        if self.judge_error is not None:
            raise self.judge_error
        self.asked += [one.digest for one in questions]
        word = Verdict.unknown("")._replace(status=self.status, error=None)
        return Answers(AsOf(1, ""), dict.fromkeys(questions, word))

    def close(self) -> None:
        """Note it."""
        self.is_closed.set()


class World:
    """A judge over a ledger, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.seconds = 100.0
        # It looks for news only when it is told to: each judgement does so itself.
        settings = Settings(watch=Watch(interval=3600.0))
        self.wake: Callable[[], object] = print
        self.judge = LedgerJudge(
            settings, self.open, max_stale_s=60, monotonic=lambda: self.seconds
        )

    def open(self, wake: Callable[[], object]) -> Ledger:
        """Return the ledger."""
        self.wake = wake
        return self.ledger

    def ask(self, *digests: str, limit_s: float = 5.0) -> list[tuple[str, bool]]:
        """Return (status, is stale) of digests."""
        found = self.judge.judge([make_container(one) for one in digests], limit_s)
        return [(one.verdict.status.name, one.stale) for one in found]

    def look(self) -> None:
        """Have it look for news, and wait until it has."""
        self.wake()
        time.sleep(0.1)


@pytest.fixture
def world() -> Iterator[World]:
    """Return a judge that works."""
    found = World()
    found.judge.start()
    yield found
    found.ledger.may_answer.set()
    found.judge.stop()


def make_container(digest: str) -> Container:
    """Return a container that is to start."""
    return Container(
        namespace="shop",
        pod="web",
        uid="",
        name="app",
        kind="regular",
        image=f"registry.example.com/app@{digest}",
        image_id="",
        container_id="",
        digest=digest,
        error=None,
        node="",
        running=False,
    )


def test_word_is_asked_for_once_and_kept(world: World) -> None:
    assert world.ask(ONE, ONE, TWO) == [("TRUSTED", False)] * 3
    assert world.ask(ONE) == [("TRUSTED", False)]
    assert world.ledger.asked == [ONE, TWO]
    assert world.judge.is_ready


@pytest.mark.parametrize("news", [News(frozenset({"1" * 64})), News(is_wide=True)])
def test_what_news_names_is_asked_for_again(world: World, news: News) -> None:
    world.ask(ONE)
    world.ledger.status, world.ledger.news = Status.UNTRUSTED, news
    world.look()

    assert world.ask(ONE) == [("UNTRUSTED", False)]


def test_news_of_others_changes_nothing(world: World) -> None:
    world.ask(ONE)
    world.ledger.news = News(frozenset({"2" * 64}))
    world.look()
    world.ask(ONE)

    assert world.ledger.asked == [ONE]


def test_ledger_is_asked_by_one_thread_alone(world: World) -> None:
    threads = [threading.Thread(target=world.ask, args=(ONE,)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert len(world.ledger.threads) == 1


@pytest.mark.parametrize(
    "error", [UnavailableError("ledger"), PermissionDeniedError("token")]
)
def test_last_word_holds_for_a_while_without_the_ledger(
    world: World, error: NotaryError
) -> None:
    world.ask(ONE)
    world.ledger.error = error
    world.look()

    assert world.ask(ONE) == [("TRUSTED", True)]
    with pytest.raises(type(error)):
        world.ask(TWO)
    world.seconds += 61
    with pytest.raises(type(error)):
        world.ask(ONE)
    world.ledger.error = None
    world.look()
    assert world.ask(ONE) == [("TRUSTED", False)]


def test_no_last_word_holds_that_the_ledger_has_another_record_of(
    world: World,
) -> None:
    world.ask(ONE, TWO)
    world.ledger.news = News(frozenset({"1" * 64}), is_wide=True)
    world.ledger.judge_error = UnavailableError("ledger")
    world.look()

    assert world.ask(TWO) == [("TRUSTED", True)]
    with pytest.raises(UnavailableError):
        world.ask(ONE)


def test_words_are_asked_for_again_at_once_when_a_signer_is_revoked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_judge, "PAGE", 1)
    world.ask(ONE, TWO)
    world.ledger.status, world.ledger.news = Status.REVOKED, News(is_wide=True)
    world.look()
    world.ledger.error = UnavailableError("ledger")
    world.look()

    assert world.ask(ONE, TWO) == [("REVOKED", True)] * 2


def test_altered_ledger_judges_nothing(world: World) -> None:
    world.ask(ONE)
    world.ledger.error = IntegrityError("ledger")
    world.look()

    with pytest.raises(IntegrityError):
        world.ask(ONE)


def test_failure_to_judge_is_noted_until_the_ledger_answers(world: World) -> None:
    world.ask(ONE)
    world.ledger.judge_error = UnavailableError("ledger")
    with pytest.raises(UnavailableError):
        world.ask(TWO)

    assert world.ask(ONE) == [("TRUSTED", True)]


def test_silent_ledger_costs_no_more_than_the_limit(world: World) -> None:
    world.ask(ONE)
    world.ledger.may_answer.clear()
    began = time.monotonic()
    with pytest.raises(UnavailableError, match=r"an answer in 0.2 s"):
        world.ask(ONE, TWO, limit_s=0.2)

    assert time.monotonic() - began < 3


def test_words_that_are_kept_are_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_judge, "MAX_KEPT", 1)
    world.ask(ONE)
    world.ask(TWO)
    world.ask(ONE)

    assert world.ledger.asked == [ONE, TWO, ONE]


def test_more_images_than_are_kept_are_judged_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_judge, "MAX_KEPT", 1)
    with pytest.raises(UnavailableError, match=r"expected its word"):
        world.ask(ONE, TWO)


def test_stopped_judge_closes_the_ledger() -> None:
    world = World()
    world.judge.start()
    world.judge.stop()

    assert world.ledger.is_closed.wait(5)
