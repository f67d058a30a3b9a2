"""Judge URLs before they are asked, and keep secrets out of names."""

from __future__ import annotations

import pytest

from jenkins_notary.assets.urls import check_url, clean_url
from jenkins_notary.errors import UsageError


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://repo.example/a", ()),
        ("https://repo.example:8443/a?b=c", ()),
        ("http://repo.example/a", ("repo.example",)),
        ("http://repo.example:8080/a", ("repo.example:8080",)),
        ("http://repo.example/a", ("repo.example:80",)),
        ("http://[::1]:5000/a", ("[::1]:5000",)),
    ],
)
def test_url_that_may_be_asked(url: str, plain: tuple[str, ...]) -> None:
    check_url(url, plain)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://repo.example/a", ()),
        ("http://repo.example/a", ("other.example",)),
        ("http://repo.example:81/a", ("repo.example:80",)),
        ("http://repo.example.evil/a", ("repo.example",)),
        ("ftp://repo.example/a", ()),
        ("file:///etc/passwd", ()),
        ("https://", ()),
        ("https:///a", ()),
        ("https://repo.example:99999/a", ()),
        ("https://repo.example:x/a", ()),
        ("https://[::1/a", ()),
        ("https://repo.example/a b", ()),
        ("https://repo.example/a\r\nHost: evil", ()),
        ("https://repo.example\\@evil.example/a", ()),
        ("https://rep\u00f6.example/a", ()),
        ("https://repo.example/" + "a" * 9000, ()),
    ],
)
def test_url_that_may_not_be_asked(url: str, plain: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        check_url(url, plain)


@pytest.mark.parametrize(
    "url",
    [
        "http://bob:hunter2@repo.example/a?token=hunter2#hunter2",
        "https://bob:hunter2@repo.example:x/a?hunter2",
        "https://bob:hunter2@/a",
    ],
)
def test_message_about_a_url_shows_no_secret(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_url(url, ())

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in clean_url(url)
