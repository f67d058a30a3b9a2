"""Cut excerpts that a stranger can check with the body absent, and forge them."""

from __future__ import annotations

import io
import json

import pytest

from jenkins_notary.blobs.memory import MemoryBlobs
from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.evidence.excerpts import (
    MAX_BYTES,
    MAX_CHUNKS,
    Excerpt,
    excerpt,
    format_excerpt,
    open_excerpt,
    parse_excerpt,
    verify_excerpt,
)
from jenkins_notary.values.body import CHUNK_SIZE, Body

BLOBS = MemoryBlobs()
LOG = b"".join(b"%07d line of a log\n" % n for n in range(1, 50_001)) + b"no end"
BODY = BLOBS.put(io.BytesIO(LOG))
LINES = LOG.splitlines(keepends=True)
WIDTH = len(LINES[0])


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (1, 1),
        (1, 3),
        (CHUNK_SIZE // WIDTH, CHUNK_SIZE // WIDTH + 3),
        (30_000, 30_010),
        (50_001, 50_001),
        (49_999, 50_001),
        (1, 50_001),
    ],
)
def test_an_excerpt_is_proven_offline(first: int, last: int) -> None:
    cut = excerpt(BLOBS, BODY, first, last)
    sent = json.loads(json.dumps(format_excerpt(cut)))
    proven = open_excerpt(parse_excerpt(sent), BODY)

    assert proven.text == b"".join(LINES[first - 1 : last])
    assert proven.offset == (first - 1) * WIDTH
    assert parse_excerpt(sent) == cut


def test_a_line_number_is_proven_where_the_beginning_is_at_hand() -> None:
    assert open_excerpt(excerpt(BLOBS, BODY, 5, 6), BODY).first_line == 5
    assert open_excerpt(excerpt(BLOBS, BODY, 30_000, 30_001), BODY).first_line is None


def test_a_range_beyond_the_end_ends_with_the_body() -> None:
    cut = excerpt(BLOBS, BODY, 50_000, 99_999)

    assert (cut.first_line, cut.last_line) == (50_000, 50_001)
    verify_excerpt(cut, BODY)


def test_a_line_that_begins_a_chunk_brings_the_byte_before_it() -> None:
    data = b"x" * (CHUNK_SIZE - 1) + b"\n" + b"second\n"
    body = BLOBS.put(io.BytesIO(data))
    cut = excerpt(BLOBS, body, 2, 2)

    assert [chunk.number for chunk in cut.chunks] == [0, 1]
    assert open_excerpt(cut, body).text == b"second\n"


def test_a_long_line_is_whole_in_an_excerpt() -> None:
    data = b"a\n" + b"x" * 600_000 + b"\nb\n"
    body = BLOBS.put(io.BytesIO(data))

    assert open_excerpt(excerpt(BLOBS, body, 2, 2), body).text == data[2:-2]
    assert open_excerpt(excerpt(BLOBS, body, 2, 3), body).text == data[2:]


@pytest.mark.parametrize(("first", "last"), [(0, 1), (-1, 3), (3, 2)])
def test_a_range_that_is_none_is_a_usage_error(first: int, last: int) -> None:
    with pytest.raises(UsageError, match="a range from 1"):
        excerpt(BLOBS, BODY, first, last)


@pytest.mark.parametrize("data", [b"", b"one\n"])
def test_lines_that_the_body_lacks_are_not_found(data: bytes) -> None:
    body = BLOBS.put(io.BytesIO(data))

    with pytest.raises(NotFoundError, match=f"got {data.count(10)} lines"):
        excerpt(BLOBS, body, 2, 2)


