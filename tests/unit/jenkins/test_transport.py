"""A controller that is slow, busy, broken, or not Jenkins at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.jenkins import transport
from jenkins_notary.jenkins.access import Access
from tests.parts.jenkins import serve_jenkins
from tests.parts.registry import free_port

if TYPE_CHECKING:
    from tests.unit.jenkins.jenkins_stand_in import Lab


def test_every_request_is_a_get_with_login_and_without_crumb(lab: Lab) -> None:
    lab.client.controller()
    list(lab.client.jobs("*"))
    list(lab.client.builds("main", first=1, last=1))
    lab.read_log()
    lab.client.test_report("main", 1)
    lab.client.stages("main", 1)

    assert {one.method for one in lab.jenkins.requests} == {"GET"}
    assert all("authorization" in one.headers for one in lab.jenkins.requests)
    assert not [one for one in lab.jenkins.paths() if "crumb" in one]
    assert len(lab.jenkins.requests) == lab.client.requests == 7


def test_one_connection_serves_many_requests(lab: Lab) -> None:
    lab.add_many(3)
    for number in (1, 2, 3):
        lab.client.build("many", number)
        lab.read_log("many", number)

    assert len({one.port for one in lab.jenkins.requests}) == 1


def test_every_json_is_asked_for_with_a_tree(lab: Lab) -> None:
    lab.jenkins.add_job("a/b/c").add_build(tests=(0, 0, 1))
    list(lab.client.jobs("*"))
    list(lab.client.builds("a/b/c", first=1, last=9))
    lab.client.build("a/b/c", 1)
    lab.client.test_report("a/b/c", 1)
    lab.client.controller()
    asked = [one for one in lab.jenkins.requests if one.path.endswith("api/json")]

    assert len(asked) == 7
    assert all(one.query.get("tree") for one in asked)
    assert all("{" in one.query["tree"] for one in asked if "allBuilds" in one.query)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again_with_growing_pauses(
    lab: Lab, status: int
) -> None:
    lab.jenkins.fail("api/json", status=status, times=3)

    assert lab.client.build("main", 1)["number"] == 1
    assert lab.pauses == [0.5, 1.0, 2.0]
    assert lab.client.requests == 4


def test_a_fault_that_stays_is_unavailable_after_four_attempts(lab: Lab) -> None:
    lab.jenkins.fail(status=503)

    with pytest.raises(UnavailableError, match="got HTTP 503, 4 times"):
        lab.client.build("main", 1)
    with pytest.raises(UnavailableError, match="got HTTP 503, 4 times"):
        lab.client.console("main", 1)
    assert len(lab.jenkins.requests) == lab.client.requests == 8


@pytest.mark.parametrize(
    ("value", "pause_s"),
    [
        ("7", 7.0),
        ("3600", 20.0),
        ("Tue, 14 Nov 2023 22:13:29 GMT", 9.0),
        ("Tue, 14 Nov 2000 22:13:29 GMT", 0.5),
        ("-5", 0.5),
        ("soon", 0.5),
        ("9" * 5000, 0.5),
    ],
)
def test_retry_after_is_heeded_within_bounds(
    lab: Lab, value: str, pause_s: float
) -> None:
    lab.jenkins.fail(status=503, headers={"Retry-After": value}, times=1)
    lab.client.build("main", 1)

    assert lab.pauses == [pause_s]


@pytest.mark.parametrize("status", [400, 410, 414, 418, 501])
def test_another_status_is_unavailable_at_once(lab: Lab, status: int) -> None:
    lab.jenkins.fail(status=status)

    with pytest.raises(UnavailableError, match=f"got HTTP {status}"):
        lab.client.build("main", 1)
    assert lab.client.requests == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told_from_a_fault_and_names_the_user(
    lab: Lab, status: int
) -> None:
    lab.jenkins.fail(status=status)

    with pytest.raises(PermissionDeniedError) as caught:
        lab.client.build("main", 1)
    assert f"got HTTP {status} for user notary" in str(caught.value)
    assert "docs/jenkins-access.md" in str(caught.value)
    assert str(lab.access.token) not in str(caught.value)
    assert lab.client.requests == 1


def test_a_job_that_may_not_be_seen_is_not_found(lab: Lab) -> None:
    lab.main.denied = 404

    with pytest.raises(NotFoundError, match="may not see a job"):
        lab.client.build("main", 1)


def test_a_time_out_is_tried_again_and_then_unavailable(lab: Lab) -> None:
    client = lab.make_client(read_s=0.2)
    lab.jenkins.fail("main/1/api", hang=True, times=1)
    assert client.build("main", 1)["number"] == 1

    lab.jenkins.fail("consoleText", hang=True)
    with pytest.raises(UnavailableError, match="got a time-out, 4 times"):
        client.console("main", 1)


def test_no_server_is_unavailable() -> None:
    from jenkins_notary.jenkins.client import JenkinsClient

    url = f"http://127.0.0.1:{free_port()}/"
    pauses: list[float] = []
    settings = transport.HttpSettings(pause=pauses.append)
    client = JenkinsClient(Access("ci", url), settings=settings)

    with pytest.raises(UnavailableError, match="got no connection, 4 times"):
        client.build("main", 1)
    assert len(pauses) == 3


def test_a_json_body_that_breaks_off_is_read_again(lab: Lab) -> None:
    lab.jenkins.fail("api/json", cut=100, times=2)

    assert lab.client.build("main", 1)["number"] == 1
    assert lab.client.requests == 3

    lab.jenkins.fail("api/json", cut=100)
    with pytest.raises(UnavailableError, match=r"a break after .* bytes, 4 times"):
        lab.client.build("main", 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1, 2]",
        b'{"number": 2}',
        b"[" * 100_000,
        b'{"number": NaN',
        b"\xff",
    ],
)
def test_what_is_no_json_of_the_build_is_unavailable(lab: Lab, body: bytes) -> None:
    lab.jenkins.fail("api/json", swap=body)

    with pytest.raises(UnavailableError):
        lab.client.build("main", 1)
    assert lab.client.requests == 1


def test_a_page_in_place_of_json_is_unavailable(lab: Lab) -> None:
    lab.jenkins.fail("api/json", status=200, body=b"<html>Please sign in")

    with pytest.raises(UnavailableError, match="got text/html; check that the URL"):
        lab.client.build("main", 1)


def test_json_of_any_size_does_not_fill_the_memory(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_JSON_BYTES", 2000)
    lab.main.builds[1].artifacts = {f"file {n}": b"" for n in range(100)}

    with pytest.raises(transport.TooLongError, match="at most 2000 bytes, got more"):
        lab.client.build("main", 1)
    assert lab.client.requests == 1


def test_a_redirect_below_the_root_is_followed(lab: Lab) -> None:
    where = f"{lab.jenkins.url}job/main/1/consoleText"
    fault = {"status": 302, "headers": {"Location": where}, "times": 1}
    lab.jenkins.fail("artifact", **fault)

    with lab.client.artifact("main", 1, "log") as stream:
        assert stream.read() == lab.main.builds[1].raw


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example.com/ci/",
        "https://{host}/ci/job/main/",
        "http://localhost:{port}/ci/job/main/",
        "http://127.0.0.1:1/ci/",
        "//evil.example.com/ci/",
        "/other/",
        "/ci/../other/",
        "/ci/%2e%2e/other/",
        "/ci/%2E./other/",
        "/cix/",
        "http://user:pass@{host}/ci/",
        "http://[::1/ci/",
        "ftp://{host}/ci/",
        "",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_elsewhere_is_refused_and_nothing_is_sent_there(
    lab: Lab, location: str, status: int
) -> None:
    host = lab.jenkins.url.split("/")[2]
    location = location.format(host=host, port=host.rpartition(":")[2])
    lab.jenkins.fail(status=status, headers={"Location": location})

    with pytest.raises(UnavailableError, match="got a redirect to"):
        lab.client.build("main", 1)
    assert len(lab.jenkins.requests) == 1


def test_redirects_in_a_circle_end(lab: Lab) -> None:
    lab.jenkins.fail(status=302, headers={"Location": "/ci/api/json"})

    with pytest.raises(UnavailableError, match="at most 3 redirects"):
        lab.client.build("main", 1)
    assert len(lab.jenkins.requests) == 4


def test_a_redirects_body_is_not_read(lab: Lab) -> None:
    lab.jenkins.fail(
        status=302, headers={"Location": "http://evil/"}, body=b"x" * 10_000_000
    )

    with pytest.raises(UnavailableError, match="redirect to evil"):
        lab.client.build("main", 1)


def test_a_slow_controller_is_left_alone_for_as_long(lab: Lab) -> None:
    lab.tick_s = 3.0
    for _ in range(3):
        lab.client.build("main", 1)
    lab.tick_s = 30.0
    lab.client.build("main", 1)
    lab.client.build("main", 1)

    assert lab.pauses == [3.0, 3.0, 3.0, 10.0]


def test_a_quick_controller_is_asked_at_once(lab: Lab) -> None:
    lab.tick_s = 0.5
    for _ in range(3):
        lab.client.build("main", 1)

    assert lab.pauses == []


def test_one_request_at_a_time(lab: Lab) -> None:
    lab.main.builds[1].log = b"line\n" * 100_000
    with lab.client.console("main", 1) as stream:
        stream.read(10)
        with pytest.raises(RuntimeError, match="still open"):
            lab.client.build("main", 1)

    assert lab.client.build("main", 1)["number"] == 1


def test_a_context_path_of_another_controller_is_not_asked() -> None:
    with serve_jenkins("/ci") as jenkins:
        other = Access("ci", jenkins.url.replace("/ci/", "/other/"))
        from jenkins_notary.jenkins.client import JenkinsClient

        with pytest.raises((NotFoundError, PermissionDeniedError)):
            JenkinsClient(other).build("main", 1)
