"""Keep a copy of a log, every leaf of it proven, to judge by it instead of by the log.

Whoever hides a record from its log's index, or from its trust log, hides it from those
who ask; not from one who holds all leaves and derives index and trust log again. That
is what a copy is: a ledger file without a key, which every reading command opens.

Each leaf is proven to stand in the signed tree before it is kept, and each envelope to
be the leaf's. So nothing that was kept needs to be taken back when the rest is bad, and
an interrupted copy goes on where it was. What the log has erased is erased here too,
if who erased it might.

Source: DESIGN section 6 (followers compute status from their own copy of the leaves).
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError
from jenkins_notary.ledger.erase import finish_erasures
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.ledger.transfer import Transfer
from jenkins_notary.ledger.view import LedgerView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ports import LogReader, Store, Verifier
    from jenkins_notary.trust.record import ProvenRecord

PAGE = 256
"""Records that are kept in one commit."""


class Mirror:
    """A copy of one log.

    Attributes:
        store: Where it is kept.
        erased: Indexes of the records that came without an envelope.
    """

    def __init__(self, store: Store, signatures: Verifier) -> None:
        """Go on with a store that holds a copy, or begin one in an empty store."""
        self.store = store
        self.erased: set[int] = set()
        self._signatures = signatures

    @property
    def size(self) -> int:
        """Return how many records were copied."""
        return Transfer(self.store, resume=True).main.size

    def view(self, source: LedgerView) -> LedgerView:
        """Return the copy at a source's checkpoint, once it was grown to it."""
        return LedgerView(self.store, source.checkpoint, source.note, self._signatures)

    def grow(
        self,
        source: LedgerView,
        reader: LogReader,
        *,
        visit: Callable[[ProvenRecord], object] = bool,
        progress: Progress = no_progress,
    ) -> LedgerView:
        """Copy what a log has more than the copy; return the copy's view of it.

        Args:
            source: The log at a checkpoint that its key has signed.
            reader: The same log.
            visit: Called with each record that was copied, in order.
            progress: Called with (phase, done, total).

        Raises:
            IntegrityError: The log is not the one that was copied; a leaf is not in
                the signed tree; an envelope is not its leaf's, or gone without an
                erasure; or the trust log hides or invents a record.
        """
        transfer = Transfer(self.store, resume=True)
        first, size = transfer.main.size, source.checkpoint.size
        source.check_consistent(first, transfer.main.root())
        has_erasure = False
        for start in range(first, size, PAGE):
            stop = min(start + PAGE, size)
            leaves = list(source.leaves(range(start, stop)))
            digests = [bytes.fromhex(leaf.envelope_hex) for _, leaf in leaves]
            envelopes = reader.envelopes(digests)
            transfer.add(
                [
                    (entry, envelopes.get(digest))
                    for (entry, _), digest in zip(leaves, digests, strict=True)
                ]
            )
            has_erasure |= any(leaf.type == "erasure" for _, leaf in leaves)
            progress("copying", stop, size)
        _check_trust(transfer, source)
        self.store.publish(source.note, size=size)
        view = self.view(source)
        if has_erasure:
            finish_erasures(view, self.store, None, self._signatures)
        _check_erased(view, transfer.erased)
        self.erased.update(transfer.erased)
        for record in view.records(range(first, size)):
            visit(record)
        return view


def _check_trust(transfer: Transfer, source: LedgerView) -> None:
    """Check that the signed trust log is the one that all leaves give.

    Raises:
        IntegrityError: It is not.
    """
    signed = source.checkpoint.trust
    if (transfer.trust.size, transfer.trust.root()) != (signed.size, signed.root):
        raise IntegrityError(
            f"trust log of {source.checkpoint.origin}",
            expected=f"the {transfer.trust.size} records that its main log holds",
            got=f"{signed.size} others",
            advice="the ledger hides or invents a verdict: do not use it",
        )


def _check_erased(view: LedgerView, indexes: Sequence[int]) -> None:
    """Check that each envelope that did not come was erased by a record.

    Raises:
        IntegrityError: One is simply missing.
    """
    for _ in view.records(indexes):
        pass
