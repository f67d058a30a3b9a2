"""Record again what a log that was lost had recorded, from what lies elsewhere.

After a succession (``ledger succeed``) the records between the backup and the end of
the old log are lost. Their envelopes are not, where somebody has them: an auditor's
copy of the log, or the receipts that builds archived (``NAME.dsse.json``). They are
appended as they were signed; one that the log has is not appended again.

Left out, each with why:

- trust records, which name the old log: administrators make them again, first;
- what administrators and the service do in a log: erasures, administration,
  corroborations, gate decisions;
- records that lift others by their indexes, for those are other records' now: an
  UNTRUSTED that was lifted stands again until it is lifted again;
- records by a signer who is revoked here, was revoked there, or is enrolled nowhere;
- records whose bodies are nowhere: collect them again.

Records by a signer who was enrolled there and is not here are appended, and count once
he is enrolled here: who he is, is said.

Source: DESIGN section 5.
"""

from __future__ import annotations

import os

from jenkins_notary.blobs.files import FileBlobs
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    UsageError,
)
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.ledger.backup import copy_one_body
from jenkins_notary.ledger.bodies import find_bodies
from jenkins_notary.ledger.rotation import open_followed_view
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.record import carried_key, has_signature
from jenkins_notary.values.envelope import parse_envelope
from jenkins_notary.values.statement import parse_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.values.envelope import Envelope
    from jenkins_notary.values.statement import Statement

LOGS_OWN = frozenset({"administration", "corroboration", "erasure", "gate", "trust"})
"""Types of records that mean something in their own log only."""

ENVELOPE_NAME = ".dsse.json"
MAX_LEFT = 200
"""How many of those left out are named; all are counted."""

_BATCH = 100
_MAX_ENVELOPE_BYTES = 4 << 20


class Found(NamedTuple):
    """One envelope that lies somewhere.

    Attributes:
        where: Which one, for a person.
        data: Its bytes.
        blobs: Bodies beside it, or None.
        standing: How its signer stood where it was recorded; "" if nobody knows.
    """

    where: str
    data: bytes
    blobs: FileBlobs | None = None
    standing: str = ""


class LeftOut(NamedTuple):
    """One envelope that was not recorded again.

    Attributes:
        where: Which one.
        why: Why.
    """

    where: str
    why: str

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return dict(self._asdict())


class Resent(NamedTuple):
    """What was recorded again.

    Attributes:
        indexes: Where the records stand now.
        known: Envelopes that the log had already.
        left: The first of those that were left out.
        left_total: All of them.
        unenrolled: Signers whose records count once they are enrolled here.
    """

    indexes: tuple[int, ...]
    known: int
    left: tuple[LeftOut, ...]
    left_total: int
    unenrolled: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "indexes": list(self.indexes),
            "known": self.known,
            "left": [one.to_dict() for one in self.left],
            "leftTotal": self.left_total,
            "unenrolled": list(self.unenrolled),
        }


def resend(session: Session, sources: Sequence[str]) -> Resent:
    """Record envelopes again.

    Args:
        session: An open ledger, with its key.
        sources: Ledger files, and folders with ``*.dsse.json`` anywhere below.

    Raises:
        NotFoundError: A source is neither, or there is no ledger.
        UsageError: A source is a ledger that this one does not follow.
        NotaryError: They cannot be appended.
    """
    work = _Resending(session)
    for source in sources:
        for found in _find(session, source):
            work.take(found)
    return work.finish()


