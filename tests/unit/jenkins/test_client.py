"""What the client makes of builds, artifacts and the controller's identity."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import NotFoundError, UnavailableError, UsageError
from jenkins_notary.jenkins.client import BUILD_TREE
from tests.parts.jenkins import VERSION

if TYPE_CHECKING:
    from tests.unit.jenkins.jenkins_stand_in import Lab


def test_the_identity_is_the_hash_of_the_instances_key(lab: Lab) -> None:
    lab.jenkins.identity = base64.b64encode(b"a key in DER").decode()
    controller = lab.client.controller()

    assert controller.identity == hashlib.sha256(b"a key in DER").hexdigest()
    assert controller.version == VERSION
    assert controller.url == lab.jenkins.url


@pytest.mark.parametrize("identity", [None, "", "not base64!", "AAA", "\xe9"])
def test_an_identity_that_is_none_is_none(lab: Lab, identity: str | None) -> None:
    lab.jenkins.identity = identity

    assert lab.client.controller().identity is None


@pytest.mark.parametrize("status", [403, 404])
def test_a_sign_in_page_that_is_closed_gives_no_identity(lab: Lab, status: int) -> None:
    lab.jenkins.fail("login", status=status)

    assert lab.client.controller().identity is None


def test_a_version_is_shown_without_control_characters(lab: Lab) -> None:
    lab.jenkins.fail("api/json", headers={"X-Jenkins": "2\x1b[31m" + "9" * 100})
    version = lab.client.controller().version

    assert version.isprintable()
    assert len(version) < 60


def test_persons_are_not_asked_for(lab: Lab) -> None:
    lab.main.builds[1].commits = ["a" * 40]
    build = lab.client.build("main", 1)

    assert "author" not in BUILD_TREE
    assert "culprits" not in BUILD_TREE
    assert build["changeSet"]["items"] == [
        {
            "_class": "hudson.plugins.git.GitChangeSet",
            "commitId": "a" * 40,
            "timestamp": lab.main.builds[1].timestamp,
        }
    ]


def test_a_secret_parameter_comes_without_a_value(lab: Lab) -> None:
    lab.main.builds[1].parameters = [
        {"_class": "hudson.model.StringParameterValue", "name": "A", "value": "1"},
        {"_class": "hudson.model.PasswordParameterValue", "name": "B"},
    ]
    actions = lab.client.build("main", 1)["actions"]

    assert next(one for one in actions if "parameters" in one)["parameters"] == [
        {"_class": "hudson.model.StringParameterValue", "name": "A", "value": "1"},
        {"_class": "hudson.model.PasswordParameterValue", "name": "B"},
    ]


def test_another_builds_json_is_not_taken(lab: Lab) -> None:
    lab.jenkins.fail("api/json", swap=b'{"number": 2}')

    with pytest.raises(UnavailableError, match="expected this build's JSON"):
        lab.client.build("main", 1)


@pytest.mark.parametrize(
    "path",
    [
        "a.txt",
        "target/app-1.0 (final).jar",
        "a%2Fb/%41.txt",
        "weird ?#&;=+'\"$(x)`.bin",
        "\u202eabc/\u00fc\u4e2d.txt",
        "new\nline\t\x1b.txt",
        "x" * 300,
        ".hidden/...",
    ],
)
def test_an_artifact_of_any_name_is_read(lab: Lab, path: str) -> None:
    lab.main.builds[1].artifacts = {path: b"content\r\n\xff", "other": b""}

    assert lab.client.build("main", 1)["artifacts"][0]["relativePath"] == path
    with lab.client.artifact("main", 1, path) as stream:
        assert stream.read() == b"content\r\n\xff"


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../log", "a/../../b", "a//b", "a/.", "a\\b", "a\0b"]
)
def test_a_path_out_of_the_artifacts_is_not_asked(lab: Lab, path: str) -> None:
    with pytest.raises(UsageError, match="a relative path without"):
        lab.client.artifact("main", 1, path)
    assert lab.client.requests == 0


def test_a_sign_in_page_is_not_an_artifact_unless_it_is_a_page(lab: Lab) -> None:
    lab.main.builds[1].artifacts = {"page.html": b"<p>", "a.jar": b"PK"}
    page = {"status": 200, "body": b"<p>"}
    lab.jenkins.fail("artifact/a.jar", **page)

    with pytest.raises(UnavailableError, match="got a web page"):
        lab.client.artifact("main", 1, "a.jar")
    with lab.client.artifact("main", 1, "page.html") as stream:
        assert stream.read() == b"<p>"


@pytest.mark.parametrize("name", ["../x", "a//b", "", ".", "a#1", "a?b", "a\nb", "a:b"])
def test_a_name_that_is_none_is_not_asked(lab: Lab, name: str) -> None:
    for ask in (
        lambda: lab.client.build(name, 1),
        lambda: lab.client.console(name, 1),
        lambda: lab.client.console_part(name, 1, 0),
        lambda: lab.client.artifact(name, 1, "a"),
        lambda: lab.client.stages(name, 1),
        lambda: lab.client.test_report(name, 1),
        lambda: lab.client.builds(name, first=1, last=1),
    ):
        with pytest.raises(UsageError):
            ask()
    assert lab.client.requests == 0


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null"])
def test_a_test_report_of_another_shape_is_unavailable(lab: Lab, body: bytes) -> None:
    lab.main.builds[1].tests = (0, 0, 1)
    lab.jenkins.fail("testReport", swap=body)

    with pytest.raises(UnavailableError, match="expected a JSON object"):
        lab.client.test_report("main", 1)


def test_a_message_shows_a_hostile_name_on_one_line(lab: Lab) -> None:
    name = "\u202egnp\u2066.exe\u00a0" + "x" * 400

    with pytest.raises(NotFoundError) as caught:
        lab.client.build(name, 1)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
