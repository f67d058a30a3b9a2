"""Answer the REST verbs of ``vcn serve`` with what this service says and records.

For scripts that were written for vcn; nothing here decides anything. Each request is
put into one of the API's own, goes the whole way of such a request (door, roles,
folders, limits, access log), and its answer is put into vcn's form. Switched on by
``vcn: true`` in the settings.

=====================================  ============================================
vcn's                                  here
=====================================  ============================================
``POST /vcn/notarize``                 ``POST /api/v1/records``, TRUSTED
``POST /vcn/untrust``, ``unsupport``   the same, UNTRUSTED and UNSUPPORTED
``GET /vcn/authenticate/HASH``         ``POST /api/v1/verdicts``; ``org``, ``signers``
``GET /vcn/inspect/HASH``              ``GET /api/v1/evidence``; ``signerid``
=====================================  ============================================

A body is ``{"kind", "name", "hash", "size", "contentType", "metadata"}``; in
``metadata`` the keys ``job`` (a job id) and ``reason`` are taken as what they are, the
rest as attributes. An artifact in an answer has these keys, ``signer``, ``timestamp``,
``status`` (a number), and ``index``. The token comes as ``Authorization: Bearer`` or in
vcn's ``x-notarization-lc-api-key``.

Not taken over: passwords and keys in headers, Basic authentication, ``public``, answers
to any web site (CORS).

Source: docs/formats/service-api.md, and the routes of vcn 0.9.8's ``serve``.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from jenkins_notary.errors import IntegrityError, UsageError
from jenkins_notary.ledger.author import format_time
from jenkins_notary.values.canonical import load_json
from jenkins_notary.values.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 64 << 10
MAX_ANSWER_BYTES = 16 << 20
BODY_S = 30.0
_API = "/api/v1"
_PATH = re.compile(r"/vcn/(?P<verb>[a-z]+)(?:/(?P<hash>[0-9a-f]{64}))?")
_VERBS = {
    "notarize": Status.TRUSTED,
    "untrust": Status.UNTRUSTED,
    "unsupport": Status.UNSUPPORTED,
}
_KINDS = {"dir": "directory", "git": "git", "docker": "docker", "podman": "podman"}
_KEY_HEADER = b"x-notarization-lc-api-key"
_LEFT_OUT = frozenset(
    {b"accept", b"content-length", b"cookie", b"transfer-encoding", _KEY_HEADER}
)
"""Headers that are not passed on: a browser's login counts for nothing here."""

_KEPT = frozenset({b"retry-after", b"www-authenticate"})


