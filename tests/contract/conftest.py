"""A controller, real and stand-in, its client, and a ledger of a test's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.notary import Notary
from tests.contract.jenkins_worlds import make_client, open_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.jenkins.client import JenkinsClient
    from tests.contract.jenkins_worlds import World


@pytest.fixture(scope="module", params=["stand-in", "real"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "real" and "JENKINS_NOTARY_TEST_JENKINS_URL" not in os.environ:
        pytest.skip("no real Jenkins: JENKINS_NOTARY_TEST_JENKINS_URL is not set")
    with open_world(request.param, os.environ) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[JenkinsClient]:
    client = make_client(world)
    yield client
    client.close()


@pytest.fixture
def notary(tmp_path: Path) -> Iterator[Notary]:
    with Notary(environ={"HOME": str(tmp_path)}) as notary:
        notary.ledger.init()
        yield notary
