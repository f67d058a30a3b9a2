"""Find the bodies that records name, and say which of them may be read.

A body is read through a record, never by its address alone: the record says whether it
is held back.
"""

from __future__ import annotations

from contextlib import suppress

from jenkins_notary.api.logs.holding import find_release, is_held
from jenkins_notary.api.logs.keeping import DIGEST
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
)
from jenkins_notary.evidence.bodies import bodies_of
from jenkins_notary.values.body import parse_body
from jenkins_notary.values.digest import digest_hex, parse_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import Blobs
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.body import Body


def open_body(session: Session, record: ProvenRecord) -> tuple[Blobs, Body]:
    """Return where the body of a log or attachment may be read, and its descriptor.

    Raises:
        NotFoundError: The record was erased, or the text was not kept.
        PermissionDeniedError: The log is held back.
    """
    body = body_of(record)
    check_readable(session, record)
    return place_of(session, record, body), body


def place_of(session: Session, record: ProvenRecord, body: Body) -> Blobs:
    """Return where a body lies that may be read through a record."""
    # A release that was interrupted has not moved it yet.
    is_waiting = is_held(record) and not session.blobs.has(body.sha256_hex)
    return session.held if is_waiting else session.blobs


def check_readable(session: Session, record: ProvenRecord) -> None:
    """Refuse a log whose text is held back or was not kept.

    Raises:
        NotFoundError: It was not kept.
        PermissionDeniedError: It is held back.
    """
    if record.statement is None:
        return
    where = f"log of record #{record.index}"
    if is_held(record) and find_release(session, record) is None:
        raise PermissionDeniedError(
            where,
            expected="one that may be read",
            got="one that is held, for it seems to hold secrets",
            advice="an administrator or its signer runs: jenkins-notary log release "
            f"{record.statement.job_id} --reason TEXT",
        )
    if record.statement.predicate.get("kept") == DIGEST:
        raise NotFoundError(
            where,
            expected="its text",
            got="its digest alone: it seemed to hold secrets and was not kept",
            advice="compare it with Jenkins: jenkins-notary log "
            f"{record.statement.job_id} --verify",
        )


def body_of(record: ProvenRecord) -> Body:
    """Return the body that a log or attachment record names.

    Raises:
        NotFoundError: The record's envelope was erased.
        IntegrityError: The record names none.
    """
    if record.statement is None:
        raise NotFoundError(
            f"record #{record.index}", got=f"erased by #{record.erased_by}"
        )
    return parse_body(
        record.statement.predicate.get("body"), subject=f"record #{record.index} body"
    )


def find_body(
    session: Session,
    digest: str,
    *,
    sees: Callable[[ProvenRecord], bool] = lambda _: True,
) -> tuple[ProvenRecord, Body]:
    """Return the record that attaches a body, and the body, by the body's digest.

    A record through which it may be read goes before one through which it may not.

    Args:
        session: An open ledger.
        digest: The body's own digest.
        sees: Says of a record whether the reader may see it at all.

    Raises:
        NotFoundError: No record attaches it, or it was not kept.
        PermissionDeniedError: It is a log that is held back.
    """
    wanted = digest_hex(parse_digest(digest))
    view = session.followed_view()
    refusal: NotaryError | None = None
    for record in view.records(view.find_digest(wanted)):
        if not sees(record):
            continue
        # A foreign statement may name anything as a body; it hides no other one.
        with suppress(IntegrityError):
            for one in bodies_of(record):
                if one.sha256_hex == wanted:
                    try:
                        check_readable(session, record)
                    except NotaryError as error:
                        refusal = refusal or error
                        continue
                    return record, one
    if refusal is not None:
        raise refusal
    raise NotFoundError(f"attachment {digest}", got="no record that attaches it")
