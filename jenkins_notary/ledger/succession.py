"""Follow a log whose past cannot be continued with another one, under a new name.

A restored backup that is older than what was published would, if it went on, sign
another past than the one that was seen: a fork. So the administrators begin a new
origin with a new key. Its record 0 is a genesis that binds two checkpoints of the old
log, both signed by its key:

- ``succeeds``: the last one that is known of it, published perhaps after the backup;
- ``inherits``: the backup's own, with the old genesis; records 1 to ``size - 1``
  stand in the new log byte for byte, at the same indexes and with the same times.

So indexes in ``supersedes`` and in revocations keep their meaning, and nothing that
the backup acknowledges is lost. The two trees differ in leaf 0 alone: the inclusion
path of leaf 0 gives the old root with the old leaf, and the new root with the new one.
That is how a reader who knows only the old log checks it with a few hashes.

Who follows (:func:`follow_succession`) demands:

1. the new genesis carries both checkpoints, of the origin that was pinned, signed by
   the pinned key or one that it was rotated to;
2. with the old genesis in place of the new one, the new log's records give the
   inherited root, and the root of the trust log; and the pinned one, if it is not of a
   size beyond the inherited;
3. the bound last checkpoint is not older than the pin; at equal sizes roots are equal;
4. as many of the old log's administrators as its threshold asks for, valid at the
   inherited size, have signed the new genesis.

Then the new log is followed. Records of the old one between the inherited size and the
bound one are lost, and how many is said.

Source: DESIGN section 5.
"""

from __future__ import annotations

from jenkins_notary.errors import IntegrityError, PermissionDeniedError, UsageError
from jenkins_notary.ledger.author import describe_signer
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.ledger.rotation import accepted_vkeys
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.ledger.transfer import Transfer, find_statement_rows
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
    trust_extension,
)
from jenkins_notary.tlog.merkle import hash_leaf
from jenkins_notary.tlog.note import parse_note, sign_note
from jenkins_notary.tlog.proofs import inclusion_proof, tree_root, verify_inclusion
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.leaf import (
    format_leaf,
    format_trust_entry,
    project_leaf,
)
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenkins_notary.ledger.author import Author
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.pins import Pin
    from jenkins_notary.ledger.rotation import MakeVerifier
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import LogReader, Store
    from jenkins_notary.tlog.checkpoint import TreeHead
    from jenkins_notary.tlog.note import NoteSigner, NoteVerifier
    from jenkins_notary.trust.actions import Inheritance

PAGE = 1000
"""Records that are taken over in one commit."""


class Succession(NamedTuple):
    """How a log follows another one.

    Attributes:
        old_origin: The log that was pinned.
        origin: The log that follows it.
        inherited_size: Records that were taken over; record 0 is the new genesis.
        bound_size: The old log's last known size.
    """

    old_origin: str
    origin: str
    inherited_size: int
    bound_size: int

    @property
    def lost(self) -> int:
        """Return how many records of the old log are not in the new one."""
        return self.bound_size - self.inherited_size


def check_continuable(
    view: LedgerView, seen: Sequence[bytes], verifiers: Sequence[NoteVerifier]
) -> None:
    """Refuse to continue a log that is older than what was published of it.

    Args:
        view: The restored log.
        seen: Checkpoint notes that were published: of pins, receipts, witnesses.
        verifiers: The log's keys.

    Raises:
        IntegrityError: The log does not hold what a note of its origin says; with the
            advice to begin a new origin. Or a note is not signed by the log.
    """
    for note in seen:
        published = open_checkpoint(note, verifiers).checkpoint
        if published.origin != view.checkpoint.origin:
            continue
        if published.size > view.checkpoint.size:
            raise IntegrityError(
                f"backup of {view.checkpoint.origin}",
                expected=f"at least the {published.size} records that were published",
                got=f"{view.checkpoint.size}: to continue it would fork the log",
                advice="restore a newer backup, or begin a new origin that follows it: "
                "jenkins-notary ledger succeed",
            )
        view.check_consistent(published.size, published.root)
        view.check_trust_consistent(published.trust)


