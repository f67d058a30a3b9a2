"""Say what serves, who asks, and whom else it serves: what ``doctor`` shows."""

from __future__ import annotations

from jenkins_notary.service.access.scopes import format_scope
from jenkins_notary.service.clients import list_clients
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.answers.handlers import Call

API_VERSION = "v1"
_SEES_CLIENTS = frozenset({"admin", "auditor"})


def show_about(call: Call) -> dict[str, Any]:
    """Return the service's version, what the token may, and to an auditor the rest."""
    who = call.who
    found: dict[str, Any] = {
        "version": VERSION,
        "api": API_VERSION,
        "you": {
            "token": who.name,
            "role": who.role,
            "folders": [format_scope(one) for one in who.scopes],
        },
    }
    if who.role in _SEES_CLIENTS and not who.scopes:
        clients = list_clients(call.service.state)
        found["clients"] = [one._asdict() for one in clients]
    return found
