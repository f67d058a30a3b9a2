"""Remember what a service needs beside its ledger: a small file of keys and values.

What lies here is short-lived or can be made again: cursors, logins, what was alerted.
Nothing that a verdict rests on does. Values are JSON, by kind and key; each may have an
end, after which it is as if it were not there::

    state.put("cursor", "alerts", 41)
    state.get("cursor", "alerts")      # 41
    state.take("nonce", "4f1c...")     # the value, once; then None

One SQLite file of mode 0600 beside the ledger. Any thread may ask.
"""

from __future__ import annotations

import json
import time

from jenkins_notary.engines.companions import LASTING, STATE
from jenkins_notary.errors import UsageError
from jenkins_notary.files.private_database import PrivateDatabase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAX_VALUE_BYTES = 1 << 20
_VERSION = 1
_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS state (kind TEXT, key TEXT, value TEXT NOT NULL,
ends INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
"""


class ServiceState:
    """Keys and values of one service."""

    def __init__(self, path: str) -> None:
        """Open the file; make it if there is none.

        Raises:
            ConfigurationError: Others may read it, or it is of a newer version.
            StorageError: It cannot be used.
        """
        self._database = PrivateDatabase(
            path, "service state", schema=_SCHEMA, version=_VERSION
        )

    def get(self, kind: str, key: str) -> Any:  # noqa: ANN401 - as it was put
        """Return a value, None for none."""
        with self._database.use() as database:
            row = database.execute(
                "SELECT value FROM state WHERE kind=? AND key=? AND ends>?",
                (kind, key, _now_ms()),
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(
        self, kind: str, key: str, value: object, *, ends_ms: int | None = None
    ) -> None:
        """Keep a value, in place of one that was there.

        Args:
            kind: What it is.
            key: Which one.
            value: What JSON can hold.
            ends_ms: When it ends, ms UTC; None for never.
        """
        with self._database.use() as database:
            database.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)",
                (kind, key, _encode(value), ends_ms or LASTING),
            )

    def add(
        self, kind: str, key: str, value: object, *, ends_ms: int | None = None
    ) -> bool:
        """Keep a value unless there is one; return whether there was none."""
        now_ms = _now_ms()
        with self._database.use() as database:
            done = database.execute(
                "INSERT INTO state VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "value=excluded.value, ends=excluded.ends WHERE ends<=?",
                (kind, key, _encode(value), ends_ms or LASTING, now_ms),
            )
            return done.rowcount > 0

    def take(self, kind: str, key: str) -> Any:  # noqa: ANN401 - as it was put
        """Return a value and forget it: of several that ask, one gets it."""
        with self._database.use() as database:
            row = database.execute(
                "DELETE FROM state WHERE kind=? AND key=? RETURNING value, ends",
                (kind, key),
            ).fetchone()
        return None if row is None or row[1] <= _now_ms() else json.loads(row[0])

    def delete(self, kind: str, key: str) -> None:
        """Forget a value."""
        with self._database.use() as database:
            database.execute("DELETE FROM state WHERE kind=? AND key=?", (kind, key))

    def scan(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[tuple[str, Any]]:
        """Return (key, value) of a kind, sorted by key.

        Args:
            kind: Of which kind.
            prefix: How the keys begin.
            after: Behind which key; the last one of the page before.
            limit: The most of them.
        """
        with self._database.use() as database:
            rows = database.execute(
                "SELECT key, value FROM state WHERE kind=? AND key>? AND key>=? "
                "AND substr(key, 1, ?)=? AND ends>? ORDER BY key LIMIT ?",
                (kind, after, prefix, len(prefix), prefix, _now_ms(), limit),
            ).fetchall()
        return [(key, json.loads(value)) for key, value in rows]

    def forget_ended(self) -> int:
        """Delete what has ended; return how many."""
        with self._database.use() as database:
            done = database.execute("DELETE FROM state WHERE ends<=?", (_now_ms(),))
            return done.rowcount

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def state_path(ledger: str) -> str:
    """Return where the state of a ledger's service is."""
    return ledger + STATE


def _encode(value: object) -> str:
    """Return a value's JSON."""
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > MAX_VALUE_BYTES:
        raise UsageError(
            "value", expected=f"at most {MAX_VALUE_BYTES} bytes", got=str(len(text))
        )
    return text


def _now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000
