"""Record which jobs need not be covered, and find what was recorded of that."""

from __future__ import annotations

from jenkins_notary.api.builds.sweep import parse_time_of
from jenkins_notary.api.evidence import show_record
from jenkins_notary.errors import UsageError
from jenkins_notary.evidence.coverage import (
    EXEMPT_ACTION,
    EXEMPTION_SUBJECT,
    Exemption,
)
from jenkins_notary.ledger.author import format_time
from jenkins_notary.ledger.rows import exact_range
from jenkins_notary.values.jobid import parse_job_prefix
from jenkins_notary.values.statement import Subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.results import RecordView
    from jenkins_notary.api.session import Session
    from jenkins_notary.ledger.view import LedgerView
    from jenkins_notary.trust.record import ProvenRecord

MAX_TEXT = 500
MAX_EXEMPTIONS = 10_000


def record_exemption(
    session: Session, name: str, *, owner: str, reason: str, expires: str
) -> RecordView:
    """Record that a job, or a folder with all below it, need not be covered.

    The newest of a name counts: one that ends at once takes an earlier one back.

    Args:
        session: An open ledger, with the key of an administrator.
        name: ``[INSTANCE:]NAME`` of a job or folder.
        owner: Who answers for it.
        reason: Why.
        expires: Until when, RFC 3339.

    Raises:
        UsageError: One of them is malformed or empty.
        PermissionDeniedError: The key is no administrator's.
    """
    instance, job = parse_job_prefix(name)
    for label, text in (("--owner", owner), ("--reason", reason)):
        if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
            raise UsageError(
                label, expected=f"one printable line of at most {MAX_TEXT} characters"
            )
    at_ms = parse_time_of("--expires", expires)
    session.check_administrators(())
    facts = {
        "action": EXEMPT_ACTION,
        "instance": instance,
        "name": job,
        "owner": owner,
        "reason": reason,
        "expiresAt": format_time(at_ms),
    }
    subject = Subject("coverage exemption", EXEMPTION_SUBJECT)
    envelope = session.author().sign("administration", [subject], facts)
    (index,) = session.append([envelope])
    view = session.view()
    return show_record(view, view.record(index))


def list_exemptions(view: LedgerView) -> list[Exemption]:
    """Return all exemptions that administrators recorded, in log order.

    One that is left out by a forged index makes builds missing, not covered.
    """
    trust = view.trust()
    found = []
    for place, index in enumerate(
        view.find("subject", *exact_range(bytes.fromhex(EXEMPTION_SUBJECT)))
    ):
        if place >= MAX_EXEMPTIONS:
            break
        record = view.record(index)
        is_good = view.standing(record) in {"enrolled", "not enrolled"}
        if is_good and record.leaf.signer in trust.administrators:
            exemption = _read(record)
            found += [] if exemption is None else [exemption]
    return found


def _read(record: ProvenRecord) -> Exemption | None:
    """Return the exemption of a record, None for one of another form."""
    if record.leaf.type != "administration" or record.statement is None:
        return None
    said = record.statement.predicate
    texts = [said.get(key) for key in ("name", "owner", "reason", "expiresAt")]
    instance = said.get("instance")
    if said.get("action") != EXEMPT_ACTION or not all(
        isinstance(one, str) for one in texts
    ):
        return None
    name, owner, reason, expires_at = map(str, texts)
    try:
        at_ms = parse_time_of("expiresAt", expires_at)
    except UsageError:
        return None
    where = instance if isinstance(instance, str) else None
    return Exemption(
        record.index, where, name, owner, reason, at_ms, expires_at, record.leaf.signer
    )
