"""Tests for what is kept of digests, and for the inbox of pods."""

from __future__ import annotations

import hashlib
import threading

from jenkins_notary.cluster.board import Verdict
from jenkins_notary.cluster.containers import Container
from jenkins_notary.cluster.inbox import Inbox
from jenkins_notary.cluster.judging import News, Question
from jenkins_notary.cluster.kept import Kept
from jenkins_notary.cluster.settings import Settings
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.digest import digest_hex

RULE = TrustRule()


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def ask(text: str) -> Question:
    return Question(digest_of(text), RULE)


def make_pod(uid: str, *images: str | None) -> tuple[Container, ...]:
    return tuple(
        Container(
            *("shop", uid, uid, f"c{n}", "regular", "r/a", "", ""),
            *(image and digest_of(image), None, "n"),
            running=True,
        )
        for n, image in enumerate(images)
    )


def make_kept(*pods: str) -> Kept:
    """Return what is known of pods that run an image of their own name, judged."""
    kept = Kept(Settings())
    for one in pods:
        kept.place(one, make_pod(one, one))
    for question in kept.take_due(100):
        kept.settle(question, Verdict.unknown("judged"))
    return kept


def test_what_is_new_is_due_once_and_what_has_no_digest_never() -> None:
    kept = Kept(Settings())
    kept.place("a", make_pod("a", "x", "x", None))
    kept.place("b", make_pod("b", "x"))

    assert kept.take_due(10) == [ask("x")]
    assert not kept.has_due


def test_a_digest_is_forgotten_with_the_last_container() -> None:
    kept = make_kept("a")
    kept.place("b", make_pod("b", "a"))
    kept.place("a", ())
    still = kept.verdict_of(make_pod("b", "a")[0])
    kept.place("b", ())

    assert still is not None
    assert kept.verdict_of(make_pod("b", "a")[0]) is None
    assert kept.settle(ask("a"), Verdict.unknown("late")) == ()
    assert kept.pods == {}


def test_a_pod_that_is_placed_again_as_it_was_is_not_asked_again() -> None:
    kept = make_kept("a")
    kept.place("a", make_pod("a", "a"))

    assert not kept.has_due


def test_news_make_what_they_name_due_before_all_others() -> None:
    kept = make_kept("a", "b", "c")
    named = frozenset({digest_hex(digest_of("c")), "ff" * 32})
    kept.invalidate(News(named, is_wide=True))

    assert kept.take_due(1) == [ask("c")]
    assert sorted(kept.take_due(9)) == sorted([ask("a"), ask("b")])


def test_narrow_news_leave_others_alone() -> None:
    kept = make_kept("a", "b")
    kept.invalidate(News(frozenset({digest_hex(digest_of("b"))})))

    assert kept.take_due(9) == [ask("b")]


def test_what_could_not_be_asked_is_due_again_first() -> None:
    kept = make_kept("a")
    kept.place("b", make_pod("b", "b"))
    (question,) = kept.take_due(1)
    kept.place("c", make_pod("c", "c"))
    kept.give_back([question])

    assert kept.waiting_pods() == {"b", "c"}
    assert kept.take_due(9) == [ask("b"), ask("c")]


def test_a_verdict_is_shown_of_all_pods_that_run_it() -> None:
    kept = Kept(Settings())
    kept.place("a", make_pod("a", "x"))
    kept.place("b", make_pod("b", "y", "x"))

    assert set(kept.settle(ask("x"), Verdict.unknown("z"))) == {"a", "b"}


def test_an_inbox_keeps_the_newest_state_in_the_oldest_place() -> None:
    inbox = Inbox()
    inbox.put("a", make_pod("a", "1"))
    inbox.put("b", make_pod("b", "1"))
    inbox.put("a", ())

    assert len(inbox) == 2
    assert [(one.uid, len(one.containers)) for one in inbox.take(1, 0)] == [("a", 0)]
    assert [one.uid for one in inbox.take(5, 0)] == ["b"]


def test_an_inbox_wakes_whoever_waits() -> None:
    inbox = Inbox()
    threading.Timer(0.05, inbox.wake).start()

    assert inbox.take(5, 10) == []
