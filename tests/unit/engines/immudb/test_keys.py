"""What lies in immudb is named so that it sorts, and so that people find it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines.immudb import keys
from jenkins_notary.errors import IntegrityError
from jenkins_notary.ports import ROW_KINDS, Row

if TYPE_CHECKING:
    from jenkins_notary.ports import RowKind

RAW = st.binary(max_size=40) | st.binary(min_size=440, max_size=1400)
PLACES = st.tuples(RAW, st.integers(0, (1 << 62) - 1))


@given(pairs=st.lists(PLACES, max_size=12), kind=st.sampled_from(ROW_KINDS))
def test_rows_come_back_and_sort_as_their_keys_do(
    pairs: list[tuple[bytes, int]], kind: RowKind
) -> None:
    rows = [Row(kind, *pair) for pair in pairs]
    made = [keys.format_row(row) for row in rows]

    assert [keys.parse_row(kind, *one) for one in made] == rows
    assert all(len(key) <= keys.MAX_KEY_BYTES - 1 for key, _ in made)
    named = sorted(zip(made, rows, strict=True), key=lambda one: one[0][0])
    plain = [row for (key, _), row in named if keys.group_of(kind, key) is None]
    assert plain == sorted(plain, key=lambda row: (row.key, row.index))
    for low, row in pairwise(rows):
        if row.key >= low.key:
            bound = keys.row_bound(kind, low.key)
            assert keys.format_row(row)[0] >= bound


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(b"sha256/0/0000000000000000", b"", id="half-a-byte"),
        pytest.param(b"sha256/00/000000000000000G", b"", id="no-index"),
        pytest.param(b"sha256/00/00000000000000AA", b"", id="capitals"),
        pytest.param(b"sha256/00/0000000000000000", b"x", id="a-value"),
        pytest.param(b"sha256/", b"", id="nothing"),
    ],
)
def test_a_row_of_another_form_is_refused(key: bytes, value: bytes) -> None:
    with pytest.raises(IntegrityError):
        keys.parse_row("subject", key, value)


def test_the_first_row_of_a_statement_has_its_index_as_value() -> None:
    row = Row("statement", b"s" * 32, 7)
    key, value = keys.format_first(row)

    assert keys.parse_row("statement", key, value) == row
    with pytest.raises(IntegrityError):
        keys.parse_row("statement", key, b"7")


def test_a_build_is_found_by_its_job_id() -> None:
    name = b"payments/api/main\0" + (42).to_bytes(8, "big") + b"ci.example.com"

    assert keys.format_job(Row("name", name, 31)) == (
        b"job/ci.example.com:payments/api/main#42/000000000000001f"
    )
    assert keys.format_job(Row("name", name[:-14], 31)) == (
        b"job/payments/api/main#42/000000000000001f"
    )


@pytest.mark.parametrize(
    "name", [b"", b"plain", b"short\0\0", b"n" * 1100 + bytes(9), b"a\0" + b"\0" * 9]
)
def test_what_is_no_build_has_no_such_key(name: bytes) -> None:
    assert keys.format_job(Row("name", name, 0)) is None
