"""Erase what must not stay: by record, by text, by age; the log stays whole."""

from __future__ import annotations

from jenkins_notary.errors import NotFoundError, PermissionDeniedError, UsageError
from jenkins_notary.ledger.erase import (
    erase,
    find_erasable,
    finish_erasures,
    prune_bodies,
    select_erasable,
)
from jenkins_notary.ledger.view import parse_as_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.erase import Erasable, ErasureResult
    from jenkins_notary.ports import Signer

    Progress = Callable[[str, int, int], None]


def erase_records(
    session: Session,
    indexes: Sequence[int],
    *,
    containing: str | None,
    reason: str,
    co_signers: Sequence[Signer],
    progress: Progress,
) -> ErasureResult:
    """Destroy envelopes and bodies of records, by a record that says so.

    Args:
        session: An open ledger.
        indexes: The records; with ``containing``, these besides.
        containing: A text; every record that holds it is meant too.
        reason: Why; it stays, so it must not hold what is erased.
        co_signers: Further administrators' keys.
        progress: Called with (phase, done, total).

    Raises:
        NotFoundError: Nothing holds the text.
        UsageError: No record was named, or one that cannot be erased.
    """
    if containing is not None and containing.casefold() in reason.casefold():
        raise UsageError(
            "reason", expected="one without the text that is erased", got="that text"
        )
    view = session.view()
    chosen: list[Erasable] = select_erasable(view, indexes)
    if containing is not None:
        known = {one.index for one in chosen}
        found = find_erasable(view, containing, session.all_bodies, progress=progress)
        chosen += [one for one in found if one.index not in known]
        if not chosen:
            raise NotFoundError("text to erase", got="no record that holds it")
    elif not indexes:
        raise UsageError("erase", expected="record indexes or --containing TEXT")
    with session.writing() as sequencer:
        result = erase(
            view,
            sequencer,
            chosen,
            author=session.author(*co_signers),
            store=session.store,
            blobs=session.all_bodies,
            reason=reason,
        )
    session.refresh()
    return result


def resume_erasures(session: Session, *, progress: Progress) -> ErasureResult:
    """Destroy what erasure records name and an interrupted call left."""
    result = finish_erasures(
        session.view(),
        session.store,
        session.all_bodies,
        session.signatures,
        progress=progress,
    )
    session.refresh()
    return result


def prune(
    session: Session,
    *,
    before: str,
    labels: Collection[str] | None,
    co_signers: Sequence[Signer],
    progress: Progress,
) -> ErasureResult:
    """Destroy the bodies of records before a time; envelopes and proofs stay.

    Raises:
        UsageError: No RFC 3339 time.
        PermissionDeniedError: The key is not an administrator's.
    """
    _, before_ms = parse_as_of(before)
    if before_ms is None:
        raise UsageError("--before", expected="an RFC 3339 time", got=before[:60])
    view = session.view()
    author = session.author(*co_signers)
    if author.signers[0].keyid not in view.trust().administrators:
        raise PermissionDeniedError(
            "prune",
            expected="an administrator's key",
            got=author.signers[0].keyid,
        )
    with session.writing() as sequencer:
        result = prune_bodies(
            view,
            sequencer,
            session.all_bodies,
            author,
            before_ms=before_ms,
            labels=labels,
            progress=progress,
        )
    session.refresh()
    return result
