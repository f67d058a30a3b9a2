"""Remember who has logged in: a secret in a cookie, and here what it stands for.

The cookie holds 256 random bits and nothing else; its SHA-256 is kept in the service's
state, with an end::

    login <64 hex>  {"token": "payments", "hash": "<64 hex>"}
    login <64 hex>  {"person": "oidc:jane", "groups": ["payments-developers"]}

Who has logged in with a token acts as that token, as long as the token holds: once it
is revoked, rotated or over, so is the login. What a person may do follows from the
groups that vouch for him, by the list of the settings; who is in none may do nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping  # noqa: TC003 - msgspec reads it
from typing import Literal

from jenkins_notary.assets.asset import printable
from jenkins_notary.errors import PermissionDeniedError, UsageError
from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.access.scopes import Scope, parse_scope
from jenkins_notary.service.access.tokens import UNSCOPED
from jenkins_notary.service.http.peers import parse_networks
from jenkins_notary.service.sections import Section
from jenkins_notary.shapes import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from jenkins_notary.service.access.tokens import Token, TokenFile
    from jenkins_notary.service.state import ServiceState

MAX_NAME = 200
MAX_GROUPS = 1000
MAX_HOURS = 24 * 30
_KIND = "login"
_HOUR_MS = 3_600_000


class Group(Section, frozen=True):
    """What the people of a group may do.

    Attributes:
        group: Its name, as whoever vouches for people writes it.
        role: Their role; none that speaks for a build or a controller.
        folders: As for a token; none for all.
    """

    group: str
    role: Literal["reader", "auditor", "status", "security", "admin"]
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the folders."""
        if self.folders and self.role in UNSCOPED:
            message = f"the role {self.role} is not bound to folders"
            raise ValueError(message)
        self.scopes()

    def scopes(self) -> tuple[Scope, ...]:
        """Return the folders."""
        try:
            return tuple(parse_scope(one) for one in self.folders)
        except UsageError as error:
            raise ValueError(str(error)) from error


class OidcSettings(Section, frozen=True):
    """An OpenID provider.

    Attributes:
        issuer: Its address, as its tokens name it.
        client_id: This service's name there.
        client_secret_file: File of mode 0600 with its secret, or None for a public
            client.
        scopes: What is asked for.
        name_claim: The claim that names a person, and does not change: records hold it.
        groups_claim: The claim that lists the groups that he is in.
        title: What people call it.
        ca_file: Authorities to trust in place of the system's.
    """

    issuer: str
    client_id: str
    client_secret_file: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "sub"
    groups_claim: str = "groups"
    title: str = "single sign-on"
    ca_file: str | None = None

    def __post_init__(self) -> None:
        """Check what types do not tell."""
        if "openid" not in self.scopes:
            message = "scopes: expected openid among them"
            raise ValueError(message)


class ProxySettings(Section, frozen=True):
    """A proxy that has logged people in.

    Attributes:
        peers: Addresses or networks that it asks from; none for any with the secret.
        secret_file: File of mode 0600 with what it sends as ``Notary-Proxy-Secret``.
        user_header: The header that names the person.
        groups_header: The header that lists his groups.
        separator: What stands between them.
    """

    peers: tuple[str, ...] = ()
    secret_file: str | None = None
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    separator: str = ","

    def __post_init__(self) -> None:
        """Check that not everybody is believed."""
        if not parse_networks(self.peers) and self.secret_file is None:
            message = "expected peers or a secret-file, or anybody is believed"
            raise ValueError(message)
        if not self.separator:
            message = "separator: expected one"
            raise ValueError(message)


class CertificateSettings(Section, frozen=True):
    """Certificates that clients show under TLS, beside their tokens.

    Attributes:
        ca_file: PEM file of the authorities that issue them.
        required: Whether nobody gets in without one.
        tokens: Names of tokens, each with the common name of the one certificate with
            which it holds.
    """

    ca_file: str
    required: bool = False
    tokens: Mapping[str, str] = {}


