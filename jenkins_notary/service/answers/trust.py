"""Say who may speak in a ledger: its signers, levels and orgs."""

from __future__ import annotations

from jenkins_notary.api.signers import list_signers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.answers.handlers import Call


def show_trust(call: Call) -> dict[str, Any]:
    """Return the enrolled signers and the orgs, as the trust log has them now."""
    orgs = call.session.view().trust().orgs()
    return {
        "signers": [one.to_dict() for one in list_signers(call.session)],
        "orgs": {name: list(members) for name, members in orgs.items()},
    }
