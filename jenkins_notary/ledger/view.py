"""Read a ledger at one signed size: whatever leaves here has been proven.

A view is opened on a checkpoint whose signature, and whose consistency with what the
caller has seen before, were checked. Rows are only hints: the leaf that a row leads
to is proven to stand in the log, and its envelope to agree with it, before anyone
sees a record. The trust log is read whole, so that no negative record can be hidden
by leaving out a row.

A view may stand at an earlier size than the checkpoint (time travel). Its root is
computed from the same tiles and proven to be consistent with the signed one.

What a view cannot see is a positive record whose row was left out: such a digest is
UNKNOWN, never TRUSTED, or lacks a link to a digest that is untrusted, which is why
``untrust`` names every linked digest itself. ``verify`` finds the missing row.

Source: DESIGN sections 5 and 6.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import IntegrityError, NotFoundError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.merkle import Frontier, hash_leaf
from jenkins_notary.tlog.proofs import (
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from jenkins_notary.trust.imports import TYPE as IMPORT
from jenkins_notary.trust.record import ProvenRecord, check_signature, claimed_key
from jenkins_notary.trust.signers import Trust
from jenkins_notary.trust.verdict import TrustRule, decide, find_links, linked_digests
from jenkins_notary.values.leaf import check_agreement, parse_leaf, parse_trust_entry
from jenkins_notary.values.status import NEGATIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jenkins_notary.ports import LogReader, RowKind, Verifier
    from jenkins_notary.tlog.checkpoint import Checkpoint, TreeHead
    from jenkins_notary.tlog.note import NoteVerifier
    from jenkins_notary.trust.verdict import Verdict
    from jenkins_notary.values.leaf import Leaf

PAGE = 512
RECORDS_KEPT = 16
"""Proven records that a view keeps; one of 500 subjects takes up to 1 MB."""

_SUBJECTS = re.compile(rb'"subjects":\[([^\]]*)\]')
_NEGATIVE_MARKS = tuple(b'"status":"%b"' % one.name.encode() for one in NEGATIVE)
_TRUST_PAGE = 4096
_ALTERED = "the ledger was altered: run jenkins-notary ledger verify"


def open_view(
    reader: LogReader, verifiers: Sequence[NoteVerifier], signatures: Verifier
) -> LedgerView:
    """Return the view at a ledger's newest published checkpoint.

    Args:
        reader: The ledger.
        verifiers: The public keys that the caller accepts checkpoints from.
        signatures: Signature checks of statements.

    Raises:
        NotFoundError: The ledger has no checkpoint yet.
        IntegrityError: The checkpoint is not signed by one of the keys.
    """
    note = reader.checkpoint()
    if note is None:
        raise NotFoundError(
            "checkpoint", got="none yet", advice="jenkins-notary ledger init"
        )
    checkpoint = open_checkpoint(note, verifiers).checkpoint
    return LedgerView(reader, checkpoint, note, signatures)


class LedgerView:
    """A ledger at one size.

    Attributes:
        checkpoint: The verified checkpoint.
        note: Its signed note.
        size: Records that the view sees; at most ``checkpoint.size``.
        receipts: The receipts that were made last, by index; ``receipts`` keeps them.
    """

    def __init__(
        self,
        reader: LogReader,
        checkpoint: Checkpoint,
        note: bytes,
        signatures: Verifier,
        *,
        size: int | None = None,
    ) -> None:
        """Hold a reader and a checkpoint whose signature was verified."""
        self._reader = reader
        self._signatures = signatures
        self._hashes = read_hashes(reader, "main", checkpoint.size)
        self._trust_entries: tuple[bytes, ...] | None = None
        self._kept: dict[int, ProvenRecord] = {}
        self._leaves: dict[int, tuple[bytes, Leaf]] = {}
        self._proofs: dict[int, tuple[bytes, ...]] = {}
        self.receipts: dict[int, bytes] = {}
        self._trust: Trust | None = None
        self._suspects: frozenset[bytes] | None = None
        self.checkpoint = checkpoint
        self.note = note
        self.size = checkpoint.size if size is None else size

    def at_size(self, size: int) -> LedgerView:
        """Return the view of the same ledger when it had fewer records.

        Raises:
            NotFoundError: The ledger has not grown to that size.
            IntegrityError: The earlier tree is not consistent with the signed one.
        """
        if not 0 < size <= self.checkpoint.size:
            raise NotFoundError(
                f"tree size {size}",
                expected=f"1 to {self.checkpoint.size}",
                advice="jenkins-notary ledger status",
            )
        root = tree_root(size, self._hashes)
        self.check_consistent(size, root)
        view = LedgerView(
            self._reader, self.checkpoint, self.note, self._signatures, size=size
        )
        view._trust_entries = self._trust_entries
        return view

    def adopt_trust(self, other: LedgerView) -> None:
        """Take over what another view of the same log has read of its trust log.

        Nothing is taken where the trust logs differ. What is taken was proven against
        the same root, and is never changed once it is made.
        """
        is_whole = self.size == self.checkpoint.size
        other_is_whole = other.size == other.checkpoint.size
        if is_whole and other_is_whole and self._has_same_trust(other):
            self._trust_entries = other._trust_entries
            self._suspects = other._suspects
            self._trust = other._trust

    def _has_same_trust(self, other: LedgerView) -> bool:
        """Return whether another view is of the same log with the same trust log."""
        mine, theirs = self.checkpoint, other.checkpoint
        return (mine.origin, mine.trust) == (theirs.origin, theirs.trust)

    def at_time(self, at_ms: int) -> LedgerView:
        """Return the view that holds the records committed up to a time.

        Commit times never run backwards, so the size is found by bisection.

        Raises:
            NotFoundError: The ledger is younger.
        """
        size = self.count_until(at_ms)
        if not size:
            raise NotFoundError(
                "ledger at that time",
                expected="a time at which it had its first record",
                got=format_time(at_ms),
            )
        return self.at_size(size)

    def count_until(self, at_ms: int) -> int:
        """Return how many of the view's records were committed up to a time."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if self.leaf(middle)[1].at_ms <= at_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def check_consistent(self, size: int, root: bytes) -> None:
        """Check that an earlier tree is a prefix of the signed one.

        Raises:
            IntegrityError: The log was forked or rolled back.
        """
        if size > self.checkpoint.size:
            raise IntegrityError(
                f"log {self.checkpoint.origin}",
                expected=f"at least {size} records, as seen before",
                got=f"{self.checkpoint.size}",
                advice="an older copy was put in its place, or it was rolled back: "
                "restore the newest backup, or jenkins-notary ledger succeed",
            )
        proof = consistency_proof(size, self.checkpoint.size, self._hashes)
        verify_consistency(
            size, root, self.checkpoint.size, self.checkpoint.root, proof
        )

    def check_trust_consistent(self, seen: TreeHead) -> None:
        """Check that the trust log extends an earlier one.

        Without it a log could grow and yet lose a negative record from its trust log.

        Raises:
            IntegrityError: The trust log was rewritten.
        """
        signed = self.checkpoint.trust
        if seen.size > signed.size:
            raise IntegrityError(
                "trust log",
                expected=f"at least {seen.size} records, as seen before",
                got=f"{signed.size}",
                advice=_ALTERED,
            )
        hashes = read_hashes(self._reader, "trust", signed.size)
        proof = consistency_proof(seen.size, signed.size, hashes)
        verify_consistency(seen.size, seen.root, signed.size, signed.root, proof)

    def computed_root(self) -> bytes:
        """Return the root at the checkpoint's size as the stored tiles give it."""
        return tree_root(self.checkpoint.size, self._hashes)

    def root(self) -> bytes:
        """Return the root at the view's size."""
        if self.size == self.checkpoint.size:
            return self.checkpoint.root
        return tree_root(self.size, self._hashes)

    def prove(self, index: int) -> tuple[bytes, ...]:
        """Return the inclusion proof of a record in the signed tree."""
        kept = self._proofs.get(index)
        if kept is None:
            kept = inclusion_proof(index, self.checkpoint.size, self._hashes)
            self._proofs[index] = kept
            if len(self._proofs) > RECORDS_KEPT:
                del self._proofs[next(iter(self._proofs))]
        return kept

    def leaf(self, index: int) -> tuple[bytes, Leaf]:
        """Return a proven leaf: its entry's bytes and their meaning.

        Raises:
            NotFoundError: No such record in this view.
            IntegrityError: The entry does not stand in the signed log.
        """
        return next(self.leaves([index]))

    def leaves(self, indexes: Iterable[int]) -> Iterator[tuple[bytes, Leaf]]:
        """Yield proven leaves; see :meth:`leaf`."""
        for index in indexes:
            if not 0 <= index < self.size:
                raise NotFoundError(
                    f"record #{index}", expected=f"an index below {self.size}"
                )
            kept = self._leaves.get(index)
            if kept is None:
                kept = self._leaves[index] = self._read_leaf(index)
                if len(self._leaves) > RECORDS_KEPT:
                    del self._leaves[next(iter(self._leaves))]
            yield kept

    def _read_leaf(self, index: int) -> tuple[bytes, Leaf]:
        """Read and prove a leaf."""
        found = self._reader.entries("main", index, index + 1)
        entry = found[0] if found else b""
        verify_inclusion(
            hash_leaf(entry),
            index,
            self.checkpoint.size,
            self.prove(index),
            self.checkpoint.root,
        )
        return entry, parse_leaf(entry, subject=f"leaf {index}")

    def record(self, index: int) -> ProvenRecord:
        """Return a proven record.

        Raises:
            NotFoundError: No such record in this view.
            IntegrityError: It was altered, or its envelope is gone and no erasure
                record says why.
        """
        return next(self.records([index]))

    def records(self, indexes: Iterable[int]) -> Iterator[ProvenRecord]:
        """Yield proven records; see :meth:`record`."""
        for index in indexes:
            record = self._kept.pop(index, None)
            if record is None:
                record = self._read_record(index)
            # Assets that were recorded together are asked for together.
            self._kept[index] = record
            if len(self._kept) > RECORDS_KEPT:
                del self._kept[next(iter(self._kept))]
            yield record

    def _read_record(self, index: int) -> ProvenRecord:
        """Read and prove a record."""
        _, leaf = self.leaf(index)
        digest = bytes.fromhex(leaf.envelope_hex)
        data = self._reader.envelopes([digest]).get(digest)
        if data is None:
            erased_by = self._find_erasure(leaf.envelope_hex, index)
            return ProvenRecord(index, leaf, None, None, erased_by)
        envelope, statement = check_agreement(leaf, data, subject=f"record #{index}")
        return ProvenRecord(index, leaf, envelope, statement)

    def envelope_bytes(self, record: ProvenRecord) -> bytes | None:
        """Return the envelope of a proven record, byte for byte; None once erased."""
        return self.stored_envelope(record.leaf)

    def stored_envelope(self, leaf: Leaf) -> bytes | None:
        """Return what is stored under a leaf's envelope hash: a claim, or None."""
        digest = bytes.fromhex(leaf.envelope_hex)
        return self._reader.envelopes([digest]).get(digest)

    def trust(self) -> Trust:
        """Return who may speak at this view's size.

        Raises:
            IntegrityError: The trust log is not the signed one, or a record in it
                was altered.
        """
        if self._trust is None:
            trust = Trust(self._signatures)
            last = -1
            for index, leaf in self._trust_records(b'"type":"trust"'):
                if index <= last:
                    raise _out_of_order(index)
                trust.apply(self._agreed(index, leaf))
                last = index
            if trust.origin not in {"", self.checkpoint.origin}:
                raise IntegrityError(
                    f"record #0 of the log {self.checkpoint.origin}",
                    expected="its own genesis",
                    got=f"that of {trust.origin}",
                    advice=_ALTERED,
                )
            self._trust = trust
        return self._trust

    def standing(self, record: ProvenRecord) -> str:
        """Return how a record's signer stands; its signature is checked if it can be.

        Returns:
            ``enrolled``, ``revoked``, ``not enrolled`` or ``erased``.

        Raises:
            IntegrityError: The record bears a bad signature.
        """
        if record.statement is None:
            return "erased"
        signer, trust = record.leaf.signer, self.trust()
        enrolment = trust.signers.get(signer)
        public_der = claimed_key(record) if enrolment is None else enrolment.public_der
        if public_der is not None:
            check_signature(record, public_der, self._signatures)
        if enrolment is None:
            return "not enrolled"
        return "revoked" if trust.is_revoked(signer, record.index) else "enrolled"

    def verdict(self, digest_hex: str, rule: TrustRule) -> Verdict:
        """Return what the ledger says of a digest at this view's size.

        Positive records are followed from the newest back, only as far as the rule
        needs; negative and superseding ones come from the trust log, all of them.

        Raises:
            IntegrityError: A record that is used was altered or is badly signed.
        """
        trust = self.trust()
        found = self._read_own(digest_hex, trust, rule)
        links = find_links(digest_hex, found.values(), trust, rule)
        self._add_trust_records(found, links)
        return decide(
            digest_hex, found.values(), trust, rule, verifier=self._signatures
        )

    def history(self, digest_hex: str) -> tuple[ProvenRecord, ...]:
        """Return every record that can matter to a verdict, whoever asks.

        All records that give the digest a status, and those of the trust log on any
        digest that one of them links to it; in log order. It is what a gate weighs.

        Cost: a proof and an envelope a record.

        Raises:
            IntegrityError: A record was altered, or a row leads to another record.
        """
        found = self._read_own(digest_hex, None, None)
        self._add_trust_records(found, linked_digests(digest_hex, found.values()))
        return tuple(found[index] for index in sorted(found))

    def find(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        newest_first: bool = False,
    ) -> Iterator[int]:
        """Yield indexes of this view's records by a range of keys, page by page.

        The order is that of (key, index), or its reverse.

        Raises:
            IntegrityError: A row that cannot be: outside the range, out of order, or
                with an index below 0.
        """
        rows = self.find_rows(kind, low, high, newest_first=newest_first)
        yield from (index for _, index in rows)

    def find_rows(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        newest_first: bool = False,
        page: int | None = None,
    ) -> Iterator[tuple[bytes, int]]:
        """Yield (key, index) of rows; see :meth:`find`. A key is a hint as well.

        Who wants few of them asks for small pages.
        """
        rows = self._scan(kind, low, high, newest_first=newest_first, page=page)
        yield from (row for row in rows if row[1] < self.size)

    def find_digest(self, digest_hex: str) -> Iterator[int]:
        """Yield indexes of records that name a digest, the newest first."""
        key = bytes.fromhex(digest_hex)
        yield from self.find("subject", *exact_range(key), newest_first=True)

    def read_entries(self, start: int, stop: int) -> Sequence[bytes]:
        """Return entries of the main log as the reader gives them: a claim."""
        return self._reader.entries("main", start, stop)

    def trust_entries(self) -> tuple[bytes, ...]:
        """Return all entries of the checkpoint's trust log, proven whole.

        Raises:
            IntegrityError: The trust log is not the signed one.
        """
        return self._read_trust_log()

    def _scan(
        self,
        kind: RowKind,
        low: bytes,
        high: bytes,
        *,
        newest_first: bool,
        page: int | None = None,
    ) -> Iterator[tuple[bytes, int]]:
        """Yield (key, index) by a range of keys, those behind the view's size too."""
        after: tuple[bytes, int] | None = None
        limit = PAGE if page is None else page
        while True:
            rows = self._reader.rows(
                kind, low, high, limit=limit, after=after, newest_first=newest_first
            )
            for row in rows:
                place = row.key, row.index
                # A reader that repeats itself must not keep its caller for ever.
                moves = after is None or (
                    place < after if newest_first else place > after
                )
                if not low <= row.key < high or row.index < 0 or not moves:
                    raise IntegrityError(
                        f"{kind} row",
                        expected="rows of the range that was asked for, in order",
                        got=f"key {row.key[:32].hex()}, index {row.index}",
                        advice=_ALTERED,
                    )
                after = place
                yield place
            if len(rows) < limit:
                return

    def _read_own(
        self, digest_hex: str, trust: Trust | None, rule: TrustRule | None
    ) -> dict[int, ProvenRecord]:
        """Return the records with a status on a digest that rows lead to, by index.

        With a rule, the newest TRUSTED record that counts and that no older one can
        outrank settles the digest's own word: with a rule of org or keys the first
        that counts, else the first of a signer at the highest level that is enrolled
        at all. Older ones are then read only if they name, beside this digest, one
        that is untrusted: they may link it.
        """
        found: dict[int, ProvenRecord] = {}
        others = self._read_suspects() - {digest_hex.encode()}
        is_settled = False
        for index in self.find_digest(digest_hex):
            if is_settled and not others:
                break
            if is_settled and others.isdisjoint(self._read_digests(index)):
                continue
            record = self.record(index)
            if digest_hex not in record.leaf.subjects:
                raise IntegrityError(
                    f"row of sha256:{digest_hex}",
                    expected="a record that names it",
                    got=f"record #{index}, which does not",
                    advice=_ALTERED,
                )
            if record.leaf.status is None:
                continue
            found[index] = record
            if trust is not None and rule is not None and not is_settled:
                is_settled = _settles(record.leaf, index, trust, rule)
        return found

    def _read_digests(self, index: int) -> list[bytes]:
        """Return the hex of an entry's subjects, unproven: a hint which to read."""
        return _find_subjects(b"".join(self._reader.entries("main", index, index + 1)))

    def _read_suspects(self) -> frozenset[bytes]:
        """Return the hex of all digests that negative records name."""
        if self._suspects is None:
            self._suspects = frozenset(
                digest
                for entry in self._read_trust_log()
                if any(mark in entry for mark in _NEGATIVE_MARKS)
                for digest in _find_subjects(entry)
            )
        return self._suspects

    def _add_trust_records(
        self, found: dict[int, ProvenRecord], digests: frozenset[str]
    ) -> None:
        """Add the trust log's records with a status on any of some digests."""
        # Only where there is a negative record is there anything to weigh.
        for one in sorted(digests):
            if one.encode() in self._read_suspects():
                for index, leaf in self._trust_records(one.encode()):
                    if leaf.status is not None and one in leaf.subjects:
                        found[index] = self._agreed(index, leaf, found.get(index))

    def trust_leaves(self) -> Iterator[Leaf]:
        """Yield the leaves of the trust log, proven whole; see ``trust``."""
        yield from (leaf for _, leaf in self._trust_records(b""))

    def _trust_records(self, needle: bytes) -> Iterator[tuple[int, Leaf]]:
        """Yield (index, leaf) of the trust log's entries that hold some bytes.

        A leaf holds digests and closed words only, so the bytes of a digest or a
        type stand in an entry if and only if the leaf has them.
        """
        for entry in self._read_trust_log():
            if needle in entry:
                index, leaf = parse_trust_entry(entry)
                if index >= self.checkpoint.size:
                    raise _out_of_order(index)
                if index < self.size:
                    yield index, leaf

    def _read_trust_log(self) -> tuple[bytes, ...]:
        """Return all entries of the trust log, proven whole against the checkpoint."""
        if self._trust_entries is None:
            size, root = self.checkpoint.trust
            entries: list[bytes] = []
            while len(entries) < size:
                stop = min(size, len(entries) + _TRUST_PAGE)
                page = self._reader.entries("trust", len(entries), stop)
                if not page:
                    break
                entries += page
            frontier = Frontier().append([hash_leaf(entry) for entry in entries])
            if (frontier.size, frontier.root()) != (size, root):
                raise IntegrityError(
                    "trust log",
                    expected=f"the signed root over {size} entries",
                    got=f"another over {len(entries)}",
                    advice=_ALTERED,
                )
            self._trust_entries = tuple(entries)
        return self._trust_entries

    def _agreed(
        self, index: int, leaf: Leaf, known: ProvenRecord | None = None
    ) -> ProvenRecord:
        """Return the record of a trust log entry, whose leaf must be the main log's."""
        record = self.record(index) if known is None else known
        if record.leaf != leaf:
            raise IntegrityError(
                f"trust log entry of record #{index}",
                expected="the leaf of the main log",
                got="another",
                advice=_ALTERED,
            )
        return record

    def _find_erasure(self, envelope_hex: str, index: int) -> int:
        """Return the index of the record that erased an envelope.

        It may stand behind the view's size: what is erased now was there then.
        """
        whole = self
        if self.size != self.checkpoint.size:
            whole = self.at_size(self.checkpoint.size)
        for other in whole.find_digest(envelope_hex):
            _, leaf = whole.leaf(other)
            if leaf.type == "erasure" and envelope_hex in leaf.subjects:
                return other
        raise IntegrityError(
            f"record #{index} envelope",
            expected=f"SHA-256 {envelope_hex}",
            got="none, and no erasure record names it",
            advice=_ALTERED,
        )


