"""Make each failure an answer that says no more than its sender may know.

======  ==============================================================
status  when
======  ==============================================================
400     the request is wrong (64)
401     no token that holds; always in the same words (77)
403     the token may not (77)
404     no such path, record or body that it may see (66)
405     the path has another method (64)
409     several builds match (67)
413     too many bytes (64)
422     a policy that is none (78), a body with another digest (64)
500     altered, or a fault of the service (65, 70)
429     one caller asks for too much: ``Retry-After`` (69)
503     too much to do, or what it needs is away: ``Retry-After`` (69)
507     the disk is full (74)
======  ==============================================================
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from starlette.responses import Response

from jenkins_notary.errors import (
    ConfigurationError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.pages.site import Frame, render
from jenkins_notary.service.access.limits import TooManyError
from jenkins_notary.service.http.uploads import OtherBytesError, TooLargeError
from jenkins_notary.serving.replies import HEADERS, PAGE_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jenkins_notary.errors import NotaryError
    from jenkins_notary.service.http.exchange import Exchange

_TITLES = {
    400: "That cannot be asked so",
    401: "Please sign in",
    403: "You may not see this",
    404: "Nothing here that you may see",
    409: "Several match",
    500: "The service failed, or what it holds was altered",
    503: "Too much to do; try again in a moment",
}
_STATUS = {64: 400, 65: 500, 66: 404, 67: 409, 69: 503, 70: 500, 74: 507, 77: 403}


class UnknownTokenError(PermissionDeniedError):
    """There is no token, or none that holds."""


class MethodError(UsageError):
    """A path has other methods."""


class Failures:
    """The answers that tell failures."""

    def __init__(self, secret_words: Iterable[str]) -> None:
        """Keep the words of this host that no answer holds, such as folders."""
        self._secret_words = sorted(secret_words, key=len, reverse=True)

    async def answer(
        self,
        exchange: Exchange,
        error: NotaryError,
        cause: Exception | None = None,
    ) -> Response:
        """Return the answer that tells a failure, and no more than its sender knows."""
        exchange.code = error.exit_code
        exchange.fault = _describe_fault(error, cause)
        await exchange.drain()
        status = _STATUS.get(error.exit_code, 422)
        headers = dict(HEADERS)
        if isinstance(error, UnknownTokenError):
            status, headers["WWW-Authenticate"] = 401, 'Bearer realm="notary"'
        elif isinstance(error, MethodError):
            status, headers["Allow"] = 405, error.expected.replace(" or ", ", ")
        elif isinstance(error, TooManyError):
            status, headers["Retry-After"] = 429, str(error.retry_s)
        elif isinstance(error, TooLargeError):
            status = 413
        elif isinstance(error, OtherBytesError):
            status = 422
        elif _is_own(error):
            status = 500
        elif status == 503:
            headers["Retry-After"] = "1"
        if not exchange.has_ended:
            headers["Connection"] = "close"
        told = self._hide(error, exchange.id)
        if exchange.is_page:
            return _make_page(exchange, told, status, headers)
        return Response(
            json.dumps(told), status, headers=headers, media_type="application/json"
        )

    def _hide(self, error: NotaryError, exchange_id: str) -> dict[str, object]:
        """Return an error's JSON without what is this host's own business."""
        if error.exit_code in {70, 74} or _is_own(error):
            kept = type(error)(
                "service",
                got=error.word,
                advice=f"its log tells more: request {exchange_id}",
            )
            return kept.to_dict()
        text = json.dumps(error.to_dict())
        for word in self._secret_words:
            text = text.replace(json.dumps(word)[1:-1], "...")
        found: dict[str, object] = json.loads(text)
        return found


def _make_page(
    exchange: Exchange,
    told: Mapping[str, object],
    status: int,
    headers: Mapping[str, str],
) -> Response:
    """Return the page that tells a person of a failure."""
    frame = Frame(
        _TITLES.get(status, "That did not work"),
        None if exchange.who is None else exchange.who.name,
        root=exchange.root,
    )
    body = render("error", frame, status=status, error=told, choices=())
    return Response(body, status, {**headers, **PAGE_HEADERS}, "text/html")


def _is_own(error: NotaryError) -> bool:
    """Return whether the service's configuration is wrong, not a client's policy."""
    is_of_policy = error.subject.startswith(("policy", "rule"))
    return isinstance(error, ConfigurationError) and not is_of_policy


def _describe_fault(error: NotaryError, cause: Exception | None) -> str | None:
    """Return what the access log tells of a failure; None for a client's own."""
    if cause is not None:
        import traceback

        last = traceback.extract_tb(cause.__traceback__)[-1:]
        where = "".join(f" at {os.path.basename(o.filename)}:{o.lineno}" for o in last)
        return f"{type(cause).__name__}: {str(cause)[:300]}{where}"
    if error.exit_code in {64, 66, 67, 77}:
        return None
    if isinstance(error, (UnavailableError, StorageError)) or error.exit_code >= 65:
        return str(error)[:500]
    return None
