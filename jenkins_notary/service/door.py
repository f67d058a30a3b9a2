"""Say who asks: whom a request's token, or whatever else it shows, stands for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jenkins_notary.service.failures import UnknownTokenError
from jenkins_notary.service.rules import Principal

if TYPE_CHECKING:
    from starlette.requests import Request

    from jenkins_notary.service.tokens import Token, TokenFile


class Door:
    """Where a request is asked who it is."""

    def __init__(self, tokens: TokenFile) -> None:
        """Know the tokens."""
        self._tokens = tokens

    def identify(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            UnknownTokenError: Nobody that is known; why is not said.
        """
        header = request.headers.get("authorization", "")
        scheme, _, text = header.partition(" ")
        token: Token | None = None
        if scheme.lower() == "bearer":
            token = self._tokens.find(text.strip(), time.time_ns() // 1_000_000)
        if token is None:
            raise UnknownTokenError("token", expected="one of this service")
        return Principal.of(token)
