"""What the `Jenkins` port promises, on the stand-in and on a real controller.

The real one is used where `JENKINS_NOTARY_TEST_JENKINS_URL`, `_USER` and `_TOKEN` are
set: a throw-away controller with the Pipeline plugins, whose user may do everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import NotFoundError
from jenkins_notary.jenkins.access import Access
from jenkins_notary.jenkins.client import JenkinsClient
from tests.parts.jenkins import TOKEN, USER, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.parts.jenkins import StandIn


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with serve_jenkins("/ci") as jenkins:
        yield jenkins


@pytest.fixture
def client(stand_in: StandIn) -> JenkinsClient:
    return JenkinsClient(Access("ci.example.com", stand_in.url, USER, TOKEN))


def test_a_console_log_is_read_byte_for_byte(
    stand_in: StandIn, client: JenkinsClient
) -> None:
    log = b"a\r\nb\xff\n\x1b[31mred\x1b[0m\n" * 9999
    stand_in.add_job("payments/feature%2Fx").add_build(log=log)
    with client.console("payments/feature%2Fx", 1) as stream:
        got = stream.read()

    assert got == log


def test_a_lost_log_is_not_found(stand_in: StandIn, client: JenkinsClient) -> None:
    stand_in.add_job("free", freestyle=True).add_build(log_lost=True)

    with pytest.raises(NotFoundError, match="its text for a lost one"):
        client.console("free", 1)


def test_all_builds_come_once_and_newest_first(
    stand_in: StandIn, client: JenkinsClient
) -> None:
    job = stand_in.add_job("main")
    for _ in range(130):
        job.add_build()
    numbers = [one["number"] for one in client.builds("main", first=3, last=128)]

    assert numbers == list(range(128, 2, -1))
