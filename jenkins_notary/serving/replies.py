"""Make answers: their headers, JSON, bytes and streams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from jenkins_notary.pages.site import POLICY
from jenkins_notary.shapes import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""What every answer has, unless it says otherwise."""

PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    # Stricter, and the browser would not say whose page a form is on.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every page has, beside what every answer has."""


class Reply(NamedTuple):
    """A handler's answer that is neither JSON nor plain text of status 200.

    Attributes:
        body: Its bytes, or pieces of them, which are made while they are sent.
        media_type: What they are.
        status: The HTTP status.
        headers: Further headers; they go before :data:`HEADERS`.
    """

    body: bytes | Iterator[bytes]
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = {}


def respond(found: object) -> Response:
    """Return the response for what a handler returns: JSON, text or a :class:`Reply`.

    >>> respond({"a": 1}).body, respond(b"text").media_type
    (b'{"a":1}', 'text/plain')
    """
    if isinstance(found, Reply):
        headers, kind = {**HEADERS, **found.headers}, found.media_type
        if isinstance(found.body, bytes):
            return Response(found.body, found.status, headers, kind)
        return StreamingResponse(found.body, found.status, headers, kind)
    if isinstance(found, bytes):
        return Response(found, media_type="text/plain", headers=HEADERS)
    return json_response(found)


def json_response(value: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(dump(value), status, headers=HEADERS, media_type="application/json")


def dump(value: object) -> bytes:
    """Return JSON in ASCII: a foreign record may hold what UTF-8 cannot."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")
