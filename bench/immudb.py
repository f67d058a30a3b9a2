"""Load a real immudb with its own Go client: the peer of H5.

Server and client are built by ``make parts``. Each connection is a client of its own
that checks the proof of each record before it writes the next.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.parts.immudb import HOST, find_program, serve_immudb

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 25


class Immudb:
    """A running server.

    Attributes:
        port: Where it listens on loopback.
    """

    def __init__(self, port: int, folder: str) -> None:
        """Know the server; its clients keep their states below a folder."""
        self.port = port
        self._folder = folder
        self._count = 0

    def load(self, records: int, size_bytes: int) -> float:
        """Return the records a second that all connections write.

        Args:
            records: How many, in all.
            size_bytes: Bytes of each value.
        """
        self._count += 1
        state = os.path.join(self._folder, f"clients-{self._count}")
        sizes = (CONNECTIONS, records, size_bytes)
        done = subprocess.run(
            [
                find_program("immudb-load"),
                HOST,
                str(self.port),
                state,
                *map(str, sizes),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
        )
        found = json.loads(done.stdout)
        return float(found["records"] / found["seconds"])


@contextmanager
def run_immudb(folder: str) -> Iterator[Immudb]:
    """Run a server with a new database; see ``tests.parts.immudb``."""
    with serve_immudb(folder) as port:
        yield Immudb(port, folder)
