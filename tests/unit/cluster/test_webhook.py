"""Tests for the webhook's time: what is not judged by then is not let through."""

from __future__ import annotations

import pytest

from jenkins_notary.cluster.webhook import parse_timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("10s", 10.0), ("1s", 1.0)),
        *(("", None), ("s", None), ("10", None), ("1m0s", None), ("-1s", None)),
        *(("1e3s", None), ("\u0661s", None), ("1" * 9 + "s", None)),
    ],
)
def test_only_whole_seconds_of_an_api_server_are_read(
    text: str, seconds: float | None
) -> None:
    assert parse_timeout(text) == seconds
