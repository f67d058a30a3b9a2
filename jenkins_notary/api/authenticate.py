"""Ask the ledger for its word on assets: one answer an asset, whatever happens.

An asset that cannot be read or judged has an error in place of a status, and never
hides the others; the caller's exit code is the worst of all.
"""

from __future__ import annotations

import os

from jenkins_notary.api.results import AsOf, AssetVerdict
from jenkins_notary.assets.selection import Unread, collect_each
from jenkins_notary.errors import NotaryError, NotFoundError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.claim import MANIFEST_LABEL
from jenkins_notary.values.digest import digest_hex, parse_digest
from jenkins_notary.values.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.asset import Asset
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.verdict import TrustRule


def authenticate_assets(
    session: Session,
    words: Sequence[str],
    collect: Callable[[Sequence[str]], list[Asset]],
    rule: TrustRule,
    *,
    as_of: str | None = None,
    strict: bool = False,
    against: str | None = None,
) -> list[AssetVerdict]:
    """Return the ledger's word on each asset.

    Args:
        session: An open ledger.
        words: The assets, as on the command line.
        collect: Turns words into assets.
        rule: Whose word counts.
        as_of: A tree size or time; None for now.
        strict: Read the whole log, and trust no index row.
        against: Digest of a directory's earlier record to compare with.

    Raises:
        NotaryError: The ledger itself cannot be read or was altered.
    """
    view = view_as_of(session, as_of)
    state = describe_as_of(view)
    # The trust log decides on every verdict: if it was altered, nobody gets one.
    view.trust()
    read = [*collect_each(words, collect)]
    if strict:
        from jenkins_notary.ledger.follow import check_rows

        readable = [one for one in read if not isinstance(one, Unread)]
        check_rows(view, {digest_hex(one.digest) for one in readable})
    return [
        fail_asset(one.word, one.error)
        if isinstance(one, Unread)
        else judge_asset(session, view, one, rule=rule, state=state, against=against)
        for one in read
    ]


def view_as_of(session: Session, as_of: str | None) -> LedgerView:
    """Return the ledger's view now, at a tree size, or at a time."""
    view = session.followed_view()
    if as_of is None:
        return view
    size, at_ms = parse_as_of(as_of)
    if size is not None:
        return view.at_size(size)
    assert at_ms is not None  # noqa: S101 - one of the two
    return view.at_time(at_ms)


def describe_as_of(view: LedgerView) -> AsOf:
    """Return the state of the log that a view shows."""
    _, last = view.leaf(view.size - 1)
    return AsOf(view.size, format_time(last.at_ms))


def judge_asset(
    session: Session,
    view: LedgerView,
    asset: Asset,
    *,
    rule: TrustRule,
    state: AsOf,
    against: str | None = None,
) -> AssetVerdict:
    """Return the ledger's word on one asset."""
    try:
        verdict = view.verdict(digest_hex(asset.digest), rule)
    except NotaryError as error:
        return fail_asset(asset.name, error)
    status, reason = verdict.status, verdict.reason
    if asset.dirty and status is Status.TRUSTED:
        status, reason = Status.UNKNOWN, "the work tree differs from its commit"
    record = verdict.record
    statement = None if record is None else record.statement
    changes = None
    if status is Status.UNKNOWN and asset.manifest is not None:
        try:
            changes = _compare(session, view, asset, against)
        except NotaryError as error:
            # What the user asked to compare with must be there; a hint need not.
            if against is not None:
                return fail_asset(asset.name, error)
    receipt = None if record is None else make_receipt(view, record.index).decode()
    return AssetVerdict(
        asset.name,
        asset.kind,
        asset.digest,
        asset.ref,
        asset.size,
        status,
        record,
        None if statement is None else statement.job_id,
        state,
        reason,
        verdict.advice if status is verdict.status else "commit or undo the changes",
        None,
        changes,
        receipt,
    )


def fail_asset(name: str, error: NotaryError) -> AssetVerdict:
    """Return the answer for an asset that could not be read or judged."""
    return AssetVerdict(
        name,
        "",
        "",
        None,
        None,
        None,
        None,
        None,
        None,
        str(error),
        error.advice,
        error,
        None,
        None,
    )


def hint_path(session: Session, name: str) -> str:
    """Return where the digest of a directory's last record is remembered."""
    import hashlib

    tag = hashlib.sha256(os.path.abspath(name).encode()).hexdigest()
    return os.path.join(session.places.cache, "directories", tag)


def remember_directory(session: Session, path: str, digest: str) -> None:
    """Remember which digest a directory was recorded with; only a hint."""
    hint = hint_path(session, path)
    try:
        os.makedirs(os.path.dirname(hint), mode=0o700, exist_ok=True)
        with open(hint, "w", encoding="ascii") as file:
            file.write(digest)
    except OSError:
        # Losing the hint costs the list of changes, never a verdict.
        return


def _compare(
    session: Session, view: LedgerView, asset: Asset, against: str | None
) -> dict[str, list[str]] | None:
    """Return how a directory differs from its earlier record, None if unknown."""
    from jenkins_notary.assets.directories import diff_manifests
    from jenkins_notary.evidence.bodies import read_body
    from jenkins_notary.values.body import parse_body

    earlier = _read_hint(session, asset.name) if against is None else against
    if earlier is None:
        return None
    wanted = digest_hex(parse_digest(earlier))
    for record in view.records(view.find_digest(wanted)):
        for one in _attachments(record):
            if one.get("label") == MANIFEST_LABEL:
                body = parse_body(one.get("body"))
                if body.sha256_hex == wanted:
                    old = b"".join(read_body(session.blobs, body))
                    found = diff_manifests(old, asset.manifest or b"")
                    return {key: list(value) for key, value in found._asdict().items()}
    if against is not None:
        raise NotFoundError(f"directory {against}", expected="a record with a manifest")
    return None


def _read_hint(session: Session, name: str) -> str | None:
    """Return which digest a directory was last recorded with, if it is known."""
    try:
        with open(hint_path(session, name), encoding="latin-1") as file:
            return file.read(100)
    except OSError:
        return None


def _attachments(record: object) -> list[dict[str, object]]:
    """Return the attachments that a record's statement names."""
    statement = getattr(record, "statement", None)
    found = [] if statement is None else statement.predicate.get("attachments")
    listed = found if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, dict)]