class VcnFront:
    """An ASGI application that puts vcn's verbs before another one."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        root = scope.get("root_path", "")
        found = _PATH.fullmatch(scope.get("path", "")[len(root) :])
        if found is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            method, path, query, value = await _translate(
                found, scope, receive, parse_qs(scope["query_string"].decode("latin-1"))
            )
        except UsageError as error:
            await _send(send, 400, _describe_error(400, error.to_dict()))
            return
        body = b"" if value is None else json.dumps(value).encode("ascii")
        inner = {
            **scope,
            "method": method,
            "path": root + path,
            "raw_path": (root + path).encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [*_list_headers(scope, len(body))],
        }
        status, headers, answer = await _ask(self._app, inner, body)
        await _send(send, status, _show(found["verb"], status, answer), headers)


async def _translate(
    found: re.Match[str],
    scope: Scope,
    receive: Receive,
    asked: Mapping[str, list[str]],
) -> tuple[str, str, str, dict[str, Any] | None]:
    """Return (method, path, query, JSON) of the API's own request.

    Raises:
        UsageError: It is none of vcn's.
    """
    verb, digest, method = found["verb"], found["hash"], scope["method"]
    if method == "POST" and verb in _VERBS and digest is None:
        claim = make_claim(_VERBS[verb], await _read(receive))
        return "POST", f"{_API}/records", "", claim
    if method == "GET" and verb == "authenticate" and digest is not None:
        signers = [one for text in asked.get("signers", []) for one in text.split(",")]
        value = {
            "assets": [
                {"name": digest, "kind": "digest", "digest": f"sha256:{digest}"}
            ],
            "org": asked.get("org", [None])[0],
            "signers": signers,
        }
        return "POST", f"{_API}/verdicts", "", value
    if method == "GET" and verb == "inspect" and digest is not None:
        query = f"digest=sha256:{digest}&limit=1000"
        for signer in asked.get("signerid", [])[:1]:
            query += f"&signer={quote(signer, safe='')}"
        return "GET", f"{_API}/evidence", query, None
    raise UsageError(
        "request",
        expected="POST /vcn/notarize, untrust or unsupport, or GET "
        "/vcn/authenticate or inspect and a SHA-256",
    )


def make_claim(status: Status, data: bytes) -> dict[str, Any]:
    """Return the claim in a body of vcn's.

    Raises:
        UsageError: It is no artifact.
    """
    try:
        value = load_json(data, subject="body", limit=MAX_BYTES)
    except IntegrityError as error:
        raise UsageError("body", expected="JSON", got=error.got) from error
    if not isinstance(value, dict) or not isinstance(value.get("metadata") or {}, dict):
        raise UsageError("body", expected="kind, name, hash, size and metadata")
    facts = dict(value.get("metadata") or {})
    job, reason = facts.pop("job", None), facts.pop("reason", None)
    digest = f"sha256:{value.get('hash')}"
    kind, name = value.get("kind"), value.get("name")
    if status is not Status.TRUSTED:
        reason = reason or "not given, by vcn's REST"
    media = value.get("contentType")
    return {
        "recordId": os.urandom(16).hex(),
        "claimedAt": format_time(time.time_ns() // 1_000_000),
        "status": status.name,
        "job": None if job is None else {"id": job},
        "reason": reason,
        "attributes": facts,
        "assets": [
            {
                "name": name,
                "kind": _KINDS.get(str(kind), "file"),
                "size": value.get("size"),
                "metadata": {} if media is None else {"contentType": media},
                "subjects": [{"name": name, "digest": digest}],
            }
        ],
    }


async def _read(receive: Receive) -> bytes:
    """Return a request's body.

    Raises:
        UsageError: It is too large, too slow, or breaks off.
    """
    data, has_more = b"", True
    try:
        async with asyncio.timeout(BODY_S):
            while has_more:
                message = await receive()
                if message["type"] != "http.request":
                    raise UsageError("body", expected="all of it")
                data += message.get("body", b"")
                if len(data) > MAX_BYTES:
                    raise UsageError("body", expected=f"at most {MAX_BYTES} bytes")
                has_more = message.get("more_body", False)
    except TimeoutError:
        raise UsageError("body", expected="all of it in time") from None
    return data


def _list_headers(scope: Scope, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers of the API's own request."""
    names = {name for name, _ in scope["headers"]}
    for name, value in scope["headers"]:
        if name == _KEY_HEADER and b"authorization" not in names:
            yield b"authorization", b"Bearer " + value
        elif name not in _LEFT_OUT:
            yield name, value
    yield b"accept", b"application/json"
    yield b"content-length", str(length).encode()


async def _ask(
    app: ASGIApp, scope: Scope, body: bytes
) -> tuple[int, list[tuple[bytes, bytes]], Any]:
    """Return (status, headers that are kept, JSON) of what an application answers."""
    status, data = 500, b""
    headers: list[tuple[bytes, bytes]] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, data
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend(one for one in message["headers"] if one[0] in _KEPT)
        elif len(data) <= MAX_ANSWER_BYTES:
            data += message.get("body", b"")

    await app(scope, receive, send)
    return status, headers, json.loads(data)


def _show(verb: str, status: int, answer: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return an answer in vcn's form: an artifact, or those of a history."""
    if status != 200:
        return _describe_error(status, answer)
    if verb == "inspect":
        return [_show_artifact(one) for one in answer["records"]]
    one = answer["assets"][0]
    if one.get("error") is not None:
        return _describe_error(status, one["error"])
    return _show_artifact(one)


def _show_artifact(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an asset or record as vcn shows an artifact."""
    predicate = one.get("predicate") or {}
    word = one.get("status")
    return {
        "kind": one.get("kind"),
        "name": one.get("name"),
        "hash": str(one.get("digest") or "").removeprefix("sha256:"),
        "size": one.get("size"),
        "metadata": predicate.get("attributes") or {},
        "signer": one.get("signer"),
        "timestamp": one.get("timestamp"),
        "status": None if word is None else Status[word].value,
        "index": one.get("index"),
    }


def _describe_error(status: int, error: Mapping[str, Any]) -> dict[str, Any]:
    """Return a failure in vcn's form."""
    return {
        "message": error.get("message"),
        "code": status,
        "error": error.get("error"),
    }


async def _send(
    send: Send, status: int, value: object, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send an answer of JSON."""
    data = json.dumps(value).encode("ascii")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": data})