def succeed_log(
    old: LedgerView,
    old_store: Store,
    store: Store,
    signer: NoteSigner,
    *,
    author: Author,
    last_note: bytes | None = None,
    old_verifiers: Sequence[NoteVerifier] = (),
    progress: Progress = no_progress,
) -> Checkpoint:
    """Begin a log that follows another one, and take its records over.

    The new store must be where nobody finds it until this returns: an interrupted
    succession has no checkpoint and is begun again in a new store.

    Args:
        old: The old log at its newest checkpoint; the caller has verified it whole.
        old_store: Its storage.
        store: An empty store.
        signer: The new log's key; its name is the new origin.
        author: The old log's administrators, as many as its threshold asks for.
        last_note: The last checkpoint note that is known of the old log; None if it
            is the one of the view.
        old_verifiers: The keys that may have signed it.
        progress: Called with (phase, done, total).

    Returns:
        The new log's first checkpoint, which is published.

    Raises:
        UsageError: The new name is the old one, or the store is not empty.
        PermissionDeniedError: Too few of the old administrators sign.
        IntegrityError: The note is older than the log, or of another one.
    """
    bound = old.note if last_note is None else last_note
    if last_note is not None:
        _check_bound(old, open_checkpoint(last_note, old_verifiers).checkpoint)
    if signer.name == old.checkpoint.origin:
        raise UsageError(
            f"origin {signer.name}", expected="a new name: names are never reused"
        )
    genesis = _make_genesis(old, old_store, signer.name, author=author, bound=bound)
    transfer = Transfer(store)
    size = old.checkpoint.size
    for start in range(0, size, PAGE):
        stop = min(start + PAGE, size)
        transfer.add(_read_page(old, old_store, range(start, stop), genesis))
        progress("records", stop, size)
    transfer.add_rows(find_statement_rows(old_store, set(transfer.erased)))
    checkpoint = Checkpoint(
        signer.name,
        size,
        transfer.main.root(),
        (trust_extension(transfer.trust.size, transfer.trust.root()),),
    )
    store.publish(sign_note(format_checkpoint(checkpoint), [signer]), size=size)
    return checkpoint


def follow_succession(
    pin: Pin,
    view: LedgerView,
    reader: LogReader,
    make_verifier: MakeVerifier,
) -> Succession | None:
    """Check that a log rightly follows the one that was pinned.

    Args:
        pin: What was seen of the old log.
        view: The new log, at a checkpoint that its own key has signed.
        reader: The same log.
        make_verifier: Makes the verifier of a vkey's text.

    Returns:
        How it follows, for a person to see what is lost; None if the log follows no
        other.

    Raises:
        IntegrityError: It claims to follow and does not; see the module's rules.
    """
    trust = view.trust()
    inherits = trust.inherits
    if inherits is None or trust.succeeds is None:
        return None
    if inherits.size > view.size:
        raise _refused("its records up to the inherited size", f"{view.size} records")
    # (1) Both checkpoints are the pinned log's.
    then = view.at_size(inherits.size).trust()
    keys = accepted_vkeys(then, pin.vkey, make_verifier)
    verifiers = [make_verifier(vkey) for _, vkey in keys]
    inherited = open_checkpoint(inherits.checkpoint, verifiers).checkpoint
    bound = open_checkpoint(trust.succeeds.encode(), verifiers).checkpoint
    seen = parse_checkpoint(parse_note(pin.note).text)
    if {inherited.origin, bound.origin} != {seen.origin}:
        raise _refused(f"checkpoints of {seen.origin}", bound.origin)
    if inherited.size != inherits.size:
        raise _refused(f"{inherits.size} records inherited", f"{inherited.size}")
    # (2) What was taken over is what the old key has signed, and what was seen.
    swap = _Swap(view, reader, inherits)
    swap.check(inherited)
    if seen.size <= inherited.size:
        swap.check(seen)
    # (3) Nothing newer was seen than what the administrators have bound.
    _check_not_older(bound, seen)
    _check_not_older(bound, inherited)
    # (4) The administrators of the old log, as it then was, have signed.
    envelope = view.record(0).envelope
    if envelope is None or not then.has_quorum(envelope, inherits.size):
        raise _refused("signatures of the old log's administrators", "too few")
    return Succession(seen.origin, trust.origin, inherited.size, bound.size)


