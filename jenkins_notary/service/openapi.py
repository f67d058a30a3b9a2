"""Describe the routes as OpenAPI 3.1, from the table that the application serves.

What the service checks by code (who may see which record) is told in words.
"""

from __future__ import annotations

import re

from jenkins_notary.errors import (
    AmbiguousError,
    ConfigurationError,
    FaultsError,
    IntegrityError,
    InternalError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.service.access.rules import RIGHTS
from jenkins_notary.service.routes import (
    DOWNLOAD,
    EVENTS,
    HEALTH,
    OPEN,
    ROUTES,
    STATIC,
    TILES,
    UPLOAD,
)
from jenkins_notary.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jenkins_notary.service.routes import Route

_KINDS = (
    *(AmbiguousError, ConfigurationError, FaultsError, IntegrityError, InternalError),
    *(NotFoundError, PermissionDeniedError, StorageError, UnavailableError),
    UsageError,
)
_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_RECORDS = {
    "type": "object",
    "required": ["records"],
    "properties": {"records": {"type": "array", "items": _OBJECT}},
}
_ASSETS = {
    "type": "object",
    "required": ["assets"],
    "properties": {"assets": {"type": "array", "items": _OBJECT}},
}
_ASSET = {
    "type": "object",
    "required": ["name", "kind", "digest"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "kind": _TEXT,
        "digest": _DIGEST,
        "ref": _TEXT_OR_NULL,
        "size": {"type": ["integer", "null"], "minimum": 0},
        "dirty": {"type": "boolean"},
    },
}
_QUESTION = {
    "assets": {"type": "array", "items": _ASSET},
    "org": _TEXT_OR_NULL,
    "signers": {"type": "array", "items": _TEXT},
    "asOf": _TEXT_OR_NULL,
}
_CALL = {
    "recordId": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "claimedAt": {"type": "string", "format": "date-time"},
}
_REQUESTS: dict[str, dict[str, Any]] = {
    "/records": {
        "type": "object",
        "description": "A claim; or `claims`, a list of them; or `envelopes`, a list "
        "of DSSE envelopes as text, which the client has signed.",
        "properties": {
            **_CALL,
            "status": {"enum": ["TRUSTED", "UNTRUSTED", "UNSUPPORTED"]},
            "job": {"type": ["object", "null"]},
            "reason": _TEXT_OR_NULL,
            "supersedes": {"type": "array", "items": {"type": "integer"}},
            "attributes": _OBJECT,
            "assets": {"type": "array", "items": _OBJECT},
            "attachments": {"type": "array", "items": _OBJECT},
            "claims": {"type": "array", "items": _OBJECT},
            "envelopes": {"type": "array", "items": _TEXT},
        },
    },
    "/attachments": {
        "type": "object",
        "required": ["recordId", "claimedAt", "attachment"],
        "properties": {
            **_CALL,
            "job": {"type": ["object", "null"]},
            "digests": {"type": "array", "items": _DIGEST},
            "attachment": _OBJECT,
        },
    },
    "/sessions": {
        "type": "object",
        "required": ["job"],
        "properties": {"job": _TEXT, "idToken": _TEXT_OR_NULL},
    },
    "/verdicts": {
        "type": "object",
        "required": ["assets"],
        "properties": {**_QUESTION, "strict": {"type": "boolean"}},
    },
    "/envelopes": {
        "type": "object",
        "required": ["digests"],
        "properties": {
            "digests": {
                "type": "array",
                "minItems": 1,
                "maxItems": 256,
                "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            }
        },
    },
    "/gate": {
        "type": "object",
        "required": ["assets", "policy"],
        "properties": {**_QUESTION, "policy": _TEXT},
    },
    "/collect": {
        "type": "object",
        "required": ["job"],
        "properties": {"job": _TEXT, "only": {"enum": ["log", None]}},
    },
    "/outbox": {
        "type": "object",
        "required": ["outbox", "events"],
        "properties": {
            "outbox": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "identity": _TEXT_OR_NULL,
            "instance": _TEXT_OR_NULL,
            "events": {"type": "array", "minItems": 1, "items": _OBJECT},
        },
    },
}
_ANSWERS: dict[str, dict[str, Any]] = {
    "/records": _OBJECT,
    "/attachments": _RECORDS,
    "/verdicts": _ASSETS,
    "/gate": _ASSETS,
    "/sessions": {
        "type": "object",
        "required": ["session"],
        "properties": {
            "session": _TEXT_OR_NULL,
            "nonce": _TEXT_OR_NULL,
            "line": _TEXT_OR_NULL,
            "expires": _TEXT,
            "reason": _TEXT,
        },
    },
    "/evidence": _RECORDS,
    "/envelopes": {
        "type": "object",
        "required": ["envelopes"],
        "properties": {"envelopes": _OBJECT},
    },
    "/collect": _RECORDS,
    "/outbox": {
        "type": "object",
        "required": ["accepted", "checkpoint"],
        "properties": {"accepted": {"type": "integer"}, "checkpoint": _TEXT},
    },
}
_NUMBER = {"type": "integer", "minimum": 0}
_PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "/evidence": {
        **dict.fromkeys(
            ("job", "digest", "commit", "signer", "since", "until", "started", "asOf"),
            _TEXT,
        ),
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        "before": _NUMBER,
        "receipts": {"enum": ["true", "false"]},
    },
    "/packed": {"from": _NUMBER, "to": _NUMBER},
    "/imports": {"origin": _TEXT, "signer": _TEXT},
    "/jobs": {
        "prefix": _TEXT,
        "after": _TEXT,
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
    },
    "/log": dict.fromkeys(("job", "stage", "started", "asOf", "lines", "grep"), _TEXT),
    "/logs": dict.fromkeys(("job", "stage", "started", "asOf"), _TEXT),
    "/coverage": {"folder": _TEXT, "all": {"enum": ["true", "false"]}},
    "/pack": {
        **dict.fromkeys(
            ("job", "started", "release", "folder", "since", "until"), _TEXT
        ),
        "bodies": {"enum": ["true", "false"]},
    },
    "/proofs": {
        **dict.fromkeys(("index", "from", "size"), _NUMBER),
        "log": {"enum": ["main", "trust"]},
    },
}
_FAILURES = {
    "400": "the request is wrong",
    "401": "no token that holds",
    "403": "the token may not",
    "404": "nothing that the token may see",
    "409": "several builds match",
    "413": "too many bytes",
    "422": "a policy that is none",
    "429": "more than a caller may ask for",
    "500": "altered, or a fault of the service",
    "503": "too much to do, or what it needs is away",
    "507": "the disk is full",
}


def describe_api() -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        if route.is_page or route.lane in {OPEN, STATIC, EVENTS}:
            # For browsers; programs have tokens.
            continue
        path = route.path.replace(":path}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _describe(route, path)
    error = {
        "type": "object",
        "required": ["error", "code", "message"],
        "properties": {
            "error": {"enum": sorted({one.word for one in _KINDS})},
            "code": {"type": "integer"},
            "message": _TEXT,
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jenkins-notary",
            "version": VERSION,
            "description": "A ledger that nobody alters unnoticed.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": error},
        },
        "security": [{"token": []}],
    }


def _describe(route: Route, path: str) -> dict[str, Any]:
    """Return the operation of a route."""
    key = path.removeprefix("/api/v1")
    roles = [role for role, rights in RIGHTS.items() if route.right in rights]
    asks = f" Roles: {', '.join(roles)}." if route.right else ""
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method} {key}").strip("_").lower(),
        "summary": route.summary,
        "description": f"{route.summary}{asks}",
        "parameters": _describe_parameters(path, key),
        "responses": {
            "200": {"description": "done", "content": _describe_answer(route, key)},
            **{
                status: {
                    "description": why,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Error"}
                        }
                    },
                }
                for status, why in _FAILURES.items()
            },
        },
    }
    if route.lane == HEALTH:
        operation["security"] = []
        operation["responses"] = {
            status: {"description": why, "content": _json_of(_OBJECT)}
            for status, why in (("200", "well"), ("503", "not ready"))
        }
    if route.lane == UPLOAD or (key == "/imports" and route.method == "POST"):
        schema = {"type": "string", "format": "binary"}
        content = {"application/octet-stream": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    elif key in _REQUESTS:
        operation["requestBody"] = {
            "required": True,
            "content": _json_of(_REQUESTS[key]),
        }
    return operation


def _describe_parameters(path: str, key: str) -> list[dict[str, Any]]:
    """Return the parameters of a path and its query."""
    found = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}
        for name in re.findall(r"{(\w+)}", path)
    ]
    found += [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in _PARAMETERS.get(key, {}).items()
    ]
    return found


def _path_schema(name: str) -> dict[str, Any]:
    """Return what a part of a path is."""
    if name == "sha256":
        return {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    return _NUMBER if name == "index" else _TEXT


def _describe_answer(route: Route, key: str) -> dict[str, Any]:
    """Return the content of a good answer."""
    if route.lane == TILES and key == "/checkpoint":
        return {"text/plain": {"schema": _TEXT}}
    if route.lane in {TILES, DOWNLOAD}:
        return {"application/octet-stream": {"schema": _TEXT}}
    if key == "/packed":
        return {"application/zstd": {"schema": _TEXT}}
    if key == "/pack":
        return {"application/x-tar": {"schema": _TEXT}}
    if key.endswith("/receipt") or key in {"/log", "/metrics"}:
        return {"text/plain": {"schema": _TEXT}}
    return _json_of(_ANSWERS.get(key, _OBJECT))


def _json_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the content of JSON of a schema."""
    return {"application/json": {"schema": schema}}