def parse_as_of(text: str) -> tuple[int | None, int | None]:
    """Return (tree size, None) or (None, ms UTC) of ``--as-of``.

    >>> parse_as_of("42"), parse_as_of("2026-01-02T03:04:05Z")
    ((42, None), (None, 1767323045000))

    Raises:
        UsageError: Neither a tree size nor an RFC 3339 time.
    """
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text), None
    from datetime import UTC, datetime, timedelta

    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"as-of {text[:60]!r}", expected="a tree size or an RFC 3339 time"
        ) from error
    zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
    # Whole milliseconds: a time that was printed must find its own record again.
    return None, (zoned - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def _find_subjects(entry: bytes) -> list[bytes]:
    """Return the hex digests that a leaf names, found without parsing it."""
    found = _SUBJECTS.search(entry)
    return found[1].replace(b'"', b"").split(b",") if found else []


def _settles(leaf: Leaf, index: int, trust: Trust, rule: TrustRule) -> bool:
    """Return whether a record's word stands, whatever older records on it say."""
    # Whether an import counts hangs on who said it, which its leaf does not tell.
    if leaf.counts_for_trust or leaf.type == IMPORT:
        return False
    if rule.org is not None:
        joined = trust.is_member(leaf.signer, rule.org, index)
        return joined and leaf.signer in trust.signers
    if rule.keys:
        return leaf.signer in rule.keys
    highest = max((one.level for one in trust.signers.values()), default=0)
    return trust.level(leaf.signer) == highest


def _out_of_order(index: int) -> IntegrityError:
    """Return the error for a trust log entry that stands where it cannot."""
    return IntegrityError(
        f"trust log entry of record #{index}",
        expected="entries in the order of the main log, within it",
        got="another place",
        advice=_ALTERED,
    )
