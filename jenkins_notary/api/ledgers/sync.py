"""Bring what one ledger has into another: ``Notary.ledger.sync``.

The one (an edge) goes on as it is; the other (the centre) gets an import record of
each of its records; see ``ledger.imports``. How far that came is read from the centre
before each batch, so it can be broken off anywhere and gone on with from anywhere.

Neither needs to be on this machine: see ``sync_ends`` and ``watch.importing``.

1. The other log is opened at its newest checkpoint: signed by its key, and a
   continuation of what this user has seen of it and of what the centre has imported.
2. Each leaf is proven to be in it, each envelope to be the leaf's and by its signer.
3. Imports are appended by the centre's own writer, which reads its head each time.

A connection that breaks is tried again with growing pauses; each batch that came
through starts the count anew.
"""

from __future__ import annotations

import time

from jenkins_notary.errors import IntegrityError, UnavailableError, UsageError
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.imports import is_unheard, make_import
from jenkins_notary.ledger.pacing import Pace
from jenkins_notary.ledger.view import LedgerView
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.ledgers.sync_ends import Source, Target
    from jenkins_notary.ports import LogReader

PAGE = 128
"""Records of a batch."""

BATCH_BYTES = 1 << 20
"""Bytes of imports that are appended at once; a single one may be longer."""

ATTEMPTS = 8
"""How often in a row the same batch is tried."""

_FIRST_PAUSE_S = 1.0
_LAST_PAUSE_S = 30.0


class Synced(NamedTuple):
    """What came over.

    Attributes:
        origin: The other log.
        first: Its first record that was not here yet.
        size: Its records that are here now.
        bytes: Bytes that were read of it, as they came over the network where they
            did, without what HTTP adds.
        sent: Bytes that were sent, where they went over a network.
        unenrolled: Signers of what came now that are not enrolled here.
    """

    origin: str
    first: int
    size: int
    bytes: int
    sent: int
    unenrolled: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {**self._asdict(), "unenrolled": list(self.unenrolled)}


def sync(
    target: Target,
    source: Source,
    *,
    rate: int | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Synced:
    """Import what another ledger has more than was imported before.

    Args:
        target: The ledger that gets it.
        source: The other one.
        rate: Bytes a second that may be read and appended; None for no limit.
        pause: Waits.

    Raises:
        UsageError: It is the same log.
        PermissionDeniedError: The signer is not enrolled, or may not import from there.
        IntegrityError: One of the two was altered, forked or rolled back.
        UnavailableError: A ledger was away for too long.
    """
    run = _Run(target, source, *[Pace(rate, time.monotonic, pause) for _ in range(2)])
    failures = 0
    with target.lock():
        while True:
            before = run.size
            try:
                return run.go()
            except UnavailableError as error:
                failures = 0 if run.size > before else failures + 1
                if failures >= ATTEMPTS:
                    raise
                wait_s = min(_FIRST_PAUSE_S * 2**failures, _LAST_PAUSE_S)
                target.notify(f"{error}; again in {wait_s:.0f} s")
                pause(wait_s)


class _Run:
    """One call, over all its attempts.

    Attributes:
        size: Records of the other log that are here.
    """

    def __init__(
        self, target: Target, source: Source, inward: Pace, outward: Pace
    ) -> None:
        """Read nothing yet.

        Args:
            target: The ledger that gets it.
            source: The other one.
            inward: Of reading.
            outward: Of appending, where that goes over a network.
        """
        self.size = 0
        self._target = target
        self._source = source
        self._inward = inward
        self._outward = outward
        self._signatures = KeyVerifier()
        self._is_checked = False
        self._first: int | None = None
        self._strangers: set[str] = set()

    def go(self) -> Synced:
        """Import until the other log's present end."""
        if not self._is_checked:
            self._target.check()
            self._is_checked = True
        view, reader = self._open()
        origin = view.checkpoint.origin
        self._target.admit(origin)
        self._find_size(view, is_checked=True)
        while self.size < view.size:
            self._target.report("importing", self.size, view.size)
            page = range(self.size, min(self.size + PAGE, view.size))
            self._import(view, reader, page)
            self._find_size(view, is_checked=False)
        return Synced(
            origin,
            self._first or 0,
            self.size,
            self._inward.total,
            self._outward.total,
            tuple(sorted(self._strangers)),
        )

    def _open(self) -> tuple[LedgerView, LogReader]:
        """Return the other log, read at the pace that was asked for."""
        view = self._source.open_view()
        if view.checkpoint.origin == self._target.origin():
            raise UsageError(
                f"ledger {view.checkpoint.origin}",
                expected="two different logs",
                got="the same one",
            )
        reader = self._source.open_reader(self._inward)
        opened = LedgerView(reader, view.checkpoint, view.note, self._signatures)
        return opened, reader

    def _find_size(self, view: LedgerView, *, is_checked: bool) -> None:
        """Read how far it came; check that the other log goes on from there."""
        found = self._target.progress(view.checkpoint.origin)
        if is_checked and found.note is not None:
            seen = parse_checkpoint(parse_note(found.note).text)
            view.check_consistent(seen.size, seen.root)
            view.check_trust_consistent(seen.trust)
        if found.size > view.size:
            raise IntegrityError(
                f"imports from {view.checkpoint.origin}",
                expected=f"at most its {view.size} records",
                got=f"{found.size}: an import claims more than there is",
                advice="find who signed it, and revoke that signer",
            )
        self.size = found.size
        if self._first is None:
            self._first = found.size

    def _import(self, view: LedgerView, reader: LogReader, indexes: range) -> None:
        """Append the imports of some records, in order."""
        author = self._target.author()
        leaves = [leaf for _, leaf in view.leaves(indexes)]
        digests = [bytes.fromhex(leaf.envelope_hex) for leaf in leaves]
        envelopes = reader.envelopes(digests)
        batch: list[bytes] = []
        for index, digest in zip(indexes, digests, strict=True):
            data = envelopes.get(digest)
            one = make_import(
                view, index, data, author=author, signatures=self._signatures
            )
            if batch and sum(map(len, batch)) + len(one) > BATCH_BYTES:
                self._target.append(batch, self._outward)
                batch = []
            batch.append(one)
        self._target.append(batch, self._outward)
        heard = {leaf.signer for leaf in leaves if not is_unheard(leaf)}
        self._strangers |= self._target.find_strangers(heard)
