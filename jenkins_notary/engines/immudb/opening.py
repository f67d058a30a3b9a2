"""Open a ledger in immudb: the database, and what lies of it on this host.

What a ledger in immudb has on this host lies in one folder: the keys of its envelopes,
and the newest state that was verified. Both are files of mode 0600; a state that is
damaged is an error, never first contact.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.immudb.connection import Connection, Server
from jenkins_notary.engines.immudb.proofs import State
from jenkins_notary.engines.immudb.sealing import (
    EnvelopeKeys,
    create_keys,
)
from jenkins_notary.engines.immudb.servers import Servers
from jenkins_notary.engines.immudb.store import ImmudbStore
from jenkins_notary.engines.immudb.trail import Trail
from jenkins_notary.errors import IntegrityError, NotFoundError, StorageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.whole_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from jenkins_notary.engines.immudb.connection import Link
    from jenkins_notary.engines.immudb.trail import StateVerifier

    Lock = Callable[[str], AbstractContextManager[object]]

MAX_STATE_BYTES = 4096


class Files(NamedTuple):
    """What lies on this host.

    Attributes:
        envelope_keys: The keys of envelopes.
        state: The newest verified state.
    """

    envelope_keys: str
    state: str


def open_immudb(
    servers: Sequence[Server],
    files: Files,
    lock: Lock,
    signatures: StateVerifier | None = None,
) -> ImmudbStore:
    """Return the store in a database; nothing is asked yet.

    Args:
        servers: Where it is: on one server, or on a primary and its replicas.
        files: What lies on this host.
        lock: Makes a lock between processes from a path.
        signatures: Check of the server's signatures, or None for none.

    Raises:
        IntegrityError: The kept state is damaged.
    """
    connection: Link = Connection(servers[0])
    if len(servers) > 1:
        connection = open_servers(servers, files.state, lock)
    keeper = StateFile(files.state, servers[0].name, lock)
    sealed = EnvelopeKeys(
        files.envelope_keys, partial(lock, f"{files.envelope_keys}.lock")
    )
    return ImmudbStore(connection, Trail(connection, keeper, signatures), sealed)


def open_servers(servers: Sequence[Server], state: str, lock: Lock) -> Servers:
    """Return a primary and its replicas as one connection; nothing is asked yet."""
    return Servers(servers, StateFile(state, servers[0].name, lock))


def create_immudb(server: Server, files: Files, *, forget: bool = False) -> None:
    """Make a database and the keys of its envelopes, where they are missing.

    Args:
        server: Where it is.
        files: What lies on this host.
        forget: Whether what was seen of another database in its place is forgotten
            where this one holds nothing.
    """
    connection = Connection(server)
    try:
        connection.create_database()
        is_empty = forget and not connection.read("CurrentState").txId
    finally:
        connection.close()
    if is_empty and os.path.exists(files.state):
        os.unlink(files.state)
    if not os.path.exists(files.envelope_keys):
        create_keys(files.envelope_keys)


def is_published(server: Server) -> bool:
    """Return whether a database holds a ledger; a claim of the server."""
    connection = Connection(server)
    try:
        connection.read("Get", key=keys.CHECKPOINT)
    except NotFoundError:
        return False
    finally:
        connection.close()
    return True


class StateFile:
    """The newest verified state of a database, between runs."""

    def __init__(self, path: str, name: str, lock: Lock) -> None:
        """Use a file; the first state makes it."""
        self._path = path
        self._name = name
        self._lock = lock

    def load(self) -> State | None:
        """Return the state, None if there never was one.

        Raises:
            IntegrityError: The file is damaged, or of another database.
        """
        try:
            with open(self._path, "rb") as file:
                data = file.read(MAX_STATE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"immudb state {self._path}", got=error.strerror or "an error"
            ) from error
        try:
            value = json.loads(data)
            state = State(int(value["tx"]), bytes.fromhex(value["alh"]))
            is_whole = value["v"] == 1 and value["database"] == self._name
            is_whole = is_whole and state.tx > 0 and len(state.alh) == 32
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            is_whole = False
        if not is_whole:
            raise IntegrityError(
                f"immudb state {self._path}",
                expected=f"a state of {self._name}",
                got="a damaged file",
                advice="compare the server with what an auditor saw; then remove it",
            )
        return state

    def save(self, state: State) -> None:
        """Keep a state, unless a newer one is kept.

        Where that cannot be done the older one is as good. Who has committed must not
        hear of a failure; that nothing is remembered in this folder the pin tells.
        """
        with suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            with self._lock(f"{self._path}.lock"):
                kept = self.load()
                if kept is None or kept.tx < state.tx:
                    # After a power cut too: no sync.
                    replace_file(self._path, [self._format(state)], sync=False)

    def _format(self, state: State) -> bytes:
        """Return the bytes of a state."""
        value = {
            "v": 1,
            "database": self._name,
            "tx": state.tx,
            "alh": state.alh.hex(),
        }
        return json.dumps(value).encode() + b"\n"
