"""Keep a ledger: status, checks, copies, erasures."""

from __future__ import annotations

from jenkins_notary.api.results import LedgerStatus
from jenkins_notary.ledger.author import format_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.api.session import Session


def describe_ledger(session: Session) -> LedgerStatus:
    """Return where the ledger stands, checked against the pin."""
    view = session.view()
    _, last = view.leaf(view.size - 1)
    return LedgerStatus(
        view.checkpoint.origin,
        session.vkey(),
        view.size,
        view.checkpoint.root.hex(),
        view.checkpoint.trust[0],
        view.note.decode(),
        session.store.engine,
        session.places.ledger_url,
        format_time(last.at_ms),
    )
