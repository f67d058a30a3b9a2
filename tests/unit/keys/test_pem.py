from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
from typing import TYPE_CHECKING, Literal

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from jenkins_notary.errors import (
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
)
from jenkins_notary.keys.pem import (
    MAX_BYTES,
    MAX_PASSPHRASE,
    format_public_pem,
    generate_signer,
    load_signer,
    parse_public_pem,
    read_private_file,
    write_private_file,
)
from jenkins_notary.keys.signatures import KeyVerifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    Kind = Literal["ed25519", "ecdsa-p256"]

VERIFIER = KeyVerifier()
EVERY = pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256"])
LOCKED = pytest.mark.parametrize(
    "passphrase",
    [None, b"correct horse", b"\0\xff", b"x" * MAX_PASSPHRASE],
    ids=["plain", "locked", "bytes", "longest"],
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, data: bytes, mode: int = 0o600) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return str(path)


def to_pem(key: PrivateKeyTypes) -> bytes:
    """Return the PKCS#8 PEM of any private key, as another tool writes it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@EVERY
@LOCKED
def test_a_key_is_loaded_as_it_was_made(
    tmp_path: Path, kind: Kind, passphrase: bytes | None
) -> None:
    path = tmp_path / "new" / "folder" / "key.pem"

    made = generate_signer(str(path), kind=kind, passphrase=passphrase)
    loaded = load_signer(str(path), passphrase=passphrase)

    assert (loaded.keyid, loaded.public_der) == (made.keyid, made.public_der)
    assert VERIFIER.is_valid(made.public_der, loaded.sign(b"m"), b"m")
    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700
    assert (b"ENCRYPTED" in path.read_bytes()) == (passphrase is not None)
    assert os.listdir(path.parent) == ["key.pem"]


@EVERY
@pytest.mark.parametrize(
    "passphrase", [None, b"correct horse"], ids=["plain", "locked"]
)
def test_openssl_reads_our_keys_and_we_its_own(
    tmp_path: Path, kind: Kind, passphrase: bytes | None
) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    made = generate_signer(str(ours), kind=kind, passphrase=passphrase)
    given = []
    if passphrase is not None:
        write(tmp_path / "pass", passphrase + b"\n")
        given = ["-passin", f"file:{tmp_path / 'pass'}"]

    public = subprocess.run(
        ["openssl", "pkey", "-in", ours, *given, "-pubout"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    algorithm = {
        "ed25519": ["ed25519"],
        "ecdsa-p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    }[kind]
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", *algorithm, "-out", theirs], check=True
    )
    theirs.chmod(0o600)

    assert public == format_public_pem(made.public_der)
    assert load_signer(str(theirs)).sign(b"m")


@EVERY
def test_a_key_is_never_replaced(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path / "key.pem", b"mine")

    with pytest.raises(FileExistsError):
        generate_signer(path, kind=kind)
    assert (tmp_path / "key.pem").read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["key.pem"]


def make_or_load(path: str) -> str:
    """Do what every first start does."""
    try:
        return generate_signer(path).keyid
    except FileExistsError:
        return load_signer(path).keyid


def test_processes_that_start_at_once_end_up_with_one_key(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "key.pem")

    with multiprocessing.get_context("spawn").Pool(6) as pool:
        ids = pool.map(make_or_load, [path] * 12, chunksize=1)

    assert len(set(ids)) == 1
    assert os.listdir(tmp_path / "new") == ["key.pem"]


@pytest.mark.parametrize("passphrase", [b"", b"x" * (MAX_PASSPHRASE + 1)])
def test_a_passphrase_that_cannot_be_used_is_refused(
    tmp_path: Path, passphrase: bytes
) -> None:
    with pytest.raises(ConfigurationError, match="passphrase: expected 1 to 1023"):
        generate_signer(str(tmp_path / "key.pem"), passphrase=passphrase)
    assert not os.listdir(tmp_path)


def test_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected ed25519 or ecdsa-p256"):
        generate_signer(str(tmp_path / "k"), kind="rsa")  # type: ignore[arg-type]  # The point.


@EVERY
@pytest.mark.parametrize("wrong", [b"wrong", b"", None], ids=["wrong", "empty", "none"])
def test_an_encrypted_key_needs_its_passphrase(
    tmp_path: Path, kind: Kind, wrong: bytes | None
) -> None:
    path = str(tmp_path / "key.pem")
    generate_signer(path, kind=kind, passphrase=b"right")

    with pytest.raises(ConfigurationError, match="passphrase") as caught:
        load_signer(path, passphrase=wrong)
    assert "right" not in str(caught.value)
    assert "wrong\n" not in str(caught.value)


@EVERY
def test_a_passphrase_for_a_plain_key_is_ignored(tmp_path: Path, kind: Kind) -> None:
    path = str(tmp_path / "key.pem")
    made = generate_signer(path, kind=kind)

    assert load_signer(path, passphrase=b"unused").keyid == made.keyid


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSAPrivateKey"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "PrivateKey"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "PrivateKey"),
    ],
    ids=["rsa", "p-384", "secp256k1"],
)
def test_a_key_of_a_foreign_kind_is_refused(
    tmp_path: Path, make: Callable[[], PrivateKeyTypes], got: str
) -> None:
    path = write(tmp_path / "key.pem", to_pem(make()))

    with pytest.raises(ConfigurationError, match=got):
        load_signer(path)


PLAIN = to_pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a key",
        b"\xff\xfe\0",
        PLAIN[:40],
        PLAIN.replace(b"MC4CAQAw", b"MC4CAQBw"),
        PLAIN.replace(b"MC4CAQAw", b"MC4CAQA"),
        PLAIN.replace(b"MC4CAQAw", b"M===C4=="),
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nA\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
    ids=lambda data: repr(data)[:40],
)
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "key.pem", data)

    with pytest.raises(ConfigurationError, match="expected a PEM private key"):
        load_signer(path)


def test_a_secret_is_never_in_a_message(tmp_path: Path) -> None:
    secret = PLAIN.split(b"\n")[1]
    path = write(tmp_path / "key.pem", PLAIN.replace(b"BEGIN PRIVATE", b"BEGIN ODD"))

    with pytest.raises(ConfigurationError) as caught:
        load_signer(path)
    assert secret.decode()[-20:] not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o622, 0o601, 0o777])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key.pem", PLAIN, mode)

    with pytest.raises(ConfigurationError, match=f"got {mode:04o}; chmod 600"):
        load_signer(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert load_signer(write(tmp_path / "key.pem", PLAIN, mode)).keyid


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(
        NotFoundError, match="no such file; jenkins-notary key generate"
    ):
        load_signer(str(tmp_path / "none" / "key.pem"))


def test_a_file_that_cannot_be_reached_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")

    with pytest.raises(PermissionDeniedError, match="Not a directory"):
        load_signer(str(tmp_path / "file" / "key.pem"))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_regular_file_is_refused_without_waiting(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "key.pem"
    if kind == "folder":
        path.mkdir(0o700)
    else:
        os.mkfifo(path, 0o600)

    with pytest.raises(ConfigurationError, match="expected a regular file"):
        load_signer(str(path))


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "key.pem", b"x" * (MAX_BYTES + 1))

    with pytest.raises(ConfigurationError, match="expected <= 65536 bytes"):
        read_private_file(path)


def test_a_folder_that_is_a_file_is_a_failure_of_storage(tmp_path: Path) -> None:
    write(tmp_path / "file", b"")

    with pytest.raises(StorageError, match="folder "):
        write_private_file(str(tmp_path / "file" / "key.pem"), b"x")


def test_a_disk_that_is_full_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(StorageError, match="No space left on device"):
        write_private_file(str(tmp_path / "key.pem"), b"x")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_folder_that_cannot_be_synced_costs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real = getattr(os, call)

    def fail_on_folders(target: object, *args: int) -> object:
        is_folder = (
            target == str(tmp_path)
            if call == "open"
            else stat.S_ISDIR(os.fstat(int(str(target))).st_mode)
        )
        if is_folder:
            raise OSError(22, "Invalid argument")
        return real(target, *args)

    monkeypatch.setattr(os, call, fail_on_folders)

    write_private_file(str(tmp_path / "key.pem"), b"x")

    assert (tmp_path / "key.pem").read_bytes() == b"x"


def test_a_file_in_the_present_folder_is_written_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    write_private_file("key.pem", b"x")

    assert mode_of(tmp_path / "key.pem") == 0o600


@pytest.mark.parametrize(
    "make",
    [
        ed25519.Ed25519PrivateKey.generate,
        lambda: ec.generate_private_key(ec.SECP256R1()),
    ],
    ids=["ed25519", "p-256"],
)
def test_a_public_key_is_read_as_it_was_written(
    make: Callable[[], PrivateKeyTypes],
) -> None:
    der = (
        make()
        .public_key()
        .public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )

    assert parse_public_pem(format_public_pem(der).encode(), subject="k") == der


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x",
        PLAIN,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
        ec.generate_private_key(ec.SECP384R1())
        .public_key()
        .public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    ],
    ids=["empty", "text", "private", "damaged", "rsa", "p-384"],
)
def test_another_public_key_is_refused(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match="my key: expected a PEM public key"):
        parse_public_pem(text, subject="my key")
