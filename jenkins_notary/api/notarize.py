"""Record assets: from digests to signed records with receipts.

All assets of a call are recorded in one commit, or none is. They share records of up
to 500 subjects, each with one signature.
"""

from __future__ import annotations

from jenkins_notary.api.results import AssetRecord
from jenkins_notary.errors import NotFoundError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.trust.verdict import TrustRule, find_links
from jenkins_notary.values.claim import MANIFEST_LABEL, describe_claim
from jenkins_notary.values.digest import digest_hex
from jenkins_notary.values.statement import MAX_SUBJECTS, Subject
from jenkins_notary.values.status import NEGATIVE, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.ledger.author import Author
    from jenkins_notary.values.claim import Claim


class SignedAssets(NamedTuple):
    """Assets that are signed and not recorded yet.

    Attributes:
        envelopes: What is to be appended: a record a group, then attachments.
        groups: The assets of each of the first records.
        claim: What is said of them.
        job: The job id, or None.
    """

    envelopes: Sequence[bytes]
    groups: Sequence[Sequence[Asset]]
    claim: Claim
    job: str | None


def record_assets(
    session: Session,
    assets: Sequence[Asset],
    claim: Claim,
    bodies: Sequence[dict[str, object]] = (),
    *,
    author: Author | None = None,
    job: Mapping[str, Any] | None = None,
) -> list[AssetRecord]:
    """Record assets in one commit; return each with its receipt, once durable.

    Args:
        session: An open ledger.
        assets: At least one.
        claim: What is said of them.
        bodies: The JSON form of each stored body that goes with them.
        author: Who signs a claim that was made elsewhere; None for this call's own.
        job: With an author, the JSON form of the claim's job, or None for none.

    Raises:
        UsageError: An attribute, reason, job or superseded index is wrong.
    """
    signed = sign_assets(session, assets, claim, bodies, author=author, job=job)
    return show_assets(session, signed, session.append(signed.envelopes))


def sign_assets(
    session: Session,
    assets: Sequence[Asset],
    claim: Claim,
    bodies: Sequence[dict[str, object]] = (),
    *,
    author: Author | None = None,
    job: Mapping[str, Any] | None = None,
    submitter: Mapping[str, str] | None = None,
) -> SignedAssets:
    """Sign what is to be recorded of assets; see :func:`record_assets`.

    Args:
        session: An open ledger.
        assets: At least one.
        claim: What is said of them.
        bodies: The JSON form of each stored body that goes with them.
        author: Who signs a claim that was made elsewhere; None for this call's own.
        job: With an author, the JSON form of the claim's job, or None for none.
        submitter: Who sent the claim to a service, or None.
    """
    # What this process's environment says is not about a claim from elsewhere.
    environ = session.environ if author is None else {}
    facts = {**describe_claim(environ, claim), "attachments": list(bodies) or None}
    if author is not None:
        facts["job"] = None if job is None else dict(job)
    if submitter is not None:
        facts["submitter"] = dict(submitter)
    # Without the ledger's key nothing can be recorded, and no key is to be made.
    if claim.supersedes:
        _check_supersedes(session, claim, assets)
    session.check_can_write()
    if claim.status in NEGATIVE:
        assets = [_with_linked(session, asset) for asset in assets]
    author = author or session.author()
    groups, envelopes = sign_groups(author, assets, facts)
    envelopes += [
        author.sign("attachment", *_describe_attachment(one, assets, facts["job"]))
        for one in bodies
        if one.get("label") != MANIFEST_LABEL
    ]
    described = facts["job"]
    job_id = None if described is None else described["id"]
    return SignedAssets(envelopes, groups, claim, job_id)


def sign_groups(
    author: Author, assets: Sequence[Asset], facts: Mapping[str, Any]
) -> tuple[list[list[Asset]], list[bytes]]:
    """Return assets in groups that fit into a record each, and each group's record.

    Args:
        author: Who signs.
        assets: At least one.
        facts: What is said of all, as ``describe_claim`` makes it.
    """
    groups = _group(assets)
    return groups, [
        author.sign("notarization", *_describe_group(group, facts, place, len(groups)))
        for place, group in enumerate(groups)
    ]


def show_assets(
    session: Session, signed: SignedAssets, indexes: Sequence[int]
) -> list[AssetRecord]:
    """Return signed assets that were appended, each with its receipt.

    Args:
        session: An open ledger.
        signed: What was signed.
        indexes: Where its envelopes stand.
    """
    view = session.view()
    results = []
    for group, index in zip(signed.groups, indexes, strict=False):
        _, leaf = view.leaf(index)
        receipt = make_receipt(view, index).decode()
        timestamp = format_time(leaf.at_ms)
        results += [
            AssetRecord(
                asset.name,
                asset.kind,
                asset.digest,
                asset.ref,
                asset.size,
                signed.claim.status,
                signed.job,
                leaf.signer,
                timestamp,
                index,
                receipt,
            )
            for asset in group
        ]
    if session.choices.notify is not None:
        _warn(session, results, signed.claim)
        _warn_dirty(session, signed.groups)
    return results


def to_subjects(asset: Asset) -> list[Subject]:
    """Return the statement subjects of an asset."""
    if len(asset.subjects) > MAX_SUBJECTS:
        raise UsageError(
            f"asset {asset.name}",
            expected=f"at most {MAX_SUBJECTS} digests",
            got=f"{len(asset.subjects)}",
        )
    return [
        Subject(
            asset.name if place == 0 else one.name,
            digest_hex(one.digest),
            dict(one.algorithms),
        )
        for place, one in enumerate(asset.subjects)
    ]


