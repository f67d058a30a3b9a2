"""The pure check agrees with RFC 8032 and refuses every odd spelling."""

from __future__ import annotations

from hashlib import sha512

import pytest

from jenkins_notary.tlog import ed25519
from jenkins_notary.tlog.ed25519 import verify
from tests.unit.tlog.builders import Signer, changes_of, check_signature, load_vectors

VECTORS = load_vectors("ed25519.json")
ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
SIGNER = Signer("example.com/log")
MESSAGE = b"message"
SIGNATURE = SIGNER.sign(MESSAGE)


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda v: v["name"])
class TestPublished:
    def test_signatures_hold(self, vector: dict[str, str]) -> None:
        public, message, signature = (
            bytes.fromhex(vector[part]) for part in ("public", "message", "signature")
        )

        assert verify(public, message, signature)

    def test_every_changed_byte_is_refused(self, vector: dict[str, str]) -> None:
        public, message, signature = (
            bytes.fromhex(vector[part]) for part in ("public", "message", "signature")
        )

        for changed in changes_of(signature):
            assert not verify(public, message, changed)
        for changed in changes_of(public):
            assert not verify(changed, message, signature)
        for changed in changes_of(message):
            assert not verify(public, changed, signature)
        assert not verify(public, message + b"\0", signature)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_of_another_length_verifies_nothing(length: int) -> None:
    assert not verify((SIGNER.key.public * 2)[:length], MESSAGE, SIGNATURE)


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_signature_of_another_length_does_not_hold(length: int) -> None:
    assert not verify(SIGNER.key.public, MESSAGE, (SIGNATURE * 2)[:length])


@pytest.mark.parametrize("multiple", [1, 2, 8, 15])
def test_the_same_scalar_written_larger_is_refused(multiple: int) -> None:
    """RFC 8032 section 5.1.7: S in range 0 <= S < L, or a third could change it."""
    scalar = int.from_bytes(SIGNATURE[32:], "little") + multiple * ORDER
    larger = SIGNATURE[:32] + (scalar % 2**256).to_bytes(32, "little")

    assert verify(SIGNER.key.public, MESSAGE, SIGNATURE)
    assert not verify(SIGNER.key.public, MESSAGE, larger)


def test_half_of_all_encodings_are_no_points() -> None:
    agreed = 0
    for number in range(2, 30):
        public = number.to_bytes(32, "little")
        agreed += ed25519._decode(public) is None

        assert not verify(public, MESSAGE, SIGNATURE)

    assert 5 < agreed < 23


@pytest.mark.parametrize("encoded", VECTORS["small_order_points"])
def test_points_of_small_order_are_refused_as_keys(encoded: str) -> None:
    """Such a key would accept a signature made without any private key."""
    public = bytes.fromhex(encoded)
    point = ed25519._decode(public)
    assert point is not None
    assert ed25519._has_small_order(point)
    assert ed25519._encode(point) == public

    for count in range(64):
        message = b"message %d" % count
        assert not verify(public, message, public + bytes(32))
        assert not verify(public, message, b"\x01" + bytes(31) + bytes(32))


@pytest.mark.parametrize("encoded", VECTORS["other_encodings"])
def test_other_encodings_are_no_points(encoded: str) -> None:
    """RFC 8032 section 5.1.3: y >= p, or x = 0 with its sign bit set, fails."""
    assert ed25519._decode(bytes.fromhex(encoded)) is None
    assert not verify(bytes.fromhex(encoded), MESSAGE, SIGNATURE)


def test_a_nonce_of_small_order_is_refused() -> None:
    """Only the key's owner can make one; the stricter libraries refuse it too."""
    nonce = b"\x01" + bytes(31)
    seed_hash = bytearray(sha512(bytes(32)).digest()[:32])
    seed_hash[0] &= 248
    seed_hash[31] = seed_hash[31] & 63 | 64
    secret = int.from_bytes(seed_hash, "little")
    challenge = int.from_bytes(
        sha512(nonce + SIGNER.key.public + MESSAGE).digest(), "little"
    )
    signature = nonce + (challenge * secret % ORDER).to_bytes(32, "little")

    assert check_signature(SIGNER.key.public, MESSAGE, signature)
    assert not verify(SIGNER.key.public, MESSAGE, signature)


def test_the_constants_are_those_of_the_curve() -> None:
    x, y, z, t = ed25519._BASE

    assert (121666 * ed25519._D + 121665) % PRIME == 0
    assert ed25519._SQRT_MINUS_1**2 % PRIME == PRIME - 1
    assert (y * 5 - 4) % PRIME == 0
    assert (-x * x + y * y - 1 - ed25519._D * x * x * y * y) % PRIME == 0
    assert (z, t) == (1, x * y % PRIME)
    assert x % 2 == 0
