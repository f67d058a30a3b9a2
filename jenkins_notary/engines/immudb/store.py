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
(:mod:`~jenkins_notary.engines.immudb.erasable`). Keys of rows cannot be: immudb keeps
them for ever, and an erased row is only no longer found.

Cost: a commit is two round trips, a lookup one.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.immudb.connection import RETRY_S
from jenkins_notary.engines.immudb.servers import NoPrimaryError
from jenkins_notary.engines.immudb.wire import MESSAGES
from jenkins_notary.engines.packing import pack_envelope, unpack_envelope
from jenkins_notary.errors import (
    HeadMovedError,
    IntegrityError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.ports import Head, Row
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.merkle import hash_leaf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jenkins_notary.engines.immudb.connection import Link
    from jenkins_notary.engines.immudb.sealing import EnvelopeKeys
    from jenkins_notary.engines.immudb.trail import Trail
    from jenkins_notary.ports import Batch, LogName, RowKind

PIECE_BYTES = 1 << 20
"""Envelopes longer than this are stored in pieces."""

MAX_COMMIT_BYTES = 12 << 20
_SPARE_KEYS = 24
_PAGE = 500
_SCAN_PAGE = 1000
_TILE_WIDTH = 256
_TRIES = 5
_WHOLE, _IN_PIECES = b"\x00", b"\x01"


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
        self._keys = envelope_keys
        self._kept: _Kept | None = None

    @property
    def engine(self) -> str:
        """Return ``immudb``."""
        return "immudb"

    def listen(self, tell: Callable[[str], None]) -> None:
        """Have somebody told what a person should know: that a replica answers."""
        self._connection.tell = tell

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
        condition = _not_there(keys.HEAD)
        if kept is not None:
            condition = _not_after(keys.HEAD, kept.tx)
        deadline = time.monotonic() + RETRY_S
        for attempt in range(1, _TRIES + 1):
            try:
                self._trail.set(entries, [condition])
            except HeadMovedError:
                # It may be this very batch, of an attempt that got no answer.
                if attempt > 1 and self.head() == batch.head:
                    return
                self._kept = None
                raise
            except NoPrimaryError:
                raise
            except UnavailableError:
                # Done or not? The head tells; and to do it again cannot fork the log.
                if self.head() == batch.head:
                    return
                if attempt == _TRIES or time.monotonic() > deadline:
                    raise
            else:
                return

    def checkpoint(self) -> bytes | None:
        """Return the newest published checkpoint note, or None before the first.

        It is read with proofs: whoever reads a ledger begins here.
        """
        found = self._get_proven(keys.CHECKPOINT)
        return None if found is None else found[8:]

    def publish(self, checkpoint: bytes, *, size: int) -> None:
        """Keep a checkpoint note of a committed head unless a larger one is kept."""
        while True:
            try:
                entry = self._connection.read("Get", key=keys.CHECKPOINT)
            except NotFoundError:
                condition = _not_there(keys.CHECKPOINT)
            else:
                if struct.unpack(">Q", entry.value[:8])[0] > size:
                    return
                condition = _not_after(keys.CHECKPOINT, entry.tx)
            value = struct.pack(">Q", size) + checkpoint
            try:
                self._connection.write(
                    "Set",
                    entries=[MESSAGES["KeyValue"](key=keys.CHECKPOINT, value=value)],
                    preconditions=[condition],
                    noWait=True,
                )
            except HeadMovedError:
                continue
            return

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return the entries of [start, stop); fewer only when the log is shorter."""
        stop = min(stop, 1 << 63)
        found: list[bytes] = []
        while 0 <= start < stop:
            # Their keys are known, and to scan costs more for each.
            page = range(start, min(stop, start + _PAGE))
            named = [keys.format_entry(log, index) for index in page]
            there = {one.key: one.value for one in self._get_all(named)}
            values = [there[key] for key in named if key in there]
            if values != [there.get(key) for key in named[: len(values)]]:
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
        found = self._get(keys.format_tile(log, level, n))
        if found is not None:
            return found[: width * 32]
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
        found: list[Row] = []
        if limit <= 0 or low >= high:
            return found
        first, last = low, high
        if after is not None:
            first = first if newest_first else max(low, after[0])
            last = min(high, after[0] + b"\x00") if newest_first else last
        page = min(limit + 1, _PAGE)
        for row in self._walk(
            kind, (first, last), newest_first=newest_first, page=page
        ):
            place = row.key, row.index
            is_past = after is None or (
                place < after if newest_first else place > after
            )
            if low <= row.key < high and is_past:
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def first_rows(self, digests: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the index of the first record of each statement that is there."""
        named = {keys.first_key(one): one for one in digests}
        return {
            named[entry.key]: keys.parse_row("statement", entry.key, entry.value).index
            for entry in self._get_all([*named])
        }

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelope bytes by SHA-256; absent ones left out."""
        found: dict[bytes, bytes] = {}
        named = {keys.format_envelope(one): one for one in digests}
        for entry in self._get_all([*named]):
            digest = named[entry.key]
            raw = self._open(digest, entry.value)
            if raw is not None:
                found[digest] = raw
        return found

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
        gone = [*digests]
        self._keys.destroy(gone)
        named = [keys.format_envelope(one) for one in gone]
        for row in rows:
            named += [keys.format_row(row)[0]]
            if row.kind == "statement":
                named.append(keys.first_key(row.key))
            job = keys.format_job(row) if row.kind == "name" else None
            named += [] if job is None else [job]
        there = [*self._get_all(named)]
        for start in range(0, len(there), _PAGE):
            self._connection.write(
                "Delete", keys=[one.key for one in there[start : start + _PAGE]]
            )

    def scan_rows(self, kind: RowKind) -> Iterator[Row]:
        """Yield all rows of a kind, sorted by (key, index)."""
        yield from self._walk(kind, (b"", None), newest_first=False, page=_SCAN_PAGE)

    def scan_envelopes(self) -> Iterator[bytes]:
        """Yield the SHA-256 of every stored envelope."""
        for entry in self._scan(b"envelope/", b"", None):
            yield keys.parse_envelope(entry.key)

    def scan_tiles(self, log: LogName) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, n, hashes) of every stored tile."""
        for entry in self._scan(keys.tiles_prefix(log), b"", None, page=64):
            yield (*keys.parse_tile(log, entry.key), entry.value)

    def close(self) -> None:
        """End the session and the connection."""
        self._connection.close()

    def _entries_of(
        self, batch: Batch, kept: _Kept | None
    ) -> list[tuple[bytes, bytes]]:
        """Return the keys and values of a commit.

        Raises:
            IntegrityError: It does not continue the logs.
            UsageError: It is larger than a transaction can be.
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
        found.update(self._rows_and_envelopes(batch))
        found[keys.HEAD] = _Kept(batch.head, sizes, 0).encode()
        size = sum(len(key) + len(value) for key, value in found.items())
        if len(found) > self._connection.max_tx_entries or size > MAX_COMMIT_BYTES:
            raise UsageError(
                f"ledger {self.name}",
                expected=f"at most {self.max_keys} keys and {MAX_COMMIT_BYTES} bytes",
                got=f"{len(found)} keys, {size} bytes",
            )
        return [*found.items()]

    def _rows_and_envelopes(self, batch: Batch) -> dict[bytes, bytes]:
        """Return the keys and values of a batch's rows and envelopes."""
        rows = dict.fromkeys(batch.rows)
        firsts = [keys.first_key(one.key) for one in rows if one.kind == "statement"]
        sealed = {keys.format_envelope(one): one for one in batch.envelopes}
        there = {one.key: one.value for one in self._get_all([*firsts, *sealed])}
        found: dict[bytes, bytes] = {}
        for row in rows:
            key, value = keys.format_row(row)
            if row.kind == "statement":
                first, number = keys.format_first(row)
                if there.setdefault(first, number) == number:
                    key, value = first, number
            found[key] = value
            job = keys.format_job(row) if row.kind == "name" else None
            if job is not None:
                found[job] = b""
        for key, digest in sealed.items():
            if key not in there:
                found[key] = self._seal(digest, batch.envelopes[digest])
        return found

    def _seal(self, digest: bytes, raw: bytes) -> bytes:
        """Return an envelope's value, its pieces stored where it is long."""
        data = self._keys.seal(digest, pack_envelope(raw))
        if len(data) <= PIECE_BYTES:
            return _WHOLE + data
        starts = range(0, len(data), PIECE_BYTES)
        for number, start in enumerate(starts):
            piece = keys.format_piece(digest, number), data[start : start + PIECE_BYTES]
            self._trail.set([piece], [])
        return _IN_PIECES + struct.pack(">I", len(starts))

    def _open(self, digest: bytes, value: bytes) -> bytes | None:
        """Return the envelope of its value, None if its key was destroyed.

        Raises:
            IntegrityError: It was altered, or a piece is missing.
        """
        subject = f"ledger {self.name} envelope {digest.hex()}"
        kind, data = value[:1], value[1:]
        if kind == _IN_PIECES and len(data) == 4:
            (count,) = struct.unpack(">I", data)
            pieces = (self._get(keys.format_piece(digest, n)) for n in range(count))
            data = b"".join(one or b"" for one in pieces)
        elif kind != _WHOLE:
            raise IntegrityError(subject, expected="a sealed envelope")
        packed = self._keys.open(digest, data)
        return None if packed is None else unpack_envelope(packed, subject=subject)

    def _get_proven(self, key: bytes) -> bytes | None:
        """Return a value with proofs, None for none."""
        try:
            return self._trail.get(key).value
        except NotFoundError:
            return None

    def _get(self, key: bytes) -> bytes | None:
        """Return a value, None for none."""
        try:
            found: bytes = self._connection.read("Get", key=key).value
        except NotFoundError:
            return None
        return found

    def _get_all(self, named: Sequence[bytes]) -> Iterator[Any]:
        """Yield the entries of those keys that are there, each key once."""
        wanted = [*dict.fromkeys(named)]
        for start in range(0, len(wanted), _PAGE):
            page = wanted[start : start + _PAGE]
            for entry in self._connection.read("GetAll", keys=page).entries:
                if entry.key not in page:
                    raise IntegrityError(
                        f"ledger {self.name}", expected="the keys that were asked for"
                    )
                yield entry

    def _scan(
        self,
        prefix: bytes,
        first: bytes,
        last: bytes | None,
        *,
        newest_first: bool = False,
        page: int = _SCAN_PAGE,
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

    def _walk(
        self,
        kind: RowKind,
        bounds: tuple[bytes, bytes | None],
        *,
        newest_first: bool,
        page: int,
    ) -> Iterator[Row]:
        """Yield rows around bounds, sorted; some before and behind them too."""
        low, high = bounds
        prefix = keys.rows_prefix(kind)
        first = keys.row_bound(kind, low)
        bound = prefix if high is None else keys.row_bound(kind, high)
        # Behind every key that begins as the last one does, for long ones are cut.
        last = prefix_end(bound)
        # immudb stops where keys begin otherwise: what is read costs, used or not.
        prefix = _shared(first, bound)
        group: list[Row] = []
        shared: bytes | None = None
        for entry in self._scan(
            prefix, first, last, newest_first=newest_first, page=page
        ):
            own = keys.group_of(kind, entry.key)
            if own is None or own != shared:
                yield from sorted(group, key=_place, reverse=newest_first)
                group, shared = [], own
            group.append(keys.parse_row(kind, entry.key, entry.value))
        yield from sorted(group, key=_place, reverse=newest_first)

    def _read_head(self) -> _Kept | None:
        """Return the head that is stored, with the transaction that set it.

        A claim: who builds on it compares it with the signed checkpoint, and immudb
        commits on the newest one only.
        """
        try:
            found = self._connection.read("Get", key=keys.HEAD)
        except NotFoundError:
            kept = None
        else:
            kept = _Kept.decode(found.value, found.tx, self.name)
        self._kept = kept
        return kept

    def _known_head(self, onto: Head | None) -> _Kept | None:
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


class _Kept(NamedTuple):
    """The head as it is stored.

    Attributes:
        head: The head.
        sizes: Entries of each log.
        tx: The transaction that set it.
    """

    head: Head
    sizes: Mapping[str, int]
    tx: int

    def encode(self) -> bytes:
        """Return its value in immudb."""
        head, sizes = self.head, self.sizes
        start = _HEAD.pack(sizes["main"], sizes["trust"], head.at_ms, len(head.main))
        return start + head.main + head.trust

    @classmethod
    def decode(cls, value: bytes, tx: int, name: str) -> _Kept:
        """Return the head of a value; the inverse of :meth:`encode`."""
        try:
            main, trust, at_ms, length = _HEAD.unpack_from(value)
        except struct.error as error:
            raise IntegrityError(f"ledger {name} head", expected="a head") from error
        rest = value[_HEAD.size :]
        head = Head(rest[:length], rest[length:], at_ms)
        return cls(head, {"main": main, "trust": trust}, tx)


_HEAD = struct.Struct(">QQQI")


def _shared(one: bytes, other: bytes) -> bytes:
    """Return how two keys both begin.

    >>> _shared(b"sha256/ab", b"sha256/ab00")
    b'sha256/ab'
    """
    size = min(len(one), len(other))
    differing = (place for place in range(size) if one[place] != other[place])
    return one[: next(differing, size)]


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix.

    >>> prefix_end(b"ab"), prefix_end(b"a" + bytes([255]))
    (b'ac', b'b')
    """
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])


def _not_there(key: bytes) -> Any:  # noqa: ANN401 - a message
    """Return the condition that a key was never set."""
    return MESSAGES["Precondition"](mustNotExist=MESSAGES["MustNotExist"](key=key))


def _not_after(key: bytes, tx: int) -> Any:  # noqa: ANN401 - a message
    """Return the condition that a key was not set after a transaction."""
    return MESSAGES["Precondition"](
        notModifiedAfter=MESSAGES["NotModifiedAfter"](key=key, tx=tx)
    )


def _place(row: Row) -> tuple[bytes, int]:
    """Return what rows of one kind are sorted by."""
    return row.key, row.index
