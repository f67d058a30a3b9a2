"""The service's pages in a real Chromium, with hostile names in every field."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.parts.site import HOSTILE, HOSTILE_JOB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.browser.conftest import Page
    from tests.parts.site import Site

pytestmark = [pytest.mark.real("chromium", "chromedriver"), pytest.mark.timeout(180)]

SHOWN = (
    HOSTILE.encode("unicode_escape").decode().replace("\\u0627\\u0644", "\u0627\u0644")
)
"""What a person reads of :data:`HOSTILE`: all of it, and nothing hidden."""

UNTRUSTED = "sha256:" + "cd" * 32


def paths_of(site: Site) -> dict[str, str]:
    """Return every page of the site by its name."""
    plain, hostile = (
        f"/jobs/{quote(one, safe='')}" for one in (site.plain, site.hostile)
    )
    stage = f"{hostile}/log?stage={quote(HOSTILE)}"
    return {
        "home": "/",
        "nothing found": f"/search?q={quote(HOSTILE)}",
        "commit": "/search?q=4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "jobs": "/jobs",
        "folder": "/jobs/payments",
        "job": f"/jobs/{quote(HOSTILE_JOB, safe='')}",
        "build": plain,
        "hostile build": hostile,
        "log": f"{plain}/log",
        "hostile log": f"{hostile}/log",
        "hostile stage": stage,
        "found lines": f"{hostile}/log?grep={quote(HOSTILE[:20])}",
        "digest": f"/digests/{UNTRUSTED}",
        "record": "/records/17",
        "ledger": "/ledger",
        "coverage": "/coverage",
        "audit": "/audit",
        "no such build": f"/jobs/{quote(HOSTILE_JOB, safe='')}%239",
        "no such page": "/nowhere/%3Cscript%3E",
    }


NAMES = (
    *("home", "nothing found", "commit", "jobs", "folder", "job", "build"),
    *("hostile build", "log", "hostile log", "hostile stage", "found lines", "digest"),
    *("record", "ledger", "coverage", "audit", "no such build", "no such page"),
)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_a_stranger_wrote_runs_or_becomes_markup(
    page: Page, name: str
) -> None:
    page.open(paths_of(page.site)[name])

    assert page.driver.title.endswith("jenkins-notary")
    found = page.run(
        "return [document.scripts.length, document.querySelectorAll("
        "'main img, iframe, object, base, style, [onerror], [onmouseover]').length,"
        "document.body.innerText.includes('62615533')]"
    )
    assert found == [0, 0, False]
    hrefs = page.run("return [...document.querySelectorAll('[href]')].map(o => o.href)")
    outside = page.site.jenkins.url
    assert all(one.startswith((page.site.service.url, outside)) for one in hrefs)
    # Chromium reports what a policy forbade, a script that failed, a file not found.
    told = [
        one["message"] for one in page.log() if "status of 404" not in one["message"]
    ]
    assert told == []


def test_hostile_fields_are_shown_whole_as_they_were_written(page: Page) -> None:
    text = page.build(page.site.hostile).text

    assert f"Started by {SHOWN}" in text
    assert text.count(SHOWN) >= 4
    assert "gnp.exe" in text
    assert "\u202e" not in page.driver.page_source
    assert f"“{SHOWN}”" in page.open(f"/digests/{UNTRUSTED}").text


def test_number_of_a_build_stays_behind_a_name_that_runs_from_the_right(
    page: Page,
) -> None:
    page.build(page.site.hostile)

    # The number is no part of the isolated name, so that nothing moves it.
    name = page.run("return document.querySelector('.lede bdi').textContent")
    behind = page.run("return document.querySelector('.lede bdi').nextSibling.data")
    assert name.endswith(HOSTILE_JOB)
    assert behind.startswith("#1")


def test_build_is_reached_from_a_search_and_leads_to_log_artifact_and_record(
    page: Page,
) -> None:
    page.open("/")
    page.driver.find_element("id", "q").send_keys(page.site.plain)
    page.follow("css selector", "main button")
    assert page.driver.title.startswith(page.site.plain)
    for word in ("SUCCESS", "4.3 s", "8 passed", "TRUSTED", "Started by plain"):
        assert word in page.text

    page.follow("link text", "Read the log")
    assert "Tests run: 9" in page.text
    assert "proven" in page.text
    page.driver.back()
    page.follow("link text", "Build")
    assert "compiled 12 files" in page.text
    assert "Tests run" not in page.text
    page.driver.back()
    page.follow("css selector", "#artifacts + table a")
    assert "First recorded by" in page.text
    page.follow("css selector", "#history + table a")
    assert page.text.startswith("Record #")
    assert '"recordId"' in page.text


def test_long_log_is_read_a_page_at_a_time_to_its_end(page: Page) -> None:
    page.build(page.site.hostile, "/log")
    lines = page.driver.find_elements("css selector", ".log li")
    assert (len(lines), lines[0].get_attribute("id")) == (1000, "L1")

    page.follow("link text", "Lines after")
    assert page.run("return document.querySelector('.log li').id") == "L1001"
    page.follow("link text", "End")
    assert page.run("return [...document.querySelectorAll('.log li')].at(-1).id") == (
        "L2514"
    )
    assert "line 2499 of the noise" in page.text
    page.follow("link text", "Begin")
    assert "Started by user admin" in page.text
    page.driver.find_element("name", "grep").send_keys("line 77")
    page.follow("css selector", "main button")
    found = [one.text for one in page.driver.find_elements("css selector", ".log li")]
    assert found[0].split() == ["92", "line", "77", "of", "the", "noise"]
    assert len(found) == 11


def test_control_characters_of_a_log_are_told_not_obeyed(page: Page) -> None:
    text = page.build(page.site.hostile, "/log").text

    assert "\\x1b[31mred\\x1b[0m\\x00\\xff" in text
    assert SHOWN in text


def test_page_fits_into_a_narrow_window(page: Page) -> None:
    page.show(width=340)
    for name, path in paths_of(page.site).items():
        page.open(path)

        wide = page.run(
            "return [...document.querySelectorAll('main *')].filter("
            "o => o.getBoundingClientRect().right > innerWidth + 1).map("
            "o => o.outerHTML.slice(0, 90))"
        )
        assert (name, wide) == (name, [])


def test_page_prints_without_what_is_for_the_screen(page: Page) -> None:
    page.build(page.site.plain)
    page.show(media="print")

    shown = page.run(
        "return ['.menu', '.near', 'main', '#artifacts + table'].map("
        "one => getComputedStyle(document.querySelector(one)).display != 'none')"
    )
    assert shown == [False, False, True, True]
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {})
    assert len(printed["data"]) > 10_000


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_have_no_fault_that_axe_finds(page: Page, *, dark: bool) -> None:
    page.show(dark=dark)
    faults: list[tuple[str, str, Sequence[Any]]] = []
    for name, path in paths_of(page.site).items():
        page.open(path)
        page.run(axe_source())

        found = page.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document).then("
            "all => done(all.violations), error => done([{id: String(error)}]))"
        )
        faults += [
            (name, one["id"], [node["target"] for node in one.get("nodes", [])][:3])
            for one in found
        ]

    assert not faults, faults


def test_reader_of_a_folder_sees_nothing_of_another(page: Page) -> None:
    page.sign_in(page.site.reader)

    assert "secret" not in page.open("/").text
    assert "secret" not in page.open("/jobs").text
    text = page.open("/jobs/ci.example.com%3Asecret%2Fmain%231").text
    assert "You may not see this" in text
    digest = "sha256:" + "ee" * 32
    assert "secret/main" not in page.open(f"/digests/{digest}").text


def test_stranger_is_asked_to_sign_in_and_told_nothing(page: Page) -> None:
    page.sign_in("nobody.nothing")

    for path in ("/", "/jobs", f"/jobs/{quote(page.site.plain, safe='')}", "/nowhere"):
        text = page.open(path).text
        assert page.driver.find_elements("css selector", "form [name=token]")
        assert "payments" not in text


def test_build_that_is_not_on_record_is_told_with_its_number(page: Page) -> None:
    text = page.open("/coverage").text

    assert "Jobs that lack something" in text
    # The first look was at a ledger that had none of them yet, or some.
    assert "1 of them" in text or "2 of them" in text
    assert HOSTILE_JOB in text
    assert page.run("return document.querySelector('.lacking dd').textContent").strip()


def test_auditor_who_reads_the_log_is_told_of_with_its_size(page: Page) -> None:
    assert "Nobody has" in page.open("/audit").text
    auditor = page.site.service.token(
        f"auditor-{page.run('return Date.now()')}", "--role", "auditor"
    )
    assert page.site.service.ask("GET", "/checkpoint", token=auditor).status == 200

    text = page.open("/audit").text
    assert auditor.partition(".")[0] in text
    assert "Nobody has" not in text
    assert page.site.service.ask("GET", "/api/v1/status").json["vkey"] in text


def test_person_signs_in_to_the_page_that_he_wanted_and_out_again(page: Page) -> None:
    page.sign_out()
    page.build(page.site.plain)
    page.driver.find_element("name", "token").send_keys(page.site.reader)
    page.follow("css selector", "form button")

    assert page.driver.title.startswith(page.site.plain)
    page.follow("link text", "Read the log")
    page.follow("link text", "As text")
    assert "compiled 12 files" in page.driver.page_source
    page.open("/jobs")
    page.follow("css selector", ".who button")
    assert page.driver.find_elements("name", "token")
    assert page.open("/jobs").driver.find_elements("name", "token")


def test_keyboard_reaches_the_content_first(page: Page) -> None:
    page.open("/jobs")
    page.driver.switch_to.active_element.send_keys("\ue004")

    focused = page.run("return document.activeElement.textContent")
    assert focused == "To the content"


def axe_source() -> str:
    """Return the source of axe-core, which finds faults of accessibility."""
    found = find_spec("axe_selenium_python")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "node_modules/axe-core/axe.min.js"
    return path.read_text("utf-8")
