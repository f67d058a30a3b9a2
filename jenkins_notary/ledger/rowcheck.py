"""Compare what a store holds beside the logs with what the records give again.

Sums are compared first. Only where they differ are the rows of those records derived
and read one by one, so that each missing, additional or forged row can be named.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.findings import Findings
from jenkins_notary.ledger.reread import PAGE, read_entries, read_envelopes
from jenkins_notary.ledger.rows import derive_rows
from jenkins_notary.ledger.rowsums import BUCKET, BUCKET_BITS, RowSums, envelope_place
from jenkins_notary.values.envelope import idempotency_key, parse_envelope
from jenkins_notary.values.leaf import check_agreement, parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.workers import Marks, Workers
    from jenkins_notary.ports import RowKind, Store

    LaterRow = tuple[RowKind, bytes, int]

DRILLED = 8
"""Buckets that are compared row by row in one scan; further ones are only counted."""


def check_rows(
    workers: Workers,
    wanted: Mapping[RowKind, RowSums],
    marks: Marks,
    *,
    findings: Findings,
    progress: Progress,
) -> tuple[int, list[LaterRow]]:
    """Compare a store's derived rows with the sums that it must have.

    Args:
        workers: Who scans.
        wanted: By kind, the sums of the rows that the records give.
        marks: Records whose rows are left out.
        findings: Where differences go.
        progress: Called with (phase, done, total).

    Returns:
        How many rows the store holds, and those that lead to later records: whether
        there are such records is for the caller to see.
    """
    kinds = list(wanted)
    stored = 0
    later: list[LaterRow] = []
    progress("rows", 0, len(kinds))
    for done, (kind, result) in enumerate(workers.sum_rows(kinds, marks), 1):
        findings.extend(result.kept, result.total)
        stored += result.stored
        later += [(kind, key, index) for key, index in result.later]
        found = RowSums(workers.scope.sums_key)
        found.merge(result.sums, result.summed)
        buckets = wanted[kind].differing(found)
        if buckets:
            _drill(workers, kind, buckets, marks, findings=findings)
        progress("rows", done, len(kinds))
    return stored, later


def _drill(
    workers: Workers,
    kind: RowKind,
    buckets: list[int],
    marks: Marks,
    *,
    findings: Findings,
) -> None:
    """Name the rows in which a few buckets differ; count the others."""
    store, size = workers.store, workers.scope.size
    chosen = set(buckets[:DRILLED])
    wanted = {
        pair for bucket in chosen for pair in _derive_bucket(store, kind, bucket, size)
    }
    optional = bytearray(marks.erased if kind == "statement" else len(marks.erased))
    for _, key, index in store.scan_rows(kind):
        if not 0 <= index < size or index >> BUCKET_BITS not in chosen:
            continue
        if (key, index) in wanted:
            wanted.discard((key, index))
        elif marks.unread[index >> 3] & 1 << (index & 7):
            continue
        elif not optional[index >> 3] & 1 << (index & 7):
            findings.add(
                "row",
                f"{kind} row of record #{index}",
                expected="none with this key",
                got=show_key(kind, key),
            )
        else:
            # The one row that may stand; a second one is foreign.
            optional[index >> 3] ^= 1 << (index & 7)
    for key, index in sorted(wanted, key=lambda pair: pair[1]):
        if marks.unread[index >> 3] & 1 << (index & 7):
            continue
        findings.add(
            "row",
            f"{kind} row of record #{index}",
            expected=show_key(kind, key),
            got="none",
        )
    for bucket in buckets[DRILLED:]:
        first = bucket << BUCKET_BITS
        findings.add(
            "row",
            f"{kind} rows of records #{first} to #{min(first + BUCKET, size) - 1}",
            expected="those that the records give",
            got="others",
        )


def _derive_bucket(
    store: Store, kind: RowKind, bucket: int, size: int
) -> Iterator[tuple[bytes, int]]:
    """Yield (key, index) of each row that the records of a bucket give.

    What cannot be read was reported when the records were checked.
    """
    silent = Findings(limit=0)
    stop = min((bucket + 1) << BUCKET_BITS, size)
    for first in range(bucket << BUCKET_BITS, stop, PAGE):
        last = min(first + PAGE, stop)
        entries = read_entries(store, "main", first, last, findings=silent)
        for index, entry in enumerate(entries, first):
            yield from _derive(store, kind, index, entry)


def _derive(
    store: Store, kind: RowKind, index: int, entry: bytes
) -> Iterator[tuple[bytes, int]]:
    """Yield (key, index) of the rows of one record; none if it is broken."""
    try:
        leaf = parse_leaf(entry)
        digest = bytes.fromhex(leaf.envelope_hex)
        data = read_envelopes(store, [digest], Findings(limit=0)).get(digest)
        statement = None
        if data is not None:
            _, statement = check_agreement(leaf, data, subject="record")
            if kind == "statement":
                yield idempotency_key(parse_envelope(data)), index
    except IntegrityError:
        return
    for row in derive_rows(index, leaf, statement):
        if row.kind == kind:
            yield row.key, index


def check_envelopes(
    store: Store,
    sums: tuple[RowSums, RowSums],
    read_size: Callable[[], int],
    findings: Findings,
) -> None:
    """Check that a store holds no envelope that no entry names.

    Args:
        store: The ledger.
        sums: Those of the envelopes that the checked entries name and that are there,
            and those of all that the store has, in buckets by their first byte.
        read_size: Reads how many records there are now; they name envelopes too.
        findings: Where an additional envelope goes.
    """
    wanted, found = sums
    buckets = set(wanted.differing(found))
    if not buckets:
        return
    foreign = {
        digest
        for digest in store.scan_envelopes()
        if envelope_place(digest) >> BUCKET_BITS in buckets
    }
    silent, size = Findings(limit=0), read_size()
    for first in range(0, size, PAGE):
        last = min(first + PAGE, size)
        for entry in read_entries(store, "main", first, last, findings=silent):
            try:
                foreign.discard(bytes.fromhex(parse_leaf(entry).envelope_hex))
            except IntegrityError:
                continue
    for digest in sorted(foreign):
        findings.add(
            "envelope", digest.hex(), expected="an entry that names it", got="none"
        )


def show_key(kind: RowKind, key: bytes) -> str:
    """Return a row's key for a person."""
    if kind == "name":
        return ascii(key[:80].decode("utf-8", "replace"))
    return key[:64].hex()
