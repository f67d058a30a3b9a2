"""Believe a JSON Web Token of one issuer: signature, issuer, audience and time.

1. The token is compact JWS of bounded size, with ``alg`` RS256 or ES256 and a ``kid``.
   What a header says of keys (``jku``, ``x5c``, ``jwk``) is not looked at.
2. The key is one of the issuer's: found by ``kid`` among those that it publishes, and
   of the kind that the algorithm needs.
3. ``iss`` is the issuer, ``aud`` holds the audience, ``exp`` is to come, and ``nbf``
   and ``iat`` are not, within :data:`LEEWAY_S`.

The issuer's keys come from the ``jwks_uri`` of its discovery document, which must be
of the issuer's own origin. They are asked for with a time-out, without redirects,
bounded in size, kept for :data:`KEEP_S`, and asked for anew for an unknown ``kid`` at
most every :data:`RETRY_S`.

Source: RFC 7515, RFC 7517, RFC 7518 section 3, RFC 7519; OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import binascii
import json
import threading
import time
from base64 import urlsafe_b64decode
from urllib.parse import urlsplit

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from jenkins_notary.errors import PermissionDeniedError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeGuard

    PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

MAX_TOKEN = 16 << 10
MAX_DOCUMENT = 256 << 10
MAX_KEYS = 100
LEEWAY_S = 60
KEEP_S = 3600.0
RETRY_S = 30.0
_TIMEOUT_S = 4.0
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 8192


class Issuer:
    """One issuer, whose keys are asked for when they are needed."""

    def __init__(
        self,
        url: str,
        audience: str,
        *,
        ca_file: str | None = None,
        wall_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet.

        Args:
            url: The issuer, as its tokens name it.
            audience: Whom the tokens must be meant for.
            ca_file: PEM file of the authorities to trust, or None for the system's.
            wall_s: Seconds since the epoch.
            clock: Monotonic seconds.
        """
        self._url = url
        self._audience = audience
        self._ca_file = ca_file
        self._wall_s = wall_s
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, PublicKey] = {}
        self._asked_s = -KEEP_S

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token of this issuer.

        Raises:
            PermissionDeniedError: It is none that holds.
            UnavailableError: The issuer's keys cannot be had.
        """
        if len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
            raise _refused("a compact token", "something else")
        head, body, last = token.split(".")
        header, claims = _parse_object(head), _parse_object(body)
        signature = _decode(last)
        key = self._find_key(header)
        message = f"{head}.{body}".encode()
        if not _is_signed(str(header.get("alg")), key, signature, message):
            raise _refused("the issuer's signature", "another")
        self._check_claims(claims)
        return claims

    def _find_key(self, header: Mapping[str, Any]) -> PublicKey:
        """Return the key that a header names."""
        kid = header.get("kid")
        if header.get("alg") not in _CHECKS or not isinstance(kid, str):
            raise _refused("RS256 or ES256 and a kid", str(header.get("alg"))[:40])
        if "crit" in header:
            raise _refused("no critical extension", "one")
        with self._lock:
            age_s = self._clock() - self._asked_s
            if age_s > KEEP_S or (kid not in self._keys and age_s > RETRY_S):
                self._asked_s = self._clock()
                self._keys = self._fetch_keys()
            key = self._keys.get(kid)
        if key is None:
            raise _refused("a key of the issuer", "another")
        return key

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        """Check issuer, audience and times."""
        if claims.get("iss") != self._url:
            raise _refused(f"the issuer {self._url}", str(claims.get("iss"))[:200])
        audience = claims.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if self._audience not in meant:
            raise _refused(f"the audience {self._audience}", str(audience)[:200])
        now_s = self._wall_s()
        expires = claims.get("exp")
        if not _is_number(expires) or expires < now_s - LEEWAY_S:
            raise _refused("a token that holds", "one that is over")
        for name in ("nbf", "iat"):
            begins = claims.get(name, 0)
            if not _is_number(begins) or begins > now_s + LEEWAY_S:
                raise _refused("a token that holds", f"{name} to come")

    def _fetch_keys(self) -> dict[str, PublicKey]:
        """Return the keys that the issuer publishes, by their ids."""
        base = self._url.rstrip("/")
        found = self._fetch(f"{base}/.well-known/openid-configuration")
        uri = found.get("jwks_uri")
        own, named = urlsplit(self._url), urlsplit(uri if isinstance(uri, str) else "")
        if found.get("issuer") != self._url or own[:2] != named[:2]:
            raise UnavailableError(
                f"issuer {self._url}",
                expected="its own discovery document, with keys of the same origin",
                got="another",
            )
        listed = self._fetch(str(uri)).get("keys")
        keys = {}
        for one in listed[:MAX_KEYS] if isinstance(listed, list) else []:
            key = parse_key(one)
            if key is not None:
                keys[str(one.get("kid"))] = key
        return keys

    def _fetch(self, url: str) -> Mapping[str, Any]:
        """Return the JSON object at a URL of the issuer."""
        try:
            with requests.get(
                url,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
                verify=self._ca_file or True,
                headers={"Accept": "application/json"},
            ) as answer:
                data = _read(answer, self._clock() + _TIMEOUT_S, self._clock)
                status = answer.status_code
        except (requests.RequestException, OSError) as error:
            raise UnavailableError(
                f"issuer {self._url}", expected="its keys", got=type(error).__name__
            ) from error
        try:
            value = json.loads(data) if status == 200 else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise UnavailableError(
                f"issuer {self._url}",
                expected="a JSON object",
                got=f"HTTP {status}, {len(data)} bytes",
            )
        return value


def parse_key(value: object) -> PublicKey | None:
    """Return the public key of a JWK; None for one that signs nothing here."""
    own = value if isinstance(value, dict) else {}
    if own.get("use", "sig") != "sig":
        return None
    try:
        if own.get("kty") == "RSA":
            public = rsa.RSAPublicNumbers(_integer(own, "e"), _integer(own, "n"))
            if not _MIN_RSA_BITS <= public.n.bit_length() <= _MAX_RSA_BITS:
                return None
            return public.public_key()
        if own.get("kty") == "EC" and own.get("crv") == "P-256":
            return ec.EllipticCurvePublicNumbers(
                _integer(own, "x"), _integer(own, "y"), ec.SECP256R1()
            ).public_key()
    except (ValueError, PermissionDeniedError):
        return None
    return None


def _read(
    answer: requests.Response, deadline: float, clock: Callable[[], float]
) -> bytes:
    """Return a body that is neither too long nor too slow."""
    data = b""
    for piece in answer.iter_content(8192):
        data += piece
        if len(data) > MAX_DOCUMENT or clock() > deadline:
            message = "too long or too slow"
            raise OSError(message)
    return data


def _is_rs256(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether an RSA signature is good."""
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    return True


