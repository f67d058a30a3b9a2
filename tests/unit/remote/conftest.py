"""A service that runs, and what asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.remote.notary import RemoteChoices, RemoteNotary
from tests.parts.service import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[StandIn]:
    with StandIn(tmp_path) as running:
        yield running


class Client:
    """What an agent has: files, and a way to the service.

    Attributes:
        notices: What was said on the side.
    """

    def __init__(self, service: StandIn) -> None:
        self.service = service
        self.notices: list[str] = []

    def open(self, **choices: Any) -> RemoteNotary:  # noqa: ANN401 - passed on
        """Return the API on the service."""
        usual = RemoteChoices(
            self.service.url,
            self.service.vkey,
            None,
            None,
            self.service.token,
            20,
            None,
            (),
            {},
            None,
            self.notices.append,
            None,
        )
        return RemoteNotary(usual._replace(**choices))


@pytest.fixture
def client(service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    (tmp_path / "app.jar").write_bytes(b"PK\x03\x04 app")
    (tmp_path / "bad.jar").write_bytes(b"PK\x03\x04 bad")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("text")
    monkeypatch.chdir(tmp_path)
    return Client(service)
