"""The page of what runs: the worst first, filtered, and leading to each build."""

from __future__ import annotations

import pytest

from jenkins_notary.cluster.board import Board, Verdict
from jenkins_notary.cluster.status import ROWS, Filter, parse_filter, render_status
from jenkins_notary.errors import UsageError
from jenkins_notary.values.status import Status
from tests.parts.board import PAGES_URL, container, exemption, stand_well, verdict


def page_of(board: Board, **query: str) -> str:
    return render_status(board.snapshot(), board.standing, parse_filter(query)).decode()


@pytest.fixture
def board() -> Board:
    found = Board()
    stand_well(found)
    found.put(container("web-0"), verdict())
    found.put(container("web-1"), verdict(Status.UNTRUSTED), exemption())
    found.put(container("web-2"), verdict(Status.UNSUPPORTED))
    found.put(container("web-3"), verdict(Status.REVOKED))
    found.put(container("web-4", digest=None), Verdict.unknown("not there yet"))
    found.put(container("db-0", namespace="data"), verdict(Status.UNTRUSTED, job=None))
    return found


def test_worst_stands_first_and_what_is_exempt_last(board: Board) -> None:
    text = page_of(board)

    order = ("db-0", "web-3", "web-4", "web-2", "web-0", "web-1")
    places = [text.index(f"<bdi>{one}</bdi>") for one in order]
    assert places == sorted(places)
    assert "<title>(2) What runs" in text
    assert "6 containers: 2 UNTRUSTED, 1 REVOKED, 1 UNKNOWN, 1 UNSUPPORTED" in text


def test_row_leads_to_build_log_commit_digest_record_and_jenkins(board: Board) -> None:
    text = page_of(board, q="web-0")

    build = f"{PAGES_URL}/jobs/ci.example.com:shop/web/main%237"
    for path in (
        build,
        f"{build}/log",
        f"{PAGES_URL}/search?q=4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        f"{PAGES_URL}/records/41",
        "https://ci.example.com/job/shop/job/web/7/",
    ):
        assert f'href="{path}"' in text
    assert f'href="{PAGES_URL}/digests/sha256:' in text


def test_without_pages_of_a_service_only_jenkins_is_linked(board: Board) -> None:
    board.stand(pages_url=None)
    text = page_of(board)

    assert PAGES_URL not in text.replace(f"<bdi>{PAGES_URL}</bdi>", "")
    assert 'href="https://ci.example.com/' in text
    assert "ci.example.com:shop/web/main" in text


@pytest.mark.parametrize(
    ("query", "pods"),
    [
        ({"status": "UNTRUSTED"}, {"db-0", "web-1"}),
        ({"namespace": "data"}, {"db-0"}),
        ({"q": "WEB-3"}, {"web-3"}),
        ({"q": "shop/web/main#7", "status": "TRUSTED"}, {"web-0"}),
        ({"q": "4b825dc6", "status": "REVOKED"}, {"web-3"}),
        ({"q": "nothing has this"}, set()),
    ],
)
def test_filter_shows_what_it_says(
    board: Board, query: dict[str, str], pods: set[str]
) -> None:
    text = page_of(board, **query)

    all_pods = {one.container.pod for one in board.snapshot()}
    assert {one for one in all_pods if f"<bdi>{one}</bdi>" in text} == pods


@pytest.mark.parametrize(
    "query",
    [
        {"status": "trusted"},
        {"page": "0x1"},
        {"page": "1" * 7},
        {"q": "x" * 201},
        {"callback": "x"},
    ],
)
def test_filter_refuses_what_there_is_not(query: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        parse_filter(query)


def test_many_containers_are_shown_a_page_at_a_time(board: Board) -> None:
    for number in range(ROWS + 30):
        board.put(container(f"many-{number:03}"), verdict())
    first, last = page_of(board, q="many"), page_of(board, q="many", page="99")

    assert first.count('<tr id="c-') == ROWS
    assert last.count('<tr id="c-') == 30
    assert 'href="/status?q=many&amp;page=2"' in first
    assert f"{ROWS + 30} shown, the worst first: {ROWS + 1} to {ROWS + 30}" in last
    assert 'rel="prev"' in last
    assert 'rel="next"' not in last


def test_watcher_that_cannot_see_says_so_and_shows_what_it_knew(board: Board) -> None:
    board.stand(cluster_error="403 Forbidden", ledger_error="refused", is_listed=False)
    text = page_of(board, q="web-0")

    assert "The API server does not answer: <bdi>403 Forbidden" in text
    assert "The ledger does not answer: <bdi>refused" in text
    assert "not complete" in text
    assert "stale" in text
    assert "TRUSTED" in text


def test_filter_of_a_page_leads_back_to_it() -> None:
    asked = Filter(Status.UNKNOWN, "a&b", 'x"y', 3)
    path = asked.address()

    assert path == "/status?status=UNKNOWN&namespace=a%26b&q=x%22y&page=3"
