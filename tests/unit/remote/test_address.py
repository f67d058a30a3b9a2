"""A service is asked only where and how it may be."""

from __future__ import annotations

import pytest

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.remote.address import (
    Proxy,
    ServiceAddress,
    find_proxy,
    parse_service_url,
)

SERVICE = parse_service_url("https://notary.example.com:8443/team/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://notary.example.com", ("https", "notary.example.com", 443, "")),
        ("HTTPS://Notary.Example.com/", ("https", "notary.example.com", 443, "")),
        ("https://n.example.com:8443/a/b/", ("https", "n.example.com", 8443, "/a/b")),
        ("https://[::1]:1/x", ("https", "::1", 1, "/x")),
        ("http://localhost:80", ("http", "localhost", 80, "")),
        ("http://127.9.9.9", ("http", "127.9.9.9", 80, "")),
    ],
)
def test_url_is_read(text: str, expected: tuple[str, str, int, str]) -> None:
    address = parse_service_url(text)

    assert address == ServiceAddress(*expected)
    assert parse_service_url(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "https://",
        "https://user:s3cret@notary.example.com",
        "https://notary.example.com?x=1",
        "https://notary.example.com/#a",
        "https://notary.example.com/a b",
        "https://notary.example.com/%2e%2e",
        "https://notary.example.com:0",
        "https://notary.example.com:65536",
        "https://notary.example.com:99999",
        "https://notary.example.com\r\nX: y",
        "https://n\u00f6tary.example.com",
        "https://[::1",
        "ftp://notary.example.com",
    ],
)
def test_other_forms_are_refused_and_no_password_is_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_service_url(text)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["notary.example.com", "127.0.0.1.example.com", "1270.0.0.1", "[::2]"]
)
def test_plain_http_needs_to_be_allowed_by_name(host: str) -> None:
    with pytest.raises(ConfigurationError, match="--plain-http"):
        parse_service_url(f"http://{host}:8080", ["other.example.com", f"{host}:80"])

    assert parse_service_url(f"http://{host}:8080", [f"{host.upper()}:8080"])
    assert parse_service_url(f"http://{host}:8080", [host])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy.example.com:3128", Proxy("proxy.example.com", 3128, None)),
        ("proxy.example.com:3128/", Proxy("proxy.example.com", 3128, None)),
        ("http://[::1]", Proxy("::1", 80, None)),
        ("http://me:p%40ss@proxy:1", Proxy("proxy", 1, "Basic bWU6cEBzcw==")),
    ],
)
def test_proxy_is_read(text: str, expected: Proxy) -> None:
    for variable in ("https_proxy", "HTTPS_PROXY"):
        assert find_proxy(SERVICE, {variable: text}) == expected


@pytest.mark.parametrize(
    "text", ["https://proxy:1", "socks5://proxy:1", "http://proxy:0", "a b", "http://"]
)
def test_other_proxies_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        find_proxy(SERVICE, {"https_proxy": text})


@pytest.mark.parametrize(
    "direct",
    [
        "*",
        "notary.example.com",
        ".example.com",
        "example.com",
        "a, Notary.Example.com:8443",
        "a b example.com",
    ],
)
def test_named_hosts_need_no_proxy(direct: str) -> None:
    environ = {"https_proxy": "http://proxy:1", "no_proxy": direct}

    assert find_proxy(SERVICE, environ) is None


@pytest.mark.parametrize("direct", ["", "ple.com", "notary.example.com:1", "other"])
def test_other_hosts_need_it(direct: str) -> None:
    environ = {"https_proxy": "http://proxy:1", "NO_PROXY": direct}

    assert find_proxy(SERVICE, environ) is not None


def test_plain_http_goes_by_no_proxy() -> None:
    environ = {"https_proxy": "http://proxy:1", "http_proxy": "http://proxy:1"}

    assert find_proxy(parse_service_url("http://localhost"), environ) is None
