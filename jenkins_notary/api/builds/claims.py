"""Record what a build claims of assets, as the hook's event of the build delivers it.

Claims are files that a build archives, and the hook vouches for no more than that this
build did: an administrator named its job for that (the hook's setting ``claims``).
Whoever records a claim signs it. So none is taken from a build that ran what its job
does not say (a replay, a change request from a fork), or of which that is not known, or
of a controller without an identity. A claim counts for its own build's job id only; it
lifts no negative record; and it says UNTRUSTED or UNSUPPORTED only of digests that the
same job has recorded before the build's event, and no other has. The record says that
its job is known by the controller's outbox.
"""

from __future__ import annotations

from jenkins_notary.api.notarize import record_assets
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.provenance import drop_none
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.jobid import format_job_id, parse_job_id
from jenkins_notary.values.status import NEGATIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.evidence.events import Event, Origin
    from jenkins_notary.trust.record import ProvenRecord
    from jenkins_notary.values.jobid import JobId

IDENTITY = "controller"
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
    check_build(origin.event)
    _check_claim(session, sent, origin, job)
    if sent.attachments:
        session.notify(
            f"{format_job_id(job)}: attachments of a claim are not kept, "
            "the build did not send them"
        )
    _, at_ms = parse_as_of(sent.claimed_at)
    kind = session.classify_build(job, None, origin.event.facts)
    signer = session.sign_for_build(job, kind)
    author = Author((signer,), sent.record_id, at_ms or 0)
    described = drop_none(
        {
            "id": format_job_id(job),
            "identity": IDENTITY,
            "class": kind,
            "event": origin.describe(),
        }
    )
    recorded = record_assets(
        session, sent.assets, sent.claim, author=author, job=described
    )
    return sorted({one.index for one in recorded})


def check_build(event: Event) -> None:
    """Check that a build is one whose claims can be taken.

    Raises:
        UsageError: It is a replay, of a fork's change request, or may be either; or the
            controller has no identity.
    """
    facts = event.facts
    is_known = not {"script", "replay", "change"} & event.faults.keys()
    if "replay" not in facts and facts.get("script", {}).get("kind") == "pipeline":
        is_known = False
    for is_so, got in (
        (event.controller.identity is None, "a controller without an identity"),
        (not is_known, "one of which it is not known what it ran"),
        (facts.get("replay", {}).get("isReplay"), "a replay"),
        (facts.get("change", {}).get("fork"), "one of a change request from a fork"),
    ):
        if is_so:
            raise UsageError(
                "claims", expected="a build of the job as it is configured", got=got
            )


def _check_claim(session: Session, sent: SentClaim, origin: Origin, job: JobId) -> None:
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
            if not _is_own(session, one.digest, origin, job):
                raise UsageError(
                    f"{sent.claim.status.name} on {one.digest}",
                    expected=f"a digest that {job.name} has recorded before, "
                    "and no other job",
                    got="none such",
                    advice="a person does: jenkins-notary untrust",
                )


def _is_own(session: Session, digest: str, origin: Origin, job: JobId) -> bool:
    """Return whether a job has recorded a digest before an event, and no other has."""
    view = session.view()
    is_own = False
    for place, index in enumerate(view.find_digest(digest_hex(digest))):
        record = view.record(index)
        named = None if record.statement is None else record.statement.job_id
        if place >= _MAX_LOOKED_AT or named is None:
            return False
        try:
            found = parse_job_id(named)
        except UsageError:
            return False
        if found[:2] != job[:2]:
            return False
        if view.standing(record) == "enrolled" and _is_before(record, origin):
            is_own = True
    return is_own


def _is_before(record: ProvenRecord, origin: Origin) -> bool:
    """Return whether a record was made before an event, whenever it is delivered."""
    assert record.statement is not None  # noqa: S101 - it names a job
    job = record.statement.facts.get("job")
    told = record.statement.facts.get("event") or (job or {}).get("event")
    if isinstance(told, dict) and told.get("outbox") == origin.outbox:
        seq = told.get("seq")
        return type(seq) is int and seq < origin.event.seq
    return record.leaf.at_ms < origin.event.at_ms
