from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.packs import reports
from jenkins_notary.evidence.pack_head import BUILD, PERIOD, Selection
from jenkins_notary.pages.reports import mark, render_html, render_markdown
from tests.unit.api.people import JOB, digest, foreign

if TYPE_CHECKING:
    from tests.unit.api.people import Person

HOSTILE = [
    "<script>alert(1)</script>",
    "a|b\n# heading",
    "](javascript:alert(1))",
    "`code` **bold** &lt; <https://evil.example.com>",
    "user\u202egpj.exe\x1b[31m",
    '"onmouseover="x',
    "{{ 7 * 7 }}{% raw %}",
]
ALL = Selection(PERIOD, since="2020-01-01T00:00:00Z")


class Page(HTMLParser):
    """Take a page apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data)


@pytest.fixture
def hostile(admin: Person) -> Person:
    """The administrator, whose ledger has hostile names everywhere."""
    for name in HOSTILE:
        # A stranger's statement may claim any job and name.
        facts = {"job": {"id": name}, "name": name, "label": name}
        for kind, said in (("notarization", {"status": "TRUSTED"}), ("attachment", {})):
            envelope = foreign("mallory", kind, {**facts, **said}, subject=name)
            admin.notary()._session.append([envelope])
    admin.notary().put_log(JOB, str(admin.key))
    return admin


def test_page_takes_hostile_names_for_text(hostile: Person) -> None:
    page = Page(render_html(hostile.notary().report(ALL), None).decode())

    assert "script" not in page.tags
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    assert not [v for k, v in page.attributes if k == "href" and not v.startswith("#")]  # type: ignore[union-attr]
    assert HOSTILE[0] in page.texts
    assert "\u202e" not in "".join(page.texts)
    assert "\x1b" not in "".join(page.texts)
    assert "49" not in page.texts


def test_markdown_takes_hostile_names_for_text(hostile: Person) -> None:
    text = render_markdown(hostile.notary().report(ALL), None).decode()

    assert "<script" not in text
    assert "\u202e" not in text
    assert not [one for one in text.splitlines() if one == "# heading"]
    # A line of a table keeps its cells.
    rows = [one for one in text.splitlines() if one.startswith("| UNKNOWN")]
    assert len(rows) == len(HOSTILE)
    assert {len(re.findall(r"(?<!\\)\|", one)) for one in rows} == {5}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("app-1.2.jar", "`app-1.2.jar`"),
        (" x", " x"),
        ("a|b", r"a\|b"),
        ("`", r"\`"),
        ("é", "é"),
    ],
)
def test_value_means_nothing_but_itself_in_markdown(value: object, shown: str) -> None:
    assert mark(value) == shown


def test_report_of_a_period_has_builds_and_what_is_of_none(admin: Person) -> None:
    admin.record("app.jar", job=JOB)
    admin.record("loose.jar")
    admin.notary().untrust([digest("app.jar")], reason="CVE-2026-1")

    found = admin.notary().report(ALL)

    (build,) = found["builds"]
    assert (build["job"], build["artifacts"], build["bad"]) == (JOB, 1, 1)
    assert [one["index"] for one in found["others"]] == [0, 2, 3]
    assert found["counts"] == {"TRUSTED": 1, "UNTRUSTED": 1}
    (signer,) = found["signers"]
    assert (signer["administrator"], signer["records"]) == (True, 4)


def test_report_of_a_build_holds_what_was_attached(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    (admin.home / "notes.txt").write_text("fine")
    admin.notary().attach(str(admin.home / "notes.txt"), job=JOB, label="notes")
    admin.notary().put_log(JOB, str(admin.home / "notes.txt"))

    report = admin.notary().report(Selection(BUILD, JOB))

    for text in (render_html(report, None), render_markdown(report, None)):
        assert b"notes.txt" in text
        assert b"4 bytes" in text
    monkeypatch.setattr(reports, "MAX_BUILDS", 0)
    assert admin.notary().report(Selection(BUILD, JOB))["builds"][0]["whole"] is None
