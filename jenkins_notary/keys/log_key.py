"""Keep the ledger's own key: an Ed25519 key that signs checkpoints, nothing else.

It lies beside the ledger (``<ledger>.key``, 0600) in the key format of Go's
``sumdb/note``, so that the Go tools can use it::

    PRIVATE+KEY+<name>+<8 hex key id>+<base64 of 01 and 32 bytes>

The name is the log's origin: fixed when the ledger is made, never reused.

Source: C2SP signed-note (algorithm byte 0x01), golang.org/x/mod sumdb/note.
"""

from __future__ import annotations

import binascii

from jenkins_notary.errors import ConfigurationError, NotFoundError
from jenkins_notary.keys.ed25519 import (
    generate,
    is_signed,
    load_private,
)
from jenkins_notary.keys.pem import read_private_file, write_private_file
from jenkins_notary.tlog.note import (
    Ed25519Verifier,
    VerifierKey,
    format_vkey,
    parse_vkey,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM = 1
_RAW_LENGTH = 32


class LogSigner:
    """The note signer of a ledger's private key."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        """Keep the origin and the private key."""
        self._key = key
        public = key.public_key().public_bytes_raw()
        verifier_key = VerifierKey.make(name, public, algorithm=ALGORITHM)
        self.name = name
        self.algorithm = ALGORITHM
        self.key_id = verifier_key.key_id
        self.vkey = format_vkey(verifier_key)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of a note's text."""
        return self._key.sign(message)


def load_log_verifier(vkey: str) -> Ed25519Verifier:
    """Return the verifier of a vkey's text.

    Raises:
        ConfigurationError: Malformed, or not Ed25519.
    """
    return Ed25519Verifier(parse_vkey(vkey), is_signed)


def generate_log_key(path: str, name: str) -> LogSigner:
    """Make a ledger key, write its file with mode 0600, and return its signer.

    Raises:
        FileExistsError: The file is there already; nothing was written.
        StorageError: The file cannot be written.
    """
    key = generate()
    signer = LogSigner(name, key)
    write_private_file(path, format_log_key(signer).encode())
    return signer


def format_log_key(signer: LogSigner) -> str:
    """Return the private key file's text; inverse of :func:`parse_log_key`."""
    raw = bytes([ALGORITHM]) + signer._key.private_bytes_raw()  # noqa: SLF001 - its pair
    secret = binascii.b2a_base64(raw, newline=False).decode()
    return f"PRIVATE+KEY+{signer.name}+{signer.key_id.hex()}+{secret}\n"


def parse_log_key(text: str, *, subject: str) -> LogSigner:
    """Return the signer in a private key file's text.

    Raises:
        ConfigurationError: Not such a file, or its parts disagree.
    """
    parts = text.strip().split("+", 4)
    wrong = ConfigurationError(subject, expected="a PRIVATE+KEY+... line of a ledger")
    if len(parts) != 5 or parts[:2] != ["PRIVATE", "KEY"]:
        raise wrong
    try:
        raw = binascii.a2b_base64(parts[4])
    except binascii.Error as error:
        raise wrong from error
    if len(raw) != _RAW_LENGTH + 1 or raw[0] != ALGORITHM:
        raise wrong
    signer = LogSigner(parts[2], load_private(raw[1:]))
    if signer.key_id.hex() != parts[3]:
        raise wrong
    return signer


def load_log_key(path: str) -> LogSigner:
    """Return the signer of a ledger's key file.

    Raises:
        NotFoundError: No such file: this host may read the ledger, not write it.
        PermissionDeniedError: It cannot be read.
        ConfigurationError: Not such a file, or open to others.
    """
    try:
        text = read_private_file(path).decode("ascii", "replace")
    except NotFoundError as error:
        raise NotFoundError(
            f"ledger key {path}",
            got="no such file",
            advice="this host can read the ledger, not write to it: write where its "
            "key is, or restore the key from a backup made with --with-key",
        ) from error
    return parse_log_key(text, subject=f"key file {path}")
