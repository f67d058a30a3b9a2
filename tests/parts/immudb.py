"""Run a real immudb and open stores in it."""

from __future__ import annotations

import itertools
import os
import threading
from typing import TYPE_CHECKING

from jenkins_notary.engines.immudb.connection import Connection, Server
from jenkins_notary.engines.immudb.sealing import EnvelopeKeys, create_keys
from jenkins_notary.engines.immudb.store import ImmudbStore
from jenkins_notary.engines.immudb.trail import Trail

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.engines.immudb.proofs import State

_numbers = itertools.count()


class MemoryKeeper:
    """A state that is forgotten with the test."""

    def __init__(self) -> None:
        self.state: State | None = None

    def load(self) -> State | None:
        """Return it."""
        return self.state

    def save(self, state: State) -> None:
        """Keep it."""
        self.state = state


def open_store(folder: Path) -> ImmudbStore:
    """Return a store in a new database."""
    port = int(os.environ["IMMUDB_PORT"])
    name = f"t{os.getpid()}n{next(_numbers)}"
    server = Server("127.0.0.1", port, name, "immudb", "immudb", tls=False)
    connection = Connection(server)
    connection.create_database()
    path = str(folder / f"{name}.keys")
    create_keys(path)
    keys = EnvelopeKeys(path, threading.Lock)
    return ImmudbStore(connection, Trail(connection, MemoryKeeper()), keys)
