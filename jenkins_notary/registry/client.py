"""Fetch image manifests from a registry over HTTP.

One request a manifest, by tag or digest; no layer and no config is downloaded. A 401
is answered once: with a token from the realm that the registry names, or with the
basic login. Credentials go to the registry itself and to that realm only, over https
unless plain HTTP to the host was asked for by name.

What is returned is what was received, with what the registry claims of it; comparing
digests is the business of :mod:`jenkins_notary.assets.images`.

Source: OCI distribution-spec v1.1 (pulling manifests); distribution's token
authentication specification (GET, and the OAuth2 POST for identity tokens).
"""

from __future__ import annotations

import json
import os
from functools import partial
from urllib.parse import urlencode, urlsplit

from jenkins_notary.assets.asset import printable
from jenkins_notary.assets.images import ACCEPTED, MAX_MANIFEST_BYTES, FetchedManifest
from jenkins_notary.assets.reference import HUB, ImageReference
from jenkins_notary.assets.urls import check_ca_file, is_plain_http_host
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from jenkins_notary.registry.auth import Challenge, Login, load_login, parse_challenge
from jenkins_notary.registry.transport import (
    Answer,
    HttpSettings,
    Transport,
    read_limited,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_HUB_HOST = "registry-1.docker.io"
_OK = 200
_MAX_TOKEN_BYTES = 1024 * 1024
_CLIENT_ID = "jenkins-notary"


class RegistryClient:
    """The image port on the real network; see ``assets.images.ImageSource``."""

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        plain_http_hosts: Collection[str] = (),
        environ: Mapping[str, str] | None = None,
        settings: HttpSettings | None = None,
        find_login: Callable[[str], Login | None] | None = None,
    ) -> None:
        """Prepare; nothing is sent or read yet.

        Args:
            ca_file: See ``transport.HttpSettings``, as for the next.
            plain_http_hosts: Registries that may be asked without TLS.
            environ: Where the login file is looked for; None for the process's.
            settings: All settings, instead of the first two.
            find_login: Returns the login for a registry that asks for one; None for
                what the login file has.

        Raises:
            ConfigurationError: The CA file cannot be used.
        """
        self._settings = settings or HttpSettings(ca_file, frozenset(plain_http_hosts))
        check_ca_file(self._settings.ca_file)
        self._find_login = find_login or partial(
            load_login, environment=os.environ if environ is None else environ
        )
        self._transport = Transport(self._settings)
        self._authorizations: dict[tuple[str, str], str] = {}

    def fetch_manifest(self, reference: ImageReference) -> FetchedManifest:
        """Return the document that the reference's digest, else its tag, names.

        Cost: one request; two more when the registry asks for a token.

        Raises:
            NotFoundError: The registry has no such image.
            PermissionDeniedError: It wants a login that is missing or not enough.
            UnavailableError: It does not answer, or answers outside of the protocol.
            UsageError: The document is longer than a manifest may be.
        """
        key = (reference.registry, reference.repository)
        found = self._try(reference, self._authorizations.get(key))
        if isinstance(found, Challenge):
            login = self._find_login(reference.registry)
            authorization = self._answer(reference, found, login)
            found = self._try(reference, authorization)
            if isinstance(found, Challenge):
                raise _denied(reference, login)
            self._authorizations[key] = authorization
        return found

    def _url(self, reference: ImageReference) -> str:
        host = _HUB_HOST if reference.registry == HUB else reference.registry
        parts = urlsplit(f"//{host}")
        is_plain = is_plain_http_host(
            parts.hostname or "", parts.port or 80, self._settings.plain_http_hosts
        )
        scheme = "http" if is_plain else "https"
        return (
            f"{scheme}://{host}/v2/{reference.repository}/manifests/{reference.version}"
        )

    def _try(
        self, reference: ImageReference, authorization: str | None
    ) -> FetchedManifest | Challenge:
        """Ask once; return the document, or what the registry wants first."""
        headers = {"Accept": ", ".join(ACCEPTED)}
        with self._transport.ask(
            "GET", self._url(reference), headers=headers, authorization=authorization
        ) as answer:
            status = answer.response.status_code
            if status == _OK:
                return _read_manifest(answer)
            if status == 401:
                header = answer.response.headers.get("WWW-Authenticate", "")
                challenge = parse_challenge(header)
                if challenge:
                    return challenge
            raise _refused(reference, status)

    def _answer(
        self, reference: ImageReference, challenge: Challenge, login: Login | None
    ) -> str:
        """Return the Authorization header that the challenge asks for."""
        if challenge.scheme == "basic":
            if login is None or not login.user:
                raise _denied(reference, None)
            return login.basic
        realm = challenge.parameters.get("realm", "")
        question = {"scope": f"repository:{reference.repository}:pull"}
        if "service" in challenge.parameters:
            question["service"] = challenge.parameters["service"]
        token = self._fetch_token(reference, realm, question, login)
        return f"Bearer {token}"

    def _fetch_token(
        self,
        reference: ImageReference,
        realm: str,
        question: dict[str, str],
        login: Login | None,
    ) -> str:
        """Ask the realm for a token to pull with; anonymously without a login."""
        if login and login.identity_token:
            form = {
                **question,
                "grant_type": "refresh_token",
                "client_id": _CLIENT_ID,
                "refresh_token": login.identity_token,
            }
            asking = self._transport.ask("POST", realm, data=form)
        else:
            joint = "&" if urlsplit(realm).query else "?"
            url = f"{realm}{joint}{urlencode(question)}"
            basic = login.basic if login else None
            asking = self._transport.ask("GET", url, authorization=basic)
        with asking as answer:
            status = answer.response.status_code
            if status in (401, 403):
                raise _denied(reference, login)
            if status != _OK:
                raise UnavailableError(
                    f"token for {reference.name}",
                    expected=f"HTTP 200 of {_host(realm)}",
                    got=f"HTTP {status}",
                )
            return _read_token(read_limited(answer, _MAX_TOKEN_BYTES), realm)


def _read_manifest(answer: Answer) -> FetchedManifest:
    """Return the body with what the headers claim of it."""
    headers = answer.response.headers
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    content = read_limited(answer, MAX_MANIFEST_BYTES)
    claimed = headers.get("Docker-Content-Digest")
    return FetchedManifest(content, media_type, claimed)


def _read_token(body: bytes, realm: str) -> str:
    """Return the token in a realm's answer."""
    try:
        answer = json.loads(body)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise UnavailableError(
            f"token realm {_host(realm)}", expected="JSON with a token", got="none"
        )
    return token


def _host(url: str) -> str:
    """Return what a message shows of a realm."""
    return printable(urlsplit(url).netloc.rpartition("@")[2])


def _refused(reference: ImageReference, status: int) -> NotaryError:
    """Return the failure that a status stands for."""
    got = f"HTTP {status}"
    if status == 404:
        return NotFoundError(
            f"image {reference}",
            expected=f"it in {reference.registry}",
            got="no such image",
        )
    if status in (401, 403):
        return PermissionDeniedError(
            f"image {reference}", expected="the right to pull it", got=got
        )
    return UnavailableError(f"image {reference}", expected="HTTP 200", got=got)


def _denied(reference: ImageReference, login: Login | None) -> PermissionDeniedError:
    """Return the failure that says which login was not enough."""
    got = "no login for this registry"
    if login:
        user = printable(login.user, 60) or "an identity token"
        got = f"a refusal of {user} from {printable(login.source)}"
    return PermissionDeniedError(
        f"image {reference}",
        expected=f"a login that may pull from {reference.registry}",
        got=got,
        advice=f"run docker login {reference.registry}",
    )
