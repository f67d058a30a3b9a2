"""Erase what a record said, and keep the proof that there was one.

An erasure is a record of type ``erasure``: its subjects are the SHA-256 digests of the
envelopes and bodies that go, its predicate gives the reason and the indexes of the
records. Only when it is durable are the envelopes, the rows that hold names
(``rows.derive_named_rows``) and the bodies destroyed. The leaves stay, so the log
verifies as before, and whoever misses an envelope finds the record that erased it.
The row that finds a statement when it is handed in twice stays too: it holds a hash
alone, and keeps an outbox from recording again what was erased.

Rules:

1. An administrator may erase any record, its own signer may erase its own.
2. Trust records cannot be erased, nor erasure records: verdicts and proofs hang on
   them. They are refused by name.
3. A body that a record which stays needs too is kept; only pruning takes bodies that
   several old records share.
4. What was recorded and not yet destroyed, because the process died, is destroyed by
   :func:`finish_erasures`. It acts on records only whose signature it has checked, for
   anyone who may append can append an erasure.

What is left out: copies elsewhere. Backups, packs and exports of envelopes that left
the ledger's folder are the business of those who keep them.

Source: DESIGN sections 4 and 5; FEATURES D20.
"""

from __future__ import annotations

import json

from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.ledger.bodies import (
    find_bodies,
    find_labelled_bodies,
    read_body,
)
from jenkins_notary.ledger.findings import no_progress
from jenkins_notary.ledger.rows import derive_named_rows, exact_range
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.record import check_signature
from jenkins_notary.values.envelope import idempotency_key
from jenkins_notary.values.statement import MAX_SUBJECTS, Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from jenkins_notary.ledger.author import Author
    from jenkins_notary.ledger.findings import Progress
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.ports import Appended, Blobs, Ledger, Row, Store, Verifier
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.trust.signers import Trust
    from jenkins_notary.values.body import Body
    from jenkins_notary.values.envelope import Envelope

LASTING_TYPES = frozenset({"trust", "erasure"})
"""Records that cannot be erased."""

RETENTION = "retention"
"""The reason of a pruning."""

_STEP = 1000
_SEEN_BODIES = 1 << 20


class Erasable(NamedTuple):
    """What of one record can be erased.

    Attributes:
        index: The record's place.
        type: Its type.
        signer: Its signer's id.
        envelope_hex: SHA-256 of its envelope, or None when only bodies go.
        bodies: SHA-256 hex of the bodies that go with it.
    """

    index: int  # type: ignore[assignment]  # Hides tuple.index.
    type: str
    signer: str
    envelope_hex: str | None
    bodies: tuple[str, ...] = ()


class ErasureResult(NamedTuple):
    """What an erasure did.

    Attributes:
        indexes: The erasure records that were appended.
        envelopes: Envelopes that were destroyed.
        bodies: Bodies that were destroyed.
    """

    indexes: tuple[int, ...]
    envelopes: int
    bodies: int

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return dict(self._asdict())


def select_erasable(view: LedgerView, indexes: Iterable[int]) -> list[Erasable]:
    """Return what can be erased of some records: envelope and bodies.

    One whose envelope was erased before is left out.

    Raises:
        NotFoundError: No such record.
        UsageError: Among them are records that cannot be erased; all are named.
    """
    found = [
        Erasable(
            record.index,
            record.leaf.type,
            record.leaf.signer,
            record.leaf.envelope_hex,
            tuple(find_bodies(record.statement)),
        )
        for record in view.records(sorted(set(indexes)))
        if record.statement is not None
    ]
    _refuse_lasting(found)
    return found


def find_erasable(
    view: LedgerView,
    text: str,
    blobs: Blobs | None,
    *,
    progress: Progress = no_progress,
) -> list[Erasable]:
    """Return every record that holds a text, such as an e-mail address.

    Searched are the statements, with JSON's escapes undone, key ids, and the raw
    bytes of bodies (UTF-8). Case does not matter.

    Args:
        view: The ledger.
        text: What to look for; at least three characters.
        blobs: The bodies; None leaves them out.
        progress: Called with (phase, done, total).

    Returns:
        In log order; records that cannot be erased are among them, so that a person
        sees them.

    Raises:
        UsageError: The text is too short to mean anything.
        IntegrityError: A record or body was altered.
    """
    if len(text.strip()) < 3:
        raise UsageError(f"text {text!r}", expected="at least three characters")
    needle = text.casefold()
    search = _BodySearch(blobs, text)
    found = []
    for record in view.records(range(view.size)):
        if record.index % _STEP == 0:
            progress("search", record.index, view.size)
        if record.statement is None or record.envelope is None:
            continue
        leaf, bodies = record.leaf, find_bodies(record.statement)
        holding = tuple(one for one, body in bodies.items() if search.holds(body))
        in_envelope = _is_in_envelope(record.envelope, needle)
        if in_envelope or holding:
            found.append(
                Erasable(
                    record.index,
                    leaf.type,
                    leaf.signer,
                    leaf.envelope_hex if in_envelope else None,
                    tuple(bodies) if in_envelope else holding,
                )
            )
    progress("search", view.size, view.size)
    return found


