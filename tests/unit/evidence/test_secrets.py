"""Find secrets wherever chunks are cut, name none, and never slow down."""

from __future__ import annotations

import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.evidence import secrets
from jenkins_notary.evidence.secrets import (
    WINDOW,
    Finding,
    SecretScanner,
    scan_secrets,
)

DRAW = random.Random(7)


def draw(alphabet: str, length: int) -> str:
    """Return random characters: no real secret stands in this file."""
    return "".join(DRAW.choices(alphabet, k=length))


ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
MIXED = "aB3" + draw(ALNUM, 37)
JWT = f"eyJ{draw(ALNUM, 30)}.eyJ{draw(ALNUM, 60)}.{draw(ALNUM, 43)}"
SECRETS = {
    "aws-access-key-id": "id AKIA" + draw("ABCDEFGHXYZ234567", 16),
    "github-token": "ghp_" + draw(ALNUM, 36),
    "gitlab-token": "using glpat-" + draw(ALNUM, 20),
    "slack-token": "xoxb-" + draw(string.digits, 12) + "-" + draw(ALNUM, 20),
    "slack-webhook": "https://hooks.slack.com/services/T0/B0/" + draw(ALNUM, 24),
    "private-key": "-----BEGIN RSA PRIVATE KEY-----",
    "jwt": JWT,
    "jenkins-api-token": "11" + draw(HEX, 32),
    "google-api-key": "AIza" + draw(ALNUM, 35),
    "npm-token": "npm_" + draw(ALNUM, 36),
    "pypi-token": "pypi-AgE" + draw(ALNUM, 60),
    "docker-token": "dckr_pat_" + draw(ALNUM, 27),
    "stripe-key": "sk_live_" + draw(ALNUM, 24),
    "url-credentials": "git clone https://bot:" + MIXED + "@git.example.com/a.git",
    "password": "DB_PASSWORD=hunter2!",
    "secret": "client_secret: '" + MIXED + "'",
    "authorization-header": "Authorization: Basic " + draw(ALNUM, 20),
    "high-entropy-assignment": "//registry.example/:_auth=" + MIXED,
}


def find(text: str) -> list[Finding]:
    """Return what is found in a text."""
    return list(scan_secrets([text.encode()]))


@pytest.mark.parametrize(("kind", "text"), SECRETS.items(), ids=list(SECRETS))
def test_each_kind_is_found_with_its_line(kind: str, text: str) -> None:
    assert Finding(3, kind) in find(f"one\ntwo\nsee {text} there\nfour\n")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("aws-access-key-id", "ASIA" + draw("ABCDEFGHXYZ234567", 16)),
        ("github-token", "github_pat_" + draw(ALNUM, 60)),
        ("github-token", "ghs_" + draw(ALNUM, 36)),
        ("gitlab-token", "glrt-" + draw(ALNUM, 20)),
        ("slack-token", "xapp-1-" + draw(ALNUM, 30)),
        ("private-key", "-----BEGIN PRIVATE KEY-----"),
        ("private-key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("private-key", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
        ("password", 'password = "changeit1"'),
        ("password", '{"passwd": "Tr0ub4dor"}'),
        ("password", "KEYSTORE_PASSPHRASE='correct horse battery'"),
        ("password", "MYSQL_PWD=s3cr3t99"),
        ("password", "export DB_PASS=s3cr3t99"),
        ("password", "--password=s3cr3t99 --user=x"),
        ("password", "PassWord:s3cr3t99"),
        ("secret", f"AWS_SECRET_ACCESS_KEY={MIXED}"),
        ("secret", f"api-key: {MIXED}"),
        ("secret", f"AccountKey={MIXED};Endpoint=x"),
        ("secret", f'"token" => "{MIXED}"'),
        ("secret", f"NPM_TOKEN={MIXED}"),
        ("secret", f"DEPLOY_KEY={MIXED}"),
        ("secret", f"credential_value={MIXED}"),
        ("authorization-header", f"authorization: Bearer {MIXED}"),
        ("url-credentials", "postgres://app:s3cr3t99@db:5432/x"),
    ],
)
def test_other_spellings_are_found(kind: str, text: str) -> None:
    assert Finding(1, kind) in find(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "sha256:" + "11" + "0123456789abcdef" * 4,
        "Tests passed: 120, failed: 0",
        "password: ****",
        "password=********",
        "PASSWORD=${DB_PASSWORD}",
        "PASSWORD=$DB_PASSWORD",
        "set PASSWORD=%DB_PASSWORD%",
        "password: <hidden>",
        "password = null",
        "password: must be at least 8 characters",
        "Enter password:",
        "token: identifier",
        "SyntaxError: Unexpected token: }",
        "token=${{ secrets.TOKEN }}",
        "Cache key: linux-node-modules-8f14e45fceea167a5a36dedd4bea2543",
        "key=value",
        "monkey=aB3dEfGh1jKlMnOpQrStUvWxYz",
        "https://git.example.com/a.git",
        "https://x-access-token:***@github.com/a",
        "https://user@git.example.com/a.git",
        "http://host:8080/a@b",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "eyJhbGciOi",
        "AKIAIOSFODNN",
        "ghp_short",
        "integrity sha512-" + draw(ALNUM, 86) + "==",
        "a-11" + "0" * 31,
        "secret: aaaaaaaa1",
        "_auth = plain words here",
    ],
)
def test_what_is_no_secret_is_not_reported(text: str) -> None:
    assert find(text) == []


