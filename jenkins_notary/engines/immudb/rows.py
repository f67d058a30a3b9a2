"""Read and change derived rows in immudb: lists of records by the rows' keys.

Source: the keys are those of :mod:`~jenkins_notary.engines.immudb.keys`, the values of
:mod:`~jenkins_notary.engines.immudb.listing`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.immudb.listing import (
    Change,
    fold,
    format_change,
    parse_change,
)
from jenkins_notary.engines.immudb.reading import PAGE, SCAN_PAGE
from jenkins_notary.errors import IntegrityError
from jenkins_notary.ports import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jenkins_notary.engines.immudb.reading import Reader
    from jenkins_notary.ports import RowKind

LISTS_KEPT = 64
"""Lists that were set more than once, kept until they are set again."""


class Rows:
    """The rows of one database; threads may share it."""

    def __init__(self, reader: Reader) -> None:
        """Read with a reader."""
        self._reader = reader
        self._kept: dict[bytes, tuple[int, tuple[int, ...]]] = {}

    def find(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        after: tuple[bytes, int] | None,
        newest_first: bool,
        limit: int,
    ) -> Iterator[Row]:
        """Yield rows with ``low <= key < high`` behind a place, sorted."""
        if high == low + b"\x00" and not keys.is_in_runs(kind):
            # One key: no scan, for which immudb would write its index out.
            found: Iterable[Row] = self._read_key(kind, low, newest_first=newest_first)
        else:
            bounds = self._bound(
                kind, low, high, after=after, newest_first=newest_first
            )
            page = min(limit + 1, PAGE)
            found = self._walk(kind, bounds, newest_first=newest_first, page=page)
        for row in found:
            place = row.key, row.index
            is_past = after is None or (
                place < after if newest_first else place > after
            )
            if low <= row.key < high and is_past:
                yield row

    def scan(self, kind: RowKind) -> Iterator[Row]:
        """Yield all rows of a kind, sorted by (key, index)."""
        prefix = keys.rows_prefix(kind)
        bounds = prefix, prefix_end(prefix)
        return self._walk(kind, bounds, newest_first=False, page=SCAN_PAGE)

    def first(self, entry: Any) -> int | None:  # noqa: ANN401 - a message
        """Return the first index in the list of an entry, None for an empty one."""
        found = self._expand(entry)
        return found[0] if found else None

    def additions(self, rows: Iterable[Row]) -> dict[bytes, bytes]:
        """Return the keys and values with which a commit adds rows."""
        return {
            _key_of(kind, key, indexes[-1]): format_change(_change(kind, key, indexes))
            for (kind, key), indexes in _group(rows).items()
        }

    def removals(self, rows: Iterable[Row]) -> Iterator[tuple[bytes, bytes, int, bool]]:
        """Yield (key, value, transaction, is_last) of what takes rows away.

        They hold only if the key was not set after that transaction; ``is_last`` says
        that nothing is left in the list.
        """
        for (kind, key), indexes in _group(rows).items():
            for entry in self._find_entries(kind, key, indexes):
                there = self._expand(entry)
                gone = [one for one in indexes if one in there]
                if gone:
                    change = _change(kind, key, gone)._replace(is_gone=True)
                    is_last = len(gone) == len(there)
                    yield entry.key, format_change(change), entry.tx, is_last

    def _find_entries(
        self, kind: RowKind, key: bytes, indexes: Sequence[int]
    ) -> Iterator[Any]:
        """Yield the entries in which some records of a row's key are listed."""
        if not keys.is_in_runs(kind):
            found = self._reader.get(keys.format_row_key(kind, key))
            if found is not None:
                yield found
            return
        seen: set[bytes] = set()
        for index in indexes:
            run = self._run_at(kind, key, index)
            if run is not None and run.key not in seen:
                seen.add(run.key)
                yield run

    def _run_at(self, kind: RowKind, key: bytes, index: int) -> Any | None:  # noqa: ANN401 - a message
        """Return the run that holds an index, or the first one behind it."""
        prefix = keys.format_row_key(kind, key) + b"/"
        first = keys.format_run(kind, key, index)
        return next(self._reader.scan(prefix, first, page=1), None)

    def _read_key(
        self, kind: RowKind, key: bytes, *, newest_first: bool
    ) -> Iterator[Row]:
        """Yield the rows of one key."""
        entry = self._reader.get(keys.format_row_key(kind, key))
        if entry is not None:
            yield from self._rows_of(kind, entry, newest_first=newest_first)

    def _bound(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        after: tuple[bytes, int] | None,
        newest_first: bool,
    ) -> tuple[bytes, bytes]:
        """Return the keys between which rows stand, the first and behind the last."""
        first, last = keys.row_bound(kind, low), keys.row_bound(kind, high)
        # Behind every key that begins as the last one does, for long ones are cut.
        last = prefix_end(last)
        if after is None or keys.is_cut(kind, after[0]):
            return first, last
        here = keys.row_bound(kind, after[0])
        if keys.is_in_runs(kind):
            if not newest_first:
                return max(first, keys.format_run(kind, *after)), last
            # The run that holds it is named by its last record.
            run = self._run_at(kind, *after)
            here = here if run is None else run.key
        if newest_first:
            return first, min(last, prefix_end(here))
        return max(first, here), last

    def _walk(
        self,
        kind: RowKind,
        bounds: tuple[bytes, bytes],
        *,
        newest_first: bool,
        page: int,
    ) -> Iterator[Row]:
        """Yield rows between two keys, sorted."""
        first, last = bounds
        # immudb stops where keys begin otherwise: what is read costs, used or not.
        prefix = _shared(first, last)
        if len(prefix) < len(keys.rows_prefix(kind)):
            prefix = keys.rows_prefix(kind)
        group: list[Row] = []
        shared: bytes | None = None
        for entry in self._reader.scan(
            prefix, first, last, newest_first=newest_first, page=page
        ):
            own = keys.group_of(kind, entry.key)
            if own is None or own != shared:
                yield from sorted(group, key=_place, reverse=newest_first)
                group, shared = [], own
            rows = self._rows_of(kind, entry, newest_first=newest_first)
            if own is None:
                yield from rows
            else:
                group += rows
        yield from sorted(group, key=_place, reverse=newest_first)

    def _rows_of(
        self,
        kind: RowKind,
        entry: Any,  # noqa: ANN401 - a message
        *,
        newest_first: bool,
    ) -> Iterator[Row]:
        """Yield the rows of an entry."""
        change = self._parse(entry.key, entry.value)
        try:
            key = change.key
            if key is None:
                key = keys.parse_row_key(kind, entry.key)
        except ValueError:
            raise self._unreadable(entry.key) from None
        if _key_of(kind, key, change.indexes[-1]) != entry.key:
            raise self._unreadable(entry.key)
        found = self._expand(entry)
        for index in reversed(found) if newest_first else found:
            yield Row(kind, key, index)

    def _expand(self, entry: Any) -> tuple[int, ...]:  # noqa: ANN401 - a message
        """Return the list of an entry."""
        if entry.revision <= 1:
            return fold([self._parse(entry.key, entry.value)])
        tx, found = self._kept.get(entry.key, (0, ()))
        if tx != entry.tx:
            values = self._reader.history(entry.key, entry.revision)
            found = fold(self._parse(entry.key, value) for value in values)
            self._kept[entry.key] = entry.tx, found
            if len(self._kept) > LISTS_KEPT:
                self._kept.pop(next(iter(self._kept)), None)
        return found

    def _parse(self, key: bytes, value: bytes) -> Change:
        """Return the change of a value."""
        try:
            return parse_change(value)
        except ValueError:
            raise self._unreadable(key) from None

    def _unreadable(self, key: bytes) -> IntegrityError:
        """Return the error for what no version of this program has written."""
        return IntegrityError(
            f"ledger {self._reader.name} key {key[:80]!r}",
            expected="a list of records",
            got="something else",
            advice="run jenkins-notary ledger verify",
        )


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key behind all that begin with a prefix.

    >>> prefix_end(b"ab"), prefix_end(b"a" + bytes([255]))
    (b'ac', b'b')
    """
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])


def _group(
    rows: Iterable[Row],
) -> Mapping[tuple[RowKind, bytes], list[int]]:
    """Return the indexes of rows by kind and key, sorted, each once."""
    found: dict[tuple[RowKind, bytes], set[int]] = defaultdict(set)
    for kind, key, index in rows:
        found[kind, key].add(index)
    return {place: sorted(indexes) for place, indexes in found.items()}


def _change(kind: RowKind, key: bytes, indexes: Sequence[int]) -> Change:
    """Return the change that adds records to a row's key."""
    return Change(indexes, key=key if keys.is_cut(kind, key) else None)


def _key_of(kind: RowKind, key: bytes, last: int) -> bytes:
    """Return where records of a row's key stand, the last of which is given."""
    if keys.is_in_runs(kind):
        return keys.format_run(kind, key, last)
    return keys.format_row_key(kind, key)


def _shared(one: bytes, other: bytes) -> bytes:
    """Return how two keys both begin.

    >>> _shared(b"sha256/ab", b"sha256/ab00")
    b'sha256/ab'
    """
    size = min(len(one), len(other))
    differing = (place for place in range(size) if one[place] != other[place])
    return one[: next(differing, size)]


def _place(row: Row) -> tuple[bytes, int]:
    """Return what rows of one kind are sorted by."""
    return row.key, row.index