def erase(
    view: LedgerView,
    ledger: Ledger,
    chosen: Sequence[Erasable],
    *,
    author: Author,
    store: Store,
    blobs: Blobs | None,
    reason: str,
) -> ErasureResult:
    """Record an erasure, then destroy what it names.

    Args:
        view: The ledger, at a size that holds the chosen records.
        ledger: Its writer.
        chosen: What goes; nothing for an empty list.
        author: An administrator, or the signer of every chosen record.
        store: Its storage.
        blobs: Its bodies; None keeps them.
        reason: Why. It is recorded: it must not hold what is erased.

    Returns:
        What was done.

    Raises:
        UsageError: A record that cannot be erased is among them, or no reason.
        PermissionDeniedError: The author may not erase one of them.
        IntegrityError: The ledger was altered.
    """
    if not reason.strip():
        raise UsageError("reason", expected="why it is erased", got="none")
    _refuse_lasting(chosen)
    _check_authority(view.trust(), author, chosen)
    kept = _needed_bodies(view, chosen) if blobs is not None else frozenset()
    doomed = [
        one._replace(bodies=tuple(b for b in one.bodies if b not in kept))
        for one in chosen
    ]
    appended = _record_erasure(ledger, author, doomed, reason)
    envelopes = [one.envelope_hex for one in doomed if one.envelope_hex is not None]
    bodies = {sha for one in doomed for sha in one.bodies}
    # Bodies first: who may destroy them is read in the envelopes, so that a call that
    # was interrupted here can be finished.
    removed = _delete_bodies(blobs, bodies)
    return ErasureResult(
        tuple(one.index for one in appended),
        _destroy(view, store, envelopes),
        removed,
    )


def prune_bodies(
    view: LedgerView,
    ledger: Ledger,
    blobs: Blobs,
    author: Author,
    *,
    before_ms: int,
    labels: Collection[str] | None = None,
    progress: Progress = no_progress,
) -> ErasureResult:
    """Destroy the bodies of old records; envelopes and proofs stay.

    A body that a younger record names too is kept.

    Args:
        view: The ledger.
        ledger: Its writer.
        blobs: Its bodies.
        author: An administrator.
        before_ms: Records committed before this time (ms UTC) are old.
        labels: Only bodies under these labels; None takes all.
        progress: Called with (phase, done, total).

    Returns:
        What was done.

    Raises:
        PermissionDeniedError: The author is no administrator.
        IntegrityError: The ledger was altered.
    """
    old_size = view.count_until(before_ms - 1)
    doomed: dict[int, Erasable] = {}
    owners: dict[str, int] = {}
    for record in _records_with_bodies(view, range(old_size), progress):
        assert record.statement is not None  # noqa: S101 - the iterator has checked it
        for label, body in find_labelled_bodies(record.statement):
            sha = body.sha256_hex
            is_meant = (labels is None or label in labels) and sha not in owners
            if is_meant and blobs.has(sha):
                owners[sha] = record.index
    for record in _records_with_bodies(view, range(old_size, view.size), progress):
        assert record.statement is not None  # noqa: S101 - the iterator has checked it
        for sha in find_bodies(record.statement):
            owners.pop(sha, None)
    for sha, index in owners.items():
        leaf = view.leaf(index)[1]
        one = doomed.get(index, Erasable(index, leaf.type, leaf.signer, None))
        doomed[index] = one._replace(bodies=(*one.bodies, sha))
    _require_administrator(view.trust(), author)
    chosen = [doomed[index] for index in sorted(doomed)]
    appended = _record_erasure(ledger, author, chosen, RETENTION)
    return ErasureResult(
        tuple(one.index for one in appended), 0, _delete_bodies(blobs, owners)
    )


