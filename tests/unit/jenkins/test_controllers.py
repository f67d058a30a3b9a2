"""Which controllers are known, and what is wrong with how they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import pytest

from jenkins_notary.errors import AmbiguousError, ConfigurationError, NotaryError
from jenkins_notary.jenkins.access import Access, check_root_url
from jenkins_notary.jenkins.controllers import Controllers, load_controllers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

TWO = """
ci.example.com:
  url: https://ci.example.com
  user: notary
  token-file: {token}
build-2:
  url: https://ci.example.com/second/
  ca-file: /etc/ca.pem
"""


class Options(TypedDict, total=False):
    """What `load_controllers` takes."""

    url: str | None
    user: str | None
    token_file: str | None
    file: str | None
    ca_file: str | None
    plain_http_hosts: Collection[str]
    environ: Mapping[str, str]


def load(**given: object) -> Controllers:
    options: Options = {
        "url": None,
        "user": None,
        "token_file": None,
        "file": None,
        "ca_file": None,
        "plain_http_hosts": (),
        "environ": {},
    }
    options.update(given)  # type: ignore[typeddict-item]  # The tests' own names.
    return load_controllers(**options)


def accesses_of(controllers: Controllers) -> dict[str, Access]:
    return dict(controllers._accesses)


def test_one_controller_comes_from_options_and_environment() -> None:
    found = load(
        url="https://CI.example.com:8443/jenkins",
        user="notary",
        environ={"JENKINS_NOTARY_JENKINS_TOKEN": "hunter2"},
        ca_file="ca.pem",
    )

    root = "https://CI.example.com:8443/jenkins/"
    assert found.instances == ["ci.example.com-8443"]
    assert accesses_of(found)["ci.example.com-8443"] == Access(
        "ci.example.com-8443", root, "notary", "hunter2", "ca.pem"
    )


def test_a_token_may_stand_in_a_file_behind_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from file\r\n")
    options = {"url": "https://ci/", "user": "u", "token_file": str(file)}
    of_file = load(**options)
    of_environ = load(**options, environ={"JENKINS_NOTARY_JENKINS_TOKEN": "env"})

    assert accesses_of(of_file)["ci"].token == "from file"
    assert accesses_of(of_environ)["ci"].token == "env"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two\nlines\n", b"\xff", b"x" * 4097, b"a\0b"]
)
def test_a_token_file_without_a_token_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    with pytest.raises(ConfigurationError, match="one line with a token"):
        load(url="https://ci/", user="u", token_file=str(file))


def test_a_token_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load(url="https://ci/", user="u", token_file=str(tmp_path / "none"))


def test_several_controllers_come_from_a_file(tmp_path: Path) -> None:
    token = tmp_path / "ci.token"
    token.write_text("hunter2\n")
    file = tmp_path / "controllers.yaml"
    file.write_text(TWO.format(token=token))
    found = load(file=str(file), ca_file="default.pem")

    assert found.instances == ["build-2", "ci.example.com"]
    assert list(accesses_of(found).values()) == [
        Access(
            "ci.example.com",
            "https://ci.example.com/",
            "notary",
            "hunter2",
            "default.pem",
        ),
        Access("build-2", "https://ci.example.com/second/", ca_file="/etc/ca.pem"),
    ]


def test_a_client_is_chosen_by_instance_and_made_once(tmp_path: Path) -> None:
    file = tmp_path / "controllers.yaml"
    file.write_text("a: {url: https://a/}\nb: {url: https://b/}\n")
    found = load(file=str(file))

    assert found.client("a") is found.client("a")
    assert found.client("a") is not found.client("b")
    with pytest.raises(AmbiguousError, match="got a, b; write the instance"):
        found.client(None)
    with pytest.raises(ConfigurationError, match="Jenkins c: expected one of a, b"):
        found.client("c")


def test_the_only_controller_needs_no_name() -> None:
    found = load(url="https://ci/")

    assert found.client(None) is found.client("ci")


def test_no_controller_is_a_configuration_error() -> None:
    found = load()

    assert found.instances == []
    with pytest.raises(ConfigurationError, match="set JENKINS_NOTARY_JENKINS_URL"):
        found.client(None)


@pytest.mark.parametrize(
    ("user", "token"),
    [("u", None), (None, "t"), ("a:b", "t"), ("a\nb", "t")],
)
def test_half_a_login_is_refused(user: str | None, token: str | None) -> None:
    environ = {"JENKINS_NOTARY_JENKINS_TOKEN": token} if token else {}

    with pytest.raises(ConfigurationError):
        load(url="https://ci/", user=user, environ=environ)


@pytest.mark.parametrize(
    "url",
    [
        "ci.example.com",
        "ftp://ci.example.com/",
        "http://ci.example.com/",
        "https://user:hunter2@ci.example.com/",
        "https://user@ci.example.com/",
        "https://ci.example.com/?token=hunter2",
        "https://ci.example.com/#x",
        "https://ci.example.com/a/../b",
        "https://ci.example.com/%2e%2e/",
        "https:///x",
        "https://ci.example.com:x/",
        "https://ci\n.example.com/",
        "https://[::1/",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_root_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_root_url(url, subject="jenkins-url")
    assert "hunter2" not in str(caught.value)


def test_plain_http_is_for_the_loopback_and_for_hosts_that_are_named() -> None:
    for url in ("http://127.0.0.1:8080/", "http://localhost/ci/", "http://[::1]:1/"):
        assert check_root_url(url, subject="x") == url
    named = check_root_url(
        "http://ci.internal:8080", subject="x", plain_http_hosts=["ci.internal"]
    )

    assert named == "http://ci.internal:8080/"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "a mapping of instance to controller"),
        ("", "a mapping of instance to controller"),
        ("a: [", "plain YAML"),
        ("\xff: \0", "plain YAML"),
        ("a: text", "a mapping with url"),
        ("a: {user: u}", "got no url"),
        ("a: {url: https://a/, token: hunter2}", "a token stands in a file"),
        ("a: {url: https://a/, user: 3}", "texts"),
        ("A B: {url: https://a/}", "an instance of lower-case"),
        ("a: {url: http://a.example.com/}", "got plain http"),
        ("a: {url: https://a/, user: u}", "a user alone"),
    ],
)
def test_a_file_with_a_fault_is_refused_and_shows_no_secret(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "controllers.yaml"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=message) as caught:
        load(file=str(file))
    assert "hunter2" not in str(caught.value)


def test_all_faults_of_a_file_are_told_together(tmp_path: Path) -> None:
    file = tmp_path / "controllers.yaml"
    file.write_text("a: {}\nb: {url: ftp://x}\nc: {url: https://c/}\n")

    with pytest.raises(NotaryError, match="2 faults") as caught:
        load(file=str(file))
    assert caught.value.exit_code == 78


def test_a_file_that_is_missing_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a readable file"):
        load(file=str(tmp_path / "none"))
    file = tmp_path / "long.yaml"
    file.write_text("#" * (1 << 20) + "#")
    with pytest.raises(ConfigurationError, match="at most"):
        load(file=str(file))


def test_an_instance_has_one_controller(tmp_path: Path) -> None:
    file = tmp_path / "controllers.yaml"
    file.write_text("ci: {url: https://other/}\n")

    with pytest.raises(ConfigurationError, match="expected one entry, got two"):
        load(file=str(file), url="https://ci/")


def test_a_login_is_never_shown() -> None:
    access = Access("ci", "https://ci/", "notary", "hunter2")

    assert "hunter2" not in f"{access!r} {access} {[access]}"
