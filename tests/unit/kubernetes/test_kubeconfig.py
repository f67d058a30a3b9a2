"""Tests for how an API server is found, and as whom it is asked."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from jenkins_notary.errors import ConfigurationError, NotaryError, UnavailableError
from jenkins_notary.kubernetes.access import Access, check_server, load_account
from jenkins_notary.kubernetes.kubeconfig import find_access, load_kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://aks.example.com:443"
V1 = "client.authentication.k8s.io/v1"


def write_config(path: Path, **changes: object) -> str:
    """Write a kubeconfig with another cluster, user or context."""
    value: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": URL}}],
        "users": [{"name": "u", "user": {"token": "t0p-s3cret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    for key, change in changes.items():
        value[f"{key}s"][0][key] = change
    file = path / "config"
    file.write_text(yaml.safe_dump(value))
    return str(file)


def write_program(path: Path, text: str) -> None:
    """Write a program of Python that is run by its name."""
    file = path / "login"
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def print_token(token: str, **status: str) -> str:
    """Return a program that prints a token."""
    value = {"apiVersion": V1, "status": {"token": token, **status}}
    return f"print({json.dumps(value)!r})"


def token_of(access: Access, *, is_refused: bool = False) -> str | None:
    """Return the token that is shown next."""
    return access.identity.token(is_refused)


@pytest.mark.parametrize("token", ["s3cret\nt0p", "s3cret\u00e9", " \n"])
def test_a_token_that_no_header_can_hold_is_refused_unseen(
    tmp_path: Path, token: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"a token of one line") as caught:
        load_kubeconfig(write_config(tmp_path, user={"token": token}), None, {})
    assert "s3cret" not in str(caught.value)


def test_a_token_in_a_block_of_yaml_is_taken_without_the_lines_end(
    tmp_path: Path,
) -> None:
    path = write_config(tmp_path, user={"token": "t0p-s3cret\n"})
    assert token_of(load_kubeconfig(path, None, {})) == "t0p-s3cret"


def test_a_token_in_the_file_is_taken(tmp_path: Path) -> None:
    found = load_kubeconfig(write_config(tmp_path), None, {})

    assert (found.url, found.namespace) == (URL, "default")
    assert token_of(found) == "t0p-s3cret"


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    found = load_kubeconfig(
        write_config(tmp_path, user={"tokenFile": "token"}), "x", {}
    )
    first = token_of(found)
    (tmp_path / "token").write_text("second\n")

    assert (first, token_of(found)) == ("first", "second")


def test_nobody_asks_without_a_token(tmp_path: Path) -> None:
    found = load_kubeconfig(write_config(tmp_path, user={}), None, {})

    assert token_of(found) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"cluster": {"server": URL, "insecure-skip-tls-verify": True}},
            "insecure-skip-tls-verify",
            id="unchecked",
        ),
        pytest.param({"cluster": {"server": "http://x"}}, "https://HOST", id="plain"),
        pytest.param({"cluster": {}}, "https://HOST", id="no-server"),
        pytest.param({"context": {"cluster": "other"}}, "'other'", id="no-cluster"),
        pytest.param({"context": {"cluster": "c"}}, "a user 'None'", id="no-user"),
        pytest.param({"user": {"username": "a"}}, "a password", id="password"),
        pytest.param(
            {"user": {"auth-provider": {}}}, "get-credentials", id="auth-provider"
        ),
        pytest.param(
            {"cluster": {"server": URL, "certificate-authority-data": "%"}},
            "base64",
            id="base64",
        ),
        pytest.param(
            {"user": {"client-certificate": "a.pem"}},
            "a certificate and its key",
            id="no-key",
        ),
        pytest.param({"user": {"exec": {"command": 7}}}, "of words", id="exec-words"),
        pytest.param(
            {"user": {"exec": {"command": "x", "apiVersion": "v0"}}},
            f"exec of {V1}",
            id="exec-version",
        ),
    ],
)
def test_what_is_not_done_is_refused_without_a_secret(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_kubeconfig(write_config(tmp_path, **changes), None, {})

    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"- a", b"a: [", b"\xff", b"[" * 5000, b"#" * ((1 << 20) + 1)]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "config").write_bytes(data)

    with pytest.raises(ConfigurationError):
        load_kubeconfig(str(tmp_path / "config"), None, {})


def test_a_program_gives_a_token_until_it_ends(tmp_path: Path) -> None:
    end = "2100-01-01T00:00:00Z"
    write_program(tmp_path, print_token("abc", expirationTimestamp=end))
    variables = [{"name": "A", "value": "b"}]
    spec = {"apiVersion": V1, "command": "./login", "env": variables}
    found = load_kubeconfig(write_config(tmp_path, user={"exec": spec}), None, {})
    first = token_of(found)
    write_program(tmp_path, print_token("def"))

    assert (first, token_of(found)) == ("abc", "abc")
    assert token_of(found, is_refused=True) == "def"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("raise SystemExit(3)", UnavailableError, id="fails"),
        pytest.param("print('{}')", ConfigurationError, id="no-token"),
        pytest.param("print('<html>')", UnavailableError, id="no-json"),
    ],
)
def test_a_program_that_gives_no_token_is_said(
    tmp_path: Path, text: str, kind: type[NotaryError]
) -> None:
    write_program(tmp_path, text)
    spec = {"apiVersion": V1, "command": "./login"}
    found = load_kubeconfig(write_config(tmp_path, user={"exec": spec}), None, {})

    with pytest.raises(kind):
        token_of(found)


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    spec = {"apiVersion": V1, "command": "no-such-program-anywhere"}
    found = load_kubeconfig(write_config(tmp_path, user={"exec": spec}), None, {})

    with pytest.raises(ConfigurationError, match="a program that is installed"):
        token_of(found)


TEXT = base64.b64encode(b"no pem").decode()


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": TEXT, "client-key-data": TEXT},
        {"client-certificate": "config", "client-key": "config"},
    ],
    ids=["data", "files"],
)
def test_certificates_that_are_none_are_said(
    tmp_path: Path, user: dict[str, str]
) -> None:
    found = load_kubeconfig(write_config(tmp_path, user=user), None, {})

    with pytest.raises(ConfigurationError, match="PEM files"):
        found.make_context()


def test_a_named_file_goes_before_the_environment_and_a_pod(tmp_path: Path) -> None:
    named = write_config(tmp_path)
    environ = {"KUBECONFIG": "/none", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    assert find_access(environ, named).url == URL
    assert find_access({"KUBECONFIG": f"{named}{os.pathsep}/x"}).url == URL


def test_the_file_at_home_is_the_last_that_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write_config(tmp_path / ".kube")

    assert find_access({"HOME": str(tmp_path)}).url == URL
    with pytest.raises(ConfigurationError, match="--kubeconfig FILE"):
        find_access({"HOME": str(tmp_path / "nobody")})


def test_a_pod_has_its_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-token")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = find_access(environ, account_folder=str(tmp_path))

    assert (found.url, found.namespace) == ("https://[fd00::1]:6443", "default")
    assert token_of(found) == "pod-token"


def test_an_account_that_is_not_mounted_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the service account's token"):
        load_account({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, str(tmp_path))


def test_a_token_of_several_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\nX-Header: 1")

    with pytest.raises(ConfigurationError, match="one line of plain text") as caught:
        load_account({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, str(tmp_path))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "https://", "https://u:p@x", "https://x?a", "https://x:y", 7]
)
def test_a_server_is_an_https_url(url: object) -> None:
    with pytest.raises(ConfigurationError):
        check_server(url, "server")
