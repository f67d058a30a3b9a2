"""Keep a signer's private key in a PEM file: made, read, encrypted.

A key is PKCS#8 PEM, Ed25519 or ECDSA P-256, optionally encrypted by a passphrase that
comes from the environment or a file, never from argv. Files are made with mode 0600
in one step (``O_EXCL``), so that no moment exists in which another user can read one,
and two processes that start at once end up with one key.

The unencrypted PEM of an Ed25519 key is 48 bytes of DER with a fixed prefix; it is
read without the serialization module to keep a cold start short.

Source: RFC 5958, RFC 8410.
"""

from __future__ import annotations

import binascii
import os
import stat
from base64 import b64encode
from contextlib import suppress

from jenkins_notary.errors import (
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
)
from jenkins_notary.keys.ed25519 import generate, load_private
from jenkins_notary.keys.signatures import EcdsaSigner, Ed25519Signer
from jenkins_notary.whole_file import sync_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

KINDS = ("ed25519", "ecdsa-p256")
MAX_BYTES = 64 << 10
MAX_PASSPHRASE = 1023
"""Bytes of a passphrase: what the library takes."""

_ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def load_signer(
    path: str, *, passphrase: bytes | None = None
) -> Ed25519Signer | EcdsaSigner:
    """Return the signer whose private key a PEM file holds.

    Args:
        path: The PEM file; others than its owner may not read or write it.
        passphrase: For an encrypted key; ignored for one that is not.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It cannot be read.
        ConfigurationError: Not a key of a kind that signs here, a wrong or missing
            passphrase, or a file that others may read.
    """
    text = read_private_file(path)
    raw = _read_plain_ed25519(text)
    if raw is not None:
        return Ed25519Signer(load_private(raw))
    return _load_any(path, text, passphrase)


def generate_signer(
    path: str,
    *,
    kind: Literal["ed25519", "ecdsa-p256"] = "ed25519",
    passphrase: bytes | None = None,
) -> Ed25519Signer | EcdsaSigner:
    """Make a key, write its PEM file with mode 0600, and return its signer.

    Args:
        path: Where the file is made; its folder is made (0700) if needed.
        kind: One of :data:`KINDS`.
        passphrase: Encrypt the key by it.

    Raises:
        FileExistsError: The file is there already; nothing was written.
        ConfigurationError: Another kind.
        StorageError: The file cannot be written.
    """
    if kind == "ed25519" and passphrase is None:
        key = generate()
        der = b64encode(_ED25519_PKCS8 + key.private_bytes_raw())
        pem = b"-----BEGIN PRIVATE KEY-----\n%b\n-----END PRIVATE KEY-----\n" % der
        write_private_file(path, pem)
        return Ed25519Signer(key)
    return _generate_any(path, kind, passphrase)


def format_public_pem(public_der: bytes) -> str:
    """Return the PEM of a DER SubjectPublicKeyInfo, as other tools read it."""
    text = b64encode(public_der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----\n"]
    )


def parse_public_pem(text: bytes, *, subject: str) -> bytes:
    """Return the DER of a PEM public key of a kind that signs here.

    Raises:
        ConfigurationError: Not a PEM public key of Ed25519 or ECDSA P-256.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    wanted = ConfigurationError(subject, expected="a PEM public key, Ed25519 or P-256")
    try:
        key = serialization.load_pem_public_key(text[:MAX_BYTES])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise wanted from error
    if not isinstance(key, ed25519.Ed25519PublicKey) and not (
        isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    ):
        raise wanted
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def read_private_file(path: str) -> bytes:
    """Return the bytes of a secret's file that only its owner may use.

    Raises:
        NotFoundError: No such file.
        PermissionDeniedError: It cannot be read.
        ConfigurationError: No regular file, too large, or open to others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise NotFoundError(
            f"key file {path}", got="no such file", advice="jenkins-notary key generate"
        ) from error
    except OSError as error:
        raise PermissionDeniedError(
            f"key file {path}", got=str(error.strerror)
        ) from error
    # A folder can be opened, but no file object can be made of it.
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigurationError(f"key file {path}", expected="a regular file")
        if os.name == "posix" and mode & 0o077:
            raise ConfigurationError(
                f"key file {path}",
                expected="a mode of 0600 or less",
                got=f"{stat.S_IMODE(mode):04o}",
                advice=f"chmod 600 {path}",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"key file {path}", expected=f"<= {MAX_BYTES} bytes")
    return data


