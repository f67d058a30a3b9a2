r"""Read and check cosignatures: a witness says what checkpoint it saw, and when.

On the signature line of a checkpoint stands the time (8 bytes, big-endian, seconds
since 1970), then an Ed25519 signature. What is signed is the text with two lines before
it. The example of the specification, without its key id:

>>> from jenkins_notary.tlog.canonical import decode_base64
>>> blob = decode_base64(
...     "AAAAAGQYUMsRkwfBJFok2IgOh70Nif/Ndyu08d6iUwjk5ZcSFkIH12WsMmxfdvajKKf"
...     "Wc9mqF/mc2jTFR76ZshQGQEh9n6qc", "cosignature")
>>> cosignature = parse_cosignature(blob)
>>> cosignature.timestamp
1679315147
>>> cosignature_message("example.com/behind-the-sofa\n...\n", 1679315147)
b'cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n...\n'

It speaks of origin, size and root; extension lines are covered, not vouched for.

Left out: ML-DSA-44 cosignatures (type 0x06), for which no check exists here.

Source: C2SP tlog-cosignature, "Format" and "Ed25519 signed message".
"""

from __future__ import annotations

from jenkins_notary.errors import ConfigurationError, IntegrityError, UsageError
from jenkins_notary.shapes import NamedTuple
from jenkins_notary.tlog.canonical import MAX_NUMBER, show
from jenkins_notary.tlog.note import ALGORITHM_COSIGNATURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jenkins_notary.tlog.note import CheckSignature, VerifierKey

_TIME_SIZE = 8
_SIGNATURE_SIZE = 64


class Cosignature(NamedTuple):
    """Time and signature, as they stand behind the key id.

    Attributes:
        timestamp: Seconds since 1970 UTC, 0 to 2**63 - 1.
        signature: 64 bytes of Ed25519.
    """

    timestamp: int
    signature: bytes


def cosignature_message(note_text: str, timestamp: int) -> bytes:
    """Return the bytes that a witness signs.

    Args:
        note_text: The checkpoint's text, with its final newline.
        timestamp: Seconds since 1970 UTC.
    """
    return f"cosignature/v1\ntime {timestamp}\n{note_text}".encode()


def format_cosignature(cosignature: Cosignature) -> bytes:
    """Return what stands behind the key id; inverse of :func:`parse_cosignature`.

    Raises:
        UsageError: A time out of range, or a signature that is not 64 bytes.
    """
    timestamp, signature = cosignature
    if not 0 <= timestamp <= MAX_NUMBER or len(signature) != _SIGNATURE_SIZE:
        raise UsageError(
            "cosignature", expected="a time from 0 to 2**63 - 1, 64 bytes of signature"
        )
    return timestamp.to_bytes(_TIME_SIZE, "big") + signature


def parse_cosignature(blob: bytes) -> Cosignature:
    """Return time and signature of a cosignature; nothing is verified here.

    Raises:
        IntegrityError: Not 72 bytes, or a time above 2**63 - 1.
    """
    timestamp = int.from_bytes(blob[:_TIME_SIZE], "big")
    if len(blob) != _TIME_SIZE + _SIGNATURE_SIZE or timestamp > MAX_NUMBER:
        raise IntegrityError(
            "cosignature",
            expected="72 bytes with a time below 2**63",
            got=f"{len(blob)} bytes, time {timestamp}",
        )
    return Cosignature(timestamp, blob[_TIME_SIZE:])


class CosignatureVerifier:
    """A ``NoteVerifier`` for algorithm 0x04 over any Ed25519 check."""

    __slots__ = ("_check", "_public", "algorithm", "key_id", "name")

    def __init__(self, key: VerifierKey, check: CheckSignature) -> None:
        """Hold the key and ``check(public, message, signature) -> bool``.

        Raises:
            ConfigurationError: The key has another algorithm.
        """
        if key.algorithm != ALGORITHM_COSIGNATURE:
            raise ConfigurationError(
                f"verifier key {show(key.name)}",
                expected="algorithm 0x04",
                got=f"0x{key.algorithm:02x}",
            )
        self.name = key.name
        self.key_id = key.key_id
        self.algorithm = key.algorithm
        self._public = key.public
        self._check = check

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Return whether the cosignature is right for the note text."""
        try:
            timestamp, raw = parse_cosignature(signature)
        except IntegrityError:
            return False
        return self._check(
            self._public, cosignature_message(message.decode(), timestamp), raw
        )