def finish_erasures(
    view: LedgerView,
    store: Store,
    blobs: Blobs | None,
    signatures: Verifier,
    *,
    progress: Progress = no_progress,
) -> ErasureResult:
    """Destroy what erasure records name and what is still there.

    Args:
        view: The ledger.
        store: Its storage.
        blobs: Its bodies; None leaves them.
        signatures: Signature checks.
        progress: Called with (phase, done, total).

    Returns:
        What was destroyed now; ``indexes`` are the records that named it.

    Raises:
        IntegrityError: The ledger was altered, or an erasure record is badly signed.
    """
    trust = view.trust()
    acted: list[int] = []
    envelopes = bodies = 0
    for index, (_, leaf) in enumerate(view.leaves(range(view.size))):
        if index % _STEP == 0:
            progress("erasures", index, view.size)
        if leaf.type != "erasure":
            continue
        record = view.record(index)
        if not _is_signed(record, trust, signatures):
            continue
        removed = _delete_bodies(blobs, _allowed_bodies(view, blobs, record, trust))
        gone = _destroy(view, store, _allowed_envelopes(view, store, record, trust))
        if gone or removed:
            acted.append(index)
        envelopes, bodies = envelopes + gone, bodies + removed
    progress("erasures", view.size, view.size)
    return ErasureResult(tuple(acted), envelopes, bodies)


class _BodySearch:
    """Look for a text in bodies, in each one once."""

    def __init__(self, blobs: Blobs | None, text: str) -> None:
        """Begin with no body seen."""
        self._blobs = blobs
        self._needles = {
            form.encode("utf-8", "surrogatepass").lower()
            for form in (text, text.lower(), text.casefold())
        }
        self._seen: dict[str, bool] = {}

    def holds(self, body: Body) -> bool:
        """Return whether a body holds the text; False for one that is gone."""
        sha = body.sha256_hex
        if self._blobs is None:
            return False
        if sha not in self._seen:
            if len(self._seen) >= _SEEN_BODIES:
                self._seen.clear()
            self._seen[sha] = self._search(self._blobs, body)
        return self._seen[sha]

    def _search(self, blobs: Blobs, body: Body) -> bool:
        """Read a body and look for the text, also across chunks."""
        overlap = max(map(len, self._needles)) - 1
        tail = b""
        try:
            for chunk in read_body(blobs, body):
                text = (tail + chunk).lower()
                if any(needle in text for needle in self._needles):
                    return True
                tail = text[-overlap:] if overlap else b""
        except NotFoundError:
            return False
        return False


def _is_in_envelope(envelope: Envelope, needle: str) -> bool:
    """Return whether an envelope holds a text, however its JSON spells it."""
    if any(needle in one.keyid.casefold() for one in envelope.signatures):
        return True
    queue: list[object] = [json.loads(envelope.payload)]
    while queue:
        one = queue.pop()
        if isinstance(one, str):
            if needle in one.casefold():
                return True
        elif isinstance(one, dict):
            queue += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            queue += one
        elif needle in str(one):
            return True
    return False


def _records_with_bodies(
    view: LedgerView, indexes: range, progress: Progress
) -> Iterator[ProvenRecord]:
    """Yield the records of a range that are not erased and describe bodies."""
    for record in view.records(indexes):
        if record.index % _STEP == 0:
            progress("bodies", record.index, view.size)
        if record.envelope is not None and b'"chunkSize"' in record.envelope.payload:
            yield record


def _needed_bodies(view: LedgerView, chosen: Sequence[Erasable]) -> frozenset[str]:
    """Return those of the chosen bodies that a record which stays needs too."""
    candidates = {sha for one in chosen for sha in one.bodies}
    if not candidates:
        return frozenset()
    going = {one.index for one in chosen}
    # A body that was named by itself, because it holds what is to be erased, goes
    # whoever else needs it.
    held = {sha for one in chosen if one.envelope_hex is None for sha in one.bodies}
    needed = set()
    for record in _records_with_bodies(view, range(view.size), no_progress):
        if record.index not in going and record.statement is not None:
            needed |= candidates & find_bodies(record.statement).keys()
    return frozenset(needed - held)


def _refuse_lasting(chosen: Sequence[Erasable]) -> None:
    """Refuse records that cannot be erased, all by name.

    Raises:
        UsageError: There is at least one.
    """
    lasting = [one for one in chosen if one.type in LASTING_TYPES]
    if lasting:
        named = ", ".join(f"#{one.index} ({one.type})" for one in lasting[:20])
        raise UsageError(
            "records to erase",
            expected="none that verdicts and proofs hang on",
            got=named,
            advice="leave them out",
        )


def _check_authority(trust: Trust, author: Author, chosen: Sequence[Erasable]) -> None:
    """Check that an author may erase what was chosen (rule 1)."""
    if _is_administrator(trust, author.signers[0].keyid):
        return
    others = [one for one in chosen if one.signer != author.signers[0].keyid]
    if others:
        raise PermissionDeniedError(
            f"record #{others[0].index}",
            expected="the key of an administrator, or of its own signer",
            got=author.signers[0].keyid,
        )


def _require_administrator(trust: Trust, author: Author) -> None:
    """Check that an author is an administrator."""
    keyid = author.signers[0].keyid
    if not _is_administrator(trust, keyid):
        raise PermissionDeniedError(
            "pruning", expected="the key of an administrator", got=keyid
        )


