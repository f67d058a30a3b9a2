"""The page of what runs in a real Chromium: live, hostile names, no script, narrow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from jenkins_notary.cluster.board import Verdict
from jenkins_notary.values.status import Status
from tests.browser.test_pages import SHOWN, axe_source
from tests.parts.board import JOB, PAGES_URL, container, exemption, verdict
from tests.parts.site import HOSTILE, HOSTILE_JOB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.browser.conftest import Screen
    from tests.parts.board import ServedBoard

pytestmark = [pytest.mark.real("chromium", "chromedriver"), pytest.mark.timeout(180)]

SEEN_S = 5.0
"""A change is seen within this, on a busy machine; the page asks again after 10 s."""


@pytest.fixture(autouse=True)
def _filled(served: ServedBoard) -> Iterator[None]:
    """Have each status on the board, and a container whose every name is hostile."""
    for number, status in enumerate(Status):
        image = f"registry.example.com/shop/web:{number}"
        served.put(container(f"web-{number}", image=image), verdict(status))
    served.put(
        container("web-9", digest=None, image_id="", kind="init", running=False),
        Verdict.unknown("its image is not there yet"),
    )
    served.put(container("web-8"), verdict(Status.UNTRUSTED), exemption())
    nasty = dict.fromkeys(
        ("namespace", "name", "image", "image_id", "container_id", "node"), HOSTILE
    )
    served.put(
        container(HOSTILE, **nasty),
        verdict(
            Status.UNTRUSTED,
            job=f"ci.example.com:{HOSTILE_JOB}#1",
            reason=HOSTILE,
            commit=HOSTILE,
            build_url=f"javascript:alert(1)//{HOSTILE}",
        ),
        exemption(owner=HOSTILE, reason=HOSTILE, expires_at=HOSTILE),
    )
    yield
    for pod in ("new", "many", HOSTILE):
        served.remove_pod(f"uid-{pod}")


def wait_for(board: Screen, script: str) -> Any:  # noqa: ANN401 - what a script returns
    """Return what a script returns once it is true."""
    return WebDriverWait(board.driver, SEEN_S, 0.1).until(lambda _: board.run(script))


def open_live(board: Screen, path: str = "/status") -> None:
    """Open the page, and wait until it is live."""
    board.open(path)
    wait_for(board, "return document.getElementById('live').textContent == 'Live'")


def test_change_is_shown_while_the_page_is_open(
    board: Screen, served: ServedBoard
) -> None:
    open_live(board)
    board.run("window.same = true; document.querySelector('[name=q]').value = 'typed'")
    began = time.monotonic()
    served.put(container("new"), verdict(Status.TRUSTED))
    wait_for(board, "return document.getElementById('rows').innerText.includes('new')")
    served.put(container("new"), verdict(Status.REVOKED))
    rows = "[...document.querySelectorAll('#rows tr')]"
    row = f"{rows}.find(one => / new /.test(one.innerText))"
    wait_for(board, f"return {row}.innerText.includes('REVOKED')")
    counted = board.run("return document.getElementById('sum').textContent")
    served.remove_pod("uid-new")
    wait_for(board, f"return !{row}")

    assert time.monotonic() - began < 3 * SEEN_S
    assert "2 REVOKED" in counted
    # It is the same page: nothing was loaded anew, and what was typed is there.
    assert board.run(
        "return [window.same, document.querySelector('[name=q]').value]"
    ) == [
        *(True, "typed"),
    ]
    assert board.log() == []


def test_keyboard_stays_where_it_was_when_a_row_changes(
    board: Screen, served: ServedBoard
) -> None:
    open_live(board, "/status?q=web-0")
    board.run("document.querySelector('#rows .ways a').focus()")
    served.put(container("web-0", image="registry.example.com/shop/web:0"),
               verdict(Status.UNSUPPORTED))  # fmt: skip
    wait_for(
        board, "return document.querySelector('#rows').innerText.includes('UNSUP')"
    )

    focused = board.run("return document.activeElement.textContent")
    assert focused == "Log"


def test_page_without_script_asks_again_by_itself(board: Screen) -> None:
    board.driver.execute_cdp_cmd(
        "Emulation.setScriptExecutionDisabled", {"value": True}
    )
    try:
        board.open("/status?q=web-0")
        source = board.driver.page_source
    finally:
        board.driver.execute_cdp_cmd(
            "Emulation.setScriptExecutionDisabled", {"value": False}
        )

    assert '<meta http-equiv="refresh" content="10">' in source
    assert "web-0" in source
    assert "Asks again every 10 s" in source


def test_page_says_when_it_is_no_longer_live(
    board: Screen, served: ServedBoard
) -> None:
    open_live(board)
    conditions = {
        "offline": True,
        "latency": 0,
        "downloadThroughput": -1,
        "uploadThroughput": -1,
    }
    board.driver.execute_cdp_cmd("Network.enable", {})
    board.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)
    try:
        served.put(container("new"), verdict())
        said = "return document.getElementById('live').textContent"
        wait_for(board, f"{said} == 'No connection: not live'")
    finally:
        board.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {**conditions, "offline": False}
        )
    WebDriverWait(board.driver, 20, 0.2).until(lambda _: board.run(said) == "Live")

    assert "new" in board.run("return document.getElementById('rows').innerText")
    board.log()


def test_nothing_that_a_stranger_wrote_runs_or_becomes_markup(
    board: Screen, served: ServedBoard
) -> None:
    open_live(board)
    # Also when it comes by the script, not with the page.
    served.put(container("new", image=HOSTILE), verdict(reason=HOSTILE))
    wait_for(board, "return document.getElementById('rows').innerText.includes('new')")

    found = board.run(
        "return [document.scripts.length, document.querySelectorAll("
        "'main img, iframe, object, base, style, [onerror], [onmouseover]').length,"
        "document.body.innerText.includes('62615533'), document.title]"
    )
    assert found == [1, 0, False, "(2) What runs · jenkins-notary"]
    hrefs = board.run(
        "return [...document.querySelectorAll('[href]')].map(o => o.href)"
    )
    allowed = (board.url, PAGES_URL, "https://ci.example.com/")
    assert all(one.startswith(allowed) for one in hrefs)
    assert board.text.count(SHOWN) >= 6
    assert "\u202e" not in board.driver.page_source
    assert board.log() == []


def test_policy_keeps_even_the_pages_own_script_from_making_markup(
    board: Screen,
) -> None:
    open_live(board)
    refused = board.run(
        "try { document.getElementById('live').innerHTML = '<b>x</b>'; return 'made' }"
        "catch (error) { return error.name }"
    )

    assert refused == "TypeError"
    board.log()


def test_pod_leads_to_its_build_and_its_log_in_one_click(board: Screen) -> None:
    board.open("/status?q=web-0")

    links = "[...document.querySelectorAll('#rows td:last-child a')]"
    paths = board.run(f"return {links}.map(one => one.href)")
    build = f"{PAGES_URL}/jobs/{JOB.replace('#', '%23')}"
    assert paths[:2] == [build, f"{build}/log"]


def test_counter_filters_and_the_form_does_too(board: Screen) -> None:
    board.open("/status?q=web")
    board.follow("css selector", ".bars li:first-child a")
    assert board.driver.current_url.endswith("/status?status=UNTRUSTED&q=web")
    shown = board.run("return document.getElementById('rows').innerText")
    assert "web-1" in shown
    assert "web-0" not in shown

    board.driver.find_element("name", "q").clear()
    board.driver.find_element("name", "q").send_keys("web-4")
    board.run("document.querySelector('[name=status]').value = ''")
    board.follow("css selector", "main button")
    assert "1 shown" in board.text
    assert "REVOKED" in board.text


def test_page_fits_into_a_narrow_window(board: Screen) -> None:
    board.show(width=340)
    board.open("/status")

    wide = board.run(
        "return [...document.querySelectorAll('main *')].filter("
        "o => o.getBoundingClientRect().right > innerWidth + 1 && !o.closest('thead')"
        ").map(o => o.outerHTML.slice(0, 90))"
    )
    assert wide == []
    assert "level 3" in board.text


@pytest.mark.parametrize("width", [340, 1100], ids=["narrow", "wide"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_has_no_fault_that_axe_finds(
    board: Screen, served: ServedBoard, *, dark: bool, width: int
) -> None:
    served.stand(ledger_error="refused")
    board.show(dark=dark, width=width)
    faults: list[tuple[str, Sequence[Any]]] = []
    for path in ("/status", "/status?status=TRUSTED&q=web", "/status?q=nothing+at+all"):
        board.open(path)
        board.run(axe_source())
        found = board.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document).then("
            "all => done(all.violations), error => done([{id: String(error)}]))"
        )
        faults += [
            (one["id"], [node["target"] for node in one.get("nodes", [])][:3])
            for one in found
        ]
    served.stand(ledger_error=None)

    assert not faults, faults
