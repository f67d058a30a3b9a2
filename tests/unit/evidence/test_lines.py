"""Find lines as a plain reading of the whole text would, in constant memory."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.evidence import lines
from jenkins_notary.evidence.lines import (
    LINE_LIMIT,
    MAX_NEEDLE,
    cut_blocks,
    find_lines,
    grep,
    line_blocks,
)
from jenkins_notary.values.body import CHUNK_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.values.body import Body

BLOBS = MemoryBlobs()
LOG = b"".join(b"%06d line\n" % n for n in range(1, 60_001))
LONG = b"first\n" + b"a" * 100_000 + b"needle" + b"b" * 700_000 + b"\nlast"


def store(data: bytes) -> Body:
    """Return the descriptor of stored bytes."""
    return BLOBS.put(io.BytesIO(data))


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [
        (1, 3, [(1, b"000001 line"), (2, b"000002 line")]),
        (30_000, 30_001, [(30_000, b"030000 line")]),
        (60_000, 99_999, [(60_000, b"060000 line")]),
        (60_001, 99_999, []),
        (3, 3, []),
        (3, 1, []),
        (1, 1, []),
    ],
)
def test_lines_are_found_by_number(
    start: int, stop: int, found: list[tuple[int, bytes]]
) -> None:
    assert list(find_lines(BLOBS, store(LOG), start, stop)) == found


def test_every_line_has_its_number_across_chunks() -> None:
    found = list(find_lines(BLOBS, store(LOG), 1, 1 << 40))

    assert found == list(enumerate(LOG.decode().encode().split(b"\n")[:-1], start=1))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"\n", [(1, b"")]),
        (b"a", [(1, b"a")]),
        (b"a\n", [(1, b"a")]),
        (b"a\n\nb", [(1, b"a"), (2, b""), (3, b"b")]),
        (b"a\r\nb\x0bc\x85\n", [(1, b"a\r"), (2, b"b\x0bc\x85")]),
    ],
)
def test_a_line_ends_at_a_line_feed_alone(
    data: bytes, found: list[tuple[int, bytes]]
) -> None:
    assert list(find_lines(BLOBS, store(data), 1, 99)) == found


def test_a_line_before_the_first_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="from 1"):
        find_lines(BLOBS, store(LOG), 0, 5)


def test_a_long_line_is_cut_with_a_mark() -> None:
    found = list(find_lines(BLOBS, store(LONG), 1, 9))
    mark = b" [... cut: a line of 800006 bytes]"

    assert found == [(1, b"first"), (2, b"a" * LINE_LIMIT + mark), (3, b"last")]


@pytest.mark.parametrize("pad", [0, CHUNK_SIZE - LINE_LIMIT // 2])
@pytest.mark.parametrize("over", [-1, 0, 1, 2])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_is_cut_only_beyond_the_limit(pad: int, over: int, end: bytes) -> None:
    size = LINE_LIMIT + over
    before = b"p" * 50 + b"\n"
    data = before * (pad // 51) + b"x" * size + end
    *_, (_, last) = find_lines(BLOBS, store(data), 1, 1 << 40)

    assert last[:LINE_LIMIT] == b"x" * min(size, LINE_LIMIT)
    assert last[LINE_LIMIT:] == (
        b" [... cut: a line of %d bytes]" % size if over > 0 else b""
    )


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        (b"000007", [7]),
        ("059999", [59_999]),
        (b"0000 line", [10_000 * n for n in range(1, 7)]),
        (b"nothing", []),
        (re.compile(rb"^0(12345|54321) line$"), [12_345, 54_321]),
        (re.compile(rb"^$"), []),
    ],
)
def test_lines_are_found_by_content(
    pattern: bytes | str | re.Pattern[bytes], numbers: list[int]
) -> None:
    found = list(grep(BLOBS, store(LOG), pattern))

    assert found == [(number, b"%06d line" % number) for number in numbers]


def test_a_text_is_searched_as_utf_8() -> None:
    body = store("eins\ngrün\n".encode())

    assert list(grep(BLOBS, body, "ü")) == [(2, "grün".encode())]


@pytest.mark.parametrize(
    "needle", [b"needle", b"b\n"[:1], b"ab", b"last", b"eb", b"aneed"]
)
def test_a_literal_is_found_anywhere_in_a_long_line(needle: bytes) -> None:
    numbers = [number for number, _ in grep(BLOBS, store(LONG), needle)]
    plain = [n for n, line in enumerate(LONG.split(b"\n"), start=1) if needle in line]

    assert numbers == plain


def test_a_literal_across_two_chunks_is_found() -> None:
    data = b"x" * (CHUNK_SIZE - 3) + b"needle" + b"y" * 300_000 + b"\nneedle"

    assert [number for number, _ in grep(BLOBS, store(data), b"needle")] == [1, 2]


def test_an_expression_sees_the_head_of_a_long_line_only() -> None:
    body = store(LONG)

    assert list(grep(BLOBS, body, re.compile(b"needle|cut"))) == []
    assert [n for n, _ in grep(BLOBS, body, re.compile(b"a+$"))] == [2]


@pytest.mark.parametrize("needle", [b"", "", b"a\nb", b"x" * (MAX_NEEDLE + 1)])
def test_what_cannot_stand_in_a_line_is_not_searched(needle: bytes | str) -> None:
    with pytest.raises(UsageError, match="search text"):
        grep(BLOBS, store(LOG), needle)


def test_only_proven_lines_are_handed_out() -> None:
    blobs = MemoryBlobs()
    body = blobs.put(io.BytesIO(LOG))
    kept = blobs._kept[body.sha256_hex]
    altered = kept.chunks[1].replace(b"030000 line", b"030000 lime")
    chunks = (kept.chunks[0], altered, *kept.chunks[2:])
    blobs._kept[body.sha256_hex] = kept._replace(chunks=chunks)

    assert len(list(find_lines(blobs, body, 1, 100))) == 99
    with pytest.raises(IntegrityError, match="chunk 1 of body"):
        list(grep(blobs, body, b"lime"))


@given(
    st.lists(st.sampled_from([b"a", b"b", b"\n", b"ab\n", b"aaaaaaaa"]), max_size=30),
    st.integers(1, 9),
    st.sampled_from([b"a", b"ab", b"ba", b"aaaaaaaaa", b"b"]),
)
def test_any_text_in_any_chunks_is_read_as_a_plain_reader_would(
    parts: list[bytes], size: int, needle: bytes
) -> None:
    data = b"".join(parts)
    plain = data.split(b"\n")
    if not plain[-1]:
        plain.pop()

    def blocks() -> Iterator[lines.Block]:
        cut = [data[at : at + size] for at in range(0, len(data), size)]
        return cut_blocks(iter(cut), watch=needle)

    found = [one for block in blocks() for one in lines._lines_of(block)]
    hits = [number for number, _ in lines._grep_literal(blocks(), needle)]

    assert found == list(enumerate(plain, start=1))
    assert hits == [n for n, line in enumerate(plain, start=1) if needle in line]
    assert sum(block.length for block in blocks()) == len(data)


@given(st.binary(min_size=1, max_size=300), st.integers(1, 64), st.integers(1, 8))
def test_with_a_tiny_limit_long_lines_are_still_counted_and_searched(
    data: bytes, size: int, limit: int
) -> None:
    kept, lines.LINE_LIMIT = lines.LINE_LIMIT, limit
    try:
        cut = [data[at : at + size] for at in range(0, len(data), size)]
        blocks = list(cut_blocks(iter(cut), watch=b"\x00\x01"))
        hits = [n for n, _ in lines._grep_literal(iter(blocks), b"\x00\x01")]
        found = [n for block in blocks for n, _ in lines._lines_of(block)]
    finally:
        lines.LINE_LIMIT = kept
    plain = data.split(b"\n")
    if not plain[-1]:
        plain.pop()

    assert found == list(range(1, len(plain) + 1))
    assert hits == [n for n, one in enumerate(plain, start=1) if b"\x00\x01" in one]


def test_blocks_lie_without_gaps() -> None:
    offset, line = 0, 1
    for block in line_blocks(BLOBS, store(LOG + LONG)):
        assert (block.offset, block.line) == (offset, line)
        offset, line = offset + block.length, line + block.lines

    assert offset == len(LOG + LONG)