class LoginSettings(Section, frozen=True):
    """How people log in.

    Attributes:
        url: The service's address as browsers know it, or None for what they say.
        hours: How long a login holds.
        groups: What people may do. The first that one is in gives the role; others of
            the same role add their folders.
        oidc: The OpenID provider that vouches for people, or None.
        proxy: The proxy that does, or None.
        certificates: Those of clients, or None.
    """

    url: str | None = None
    hours: int = 8
    groups: tuple[Group, ...] = ()
    oidc: OidcSettings | None = None
    proxy: ProxySettings | None = None
    certificates: CertificateSettings | None = None

    def __post_init__(self) -> None:
        """Check what types do not tell."""
        if not 0 < self.hours <= MAX_HOURS:
            message = f"hours: expected 1 to {MAX_HOURS}, got {self.hours}"
            raise ValueError(message)
        if self.url is not None and not self.url.startswith(("https://", "http://")):
            message = f"url: expected https://..., got {self.url[:80]}"
            raise ValueError(message)
        if self.oidc is not None and self.url is None:
            message = "url: expected the service's own address, for oidc"
            raise ValueError(message)


class Person(NamedTuple):
    """Somebody for whom another party has vouched.

    Attributes:
        name: How he came in, ``:``, and his name there.
        groups: The groups that he is in.
    """

    name: str
    groups: Collection[str]


class Logins:
    """Who has logged in."""

    def __init__(
        self, settings: LoginSettings, tokens: TokenFile, state: ServiceState
    ) -> None:
        """Know the tokens and the groups."""
        self._settings = settings
        self._tokens = tokens
        self._state = state

    @property
    def seconds(self) -> int:
        """Return how long a login holds."""
        return self._settings.hours * _HOUR_MS // 1000

    def find_token(self, text: str) -> Token | None:
        """Return the token of a text, None for one that does not hold."""
        return self._tokens.find(text, _now_ms())

    def begin_token(self, token: Token) -> str:
        """Log in whoever has shown a token; return the cookie's secret."""
        return self._begin({"token": token.name, "hash": token.sha256_hex})

    def begin_person(self, person: Person) -> str:
        """Log a person in; return the cookie's secret.

        Raises:
            PermissionDeniedError: No group of his may do anything.
        """
        self.admit(person)
        known = {one.group for one in self._settings.groups}
        return self._begin(
            {"person": person.name, "groups": sorted(known.intersection(person.groups))}
        )

    def admit(self, person: Person) -> Principal:
        """Return what a person may do.

        Raises:
            PermissionDeniedError: Nothing.
        """
        named = set(person.groups)
        mine = [one for one in self._settings.groups if one.group in named]
        name = printable(person.name, MAX_NAME)
        if not mine or name != person.name:
            raise PermissionDeniedError(
                f"person {name}",
                expected="a group that the service knows",
                got="none",
                advice="ask its administrator",
            )
        role = mine[0].role
        same = [one.scopes() for one in mine if one.role == role]
        # A group without folders is for all of them.
        scopes = () if () in same else tuple(dict.fromkeys(sum(same, ())))
        return Principal(person.name, role, scopes, "person")

    def find(self, secret: str) -> Principal | None:
        """Return who has logged in with a secret, None for nobody."""
        kept = self._state.get(_KIND, _hash(secret))
        if kept is None:
            return None
        if "token" in kept:
            return self._find_by_token(kept)
        try:
            return self.admit(Person(kept["person"], kept["groups"]))
        except PermissionDeniedError:
            # The settings have changed since.
            return None

    def end(self, secret: str) -> None:
        """Log somebody out."""
        self._state.delete(_KIND, _hash(secret))

    def _find_by_token(self, kept: Mapping[str, str]) -> Principal | None:
        """Return who has logged in with a token, if it still holds."""
        token = self._tokens.load().get(kept["token"])
        if token is None or token.sha256_hex != kept["hash"]:
            return None
        if token.expires_ms is not None and _now_ms() >= token.expires_ms:
            return None
        return Principal.of(token)

    def _begin(self, value: Mapping[str, Any]) -> str:
        """Keep a login; return its secret."""
        secret = secrets.token_urlsafe(32)
        ends_ms = _now_ms() + self.seconds * 1000
        self._state.put(_KIND, _hash(secret), value, ends_ms=ends_ms)
        return secret


def parse_groups(values: Sequence[object]) -> tuple[str, ...]:
    """Return the groups that somebody vouches for; too many are none.

    >>> parse_groups(["payments", "", 7])
    ('payments',)
    """
    if len(values) > MAX_GROUPS:
        return ()
    return tuple(one for one in values if isinstance(one, str) and one)


def _hash(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000
