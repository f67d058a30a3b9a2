"""The traps of python-jenkins and requests, each set and not fallen into."""

from __future__ import annotations

import http.server
import json
import logging
from typing import TYPE_CHECKING

import pytest
import requests

from jenkins_notary.errors import ConfigurationError, UnavailableError
from jenkins_notary.jenkins.access import Access
from jenkins_notary.jenkins.client import JenkinsClient
from tests.parts.jenkins import TOKEN, USER, serve_jenkins
from tests.parts.registry import Authority, serve_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.jenkins import StandIn
    from tests.unit.jenkins.jenkins_stand_in import Lab


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[StandIn, Path]]:
    """Return a stand-in that speaks TLS, and its authority's file."""
    authority = Authority()
    ca_file = authority.write(tmp_path)
    certificate, key = authority.issue(tmp_path, "server")
    with serve_jenkins(tls=(str(certificate), str(key))) as jenkins:
        jenkins.add_job("main").add_build()
        yield jenkins, ca_file


def test_extra_headers_of_the_environment_are_neither_sent_nor_logged(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("JENKINS_API_EXTRA_HEADERS", "X-Secret: hunter2")
    with caplog.at_level(logging.DEBUG):
        lab.make_client().build("main", 1)

    assert "x-secret" not in lab.jenkins.requests[-1].headers
    assert "hunter2" not in caplog.text


def test_certificates_are_checked_whatever_pythonhttpsverify_says(
    secured: tuple[StandIn, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    client = JenkinsClient(Access("ci", secured[0].url, USER, TOKEN))

    with pytest.raises(UnavailableError, match="a certificate that is trusted here"):
        client.build("main", 1)
    assert client.requests == 1
    assert secured[0].requests == []


def test_a_private_authority_is_trusted_when_named(
    secured: tuple[StandIn, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    jenkins, ca_file = secured
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/dev/null")
    access = Access("ci", jenkins.url, USER, TOKEN, str(ca_file))

    assert JenkinsClient(access).build("main", 1)["number"] == 1


def test_a_ca_file_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    for path in (bad, tmp_path / "none.pem"):
        with pytest.raises(ConfigurationError, match="CA file"):
            JenkinsClient(Access("ci", "https://ci.example.com/", ca_file=str(path)))


def test_no_login_comes_from_netrc(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {TOKEN}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    lab.jenkins.login = None
    lab.make_client(Access("ci", lab.jenkins.url)).build("main", 1)
    lab.make_client(Access("ci", lab.jenkins.url, "other", "token")).build("main", 1)

    sent = [one.headers.get("authorization") for one in lab.jenkins.requests]
    assert sent[0] is None
    assert sent[1] == "Basic b3RoZXI6dG9rZW4="


def test_no_cookie_is_kept(lab: Lab) -> None:
    lab.client.controller()
    lab.client.build("main", 1)

    assert "/login" in lab.jenkins.paths()
    assert not [one for one in lab.jenkins.requests if "cookie" in one.headers]


def test_no_other_way_to_log_in_is_tried(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kerberos:
        HTTPKerberosAuth = object

    monkeypatch.setattr("jenkins.requests_kerberos", Kerberos)

    assert lab.make_client().build("main", 1)["number"] == 1
    assert len(lab.jenkins.requests) == 1


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"number": 1}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serve_http(Proxy) as base:
        monkeypatch.setenv("HTTP_PROXY", base)
        access = Access("ci", "http://ci.example.com/", USER, TOKEN)
        JenkinsClient(access).build("main", 1)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    assert asked[0].startswith("http://ci.example.com/job/main/1/api/json?")


def test_what_python_jenkins_reads_by_itself_is_bounded_and_tried_again(
    lab: Lab,
) -> None:
    lab.main.builds[1].tests = (1, 2, 5)
    lab.jenkins.fail("testReport", status=503, times=2)

    report = lab.client.test_report("main", 1)

    assert report is not None
    assert {**report, "suites": None} == {
        "_class": "hudson.tasks.junit.TestResult",
        "duration": 0.25,
        "empty": False,
        "failCount": 1,
        "passCount": 2,
        "skipCount": 2,
        "suites": None,
    }
    assert report["suites"][0]["cases"][0]["status"] == "FAILED"
    assert lab.client.requests == 3
    lab.jenkins.fail("testReport", status=200, body=b"<html>sign in")
    with pytest.raises(UnavailableError, match="Jenkins' JSON"):
        lab.client.test_report("main", 1)


def test_of_a_very_long_test_report_the_counts_are_asked_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jenkins_notary.jenkins.transport.MAX_JSON_BYTES", 1000)
    lab.main.builds[1].tests = (0, 0, 5000)

    report = lab.client.test_report("main", 1)

    assert report is not None
    assert report["passCount"] == 5000
    assert "suites" not in report
    assert lab.client.requests == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example.com/api/json",
        "{root}../other/api/json",
        "http://127.0.0.1:1/ci/api/json",
    ],
)
def test_not_even_python_jenkins_asks_beyond_the_root(lab: Lab, url: str) -> None:
    plumbing = lab.client._transport.plumbing
    request = requests.Request("GET", url.format(root=lab.jenkins.url))

    with pytest.raises(UnavailableError, match="expected a URL below"):
        plumbing.jenkins_open(request)
    assert lab.jenkins.requests == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("main", "job/main/"),
        ("a/b/c", "job/a/job/b/job/c/"),
        ("mb/feature%2Fx", "job/mb/job/feature%252Fx/"),
        ("a b/$(id)`'&", "job/a%20b/job/%24%28id%29%60%27%26/"),
        ("job/view", "job/job/job/view/"),
        ("\u202eabc\u00fc", "job/%E2%80%AEabc%C3%BC/"),
        (";a=b,@!~", "job/%3Ba%3Db%2C%40%21~/"),
        ("x" * 300, f"job/{'x' * 300}/"),
    ],
)
def test_a_name_stays_within_its_segments_of_the_url(
    lab: Lab, name: str, path: str
) -> None:
    lab.jenkins.add_job(name).add_build()

    assert lab.client.build(name, 1)["number"] == 1
    assert lab.jenkins.paths()[-1] == f"/{path}1/api/json"
