"""Stand in for the notary service: its HTTP contract over a real ledger on loopback.

Records are real: signed, appended to a SQLite ledger and proven by receipts; only what
answers HTTP is simple. It keeps every request that it saw, and can be told to fail:

    with StandIn(tmp_path) as service:
        service.fail(Fault(503), Fault(429, retry_after=1))   # the next two requests
        ...
        assert [one.path for one in service.seen] == ["/api/v1/records"] * 3

Source: docs/formats/service-api.md.
"""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import socket
import ssl
import threading
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from jenkins_notary.api.authenticate import authenticate_assets
from jenkins_notary.api.claims import author_of, record_claim
from jenkins_notary.api.evidence import show_record
from jenkins_notary.api.gate import gate_assets
from jenkins_notary.api.notary import Notary
from jenkins_notary.assets.asset import Asset, Subject
from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.errors import (
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.trust.keys import parse_signer_id
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.body import format_body
from jenkins_notary.values.digest import digest_hex, parse_digest
from jenkins_notary.values.query import Query
from jenkins_notary.values.statement import Subject as Named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from jenkins_notary.values.body import Body

TOKEN = "builds.s3cret-token"
STATUS = {64: 400, 65: 500, 66: 404, 67: 409, 69: 503, 70: 500, 74: 507, 77: 403}
QUERY = {
    "asOf": "as_of",
    **{
        key: key
        for key in (
            *("job", "digest", "commit", "signer"),
            *("since", "until", "started"),
        )
    },
}


class Seen(NamedTuple):
    """One request as it came.

    Attributes:
        method: Its method.
        path: Path and query.
        headers: Fields by lower-case name.
        body: Its body.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document's shape is the test's matter
        """Return the body's JSON."""
        return json.loads(self.body)


class Fault(NamedTuple):
    """How one request goes wrong.

    Attributes:
        status: The status; 0 to answer well.
        retry_after: Value of ``Retry-After``, or None.
        body: What is sent instead of the JSON, or None.
        content_type: The body's type.
        location: Value of ``Location``, or None.
        hang_s: Seconds of silence before the answer.
        cut: Send only so many bytes of the answer, then close; None for all.
        change: Returns what is sent instead of the good answer's JSON.
    """

    status: int = 0
    retry_after: str | None = None
    body: bytes | None = None
    content_type: str = "application/json"
    location: str | None = None
    hang_s: float = 0.0
    cut: int | None = None
    change: Callable[[Any], object] | None = None


class StandIn:
    """A service that runs until the block ends.

    Attributes:
        url: What ``--ledger`` takes.
        token: The token that it takes; every other one is refused.
        seen: Every request so far.
        logs: Console logs that ``POST /collect`` finds, by job id.
        events: Events that ``POST /outbox`` took.
        ledger: The ledger's file, for the installed program.
        environ: The environment of whoever administers it.
    """

    def __init__(
        self, folder: Path, *, certificate: tuple[Path, Path] | None = None
    ) -> None:
        """Make a ledger in a folder of its own and listen on loopback."""
        home = folder / "service"
        home.mkdir(parents=True)
        self.ledger = home / "ledger.db"
        self.environ = {"HOME": str(home)}
        self.token = TOKEN
        self.seen: list[Seen] = []
        self.logs: dict[str, bytes] = {}
        self.events: list[Any] = []
        self._bodies: dict[str, Body] = {}
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        with self.notary() as notary:
            notary.ledger.init()
            self.vkey = notary.ledger.status().vkey
        self._server = _Server(("127.0.0.1", 0), _make_handler(self))
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def client(self) -> dict[str, str]:
        """The environment of an agent that uses this service."""
        return {
            "JENKINS_NOTARY_LEDGER": self.url,
            "JENKINS_NOTARY_TOKEN": self.token,
            "JENKINS_NOTARY_LOG": self.vkey,
        }

    def notary(self) -> Notary:
        """Return the API on its ledger."""
        return Notary(str(self.ledger), environ=self.environ)

    def fail(self, *faults: Fault) -> None:
        """Let the next requests go wrong, one after the other."""
        self._faults += faults

    def answer(self, seen: Seen) -> tuple[int, dict[str, Any]]:
        """Return (status, JSON) of a request."""
        try:
            given = seen.headers.get("authorization")
            if given != f"Bearer {self.token}":
                error = PermissionDeniedError("token", expected="one of this service")
                return 401, error.to_dict()
            # One ledger, one writer at a time: the real service commits groups.
            with self._lock, self.notary() as notary:
                return 200, self._route(notary, seen)
        except NotaryError as error:
            return STATUS.get(error.exit_code, 422), error.to_dict()

    def take_fault(self) -> Fault:
        """Return how the next request goes wrong."""
        with self._lock:
            return self._faults.pop(0) if self._faults else Fault()

    def _route(self, notary: Notary, seen: Seen) -> dict[str, Any]:
        path, _, query = seen.path.partition("?")
        method, place = seen.method, path.removeprefix("/api/v1")
        if method == "PUT" and place.startswith("/blobs/sha256:"):
            return self._put(notary, place.rpartition(":")[2], seen.body)
        if method == "GET" and place == "/evidence":
            return _evidence(notary, dict(urllib.parse.parse_qsl(query)))
        routes: dict[str, Callable[[Notary, Any], dict[str, Any]]] = {
            "/records": self._record,
            "/attachments": self._attach,
            "/verdicts": _verdicts,
            "/gate": _gate,
            "/collect": self._collect,
            "/outbox": self._outbox,
        }
        if method != "POST" or place not in routes:
            raise NotFoundError(f"{method} {path}", expected="a path of this service")
        return routes[place](notary, seen.json)

    def _record(self, notary: Notary, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        session = notary._session
        records = record_claim(session, parse_claim(value), self._bodies)
        view = session.view()
        indexes = {one.index for one in records}
        stored = {n: view.envelope_bytes(view.record(n)) or b"" for n in indexes}
        return {
            "assets": [one.to_dict() for one in records],
            "envelopes": {str(n): data.decode() for n, data in stored.items()},
        }

    def _put(self, notary: Notary, hex_digits: str, data: bytes) -> dict[str, Any]:
        if hashlib.sha256(data).hexdigest() != hex_digits:
            raise UsageError("body", expected=f"sha256:{hex_digits}", got="others")
        body = notary._session.blobs.put(io.BytesIO(data))
        self._bodies[hex_digits] = body
        return {"body": {"sha256": body.sha256_hex, "size": body.size}}

    def _attach(self, notary: Notary, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        one, session = value["attachment"], notary._session
        body = self._bodies.get(one["body"]["sha256"])
        if body is None:
            raise NotFoundError("body", expected="one that was sent before")
        digests = [parse_digest(given) for given in value["digests"]]
        subjects = [Named(one["name"], body.sha256_hex)]
        subjects += [Named(given, digest_hex(given)) for given in digests]
        facts = {
            "job": value["job"],
            "name": one["name"],
            "body": format_body(body),
            "label": one["label"],
            "mime": one["mime"],
        }
        author = author_of(session.signer(), value["recordId"], value["claimedAt"])
        (index,) = session.append([author.sign("attachment", subjects, facts)])
        view = session.view()
        return {"records": [show_record(view, view.record(index)).to_dict()]}

    def _collect(self, notary: Notary, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        log = self.logs.get(value["job"])
        if log is None:
            raise UnavailableError("Jenkins", expected="access", got="none here")
        path = self.ledger.with_name("console.txt")
        path.write_bytes(log)
        record = notary.put_log(value["job"], str(path))
        return {"records": [record.to_dict()]}

    def _outbox(self, notary: Notary, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        for event in value["events"]:
            for claim in event.get("claims", []):
                record_claim(notary._session, parse_claim(claim))
            self.events.append(event)
        return {"accepted": value["events"][-1]["seq"]}


def _read_assets(value: Any) -> list[Asset]:  # noqa: ANN401 - JSON
    """Return the assets of a question."""
    return [
        Asset(
            one["name"],
            one["kind"],
            one["size"],
            (Subject(one["name"], one["digest"]),),
            one["ref"],
            dirty=one["dirty"],
        )
        for one in value["assets"]
    ]


def _read_rule(value: Any) -> TrustRule:  # noqa: ANN401 - JSON
    """Return whose word counts."""
    return TrustRule(
        value["org"], tuple(parse_signer_id(one) for one in value["signers"])
    )


def _verdicts(notary: Notary, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    assets = _read_assets(value)
    verdicts = authenticate_assets(
        notary._session,
        [one.name for one in assets],
        lambda _: assets,
        _read_rule(value),
        as_of=value["asOf"],
        strict=value["strict"],
    )
    return {"assets": [one.to_dict() for one in verdicts]}


def _gate(notary: Notary, value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    assets = _read_assets(value)
    decisions = gate_assets(
        notary._session,
        value["policy"].encode(),
        [one.name for one in assets],
        lambda _: assets,
        rule=_read_rule(value),
        as_of=value["asOf"],
    )
    return {"assets": [one.to_dict() for one in decisions]}


def _evidence(notary: Notary, asked: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        QUERY[key]: value for key, value in asked.items() if key in QUERY
    }
    if "before" in asked:
        found["before"] = int(asked["before"])
    query = Query(**found, limit=int(asked.get("limit", "1000")))
    records = notary.evidence(query, receipts=asked.get("receipts") == "true")
    return {"records": [one.to_dict() for one in records]}


class _Server(http.server.ThreadingHTTPServer):
    """A server that says nothing of connections that broke."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: breaking connections is a test's work."""


def _make_handler(service: StandIn) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: C901 - a class
    """Return the handler of one service's requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._handle()

        def do_POST(self) -> None:
            self._handle()

        def do_PUT(self) -> None:
            self._handle()

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {key.lower(): value for key, value in self.headers.items()}
            seen = Seen(self.command, self.path, headers, body)
            service.seen.append(seen)
            fault = service.take_fault()
            time.sleep(fault.hang_s)
            status, data = self._make(seen, fault)
            self.close_connection = True
            try:
                self._send(status, data, fault)
            except OSError:
                return  # Nobody waits any more.

        def _make(self, seen: Seen, fault: Fault) -> tuple[int, bytes]:
            if fault.status or fault.body is not None:
                return fault.status or 200, fault.body or b""
            status, value = service.answer(seen)
            if fault.change is not None:
                changed = fault.change(json.loads(json.dumps(value)))
                return status, json.dumps(changed).encode()
            return status, json.dumps(value).encode()

        def _send(self, status: int, data: bytes, fault: Fault) -> None:
            lines = [
                f"HTTP/1.1 {status} Said",
                f"Content-Type: {fault.content_type}",
                f"Content-Length: {len(data)}",
                "Connection: close",
            ]
            if fault.retry_after is not None:
                lines.append(f"Retry-After: {fault.retry_after}")
            if fault.location is not None:
                lines.append(f"Location: {fault.location}")
            whole = "\r\n".join([*lines, "", ""]).encode() + data
            self.wfile.write(whole if fault.cut is None else whole[: fault.cut])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)

    return Handler
