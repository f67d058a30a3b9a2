"""An issuer of id tokens on loopback: discovery, keys, and tokens as asked for.

    with serve_issuer() as issuer:
        token = issuer.issue(aud="notary", sub="https://ci.example.com/job/app/")
        issuer.url, issuer.requests

It serves what a test puts into ``discovery`` and ``keys``, so it can lie.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

if TYPE_CHECKING:
    from collections.abc import Iterator

_RSA = rsa.generate_private_key(65537, 2048)


class TestIssuer:
    """One issuer.

    Attributes:
        url: Its ``iss``.
        rsa: Its key of the id ``rsa``.
        ec: Its key of the id ``ec``.
        discovery: What it says of itself; None for a page that is no JSON.
        keys: The JWKs that it publishes.
        delay_s: How long it waits before each answer.
        requests: The paths that were asked for.
    """

    __test__ = False

    def __init__(self, url: str) -> None:
        self.url = url
        self.rsa = _RSA
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.discovery: dict[str, Any] | None = {
            "issuer": url,
            "jwks_uri": f"{url}/jwks",
        }
        self.keys: list[Any] = [jwk_of(self.rsa, "rsa"), jwk_of(self.ec, "ec")]
        self.delay_s = 0.0
        self.requests: list[str] = []

    def issue(
        self,
        *,
        alg: str = "RS256",
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
        header: dict[str, Any] | None = None,
        **claims: object,
    ) -> str:
        """Return a token that holds for an hour, unless claims say otherwise."""
        now = int(time.time())
        own = key or (self.rsa if alg == "RS256" else self.ec)
        kid = "rsa" if isinstance(own, rsa.RSAPrivateKey) else "ec"
        head = {"alg": alg, "kid": kid, "typ": "JWT", **(header or {})}
        body = {"iss": self.url, "iat": now, "exp": now + 3600, **claims}
        message = f"{encode_json(head)}.{encode_json(body)}".encode()
        return f"{message.decode()}.{encode(sign(own, message))}"

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return (status, body) of a path."""
        self.requests.append(path)
        time.sleep(self.delay_s)
        if path == "/.well-known/openid-configuration":
            if self.discovery is None:
                return 200, b"<html>"
            return 200, json.dumps(self.discovery).encode()
        if path == "/jwks":
            return 200, json.dumps({"keys": self.keys}).encode()
        return 404, b"{}"


def sign(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return a JWS signature by RS256 or ES256."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    pair = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return b"".join(one.to_bytes(32, "big") for one in pair)


def jwk_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str
) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        n, e = encode_integer(public.n, 256), encode_integer(public.e, 3)
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": n, "e": e}
    point = key.public_key().public_numbers()
    x, y = encode_integer(point.x, 32), encode_integer(point.y, 32)
    return {"kty": "EC", "kid": kid, "crv": "P-256", "x": x, "y": y}


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(value: object) -> str:
    """Return a part of a token."""
    return encode(json.dumps(value).encode())


def encode_integer(number: int, size: int) -> str:
    """Return a number of a JWK."""
    return encode(number.to_bytes(size, "big"))


@contextlib.contextmanager
def serve_issuer() -> Iterator[TestIssuer]:
    """Serve an issuer until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = issuer.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = TestIssuer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
