"""Keep a ledger in one SQLite file: the default engine, ``sqlite:///path``.

Tables, schema version 1:

=================== ============================================== ================
head                one row: both frontiers, time of the last one   compare and swap
checkpoint          one row: the newest published note, its size
setting             name, value
main_entry          index, packed entry                             rowid, appended
trust_entry         the same for the trust log
main_tile           level, n, hashes: full ones, at level 0
trust_tile          the same for the trust log
envelope            id, packed envelope                             rowid, appended
envelope_id         SHA-256, id
subject_row ...     key, index: one table for each of ROW_KINDS
=================== ============================================== ================

How each is packed: :mod:`~jenkins_notary.engines.packing`. A commit is one transaction
with one sync. The head is compared inside it, under SQLite's write lock, so of two
writers one gets HeadMovedError and the log cannot fork.

Envelopes are appended, never moved, and erased by being overwritten where they are.
Rows are sorted trees, whose pages keep copies of what was moved; so an erasure writes
a kind's table anew and frees the old one, overwritten with zeros, and then empties
the write-ahead log. What the disk below does with overwritten blocks is out of reach.

Cost: a lookup is O(log n); paging too, however deep.
"""

from __future__ import annotations

from jenkins_notary.engines.packing import (
    pack_entry,
    pack_envelope,
    unpack_entry,
    unpack_envelope,
    unpack_parts,
)
from jenkins_notary.engines.sqlite_file import Database, create_file
from jenkins_notary.errors import HeadMovedError, IntegrityError
from jenkins_notary.ports import ROW_KINDS, Head, Row
from jenkins_notary.tlog.merkle import hash_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jenkins_notary.ports import Batch, LogName, RowKind
    from jenkins_notary.values.envelope import Envelope

# Names of tables come from here alone: a log or kind from elsewhere is a KeyError.
_ENTRIES: dict[LogName, str] = {"main": "main_entry", "trust": "trust_entry"}
_TILES: dict[LogName, str] = {"main": "main_tile", "trust": "trust_tile"}
_ROWS: dict[RowKind, str] = {kind: f"{kind}_row" for kind in ROW_KINDS}
_ROW_COLUMNS = (
    "(key BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (key, at)) WITHOUT ROWID"
)
_SCHEMA = ";".join(
    [
        "CREATE TABLE head (id INTEGER PRIMARY KEY, main BLOB, trust BLOB, at_ms INT)",
        "CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, size INTEGER, note BLOB)",
        "CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
        "CREATE TABLE envelope (id INTEGER PRIMARY KEY, packed BLOB)",
        "CREATE TABLE envelope_id (sha256 BLOB PRIMARY KEY, id INTEGER) WITHOUT ROWID",
        *(
            f"CREATE TABLE {table} (at INTEGER PRIMARY KEY, packed BLOB)"
            for table in _ENTRIES.values()
        ),
        *(
            f"CREATE TABLE {table} (level INTEGER, n INTEGER, hashes BLOB,"
            " PRIMARY KEY (level, n)) WITHOUT ROWID"
            for table in _TILES.values()
        ),
        *(f"CREATE TABLE {table} {_ROW_COLUMNS}" for table in _ROWS.values()),
    ]
)
_MAX_INTEGER = (1 << 63) - 1
_PAGE = 1000
_TILE_PAGE = 64
# SQLite before 3.32 takes 999 parameters.
_LOOKUPS = 500
_TILE_WIDTH = 256


