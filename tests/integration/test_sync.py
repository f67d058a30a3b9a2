"""Sync from edge to centre: proven, in order, once, over a connection that breaks."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api import sync as syncing
from jenkins_notary.api.notary import Notary
from jenkins_notary.errors import (
    IntegrityError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.keys.pem import format_public_pem, generate_signer
from jenkins_notary.ledger.verify import verify_ledger
from tests.command import command
from tests.parts.serving import Serving, claim
from tests.parts.build import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#42"
APP, LIB, BAD = (f"sha256:{one * 32}" for one in ("aa", "bb", "cc"))


class World:
    """An edge and a centre, whose administrators and signers are different people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.edge_key, self.edge_pub = self._person("edge")
        self.centre_key, self.centre_pub = self._person("centre")
        self.edge = Notary(str(folder / "edge.db"), key=self.edge_key)
        self.edge.ledger.init(origin="edge.example.com/1a2b3c4d")
        self.centre = Notary(str(folder / "centre.db"), key=self.centre_key)
        self.centre.ledger.init(origin="centre.example.com/1a2b3c4d")

    def _person(self, name: str) -> tuple[str, str]:
        signer = generate_signer(str(self.folder / f"{name}.pem"), passphrase=None)
        public = self.folder / f"{name}.pub"
        public.write_text(format_public_pem(signer.public_der))
        return str(self.folder / f"{name}.pem"), str(public)

    def sync(self) -> syncing.Synced:
        return self.centre.ledger.sync(str(self.folder / "edge.db"))

    def status(self, digest: str) -> str:
        (found,) = self.centre.authenticate([digest])
        assert found.status is not None
        return found.status.name

    def imports(self) -> list[dict[str, Any]]:
        found = []
        for record in self.centre._session.view().records(
            range(self.centre.ledger.status().tree_size)
        ):
            if record.leaf.type == "import" and record.statement is not None:
                found.append(record.statement.facts["imported"])
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.edge.close()
    made.centre.close()
