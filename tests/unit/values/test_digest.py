"""Parse digests as people write them, and no other text."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import UsageError
from jenkins_notary.values.digest import (
    digest_hex,
    format_digest,
    is_hex_digest,
    parse_digest,
)

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text", [HEX, f"sha256:{HEX}", f"SHA256:{HEX.upper()}", f"  {HEX}\n"]
)
def test_every_spelling_gives_the_one_form(text: str) -> None:
    assert parse_digest(text) == f"sha256:{HEX}"


def test_format_and_hex_are_inverse() -> None:
    assert digest_hex(format_digest(HEX)) == HEX


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        HEX[1:],
        HEX + "0",
        f"sha512:{HEX}",
        f"sha256:sha256:{HEX}",
        f"sha256: {HEX}",
        f"g{HEX[1:]}",
        f"{HEX[:63]}\u0661",
        f"{HEX[:63]}\uff11",
        f"../{HEX[3:]}",
        HEX[:32] + "\n" + HEX[32:],
    ],
)
def test_another_text_is_no_digest(text: str) -> None:
    with pytest.raises(UsageError, match="sha256: and 64 hex digits"):
        parse_digest(text)


@pytest.mark.parametrize("value", [None, 7, b"a" * 64, [HEX], HEX.upper(), HEX + "\n"])
def test_only_lower_case_text_is_a_hex_digest(value: object) -> None:
    assert not is_hex_digest(value)


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(UsageError) as caught:
        parse_digest("z" * 10_000)

    assert len(str(caught.value)) < 200
