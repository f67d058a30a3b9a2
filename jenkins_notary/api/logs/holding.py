"""Release a log that is held back, and tell whether one was.

A release is a record, of type ``administration``, that says who lets the log be read
and why. It counts if it is by an administrator, or by the signer of the log's record.
The record comes first; the body is moved after it. Where that was interrupted the log
is read where it still lies, and the next release moves it.
"""

from __future__ import annotations

from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.logs.keeping import HELD
from jenkins_notary.api.logs.recording import find_log
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)
from jenkins_notary.trust.record import check_signature
from jenkins_notary.values.body import parse_body
from jenkins_notary.values.claim import MAX_REASON
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.body import Body

RELEASE = "release-log"
"""The action of a release record."""


def is_held(record: ProvenRecord) -> bool:
    """Return whether a record's log was held back when it was recorded."""
    return (
        record.leaf.type == "log"
        and record.statement is not None
        and record.statement.predicate.get("kept") == HELD
    )


def find_release(session: Session, record: ProvenRecord) -> ProvenRecord | None:
    """Return the record that releases a held log, None while there is none.

    Raises:
        IntegrityError: A release of it bears a bad signature.
    """
    view = session.followed_view()
    for index in view.find_digest(_held_body(record).sha256_hex):
        if index <= record.index:
            break
        found = view.record(index)
        if _is_release_of(found, record.index) and _counts(session, found, record):
            return found
    return None


def release_log(
    session: Session,
    job: str,
    *,
    reason: str,
    stage: str | None = None,
    started: str | None = None,
) -> RecordView:
    """Let a held log be read; return the record that says so, once durable.

    A log that was released before is not released again: its release is returned.

    Args:
        session: An open ledger.
        job: A job id.
        reason: Why it may be read; it stays, so it must not hold a secret.
        stage: The stage whose log is meant; None for that of the whole build.
        started: When the build started, where several have the id.

    Raises:
        UsageError: No reason, or a log that is not held.
        NotFoundError: No such log, or its body was pruned or erased.
        PermissionDeniedError: The key is neither an administrator's nor the signer's.
    """
    if not reason.strip() or len(reason) > MAX_REASON:
        raise UsageError(
            "--reason", expected=f"why, in at most {MAX_REASON} characters"
        )
    log = find_log(session, job, stage=stage, started=started)
    # A log that grew is held piece by piece.
    held = [one for one in log.pieces if is_held(one)]
    if not held:
        raise UsageError(
            f"log of record #{log.record.index}",
            expected="one that is held",
            got="one that is not",
            advice=f"jenkins-notary log {job}",
        )
    releases = [find_release(session, one) for one in held]
    waiting = [
        one for one, release in zip(held, releases, strict=True) if release is None
    ]
    for record in waiting:
        _check_may_release(session, record)
        if not session.all_bodies.has(_held_body(record).sha256_hex):
            raise NotFoundError(
                f"body of record #{record.index}",
                expected="to be held",
                got="none: it was pruned or erased",
            )
    last = max((one.index for one in releases if one is not None), default=0)
    if waiting:
        author = session.author()
        facts = {"action": RELEASE, "job": {"id": log.job}, "reason": reason}
        envelopes = [
            author.sign(
                "administration",
                [Subject("held log", _held_body(record).sha256_hex)],
                {**facts, "record": record.index},
            )
            for record in waiting
        ]
        last = session.append(envelopes)[-1]
    for record in held:
        session.held.move(_held_body(record), session.blobs)
    view = session.view()
    return show_record(view, view.record(last))


def _held_body(record: ProvenRecord) -> Body:
    """Return the descriptor of a held log."""
    if record.statement is None:
        raise IntegrityError(f"record #{record.index}", expected="one not erased")
    return parse_body(
        record.statement.predicate.get("body"), subject=f"record #{record.index} body"
    )


def _is_release_of(record: ProvenRecord, index: int) -> bool:
    """Return whether a record says that it releases the log of a record."""
    return (
        record.leaf.type == "administration"
        and record.statement is not None
        and record.statement.predicate.get("action") == RELEASE
        and record.statement.predicate.get("record") == index
    )


def _counts(session: Session, release: ProvenRecord, log: ProvenRecord) -> bool:
    """Return whether a release is by an administrator, or by the log's signer."""
    signer, trust = release.leaf.signer, session.view().trust()
    if trust.is_revoked(signer, release.index):
        return False
    public_der = trust.administrators.get(signer)
    if public_der is None and signer == log.leaf.signer:
        enrolment = trust.signers.get(signer)
        public_der = None if enrolment is None else enrolment.public_der
    if public_der is None:
        return False
    check_signature(release, public_der, session.signatures)
    return True


def _check_may_release(session: Session, record: ProvenRecord) -> None:
    """Refuse a key that is neither an administrator's nor that of the log's signer."""
    signer, trust = session.signer().keyid, session.view().trust()
    is_known = signer in trust.administrators or signer == record.leaf.signer
    if not is_known or trust.is_revoked(signer, session.view().size):
        raise PermissionDeniedError(
            f"log of record #{record.index}",
            expected="the key of an administrator, or of its signer "
            f"{record.leaf.signer}",
            got=signer,
            advice="use that key: --key FILE",
        )
