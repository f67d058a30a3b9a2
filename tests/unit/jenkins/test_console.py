"""A lost log, and logs that only look like one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import IntegrityError, NotFoundError, UnavailableError
from jenkins_notary.jenkins import client as client_module

if TYPE_CHECKING:
    from tests.unit.jenkins.jenkins_stand_in import Lab

LOST = b"No such file: /var/lib/jenkins/jobs/main/builds/1/log"
TRACE = (
    b"java.io.IOException: bucket is gone\n"
    b"\tat io.jenkins.plugins.store.Reader.open(Reader.java:42)\n"
    b"Caused by: java.net.SocketException\n"
)


def test_a_lost_log_costs_two_requests_and_is_not_found(lab: Lab) -> None:
    lab.main.builds[1].log_lost = True

    with pytest.raises(NotFoundError, match="got its text for a lost one"):
        lab.client.console("main", 1)
    assert lab.jenkins.paths() == [
        "/job/main/1/consoleText",
        "/job/main/1/logText/progressiveText",
    ]


@pytest.mark.parametrize(
    "log",
    [
        LOST,
        LOST + b".gz",
        b"No such file: C:\\Jenkins\\jobs\\main\\builds\\1\\log",
        b"",
    ],
)
def test_a_log_with_a_size_is_there_whatever_it_says(lab: Lab, log: bytes) -> None:
    lab.main.builds[1].log = log

    assert lab.read_log() == log
    assert lab.client.requests == 2


@pytest.mark.parametrize(
    "log",
    [
        LOST + b"\n",
        b"Started\n" + LOST,
        LOST.replace(b"/log", b"/other"),
        b"No such file: ",
        LOST.replace(b"jobs", b"jobs\njobs"),
        LOST + b"\nFinished: SUCCESS\n",
        b"No such file: " + b"x" * 20_000 + b"/log",
    ],
)
def test_a_log_of_another_shape_is_not_doubted(lab: Lab, log: bytes) -> None:
    lab.main.builds[1].log = log

    assert lab.read_log() == log
    assert lab.client.requests == 1


def test_a_pipelines_lost_log_is_told_by_the_build_having_ended(lab: Lab) -> None:
    build = lab.jenkins.add_job("pipe").add_build(log_lost=True)

    with pytest.raises(NotFoundError, match="got none of a build that has ended"):
        lab.client.console("pipe", 1)
    build.building = True
    assert lab.read_log("pipe") == b""


def test_without_the_size_header_a_lost_log_cannot_be_told(lab: Lab) -> None:
    lab.main.builds[1].log = LOST
    lab.jenkins.fail("progressiveText", drop=["x-text-size"])

    with pytest.raises(UnavailableError, match="nobody can tell a lost log"):
        lab.client.console("main", 1)


@pytest.mark.parametrize(
    "log",
    [
        TRACE,
        b"java.lang.NullPointerException\n\tat a.B.c(D.java:1)\n",
        b"java.lang.IllegalStateException: x\r\n\tat a.B.c(D.java:1)\r\n",
        b"hudson.AbortException\nCaused: java.io.IOException\n\tat a.B.c(D.java:1)\n",
        TRACE + b"\tat x\n" * 10_000,
    ],
)
def test_a_stack_trace_in_place_of_the_log_is_not_the_log(lab: Lab, log: bytes) -> None:
    lab.main.builds[1].log = log

    with pytest.raises(NotFoundError, match="its log store is away"):
        lab.client.console("main", 1)
    assert lab.client.build("main", 1)["number"] == 1


@pytest.mark.parametrize(
    "log",
    [
        b"Started by user x\n" + TRACE,
        b"com.example.Tool: starting\nall well\n",
        b"hudson.AbortException: no such branch\nFinished: FAILURE\n",
    ],
)
def test_a_log_with_a_stack_trace_in_it_is_a_log(lab: Lab, log: bytes) -> None:
    lab.main.builds[1].log = log

    assert lab.read_log() == log


def test_a_page_in_place_of_a_log_is_unavailable(lab: Lab) -> None:
    lab.jenkins.fail("consoleText", status=200, body=b"<html>sign in", times=1)
    lab.jenkins.fail("progressiveText", status=200, body=b"<html>sign in", times=1)

    with pytest.raises(UnavailableError, match="expected plain text, got text/html"):
        lab.client.console("main", 1)
    with pytest.raises(UnavailableError, match="expected plain text, got text/html"):
        lab.client.console_part("main", 1, 0)


def test_a_part_without_its_size_is_unavailable(lab: Lab) -> None:
    lab.jenkins.fail("progressiveText", drop=["x-text-size", "x-more-data"])

    with pytest.raises(UnavailableError, match="a proxy takes it away"):
        lab.client.console_part("main", 1, 0)


@pytest.mark.parametrize("size", ["-1", "x", "9" * 40, "1 2"])
def test_a_part_with_a_size_that_is_none_is_unavailable(lab: Lab, size: str) -> None:
    lab.jenkins.fail(
        "progressiveText", drop=["x-text-size"], headers={"X-Text-Size\t": size}
    )

    with pytest.raises(UnavailableError):
        lab.client.console_part("main", 1, 0)


def test_a_part_that_is_too_long_is_not_held(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_PART_BYTES", 20)

    with pytest.raises(UnavailableError, match="at most 20 bytes"):
        lab.client.console_part("main", 1, 0)


def test_parts_of_a_growing_log_join_to_the_whole(lab: Lab) -> None:
    build = lab.main.add_build(log=b"one\ntw", building=True)
    first = lab.client.console_part("main", 2, 0)
    build.append(b"o\nthree\n")
    second = lab.client.console_part("main", 2, first.next_start)
    build.append(b"four\n")
    build.finish("FAILURE")
    third = lab.client.console_part("main", 2, second.next_start)

    assert (first.data, first.next_start) == (b"one\r\n", 4)
    assert (second.data, second.is_growing) == (b"two\r\nthree\r\n", True)
    assert (third.data, third.is_growing) == (b"four\r\n", False)


def test_a_log_grows_while_publishers_write(lab: Lab) -> None:
    build = lab.main.add_build(log=b"one\n", publishing=True)
    info = lab.client.build("main", 2)
    part = lab.client.console_part("main", 2, 0)
    build.finish()

    assert (info["building"], info["inProgress"]) == (False, True)
    assert part.is_growing
    assert not lab.client.console_part("main", 2, part.next_start).is_growing


def test_a_log_that_was_replaced_by_a_shorter_one_is_an_integrity_fault(
    lab: Lab,
) -> None:
    part = lab.client.console_part("main", 1, 0)
    lab.main.builds[1].log = b"new\n"

    with pytest.raises(IntegrityError, match="got one of 4; the log was replaced"):
        lab.client.console_part("main", 1, part.next_start)
