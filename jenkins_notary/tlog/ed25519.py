"""Check Ed25519 signatures with nothing but integers and SHA-512.

For machines where no cryptography library can be installed. It only checks: public
keys, messages and signatures are no secrets, so its varying time tells nobody
anything. There is no signing here and there must not be.

The first vector of the specification:

>>> public = bytes.fromhex(
...     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
>>> signature = bytes.fromhex(
...     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
...     "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")
>>> verify(public, b"", signature)
True
>>> verify(public, b"other", signature)
False

Rules: the equation without the cofactor, ``[S]B = R + [k]A``; S below the group order;
points in their only encoding. Keys and nonces of small order are refused, though the
RFC is silent: such a key would accept one signature for many messages. No signature
that an honest key makes is concerned.

Source: RFC 8032 sections 5.1.3 (decoding), 5.1.4 (adding), 5.1.7 (verifying).
"""

from __future__ import annotations

from hashlib import sha512

TYPE_CHECKING = False
if TYPE_CHECKING:
    # Extended coordinates: x = X/Z, y = Y/Z, x * y = T/Z.
    Point = tuple[int, int, int, int]

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_SQRT_MINUS_1 = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_BASE_X = 0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A
_BASE_Y = 0x6666666666666666666666666666666666666666666666666666666666666658
_BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
_NEUTRAL: Point = (0, 1, 1, 0)

_POINT_SIZE = 32
_SIGNATURE_SIZE = 64
_SIGN_BIT = 1 << 255
_SCALAR_BITS = 253


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the signature of the message is by this key.

    Args:
        public: 32 bytes; any others verify nothing.
        message: What was signed.
        signature: 64 bytes; any others do not hold.

    Cost: about 1 to 4 ms, and one pass of SHA-512 over the message.
    """
    if len(public) != _POINT_SIZE or len(signature) != _SIGNATURE_SIZE:
        return False
    # (1) RFC 8032 section 5.1.7, step 1: decode A and S; R is compared in its encoding,
    # which refuses every other spelling of the same point.
    key = _decode(public)
    encoded_nonce, scalar = signature[:_POINT_SIZE], _number(signature[_POINT_SIZE:])
    if key is None or scalar >= _ORDER or _has_small_order(key):
        return False
    # (2) Step 2: k = SHA-512(R, A, M).
    challenge = _number(sha512(encoded_nonce + public + message).digest()) % _ORDER
    # (3) Step 3, turned round: R must be [S]B - [k]A.
    x, y, z, t = key
    nonce = _combine(scalar, challenge, (_P - x, y, z, _P - t))
    return _encode(nonce) == encoded_nonce and not _has_small_order(nonce)


def _number(data: bytes) -> int:
    """Return the little-endian integer of the bytes."""
    return int.from_bytes(data, "little")


def _add(one: Point, other: Point) -> Point:
    """Return the sum of two points, equal or not. RFC 8032 section 5.1.4."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * _D * t1 % _P * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(point: Point) -> Point:
    """Return twice the point, in fewer steps than :func:`_add`."""
    x, y, z, _ = point
    a = x * x % _P
    b = y * y % _P
    h = a + b
    e = h - (x + y) * (x + y) % _P
    g = a - b
    f = 2 * z * z % _P + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _combine(scalar: int, challenge: int, key: Point) -> Point:
    """Return ``[scalar]B + [challenge]key``, two bits of both scalars at a time."""
    rows = [_NEUTRAL, key, _double(key), _add(_double(key), key)]
    columns = [_NEUTRAL, _BASE, _double(_BASE), _add(_double(_BASE), _BASE)]
    table = [_add(row, column) for row in rows for column in columns]
    total = _NEUTRAL
    for shift in range(_SCALAR_BITS & ~1, -1, -2):
        total = _double(_double(total))
        both = (challenge >> shift & 3) << 2 | scalar >> shift & 3
        if both:
            total = _add(total, table[both])
    return total


def _has_small_order(point: Point) -> bool:
    """Return whether eight times the point is the neutral element."""
    x, y, z, _ = _double(_double(_double(point)))
    return x == 0 and y == z


def _encode(point: Point) -> bytes:
    """Return the 32-byte encoding. RFC 8032 section 5.1.2."""
    x, y, z, _ = point
    inverse = pow(z, _P - 2, _P)
    x, y = x * inverse % _P, y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(_POINT_SIZE, "little")


def _decode(data: bytes) -> Point | None:
    """Return the point of an encoding, None if it is no canonical one.

    Source: RFC 8032 section 5.1.3.
    """
    number = _number(data)
    y = number & ~_SIGN_BIT
    if y >= _P:
        return None
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        x = x * _SQRT_MINUS_1 % _P
    is_odd = bool(number & _SIGN_BIT)
    if (v * x * x - u) % _P or (x == 0 and is_odd):
        return None
    if bool(x & 1) != is_odd:
        x = _P - x
    return x, y, 1, x * y % _P
