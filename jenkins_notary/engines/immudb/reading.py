"""Read values of one database without making immudb write.

To read many keys at once, or to scan, immudb takes a snapshot, and so that it holds the
newest transactions, writes out whatever of its index has changed since the last one:
with each of some thousand random keys a page. A single key is read from the index in
memory. So few keys are asked for one by one, and what never changes once it is there is
looked for in the snapshot that exists, before the newest state is asked for.

All of it is a claim; see :mod:`~jenkins_notary.engines.immudb.store`.

Source: immudb 1.11.1, pkg/database/database.go and embedded/tbtree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from jenkins_notary.engines.immudb.connection import Link

PAGE = 500
SCAN_PAGE = 1000
FEW = 8
"""So many keys are read one by one, at the same time."""

ANY_TX = 1
"""A snapshot that has the first transaction: any."""

NEWEST_TX = 0
"""One that has all that was committed."""


class Reader:
    """Reads of one database; threads may share it."""

    def __init__(self, connection: Link) -> None:
        """Use a connection."""
        self.name = connection.server.name
        self._connection = connection
        self._pool: ThreadPoolExecutor | None = None

    def get(self, key: bytes) -> Any | None:  # noqa: ANN401 - a message
        """Return the newest entry of a key, None for none."""
        try:
            return self._connection.read("Get", key=key)
        except NotFoundError:
            return None

    def value(self, key: bytes) -> bytes | None:
        """Return the newest value of a key, None for none."""
        found = self.get(key)
        return None if found is None else found.value

    def get_many(
        self, named: Sequence[bytes], *, since_tx: int = NEWEST_TX
    ) -> dict[bytes, Any]:
        """Return the entries of those keys that are there.

        Args:
            named: The keys.
            since_tx: A transaction; what was set later may be missing, or be older.
        """
        wanted = [*dict.fromkeys(named)]
        if len(wanted) <= FEW:
            return self._get_each(wanted)
        found: dict[bytes, Any] = {}
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            asked = self._connection.read("GetAll", keys=page, sinceTx=since_tx)
            for entry in asked.entries:
                if entry.key not in page:
                    raise IntegrityError(
                        f"ledger {self.name}", expected="the keys that were asked for"
                    )
                found[entry.key] = entry
        return found

    def get_lasting(self, named: Sequence[bytes]) -> dict[bytes, Any]:
        """Return the entries of keys that are set once, as many as are there."""
        try:
            found = self.get_many(named, since_tx=ANY_TX)
        except UsageError:
            # An empty database does not have that transaction.
            return {}
        missing = [key for key in named if key not in found]
        if len(named) > FEW and missing:
            found.update(self.get_many(missing))
        return found

    def scan(
        self,
        prefix: bytes,
        first: bytes = b"",
        last: bytes | None = None,
        *,
        newest_first: bool = False,
        page: int = SCAN_PAGE,
    ) -> Iterator[Any]:
        """Yield the entries with ``first <= key < last``, page by page."""
        seek, is_included = (last or b"", False) if newest_first else (first, True)
        while True:
            fields: dict[str, Any] = {"prefix": prefix, "desc": newest_first}
            if seek:
                fields.update(seekKey=seek, inclusiveSeek=is_included)
            found = self._connection.read("Scan", limit=page, **fields).entries
            for entry in found:
                if (newest_first and entry.key < first) or (
                    not newest_first and last is not None and entry.key >= last
                ):
                    return
                yield entry
            if len(found) < page:
                return
            seek, is_included = found[-1].key, False

    def history(self, key: bytes, count: int) -> Iterator[bytes]:
        """Yield the values that a key was set to, the oldest first.

        Args:
            key: The key.
            count: How often it was set.
        """
        for offset in range(0, count, SCAN_PAGE):
            asked = self._connection.read(
                "History", key=key, offset=offset, limit=SCAN_PAGE
            )
            yield from (one.value for one in asked.entries)

    def past(self, key: bytes) -> Iterator[Any]:
        """Yield the entries that a key ever had, the newest first."""
        offset = 0
        while True:
            try:
                found = self._connection.read(
                    "History", key=key, offset=offset, limit=SCAN_PAGE, desc=True
                ).entries
            except NotFoundError:
                return
            yield from found
            if len(found) < SCAN_PAGE:
                return
            offset += len(found)

    def _get_each(self, wanted: Sequence[bytes]) -> dict[bytes, Any]:
        """Return the entries of a few keys, each read by itself."""
        found: Iterable[Any]
        if len(wanted) <= 1:
            found = map(self.get, wanted)
        else:
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(FEW, "immudb")
            found = self._pool.map(self.get, wanted)
        return {
            key: entry
            for key, entry in zip(wanted, found, strict=True)
            if entry is not None
        }

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
