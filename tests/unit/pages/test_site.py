"""Whatever is on record, a page shows it whole and lets none of it act."""

from __future__ import annotations

import html
import re
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from jenkins_notary.pages.chart import draw_growth
from jenkins_notary.pages.links import Links, outside_url
from jenkins_notary.pages.records import describe_record
from jenkins_notary.pages.site import STATIC, Frame, read_static, render, static_path
from jenkins_notary.pages.text import format_duration, format_size, visible

KEYS = st.sampled_from(
    [
        *("assets", "reason", "label", "stage", "name", "state", "body", "size"),
        *("from", "to", "action", "signerId", "org", "verdict", "decision", "result"),
        *("jenkinsNotary_record", "build", "kept"),
    ]
)
JSON: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=4),
    max_leaves=12,
)
TYPES = (
    *("administration", "alias", "attachment", "corroboration", "deletion", "gate"),
    *("log", "notarization", "provenance", "test-result", "trust", "vsa"),
)


def make_record(kind: str, predicate: object, **facts: object) -> dict[str, Any]:
    return {
        "index": 7,
        "type": kind,
        "name": None,
        "status": None,
        "job": None,
        "signer": "0x" + "ab" * 20,
        "standing": "enrolled",
        "timestamp": "2026-01-02T03:04:05.006Z",
        "erased_by": None,
        "predicate": predicate,
        **facts,
    }


@given(
    kind=st.sampled_from(TYPES),
    predicate=JSON,
    text=st.text(st.characters(exclude_categories=()), max_size=300),
    is_job=st.booleans(),
)
def test_whatever_a_signer_said_has_a_line_and_a_page(
    kind: str, predicate: object, text: str, *, is_job: bool
) -> None:
    job = text if is_job else None
    line = describe_record(make_record(kind, predicate, job=job, name=text))
    page = render(
        "search",
        Frame(text, text),
        heading=text,
        words=text,
        records=[line],
        older=None,
    ).decode()

    told = re.sub(r"<[^>]*>", "", page)
    assert "<" not in told
    unseen = {one for one in html.unescape(told) if not one.isprintable()}
    assert unseen <= {"\n"}


@given(st.text(st.characters(exclude_categories=())))
def test_everything_of_a_text_is_seen_and_nothing_acts(text: str) -> None:
    shown = visible(text, len(text) or 1)

    assert shown.isprintable()
    assert shown.encode().decode() == shown
    if text.isprintable():
        assert shown == text


def test_erased_record_tells_its_type_and_that_it_is_gone() -> None:
    line = describe_record(make_record("log", None, erased_by=9))

    assert line.said == "log, erased"
    assert not line.has_envelope


@pytest.mark.parametrize(
    ("kind", "predicate", "facts", "said"),
    [
        ("notarization", {"assets": [{}, {}, {}]}, {"name": "a"}, "a and 2 more"),
        ("log", {"stage": "Test", "body": {"size": 2048}}, {}, "log of stage Test"),
        ("log", {"state": "growing", "body": {}}, {}, "piece of the log"),
        ("deletion", {}, {}, "job deleted"),
        ("deletion", {}, {"job": "a#1"}, "build deleted"),
        ("alias", {"from": "a", "to": "b"}, {}, "renamed from a to b"),
        ("trust", {"action": "enrol", "signerId": "0x1"}, {}, "trust: enrol 0x1"),
        ("attachment", {"name": "r.xml", "label": "t"}, {}, "attached r.xml (t)"),
        ("strange", {}, {}, "strange"),
    ],
)
def test_record_is_told_in_a_few_words(
    kind: str, predicate: object, facts: dict[str, object], said: str
) -> None:
    assert describe_record(make_record(kind, predicate, **facts)).said.startswith(said)


@given(st.text(max_size=40))
def test_no_text_makes_an_address_of_another_host(text: str) -> None:
    link = Links("/teams/mobile")
    for one in (
        *(link.build(text), link.log(f"{text}#1"), link.folder(text)),
        *(link.digest(text), link.body(text), link.search(text)),
        *(link.api("log", job=text), link.build(f"{text}#1", started=text)),
    ):
        assert one is None or re.fullmatch(r"/teams/mobile/[!-~]*", one)
        assert one is None or not set(one) & set("\"'<>`")


def test_address_is_made_of_what_has_that_form_alone() -> None:
    link = Links()

    assert link.build("no id") is None
    assert link.build(7) is None
    assert link.folder(None) is None
    assert link.folder("a//b") is None
    assert link.digest("sha256:xyz") is None
    assert link.body(None) is None
    assert link.record(-1) is None
    assert link.record(True) is None  # noqa: FBT003 - a value of a document
    assert link.record(3, "receipt") == "/api/v1/records/3/receipt"


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://ci.example.com/job/a/1/", True),
        ("http://ci.example.com:8080/", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example.com/", False),
        ("https://ci.example.com@evil.example.com/", False),
        ("https://ci.example.com/\n", False),
        ("https://ci.ex\u0430mple.com/", False),
        ("https://[", False),
        ("https:///x", False),
        ("https://ci.example.com/" + "a" * 2000, False),
        (7, False),
    ],
)
def test_only_a_plain_address_of_the_web_is_linked(
    url: object, *, is_taken: bool
) -> None:
    assert (outside_url(url) == url) is is_taken


def test_numbers_that_are_none_are_not_shown() -> None:
    assert format_size(-1) == format_size("7") == format_size(True) == ""  # noqa: FBT003 - a value of a document
    assert format_duration(-1) == format_duration(None) == ""
    assert format_size(1 << 60).endswith(" TiB")


def test_growth_is_drawn_within_its_box_or_not_at_all() -> None:
    assert draw_growth([]) is None
    assert draw_growth([(5, 1)]) is None
    assert draw_growth([(5, 1), (5, 2)]) is None
    points = draw_growth([(0, 1), (7, 3), (9, 400)])
    assert points is not None
    pairs = [tuple(map(float, one.split(","))) for one in points.split()]
    assert all(10 <= x <= 630 and 20 <= y <= 170 for x, y in pairs)


@pytest.mark.parametrize("name", STATIC)
def test_file_of_the_pages_has_an_address_of_its_bytes(name: str) -> None:
    assert read_static(name)
    assert re.fullmatch(rf"/static/{name}\?v=[0-9a-f]{{16}}", static_path(name))
