"""Base64 and decimals have one spelling."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import IntegrityError
from jenkins_notary.tlog.canonical import (
    MAX_NUMBER,
    decode_base64,
    decode_hash,
    encode_base64,
    parse_decimal,
    show,
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("QQ", id="no padding"),
        pytest.param("QQ=", id="half padding"),
        pytest.param("QQ===", id="too much padding"),
        pytest.param("QR==", id="unused bits"),
        pytest.param("QQ==\n", id="newline"),
        pytest.param(" QQ==", id="space"),
        pytest.param("QQ==QQ==", id="two texts"),
        pytest.param("-_8=", id="url alphabet"),
        pytest.param("Q", id="one character"),
        pytest.param("====", id="padding only"),
        pytest.param("QQ==\u00e9", id="not ascii"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param("Q\x00==", id="nul"),
    ],
)
def test_base64_refuses_other_spellings(text: str) -> None:
    with pytest.raises(IntegrityError, match="canonical base64"):
        decode_base64(text, "thing")


def test_base64_of_nothing_is_empty() -> None:
    assert decode_base64("", "thing") == b""
    assert encode_base64(b"") == ""


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_hash_has_32_bytes(length: int) -> None:
    with pytest.raises(IntegrityError, match="root: expected a hash of 32 bytes"):
        decode_hash(encode_base64(bytes(length)), "root")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("00", id="two zeros"),
        pytest.param("01", id="leading zero"),
        pytest.param("-1", id="sign"),
        pytest.param("+1", id="plus"),
        pytest.param("1_0", id="underscore"),
        pytest.param(" 1", id="space"),
        pytest.param("1\n", id="newline"),
        pytest.param("0x1", id="hex"),
        pytest.param("\u0661", id="arabic digit"),
        pytest.param("\u00b2", id="superscript"),
        pytest.param(str(MAX_NUMBER + 1), id="2**63"),
        pytest.param("9" * 19, id="19 nines"),
        pytest.param("1" * 1_000_000, id="a million digits"),
    ],
)
def test_decimal_refuses_other_spellings(text: str) -> None:
    with pytest.raises(IntegrityError, match="without leading zeros"):
        parse_decimal(text, "size")


@pytest.mark.parametrize("number", [0, 1, 10, MAX_NUMBER])
def test_decimal_reads_what_it_should(number: int) -> None:
    assert parse_decimal(str(number), "size") == number


def test_foreign_text_is_shown_short_and_harmless() -> None:
    shown = show("\x1b[31m\u202e" + "x" * 1000)

    assert shown.isprintable()
    assert len(shown) < 80
