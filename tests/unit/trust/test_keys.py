from __future__ import annotations

from base64 import b64encode

import pytest

from jenkins_notary.errors import UsageError
from jenkins_notary.trust.keys import (
    decode_public_key,
    is_signer_id,
    parse_signer_id,
    signer_id,
)
from tests.unit.trust.builders import key, sid

DER = key("ci").public_der


def test_a_key_proves_its_own_id() -> None:
    assert decode_public_key(b64encode(DER).decode(), signer=signer_id(DER)) == DER


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        b64encode(DER),
        "",
        "AAAA",
        b64encode(DER).decode() + "!",
        b64encode(DER).decode()[:-1],
        "\n" + b64encode(DER).decode(),
        "é",
        b64encode(key("other").public_der).decode(),
        "A" * 2048,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_another_key_or_none_is_refused(text: object) -> None:
    assert decode_public_key(text, signer=sid("ci")) is None


def test_a_signer_id_is_read_in_either_case() -> None:
    assert parse_signer_id(f" {sid('ci').upper().replace('X', 'x', 1)}\n") == sid("ci")
    assert parse_signer_id("0X" + "AB" * 20) == "0x" + "ab" * 20


@pytest.mark.parametrize("text", ["", "0x", "0x" + "a" * 39, "0x" + "g" * 40, "a" * 42])
def test_anything_else_is_no_signer_id(text: str) -> None:
    assert not is_signer_id(text)
    with pytest.raises(UsageError, match="0x and 40 hex digits"):
        parse_signer_id(text)


@pytest.mark.parametrize("value", [None, 7, b"0x", "0X" + "AB" * 20, sid("ci") + "\n"])
def test_a_signer_id_has_one_form(value: object) -> None:
    assert not is_signer_id(value)
