"""The URL of a ledger in immudb."""

from __future__ import annotations

import pytest

from jenkins_notary.engines.immudb.url import parse_url
from jenkins_notary.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("immudb://db.example.com:3999/n", ("db.example.com", 3999, "n", ())),
        ("immudb://db.example.com", ("db.example.com", 3322, "defaultdb", ())),
        ("immudb://[::1]:1/a_1", ("::1", 1, "a_1", ())),
        ("immudb://a:1,[::2]:2,c/n", ("a", 1, "n", (("::2", 2), ("c", 3322)))),
    ],
)
def test_a_url_names_servers_and_database(
    text: str, parsed: tuple[str, int, str, tuple[tuple[str, int], ...]]
) -> None:
    assert parse_url(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "immudb://user:secret@db.example.com/payments",
        "immudb://user@db.example.com/payments",
        "immudb:///payments",
        "immudb://db.example.com/../x",
        "immudb://db.example.com/A",
        "immudb://db.example.com/a?b=secret",
        "immudb://db.example.com:99999/a",
        "immudb://[::1/a",
        "immudb://a,/n",
        "immudb://a,secret@b/n",
        "immudb://a,a:3322/n",
        f"immudb://{','.join('abcdefghi')}/n",
        "http://db.example.com/a",
    ],
)
def test_any_other_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(text)

    assert "secret" not in str(caught.value)
    assert "immudb://HOST" in str(caught.value)
