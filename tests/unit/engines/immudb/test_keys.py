"""What lies in immudb is named so that it sorts, and so that people find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.engines.immudb import keys
from jenkins_notary.ports import ROW_KINDS

if TYPE_CHECKING:
    from jenkins_notary.ports import RowKind

NUMBERS = st.integers(0, 99) | st.integers(10**10 - 2, 10**10 + 2)
BUILDS = st.builds(
    lambda name, number, rest: name + b"\0" + number.to_bytes(8, "big") + rest,
    st.binary(max_size=6),
    NUMBERS | st.integers(0, (1 << 64) - 1),
    st.binary(max_size=6),
)
RAW = BUILDS | st.binary(max_size=40) | st.binary(min_size=440, max_size=1400)


@given(raws=st.lists(RAW, max_size=12), kind=st.sampled_from(ROW_KINDS))
def test_keys_come_back_and_sort_as_what_they_name_does(
    raws: list[bytes], kind: RowKind
) -> None:
    whole = sorted({one for one in raws if not keys.is_cut(kind, one)})
    made = [keys.format_row_key(kind, one) for one in whole]

    assert made == sorted(set(made))
    runs = keys.is_in_runs(kind)
    named = [one + b"/%016x" % 7 if runs else one for one in made]
    assert [keys.parse_row_key(kind, one) for one in named] == whole
    for low in raws:
        bound = keys.row_bound(kind, low)
        assert all(
            keys.format_row_key(kind, one) >= bound for one in raws if one >= low
        )


@given(raw=st.binary(min_size=901, max_size=1400), kind=st.sampled_from(ROW_KINDS))
def test_a_long_key_is_cut_and_others_that_begin_so_are_told_apart(
    raw: bytes, kind: RowKind
) -> None:
    key = keys.format_row_key(kind, raw)

    assert keys.is_cut(kind, raw)
    assert len(key) <= keys.MAX_KEY_BYTES - 18
    assert keys.group_of(kind, key) == keys.row_bound(kind, raw)
    assert key != keys.format_row_key(kind, raw + b"x")


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        pytest.param("subject", b"sha256/0", id="half-a-byte"),
        pytest.param("subject", b"sha256/zz", id="no-hex"),
        pytest.param("subject", b"sha256/\xff\xff", id="no-text"),
        pytest.param("signer", b"signer/00", id="no-run"),
        pytest.param("signer", b"signer/00/00000000000000AA", id="capitals"),
        pytest.param("name", b"job/a b", id="not-escaped"),
        pytest.param("name", b"job/a#42:ci", id="short-number"),
        pytest.param("name", b"job/a#0000000042", id="no-instance"),
        pytest.param("name", b"job/a#~99999999999999999999:", id="too-large"),
    ],
)
def test_a_key_of_another_form_is_none(kind: RowKind, key: bytes) -> None:
    with pytest.raises((ValueError, OverflowError)):
        keys.parse_row_key(kind, key)


def test_builds_of_a_job_are_found_by_a_prefix_in_order() -> None:
    def name(job: bytes, number: int) -> bytes:
        row = job + b"\0" + number.to_bytes(8, "big") + b"ci.example.com"
        return keys.format_row_key("name", row)

    assert name(b"payments/api/main", 42) == (
        b"job/payments/api/main#0000000042:ci.example.com"
    )
    assert name(b"my job", 2) == b"job/my$ job#0000000002:ci.example.com"
    ordered = [
        *(name(b"payments/api", number) for number in (2, 10, 10**10 - 1, 10**10)),
        name(b"payments/api-2", 1),
        name(b"payments/api/main", 1),
    ]
    assert ordered == sorted(ordered)
