"""Run a primary of immudb with a synchronous and an asynchronous replica."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import grpc

from jenkins_notary.engines.immudb.connection import Connection
from jenkins_notary.engines.immudb.wire import SERVICE
from tests.parts.immudb import HOST, USER, free_port, launch, server_at
from tests.parts.immudb_site import DATABASE, Site
from tests.parts.listening import wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    Fields = Mapping[int, "bytes | int | Fields"]


class Node:
    """One server, which may be stopped, killed, paused and started again.

    Attributes:
        port: Where it listens, whenever it does.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()

    def launch(self) -> None:
        """Start it; it need not listen yet."""
        self._process = launch(str(self.folder), *self._options, port=self.port)

    def wait(self) -> None:
        """Wait until it listens."""
        assert self._process is not None
        wait_for(self._process, self.port)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.launch()
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, if it runs, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


class ReplicatedSite(Site):
    """A person with a ledger on three servers.

    Attributes:
        a: The primary, which commits what ``b`` has confirmed.
        b: The synchronous replica.
        c: The asynchronous replica, whose states are signed by a key of its own.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        first = str(folder / "sk.pem")
        public = (folder / "pk.pem").read_bytes()
        self.a = Node(folder / "a", "--signingKey", first)
        self.b = Node(folder / "b", "--signingKey", first)
        (folder / "sk.pem").rename(folder / "first.pem")
        self._make_key()
        (folder / "sk.pem").rename(folder / "second.pem")
        (folder / "first.pem").rename(first)
        self.c = Node(folder / "c", "--signingKey", str(folder / "second.pem"))
        both = public + (folder / "pk.pem").read_bytes()
        (folder / "pk.pem").write_bytes(both)
        places = ",".join(f"{HOST}:{one.port}" for one in self.nodes)
        self.environ["JENKINS_NOTARY_LEDGER"] = f"immudb://{places}/{DATABASE}"

    @property
    def nodes(self) -> tuple[Node, Node, Node]:
        """Return all servers."""
        return self.a, self.b, self.c

    def serve(self, *_options: str) -> None:
        """Run all servers, with the database on each."""
        for one in self.nodes:
            one.launch()
        for one in self.nodes:
            one.wait()
        _create(self.a.port, {7: {1: 1}, 8: {1: 1}})
        for node, is_sync in ((self.b, 1), (self.c, 0)):
            _create(node.port, _follow(self.a.port, is_sync=is_sync))

    def stop(self) -> None:
        """Stop all servers."""
        for one in self.nodes:
            one.stop()


def promote(node: Node) -> None:
    """Make a replica a primary, as an operator does."""
    settings: Fields = {1: {1: 0}, 7: {1: 0}, 8: {1: 0}}
    _call(node.port, "UpdateDatabaseV2", {1: DATABASE.encode(), 2: {2: settings}})


def demote(node: Node, primary: Node) -> None:
    """Make a server a replica, as an operator does."""
    settings = _follow(primary.port, is_sync=0)
    _call(node.port, "UpdateDatabaseV2", {1: DATABASE.encode(), 2: {2: settings}})


def transactions(node: Node) -> int:
    """Return how many transactions a server has committed."""
    connection = Connection(server_at(node.port, DATABASE))
    try:
        return int(connection.read("CurrentState").txId)
    finally:
        connection.close()


def _create(port: int, replication: Fields) -> None:
    """Make the database on a server."""
    fields: Fields = {1: DATABASE.encode(), 2: {2: replication}}
    _call(port, "CreateDatabaseV2", fields)


def _follow(port: int, *, is_sync: int) -> Fields:
    """Return the settings of a replica of the database at a port."""
    named: dict[int, bytes] = {2: DATABASE.encode(), 3: HOST.encode()}
    named.update({5: USER.encode(), 6: USER.encode()})
    texts: Fields = {number: {1: text} for number, text in named.items()}
    return {1: {1: 1}, **texts, 4: {1: port}, 7: {1: is_sync}}


def _call(port: int, method: str, fields: Fields) -> None:
    """Make a call of administration."""
    connection = Connection(server_at(port, "defaultdb"))
    session = connection._open_session()
    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        call = channel.unary_unary(
            f"{SERVICE}{method}", request_serializer=bytes, response_deserializer=bytes
        )
        call(encode(fields), metadata=(("sessionid", session),), timeout=30)
    connection.close()


def encode(fields: Fields) -> bytes:
    """Return a message of protocol buffers: bytes, numbers, messages."""
    found = b""
    for number, value in fields.items():
        if isinstance(value, int):
            found += bytes([number << 3]) + _varint(value)
        else:
            data = value if isinstance(value, bytes) else encode(value)
            found += bytes([number << 3 | 2]) + _varint(len(data)) + data
    return found


def _varint(value: int) -> bytes:
    """Return a number, seven bits a byte."""
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])
