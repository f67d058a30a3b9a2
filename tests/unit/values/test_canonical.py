"""Write canonical JSON; read strangers' JSON without being fooled or held up."""

from __future__ import annotations

import time

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.values.canonical import MAX_DIGITS, canonical_json, load_json


def test_equal_values_have_equal_bytes_whatever_their_order() -> None:
    one = canonical_json({"b": 1, "a": [True, None, "é\n"]})
    other = canonical_json({"a": [True, None, "é\n"], "b": 1})

    assert one == other == b'{"a":[true,null,"\\u00e9\\n"],"b":1}'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_lacks_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": number})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "Expecting value", id="empty"),
        pytest.param(b'{"a":1', "delimiter", id="cut"),
        pytest.param(b'{"a":1}x', "Extra data", id="text behind"),
        pytest.param(b'{"a":1,"a":2}', "duplicate key 'a'", id="duplicate key"),
        pytest.param(b'[{"x":{"k":1,"b":0,"k":1}}]', "duplicate key 'k'", id="deep"),
        pytest.param(b'{"a":NaN}', "NaN is not JSON", id="NaN"),
        pytest.param(b"[-Infinity]", "-Infinity is not JSON", id="infinity"),
        pytest.param(b"[1e999]", "too large", id="overflow"),
        pytest.param(b"[-1e999]", "too large", id="negative overflow"),
        pytest.param(b'"\xff"', "utf-8", id="no UTF-8"),
        pytest.param(b'\xef\xbb\xbf"a"', "Expecting value", id="byte order mark"),
        pytest.param('"a"'.encode("utf-16"), "utf-8", id="UTF-16"),
        pytest.param(b"9" * (MAX_DIGITS + 1), "digits", id="long integer"),
        pytest.param(b"[01]", "delimiter", id="leading zero"),
        pytest.param(b"'a'", "Expecting value", id="single quotes"),
        pytest.param(b'"a\nb"', "control character", id="raw line end"),
    ],
)
def test_what_two_readers_could_read_apart_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(IntegrityError, match=reason) as caught:
        load_json(data, subject="thing")

    assert caught.value.subject == "thing"


def test_floats_and_long_integers_within_bounds_are_read() -> None:
    value = load_json(b"[1.5,-2e3,%d]" % 10**300, subject="thing")

    assert value == [1.5, -2000.0, 10**300]


def test_more_bytes_than_the_limit_are_not_parsed() -> None:
    with pytest.raises(IntegrityError, match="at most 4 bytes, got 5 bytes"):
        load_json(b"[1,2]", subject="thing", limit=4)


@pytest.mark.parametrize("bomb", [b"[" * 10**6, b'{"a":' * 10**6, b"[" * 10**5])
def test_a_depth_bomb_is_an_integrity_error(bomb: bytes) -> None:
    with pytest.raises(IntegrityError, match="valid JSON"):
        load_json(bomb, subject="thing")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"{%b,%b}" % (b",".join(b'"%d":0' % n for n in range(200_000)), b'"9":0'),
            id="one duplicate among many keys",
        ),
        pytest.param(b"[" + b"7" * 4_000_000 + b"]", id="an integer of megabytes"),
    ],
)
def test_hostile_json_is_refused_in_linear_time(data: bytes) -> None:
    before = time.monotonic()

    with pytest.raises(IntegrityError):
        load_json(data, subject="thing")

    assert time.monotonic() - before < 5
