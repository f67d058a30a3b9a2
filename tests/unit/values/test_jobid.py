"""Parse job ids in every form that Jenkins hands out, and nothing that misleads."""

from __future__ import annotations

import time

import pytest

from jenkins_notary.errors import UsageError
from jenkins_notary.values.jobid import (
    MAX_NAME_BYTES,
    MAX_SEGMENTS,
    JobId,
    check_job_name,
    format_instance,
    format_job_id,
    parse_job_id,
    parse_job_prefix,
)

CI = "ci.example.com"


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ("a#1", JobId(None, "a", 1)),
        ("payments/api/main#42", JobId(None, "payments/api/main", 42)),
        (f"{CI}:payments/api/main#42", JobId(CI, "payments/api/main", 42)),
        (f"{CI}-8443:a#1", JobId(f"{CI}-8443", "a", 1)),
        ("p/feature%2Fx#7", JobId(None, "p/feature%2Fx", 7)),
        ("Größe und mehr/日本#3", JobId(None, "Größe und mehr/日本", 3)),
        ("matrix/os=linux,jdk=17#3", JobId(None, "matrix/os=linux,jdk=17", 3)),
        ("a#9999999999999999999", JobId(None, "a", 9999999999999999999)),
    ],
)
def test_a_job_id_is_read_and_written_back(text: str, job: JobId) -> None:
    assert parse_job_id(text) == job
    assert format_job_id(job) == text


