"""Find logins where docker and podman leave them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.errors import (
    ConfigurationError,
    NotaryError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.registry import auth
from jenkins_notary.registry.auth import Login, load_login, parse_challenge

if TYPE_CHECKING:
    from pathlib import Path

HOST = "reg.example:5000"
PAIR = base64.b64encode(b"bob:pass:word").decode()


def login_of(
    folder: Path, config: object, registry: str = HOST, **environment: str
) -> Login | None:
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text)
    return load_login(registry, {"DOCKER_CONFIG": str(folder), **environment})


def add_helper(
    folder: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int = 0
) -> Path:
    """Put a credential helper on PATH; it keeps what it was asked in `asked`."""
    program = folder / "docker-credential-test"
    program.write_text(
        f"#!/bin/sh\necho $1 > {folder}/asked\ncat >> {folder}/asked\n"
        f"cat <<'END'\n{output}\nEND\nexit {code}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "asked"


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        (HOST, HOST),
        (f"https://{HOST}", HOST),
        (f"https://{HOST}/v1/", HOST),
        (f"http://{HOST}/v2", HOST),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_login_is_found_by_each_form_of_its_key(
    tmp_path: Path, key: str, registry: str
) -> None:
    login = login_of(tmp_path, {"auths": {key: {"auth": PAIR}}}, registry)

    assert login is not None
    assert (login.user, login.password) == ("bob", "pass:word")


@pytest.mark.parametrize(
    "key", ["reg.example", "reg.example:5001", "evil-reg.example:5000", f"{HOST}.evil"]
)
def test_login_of_another_registry_is_not_used(tmp_path: Path, key: str) -> None:
    assert login_of(tmp_path, {"auths": {key: {"auth": PAIR}}}) is None


def test_no_secret_is_shown(tmp_path: Path) -> None:
    login = login_of(tmp_path, {"auths": {HOST: {"auth": PAIR}}})

    assert "pass:word" not in repr(login)
    assert login is not None
    assert login.basic == f"Basic {PAIR}"


def test_user_and_password_fields_and_identity_tokens_are_read(tmp_path: Path) -> None:
    plain = {"username": "bob", "password": "pw"}
    token = {"auth": PAIR, "identitytoken": "id"}

    login = login_of(tmp_path, {"auths": {HOST: plain}})
    assert login is not None
    assert (login.user, login.password) == ("bob", "pw")
    login = login_of(tmp_path, {"auths": {HOST: token}})
    assert login is not None
    assert (login.identity_token, login.password) == ("id", "")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"auths": None},
        {"auths": {HOST: {}}},
        {"auths": {HOST: 7}},
        {"auths": {HOST: {"username": "bob"}}},
    ],
    ids=str,
)
def test_file_without_a_login_gives_none(tmp_path: Path, config: object) -> None:
    assert login_of(tmp_path, config) is None


def test_missing_file_gives_none(tmp_path: Path) -> None:
    assert load_login(HOST, {"DOCKER_CONFIG": str(tmp_path / "absent")}) is None
    assert load_login(HOST, {"HOME": str(tmp_path)}) is None


def test_registry_auth_file_goes_first(tmp_path: Path) -> None:
    other = tmp_path / "auth.json"
    pair = base64.b64encode(b"eve:pw").decode()
    other.write_text(json.dumps({"auths": {HOST: {"auth": pair}}}))

    config = {"auths": {HOST: {"auth": PAIR}}}
    login = login_of(tmp_path, config, REGISTRY_AUTH_FILE=str(other))

    assert login is not None
    assert login.user == "eve"


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "[]",
        "\x00",
        "[" * 100_000,
        " " * (auth.MAX_CONFIG_BYTES + 1),
        {"auths": {HOST: {"auth": "%%%"}}},
        {"auths": {HOST: {"auth": base64.b64encode(b"bob").decode()}}},
        {"credsStore": "../evil"},
        {"credsStore": "a b"},
        {"credHelpers": {HOST: 7}},
    ],
    ids=lambda value: str(value)[:20],
)
def test_malformed_file_is_a_configuration_fault(
    tmp_path: Path, config: object
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        login_of(tmp_path, config)

    assert PAIR not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [{"credsStore": "test"}, {"credHelpers": {HOST: "test"}, "credsStore": "absent"}],
    ids=["store", "helper"],
)
def test_helper_is_asked_for_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: object
) -> None:
    answer = '{"ServerURL": "x", "Username": "bob", "Secret": "pw"}'
    asked = add_helper(tmp_path, monkeypatch, answer)

    login = login_of(tmp_path, config)

    assert login is not None
    assert (login.user, login.password) == ("bob", "pw")
    assert asked.read_text() == f"get\n{HOST}\n"


def test_helper_may_answer_with_an_identity_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_helper(tmp_path, monkeypatch, '{"Username": "<token>", "Secret": "id"}')

    login = login_of(tmp_path, {"credsStore": "test"})

    assert login is not None
    assert login.identity_token == "id"


def test_helper_without_a_login_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "credentials not found in native keychain"
    add_helper(tmp_path, monkeypatch, answer, 1)
    config = {"credsStore": "test", "auths": {HOST: {"auth": PAIR}}}

    login = login_of(tmp_path, config)

    assert login is not None
    assert login.user == "bob"


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("hunter2", 1, PermissionDeniedError),
        ("hunter2", 0, UnavailableError),
        ('{"Username": "hunter2"}', 0, UnavailableError),
        ("[]", 0, UnavailableError),
    ],
)
def test_failing_helper_is_a_failure_without_its_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    output: str,
    code: int,
    expected: type[NotaryError],
) -> None:
    add_helper(tmp_path, monkeypatch, output, code)

    with pytest.raises(expected) as caught:
        login_of(tmp_path, {"credsStore": "test"})

    assert "hunter2" not in str(caught.value)


def test_helper_that_does_not_answer_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_helper(tmp_path, monkeypatch, "")
    (tmp_path / "docker-credential-test").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(auth, "HELPER_TIMEOUT_S", 0.2)

    with pytest.raises(UnavailableError, match=r"within 0\.2 s"):
        login_of(tmp_path, {"credsStore": "test"})


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        (
            'Bearer realm="https://a.example/t",service="s",scope="repository:a:pull"',
            "bearer",
            {
                "realm": "https://a.example/t",
                "service": "s",
                "scope": "repository:a:pull",
            },
        ),
        (
            'bearer realm="a\\"b" , service=s',
            "bearer",
            {"realm": 'a"b', "service": "s"},
        ),
        ('Basic realm="r"', "basic", {"realm": "r"}),
        ("Basic", "basic", {}),
        ('Negotiate, Basic realm="r"', "basic", {"realm": "r"}),
    ],
)
def test_challenge_is_read(
    header: str, scheme: str, parameters: dict[str, str]
) -> None:
    assert parse_challenge(header) == (scheme, parameters)


@pytest.mark.parametrize("header", ["", "Digest a=b", "xBasic", "Bearer " * 5000])
def test_other_challenge_is_none(header: str) -> None:
    assert parse_challenge(header) is None


@given(st.text(max_size=300))
def test_any_header_is_read_or_none(text: str) -> None:
    challenge = parse_challenge("Bearer " + text)

    assert challenge is None or challenge.scheme in {"bearer", "basic"}
