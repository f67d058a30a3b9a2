"""Tests for the board: what it keeps, counts, orders and tells."""

from __future__ import annotations

import threading
import time

import pytest

from jenkins_notary.cluster.board import Board, Exemption, Judged, Verdict
from jenkins_notary.cluster.containers import Container
from jenkins_notary.values.status import Status

DIGEST = "sha256:" + "ab" * 32
EXEMPT = Exemption("ops", "vendor image", 1, "1970-01-01T00:00:00.001Z", "settings")


def make_container(
    name: str = "web", *, pod: str = "web-1", namespace: str = "shop", uid: str = "u-1"
) -> Container:
    """Return a running container."""
    return Container(
        namespace,
        pod,
        uid,
        name,
        "regular",
        "r/web:1",
        f"r/web@{DIGEST}",
        "containerd://c",
        DIGEST,
        None,
        "node-1",
        True,  # noqa: FBT003 - a field
    )


def make_verdict(status: Status = Status.TRUSTED) -> Verdict:
    """Return a verdict by a record."""
    signer = "0x" + "1" * 40
    return Verdict(status, 1, signer, "said", "ci:a#1", None, None, 7, None, None)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        """Begin at a second."""
        self.ms = 1000

    def __call__(self) -> int:
        """Return the time."""
        return self.ms


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    """Return a board whose API server and ledger answer."""
    board = Board(now_ms=clock)
    board.stand(cluster_error=None, ledger_error=None)
    return board


def test_a_board_begins_stale_and_empty() -> None:
    board = Board()

    assert board.snapshot() == ()
    assert board.counts() == dict.fromkeys(Status, 0)
    assert board.standing.is_stale


def test_what_is_put_is_shown_sorted_and_counted(board: Board) -> None:
    board.put(make_container("b"), make_verdict())
    board.put(make_container("a"), make_verdict(Status.UNTRUSTED))
    board.put(make_container(namespace="app", uid="u-2"), Verdict.unknown("why"))

    shown = [(o.container.namespace, o.container.name) for o in board.snapshot()]
    assert shown == [("app", "web"), ("shop", "a"), ("shop", "b")]
    assert board.counts() == {
        Status.TRUSTED: 1,
        Status.UNTRUSTED: 1,
        Status.UNKNOWN: 1,
        Status.UNSUPPORTED: 0,
        Status.REVOKED: 0,
    }


def test_the_time_of_a_status_moves_with_the_status_alone(
    board: Board, clock: Clock
) -> None:
    board.put(make_container(), make_verdict())
    clock.ms = 2000
    board.put(make_container(), make_verdict()._replace(index=8))
    first = board.snapshot()[0].since_ms
    board.put(make_container(), make_verdict(Status.UNTRUSTED))

    assert (first, board.snapshot()[0].since_ms) == (1000, 2000)


def test_what_is_put_again_as_it_was_is_no_new_version(board: Board) -> None:
    board.put(make_container(), make_verdict())
    version = board.version
    board.put(make_container(), make_verdict())

    assert board.version == version
    assert board.snapshot() is board.snapshot()


def test_verdicts_stay_and_are_stale_while_the_ledger_is_away(board: Board) -> None:
    board.put(make_container(), make_verdict())
    board.stand(ledger_error="no answer")
    away = board.snapshot()[0]
    board.stand(ledger_error=None)

    assert (away.stale, away.verdict.status) == (True, Status.TRUSTED)
    assert board.snapshot()[0].stale is False


def test_a_pod_is_taken_away_with_all_its_containers(board: Board) -> None:
    board.put(make_container("a"), make_verdict())
    board.put(make_container("b"), make_verdict())
    board.put(make_container(uid="u-2"), make_verdict())

    def names() -> list[str]:
        found = [one.container for one in board.snapshot()]
        return [one.name for one in found if one.uid == "u-1"]

    assert names() == ["a", "b"]
    board.keep_of_pod("u-1", ["b"])
    assert names() == ["b"]
    board.keep_of_pod("u-1", ())
    board.keep_of_pod("never-seen", ())
    assert board.uids() == ("u-2",)
    assert board.counts()[Status.TRUSTED] == 1


def test_listeners_hear_of_changes_of_status_digest_and_exemption(
    board: Board,
) -> None:
    heard: list[tuple[Judged | None, Judged | None]] = []
    board.on_change(lambda before, after: heard.append((before, after)))
    container = make_container()
    board.put(container, make_verdict())
    board.put(container, make_verdict()._replace(reason="another"))
    board.put(container, make_verdict(Status.UNTRUSTED))
    board.put(container._replace(digest=None), make_verdict(Status.UNTRUSTED))
    board.put(container._replace(digest=None), make_verdict(Status.UNTRUSTED), EXEMPT)
    board.keep_of_pod("u-1", ())

    told = [
        tuple(None if one is None else one.verdict.status.name for one in pair)
        for pair in heard
    ]
    assert told == [
        (None, "TRUSTED"),
        ("TRUSTED", "UNTRUSTED"),
        ("UNTRUSTED", "UNTRUSTED"),
        ("UNTRUSTED", "UNTRUSTED"),
        ("UNTRUSTED", None),
    ]


def test_whoever_waits_is_woken_by_the_next_version(board: Board) -> None:
    version = board.version
    threading.Timer(0.05, board.put, args=(make_container(), make_verdict())).start()
    began = time.monotonic()

    assert board.wait(version, 10) > version
    assert time.monotonic() - began < 5


def test_whoever_waits_in_vain_is_told_the_old_version(board: Board) -> None:
    assert board.wait(board.version, 0.01) == board.version


def test_a_standing_that_is_the_same_is_no_new_version(board: Board) -> None:
    version = board.version
    board.stand(cluster_error=None)

    assert board.version == version
