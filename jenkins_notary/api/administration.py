"""Record what an administrator does to a service: one record an act."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jenkins_notary.api.session import Session
    from jenkins_notary.ports import Signer


def record_administration(
    session: Session,
    action: str,
    facts: Mapping[str, object],
    *,
    co_signers: Sequence[Signer] = (),
) -> int:
    """Record an act, signed by the session's key; return its index, once durable.

    Args:
        session: An open ledger, with the key that signs.
        action: A word, such as ``token-create``.
        facts: What it was about; no secret.
        co_signers: Further administrators' keys.
    """
    envelope = session.author(*co_signers).sign(
        "administration", [], {"action": action, **facts}
    )
    (index,) = session.append([envelope])
    return index
