from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.keys.signatures import (
    ED25519_DER_PREFIX,
    EcdsaSigner,
    Ed25519Signer,
    KeyVerifier,
)
from jenkins_notary.trust.keys import signer_id

EDWARDS = Ed25519Signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
ECDSA = EcdsaSigner(ec.generate_private_key(ec.SECP256R1()))
EVERY = pytest.mark.parametrize("signer", [EDWARDS, ECDSA], ids=["ed25519", "ecdsa"])
VERIFIER = KeyVerifier()
DER = serialization.Encoding.DER
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@EVERY
def test_a_signature_holds_for_its_key_and_message(
    signer: Ed25519Signer | EcdsaSigner,
) -> None:
    signature = signer.sign(b"message")

    assert VERIFIER.is_valid(signer.public_der, signature, b"message")
    assert not VERIFIER.is_valid(signer.public_der, signature, b"messagE")
    other = EDWARDS if signer is ECDSA else ECDSA
    assert not VERIFIER.is_valid(other.public_der, signature, b"message")
    assert signer.keyid == signer_id(signer.public_der)


@EVERY
def test_no_changed_byte_of_a_signature_holds(
    signer: Ed25519Signer | EcdsaSigner,
) -> None:
    signature = signer.sign(b"message")

    for place in range(len(signature)):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not VERIFIER.is_valid(signer.public_der, bytes(changed), b"message")
        assert not VERIFIER.is_valid(signer.public_der, signature[:place], b"message")
    assert not VERIFIER.is_valid(signer.public_der, signature + b"\0", b"message")


def test_the_fixed_prefix_gives_the_librarys_own_der() -> None:
    key = ed25519.Ed25519PrivateKey.generate()

    assert Ed25519Signer(key).public_der == key.public_key().public_bytes(DER, SPKI)


@pytest.mark.parametrize(
    "public_der",
    [
        b"",
        b"\0",
        ED25519_DER_PREFIX,
        ED25519_DER_PREFIX + b"\xff" * 32,
        ED25519_DER_PREFIX + bytes(32),
        EDWARDS.public_der + b"\0",
        ECDSA.public_der[:-1],
        ECDSA.public_der[:-64] + bytes(64),
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(DER, SPKI),
        ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(DER, SPKI),
        bytes.fromhex("300b300706032b65700300"),
        bytes.fromhex("301006072a8648ce3d020106052b8104000a"),
    ],
    ids=lambda der: der.hex()[:16] or "empty",
)
def test_a_key_that_cannot_be_used_holds_nothing(public_der: bytes) -> None:
    for signature in (b"", bytes(64), EDWARDS.sign(b"m"), ECDSA.sign(b"m")):
        assert not VERIFIER.is_valid(public_der, signature, b"m")


@given(st.binary(max_size=100), st.binary(max_size=80))
def test_any_bytes_are_a_key_that_holds_nothing(key: bytes, signature: bytes) -> None:
    assert not VERIFIER.is_valid(key, signature, b"m")
    assert not VERIFIER.is_valid(ECDSA.public_der, signature, b"m")


@given(st.integers(0, 90), st.integers(0, 255))
def test_a_changed_byte_of_a_key_never_crashes(place: int, byte: int) -> None:
    changed = bytearray(ECDSA.public_der)
    changed[place] = byte

    VERIFIER.is_valid(bytes(changed), ECDSA.sign(b"m"), b"m")


def test_keys_of_strangers_do_not_fill_the_memory() -> None:
    verifier = KeyVerifier()

    for number in range(3000):
        verifier.is_valid(number.to_bytes(4, "big"), b"", b"")

    assert len(verifier._checks) <= 1024
    assert verifier.is_valid(EDWARDS.public_der, EDWARDS.sign(b"m"), b"m")


def test_a_mistake_of_the_caller_is_no_bad_signature() -> None:
    with pytest.raises(TypeError):
        VERIFIER.is_valid(EDWARDS.public_der, bytes(64), None)  # type: ignore[arg-type]  # The point.
