from __future__ import annotations

import json

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.pins import MAX_BYTES, Pin, format_pin, parse_pin

PIN = Pin("example.com/log+00000000+AA==", b"example.com/log\n3\n")


def test_a_pin_is_read_as_it_was_written() -> None:
    assert parse_pin(format_pin(PIN), subject="pin") == PIN


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        format_pin(PIN)[:-1],
        format_pin(PIN).replace(b'"v":1', b'"v":2'),
        format_pin(PIN).replace(b'"v":1', b'"v":"1"'),
        format_pin(PIN).replace(b'"vkey"', b'"key"'),
        json.dumps({"v": 1, "vkey": 7, "note": "n"}).encode(),
        json.dumps({"v": 1, "vkey": "k", "note": ["n"]}).encode(),
        b'{"v":1,"vkey":"k","note":"\\ud800"}',
        b'{"v":1,"vkey":"\\udfff","note":"n"}',
        b" " * (MAX_BYTES + 1),
    ],
    ids=lambda data: repr(data)[:30],
)
def test_a_damaged_pin_is_never_taken_for_none(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="my pin"):
        parse_pin(data, subject="my pin")
