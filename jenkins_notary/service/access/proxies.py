"""Believe a proxy that has logged people in: what it says of them stands in headers.

A header is believed only from the peers that are named, and with the proxy's secret in
``Notary-Proxy-Secret``, whichever of the two is configured; both if both are. Anybody
else may send the headers, and stays nobody. The proxy must take away what its own
clients send under these names; one that stands twice is refused for that reason.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from jenkins_notary.errors import PermissionDeniedError
from jenkins_notary.service.access.logins import Person, ProxySettings, parse_groups
from jenkins_notary.service.http.peers import is_among, parse_networks
from jenkins_notary.service.secret_files import read_secret

if TYPE_CHECKING:
    from starlette.requests import Request

_PROOF = "Notary-Proxy-Secret"


class Proxy:
    """The proxy that is believed."""

    def __init__(self, settings: ProxySettings) -> None:
        """Read its secret.

        Raises:
            ConfigurationError: Its file is wrong.
        """
        self._settings = settings
        self._peers = parse_networks(settings.peers)
        self._secret: bytes | None = None
        if settings.secret_file is not None:
            text = read_secret(settings.secret_file, "login: proxy: secret-file")
            self._secret = text.encode()

    def vouch(self, request: Request) -> Person | None:
        """Return for whom the proxy vouches; None for nobody, or if it is not the one.

        Raises:
            PermissionDeniedError: A header stands twice.
        """
        if not self.is_sender(request):
            return None
        name = _read(request, self._settings.user_header)
        if not name:
            return None
        groups = _read(request, self._settings.groups_header)
        listed = [one.strip() for one in groups.split(self._settings.separator)]
        return Person(f"proxy:{name}", parse_groups(listed))

    def is_sender(self, request: Request) -> bool:
        """Return whether a request comes from the proxy."""
        host = "" if request.client is None else request.client.host
        if self._peers and not is_among(host, self._peers):
            return False
        if self._secret is None:
            return True
        given = request.headers.get(_PROOF, "").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(given, self._secret)


def _read(request: Request, name: str) -> str:
    """Return a header that stands once, "" for none."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise PermissionDeniedError(f"header {name}", expected="it once", got="twice")
    return values[0].strip() if values else ""