class SqliteStore:
    """A Store in one SQLite file; threads may share it, processes each open it.

    Whatever it reads is a claim, as the port says: the file may have been altered.

    Attributes:
        path: The file's absolute path.
    """

    def __init__(self, database: Database) -> None:
        """Hold an open database; see :meth:`open` and :meth:`create`."""
        self._database = database
        self.path = database.path

    @classmethod
    def create(
        cls, path: str, *, allow_network: bool = False, wait_s: float = 30.0
    ) -> SqliteStore:
        """Make a new, empty store and open it.

        Args:
            path: The file (0600); its folder is made if it is missing (0700).
            allow_network: Allow a network file system: safe only for one host.
            wait_s: How long to wait for other writers.

        Raises:
            UsageError: The file exists.
            ConfigurationError: On a network file system.
            StorageError: The disk is full or read-only; nothing stays.
            PermissionDeniedError: No right to make it.
        """
        create_file(path, _SCHEMA, allow_network=allow_network)
        return cls.open(path, allow_network=allow_network, wait_s=wait_s)

    @classmethod
    def open(
        cls, path: str, *, allow_network: bool = False, wait_s: float = 30.0
    ) -> SqliteStore:
        """Open a store; where nothing can be written, for reading.

        Args:
            path: The file.
            allow_network: Allow a network file system: safe only for one host.
            wait_s: How long to wait for other writers.

        Raises:
            NotFoundError: No such file.
            ConfigurationError: Another program's file, another schema, or on a
                network file system.
            IntegrityError: Damaged, or no database.
            PermissionDeniedError: No right to read it.
            StorageError: It cannot be read.
        """
        return cls(Database(path, allow_network=allow_network, wait_s=wait_s))

    @property
    def engine(self) -> str:
        """Return ``sqlite``."""
        return "sqlite"

    @property
    def max_keys(self) -> int:
        """Return no bound that matters."""
        return 1 << 30

    @property
    def read_only(self) -> bool:
        """Return whether nothing can be written here."""
        return self._database.read_only

    def head(self) -> Head | None:
        """Return the committed head, or None in a new store."""
        return self._read_head(self._database.fetch(_HEAD))

    def commit(self, batch: Batch, *, onto: Head | None) -> None:
        """Make a batch durable if the store still has the head it was built on."""
        # All that takes time and can go wrong in Python is done before the lock.
        entries: list[tuple[LogName, int, list[bytes]]] = [
            ("main", batch.main_start, [pack_entry(entry) for entry in batch.main]),
            ("trust", batch.trust_start, [pack_entry(entry) for entry in batch.trust]),
        ]
        envelopes = [
            (digest, pack_envelope(raw)) for digest, raw in batch.envelopes.items()
        ]
        rows: dict[RowKind, list[tuple[bytes, int]]] = {kind: [] for kind in ROW_KINDS}
        for kind, key, index in batch.rows:
            rows[kind].append((key, index))
        with self._database.writing() as db:
            if self._read_head(db.execute(_HEAD).fetchall()) != onto:
                raise HeadMovedError(
                    f"ledger {self.path}",
                    expected="the head that the batch was built on",
                    got="another",
                    advice="read the head and build again",
                )
            for log, start, packed in entries:
                self._append(db, log, start, packed)
            self._add_envelopes(db, envelopes)
            for (log, level, n), hashes in batch.tiles.items():
                db.execute(
                    f"INSERT OR REPLACE INTO {_TILES[log]} VALUES (?, ?, ?)",  # noqa: S608
                    (level, n, hashes),
                )
            for kind, pairs in rows.items():
                pairs.sort()
                db.executemany(
                    f"INSERT OR IGNORE INTO {_ROWS[kind]} VALUES (?, ?)",  # noqa: S608
                    pairs,
                )
            db.execute("INSERT OR REPLACE INTO head VALUES (0, ?, ?, ?)", batch.head)

    def checkpoint(self) -> bytes | None:
        """Return the newest published checkpoint note, or None before the first."""
        found = self._database.fetch("SELECT note FROM checkpoint WHERE id = 0")
        return self._bytes(found[0][0], "checkpoint") if found else None

    def publish(self, checkpoint: bytes, *, size: int) -> None:
        """Keep a checkpoint note unless a larger one is kept; not synced."""
        with self._database.writing(durable=False) as db:
            found = db.execute("SELECT size FROM checkpoint WHERE id = 0").fetchone()
            if found is None or found[0] <= size:
                db.execute(
                    "INSERT OR REPLACE INTO checkpoint VALUES (0, ?, ?)",
                    (size, checkpoint),
                )

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        if not 0 <= start < stop:
            return []
        # The end is read first: the log may grow between the two queries.
        (end,) = self._database.fetch(f"SELECT max(at) FROM {_ENTRIES[log]}")[0]  # noqa: S608
        stop = min(stop, 0 if end is None else end + 1)
        if start >= stop:
            return []
        found = self._database.fetch(
            f"SELECT packed, at FROM {_ENTRIES[log]}"  # noqa: S608
            " WHERE at >= ? AND at < ? ORDER BY at",
            (start, stop),
        )
        if len(found) != stop - start:
            there = {at for _, at in found}
            missing = next(at for at in range(start, stop) if at not in there)
            raise IntegrityError(
                f"ledger {self.path} {log} entry {missing}",
                expected=f"each of {start} to {stop - 1}",
                got="none",
                advice="run jenkins-notary ledger verify, or restore a backup",
            )
        try:
            return [unpack_entry(packed) for packed, _ in found]
        except IntegrityError:
            # To name an entry takes as long as a tenth of unpacking it.
            where = f"ledger {self.path} {log} entry"
            return [
                unpack_entry(packed, subject=f"{where} {at}") for packed, at in found
            ]

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a hash tile.

        Cost: one read; a partial tile of level 0 is hashed from its entries.
        """
        if not (0 <= level <= 63 and 0 <= n < 1 << 55 and width > 0):
            return b""
        found = self._database.fetch(
            f"SELECT hashes FROM {_TILES[log]} WHERE level = ? AND n = ?",  # noqa: S608
            (level, n),
        )
        if found:
            return self._bytes(found[0][0], f"{log} tile {level}/{n}")[: width * 32]
        if level:
            return b""
        start = n * _TILE_WIDTH
        entries = self.entries(log, start, start + min(width, _TILE_WIDTH))
        return b"".join([hash_leaf(entry) for entry in entries])

    def rows(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        limit: int,
        after: tuple[bytes, int] | None = None,
        newest_first: bool = False,
    ) -> Sequence[Row]:
        """Return derived rows with ``low <= key < high``, sorted by (key, index)."""
        if newest_first:
            edge = (high, -1) if after is None else min((high, -1), after)
            where = "(key, at) < (?, ?) AND key >= ? ORDER BY key DESC, at DESC"
            other = low
        else:
            edge = (low, -1) if after is None else max((low, -1), after)
            where = "(key, at) > (?, ?) AND key < ? ORDER BY key, at"
            other = high
        found = self._database.fetch(
            f"SELECT key, at FROM {_ROWS[kind]} WHERE {where} LIMIT ?",  # noqa: S608
            (edge[0], min(edge[1], _MAX_INTEGER), other, max(limit, 0)),
        )
        return [self._row(kind, key, at) for key, at in found]

    def first_rows(self, statements: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the index of the first record of each statement that is there."""
        found: dict[bytes, int] = {}
        for start in range(0, len(statements), _LOOKUPS):
            wanted = statements[start : start + _LOOKUPS]
            marks = ",".join("?" * len(wanted))
            rows = self._database.fetch(
                f"SELECT key, min(at) FROM {_ROWS['statement']}"  # noqa: S608
                f" WHERE key IN ({marks}) GROUP BY key",
                wanted,
            )
            found.update(self._row("statement", *row)[1:] for row in rows)
        return found

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        return {
            digest: unpack_envelope(packed, subject=self._envelope_name(digest))
            for digest, packed in self._packed_envelopes(digests)
        }

    def envelope_parts(
        self, digests: Sequence[bytes]
    ) -> Mapping[bytes, Envelope | bytes]:
        """Return the envelopes by SHA-256 as they are stored: in parts, or as bytes.

        Parts are not yet the envelope of the digest: who reads them formats them and
        compares. It spares a verifier of many the way there and back.
        """
        found = self._packed_envelopes(digests)
        try:
            return {digest: unpack_parts(packed) for digest, packed in found}
        except IntegrityError:
            return {
                digest: unpack_parts(packed, subject=self._envelope_name(digest))
                for digest, packed in found
            }

    def get_setting(self, name: str) -> bytes | None:
        """Return a small setting, or None."""
        found = self._database.fetch(
            "SELECT value FROM setting WHERE name = ?", (name,)
        )
        return self._bytes(found[0][0], f"setting {name}") if found else None

    def put_setting(self, name: str, value: bytes) -> None:
        """Put a setting, durably."""
        with self._database.writing() as db:
            db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def erase(self, digests: Iterable[bytes], rows: Iterable[Row]) -> None:
        """Destroy envelopes (by SHA-256) and rows beyond recovery from the file.

        Cost: writes the table of each kind anew of which a row is erased, a second
        or two at a million rows.

        Raises:
            UnavailableError: Others kept writing, or a reader kept an older state
                alive: then all is gone for every new reader, but its bytes may stand
                in the write-ahead log until this is called again.
        """
        by_kind: dict[RowKind, list[tuple[bytes, int]]] = {}
        for kind, key, index in rows:
            by_kind.setdefault(kind, []).append((key, index))
        with self._database.writing() as db:
            for digest in digests:
                self._erase_envelope(db, digest)
            for kind, pairs in by_kind.items():
                db.executemany(
                    f"DELETE FROM {_ROWS[kind]} WHERE key = ? AND at = ?",  # noqa: S608
                    pairs,
                )
                db.execute(f"CREATE TABLE anew {_ROW_COLUMNS}")
                db.execute(
                    f"INSERT INTO anew SELECT * FROM {_ROWS[kind]} ORDER BY key, at"  # noqa: S608
                )
                db.execute(f"DROP TABLE {_ROWS[kind]}")
                db.execute(f"ALTER TABLE anew RENAME TO {_ROWS[kind]}")
        self._database.empty_wal()

    def scan_rows(self, kind: RowKind) -> Iterator[Row]:
        """Yield all rows of a kind, sorted by (key, index), page by page.

        A row that is committed meanwhile is seen if it sorts behind the current page.
        """
        for page in self.scan_row_pages(kind):
            for key, at in page:
                yield Row(kind, key, at)

    def scan_row_pages(self, kind: RowKind) -> Iterator[list[tuple[bytes, int]]]:
        """Yield the rows of :meth:`scan_rows` in pages of bare (key, index)."""
        table = f"SELECT key, at FROM {_ROWS[kind]}"  # noqa: S608
        found = self._database.fetch(f"{table} ORDER BY key, at LIMIT {_PAGE}")
        while found:
            for key, at in found:
                if type(key) is not bytes or type(at) is not int:
                    raise self._wrong(f"{kind} row", at if type(key) is bytes else key)
            yield found
            found = self._database.fetch(
                f"{table} WHERE (key, at) > (?, ?) ORDER BY key, at LIMIT {_PAGE}",
                found[-1],
            )

    def scan_envelopes(self) -> Iterator[bytes]:
        """Yield the SHA-256 of every stored envelope, sorted, page by page."""
        table = "SELECT sha256 FROM envelope_id"
        found = self._database.fetch(f"{table} ORDER BY sha256 LIMIT {_PAGE}")
        while found:
            for (digest,) in found:
                yield self._bytes(digest, "envelope's SHA-256")
            found = self._database.fetch(
                f"{table} WHERE sha256 > ? ORDER BY sha256 LIMIT {_PAGE}", found[-1]
            )

    def scan_tiles(self, log: LogName) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, n, hashes) of every stored tile, sorted, page by page."""
        table = f"SELECT level, n, hashes FROM {_TILES[log]}"  # noqa: S608
        order = f"ORDER BY level, n LIMIT {_TILE_PAGE}"
        found = self._database.fetch(f"{table} {order}")
        while found:
            for level, n, hashes in found:
                yield level, n, self._bytes(hashes, f"{log} tile {level}/{n}")
            found = self._database.fetch(
                f"{table} WHERE (level, n) > (?, ?) {order}", found[-1][:2]
            )

    def close(self) -> None:
        """Close the file; further calls are wrong."""
        self._database.close()

    def backup(
        self, target: str, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Copy the store as it is now to a new file, while others write on.

        Args:
            target: The new file (0600); it must not exist.
            progress: Called with (pages copied, pages in all).

        Raises:
            UsageError: The target exists.
            StorageError: It cannot be written whole; nothing stays of it.
        """
        self._database.copy(target, progress=progress)

    def quick_check(self) -> list[str]:
        """Return what SQLite finds broken in the file's structure; [] for nothing.

        It says nothing of the content: that is what the log's hashes are for.

        Cost: reads the whole file.
        """
        found = self._database.fetch("PRAGMA quick_check(20)")
        return [text for (text,) in found if text != "ok"]

    def _packed_envelopes(self, digests: Sequence[bytes]) -> list[tuple[bytes, object]]:
        """Return (SHA-256, packed envelope) of those that are there."""
        found: list[tuple[bytes, object]] = []
        for start in range(0, len(digests), _LOOKUPS):
            wanted = digests[start : start + _LOOKUPS]
            marks = ",".join("?" * len(wanted))
            found += self._database.fetch(
                "SELECT sha256, packed FROM envelope_id JOIN envelope USING (id)"  # noqa: S608
                f" WHERE sha256 IN ({marks})",
                wanted,
            )
        return found

    def _envelope_name(self, digest: bytes) -> str:
        """Return what an envelope is called in a message."""
        return f"ledger {self.path} envelope {digest.hex()}"

    def _read_head(self, found: Sequence[tuple[bytes, bytes, int]]) -> Head | None:
        """Return the head in the rows of a query."""
        if not found:
            return None
        main, trust, at_ms = found[0]
        if type(at_ms) is not int:
            raise self._wrong("head", at_ms)
        return Head(self._bytes(main, "head"), self._bytes(trust, "head"), at_ms)

    def _append(
        self, db: sqlite3.Connection, log: LogName, start: int, packed: Sequence[bytes]
    ) -> None:
        """Append packed entries, which must continue the log."""
        if not packed:
            return
        (end,) = db.execute(f"SELECT max(at) FROM {_ENTRIES[log]}").fetchone()  # noqa: S608
        size = 0 if end is None else end + 1
        if size != start:
            raise IntegrityError(
                f"ledger {self.path} {log} log",
                expected=f"{start} entries, as the head says",
                got=f"{size}",
                advice="run jenkins-notary ledger verify",
            )
        db.executemany(
            f"INSERT INTO {_ENTRIES[log]} VALUES (?, ?)",  # noqa: S608
            enumerate(packed, start),
        )

    @staticmethod
    def _add_envelopes(
        db: sqlite3.Connection, envelopes: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Add packed envelopes, each under the next id, unless it is there."""
        there = {
            digest
            for start in range(0, len(envelopes), _LOOKUPS)
            for (digest,) in _find_envelopes(db, envelopes[start : start + _LOOKUPS])
        }
        (end,) = db.execute("SELECT max(id) FROM envelope").fetchone()
        new = [one for one in envelopes if one[0] not in there]
        placed = [*enumerate(new, 0 if end is None else end + 1)]
        db.executemany(
            "INSERT INTO envelope_id VALUES (?, ?)",
            [(digest, place) for place, (digest, _) in placed],
        )
        db.executemany(
            "INSERT INTO envelope VALUES (?, ?)",
            [(place, packed) for place, (_, packed) in placed],
        )

    @staticmethod
    def _erase_envelope(db: sqlite3.Connection, digest: bytes) -> None:
        """Overwrite an envelope with as many zeros, in its place; forget its digest."""
        found = db.execute(
            "SELECT id, length(packed) FROM envelope_id JOIN envelope USING (id)"
            " WHERE sha256 = ?",
            (digest,),
        ).fetchone()
        if found:
            place, length = found
            db.execute(
                "UPDATE envelope SET packed = zeroblob(?) WHERE id = ?", (length, place)
            )
        db.execute("DELETE FROM envelope_id WHERE sha256 = ?", (digest,))

    def _row(self, kind: RowKind, key: object, at: object) -> Row:
        """Return a row, or raise if its columns are of another type."""
        if not isinstance(key, bytes) or not isinstance(at, int):
            raise self._wrong(f"{kind} row", key if isinstance(at, int) else at)
        return Row(kind, key, at)

    def _bytes(self, value: object, what: str) -> bytes:
        """Return a value that must be bytes."""
        if not isinstance(value, bytes):
            raise self._wrong(what, value)
        return value

    def _wrong(self, what: str, value: object) -> IntegrityError:
        """Return the error for a column that holds another type than it was given."""
        return IntegrityError(
            f"ledger {self.path} {what}",
            expected="the type that was stored",
            got=type(value).__name__,
            advice="run jenkins-notary ledger verify, or restore a backup",
        )


_HEAD = "SELECT main, trust, at_ms FROM head WHERE id = 0"


def _find_envelopes(
    db: sqlite3.Connection, envelopes: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes]]:
    """Return the SHA-256 of those envelopes that are there."""
    marks = ",".join("?" * len(envelopes))
    return db.execute(
        f"SELECT sha256 FROM envelope_id WHERE sha256 IN ({marks})",  # noqa: S608
        [digest for digest, _ in envelopes],
    ).fetchall()
