from __future__ import annotations

import json
from typing import Any

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.pack_head import (
    BUILD,
    HELD,
    MAX_SELECTED,
    LeftOut,
    PackHead,
    Selection,
    format_head,
    parse_head,
)
from jenkins_notary.values.canonical import canonical_json

HEAD = PackHead(
    "0.1.0",
    Selection(BUILD, "ci.example.com:payments/main#42"),
    "example.com/log",
    120,
    ("example.com/log+00000000+AA",),
    (7, 8, 9, 12),
    (31,),
    (LeftOut(9, "ab" * 32, HELD),),
)


def test_head_is_read_as_it_was_written() -> None:
    assert parse_head(format_head(HEAD)) == HEAD


def test_selection_is_told_in_one_line() -> None:
    assert str(HEAD.selection) == "build ci.example.com:payments/main#42"
    assert str(Selection("period", since="2026", until="2027")) == (
        "period, since 2026, until 2027"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("format", "x"), ("v", 2), ("madeBy", 1), ("origin", None)),
        *(("selection", {}), ("selection", {"kind": "x"}), ("selection", [])),
        *(("selection", {"kind": "build", "job": 1}),),
        *(("selection", {"kind": "build", "evil": "x"}),),
        *(("treeSize", -1), ("treeSize", "1"), ("vkeys", []), ("vkeys", [1])),
        *(("selected", None), ("selected", [[1]]), ("selected", [[2, 1]])),
        *(("selected", [[3, 4], [4, 5]]), ("selected", [[0, MAX_SELECTED]])),
        *(("selected", [[0, 1], [2, MAX_SELECTED]]), ("selected", [[1, 2], [3, 4]])),
        *(("withheld", None), ("withheld", ["x"])),
        *(("leftOut", None), ("leftOut", [{}])),
        ("leftOut", [{"index": -1, "sha256": "ab" * 32, "why": "held"}]),
        ("leftOut", [{"index": 1, "sha256": "zz", "why": "held"}]),
        ("leftOut", [{"index": 1, "sha256": "ab" * 32, "why": "because"}]),
        ("more", 1),
    ],
)
def test_head_in_another_form_is_refused(key: str, value: object) -> None:
    said: dict[str, Any] = json.loads(format_head(HEAD))
    said[key] = value

    with pytest.raises(IntegrityError):
        parse_head(canonical_json(said))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", format_head(HEAD) + b"\n"])
def test_bytes_that_are_no_head_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        parse_head(data)
