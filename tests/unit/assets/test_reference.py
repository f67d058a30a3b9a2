"""Parse image references strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.assets.reference import ImageReference, parse_reference
from jenkins_notary.errors import UsageError

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpine", ("docker.io", "library/alpine", "latest", None)),
        ("alpine:3.20", ("docker.io", "library/alpine", "3.20", None)),
        ("team/app", ("docker.io", "team/app", "latest", None)),
        ("docker.io/alpine", ("docker.io", "library/alpine", "latest", None)),
        ("index.docker.io/t/a", ("docker.io", "t/a", "latest", None)),
        ("localhost/app:1", ("localhost", "app", "1", None)),
        ("localhost:5000/app", ("localhost:5000", "app", "latest", None)),
        ("reg.example/a/b/c:1", ("reg.example", "a/b/c", "1", None)),
        ("127.0.0.1:5000/a", ("127.0.0.1:5000", "a", "latest", None)),
        ("[::1]:5000/a", ("[::1]:5000", "a", "latest", None)),
        ("REG/app", ("REG", "app", "latest", None)),
        (f"reg.example/a@{DIGEST}", ("reg.example", "a", None, DIGEST)),
        (f"reg.example/a:1@{DIGEST}", ("reg.example", "a", "1", DIGEST)),
        ("reg.example/a_b__c-d--e.f", ("reg.example", "a_b__c-d--e.f", "latest", None)),
    ],
)
def test_reference_has_parts_with_defaults_filled_in(
    text: str, expected: tuple[str, str, str | None, str | None]
) -> None:
    assert parse_reference(text) == ImageReference(*expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":",
        "@",
        "/",
        "app:",
        "app@",
        "app@sha256:12",
        "app@" + DIGEST.upper(),
        "app@sha512:" + "a" * 128,
        f"app@{DIGEST}@{DIGEST}",
        "App",
        "reg.example/App",
        "reg.example//app",
        "reg.example/app/",
        "/app",
        "reg.example/../app",
        "reg.example/a/./b",
        "reg.example/a___b",
        "reg.example/-a",
        "reg.example/a?b=c",
        "reg.example/a#b",
        "reg.example/a%2fb",
        "reg.example/a b",
        "reg.example/a\n",
        "reg.example/a:1\n",
        "reg.example/a:" + "x" * 129,
        "reg.example/a:.x",
        "user:pw@reg.example/a",
        "user@reg.example/a",
        "https://reg.example/a",
        "reg.example:0/a",
        "reg.example:99999/a",
        "reg.example:abc/a",
        "-reg.example/a",
        "reg..example/a",
        "reg.example\\evil/a",
        "réG.example/a",
        "reg.example/ä",
        "-v",
        "--help",
        "reg.example/" + "a" * 250,
    ],
)
def test_reference_outside_of_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="image reference"):
        parse_reference(text)


@given(st.text(max_size=80))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except UsageError:
        return

    assert parse_reference(str(reference)) == reference


def test_pinned_reference_has_the_digest_and_no_tag() -> None:
    pinned = parse_reference("reg.example/a:1").pinned(DIGEST)

    assert str(pinned) == f"reg.example/a@{DIGEST}"
    assert pinned.version == DIGEST