def _is_es256(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether an ECDSA signature is good; its form is r and s, 32 bytes each."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 64:
        return False
    halves = (signature[:32], signature[32:])
    pair = utils.encode_dss_signature(*(int.from_bytes(one, "big") for one in halves))
    key.verify(pair, message, ec.ECDSA(hashes.SHA256()))
    return True


_CHECKS: Mapping[str, Callable[[PublicKey, bytes, bytes], bool]] = {
    "RS256": _is_rs256,
    "ES256": _is_es256,
}


def _is_signed(name: str, key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether a key has signed a message by an algorithm."""
    try:
        return _CHECKS[name](key, signature, message)
    except InvalidSignature:
        return False


def _parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object in a part of a token."""
    try:
        value = json.loads(_decode(text))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _refused("JSON objects", "something else")
    return value


def _integer(value: Mapping[str, Any], name: str) -> int:
    """Return a number of a key."""
    text = value.get(name)
    return int.from_bytes(_decode(text if isinstance(text, str) else ""), "big")


def _decode(text: str) -> bytes:
    """Return the bytes of base64url without padding."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise _refused("base64url", "something else") from error


def _is_number(value: object) -> TypeGuard[float]:
    """Return whether a time is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _refused(expected: str, got: str) -> PermissionDeniedError:
    """Return the error for a token that does not hold; it is not shown."""
    return PermissionDeniedError("id token", expected=expected, got=got)