@pytest.mark.parametrize(
    ("path", "name", "number"),
    [
        ("/job/a/1", "a", 1),
        ("/job/a/1/", "a", 1),
        ("/job/a/1/console", "a", 1),
        ("/job/a/1/consoleText?x=y#z", "a", 1),
        ("/job/a/1/display/redirect", "a", 1),
        ("/jenkins/job/a/1/", "a", 1),
        ("/job/f/job/g/job/a/12/", "f/g/a", 12),
        ("/job/p/job/feature%252Fx/42/console", "p/feature%2Fx", 42),
        ("/job/Gr%C3%B6%C3%9Fe%20x/3/", "Größe x", 3),
        ("/view/All/job/a/3/", "a", 3),
        ("/job/f/view/All/view/B/job/a/3/", "f/a", 3),
        ("/view/job/job/a/3/", "a", 3),
        ("/job/job/3/", "job", 3),
        ("/job/a/job/view/3/", "a/view", 3),
        ("/job/view/3/", "view", 3),
        ("/job/blue/3/", "blue", 3),
        ("/blue/job/a/3/", "a", 3),
        ("/job/12/3/", "12", 3),
        ("/blue/organizations/jenkins/p/detail/main/5/pipeline", "p/main", 5),
        ("/ci/blue/organizations/jenkins/p/detail/main/5/", "p/main", 5),
        (
            "/blue/organizations/jenkins/f%2Fp/detail/feature%2Fx/5/",
            "f/p/feature%2Fx",
            5,
        ),
        ("/blue/organizations/jenkins/f%2Fplain/detail/plain/5/tests", "f/plain", 5),
        ("/blue/organizations/jenkins/detail/detail/detail/5/", "detail", 5),
        ("/job/say%20%22$(hi)%22%20it's/3/", 'say "$(hi)" it\'s', 3),
    ],
)
def test_the_url_of_a_build_is_read(path: str, name: str, number: int) -> None:
    assert parse_job_id(f"https://{CI}{path}") == JobId(CI, name, number)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/job",
        "/job/",
        "/job/a",
        "/job/a/",
        "/job/a/lastBuild/",
        "/job/a/0/",
        "/job/a/-1/",
        "/job/a/01/",
        "/job/a/1e3/",
        "/job/a/\u0661/",
        "/job/a/99999999999999999999/",
        "/job/a/job/1",
        "/job//1/",
        "/job/../1/",
        "/job/%2e%2e/1/",
        "/job/a%2Fb/1/",
        "/job/a%2fb/1/",
        "/job/a%00b/1/",
        "/job/a%0Ab/1/",
        "/job/a%3Ab/1/",
        "/job/a%23b/1/",
        "/job/a%FFb/1/",
        "/view/job/job/12/",
        "/view",
        "/job/matrix/os=linux/3/",
        "/blue/organizations/jenkins/p/activity",
        "/blue/organizations/jenkins/p/detail/main",
        "/blue/organizations/jenkins/p/detail/main/x/",
        "/blue/organizations/jenkins/%FF/detail/main/5/",
        "/blue/organizations/jenkins/..%2Fp/detail/main/5/",
    ],
)
def test_a_url_that_names_no_one_build_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="or the build's URL"):
        parse_job_id(f"https://{CI}{path}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        "#1",
        ":#1",
        "a",
        "a#",
        "a#0",
        "a#01",
        "a#-1",
        "a#+1",
        "a# 1",
        "a#1 ",
        "a#1_0",
        "a#\u0661",
        "a#99999999999999999999",
        "a#b#1",
        "a:b:c#1",
        ":a#1",
        "CI:a#1",
        "-ci:a#1",
        "ci-:a#1",
        "ci/x:a#1",
        "a" * 300 + ":a#1",
        "/a#1",
        "a/#1",
        "a//b#1",
        "./a#1",
        "a/../b#1",
        " /a#1",
        "a\nb#1",
        "a\x00#1",
        "a\x85#1",
        "a\u2028b#1",
        "a\ud800#1",
        "a\\b#1",
        "a<script>#1",
        "a*#1",
        "a?#1",
        "a|b#1",
        "x" * (MAX_NAME_BYTES + 1) + "#1",
        "ö" * (MAX_NAME_BYTES // 2 + 1) + "#1",
        "/".join("a" * (MAX_SEGMENTS + 1)) + "#1",
        "jenkins-payments-main-42",
        "ftp://ci.example.com/job/a/1/",
        "file:///job/a/1/",
        "https:///job/a/1/",
    ],
    ids=ascii,
)
def test_another_text_is_no_job_id(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_job_id(text)

    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


def test_the_longest_name_is_read() -> None:
    name = "a/" * (MAX_SEGMENTS - 1) + "b" * (MAX_NAME_BYTES - 2 * MAX_SEGMENTS + 2)

    assert parse_job_id(f"{name}#1").name == name


@pytest.mark.parametrize(
    "url",
    [
        "https://bot:s3cret@ci.example.com/job/a/",
        "https://bot:s3cret/x@ci.example.com/job/a/1/",
        "https://ci.example.com/job/a/?token=s3cret",
        "ssh://bot:s3cret@ci.example.com/job/a/1/",
        "https://bot:x@s3cret@/job/a/1",
    ],
)
def test_no_credential_stands_in_the_error(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_job_id(url)

    assert "s3cret" not in str(caught.value)


def test_credentials_in_a_good_url_are_left_out() -> None:
    assert parse_job_id("https://u:p@ci.example.com/job/a/1/") == JobId(CI, "a", 1)


@pytest.mark.parametrize(
    ("url", "instance"),
    [
        ("https://ci.example.com", CI),
        ("https://ci.example.com/", CI),
        ("http://CI.Example.COM/jenkins/", CI),
        ("https://ci.example.com:8443/", f"{CI}-8443"),
        ("https://u:p@ci.example.com:8443/", f"{CI}-8443"),
        ("https://u:p@q@ci.example.com/", CI),
        ("https://ci.example.com?x", CI),
        ("https://ci.example.com#x", CI),
        ("http://localhost:8080/", "localhost-8080"),
        ("http://192.0.2.1:8080/", "192.0.2.1-8080"),
        ("http://[2001:DB8::1]:8080/", "2001-db8--1-8080"),
    ],
)
def test_an_instance_is_host_and_port(url: str, instance: str) -> None:
    assert format_instance(url) == instance


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ci.example.com",
        "https://",
        "https:///a",
        "ftp://ci.example.com/",
        "javascript:alert(1)",
        "https://ci.example.com:port/",
        "https://ci.example.com:\u0661/",
        "https://ci example.com/",
        "https://ci_example/",
        "https://\u212a.example.com/",
        "https://b\u00fccher.example/",
        "https://[::g]/",
        "https://-ci.example.com/",
        "https://" + "a" * 300 + "/",
        "https://user:s3cret",
        "https://user:s3cret/x@ci.example.com/",
    ],
)
def test_another_url_gives_no_instance(url: str) -> None:
    with pytest.raises(UsageError, match="controller URL") as caught:
        format_instance(url)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("payments", (None, "payments")),
        ("payments/", (None, "payments")),
        ("payments/*", (None, "payments")),
        ("payments/api", (None, "payments/api")),
        (f"{CI}:payments/*", (CI, "payments")),
    ],
)
def test_a_prefix_names_a_job_or_folder(
    text: str, prefix: tuple[str | None, str]
) -> None:
    assert parse_job_prefix(text) == prefix


@pytest.mark.parametrize(
    "text", ["", "*", "/*", "/", "a#1", "a*", "a/*/b", "CI:a", ":a", "../a", "a//b"]
)
def test_another_prefix_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_job_prefix(text)


def test_a_name_alone_is_its_own_subject() -> None:
    with pytest.raises(UsageError, match="job id 'a:b'"):
        check_job_name("a:b")


@pytest.mark.parametrize(
    "text",
    [
        "/job/x" * 200_000,
        "%25" * 400_000,
        "/view" * 200_000,
        "a:" * 500_000,
        "@" * 10**6,
    ],
    ids=lambda text: text[:6],
)
def test_a_hostile_text_is_refused_in_linear_time(text: str) -> None:
    before = time.monotonic()

    for whole in (text, f"https://h{text}", f"https://h/{text}", f"{text}#1"):
        with pytest.raises(UsageError):
            parse_job_id(whole)

    assert time.monotonic() - before < 10