@pytest.mark.parametrize(
    ("unit", "last"),
    [
        (b"x", 1),
        (b"x", 1 << 40),
        (b"y\n", 1 << 40),
        (b"y" * 999 + b"\n", MAX_BYTES // 1000 + 2),
    ],
)
def test_an_excerpt_is_bounded(unit: bytes, last: int) -> None:
    data = unit * (MAX_BYTES // len(unit) + 9) + b"\n"
    body = BLOBS.put(io.BytesIO(data))

    with pytest.raises(UsageError, match="fewer lines"):
        excerpt(BLOBS, body, 1, last)


CUT = excerpt(BLOBS, BODY, 30_000, 30_010)
HEAD = excerpt(BLOBS, BODY, 5, 6)


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(CUT._replace(body=BODY._replace(size=9)), id="another body"),
        pytest.param(HEAD._replace(offset=HEAD.offset + WIDTH), id="next line"),
        pytest.param(CUT._replace(offset=CUT.offset + 1), id="next byte"),
        pytest.param(CUT._replace(offset=-1), id="before the body"),
        pytest.param(CUT._replace(offset=1 << 50), id="behind the body"),
        pytest.param(CUT._replace(length=CUT.length - 1), id="last byte cut"),
        pytest.param(CUT._replace(length=CUT.length - WIDTH), id="last line cut"),
        pytest.param(CUT._replace(length=0), id="empty"),
        pytest.param(CUT._replace(length=-5), id="negative"),
        pytest.param(CUT._replace(length=1 << 50), id="too long"),
        pytest.param(CUT._replace(last_line=30_011), id="one line more"),
        pytest.param(HEAD._replace(first_line=6, last_line=7), id="other numbers"),
        pytest.param(CUT._replace(chunks=()), id="no chunk"),
        pytest.param(CUT._replace(chunks=CUT.chunks * 2), id="chunk twice"),
        pytest.param(CUT._replace(chunks=HEAD.chunks), id="another chunk"),
        pytest.param(
            CUT._replace(
                chunks=(
                    CUT.chunks[0]._replace(
                        data=CUT.chunks[0].data.replace(
                            b"0030005 line", b"0030005 lime"
                        )
                    ),
                )
            ),
            id="changed word",
        ),
        pytest.param(
            CUT._replace(chunks=(HEAD.chunks[0]._replace(number=3),)), id="renumbered"
        ),
    ],
)
def test_a_forged_excerpt_is_refused(forged: Excerpt) -> None:
    with pytest.raises(IntegrityError, match=BODY.sha256_hex):
        verify_excerpt(forged, BODY)


def test_a_descriptor_of_tiny_chunks_costs_no_memory() -> None:
    body = Body("ab" * 32, 1 << 50, 1, "cd" * 32)
    forged = CUT._replace(body=body, offset=0, length=MAX_BYTES)

    with pytest.raises(IntegrityError, match="chunks range"):
        verify_excerpt(forged, body)


def make(**changes: object) -> dict[str, object]:
    """Return the JSON form of a good excerpt with keys changed."""
    return {**format_excerpt(HEAD), **changes}


def make_chunk(**changes: object) -> dict[str, object]:
    """Return the JSON form of a good excerpt with keys of its chunk changed."""
    (chunk,) = json.loads(json.dumps(format_excerpt(HEAD)))["chunks"]
    return make(chunks=[{**chunk, **changes}])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param(make(format="jenkins-notary-excerpt-v2"), id="version 2"),
        pytest.param(make(body=None), id="no body"),
        pytest.param(make(firstLine=-1), id="negative line"),
        pytest.param(make(lastLine="9"), id="line a text"),
        pytest.param(make(offset=True), id="offset true"),
        pytest.param(make(length=1 << 53), id="length too large"),
        pytest.param(make(chunks=None), id="no chunks"),
        pytest.param(make(chunks=[]), id="empty chunks"),
        pytest.param(make(chunks=[{}] * (MAX_CHUNKS + 1)), id="too many chunks"),
        pytest.param(make(chunks=[7]), id="chunk a number"),
        pytest.param(make_chunk(number=1.0), id="chunk number a float"),
        pytest.param(make_chunk(data=None), id="no data"),
        pytest.param(make_chunk(data="a\nb="), id="data no base64"),
        pytest.param(make_chunk(data="\u00e9"), id="data no ASCII"),
        pytest.param(make_chunk(proof=None), id="no proof"),
        pytest.param(make_chunk(proof=["AAAA"] * 65), id="long proof"),
        pytest.param(make_chunk(proof=[7]), id="proof of numbers"),
    ],
)
def test_another_form_is_refused(value: object) -> None:
    with pytest.raises(IntegrityError, match=r"^excerpt 3"):
        parse_excerpt(value, subject="excerpt 3")
