"""Bring what another ledger has into this one: ``Notary.ledger.sync``.

The other one (an edge) goes on as it is; this one (the centre) gets an import record of
each of its records; see ``ledger.imports``. How far that came is read from this ledger
before each batch, so it can be broken off anywhere and gone on with from anywhere.

1. The other log is opened at its newest checkpoint: signed by its key, and a
   continuation of what this user has seen of it and of what this ledger has imported.
2. Each leaf is proven to be in it, each envelope to be the leaf's and by its signer.
3. Imports are appended by this ledger's own writer, which reads its head each time.

A connection that breaks is tried again with growing pauses; each batch that came
through starts the count anew.
"""

from __future__ import annotations

import time

from jenkins_notary.api.signers import change_org
from jenkins_notary.errors import (
    IntegrityError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.files.locks import FileLock
from jenkins_notary.ledger.imports import find_progress, is_unheard, make_import
from jenkins_notary.ledger.pacing import Pace, PacedReader
from jenkins_notary.ledger.view import LedgerView
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.checkpoint import parse_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.trust.imports import importers_of, may_import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import LogReader

    class Source(Protocol):
        """Another ledger, wherever it is."""

        @property
        def reader(self) -> LogReader:
            """Return its log."""

        def open_view(self) -> LedgerView:
            """Return it at its newest checkpoint, signed and beyond what was seen."""


PAGE = 128
"""Records of a batch."""

BATCH_BYTES = 1 << 20
"""Bytes of imports that are appended at once; a single one may be longer."""

ATTEMPTS = 8
"""How often in a row the same batch is tried."""

_FIRST_PAUSE_S = 1.0
_LAST_PAUSE_S = 30.0


class SessionSource:
    """A ledger that this program opens itself."""

    def __init__(self, session: Session) -> None:
        """Hold its session."""
        self._session = session

    @property
    def reader(self) -> LogReader:
        """Return its log."""
        return self._session.store

    def open_view(self) -> LedgerView:
        """Return it at its newest checkpoint, signed and beyond what was seen."""
        self._session.forget()
        return self._session.followed_view()


class Synced(NamedTuple):
    """What came over.

    Attributes:
        origin: The other log.
        first: Its first record that was not here yet.
        size: Its records that are here now.
        bytes: Bytes that were read of it, without what wraps them on the way.
        unenrolled: Signers of what came now that are not enrolled here.
    """

    origin: str
    first: int
    size: int
    bytes: int
    unenrolled: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {**self._asdict(), "unenrolled": list(self.unenrolled)}


def sync(
    session: Session,
    source: Source,
    *,
    rate: int | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> Synced:
    """Import what another ledger has more than was imported before.

    Args:
        session: The ledger that gets it, with its key and an enrolled signer's.
        source: The other one.
        rate: Bytes a second that may be read and appended; None for no limit.
        pause: Waits.

    Raises:
        UsageError: It is the same log.
        PermissionDeniedError: The signer is not enrolled, or may not import from there.
        IntegrityError: One of the two was altered, forked or rolled back.
        UnavailableError: A ledger was away for too long.
    """
    session.check_can_write()
    _check_signer(session)
    run = _Run(session, source, *[Pace(rate, time.monotonic, pause) for _ in range(2)])
    failures = 0
    with FileLock(f"{session.places.ledger}.sync"):
        while True:
            before = run.size
            try:
                return run.go()
            except UnavailableError as error:
                failures = 0 if run.size > before else failures + 1
                if failures >= ATTEMPTS:
                    raise
                wait_s = min(_FIRST_PAUSE_S * 2**failures, _LAST_PAUSE_S)
                session.notify(f"{error}; again in {wait_s:.0f} s")
                pause(wait_s)


def _check_signer(session: Session) -> None:
    """Check that the imports will count."""
    signer = session.signer().keyid
    view = session.view()
    trust = view.trust()
    if signer not in trust.signers or trust.is_revoked(signer, view.size):
        raise PermissionDeniedError(
            f"signer {signer}",
            expected=f"one that is enrolled in {view.checkpoint.origin}",
            got="a stranger, or one that was revoked",
            advice=f"jenkins-notary signer enrol {signer}",
        )


def _admit(session: Session, origin: str) -> None:
    """Let an administrator who imports do so, by a record; check that others may.

    Raises:
        PermissionDeniedError: The signer may not import from this log.
    """
    signer, view = session.signer().keyid, session.view()
    if may_import(view.trust(), signer, origin, view.size):
        return
    org, co_signers = importers_of(origin), session.co_signers()
    try:
        session.check_administrators(co_signers)
    except PermissionDeniedError as error:
        raise PermissionDeniedError(
            f"signer {signer}",
            expected=f"one that may import from {origin}: a member of {org}",
            got="another",
            advice=f"an administrator lets it: jenkins-notary org add {org} {signer}",
        ) from error
    change_org(session, org, [signer], joined=True, co_signers=co_signers)
    session.notify(f"signer {signer} may import from {origin} now")


class _Run:
    """One call, over all its attempts."""

    def __init__(
        self, session: Session, source: Source, pace: Pace, outward: Pace
    ) -> None:
        """Read nothing yet.

        Args:
            session: The ledger that gets it.
            source: The other one.
            pace: Of reading.
            outward: Of appending, where that goes over a network.
        """
        self.size = 0
        self._outward = outward
        self._session = session
        self._source = source
        self._pace = pace
        self._first: int | None = None
        self._strangers: set[str] = set()

    def go(self) -> Synced:
        """Import until the other log's present end."""
        view = self._open()
        origin = view.checkpoint.origin
        _admit(self._session, origin)
        self._find_size(view, is_checked=True)
        while self.size < view.size:
            self._session.report("importing", self.size, view.size)
            self._import(view, range(self.size, min(self.size + PAGE, view.size)))
            self._find_size(view, is_checked=False)
        return Synced(
            origin,
            self._first or 0,
            self.size,
            self._pace.total,
            tuple(sorted(self._strangers)),
        )

    def _open(self) -> LedgerView:
        """Return the other log, read at the pace that was asked for."""
        view = self._source.open_view()
        own = self._session.refresh()
        if view.checkpoint.origin == own.checkpoint.origin:
            raise UsageError(
                f"ledger {own.checkpoint.origin}",
                expected="two different logs",
                got="the same one",
            )
        reader = PacedReader(self._source.reader, self._pace)
        return LedgerView(reader, view.checkpoint, view.note, self._session.signatures)

    def _find_size(self, view: LedgerView, *, is_checked: bool) -> None:
        """Read how far it came; check that the other log goes on from there."""
        here = self._session.refresh()
        signatures = self._session.signatures
        found = find_progress(here, view.checkpoint.origin, signatures)
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

    def _import(self, view: LedgerView, indexes: range) -> None:
        """Append the imports of some records, in order."""
        author = self._session.author()
        signatures = self._session.signatures
        trust = self._session.view().trust()
        leaves = [leaf for _, leaf in view.leaves(indexes)]
        digests = [bytes.fromhex(leaf.envelope_hex) for leaf in leaves]
        reader = PacedReader(self._source.reader, self._pace)
        envelopes = reader.envelopes(digests)
        batch: list[bytes] = []
        for index, leaf, digest in zip(indexes, leaves, digests, strict=True):
            data = envelopes.get(digest)
            one = make_import(view, index, data, author=author, signatures=signatures)
            if batch and sum(map(len, batch)) + len(one) > BATCH_BYTES:
                self._append(batch)
                batch = []
            batch.append(one)
            if not is_unheard(leaf) and leaf.signer not in trust.signers:
                self._strangers.add(leaf.signer)
        self._append(batch)

    def _append(self, batch: list[bytes]) -> None:
        """Append imports."""
        self._session.append(batch)
        if self._session.store.engine != "sqlite":
            self._outward.count(sum(map(len, batch)))
