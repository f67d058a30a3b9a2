from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from jenkins_notary.evidence.comparison import SHOWN, compare_logs

if TYPE_CHECKING:
    from collections.abc import Iterator


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Cut a text at some places."""
    places = [0, *sorted(min(one, len(data)) for one in at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]


@pytest.mark.parametrize(
    ("ours", "theirs", "line", "recorded", "served"),
    [
        pytest.param(b"a\nb\nc\n", b"a\nX\nc\n", 2, b"b", b"X", id="altered"),
        pytest.param(b"a\nb\n", b"a\n", 2, b"b", None, id="cut"),
        pytest.param(b"a\n", b"a\nb\n", 2, None, b"b", id="longer"),
        pytest.param(b"ab", b"a", 1, b"ab", b"a", id="cut-within-a-line"),
        pytest.param(b"", b"x", 1, None, b"x", id="empty"),
        pytest.param(b"a\nb", b"a\nb\n", 2, b"b", b"b", id="line-end-added"),
        pytest.param(b"a\r\n", b"a\n", 1, b"a\r", b"a", id="line-end-changed"),
        pytest.param(b"\x1b[2Jx\n", b"\x1b[2Jy\n", 1, b"\x1b[2Jx", b"\x1b[2Jy", id="c"),
    ],
)
def test_first_line_that_differs_is_told(  # noqa: PLR0917 - the row
    ours: bytes, theirs: bytes, line: int, recorded: bytes, served: bytes
) -> None:
    found = compare_logs([ours], [theirs])

    assert not found.is_same
    assert (found.line, found.recorded, found.served) == (line, recorded, served)
    assert (found.recorded_size, found.served_size) == (len(ours), len(theirs))


def test_log_that_goes_on_has_the_recorded_one_as_its_beginning() -> None:
    assert compare_logs([b"a\n"], [b"a\n", b"b\n"]).is_prefix
    assert not compare_logs([b"a\nb"], [b"a\n"]).is_prefix
    assert not compare_logs([b"a"], [b"b"]).is_prefix


def test_long_lines_are_cut_around_the_difference() -> None:
    before, after = b"x" * 1_000_000, b"y" * 1_000_000
    found = compare_logs([before, b"1", after], [before + b"2" + after])

    assert found.offset == len(before)
    assert found.recorded == b"x" * SHOWN + b"1" + b"y" * (SHOWN - 1)
    assert found.served == b"x" * SHOWN + b"2" + b"y" * (SHOWN - 1)


@given(
    st.binary(max_size=60),
    st.binary(max_size=60),
    st.lists(st.integers(0, 60), max_size=5),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_any_two_logs_compare_as_their_bytes_do(
    ours: bytes, theirs: bytes, at: list[int], other: list[int]
) -> None:
    found = compare_logs(cut(ours, at), cut(theirs, other))

    assert found.is_same == (ours == theirs)
    assert found.served_sha256 == hashlib.sha256(theirs).hexdigest()
    assert (found.recorded_size, found.served_size) == (len(ours), len(theirs))
    if found.offset is not None:
        same = ours[: found.offset]
        assert same == theirs[: found.offset]
        assert (
            ours[found.offset : found.offset + 1]
            != theirs[found.offset : found.offset + 1]
        )
        assert found.line == same.count(b"\n") + 1
        assert found.is_prefix == theirs.startswith(ours)


def test_what_a_stream_raises_comes_through() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        compare_logs([b"ab"], broken())
