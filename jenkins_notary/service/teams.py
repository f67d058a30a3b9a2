"""Serve several ledgers in one process: one at the root, one for each team.

The section ``ledgers`` of the settings names them; each has its own log, keys, tokens,
bodies and state, beside its own file::

    ledgers:
      - name: payments
        ledger: /var/lib/notary/payments.db
      - name: mobile
        ledger: /var/lib/notary/mobile.db
        key: /var/lib/notary/mobile-signer.pem
        public-log: true

The URL of the first is ``https://notary.example.com/teams/payments``. A token holds for
the one ledger beside which it is kept; at any other it is unknown. Who has none does
not learn which teams there are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from jenkins_notary.api.places import find_places
from jenkins_notary.errors import ConfigurationError
from jenkins_notary.service.sections import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

MAX_TEAMS = 32
"""Each has threads and connections to its file."""

PREFIX = "/teams/"
_NAME = r"[a-z0-9][a-z0-9-]{0,62}"
_PATH = re.compile(rf"{PREFIX}({_NAME})(/.*)?", re.DOTALL)


class Team(Section, frozen=True):
    """A further ledger that is served.

    Attributes:
        name: What stands in its URL.
        ledger: Its URL or its file's absolute path; made if it is missing.
        key: PEM file of the key that its service signs with; that of ``--key`` if none.
        settings: File of its own settings, an absolute path. Without one those of the
            service hold, but nobody logs in: it knows its tokens alone.
        public_log: Whether its checkpoint and tiles need no token.
    """

    name: Annotated[str, msgspec.Meta(pattern=f"^{_NAME}$")]
    ledger: Annotated[str, msgspec.Meta(pattern="^((sqlite://)?/|immudb://)")]
    key: Annotated[str, msgspec.Meta(pattern="^/")] | None = None
    settings: Annotated[str, msgspec.Meta(pattern="^/")] | None = None
    public_log: bool = False


class Teams:
    """An ASGI application that gives each request to the application of its ledger."""

    def __init__(self, root: ASGIApp, teams: Mapping[str, ASGIApp]) -> None:
        """Serve them.

        Args:
            root: The ledger that the service was started on.
            teams: The further ones, by name.
        """
        self._root = root
        self._teams = teams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = _PATH.fullmatch(scope.get("path", ""))
        team = self._teams.get(found[1]) if found else None
        if found is None or team is None:
            await self._root(scope, receive, send)
            return
        inner = {
            **scope,
            "root_path": f"{PREFIX}{found[1]}",
            "path": f"{PREFIX}{found[1]}{found[2] or '/'}",
        }
        await team(inner, receive, send)


def check_teams(
    ledger: str | None, teams: Sequence[Team], environ: Mapping[str, str]
) -> None:
    """Check that each name and each file is meant once.

    Raises:
        ConfigurationError: One is not, or there are too many.
    """
    if len(teams) > MAX_TEAMS:
        raise ConfigurationError(
            "ledgers", expected=f"at most {MAX_TEAMS}", got=str(len(teams))
        )
    names = {one.name for one in teams}
    places = [find_places(one, None, environ).ledger for one in _list(ledger, teams)]
    if len(names) != len(teams) or len(set(places)) != len(places):
        raise ConfigurationError(
            "ledgers",
            expected="each name and each file once, none that --ledger names",
            got="one of them twice",
        )


def _list(ledger: str | None, teams: Sequence[Team]) -> list[str | None]:
    """Return the ledgers that are served."""
    return [ledger, *(one.ledger for one in teams)]
