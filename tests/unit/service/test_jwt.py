"""Id tokens of a small issuer that runs, and forged ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jenkins_notary.errors import NotaryError, PermissionDeniedError, UnavailableError
from jenkins_notary.service.access import jwt
from jenkins_notary.service.access.jwt import Issuer, parse_key
from tests.parts.issuer import (
    TestIssuer,
    encode,
    encode_integer,
    encode_json,
    jwk_of,
    serve_issuer,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AUDIENCE = "https://notary.example.com"


@pytest.fixture
def issuer() -> Iterator[TestIssuer]:
    with serve_issuer() as one:
        yield one


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("audience", [AUDIENCE, ["other", AUDIENCE]])
def test_token_of_the_issuer_gives_its_claims(
    issuer: TestIssuer, alg: str, audience: object
) -> None:
    token = issuer.issue(alg=alg, aud=audience, sub="x")

    assert Issuer(issuer.url, AUDIENCE).verify(token)["sub"] == "x"


def forge(name: str, issuer: TestIssuer) -> str:
    """Return a token that must not hold."""
    now = int(time.time())
    good = issuer.issue(aud=AUDIENCE)
    head, body, signature = good.split(".")
    other = rsa.generate_private_key(65537, 2048)
    makers: dict[str, Callable[[], str]] = {
        "no-signature": lambda: f"{head}.{body}.",
        "alg-none": lambda: f"{encode_json({'alg': 'none', 'kid': 'rsa'})}.{body}.",
        "alg-hs256": lambda: issuer.issue(aud=AUDIENCE, header={"alg": "HS256"}),
        "alg-of-another-key": lambda: issuer.issue(
            alg="ES256", aud=AUDIENCE, header={"kid": "rsa"}
        ),
        "rsa-by-an-ec-key": lambda: issuer.issue(
            alg="RS256", aud=AUDIENCE, header={"kid": "ec"}
        ),
        "another-key": lambda: issuer.issue(aud=AUDIENCE, key=other),
        "key-in-the-header": lambda: issuer.issue(
            aud=AUDIENCE, key=other, header={"kid": "own", "jwk": jwk_of(other, "own")}
        ),
        "no-kid": lambda: issuer.issue(aud=AUDIENCE, header={"kid": None}),
        "critical": lambda: issuer.issue(aud=AUDIENCE, header={"crit": ["b64"]}),
        "other-body": lambda: f"{head}.{encode_json({'iss': 'x'})}.{signature}",
        "other-issuer": lambda: issuer.issue(aud=AUDIENCE, iss="https://evil"),
        "other-audience": lambda: issuer.issue(aud="other"),
        "no-audience": issuer.issue,
        "over": lambda: issuer.issue(aud=AUDIENCE, exp=now - 3600),
        "no-end": lambda: issuer.issue(aud=AUDIENCE, exp=None),
        "end-is-true": lambda: issuer.issue(aud=AUDIENCE, exp=True),
        "to-come": lambda: issuer.issue(aud=AUDIENCE, nbf=now + 3600),
        "issued-later": lambda: issuer.issue(aud=AUDIENCE, iat=now + 3600),
        "two-parts": lambda: f"{head}.{body}",
        "empty": lambda: "",
        "no-base64": lambda: f"{head}.{body}.!{signature}",
        "no-json": lambda: f"{encode(b'{')}.{body}.{signature}",
        "no-object": lambda: f"{encode(b'[]')}.{body}.{signature}",
        "deep": lambda: f"{head}.{encode(b'[' * 9000)}.{signature}",
        "long": lambda: f"{head}.{body}.{'A' * jwt.MAX_TOKEN}",
        "no-ascii": lambda: f"{head}.{body}.\u00e9",
    }
    return makers[name]()


FORGED = (
    *("no-signature", "alg-none", "alg-hs256", "alg-of-another-key"),
    *("rsa-by-an-ec-key", "another-key", "key-in-the-header", "no-kid", "critical"),
    *("other-body", "other-issuer", "other-audience", "no-audience", "over"),
    *("no-end", "end-is-true", "to-come", "issued-later", "two-parts", "empty"),
    *("no-base64", "no-json", "no-object", "deep", "long", "no-ascii"),
)


@pytest.mark.parametrize("name", FORGED)
def test_token_that_is_forged_or_over_is_refused(issuer: TestIssuer, name: str) -> None:
    token = forge(name, issuer)
    with pytest.raises(PermissionDeniedError) as caught:
        Issuer(issuer.url, AUDIENCE).verify(token)

    assert not token or token not in str(caught.value)


def test_each_byte_of_a_signature_counts(issuer: TestIssuer) -> None:
    head, body, signature = issuer.issue(alg="ES256", aud=AUDIENCE).split(".")
    verifier = Issuer(issuer.url, AUDIENCE)
    for place in range(0, len(signature) - 1, 7):
        changed = "B" if signature[place] == "A" else "A"
        forged = signature[:place] + changed + signature[place + 1 :]
        with pytest.raises(PermissionDeniedError):
            verifier.verify(f"{head}.{body}.{forged}")


def test_keys_are_asked_for_once_and_anew_for_an_unknown_one(
    issuer: TestIssuer,
) -> None:
    now = [1000.0]
    verifier = Issuer(issuer.url, AUDIENCE, clock=lambda: now[0])
    verifier.verify(issuer.issue(aud=AUDIENCE))
    verifier.verify(issuer.issue(aud=AUDIENCE))
    assert len(issuer.requests) == 2

    issuer.keys.append(jwk_of(issuer.rsa, "new"))
    token = issuer.issue(aud=AUDIENCE, header={"kid": "new"})
    with pytest.raises(PermissionDeniedError):
        verifier.verify(token)
    now[0] += jwt.RETRY_S + 1
    assert verifier.verify(token)["aud"] == AUDIENCE
    assert len(issuer.requests) == 4


def test_key_that_was_withdrawn_holds_for_an_hour_at_most(issuer: TestIssuer) -> None:
    now = [1000.0]
    verifier = Issuer(issuer.url, AUDIENCE, clock=lambda: now[0])
    token = issuer.issue(aud=AUDIENCE)
    verifier.verify(token)
    issuer.keys.clear()
    now[0] += jwt.KEEP_S + 1

    with pytest.raises(PermissionDeniedError):
        verifier.verify(token)


def lie(name: str, issuer: TestIssuer) -> None:
    """Let an issuer say what it must not."""
    assert issuer.discovery is not None
    if name == "keys-of-another-origin":
        issuer.discovery["jwks_uri"] = "http://127.0.0.1:1/jwks"
    elif name == "another-issuer":
        issuer.discovery["issuer"] = "https://evil.example.com"
    elif name == "no-json":
        issuer.discovery = None
    elif name == "no-keys-there":
        issuer.discovery["jwks_uri"] = f"{issuer.url}/gone"
    else:
        issuer.keys = ["x" * jwt.MAX_DOCUMENT]


@pytest.mark.parametrize(
    "name",
    [
        *("keys-of-another-origin", "another-issuer", "no-json"),
        *("no-keys-there", "too-long"),
    ],
)
def test_issuer_that_lies_gives_no_keys(issuer: TestIssuer, name: str) -> None:
    lie(name, issuer)
    token = issuer.issue(aud=AUDIENCE)

    with pytest.raises(UnavailableError):
        Issuer(issuer.url, AUDIENCE).verify(token)


def test_issuer_that_is_away_is_told_as_away() -> None:
    with serve_issuer() as issuer:
        token = issuer.issue(aud=AUDIENCE)

    with pytest.raises(UnavailableError):
        Issuer(issuer.url, AUDIENCE).verify(token)


def test_issuer_that_hangs_is_not_waited_for(
    issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwt, "_TIMEOUT_S", 0.2)
    issuer.delay_s = 1.0
    began = time.monotonic()
    with pytest.raises(NotaryError):
        Issuer(issuer.url, AUDIENCE).verify(issuer.issue(aud=AUDIENCE))

    assert time.monotonic() - began < 0.9


def weak_rsa() -> dict[str, Any]:
    return {"kty": "RSA", "n": encode_integer((1 << 1023) + 1, 128), "e": "AQAB"}


def large_rsa() -> dict[str, Any]:
    return {"kty": "RSA", "n": encode_integer((1 << 9000) + 1, 1126), "e": "AQAB"}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="nothing"),
        pytest.param({"kty": "oct", "k": "AA"}, id="symmetric"),
        pytest.param({"kty": "RSA"}, id="without-numbers"),
        pytest.param({"kty": "RSA", "n": 7, "e": "AQAB"}, id="number"),
        pytest.param({"kty": "RSA", "n": "!", "e": "AQAB"}, id="no-base64"),
        pytest.param(weak_rsa(), id="short"),
        pytest.param(large_rsa(), id="long"),
        pytest.param({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"}, id="curve"),
        pytest.param(
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, id="not-on-the-curve"
        ),
        pytest.param(
            {
                **jwk_of(ec.generate_private_key(ec.SECP256R1()), "x"),
                "use": "enc",
            },
            id="for-encryption",
        ),
    ],
)
def test_key_that_signs_nothing_here_is_left_out(value: object) -> None:
    assert parse_key(value) is None
