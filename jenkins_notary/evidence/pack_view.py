"""Read a pack as if it were the ledger: the same view, the same proofs.

A :class:`PackReader` gives what a ledger's reader gives, as far as it was packed, and
every answer is a claim. A :class:`PackView` proves it: the leaf by the record's own
tlog-proof instead of the log's tiles, all else as any view of a ledger does, so that
verdicts and standings of a pack are made by the code that makes them of a ledger.

What is not in the pack cannot be proven: a record that a verdict needs and that is
missing is an IntegrityError, never a better verdict. A record that is withheld counts
by its leaf, as an erased one does.

Memory: names and places of members, and 100 bytes for each subject of a leaf; no body.
"""

from __future__ import annotations

from bisect import bisect_left

from jenkins_notary.errors import IntegrityError
from jenkins_notary.evidence.pack_archive import (
    CHECKPOINT,
    ENVELOPE,
    HEAD,
    LEAF,
    PROOF,
    TRUST,
    read_members,
    record_name,
)
from jenkins_notary.evidence.pack_head import MAX_BYTES, parse_head
from jenkins_notary.ledger.receipts import format_extra
from jenkins_notary.ledger.rotation import follow_keys
from jenkins_notary.ledger.view import LedgerView
from jenkins_notary.ports import Row
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note, parse_vkey
from jenkins_notary.tlog.receipt import parse_receipt
from jenkins_notary.trust.record import ProvenRecord
from jenkins_notary.values.leaf import parse_leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from jenkins_notary.ledger.rotation import MakeVerifier
    from jenkins_notary.ports import LogName, LogReader, RowKind, Verifier
    from jenkins_notary.tlog.checkpoint import Checkpoint

MAX_SUBJECTS = 5_000_000
"""Subjects of all leaves of a pack."""

MAX_ENVELOPE = 16 << 20
MAX_SMALL = 1 << 20
_MAX_TRUST = 1 << 30
_PIECE = 1 << 20