def _is_administrator(trust: Trust, signer: str) -> bool:
    """Return whether a signer is an administrator now, and not revoked."""
    enrolment = trust.signers.get(signer)
    return (
        signer in trust.administrators
        and enrolment is not None
        and enrolment.revoked_from is None
    )


def _record_erasure(
    ledger: Ledger, author: Author, chosen: Sequence[Erasable], reason: str
) -> list[Appended]:
    """Append the records of an erasure, as many as its subjects need."""
    named: list[tuple[int, str]] = []
    for one in chosen:
        if one.envelope_hex is not None:
            named.append((one.index, one.envelope_hex))
        named += [(one.index, sha) for sha in one.bodies]
    envelopes = []
    for start in range(0, len(named), MAX_SUBJECTS):
        part = named[start : start + MAX_SUBJECTS]
        subjects = [Subject("", sha) for _, sha in part]
        indexes = sorted({index for index, _ in part})
        facts = {"reason": reason, "records": indexes}
        envelopes.append(author.sign("erasure", subjects, facts))
    return list(ledger.append(envelopes)) if envelopes else []


def _destroy(view: LedgerView, store: Store, envelopes: Sequence[str]) -> int:
    """Destroy envelopes and the rows that hold their names; return how many."""
    digests = [bytes.fromhex(one) for one in envelopes]
    rows: list[Row] = []
    there = []
    for digest in digests:
        record = _find_record(view, store, digest)
        if record is not None and record.statement is not None:
            there.append(digest)
            rows += derive_named_rows(record.index, record.statement)
    if there:
        store.erase(there, rows)
    return len(there)


def _find_record(view: LedgerView, store: Store, digest: bytes) -> ProvenRecord | None:
    """Return the record of a stored envelope; None if it is gone or never was one."""
    from jenkins_notary.values.envelope import parse_envelope

    data = store.envelopes([digest]).get(digest)
    if data is None:
        return None
    key = idempotency_key(parse_envelope(data))
    for index in view.find("statement", *exact_range(key)):
        record = view.record(index)
        if record.leaf.envelope_hex == digest.hex():
            return record
    raise IntegrityError(
        f"envelope {digest.hex()}",
        expected="the row that leads to its record",
        got="none",
        advice="run jenkins-notary ledger verify",
    )


def _delete_bodies(blobs: Blobs | None, bodies: Iterable[str]) -> int:
    """Destroy bodies; return how many were there."""
    if blobs is None:
        return 0
    return sum(blobs.delete(sha) for sha in sorted(set(bodies)))


def _is_signed(record: ProvenRecord, trust: Trust, signatures: Verifier) -> bool:
    """Return whether an erasure record is by an enrolled signer; check its signature.

    Raises:
        IntegrityError: The signature is bad.
    """
    enrolment = trust.signers.get(record.leaf.signer)
    if enrolment is None or trust.is_revoked(record.leaf.signer, record.index):
        return False
    check_signature(record, enrolment.public_der, signatures)
    return True


def _allowed_envelopes(
    view: LedgerView, store: Store, record: ProvenRecord, trust: Trust
) -> list[str]:
    """Return the stored envelopes that an erasure record may destroy (rules 1, 2)."""
    allowed = []
    for sha in record.leaf.subjects:
        found = _find_record(view, store, bytes.fromhex(sha))
        if (
            found is not None
            and found.index < record.index
            and found.leaf.type not in LASTING_TYPES
            and _may_erase(record, found.leaf.signer, trust)
        ):
            allowed.append(sha)
    return allowed


def _allowed_bodies(
    view: LedgerView, blobs: Blobs | None, record: ProvenRecord, trust: Trust
) -> list[str]:
    """Return the stored bodies that an erasure record may destroy.

    Who is no administrator may destroy bodies of its own records only. The record
    names the indexes, and those are read.
    """
    if blobs is None or record.statement is None:
        return []
    stored = [sha for sha in record.leaf.subjects if blobs.has(sha)]
    if not stored or _may_erase(record, "", trust):
        return stored
    listed = record.statement.predicate.get("records")
    own: set[str] = set()
    for index in listed if isinstance(listed, list) else ():
        if type(index) is int and 0 <= index < record.index:
            found = view.record(index)
            is_own = found.leaf.signer == record.leaf.signer
            if is_own and found.statement is not None:
                own |= find_bodies(found.statement).keys()
    return [sha for sha in stored if sha in own]


def _may_erase(record: ProvenRecord, signer: str, trust: Trust) -> bool:
    """Return whether an erasure record may destroy what a signer recorded (rule 1)."""
    return record.leaf.signer == signer or record.leaf.signer in trust.administrators