def _group(assets: Sequence[Asset]) -> list[list[Asset]]:
    """Return the assets in groups whose subjects fit into one record each."""
    groups: list[list[Asset]] = [[]]
    used = 0
    for asset in assets:
        if used + len(asset.subjects) > MAX_SUBJECTS and groups[-1]:
            groups.append([])
            used = 0
        groups[-1].append(asset)
        used += len(asset.subjects)
    return groups


def _describe_group(
    group: Sequence[Asset], facts: Mapping[str, Any], place: int, count: int
) -> tuple[list[Subject], dict[str, Any]]:
    """Return (subjects, predicate facts) of one record."""
    subjects: list[Subject] = []
    described = []
    for asset in group:
        own = to_subjects(asset)
        described.append(_describe_asset(asset, len(subjects)))
        subjects += own
    part = {"number": place + 1, "of": count} if count > 1 else None
    return subjects, {**facts, "assets": described, "part": part}


def _describe_asset(asset: Asset, first: int) -> dict[str, Any]:
    """Return the JSON form of an asset whose subjects begin at a place."""
    described: dict[str, Any] = {
        "kind": asset.kind,
        "name": asset.name,
        "subjects": list(range(first, first + len(asset.subjects))),
    }
    if asset.size is not None:
        described["size"] = asset.size
    if asset.ref is not None:
        described["ref"] = asset.ref
    if asset.metadata:
        described["metadata"] = dict(asset.metadata)
    if asset.dirty:
        described["dirty"] = True
    return described


def _describe_attachment(
    attachment: Mapping[str, Any], assets: Sequence[Asset], job: object
) -> tuple[list[Subject], dict[str, Any]]:
    """Return (subjects, predicate facts) of an attachment's own record.

    By it the body is found by its own digest; that digest gets no status.
    """
    body = attachment["body"]
    about = [one for asset in assets for one in to_subjects(asset)]
    subjects = [Subject(attachment["name"], body["sha256"]), *about]
    return subjects[:MAX_SUBJECTS], {"job": job, **attachment}


def _warn_dirty(session: Session, groups: Sequence[Sequence[Asset]]) -> None:
    """Say which assets will never authenticate by their records."""
    for asset in (one for group in groups for one in group):
        if asset.dirty:
            session.notify(
                f"{asset.name} has changes that are in no commit: it is recorded as "
                "dirty, and never authenticates by this record"
            )


def _warn(session: Session, results: Sequence[AssetRecord], claim: Claim) -> None:
    """Say where a record changes nothing, so that nobody relies on it."""
    view = session.view()
    trust, signer = view.trust(), results[0].signer
    if signer not in trust.signers:
        session.notify(
            f"{signer} is not enrolled: its records do not count until an "
            f"administrator runs jenkins-notary signer enrol {signer}"
        )
    elif trust.is_revoked(signer, results[0].index):
        session.notify(f"{signer} is revoked: its records do not count")
    elif claim.status in NEGATIVE:
        for one in results:
            verdict = view.verdict(digest_hex(one.digest), TrustRule())
            if verdict.status is not claim.status:
                session.notify(
                    f"{one.name} is still {verdict.status.name} ({verdict.reason}): "
                    "the word of a signer with a higher level counts"
                )


def _with_linked(session: Session, asset: Asset) -> Asset:
    """Return an asset with every digest that records link to its own.

    A negative status is to stand on all digests of an image by itself, whoever later
    hides the record that links them. Only records that count link: a stranger's could
    make security untrust a good image.
    """
    from jenkins_notary.assets.asset import Subject as AssetSubject

    view = session.view()
    own = digest_hex(asset.digest)
    linked = find_links(own, view.history(own), view.trust(), TrustRule())
    known = {digest_hex(one.digest) for one in asset.subjects}
    # A verdict follows links by itself. A record has room for so many and no more,
    # and too many links must not be a way to prevent an UNTRUST.
    room = max(0, MAX_SUBJECTS - len(asset.subjects))
    further = tuple(
        AssetSubject(f"linked to {asset.name}", f"sha256:{one}")
        for one in sorted(linked - known)[:room]
    )
    return asset._replace(subjects=asset.subjects + further)


def _check_supersedes(session: Session, claim: Claim, assets: Sequence[Asset]) -> None:
    """Check that superseded records exist, are negative, and are about the assets."""
    if claim.status is not Status.TRUSTED or not claim.reason:
        raise UsageError("--supersede", expected="a TRUSTED record and a --reason")
    view = session.view()
    own = {digest_hex(one.digest) for asset in assets for one in asset.subjects}
    linked = (
        find_links(one, view.history(one), view.trust(), TrustRule()) for one in own
    )
    about = own.union(*linked)
    for index in claim.supersedes:
        try:
            _, leaf = view.leaf(index)
        except NotFoundError as error:
            raise UsageError(f"--supersede {index}", expected="a record") from error
        if leaf.status not in NEGATIVE:
            raise UsageError(
                f"--supersede {index}",
                expected="an UNTRUSTED or UNSUPPORTED record",
                got=leaf.type if leaf.status is None else leaf.status.name,
            )
        if about.isdisjoint(leaf.subjects):
            raise UsageError(
                f"--supersede {index}",
                expected="a record on one of the assets, or on what is linked to one",
                got="a record on others",
            )
