"""The records of a row's key are what its changes make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines.immudb.listing import (
    Change,
    fold,
    format_change,
    parse_change,
)

INDEXES = st.lists(st.integers(0, (1 << 62) - 1), min_size=1, max_size=5, unique=True)
CHANGES = st.builds(
    Change,
    INDEXES.map(lambda found: tuple(sorted(found))),
    st.booleans(),
    st.none() | st.binary(max_size=20),
)


@given(change=CHANGES)
def test_a_change_comes_back(change: Change) -> None:
    assert parse_change(format_change(change)) == change


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-",
        b"29",
        b"000000000000002A",
        b"0000000000000029 ",
        b"0000000000000029  000000000000002a",
        b"+0000000000000029",
        b"0000000000000029\r\nkey",
    ],
)
def test_what_is_no_change_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        parse_change(value)


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=20))
def test_a_list_is_what_was_added_and_not_taken_away(
    steps: list[tuple[bool, int]],
) -> None:
    model: set[int] = set()
    for is_gone, index in steps:
        if is_gone:
            model.discard(index)
        else:
            model.add(index)

    found = fold(Change((index,), is_gone) for is_gone, index in steps)
    assert found == tuple(sorted(model))
