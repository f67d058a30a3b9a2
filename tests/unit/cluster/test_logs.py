"""Tests for the lines of the log, and for what is kept for the history."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.cluster.board import Board, Exemption, Verdict
from jenkins_notary.cluster.builds import read_build
from jenkins_notary.cluster.containers import Container
from jenkins_notary.cluster.history import LABEL, History
from jenkins_notary.cluster.logs import ChangeLog
from jenkins_notary.errors import UnavailableError
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIGEST = "sha256:" + "ab" * 32
EXEMPT = Exemption("ops", "vendor", 1, "2027-01-01T00:00:00.000Z", "settings")


def make_container(name: str = "web", digest: str | None = DIGEST) -> Container:
    return Container(
        *("shop", "web-1", "u-1", name, "regular", "r/a:1", "", "", digest),
        *(None, "n"),
        running=True,
    )


def make_verdict(status: Status) -> Verdict:
    return Verdict(status, 1, None, "said", None, None, None, 7, None, None)


@pytest.fixture
def board() -> Board:
    board = Board(now_ms=lambda: 1_767_323_045_006)
    board.stand(is_leader=True)
    return board


class Lines:
    """What a log wrote."""

    def __init__(self, board: Board) -> None:
        self.raw: list[bytes] = []
        self.log = ChangeLog(board, self.raw.append, clock=board.now_ms)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(one) for one in self.raw]


def test_a_line_is_written_for_each_change(board: Board) -> None:
    lines = Lines(board)
    board.put(make_container(), make_verdict(Status.TRUSTED))
    board.put(make_container(), make_verdict(Status.UNTRUSTED))
    board.put(make_container(), make_verdict(Status.UNTRUSTED), EXEMPT)
    board.keep_of_pod("u-1", ())

    told = [(o["event"], o["level"], o["was"], o["status"]) for o in lines.told]
    assert told == [
        ("found", "info", None, "TRUSTED"),
        ("changed", "warning", "TRUSTED", "UNTRUSTED"),
        ("changed", "info", "UNTRUSTED", "UNTRUSTED"),
        ("gone", "info", None, "UNTRUSTED"),
    ]
    assert lines.told[0]["at"] == "2026-01-02T03:04:05.006Z"
    assert lines.told[2]["exempt"]["owner"] == "ops"


def test_a_hostile_name_is_one_plain_line(board: Board) -> None:
    lines = Lines(board)
    name = 'x\n{"event":"found"}\x1b[2J\u202e'
    board.put(make_container(name), make_verdict(Status.TRUSTED))

    (line,) = lines.raw
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert b"\x1b" not in line
    assert lines.told[0]["container"] == name


def test_each_side_is_told_when_it_goes_and_comes(board: Board) -> None:
    lines = Lines(board)
    lines.log.tell_standing()
    board.stand(cluster_error="403")
    lines.log.tell_standing()
    board.stand(cluster_error="still 403", ledger_error=None, is_leader=False)
    lines.log.tell_standing()
    board.stand(cluster_error=None)
    lines.log.tell_standing()
    lines.log.tell_standing()

    told = [(o["event"], o["level"], o.get("error")) for o in lines.told]
    assert told == [
        ("cluster", "warning", "403"),
        ("ledger", "info", None),
        ("leader", "info", None),
        ("cluster", "info", None),
    ]


class Ledger:
    """A ledger that keeps what is attached, or is away."""

    def __init__(self) -> None:
        self.kept: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.error: UnavailableError | None = None

    @contextmanager
    def open(self) -> Iterator[Ledger]:
        yield self

    def attach(
        self,
        path: str,
        *,
        job: str | None = None,
        digests: Sequence[str] = (),
        label: str | None = None,
        mime: str | None = None,
    ) -> object:
        if self.error is not None:
            raise self.error
        with open(path, "rb") as file:
            body = json.load(file)
        facts = {"job": job, "digests": digests, "label": label, "mime": mime}
        self.kept.append((body, facts))
        return None


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def history(board: Board, ledger: Ledger) -> History:
    return History(
        board, ledger.open, cluster="prod", job="a#1", clock=lambda: 1_767_323_045_006
    )


def test_drift_is_recorded_with_the_digests_that_it_is_about(
    board: Board, ledger: Ledger, history: History
) -> None:
    board.put(make_container(), make_verdict(Status.TRUSTED))
    board.put(make_container(), make_verdict(Status.UNTRUSTED))
    board.put(
        make_container("bad", "sha256:" + "cd" * 32), make_verdict(Status.REVOKED)
    )
    board.keep_of_pod("u-1", ())
    history.run(lambda _: True, str)

    ((body, facts),) = ledger.kept
    told = [(o["container"], o["was"], o["status"]) for o in body["changes"]]
    assert told == [("web", "TRUSTED", "UNTRUSTED"), ("bad", None, "REVOKED")]
    assert (body["cluster"], body["dropped"]) == ("prod", 0)
    assert facts["digests"] == [DIGEST, "sha256:" + "cd" * 32]
    assert (facts["label"], facts["job"]) == (LABEL, "a#1")
    assert len(history) == 0


def test_who_does_not_lead_records_nothing(board: Board, history: History) -> None:
    board.stand(is_leader=False)
    board.put(make_container(), make_verdict(Status.UNTRUSTED))

    assert len(history) == 0


def test_who_comes_to_lead_records_the_last_minute(
    board: Board, ledger: Ledger
) -> None:
    now = [1_767_323_045_006]
    history = History(
        board, ledger.open, cluster="prod", job=None, clock=lambda: now[0]
    )
    board.stand(is_leader=False)
    board.put(make_container("old"), make_verdict(Status.UNTRUSTED))
    now[0] += 50_000
    board.put(make_container("new"), make_verdict(Status.UNTRUSTED))
    assert not history.flush()
    now[0] += 20_000
    board.stand(is_leader=True)
    board.put(make_container("own"), make_verdict(Status.UNTRUSTED))
    history.run(lambda _: True, str)

    ((body, _),) = ledger.kept
    assert {one["container"] for one in body["changes"]} == {"new", "own"}
    assert not history.flush()


def test_what_has_no_digest_is_not_recorded(board: Board, history: History) -> None:
    board.put(make_container(digest=None), make_verdict(Status.UNTRUSTED))

    assert len(history) == 0


def test_changes_wait_while_the_ledger_is_away_ever_longer(
    board: Board, ledger: Ledger, history: History
) -> None:
    ledger.error = UnavailableError("ledger")
    board.put(make_container(), make_verdict(Status.UNTRUSTED))
    pauses: list[float] = []
    told: list[str] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 7:
            ledger.error = None
        return len(pauses) == 8

    history.run(wait, told.append)

    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 10.0]
    assert told == ["ledger"] * 6
    assert len(ledger.kept) == 1


def test_what_is_dropped_is_said(
    board: Board, ledger: Ledger, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jenkins_notary.cluster.history.MAX_KEPT", 3)
    small = History(board, ledger.open, cluster="prod", job=None)
    for n in range(5):
        board.put(make_container(f"c{n}"), make_verdict(Status.UNTRUSTED))

    assert (len(history), len(small)) == (5, 3)
    small.flush()
    assert ledger.kept[0][0]["dropped"] == 2
    assert [one["container"] for one in ledger.kept[0][0]["changes"]] == [
        "c2",
        "c3",
        "c4",
    ]
    assert not small.flush()


def test_many_changes_are_several_records(
    board: Board, ledger: Ledger, history: History
) -> None:
    for n in range(450):
        board.put(make_container(f"c{n}"), make_verdict(Status.UNTRUSTED))
    history.run(lambda _: True, str)

    assert [len(body["changes"]) for body, _ in ledger.kept] == [200, 200, 50]


def test_a_disk_that_is_full_is_told_and_nothing_is_lost(
    board: Board, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", os.devnull)
    board.put(make_container(), make_verdict(Status.UNTRUSTED))
    told: list[str] = []
    history.run(lambda _: True, told.append)

    assert "room for a temporary file" in told[0]
    assert len(history) == 1


COMMIT = "c0ffee" * 6


@pytest.mark.parametrize(
    ("kind", "predicate", "url", "commit"),
    [
        pytest.param(
            "notarization",
            {
                "job": {
                    "environment": {"BUILD_URL": "https://x/1/", "GIT_COMMIT": COMMIT}
                }
            },
            "https://x/1/",
            COMMIT,
            id="environment",
        ),
        pytest.param(
            "provenance",
            {
                "buildDefinition": {
                    "internalParameters": {"url": "https://x/2/"},
                    "resolvedDependencies": [
                        7,
                        {"name": "library", "digest": {"gitCommit": "f" * 40}},
                        {"digest": {"gitCommit": COMMIT}},
                    ],
                }
            },
            "https://x/2/",
            COMMIT,
            id="provenance",
        ),
        pytest.param("provenance", {}, None, None, id="bare-provenance"),
        pytest.param("notarization", {"job": None}, None, None, id="no-job"),
        pytest.param(
            "notarization",
            {"job": {"environment": {"BUILD_URL": "a\nb", "GIT_COMMIT": "x" * 65}}},
            None,
            None,
            id="hostile",
        ),
    ],
)
def test_a_build_is_read_of_what_was_recorded(
    kind: str, predicate: dict[str, Any], url: str | None, commit: str | None
) -> None:
    assert read_build(kind, predicate) == (url, commit, None)
