"""Keep a ledger in immudb: ``immudb://host:port/database``, the engine to grow on.

A commit is one transaction of immudb, on the condition that the head was not set after
the transaction in which it was read: of two writers one gets HeadMovedError and the log
cannot fork, however many services write. What immudb answers is verified
(:mod:`~jenkins_notary.engines.immudb.trail`); what it hands out beside head and commits
is a claim, as of any store, and proven by the log's own tree.

Limits are the server's: so many keys a transaction, 1,024 bytes a key. A batch with
more keys is cut by whoever makes it: see :attr:`ImmudbStore.max_keys`. An envelope that
is long is stored in pieces before the commit that names it.

Envelopes are encrypted under keys that can be destroyed
(:mod:`~jenkins_notary.engines.immudb.envelopes`). Keys of rows cannot be: immudb keeps
them for ever, and an erased row is only no longer found.

A record makes six keys (:mod:`~jenkins_notary.engines.immudb.keys`), and a commit one
for each signer. Nothing is read to write them: that an envelope is not there yet is a
condition of the commit, and the records of a digest or a job are listed by what each
commit adds (:mod:`~jenkins_notary.engines.immudb.listing`).

Cost: a commit is two round trips, a lookup one.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.immudb.connection import RETRY_S
from jenkins_notary.engines.immudb.envelopes import Envelopes
from jenkins_notary.engines.immudb.known import Known
from jenkins_notary.engines.immudb.reading import NEWEST_TX, PAGE, Reader
from jenkins_notary.engines.immudb.rows import Rows
from jenkins_notary.engines.immudb.servers import NoPrimaryError
from jenkins_notary.engines.immudb.stored import StoredHead, StoredNote
from jenkins_notary.engines.immudb.strays import find_strays
from jenkins_notary.engines.immudb.wire import MESSAGES
from jenkins_notary.errors import (
    HeadMovedError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.tlog.canonical import HASH_SIZE
from jenkins_notary.tlog.merkle import hash_leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jenkins_notary.engines.immudb.connection import Link
    from jenkins_notary.engines.immudb.sealing import EnvelopeKeys
    from jenkins_notary.engines.immudb.standing import Stand
    from jenkins_notary.engines.immudb.trail import Found, Trail
    from jenkins_notary.ports import Batch, Head, LogName, Row, RowKind

MAX_COMMIT_BYTES = 12 << 20
_SPARE_KEYS = 24
_TILE_WIDTH = 256
_TRIES = 5


class ImmudbStore:
    """A Store in one database of immudb; threads and processes may share it.

    Attributes:
        name: Its URL, for messages.
    """

    def __init__(
        self, connection: Link, trail: Trail, envelope_keys: EnvelopeKeys
    ) -> None:
        """Use a database.

        Args:
            connection: The server.
            trail: What was verified of it.
            envelope_keys: What envelopes are sealed with.
        """
        self.name = connection.server.name
        self._connection = connection
        self._trail = trail
        self._reader = Reader(connection)
        self._rows = Rows(self._reader)
        self._envelopes = Envelopes(self._reader, trail, envelope_keys)
        self._known = Known()
        self._kept: StoredHead | None = None
        self._published: tuple[int, int] | None = None
        self._seen: Found | None = None

    @property
    def engine(self) -> str:
        """Return ``immudb``."""
        return "immudb"

    def listen(self, tell: Callable[[str], None]) -> None:
        """Have somebody told what a person should know: that a replica answers."""
        self._connection.tell = tell

    @property
    def on_replica(self) -> bool:
        """Return whether a replica gave the last answer."""
        return self._connection.on_replica

    @property
    def max_keys(self) -> int:
        """Return how many entries, envelopes and rows one batch may have."""
        return self._connection.max_tx_entries - _SPARE_KEYS

    def head(self) -> Head | None:
        """Return the committed head, or None in a new store."""
        kept = self._read_head()
        return None if kept is None else kept.head

    def commit(self, batch: Batch, *, onto: Head | None) -> None:
        """Make a batch durable if the store still has the head it was built on."""
        kept = self._known_head(onto)
        entries = self._entries_of(batch, kept)
        sealed = self._envelopes.seal(batch)
        self._check_size({**entries, **sealed})
        is_onto = _not_there(keys.HEAD)
        if kept is not None:
            is_onto = _not_after(keys.HEAD, kept.tx)
        are_new = [_not_there(key) for key in sealed]
        try:
            tx = self._write(batch, {**entries, **sealed}, [is_onto, *are_new])
        except HeadMovedError:
            self._kept = None
            if not sealed:
                raise
            self._known_head(onto)
            # Nobody was first: an envelope is there already, and stays as it is.
            for key in self._envelopes.find_readable(sealed):
                del sealed[key]
            tx = self._write(batch, {**entries, **sealed}, [is_onto])
        if tx is not None:
            self._known.add(batch, tx, 0 if kept is None else kept.tx)

    def checkpoint(self) -> bytes | None:
        """Return the newest published checkpoint note, or None before the first.

        It is read with proofs: whoever reads a ledger begins here. One that was proven
        before needs no other proof; that there is none newer, immudb never proves.
        """
        seen = self._seen
        if seen is not None:
            there = self._reader.get(keys.CHECKPOINT)
            if there is not None and seen == (there.value, there.tx):
                return StoredNote.decode(there.value, self.name).note
        try:
            found = self._trail.get(keys.CHECKPOINT)
        except NotFoundError:
            return None
        self._seen = found
        return StoredNote.decode(found.value, self.name).note

    def publish(self, checkpoint: bytes, *, size: int) -> None:
        """Keep a checkpoint note of a committed head unless a larger one is kept."""
        kept = self._published
        while True:
            if kept is None:
                found = self._reader.get(keys.CHECKPOINT)
                if found is not None:
                    kept = StoredNote.decode(found.value, self.name).size, found.tx
            condition = _not_there(keys.CHECKPOINT)
            if kept is not None:
                if kept[0] > size:
                    return
                condition = _not_after(keys.CHECKPOINT, kept[1])
            value = StoredNote(size, checkpoint).encode()
            try:
                done = self._connection.write(
                    "Set",
                    entries=[MESSAGES["KeyValue"](key=keys.CHECKPOINT, value=value)],
                    preconditions=[condition],
                    noWait=True,
                )
            except HeadMovedError:
                kept = None
                continue
            self._published, self._seen = (size, done.id), None
            return

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        known = self._known.entries(log, start, stop)
        if known is not None:
            return known
        stop = min(stop, 1 << 63)
        found: list[bytes] = []
        while 0 <= start < stop:
            # Their keys are known, and to scan costs more for each.
            page = range(start, min(stop, start + PAGE))
            named = [keys.format_entry(log, index) for index in page]
            there = self._reader.get_lasting(named)
            values = [there[key].value for key in named if key in there]
            if any(key not in there for key in named[: len(values)]):
                missing = page[[key in there for key in named].index(False)]
                raise IntegrityError(
                    f"ledger {self.name} {log} entry {missing}",
                    expected="each up to the last",
                    got="none",
                    advice="run jenkins-notary ledger verify",
                )
            found += values
            if len(values) < len(page):
                break
            start = page.stop
        return found

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a hash tile."""
        if not (0 <= level <= 63 and 0 <= n < 1 << 55 and width > 0):
            return b""
        found = self._known.tile(log, level, n, width)
        if found is not None:
            return found
        if level or width >= _TILE_WIDTH:
            found = self._reader.value(keys.format_tile(log, level, n))
        if found is None and not level:
            start = n * _TILE_WIDTH
            entries = self.entries(log, start, start + min(width, _TILE_WIDTH))
            found = b"".join([hash_leaf(entry) for entry in entries])
        if found:
            self._known.keep_tile(log, level, n, found)
        return (found or b"")[: width * HASH_SIZE]

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
        if limit <= 0 or low >= high:
            return []
        found = self._rows.find(
            kind, low, high, after=after, newest_first=newest_first, limit=limit
        )
        return [*islice(found, limit)]

    def first_rows(self, digests: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the index of the first record of each statement that is there.

        It is as of the head that was read last.
        """
        kept = self._kept
        since_tx = NEWEST_TX
        recent: Mapping[bytes, int] = {}
        if kept is not None:
            since_tx, recent = self._known.statements_since(kept.tx)
        found = {one: recent[one] for one in digests if one in recent}
        named = {
            keys.format_row_key("statement", one): one
            for one in digests
            if one not in recent
        }
        for key, entry in self._reader.get_many([*named], since_tx=since_tx).items():
            index = self._rows.first(entry)
            if index is not None:
                found[named[key]] = index
        return found

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        return self._envelopes.find(digests)

    def get_setting(self, name: str) -> bytes | None:
        """Return a small setting that was put when the ledger was made, or None."""
        return self._get_proven(keys.format_setting(name))

    def put_setting(self, name: str, value: bytes) -> None:
        """Put a setting, durably."""
        self._trail.set([(keys.format_setting(name), value)], [])

    def erase(self, digests: Iterable[bytes], rows: Iterable[Row]) -> None:
        """Destroy envelopes beyond recovery; rows are no longer found.

        An envelope's key is destroyed first: should immudb be away then, its bytes are
        unreadable already. immudb keeps the keys of rows in its transactions for ever.
        """
        named = self._envelopes.destroy(digests)
        for start in range(0, len(named), PAGE):
            self._connection.write("Delete", keys=named[start : start + PAGE])
        listed = [*rows]
        self._known.forget_statements()
        while listed:
            try:
                self._remove(listed[:PAGE])
            except HeadMovedError:
                # A writer added to one of the lists: they are read again.
                continue
            del listed[:PAGE]

    def scan_rows(self, kind: RowKind) -> Iterator[Row]:
        """Yield all rows of a kind, sorted by (key, index)."""
        return self._rows.scan(kind)

    def scan_envelopes(self) -> Iterator[bytes]:
        """Yield the SHA-256 of every stored envelope."""
        return self._envelopes.scan()

    def scan_tiles(self, log: LogName) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, n, hashes) of every stored tile."""
        for entry in self._reader.scan(keys.tiles_prefix(log), page=64):
            try:
                place = keys.parse_tile(log, entry.key)
            except ValueError as error:
                raise IntegrityError(
                    f"ledger {self.name} key {entry.key[:80]!r}", expected="a tile"
                ) from error
            yield (*place, entry.value)

    def scan_strays(self, sizes: Mapping[LogName, int]) -> Iterator[str]:
        """Yield the keys that no ledger of these sizes has: for verification."""
        for key in find_strays(self._reader, sizes):
            yield repr(key[:80])

    def find_stand(self, index: int, rows: Sequence[Row]) -> Stand:
        """Return where a record stands in immudb, proven; see ``standing``."""
        from jenkins_notary.engines.immudb.standing import find_stand

        return find_stand(self._trail, self._reader, index, rows)

    def close(self) -> None:
        """End the session and the connection."""
        self._reader.close()
        self._connection.close()

    def _write(
        self, batch: Batch, entries: Mapping[bytes, bytes], conditions: Sequence[Any]
    ) -> int | None:
        """Set a commit's keys; return its transaction, None where it is not known.

        Raises:
            HeadMovedError: A condition does not hold; nothing was done.
            UnavailableError: It may have been done, or not.
        """
        deadline = time.monotonic() + RETRY_S
        for attempt in range(1, _TRIES + 1):
            try:
                return self._trail.set([*entries.items()], conditions)
            except HeadMovedError:
                # It may be this very batch, of an attempt that got no answer.
                if attempt > 1 and self.head() == batch.head:
                    return None
                raise
            except NoPrimaryError:
                raise
            except UnavailableError:
                # Done or not? The head tells; and to do it again cannot fork the log.
                if self.head() == batch.head:
                    return None
                if attempt == _TRIES or time.monotonic() > deadline:
                    raise
        raise AssertionError  # The last attempt returns or raises.

    def _remove(self, rows: Sequence[Row]) -> None:
        """Take rows away, all or none of them.

        Raises:
            HeadMovedError: A list was changed meanwhile.
        """
        entries, conditions = [], []
        for key, value, tx, is_last in self._rows.removals(rows):
            entry = MESSAGES["KeyValue"](key=key, value=value)
            if is_last:
                entry.metadata.deleted = True
            entries.append(entry)
            conditions.append(_not_after(key, tx))
        if entries:
            self._connection.write("Set", entries=entries, preconditions=conditions)

    def _entries_of(self, batch: Batch, kept: StoredHead | None) -> dict[bytes, bytes]:
        """Return the keys and values of a commit, but for envelopes.

        Raises:
            IntegrityError: It does not continue the logs.
        """
        sizes = {"main": 0, "trust": 0} if kept is None else {**kept.sizes}
        found: dict[bytes, bytes] = {}
        logs: tuple[tuple[LogName, int, Sequence[bytes]], ...] = (
            ("main", batch.main_start, batch.main),
            ("trust", batch.trust_start, batch.trust),
        )
        for log, start, added in logs:
            listed = [*added]
            if listed and start != sizes[log]:
                raise IntegrityError(
                    f"ledger {self.name} {log} log",
                    expected=f"{start} entries, as the head says",
                    got=f"{sizes[log]}",
                    advice="run jenkins-notary ledger verify",
                )
            sizes[log] += len(listed)
            for index, entry in enumerate(listed, start):
                found[keys.format_entry(log, index)] = entry
        for (log, level, n), hashes in batch.tiles.items():
            found[keys.format_tile(log, level, n)] = hashes
        found.update(self._rows.additions(batch.rows))
        found[keys.HEAD] = StoredHead(batch.head, sizes, 0).encode()
        return found

    def _check_size(self, entries: Mapping[bytes, bytes]) -> None:
        """Check that a commit is not larger than a transaction can be.

        Raises:
            UsageError: It is.
        """
        size = sum(len(key) + len(value) for key, value in entries.items())
        if len(entries) > self._connection.max_tx_entries or size > MAX_COMMIT_BYTES:
            raise UsageError(
                f"ledger {self.name}",
                expected=f"at most {self.max_keys} keys and {MAX_COMMIT_BYTES} bytes",
                got=f"{len(entries)} keys, {size} bytes",
            )

    def _get_proven(self, key: bytes) -> bytes | None:
        """Return a value with proofs, None for none."""
        try:
            return self._trail.get(key).value
        except NotFoundError:
            return None

    def _read_head(self) -> StoredHead | None:
        """Return the head that is stored, with the transaction that set it.

        A claim: who builds on it compares it with the signed checkpoint, and immudb
        commits on the newest one only.
        """
        found = self._reader.get(keys.HEAD)
        kept = (
            None
            if found is None
            else StoredHead.decode(found.value, found.tx, self.name)
        )
        self._kept = kept
        return kept

    def _known_head(self, onto: Head | None) -> StoredHead | None:
        """Return the stored head, as it was read last if that is the one.

        Raises:
            HeadMovedError: It is another one.
        """
        kept = self._kept
        if kept is None or kept.head != onto:
            kept = self._read_head()
        if (None if kept is None else kept.head) != onto:
            raise HeadMovedError(
                f"ledger {self.name}",
                expected="the head that the batch was built on",
                got="another",
                advice="read the head and build again",
            )
        return kept


def _not_there(key: bytes) -> Any:  # noqa: ANN401 - a message
    """Return the condition that a key was never set."""
    return MESSAGES["Precondition"](mustNotExist=MESSAGES["MustNotExist"](key=key))


def _not_after(key: bytes, tx: int) -> Any:  # noqa: ANN401 - a message
    """Return the condition that a key was not set after a transaction."""
    return MESSAGES["Precondition"](
        notModifiedAfter=MESSAGES["NotModifiedAfter"](key=key, tx=tx)
    )
