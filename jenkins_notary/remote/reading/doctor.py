"""Look at the way to a service, and at the service, and say what to do."""

from __future__ import annotations

import sys
import time

from jenkins_notary.errors import ConfigurationError, NotaryError
from jenkins_notary.remote.notary import RemoteItem
from jenkins_notary.remote.reading.versions import (
    NEWER,
    TOO_OLD,
    check_clients,
    compare,
)
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from jenkins_notary.remote.reading.notary import RemoteReader


def run_checks(notary: RemoteReader) -> list[RemoteItem]:
    """Return every check; none hides another."""
    found = [_passed("version", f"{VERSION}, Python {sys.version.split()[0]}")]
    about: Mapping[str, Any] = {}

    def look_at_service() -> str:
        nonlocal about
        began = time.monotonic()
        about = notary.ask("/about")
        milliseconds = (time.monotonic() - began) * 1000
        return f"{notary.url}, answers in {milliseconds:.0f} ms"

    found.append(_run("service", look_at_service))
    if about:
        found.append(_run("versions", lambda: _look_at_versions(about)))
        found.append(_run("token", lambda: _look_at_token(about)))
        found.append(_run("ledger", lambda: _look_at_ledger(notary)))
        found.append(_run("log key", lambda: _look_at_key(notary)))
    clients = about.get("clients")
    if isinstance(clients, list):
        found.append(check_clients([one for one in clients if _is_client(one)]))
    return [RemoteItem(one) for one in found]


def _run(name: str, look: Callable[[], str]) -> dict[str, Any]:
    """Return one check's outcome."""
    try:
        return _passed(name, look())
    except NotaryError as error:
        return {
            "name": name,
            "ok": False,
            "found": str(error),
            "advice": error.advice,
            "code": error.exit_code,
        }


def _passed(name: str, found: str) -> dict[str, Any]:
    """Return a check that found nothing wrong."""
    return {"name": name, "ok": True, "found": found, "advice": "", "code": 0}


def _is_client(value: object) -> bool:
    """Return whether something is what a service tells of a client."""
    keys = ("token", "program", "version", "seen", "skew")
    return isinstance(value, dict) and all(isinstance(value.get(o), str) for o in keys)


def _look_at_versions(about: Mapping[str, Any]) -> str:
    """Compare this program's version with the service's."""
    theirs = str(about.get("version"))
    try:
        skew = compare(VERSION, theirs)
    except ValueError as error:
        raise ConfigurationError(
            "service", expected="a version", got=theirs[:40]
        ) from error
    if skew in {NEWER, TOO_OLD}:
        raise ConfigurationError(
            f"service {theirs}",
            expected=f"a version that serves {VERSION}: the same minor or the next",
            got=theirs[:40],
            advice="upgrade the service first"
            if skew == NEWER
            else "upgrade this program",
        )
    return f"service {theirs}, API {about.get('api')}: goes with {VERSION}"


def _look_at_token(about: Mapping[str, Any]) -> str:
    """Say what the token may."""
    you = about.get("you")
    you = you if isinstance(you, dict) else {}
    folders = ", ".join(map(str, you.get("folders") or [])) or "all folders"
    return f"{you.get('token')}, {you.get('role')} of {folders}"


def _look_at_ledger(notary: RemoteReader) -> str:
    """Say where the ledger stands."""
    found = notary.ledger.status().to_dict()
    return f"log {found['origin']}, {found['tree_size']} records"


def _look_at_key(notary: RemoteReader) -> str:
    """Look whether the log's key is known from elsewhere."""
    if notary.log_key is None:
        return "not named: set --log to what the ledger's administrator publishes"
    return "the checkpoint is signed by the key that --log names"