def test_a_finding_never_holds_the_value() -> None:
    text = "\n".join(SECRETS.values())

    assert all(
        len(finding.kind) < 25 and finding.kind in {*SECRETS} for finding in find(text)
    )


def test_findings_come_in_order_and_each_kind_once_a_line() -> None:
    token = SECRETS["github-token"]

    assert find(f"{token} {token}\n{token}\n\n{SECRETS['private-key']} {token}\n") == [
        Finding(1, "github-token"),
        Finding(2, "github-token"),
        Finding(4, "private-key"),
        Finding(4, "github-token"),
    ]


TEXT = "\n".join(
    f"{'.' * (n * 7 % 90)} {one} end" for n, one in enumerate(SECRETS.values())
)


@pytest.mark.parametrize("window", [8 << 10, (8 << 10) + 1, 9000])
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_secrets_are_found_wherever_the_text_is_cut(
    monkeypatch: pytest.MonkeyPatch, window: int, size: int
) -> None:
    data = "\n".join([TEXT, "x" * 7000, TEXT, "y" * 9000 + TEXT, TEXT]).encode()
    whole = list(scan_secrets([data]))
    monkeypatch.setattr(secrets, "WINDOW", window * 2)
    cut = [data[at : at + size] for at in range(0, len(data), size)]

    assert list(scan_secrets(cut)) == whole
    assert len(whole) > 4 * len(SECRETS) - 5


@pytest.mark.parametrize("kind", list(SECRETS))
def test_a_secret_across_two_windows_is_found(kind: str) -> None:
    secret = SECRETS[kind].encode()
    for before in range(1, len(secret) + 60, 5):
        text = b"\n" * (WINDOW - before - 1) + b" " + secret + b" \n" + b"." * WINDOW
        found = list(scan_secrets([text]))

        assert Finding(WINDOW - before, kind) in found
        assert len(found) == len(set(found))


def test_a_long_run_is_no_secret_where_a_window_cuts_it() -> None:
    run = b"11" + b"0123456789abcdef" * 100_000

    assert list(scan_secrets([run])) == []


def test_settled_findings_come_while_the_text_streams() -> None:
    scanner = SecretScanner()
    early = scanner.feed(SECRETS["github-token"].encode() + b"\n" + b"." * WINDOW)

    assert early == [Finding(1, "github-token")]
    assert scanner.finish() == []


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_scanned(chunks: list[bytes]) -> None:
    assert list(scan_secrets(chunks)) == list(scan_secrets([b"".join(chunks)]))


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "=", "-", "e", " ", "eyJ", ".eyJaaaaaaaaaa", "password", "password=",
     "token=", "_key=aB3dE", "://a:", "://", "AKIA", "11", "-----BEGIN A ",
     "authorization: basic ", "secret=x1y2z3w4v5u6 ", "_auth:=\"'", "gl", "xoxb-"],
)  # fmt: skip
def test_a_hostile_line_is_scanned_in_linear_time(unit: str) -> None:
    def measure(size: int) -> float:
        chunk = (unit.encode() * (WINDOW // len(unit) + 1))[:WINDOW]
        before = time.process_time()
        for _ in scan_secrets([chunk] * (size // WINDOW)):
            pass
        return time.process_time() - before

    # Twice the text takes about twice the time; quadratic would be four times.
    short, long = measure(2 << 20), measure(8 << 20)

    assert long < 10 * short + 0.5


def test_a_line_of_fifty_megabytes_is_scanned_at_speed() -> None:
    before = time.process_time()

    assert list(scan_secrets([b"a" * WINDOW] * 200)) == []
    assert time.process_time() - before < 10