class _Swap:
    """The new log with the old genesis in place of its own: the old log's trees."""

    def __init__(
        self, view: LedgerView, reader: LogReader, inherits: Inheritance
    ) -> None:
        """Make the leaf that the old genesis had."""
        entry, leaf = view.leaf(0)
        envelope = parse_envelope(inherits.genesis, subject="inherited genesis")
        statement = parse_statement(envelope.payload, subject="inherited genesis")
        old = project_leaf(inherits.genesis, envelope, statement, leaf.at_ms)
        self._view = view
        self._main = hash_leaf(entry), hash_leaf(format_leaf(old))
        self._trust = (
            hash_leaf(format_trust_entry(0, leaf)),
            hash_leaf(format_trust_entry(0, old)),
        )
        self._main_hashes = read_hashes(reader, "main", view.checkpoint.size)
        self._trust_hashes = read_hashes(reader, "trust", view.checkpoint.trust.size)

    def check(self, old: Checkpoint) -> None:
        """Check that an old checkpoint is of the same records, but for record 0.

        Raises:
            IntegrityError: It is not.
        """
        path = inclusion_proof(0, old.size, self._main_hashes)
        root = self._view.at_size(old.size).root()
        verify_inclusion(self._main[0], 0, old.size, path, root)
        verify_inclusion(self._main[1], 0, old.size, path, old.root)
        size = old.trust.size
        trust_root = tree_root(size, self._trust_hashes)
        self._view.check_trust_consistent(old.trust._replace(root=trust_root))
        path = inclusion_proof(0, size, self._trust_hashes)
        verify_inclusion(self._trust[0], 0, size, path, trust_root)
        verify_inclusion(self._trust[1], 0, size, path, old.trust.root)


def _make_genesis(
    old: LedgerView, old_store: Store, origin: str, *, author: Author, bound: bytes
) -> bytes:
    """Return the new genesis, signed by the old log's administrators."""
    trust = old.trust()
    named = {one.keyid for one in author.signers} & trust.administrators.keys()
    valid = {one for one in named if not trust.is_revoked(one, old.checkpoint.size)}
    if len(valid) < trust.threshold or len(valid) < len(author.signers):
        raise PermissionDeniedError(
            f"succession of {trust.origin}",
            expected=f"{trust.threshold} keys of its administrators, and no others",
            got=f"{len(valid)} of {len(author.signers)}",
            advice="give the other keys with --co-key",
        )
    digest = bytes.fromhex(old.leaf(0)[1].envelope_hex)
    facts = {
        "action": "genesis",
        "origin": origin,
        "administrators": [describe_signer(one) for one in author.signers],
        "threshold": trust.threshold,
        "succeeds": bound.decode(),
        "inherits": {
            "genesis": old_store.envelopes([digest])[digest].decode(),
            "checkpoint": old.note.decode(),
            "size": old.checkpoint.size,
        },
    }
    return author.sign("trust", [], facts)


def _read_page(
    old: LedgerView, old_store: Store, indexes: range, genesis: bytes
) -> list[tuple[bytes, bytes | None]]:
    """Return (entry, envelope) of some records, with the new genesis for record 0."""
    leaves = list(old.leaves(indexes))
    digests = [bytes.fromhex(leaf.envelope_hex) for _, leaf in leaves]
    envelopes = old_store.envelopes(digests)
    items = [
        (entry, envelopes.get(digest))
        for (entry, _), digest in zip(leaves, digests, strict=True)
    ]
    if indexes.start == 0:
        envelope = parse_envelope(genesis)
        statement = parse_statement(envelope.payload)
        # The time of the old genesis: times never run backwards, and the records
        # behind it keep theirs. The statement's own time says when it was made.
        leaf = project_leaf(genesis, envelope, statement, leaves[0][1].at_ms)
        items[0] = format_leaf(leaf), genesis
    return items


def _check_bound(old: LedgerView, bound: Checkpoint) -> None:
    """Check that the last known checkpoint is of the old log, and not older."""
    if bound.origin != old.checkpoint.origin or bound.size < old.checkpoint.size:
        raise IntegrityError(
            "last known checkpoint",
            expected=f"one of {old.checkpoint.origin} at {old.checkpoint.size} or more",
            got=f"{bound.origin} at {bound.size}",
        )
    _check_not_older(bound, old.checkpoint)


def _check_not_older(bound: Checkpoint, seen: Checkpoint | TreeHead) -> None:
    """Check that a bound checkpoint is beyond, or equal to, one that was seen."""
    if bound.size < seen.size:
        raise _refused(
            f"the last checkpoint at {seen.size} or more, as seen", f"{bound.size}"
        )
    if bound.size == seen.size and bound.root != seen.root:
        raise _refused(f"root {seen.root.hex()}, as seen", bound.root.hex())


def _refused(expected: str, got: str) -> IntegrityError:
    """Return the error for a log that does not rightly follow."""
    return IntegrityError(
        "log that follows the pinned one",
        expected=expected,
        got=got,
        advice="do not use it; ask the ledger's administrators",
    )
