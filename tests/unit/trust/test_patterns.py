from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.trust.patterns import is_match


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("payments", "payments"),
        ("payments/*", "payments/api"),
        ("payments/**", "payments/api/main"),
        ("payments/**", "payments"),
        ("**", "a/b/c"),
        ("**/main", "main"),
        ("**/main", "a/b/main"),
        ("a/**/z", "a/z"),
        ("a/**/b/**/z", "a/b/c/b/d/z"),
        ("a/**/**/z", "a/b/z"),
        ("*.jar", "app-1.0.jar"),
        ("*-*.jar", "app-1.0-2.jar"),
        ("***", "anything"),
        ("", ""),
        ("feature%2F*", "feature%2Fx"),
        ("a[b]?", "a[b]?"),
        ("*é*", "caféx"),
    ],
)
def test_a_pattern_matches(pattern: str, name: str) -> None:
    assert is_match(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("payments", "payments-evil"),
        ("payments/**", "payments-evil/api"),
        ("payments/**", "evil/payments/api"),
        ("payments/*", "payments"),
        ("payments/*", "payments/api/main"),
        ("*", "a/b"),
        ("*.jar", "app.jar.exe"),
        ("*.jar", "app_jar"),
        ("a[b]", "ab"),
        ("payments", "Payments"),
        ("a/**/z", "a/b"),
        ("", "a"),
        ("a", ""),
        ("a/b", "a"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, name: str) -> None:
    assert not is_match(pattern, name)


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_one_segment_matches_as_a_regular_expression_does(
    pattern: str, name: str
) -> None:
    # A segment that is just "**" matches whole segments, one here.
    wanted = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) is not None

    assert is_match(pattern, name) == wanted


def test_a_hostile_name_does_not_cost_more_than_pattern_times_name() -> None:
    start = time.perf_counter()

    assert not is_match("*a" * 100 + "b", "a" * 10_000)
    assert not is_match("**/a/" * 30 + "b", "a/" * 500 + "c")
    assert time.perf_counter() - start < 5
