"""Let people in and out: the form that takes a token, and the way out.

=======================  =========================================================
``GET /login``           the form; ``next`` is where to go afterwards
``POST /login``          a token, as a form has it; answered by a cookie
``GET /login/oidc``      sends to the OpenID provider (``oidc``)
``.../oidc/callback``    comes back from there; answered by a cookie
``POST /logout``         ends the login
=======================  =========================================================

A token never stands in an address. Whoever asks for a page without being logged in is
sent to the form.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from starlette.responses import RedirectResponse, Response

from jenkins_notary.errors import (
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.pages.login import STYLE_HASH, render_login
from jenkins_notary.service.access.door import Door, cookie_path
from jenkins_notary.service.access.oidc import Oidc
from jenkins_notary.service.access.proxies import Proxy
from jenkins_notary.service.access.rules import Principal
from jenkins_notary.service.http.exchange import read_query
from jenkins_notary.serving.replies import HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request

    from jenkins_notary.service.access.logins import Logins, LoginSettings
    from jenkins_notary.service.http.exchange import Exchange

_MAX_NEXT = 2000
_AWAY = "-away"
_AWAY_S = 600
_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; "
    f"base-uri 'none'; frame-ancestors 'none'; style-src '{STYLE_HASH}'",
    # Stricter, and the browser would not say whose page a form is on.
    "Referrer-Policy": "same-origin",
}


class Entrance:
    """The pages by which people come and go."""

    def __init__(self, door: Door, logins: Logins, oidc: Oidc | None = None) -> None:
        """Let in who has a token, or for whom a provider vouches."""
        self._door = door
        self._logins = logins
        self._oidc = oidc

    def answer(self, request: Request, exchange: Exchange, data: bytes) -> Response:
        """Return the answer of one of these routes.

        Raises:
            NotaryError: The form is none, or another site has sent it.
        """
        path = request.scope["path"].removeprefix(cookie_path(request))
        if (request.method, path) == ("POST", "/login"):
            return self._log_in(request, exchange, _parse_form(data))
        if (request.method, path) == ("POST", "/logout"):
            return self._log_out(request)
        if path == "/login":
            return self._show_form(request.query_params.get("next", ""))
        if path == "/login/oidc" and self._oidc is not None:
            return self._send_away(request, self._oidc)
        if path == "/login/oidc/callback" and self._oidc is not None:
            return self._come_back(request, exchange, self._oidc)
        raise NotFoundError("path", expected="a path of this service")

    def invite(self, request: Request) -> Response | None:
        """Return where somebody who wants a page logs in; None if it was no page."""
        path = request.scope["path"].removeprefix(cookie_path(request))
        is_page = "text/html" in request.headers.get("accept", "")
        if request.method != "GET" or not is_page or path.startswith("/api/"):
            return None
        query = request.scope["query_string"].decode("latin-1")
        # As it was sent: decoded, a job id's # would begin a fragment.
        sent = request.scope["raw_path"].decode("latin-1")
        wanted = sent + (f"?{query}" if query else "")
        place = f"{cookie_path(request)}/login?next={quote(wanted[:_MAX_NEXT])}"
        return RedirectResponse(place, 303, headers=dict(HEADERS))

    def _show_form(self, wanted: str, fault: str = "", status: int = 200) -> Response:
        """Return the form."""
        provider = "" if self._oidc is None else self._oidc.title
        page = render_login(wanted=wanted[:_MAX_NEXT], fault=fault, provider=provider)
        return Response(page, status, headers=_HEADERS, media_type="text/html")

    def _log_in(
        self, request: Request, exchange: Exchange, form: dict[str, str]
    ) -> Response:
        """Take a token."""
        self._door.check_origin(request)
        token = self._logins.find_token(form.get("token", "").strip())
        if token is None or not self._door.has_certificate(
            request, Principal.of(token)
        ):
            exchange.code = 77
            return self._show_form(
                form.get("next", ""), "This token does not hold.", 401
            )
        exchange.who = Principal.of(token)
        return self._welcome(
            request, self._logins.begin_token(token), form.get("next", "")
        )

    def _welcome(self, request: Request, secret: str, wanted: str) -> Response:
        """Return the answer that gives the cookie."""
        place = wanted if is_own_path(wanted) else f"{cookie_path(request)}/"
        answer = RedirectResponse(place, 303, headers=dict(HEADERS))
        self._set_cookie(answer, request, secret, self._logins.seconds)
        return answer

    def _send_away(self, request: Request, oidc: Oidc) -> Response:
        """Send a browser to the provider, with a cookie to know it again."""
        secret = secrets.token_urlsafe(32)
        wanted = quote(request.query_params.get("next", "")[:_MAX_NEXT], safe="/")
        try:
            place = oidc.begin(secret)
        except UnavailableError:
            return self._show_form("", "The provider does not answer.", 503)
        answer = RedirectResponse(place, 303, headers=dict(HEADERS))
        value = f"{secret}.{wanted}"
        self._set_cookie(answer, request, value, _AWAY_S, suffix=_AWAY)
        return answer

    def _come_back(self, request: Request, exchange: Exchange, oidc: Oidc) -> Response:
        """Let in for whom the provider vouches."""
        kept = request.cookies.get(self._door.cookie_name(request) + _AWAY, "")
        secret, _, wanted = kept.partition(".")
        try:
            person = oidc.finish(secret, read_query(request))
            exchange.who = self._logins.admit(person)
            answer = self._welcome(
                request, self._logins.begin_person(person), unquote(wanted)
            )
        except (PermissionDeniedError, UnavailableError) as error:
            exchange.code, exchange.fault = error.exit_code, str(error)[:500]
            is_away = isinstance(error, UnavailableError)
            fault = "The provider does not answer." if is_away else f"Refused: {error}."
            answer = self._show_form("", fault, 503 if is_away else 403)
        self._set_cookie(answer, request, "", 0, suffix=_AWAY)
        return answer

    def _log_out(self, request: Request) -> Response:
        """End a login, if there is one."""
        self._door.check_origin(request)
        secret = request.cookies.get(self._door.cookie_name(request))
        if secret:
            self._logins.end(secret)
        place = f"{cookie_path(request)}/login"
        answer = RedirectResponse(place, 303, headers=dict(HEADERS))
        self._set_cookie(answer, request, "", 0)
        return answer

    def _set_cookie(
        self,
        answer: Response,
        request: Request,
        value: str,
        seconds: int,
        *,
        suffix: str = "",
    ) -> None:
        """Give a cookie that scripts, other sites and plain HTTP do not get."""
        answer.set_cookie(
            self._door.cookie_name(request) + suffix,
            value,
            max_age=seconds,
            path=cookie_path(request) or "/",
            secure=self._door.is_secure(request),
            httponly=True,
            samesite="lax",
        )


def open_doors(logins: Logins, settings: LoginSettings) -> tuple[Door, Entrance]:
    """Return both: where is asked who it is, and where people come and go.

    Raises:
        ConfigurationError: A file that the settings name is wrong.
    """
    proxy = None if settings.proxy is None else Proxy(settings.proxy)
    certificates = settings.certificates
    bound = None if certificates is None else certificates.tokens
    door = Door(logins, settings.url, proxy, bound)
    oidc = None
    if settings.oidc is not None and settings.url is not None:
        oidc = Oidc(settings.oidc, settings.url)
    return door, Entrance(door, logins, oidc)


def is_own_path(text: str) -> bool:
    r"""Return whether a text is a path of this service, and of no other.

    >>> is_own_path("/jobs?x=1"), is_own_path("//evil.example"), is_own_path("/\\evil")
    (True, False, False)
    """
    is_bounded = len(text) <= _MAX_NEXT and text.isascii() and text.isprintable()
    is_path = text.startswith("/") and not text.startswith("//")
    return is_bounded and is_path and "\\" not in text


def _parse_form(data: bytes) -> dict[str, str]:
    """Return the fields of a form, each once.

    Raises:
        UsageError: It is none.
    """
    try:
        pairs = parse_qsl(
            data.decode("ascii"), keep_blank_values=True, max_num_fields=10
        )
    except ValueError as error:
        raise UsageError("form", expected="fields of a form") from error
    if len(dict(pairs)) != len(pairs):
        raise UsageError("form", expected="each field once")
    return dict(pairs)
