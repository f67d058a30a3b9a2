"""`/results` has kube-notary's shape, and says whose build it is with what proof."""

from __future__ import annotations

import json

from jenkins_notary.cluster.board import Board, Verdict
from jenkins_notary.cluster.results import list_results
from jenkins_notary.values.status import Status
from tests.parts.board import COMMIT, JOB, PAGES_URL, container, exemption, verdict


def test_containers_of_one_digest_and_word_share_an_entry() -> None:
    board = Board(now_ms=lambda: 0)
    receipt = "c2sp.org/tlog-proof@v1\n"
    board.put(container("web-0"), verdict(receipt=receipt))
    board.put(container("web-1"), verdict(receipt="a later one"), exemption())
    (entry,) = list_results(board.snapshot(), PAGES_URL)

    # What kube-notary tells of each, under the same names.
    assert list(entry)[:3] == ["hash", "containers", "verification"]
    assert [one["pod"] for one in entry["containers"]] == ["web-0", "web-1"]
    first, second = entry["containers"]
    assert {"namespace", "container", "containerID", "image", "imageID"} <= set(first)
    assert (first["exempt"], second["exempt"]["owner"]) == (None, "platform team")
    word = entry["verification"]
    assert (word["level"], word["status"], word["trusted"]) == (3, 0, True)
    assert (len(entry["hash"]), entry["errors"]) == (64, [])
    # And what it does not.
    assert (word["job"], word["commit"]) == (JOB, COMMIT)
    assert word["receipt"] == "c2sp.org/tlog-proof@v1\n"
    assert word["record"] == f"{PAGES_URL}/records/41"
    json.dumps(entry)


def test_one_digest_with_two_words_on_it_has_two_entries() -> None:
    board = Board()
    board.put(container("web-0"), verdict())
    board.put(container("web-1"), verdict(Status.UNTRUSTED))
    entries = list_results(board.snapshot())

    assert len({one["hash"] for one in entries}) == 1
    assert [one["verification"]["trusted"] for one in entries] == [True, False]


def test_what_cannot_be_resolved_is_there_with_its_error() -> None:
    board = Board()
    for pod in ("web-0", "web-1"):
        board.put(container(pod, digest=None), Verdict.unknown("no digest"))
    entries = list_results(board.snapshot(), PAGES_URL)

    assert [one["errors"] for one in entries] == [["no digest"], ["no digest"]]
    assert entries[0]["hash"] == ""
    word = entries[0]["verification"]
    assert (word["status"], word["level"], word["receipt"]) == (2, 0, None)
    assert word["timestamp"] is None


def test_address_that_is_none_of_the_web_is_not_passed_on() -> None:
    board = Board()
    board.put(container(), verdict(build_url="javascript:alert(1)"))
    (entry,) = list_results(board.snapshot())

    assert entry["verification"]["build_url"] is None
    assert entry["verification"]["record"] is None
