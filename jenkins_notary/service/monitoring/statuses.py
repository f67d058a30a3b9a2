"""Tell when what the ledger says of a digest turns bad, or good again.

Each record that may turn it (a negative one, one that lifts such, a revocation of a
signer) is followed; what is told is not the record's word but the verdict after it: an
UNTRUSTED of somebody who does not count changes nothing.
"""

from __future__ import annotations

from jenkins_notary.assets.asset import printable
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.status import NEGATIVE, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.service.monitoring.alerts import Alerts
    from jenkins_notary.service.session import ServiceSession
    from jenkins_notary.trust.record import ProvenRecord

_ANYBODY = TrustRule()


def tell_status(alerts: Alerts, session: ServiceSession, record: ProvenRecord) -> None:
    """Tell what a record has changed, if anything.

    Args:
        alerts: Where it is told.
        session: The ledger, at the record or behind it.
        record: A record that is new.
    """
    if record.leaf.type == "trust":
        _tell_revocation(alerts, session, record)
    elif record.leaf.status in NEGATIVE or record.leaf.supersedes:
        _tell_digests(alerts, session, record)


def _tell_digests(
    alerts: Alerts, session: ServiceSession, record: ProvenRecord
) -> None:
    """Tell which of a record's digests are now another way."""
    view = session.followed_view()
    states: dict[str, str | None] = {}
    verdict = None
    for digest_hex in record.leaf.subjects:
        verdict = view.verdict(digest_hex, _ANYBODY)
        is_bad = verdict.status in {*NEGATIVE, Status.REVOKED}
        states[f"sha256:{digest_hex}"] = verdict.status.name if is_bad else None
    if verdict is None:
        return
    statement = record.statement
    name = "" if statement is None else printable(statement.subjects[0].name, 200)
    job = None if statement is None else statement.job_id
    alerts.tell_each(
        "status",
        states,
        f"{name or 'a digest'} is {verdict.status.name}: {verdict.reason}",
        index=record.index,
        name=name,
        job=job,
    )


def _tell_revocation(
    alerts: Alerts, session: ServiceSession, record: ProvenRecord
) -> None:
    """Tell that a signer's records count no more."""
    facts = {} if record.statement is None else record.statement.facts
    signer = facts.get("signerId")
    if facts.get("action") != "revoke" or not isinstance(signer, str):
        return
    trust = session.followed_view().trust()
    # Only what enough administrators have signed takes effect.
    if trust.is_revoked(signer, record.index):
        start = facts.get("fromIndex")
        alerts.tell(
            "status",
            signer,
            Status.REVOKED.name,
            f"signer {signer} is REVOKED from record {start} on",
            index=record.index,
        )
