"""Have people logged in by an OpenID provider: authorization code flow with PKCE.

1. ``GET /login/oidc`` makes 256 random bits, which go into a cookie of this browser,
   and sends it to the provider. ``state``, ``nonce`` and the PKCE verifier are derived
   from them, each by an HMAC: of people that are not known the service keeps nothing.
2. ``GET /login/oidc/callback``: ``state`` must be that of the cookie, ``iss``, if it is
   there, the issuer; the code is redeemed at the provider with verifier and secret.
3. The id token must be the issuer's, for this client, of this ``nonce``, and hold.
4. Its claims say who it is and which groups he is in; nothing else is asked or kept.

No other address is asked than the issuer's discovery document and what it names on the
issuer's own host.

Source: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode, urlsplit

from jenkins_notary.errors import (
    ConfigurationError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.service.access.jwt import Issuer
from jenkins_notary.service.access.logins import OidcSettings, Person, parse_groups
from jenkins_notary.service.http.outgoing import check_address, send
from jenkins_notary.service.secret_files import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

KEEP_S = 3600.0
_MAX_ANSWER = 256 << 10


class Oidc:
    """One provider, and this service as its client."""

    def __init__(self, settings: OidcSettings, url: str) -> None:
        """Ask nothing yet.

        Args:
            settings: The provider.
            url: This service's own address.

        Raises:
            ConfigurationError: An address or a file is wrong.
        """
        self._settings = settings
        self._callback = f"{url.rstrip('/')}/login/oidc/callback"
        check_address(
            settings.issuer, subject="login: oidc: issuer", ca_file=settings.ca_file
        )
        self._issuer = Issuer(
            settings.issuer, settings.client_id, ca_file=settings.ca_file
        )
        self._secret: str | None = None
        if settings.client_secret_file is not None:
            subject = "login: oidc: client-secret-file"
            self._secret = read_secret(settings.client_secret_file, subject)
        self._lock = threading.Lock()
        self._places: Mapping[str, str] = {}
        self._asked_s = -KEEP_S

    @property
    def title(self) -> str:
        """Return what people call the provider."""
        return self._settings.title

    def begin(self, secret: str) -> str:
        """Return where a browser goes to log in.

        Raises:
            UnavailableError: The provider does not say.
        """
        verifier = _derive(secret, "verifier")
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._callback,
            "scope": " ".join(self._settings.scopes),
            "state": _derive(secret, "state"),
            "nonce": _derive(secret, "nonce"),
            "code_challenge": _encode(challenge),
            "code_challenge_method": "S256",
        }
        place = self._find_place("authorization_endpoint")
        return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"

    def finish(self, secret: str, query: Mapping[str, str]) -> Person:
        """Return for whom the provider vouches.

        Args:
            secret: The random text of this browser's cookie.
            query: What the provider sent the browser back with.

        Raises:
            PermissionDeniedError: It vouches for nobody, or not to this browser.
            UnavailableError: It cannot be asked.
        """
        state = query.get("state", "").encode("utf-8", "surrogatepass")
        if not secret or not hmac.compare_digest(
            state, _derive(secret, "state").encode()
        ):
            raise _refused("a login that this browser began", "another")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise _refused("the issuer that was asked", "another")
        code = query.get("code")
        if "error" in query or not code:
            raise _refused("a code", query.get("error", "none"))
        claims = self._issuer.verify(self._redeem(code, _derive(secret, "verifier")))
        nonce = str(claims.get("nonce")).encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(nonce, _derive(secret, "nonce").encode()):
            raise _refused("an id token of this login", "another")
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise _refused("an id token for this client", "another")
        return self._describe(claims)

    def _describe(self, claims: Mapping[str, Any]) -> Person:
        """Return who a token's claims are of."""
        name, groups = (
            claims.get(self._settings.name_claim),
            claims.get(self._settings.groups_claim),
        )
        if not isinstance(name, str) or not name:
            raise _refused(f"the claim {self._settings.name_claim}", "none")
        listed = groups if isinstance(groups, list) else [groups]
        return Person(f"oidc:{name}", parse_groups(listed))

    def _redeem(self, code: str, verifier: str) -> str:
        """Return the id token for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
        }
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        if self._secret is None:
            form["client_id"] = self._settings.client_id
        else:
            # Both are form-encoded before they are joined: RFC 6749 section 2.3.1.
            pair = (self._settings.client_id, self._secret)
            login = ":".join(quote_plus(one) for one in pair)
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        answer = send(
            "POST",
            self._find_place("token_endpoint"),
            data=urlencode(form).encode(),
            headers=headers,
            ca_file=self._settings.ca_file,
            limit=_MAX_ANSWER,
        )
        found = _parse(answer.body)
        token = found.get("id_token")
        if answer.status == 200 and isinstance(token, str):
            return token
        if 400 <= answer.status < 500:
            raise _refused("a code that holds", str(found.get("error"))[:100])
        raise self._away(f"status {answer.status} for a code")

    def _find_place(self, name: str) -> str:
        """Return an address that the discovery document names."""
        with self._lock:
            if time.monotonic() - self._asked_s > KEEP_S:
                self._places = self._discover()
                self._asked_s = time.monotonic()
            return self._places[name]

    def _discover(self) -> dict[str, str]:
        """Return the provider's addresses, each on the issuer's own host."""
        base = self._settings.issuer.rstrip("/")
        answer = send(
            "GET",
            f"{base}/.well-known/openid-configuration",
            ca_file=self._settings.ca_file,
            limit=_MAX_ANSWER,
        )
        found = _parse(answer.body)
        if answer.status != 200 or found.get("issuer") != self._settings.issuer:
            raise self._away("no discovery document of its own")
        places = {}
        for name in ("authorization_endpoint", "token_endpoint"):
            place = found.get(name)
            if not isinstance(place, str):
                raise self._away(f"no {name}")
            try:
                check_address(place, subject=name)
            except ConfigurationError as error:
                raise self._away(f"a wrong {name}") from error
            if urlsplit(place)[:2] != urlsplit(self._settings.issuer)[:2]:
                raise self._away(f"{name} of another host")
            places[name] = place
        return places

    def _away(self, got: str) -> UnavailableError:
        """Return the error for a provider that is of no use."""
        return UnavailableError(
            f"issuer {self._settings.issuer}", expected="an OpenID provider", got=got
        )


def _derive(secret: str, purpose: str) -> str:
    """Return a text of its own for each purpose; none tells anything of another."""
    key = secret.encode("utf-8", "surrogatepass")
    return _encode(hmac.new(key, purpose.encode(), hashlib.sha256).digest())


def _encode(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _parse(data: bytes) -> dict[str, Any]:
    """Return a JSON object, an empty one for anything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refused(expected: str, got: str) -> PermissionDeniedError:
    """Return the error for a login that is none."""
    return PermissionDeniedError("login", expected=expected, got=got[:100])