class PackReader:
    """What lies in a pack: a reader of a ledger as far as it was packed.

    Attributes:
        head: What the pack says of itself.
        members: Where each member lies, by name.
        indexes: The records in it, in order.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the members' names, the head and the leaves.

        Args:
            file: The archive; it can seek, and stays open.

        Raises:
            IntegrityError: No pack, or one that is altered or cut short.
        """
        self._file = file
        self.members = read_members(file)
        self.head = parse_head(self.read(HEAD, MAX_BYTES))
        self.indexes = [
            int(name[len("records/") : -len(LEAF)])
            for name in self.members
            if name.endswith(LEAF)
        ]
        self._check_beside_leaves()
        self._rows: list[tuple[bytes, int]] = []
        self._envelopes: dict[bytes, int] = {}
        self._read_leaves()
        self._trust: Sequence[bytes] | None = None

    def read(self, name: str, limit: int) -> bytes:
        """Return a member's bytes.

        Raises:
            IntegrityError: There is none, or it is too long.
        """
        found = self.members.get(name)
        if found is None or found.size > limit:
            raise IntegrityError(
                f"pack: {name}",
                expected=f"to be there, of at most {limit} bytes",
                got="none" if found is None else f"{found.size} bytes",
            )
        self._file.seek(found.offset)
        return self._file.read(found.size)

    def stream(self, name: str, piece: int = _PIECE) -> Iterator[bytes]:
        """Yield the bytes of a member that is there, in pieces of one size."""
        offset, left = self.members[name]
        while left > 0:
            self._file.seek(offset)
            data = self._file.read(min(piece, left))
            yield data
            offset, left = offset + len(data), left - len(data)

    def checkpoint(self) -> bytes:
        """Return the signed note."""
        return self.read(CHECKPOINT, MAX_SMALL)

    def entries(self, log: LogName, start: int, stop: int) -> Sequence[bytes]:
        """Return entries: of the trust log any, of the main log those in the pack."""
        if log == "trust":
            if self._trust is None:
                self._trust = self.read(TRUST, _MAX_TRUST).split(b"\n")[:-1]
            return self._trust[start:stop]
        found = []
        for index in range(start, stop):
            if record_name(index, LEAF) not in self.members:
                break
            found.append(self.read(record_name(index, LEAF), MAX_SMALL))
        return found

    def tile(self, log: LogName, level: int, n: int, width: int) -> bytes:
        """Return nothing: a pack has proofs in the place of tiles."""
        del log, level, n, width
        return b""

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
        """Return the rows of subjects that the leaves in the pack give."""
        if kind != "subject":
            return []
        first, stop = (
            bisect_left(self._rows, (low, 0)),
            bisect_left(self._rows, (high, 0)),
        )
        found = self._rows[first:stop]
        if newest_first:
            found.reverse()
        if after is not None:
            found = [o for o in found if (o < after if newest_first else o > after)]
        return [Row(kind, key, index) for key, index in found[:limit]]

    def envelopes(self, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the envelopes that are in the pack, by the hash in their leaf."""
        named = {
            one: record_name(self._envelopes[one], ENVELOPE)
            for one in digests
            if one in self._envelopes
        }
        return {
            one: self.read(name, MAX_ENVELOPE)
            for one, name in named.items()
            if name in self.members
        }

    def _check_beside_leaves(self) -> None:
        """Check that each record has its proof, and that nothing else lies beside.

        Raises:
            IntegrityError: A proof is missing, or something has no leaf.
        """
        known = {record_name(one, LEAF) for one in self.indexes}
        proofs = {record_name(one, PROOF) for one in self.indexes}
        named = {one for one in self.members if one.startswith("records/")}
        envelopes = {record_name(one, ENVELOPE) for one in self.indexes}
        odd = (named - known - proofs - envelopes) | (proofs - named)
        if odd:
            raise IntegrityError(
                f"pack: {min(odd)}",
                expected="a leaf and a proof of each record, and nothing else",
                got="another set of files",
            )

    def _read_leaves(self) -> None:
        """Find out which record names which digest."""
        for index in self.indexes:
            entry = self.read(record_name(index, LEAF), MAX_SMALL)
            leaf = parse_leaf(entry, subject=f"leaf {index}")
            self._rows += [(bytes.fromhex(one), index) for one in leaf.subjects]
            self._envelopes[bytes.fromhex(leaf.envelope_hex)] = index
            if len(self._rows) > MAX_SUBJECTS:
                raise IntegrityError(
                    "pack", expected=f"at most {MAX_SUBJECTS} subjects", got="more"
                )
        self._rows.sort()


class WithholdingView(LedgerView):
    """A ledger of which some records are seen as their leaf alone."""

    def __init__(
        self,
        reader: LogReader,
        checkpoint: Checkpoint,
        note: bytes,
        signatures: Verifier,
        *,
        withheld: Iterable[int],
    ) -> None:
        """Hold a reader and a checkpoint whose signature was verified."""
        super().__init__(reader, checkpoint, note, signatures)
        self._withheld = frozenset(withheld)

    def _read_record(self, index: int) -> ProvenRecord:
        """Read and prove a record; of one that is withheld the leaf."""
        if index in self._withheld:
            return ProvenRecord(index, self.leaf(index)[1], None, None)
        return super()._read_record(index)


class PackView(WithholdingView):
    """A ledger as far as it is in a pack; whatever leaves here has been proven."""

    def __init__(
        self, reader: PackReader, checkpoint: Checkpoint, signatures: Verifier
    ) -> None:
        """Hold a reader; see :func:`open_pack`, which verifies the checkpoint."""
        super().__init__(
            reader,
            checkpoint,
            reader.checkpoint(),
            signatures,
            withheld=reader.head.withheld,
        )
        self._pack = reader

    def prove(self, index: int) -> tuple[bytes, ...]:
        """Return the inclusion proof in a record's tlog-proof.

        Raises:
            IntegrityError: There is none, or it is another's.
        """
        receipt = parse_receipt(self._pack.read(record_name(index, PROOF), MAX_SMALL))
        entry = self._pack.read(record_name(index, LEAF), MAX_SMALL)
        leaf = parse_leaf(entry, subject=f"leaf {index}")
        if (
            receipt.index != index
            or receipt.checkpoint_note != self.note
            or receipt.extra != format_extra(entry, leaf)
        ):
            raise IntegrityError(
                f"pack: {record_name(index, PROOF)}",
                expected="the proof of its leaf under the pack's checkpoint",
                got="another's",
            )
        return receipt.proof


def open_pack(
    reader: PackReader, vkey: str, make_verifier: MakeVerifier, signatures: Verifier
) -> PackView:
    """Return the view of a pack, whose checkpoint is verified.

    Args:
        reader: The pack.
        vkey: The log's key, from a place that the caller trusts; one that was rotated
            out since will do.
        make_verifier: Makes the verifier of a vkey's text.
        signatures: Signature checks of statements.

    Raises:
        IntegrityError: The checkpoint is not signed by the key or one that followed
            it, or the pack is of another log.
    """
    checkpoint = parse_checkpoint(parse_note(reader.checkpoint()).text)
    head = reader.head
    wanted = parse_vkey(vkey).name
    if {checkpoint.origin, head.origin} != {wanted}:
        raise IntegrityError(
            "pack: checkpoint",
            expected=f"one of the log {wanted}",
            got=f"one of {checkpoint.origin}"[:200],
            advice="name the key of the pack's own log, or get the right pack",
        )
    if head.tree_size != checkpoint.size:
        raise IntegrityError(
            "pack: treeSize", expected=f"{checkpoint.size}", got=f"{head.tree_size}"
        )
    view = PackView(reader, checkpoint, signatures)
    follow_keys(view, vkey, make_verifier)
    return view