def write_private_file(path: str, data: bytes) -> None:
    """Write a secret's file with mode 0600, durably, all of it or nothing.

    Raises:
        FileExistsError: The file is there already; nothing was written.
        StorageError: The file cannot be written.
    """
    folder = os.path.dirname(path) or "."
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        # FileExistsError too: a file stands where the folder should be.
        raise StorageError(f"folder {folder}", got=str(error.strerror)) from error
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            # A link fails if the name exists, so whoever is second sees the first.
            os.link(temporary, path)
        finally:
            os.unlink(temporary)
        # Records signed by a lost key could never be repeated; yet some file systems
        # sync no folder, and the file itself is durable already.
        with suppress(OSError):
            sync_folder(folder)
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(f"key file {path}", got=str(error.strerror)) from error


def _read_plain_ed25519(text: bytes) -> bytes | None:
    """Return the 32 raw bytes of an unencrypted Ed25519 PEM, None for another file."""
    lines = text.split()
    if text.startswith(b"-----BEGIN PRIVATE KEY-----") and len(lines) == 7:
        try:
            der = binascii.a2b_base64(lines[3])
        except binascii.Error:
            return None
        if der.startswith(_ED25519_PKCS8) and len(der) == len(_ED25519_PKCS8) + 32:
            return der[len(_ED25519_PKCS8) :]
    return None


def _load_any(
    path: str, text: bytes, passphrase: bytes | None
) -> Ed25519Signer | EcdsaSigner:
    """Return the signer of any PEM key that is supported."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    encrypted = b"ENCRYPTED" in text
    if encrypted and passphrase is None:
        raise ConfigurationError(
            f"key file {path}",
            expected="a passphrase for an encrypted key",
            got="none",
            advice="set JENKINS_NOTARY_KEY_PASSPHRASE or --passphrase-file",
        )
    try:
        key = serialization.load_pem_private_key(
            text, passphrase if encrypted else None
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        got = "a wrong passphrase, or a damaged file" if encrypted else "another file"
        raise ConfigurationError(
            f"key file {path}", expected="a PEM private key", got=got
        ) from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Ed25519Signer(key)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return EcdsaSigner(key)
    raise ConfigurationError(
        f"key file {path}",
        expected="an Ed25519 or ECDSA P-256 key",
        got=type(key).__name__,
        advice="jenkins-notary key generate",
    )


def _generate_any(
    path: str, kind: str, passphrase: bytes | None
) -> Ed25519Signer | EcdsaSigner:
    """Make a key through the serialization module."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if kind not in KINDS:
        raise ConfigurationError("key kind", expected=" or ".join(KINDS), got=kind)
    if passphrase is not None and not 1 <= len(passphrase) <= MAX_PASSPHRASE:
        raise ConfigurationError(
            "passphrase",
            expected=f"1 to {MAX_PASSPHRASE} bytes",
            got=f"{len(passphrase)} bytes",
        )
    signer = (
        Ed25519Signer(generate())
        if kind == "ed25519"
        else EcdsaSigner(ec.generate_private_key(ec.SECP256R1()))
    )
    encryption: serialization.KeySerializationEncryption = (
        serialization.NoEncryption()
        if passphrase is None
        else serialization.BestAvailableEncryption(passphrase)
    )
    pem = signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    write_private_file(path, pem)
    return signer
