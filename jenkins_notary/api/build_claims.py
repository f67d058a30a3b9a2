"""Record what a build claims of assets, as the hook's event of the build delivers it.

Claims are files that any build can archive, and the hook vouches for no more than that
this build did. So a claim counts for its own build's job id only; it lifts no negative
record; and it says UNTRUSTED or UNSUPPORTED only of digests that the same job has
recorded. The record says that its job is known by the controller's outbox.
"""

from __future__ import annotations

from contextlib import suppress

from jenkins_notary.api.notarize import record_assets
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import UsageError
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.status import NEGATIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.evidence.events import Origin
    from jenkins_notary.values.jobid import JobId

IDENTITY = "controller outbox"
"""Who says that a claim is a build's: the hook, which delivers what it archived."""

_MAX_LOOKED_AT = 1000


def record_build_claim(session: Session, origin: Origin, value: object) -> list[int]:
    """Record what a build claims of assets; return the indexes of the records.

    Args:
        session: An open ledger, with the key that signs.
        origin: The event that delivers the claim.
        value: The claim's JSON object.

    Raises:
        UsageError: It is malformed, or claims what a build may not.
    """
    sent = parse_claim(value)
    job = origin.event.build_id
    assert job is not None  # noqa: S101 - an event of a build has one
    _check_claim(session, sent, job)
    if sent.attachments:
        session.notify(
            f"{format_job_id(job)}: attachments of a claim are not kept, "
            "the build did not send them"
        )
    _, at_ms = parse_as_of(sent.claimed_at)
    author = Author((session.signer(),), sent.record_id, at_ms or 0)
    described = {
        "id": format_job_id(job),
        "identity": IDENTITY,
        "event": origin.describe(),
    }
    recorded = record_assets(
        session, sent.assets, sent.claim, author=author, job=described
    )
    return sorted({one.index for one in recorded})


def _check_claim(session: Session, sent: SentClaim, job: JobId) -> None:
    """Check that a claim is one that its build may make."""
    claimed = None if sent.job is None else parse_job_id(sent.job["id"])
    if claimed is not None and claimed[1:] != job[1:]:
        raise UsageError(
            "job",
            expected=f"{job.name}#{job.number}, which archived it",
            got=f"{claimed.name}#{claimed.number}",
        )
    if sent.claim.supersedes:
        raise UsageError(
            "supersedes",
            expected="none: no build lifts a negative record",
            got=", ".join(map(str, sent.claim.supersedes[:10])),
            advice="a person does: jenkins-notary notarize --supersede",
        )
    if sent.claim.status not in NEGATIVE:
        return
    for asset in sent.assets:
        for one in asset.subjects:
            if not _is_own(session, one.digest, job):
                raise UsageError(
                    f"{sent.claim.status.name} on {one.digest}",
                    expected=f"a digest that {job.name} has recorded",
                    got="one of others",
                    advice="a person does: jenkins-notary untrust",
                )


def _is_own(session: Session, digest: str, job: JobId) -> bool:
    """Return whether a job has recorded a digest, by a signer that counts."""
    view = session.view()
    for place, index in enumerate(view.find_digest(digest_hex(digest))):
        if place >= _MAX_LOOKED_AT:
            return False
        record = view.record(index)
        named = None if record.statement is None else record.statement.job_id
        if named is None or view.standing(record) != "enrolled":
            continue
        with suppress(UsageError):
            found = parse_job_id(named)
            if found[:2] == job[:2]:
                return True
    return False
