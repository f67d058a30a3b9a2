"""Record a claim that an agent made: whoever records it signs it.

The same claim recorded twice is one record: its id and time stay those of the agent,
so the statement is the same.
"""

from __future__ import annotations

from jenkins_notary.api.notarize import show_assets, sign_assets
from jenkins_notary.errors import NotFoundError
from jenkins_notary.ledger.author import Author
from jenkins_notary.ledger.view import parse_as_of
from jenkins_notary.values.body import format_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from jenkins_notary.api.notarize import SignedAssets
    from jenkins_notary.api.results import AssetRecord
    from jenkins_notary.api.session import Session
    from jenkins_notary.assets.claims import SentClaim
    from jenkins_notary.ports import Signer
    from jenkins_notary.values.body import Body

_NO_BODIES: Mapping[str, Body] = {}


def record_claim(
    session: Session, sent: SentClaim, bodies: Mapping[str, Body] = _NO_BODIES
) -> list[AssetRecord]:
    """Record a parsed claim; return each asset with its receipt, once durable.

    Args:
        session: An open ledger, with the key that signs.
        sent: The claim; see ``assets.claims.parse_claim``.
        bodies: Stored bodies by SHA-256 hex, which attachments name.

    Raises:
        NotFoundError: An attachment's body was not stored before.
        UsageError: A superseded index is wrong.
    """
    signed = sign_claim(session, sent, bodies)
    return show_assets(session, signed, session.append(signed.envelopes))


def sign_claim(
    session: Session,
    sent: SentClaim,
    bodies: Mapping[str, Body] = _NO_BODIES,
    *,
    submitter: Mapping[str, str] | None = None,
    signer: Signer | None = None,
) -> SignedAssets:
    """Sign a parsed claim; see :func:`record_claim`.

    Args:
        session: An open ledger, with the key that signs.
        sent: The claim.
        bodies: Stored bodies by SHA-256 hex, which attachments name.
        submitter: Who sent it to a service, or None.
        signer: Whose key signs; None for the session's.
    """
    stored: list[dict[str, object]] = []
    for one in sent.attachments:
        body = bodies.get(one.sha256_hex)
        if body is None or body.size != one.size:
            raise NotFoundError(
                f"attachment sha256:{one.sha256_hex}",
                expected=f"a body of {one.size} bytes that was sent before",
                got="none" if body is None else f"{body.size} bytes",
            )
        stored.append(
            {
                "name": one.name,
                "label": one.label,
                "mime": one.mime,
                "body": format_body(body),
            }
        )
    return sign_assets(
        session,
        sent.assets,
        sent.claim,
        stored,
        author=author_of(signer or session.signer(), sent.record_id, sent.claimed_at),
        job=sent.job,
        submitter=submitter,
    )


def author_of(signer: Signer, record_id: str, claimed_at: str) -> Author:
    """Return who signs what was claimed elsewhere, under its own id and time.

    Raises:
        UsageError: The time is none.
    """
    _, at_ms = parse_as_of(claimed_at)
    return Author((signer,), record_id, at_ms or 0)
