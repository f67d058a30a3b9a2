from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.growing_log import (
    LogTree,
    Part,
    TextDigest,
    format_part,
    parse_part,
)
from jenkins_notary.values.body import CHUNK_SIZE


def make_part() -> Part:
    tree = LogTree()
    tree.update(b"one\r\n")
    return Part(1, 0, 4, tree.body(), tree.text.sha256_hex, tree.text.size)


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE]
)
def test_the_tree_of_a_log_is_that_of_its_body(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    tree = LogTree()
    for start in range(0, size, 100_001):
        tree.update(data[start : start + 100_001])

    assert tree.body() == MemoryBlobs().put(io.BytesIO(data))


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\xc3\xa4"])))
def test_line_ends_do_not_change_a_text_however_it_is_cut(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    one, other = TextDigest(), TextDigest()
    one.update(whole + b".")
    for piece in pieces:
        other.update(piece)
    other.update(b".")

    expected = (whole + b".").replace(b"\r\n", b"\n")
    assert one.sha256_hex == other.sha256_hex == hashlib.sha256(expected).hexdigest()
    assert one.size == other.size == len(expected)


def test_no_more_than_the_limit_is_digested() -> None:
    text = TextDigest(limit=4)

    for piece in (b"a\r", b"\nb\r\n", b"more", b"\xff"):
        text.update(piece)

    assert (text.size, text.sha256_hex) == (4, hashlib.sha256(b"a\nb\n").hexdigest())
    assert text.is_utf8


def test_what_is_no_utf_8_is_noticed_across_pieces() -> None:
    good, bad = TextDigest(), TextDigest()
    for piece in (b"\xc3", b"\xa4\n"):
        good.update(piece)
    for piece in (b"\xc3", b"\n", b"more\n"):
        bad.update(piece)

    assert good.is_utf8
    assert not bad.is_utf8


def test_a_part_reads_as_it_was_written() -> None:
    assert parse_part(format_part(make_part()), subject="record #7") == make_part()


@pytest.mark.parametrize(
    "more",
    [
        {"number": "1"},
        {"start": -1},
        {"tree": None},
        {"tree": {"sha256": "x"}},
        {"text": {}},
        {"text": None},
    ],
    ids=str,
)
def test_a_malformed_part_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="record #7"):
        parse_part({**format_part(make_part()), **more}, subject="record #7")


@pytest.mark.parametrize("value", [None, 7, [], "part"])
def test_what_is_no_part_is_refused(value: object) -> None:
    with pytest.raises(IntegrityError, match="record #7"):
        parse_part(value, subject="record #7")
