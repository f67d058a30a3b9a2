from __future__ import annotations

import base64
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jenkins_notary.errors import ConfigurationError, IntegrityError, NotFoundError
from jenkins_notary.keys.log_key import (
    LogSigner,
    format_log_key,
    generate_log_key,
    load_log_key,
    load_log_verifier,
    parse_log_key,
)
from jenkins_notary.tlog.note import open_note, sign_note

if TYPE_CHECKING:
    from pathlib import Path

# The example key pair of golang.org/x/mod/sumdb/note.
GO_PRIVATE = (
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
)
GO_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKv"
    "qfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_key_format_is_that_of_go() -> None:
    signer = parse_log_key(GO_PRIVATE + "\n", subject="k")

    assert signer.vkey == GO_PUBLIC
    assert format_log_key(signer) == GO_PRIVATE + "\n"


def test_a_note_is_signed_as_go_signs_it() -> None:
    signer = parse_log_key(GO_PRIVATE, subject="k")

    note = sign_note(GO_NOTE.rpartition("\n\n")[0] + "\n", [signer])

    assert note == GO_NOTE.encode()
    assert len(open_note(note, [load_log_verifier(GO_PUBLIC)]).verified) == 1


def test_a_key_is_loaded_as_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.key"

    made = generate_log_key(str(path), "example.com/log")
    loaded = load_log_key(str(path))

    assert (loaded.name, loaded.vkey) == ("example.com/log", made.vkey)
    assert loaded.sign(b"m") == made.sign(b"m")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        generate_log_key(str(path), "example.com/log")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_a_name_that_no_note_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError):
        generate_log_key(str(tmp_path / "k"), name)
    assert not list(tmp_path.iterdir())


def with_material(raw: bytes) -> str:
    return (
        GO_PRIVATE.rpartition("+c74f20a3+")[0]
        + "+c74f20a3+"
        + base64.b64encode(raw).decode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        GO_PUBLIC,
        GO_PRIVATE.replace("PRIVATE", "PUBLIC"),
        GO_PRIVATE.replace("c74f20a3", "c74f20a4"),
        GO_PRIVATE.replace("PeterNeumann", "SomebodyElse"),
        GO_PRIVATE.replace("+c74f20a3", ""),
        GO_PRIVATE[:-1],
        GO_PRIVATE[:-4],
        GO_PRIVATE + "AAAA",
        with_material(b"\x02" + bytes(32)),
        with_material(b"\x01" + bytes(31)),
        with_material(b""),
        GO_PRIVATE.replace("PeterNeumann", ""),
        GO_PRIVATE.replace("PeterNeumann", "P N"),
        GO_PRIVATE.replace("PeterNeumann", "\ufffd"),
    ],
    ids=lambda text: repr(text)[:50],
)
def test_another_file_is_refused_without_a_secret(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_log_key(text, subject="my file")
    assert "AYEKFALV" not in str(caught.value)


def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    path.write_text(GO_PRIVATE)
    path.chmod(0o644)

    with pytest.raises(ConfigurationError, match="0644"):
        load_log_key(str(path))


def test_a_missing_key_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_log_key(str(tmp_path / "none"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    path.write_bytes(b"\xff\0")
    path.chmod(0o600)

    with pytest.raises(ConfigurationError, match="PRIVATE"):
        load_log_key(str(path))


def test_a_signature_of_another_key_is_refused() -> None:
    other = LogSigner("PeterNeumann", Ed25519PrivateKey.generate())

    note = sign_note("text\n", [other])

    with pytest.raises(IntegrityError, match="no known key"):
        open_note(note, [load_log_verifier(GO_PUBLIC)])
    assert not load_log_verifier(GO_PUBLIC).verify(b"text\n", bytes(64))
    assert not load_log_verifier(GO_PUBLIC).verify(b"text\n", b"")
    with pytest.raises(TypeError):
        load_log_verifier(GO_PUBLIC).verify(None, b"")  # type: ignore[arg-type]  # The point.


@pytest.mark.parametrize(
    "vkey", ["", GO_PUBLIC[:-1], GO_PRIVATE, GO_PUBLIC.replace("+ARpc", "+BRpc")]
)
def test_another_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(ConfigurationError):
        load_log_verifier(vkey)
