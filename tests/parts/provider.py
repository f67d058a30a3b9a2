"""A small OpenID provider, run as a process of its own.

It logs in whoever its file ``next.json`` names, without asking, and holds clients to
what they must send: an exact redirect URI, S256, the verifier, the secret, each code
once::

    {"sub": "jane", "groups": ["payments"]}      claims of the next id token
    {"sub": "jane", "nonce": "other"}            ... which may be wrong ones
    {"error": "access_denied"}                   nobody is logged in

Its first line of output is its address.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from tests.parts.issuer import TestIssuer, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, SECRET = "notary", "a secret/of+the:client"
ROOT = Path(__file__).resolve().parents[2]


class Provider(NamedTuple):
    """A provider that runs.

    Attributes:
        url: Its issuer.
        file: Where the next claims are written.
    """

    url: str
    file: Path

    def next(self, **claims: object) -> None:
        """Log somebody else in from now on."""
        self.file.write_text(json.dumps(claims))


@contextmanager
def run_provider(folder: Path) -> Iterator[Provider]:
    """Run a provider until the block ends."""
    file = folder / "next.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.parts.provider", str(file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield Provider(process.stdout.readline().decode().strip(), file)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Flows:
    """The logins that were begun, by their codes."""

    def __init__(self, issuer: TestIssuer, file: Path) -> None:
        self._issuer = issuer
        self._file = file
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, query: dict[str, str]) -> tuple[int, str]:
        """Return (status, where the browser goes or what is wrong)."""
        right = {
            "response_type": "code",
            "client_id": CLIENT,
            "code_challenge_method": "S256",
        }
        wrong = [key for key, value in right.items() if query.get(key) != value]
        if wrong or not query["redirect_uri"].endswith("/login/oidc/callback"):
            return 400, f"wrong: {wrong} {query}"
        claims = json.loads(self._file.read_text())
        back = {
            "state": query["state"],
            "iss": claims.pop("answer_iss", self._issuer.url),
        }
        if "error" in claims:
            back["error"] = claims["error"]
        else:
            back["code"] = secrets.token_urlsafe(16)
            self._codes[back["code"]] = query
        return 303, f"{query['redirect_uri']}?{urlencode(back)}"

    def redeem(self, form: dict[str, str], login: str) -> tuple[int, dict[str, Any]]:
        """Return (status, JSON) for a code."""
        query = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        pair = base64.b64decode(login.removeprefix("Basic ")).decode().split(":")
        if [unquote_plus(one) for one in pair] != [CLIENT, SECRET]:
            return 401, {"error": "invalid_client"}
        if (
            query is None
            or query["code_challenge"] != encode(digest)
            or query["redirect_uri"] != form.get("redirect_uri")
            or form.get("grant_type") != "authorization_code"
        ):
            return 400, {"error": "invalid_grant"}
        claims = json.loads(self._file.read_text())
        status = claims.pop("token_status", 200)
        value = {"aud": CLIENT, "nonce": query["nonce"], **claims}
        return status, {"token_type": "Bearer", "id_token": self._issuer.issue(**value)}


def main(file: Path) -> None:
    """Serve until ended."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                query = {key: one[0] for key, one in parse_qs(parts.query).items()}
                status, place = flows.authorize(query)
                self._send(status, place.encode(), Location=place)
            else:
                self._send(*issuer.answer(self.path))

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"])).decode()
            login = self.headers.get("Authorization", "")
            status, value = flows.redeem(dict(parse_qsl(data)), login)
            self._send(status, json.dumps(value).encode())

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = TestIssuer(f"http://127.0.0.1:{server.server_address[1]}")
    assert issuer.discovery is not None
    issuer.discovery["authorization_endpoint"] = f"{issuer.url}/authorize"
    issuer.discovery["token_endpoint"] = f"{issuer.url}/token"
    flows = Flows(issuer, file)
    print(issuer.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
