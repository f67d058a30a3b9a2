"""Run a real immudb and open stores in it."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import grpc

from jenkins_notary.engines.immudb.connection import Connection, Server
from jenkins_notary.engines.immudb.sealing import EnvelopeKeys, create_keys
from jenkins_notary.engines.immudb.store import ImmudbStore
from jenkins_notary.engines.immudb.trail import Trail
from jenkins_notary.engines.immudb.url import parse_url
from jenkins_notary.engines.immudb.wire import SERVICE
from tests.parts.build import PARTS
from tests.parts.listening import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.engines.immudb.proofs import State

HOST = "127.0.0.1"
USER = "immudb"
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


class OneTestsStore(ImmudbStore):
    """A store whose database is dropped with it: a server has memory for each."""

    def close(self) -> None:
        """Drop the database and disconnect."""
        name = self.name.rpartition("/")[2]
        port = self._connection.server.port
        super().close()
        drop_database(port, name)


def open_store(folder: Path, port: int) -> ImmudbStore:
    """Return a store in a new database of a server."""
    name = f"t{os.getpid()}n{next(_numbers)}"
    connection = Connection(server_at(port, name))
    connection.create_database()
    path = str(folder / f"{name}.keys")
    create_keys(path)
    keys = EnvelopeKeys(path, threading.Lock)
    return OneTestsStore(connection, Trail(connection, MemoryKeeper()), keys)


def server_at(port: int, database: str) -> Server:
    """Return how a server of this module is reached."""
    return Server(HOST, port, database, USER, USER, tls=False)


def drop_database(port: int, name: str) -> None:
    """Unload and delete a database."""
    # Field 1 of both requests is the name.
    data = b"\x0a" + bytes([len(name)]) + name.encode()
    _call(port, "defaultdb", "UnloadDatabase", data)
    _call(port, "defaultdb", "DeleteDatabase", data)


def compact_index(port: int, name: str) -> None:
    """Have the indexes of a database compacted, those that have grown enough."""
    # Those of SQL are empty, and refuse it behind the one that counts.
    with suppress(grpc.RpcError):
        _call(port, name, "CompactIndex", b"", timeout_s=3600)


def _call(
    port: int, database: str, method: str, data: bytes, *, timeout_s: int = 30
) -> None:
    """Make a call that the program has no use for."""
    connection = Connection(server_at(port, database))
    session = connection._open_session()
    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        call = channel.unary_unary(
            f"{SERVICE}{method}", request_serializer=bytes, response_deserializer=bytes
        )
        try:
            call(data, metadata=(("sessionid", session),), timeout=timeout_s)
        finally:
            connection.close()


@contextmanager
def serve_immudb(folder: str, *options: str, port: int = 0) -> Iterator[int]:
    """Run a server with new databases, without web, SQL and metrics; yield its port.

    Args:
        folder: An empty folder for its data.
        options: Further ones of the server.
        port: Where it listens; 0 for any.

    Raises:
        RuntimeError: It is not built, or does not start.
    """
    port = port or free_port()
    with launch(folder, *options, port=port) as process:
        try:
            wait_for(process, port)
            yield port
        finally:
            process.terminate()


def free_port() -> int:
    """Return a port where nobody listens."""
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def launch(folder: str, *options: str, port: int) -> subprocess.Popen[bytes]:
    """Start a server; whoever does waits for it and ends it."""
    words = [
        *("--dir", os.path.join(folder, "data"), "--address", HOST),
        *("--port", str(port), "--metrics-server=false", "--web-server=false"),
        "--pgsql-server=false",
        *options,
    ]
    return subprocess.Popen(
        [find_program("immudb"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def find_program(name: str) -> str:
    """Return the path of a built part."""
    found = PARTS[name].find()
    if found is None:
        message = f"{name} is missing: {PARTS[name].advice()}"
        raise RuntimeError(message)
    return str(found)


@contextmanager
def one_tests_ledger(port: int) -> Iterator[dict[str, str]]:
    """Yield the variables that name a ledger in a database of its own; drop it."""
    name = f"t{os.getpid()}n{next(_numbers)}"
    yield {
        "JENKINS_NOTARY_LEDGER": server_at(port, name).name,
        "JENKINS_NOTARY_IMMUDB_USER": USER,
        "JENKINS_NOTARY_IMMUDB_PASSWORD": USER,
    }
    drop_ledger(server_at(port, name).name)


def drop_ledger(url: str) -> None:
    """Delete the database of a ledger, if there is one."""
    address = parse_url(url)
    with suppress(grpc.RpcError):
        drop_database(address.port, address.database)
