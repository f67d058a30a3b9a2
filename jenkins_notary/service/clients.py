"""Remember which versions of which programs ask.

The version of a client stands in its ``User-Agent``. Nothing is refused for its version
alone, for a record that is refused may be lost; ``doctor`` says it. What is remembered
is a hint for people: any client may call itself what it likes.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import closing

from jenkins_notary.ledger.author import format_time
from jenkins_notary.remote.reading.versions import WORDS, compare
from jenkins_notary.service.state import ServiceState, state_path
from jenkins_notary.shapes import NamedTuple

REMEMBERED_MS = 90 * 24 * 3600 * 1000
"""A client that has not asked for so long is forgotten."""

_KIND = "client"
_AGAIN_S = 3600.0
_MAX_KNOWN = 10_000
_AGENT = re.compile(
    r"(?P<program>[a-z-]{1,40})/(?P<version>[0-9]{1,5}(?:\.[0-9]{1,5}){2})"
)


class Client(NamedTuple):
    """A program that asked.

    Attributes:
        token: Name of the token that it has.
        program: Which one, of :data:`WORDS`.
        version: Its version.
        seen: When it last asked, about, RFC 3339 UTC.
        skew: What :func:`compare` says of its version.
    """

    token: str
    program: str
    version: str
    seen: str
    skew: str


class Clients:
    """The programs that ask a service."""

    def __init__(self, state: ServiceState) -> None:
        """Remember them in a service's state."""
        self._state = state
        self._known: dict[tuple[str, str], tuple[str, float]] = {}

    def note(self, token: str, user_agent: str | None) -> None:
        """Take note of who asks; kept once an hour, or when the version is another."""
        found = _AGENT.match(user_agent or "")
        if found is None or found["program"] not in WORDS:
            return
        key, version, now_s = (token, found["program"]), found["version"], time.time()
        known = self._known.get(key)
        if known is not None and known[0] == version and now_s - known[1] < _AGAIN_S:
            return
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[key] = version, now_s
        now_ms = int(now_s * 1000)
        self._state.put(
            _KIND,
            f"{token} {found['program']}",
            {"version": version, "at": now_ms},
            ends_ms=now_ms + REMEMBERED_MS,
        )


def list_clients(state: ServiceState) -> list[Client]:
    """Return the programs that asked lately, by token."""
    found = []
    for key, value in state.scan(_KIND):
        token, _, program = key.partition(" ")
        version, at = str(value["version"]), format_time(int(value["at"]))
        found.append(Client(token, program, version, at, compare(version)))
    return found


def read_clients(ledger: str) -> list[Client] | None:
    """Return the programs that asked a ledger's service; None if that cannot be known.

    No service has served it, or it is another user's.
    """
    path = state_path(ledger)
    if not os.access(path, os.R_OK | os.W_OK):
        return None
    with closing(ServiceState(path)) as state:
        return list_clients(state)
