"""Read body descriptors out of statements, within bounds."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.values.body import (
    CHUNK_SIZE,
    MAX_CHUNK_SIZE,
    Body,
    format_body,
    parse_body,
)

GOOD = Body("ab" * 32, 1234, CHUNK_SIZE, "cd" * 32)


def test_format_and_parse_are_inverse() -> None:
    assert parse_body(format_body(GOOD)) == GOOD
    assert parse_body({**format_body(GOOD), "later": 1}) == GOOD


@pytest.mark.parametrize(
    ("size", "chunks"),
    [(0, 0), (1, 1), (CHUNK_SIZE, 1), (CHUNK_SIZE + 1, 2), (1 << 30, 4096)],
)
def test_the_last_chunk_may_be_short(size: int, chunks: int) -> None:
    assert GOOD._replace(size=size).chunks == chunks


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "AB" * 32},
        {"sha256": "../../etc/passwd"},
        {"sha256": None},
        {"root": "cd" * 31},
        {"size": -1},
        {"size": 1 << 53},
        {"size": 1.0},
        {"size": True},
        {"size": "1"},
        {"chunkSize": 0},
        {"chunkSize": -1},
        {"chunkSize": MAX_CHUNK_SIZE + 1},
        {"chunkSize": False},
    ],
    ids=str,
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="sha256, size, chunkSize and root"):
        parse_body({**format_body(GOOD), **change}, subject="attachment 0")


@pytest.mark.parametrize("key", ["sha256", "size", "chunkSize", "root"])
def test_a_missing_field_is_refused(key: str) -> None:
    value = format_body(GOOD)
    del value[key]

    with pytest.raises(IntegrityError):
        parse_body(value)


@pytest.mark.parametrize("value", [None, [], "body", 7])
def test_what_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(IntegrityError):
        parse_body(value)
