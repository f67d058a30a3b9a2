"""Say who asks: whom a request's token, login, or whatever else it shows, stands for.

A program shows a token in the header ``Authorization``. A browser sends a cookie, and
its proxy what it adds, whatever page made it ask: so without a token nothing is changed
unless the browser says that a page of this service asked (``Sec-Fetch-Site``, or
``Origin``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.http.failures import UnknownTokenError
from jenkins_notary.serving.listen import COMMON_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from jenkins_notary.service.access.logins import Logins
    from jenkins_notary.service.access.proxies import Proxy

_SAFE = frozenset({"GET", "HEAD"})
_NAME = "notary"


class Door:
    """Where a request is asked who it is."""

    def __init__(
        self,
        logins: Logins,
        url: str | None,
        proxy: Proxy | None = None,
        certificates: Mapping[str, str] | None = None,
    ) -> None:
        """Know who may come in.

        Args:
            logins: Tokens, and who has logged in.
            url: The service's own address, or None for what a request says.
            proxy: Who is believed about people, or None.
            certificates: Tokens that hold with a certificate of that common name alone.
        """
        self._logins = logins
        self._url = url
        self._proxy = proxy
        self._certificates = certificates or {}

    def identify(self, request: Request) -> Principal:
        """Return who asks.

        Raises:
            UnknownTokenError: Nobody that is known; why is not said.
            PermissionDeniedError: A page of another site has a browser ask; or a
                person is known who may do nothing.
        """
        header = request.headers.get("authorization", "")
        scheme, _, text = header.partition(" ")
        who: Principal | None = None
        if scheme.lower() == "bearer":
            token = self._logins.find_token(text.strip())
            who = None if token is None else Principal.of(token)
        elif not header:
            who = self._find_person(request) or self._find_login(request)
            if who is not None and request.method not in _SAFE:
                self.check_origin(request)
        if who is None or not self.has_certificate(request, who):
            raise UnknownTokenError("token", expected="one of this service")
        return who

    def has_certificate(self, request: Request, who: Principal) -> bool:
        """Return whether a connection shows the certificate that a token needs."""
        needed = self._certificates.get(who.name) if who.kind == "token" else None
        return needed is None or request.scope.get(COMMON_NAME) == needed

    def check_origin(self, request: Request) -> None:
        """Check that a page of this service has the browser ask.

        Raises:
            PermissionDeniedError: Another site's, or it is not said.
        """
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin", "")
        own = {request.headers.get("host", "")}
        if self._url is not None:
            own.add(urlsplit(self._url).netloc)
        place = origin.partition("://")[2]
        # Without a host, no origin would be one's own.
        is_own = site is None and place != "" and place in own
        if site != "same-origin" and not is_own:
            raise PermissionDeniedError(
                "origin", expected="a page of this service", got="another, or none"
            )

    def is_secure(self, request: Request) -> bool:
        """Return whether browsers reach this service by TLS."""
        url = self._url or ""
        return request.url.scheme == "https" or url.startswith("https:")

    def cookie_name(self, request: Request) -> str:
        """Return the name of the cookie; a browser holds its prefix to its word."""
        path = cookie_path(request)
        # A browser sends the cookie of the root to a team too: it has another name.
        name = f"{_NAME}-{path.rpartition('/')[2]}" if path else _NAME
        if not self.is_secure(request):
            return name
        return f"__Secure-{name}" if path else f"__Host-{name}"

    def _find_login(self, request: Request) -> Principal | None:
        """Return who the cookie is of."""
        secret = request.cookies.get(self.cookie_name(request))
        return self._logins.find(secret) if secret else None

    def _find_person(self, request: Request) -> Principal | None:
        """Return for whom the proxy vouches."""
        person = None if self._proxy is None else self._proxy.vouch(request)
        return None if person is None else self._logins.admit(person)


def cookie_path(request: Request) -> str:
    """Return the path below which the service lies, "" for the root."""
    path: str = request.scope.get("root_path", "")
    return path