class _Resending:
    """Envelopes that are recorded again, in batches."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._trust = session.followed_view().trust()
        self._batch: list[bytes] = []
        self._indexes: list[int] = []
        self._known = 0
        self._left: list[LeftOut] = []
        self._left_total = 0
        self._unenrolled: dict[str, None] = {}

    def take(self, found: Found) -> None:
        """Record one envelope, or note why not."""
        try:
            self._check(found)
        except NotaryError as error:
            self._left_total += 1
            if len(self._left) < MAX_LEFT:
                self._left.append(LeftOut(found.where, str(error)))
            return
        self._batch.append(found.data)
        if len(self._batch) == _BATCH:
            self._append()

    def finish(self) -> Resent:
        """Record the rest; return what was done."""
        self._append()
        return Resent(
            tuple(self._indexes),
            self._known,
            tuple(self._left),
            self._left_total,
            tuple(self._unenrolled),
        )

    def _append(self) -> None:
        """Append a batch."""
        if not self._batch:
            return
        size = self._session.view().size
        for index in self._session.append(self._batch):
            if index >= size:
                self._indexes.append(index)
            else:
                self._known += 1
        self._batch.clear()

    def _check(self, found: Found) -> None:
        """Check that an envelope may be recorded again, and bring its bodies.

        Raises:
            NotaryError: It may not.
        """
        envelope = parse_envelope(found.data, subject=found.where)
        statement = parse_statement(envelope.payload, subject=found.where)
        if statement.type in LOGS_OWN:
            action = str(statement.facts.get("action", ""))[:40]
            raise _refused(
                f"{statement.type} {action}".strip(), "it is of its own log alone"
            )
        if statement.supersedes:
            raise _refused(
                "a record that lifts others", "their indexes are other records' now"
            )
        self._check_signer(found, envelope, statement)
        self._bring_bodies(found, statement)

    def _check_signer(
        self, found: Found, envelope: Envelope, statement: Statement
    ) -> None:
        """Check that the signer is enrolled here or was there, and is not revoked."""
        signer = envelope.signatures[0].keyid
        enrolment = self._trust.signers.get(signer)
        is_revoked = enrolment is not None and enrolment.revoked_from is not None
        if is_revoked or found.standing == "revoked":
            raise _refused(f"signer {signer}", "revoked")
        if enrolment is None and found.standing != "enrolled":
            raise _refused(f"signer {signer[:80]}", "not enrolled here")
        public_der = (
            carried_key(statement, signer)
            if enrolment is None
            else enrolment.public_der
        )
        if public_der is None or not has_signature(
            envelope, signer, public_der, self._session.signatures
        ):
            raise IntegrityError(f"signature of {signer}", expected="a good one")
        if enrolment is None:
            self._unenrolled[signer] = None

    def _bring_bodies(self, found: Found, statement: Statement) -> None:
        """Copy the bodies that a record names and that are not here."""
        for sha, body in find_bodies(statement).items():
            if self._session.all_bodies.has(sha):
                continue
            if found.blobs is None or not found.blobs.has(sha):
                raise _refused(f"body sha256:{sha}", "nowhere: collect it again")
            copy_one_body(found.blobs, self._session.blobs, body)


def _find(session: Session, source: str) -> Iterator[Found]:
    """Yield the envelopes of a source.

    Raises:
        NotFoundError: It is neither a file nor a folder.
    """
    if os.path.isdir(source):
        yield from _find_files(source)
    elif os.path.isfile(source):
        yield from _find_records(session, source)
    else:
        raise NotFoundError(source, expected="a ledger file or a folder of receipts")


def _find_files(folder: str) -> Iterator[Found]:
    """Yield the envelopes that lie as files below a folder, sorted by their paths."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if name.endswith(ENVELOPE_NAME) and os.path.isfile(path):
                with open(path, "rb") as file:
                    yield Found(path, file.read(_MAX_ENVELOPE_BYTES))


def _find_records(session: Session, path: str) -> Iterator[Found]:
    """Yield the envelopes of a ledger, in its order.

    Its own checkpoint need not be signed by a key that is known here: each envelope is
    checked by its own signature.
    """
    store = SqliteStore.open(path)
    try:
        vkey = store.get_setting("vkey") or b""
        view, _ = open_followed_view(
            store, vkey.decode(), load_log_verifier, session.signatures
        )
        blobs = FileBlobs(f"{path}.blobs") if os.path.isdir(f"{path}.blobs") else None
        for index in range(_first_lost(session, view), view.size):
            record = view.record(index)
            data = view.envelope_bytes(record)
            if data is not None:
                yield Found(f"record #{index}", data, blobs, view.standing(record))
    finally:
        store.close()


def _first_lost(session: Session, view: LedgerView) -> int:
    """Return the first record of a log that was not taken over by its successor.

    Raises:
        UsageError: The ledger follows another log, or none.
    """
    found = session.followed_view().trust().inherited_size(view.checkpoint.origin)
    if not found:
        raise UsageError(
            "source",
            expected="a ledger that this one follows",
            got=view.checkpoint.origin,
        )
    return found


def _refused(subject: str, got: str) -> IntegrityError:
    """Return why an envelope is left out."""
    return IntegrityError(subject, got=got)
