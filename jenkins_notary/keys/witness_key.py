"""Keep a witness's key: an Ed25519 key that signs checkpoints of others, with the time.

It has a file of its own (0600), in the form of a ledger's key but for the algorithm::

    PRIVATE+KEY+<name>+<8 hex key id>+<base64 of 04 and 32 bytes>

so that neither can be taken for the other.

Source: C2SP signed-note (algorithm byte 0x04), C2SP tlog-cosignature.
"""

from __future__ import annotations

import binascii

from jenkins_notary.errors import ConfigurationError
from jenkins_notary.keys.ed25519 import (
    generate,
    is_signed,
    load_private,
)
from jenkins_notary.keys.pem import read_private_file, write_private_file
from jenkins_notary.tlog.cosignature import (
    Cosignature,
    CosignatureVerifier,
    cosignature_message,
    format_cosignature,
)
from jenkins_notary.tlog.note import (
    ALGORITHM_COSIGNATURE,
    VerifierKey,
    format_vkey,
    parse_vkey,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from jenkins_notary.ports import Clock

_RAW_LENGTH = 32


class WitnessSigner:
    """The note signer of a witness's private key."""

    algorithm = ALGORITHM_COSIGNATURE

    def __init__(self, name: str, key: Ed25519PrivateKey, clock: Clock) -> None:
        """Keep the name, the private key and the time's source."""
        public = key.public_key().public_bytes_raw()
        verifier_key = VerifierKey.make(name, public, algorithm=ALGORITHM_COSIGNATURE)
        self._key = key
        self._clock = clock
        self.name = name
        self.key_id = verifier_key.key_id
        self.vkey = format_vkey(verifier_key)

    def sign(self, message: bytes) -> bytes:
        """Return time and signature of a checkpoint's text."""
        timestamp = self._clock.now_ms() // 1000
        signed = cosignature_message(message.decode(), timestamp)
        return format_cosignature(Cosignature(timestamp, self._key.sign(signed)))


def load_witness_verifier(vkey: str) -> CosignatureVerifier:
    """Return the verifier of a witness's vkey.

    Raises:
        ConfigurationError: Malformed, or not that of a witness.
    """
    return CosignatureVerifier(parse_vkey(vkey), is_signed)


def generate_witness_key(path: str, name: str, clock: Clock) -> WitnessSigner:
    """Make a witness's key, write its file with mode 0600, and return its signer.

    Raises:
        FileExistsError: The file is there already; nothing was written.
        StorageError: The file cannot be written.
    """
    key = generate()
    signer = WitnessSigner(name, key, clock)
    raw = bytes([ALGORITHM_COSIGNATURE]) + key.private_bytes_raw()
    secret = binascii.b2a_base64(raw, newline=False).decode()
    text = f"PRIVATE+KEY+{name}+{signer.key_id.hex()}+{secret}\n"
    write_private_file(path, text.encode())
    return signer


def load_witness_key(path: str, clock: Clock) -> WitnessSigner:
    """Return the signer of a witness's key file.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It cannot be read.
        ConfigurationError: Not such a file, or open to others.
    """
    text = read_private_file(path).decode("ascii", "replace")
    parts = text.strip().split("+", 4)
    wrong = ConfigurationError(
        f"key file {path}", expected="a PRIVATE+KEY+... line of a witness"
    )
    if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
        raise wrong
    try:
        raw = binascii.a2b_base64(parts[4])
    except binascii.Error as error:
        raise wrong from error
    if len(raw) != _RAW_LENGTH + 1 or raw[0] != ALGORITHM_COSIGNATURE:
        raise wrong
    signer = WitnessSigner(parts[2], load_private(raw[1:]), clock)
    if signer.key_id.hex() != parts[3]:
        raise wrong
    return signer
