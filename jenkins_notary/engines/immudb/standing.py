"""Show where a record stands in immudb, and prove it there, for an operator of immudb.

A commit is one transaction of immudb: the record's leaf and the keys that list the
record are set in it together. Each is read as that transaction set it, and proven:

1. The entry is one of the transaction, by its inclusion proof.
2. The transaction is in the past of the newest state that was verified, by the dual
   proof.

How often a key was set before, its revision, immudb proves to nobody: it is a claim.

Cost: two round trips a key, and one for each 1,000 times that it was set since.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from jenkins_notary.engines.immudb import keys
from jenkins_notary.engines.immudb.listing import parse_change
from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.shapes import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jenkins_notary.engines.immudb.reading import Reader
    from jenkins_notary.engines.immudb.trail import Found, Trail
    from jenkins_notary.ports import Row

MAX_PAST = 100_000
"""So many newer values of a key are looked through for the revision of one."""


class Stand(NamedTuple):
    """Where a record stands, proven.

    Attributes:
        tx: The transaction that set it.
        leaf: Its leaf, as set there.
        places: (key, revision) of the leaf, then of each row; the revision is None
            where immudb tells none, or it is too far back.
        state_tx: The transaction of the state that all was proven to.
        state_hash: That state's hash (Alh), 32 bytes.
        is_signed: Whether that state's signature was checked with the pinned key.
    """

    tx: int
    leaf: bytes
    places: tuple[tuple[bytes, int | None], ...]
    state_tx: int
    state_hash: bytes
    is_signed: bool


def find_stand(trail: Trail, reader: Reader, index: int, rows: Iterable[Row]) -> Stand:
    """Return where a record of the main log stands.

    Args:
        trail: What was verified of the database.
        reader: Reads of it.
        index: The record.
        rows: Those of it that an operator looks for.

    Raises:
        IntegrityError: A proof fails, or a row was not set with the leaf.
    """
    key = keys.format_entry("main", index)
    leaf = _get(trail, key, 0, index)
    named = [key]
    for row in rows:
        key = keys.format_row_key(row.kind, row.key)
        _check_listed(key, _get(trail, key, leaf.tx, index), index)
        named.append(key)
    places = tuple((one, _find_revision(reader, one, leaf.tx)) for one in named)
    state = trail.state
    if state is None:  # Whatever was proven was proven to one.
        raise AssertionError
    return Stand(leaf.tx, leaf.value, places, *state, trail.is_signed)


def _get(trail: Trail, key: bytes, at_tx: int, index: int) -> Found:
    """Return a proven value.

    Raises:
        IntegrityError: There is none, or it is not proven.
    """
    try:
        return trail.get(key, at_tx=at_tx)
    except NotFoundError as error:
        where = f" in transaction {at_tx}" if at_tx else ""
        raise IntegrityError(
            f"record #{index}",
            expected=f"the key {key[:80]!r}{where}",
            got="none",
            advice="run jenkins-notary ledger verify",
        ) from error


def _check_listed(key: bytes, found: Found, index: int) -> None:
    """Check that a value lists a record."""
    try:
        change = parse_change(found.value)
    except ValueError:
        change = None
    if change is None or change.is_gone or index not in change.indexes:
        raise IntegrityError(
            f"immudb key {key[:80]!r} in transaction {found.tx}",
            expected=f"record #{index}",
            got="others",
            advice="run jenkins-notary ledger verify",
        )


def _find_revision(reader: Reader, key: bytes, tx: int) -> int | None:
    """Return which of a key's values a transaction set, by immudb's word."""
    for entry in islice(reader.past(key), MAX_PAST):
        if entry.tx <= tx:
            return int(entry.revision) if entry.tx == tx and entry.revision else None
    return None
