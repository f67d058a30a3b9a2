from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import ConfigurationError, NotFoundError
from jenkins_notary.keys.log_key import generate_log_key
from jenkins_notary.keys.witness_key import (
    generate_witness_key,
    load_witness_key,
    load_witness_verifier,
)
from jenkins_notary.tlog.note import parse_vkey

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """Five seconds after 1970."""

    def now_ms(self) -> int:
        return 5999


def test_a_key_is_kept_and_signs_with_the_time(tmp_path: Path) -> None:
    path = tmp_path / "w.key"
    made = generate_witness_key(str(path), "w.example.com", Clock())
    loaded = load_witness_key(str(path), Clock())
    signature = loaded.sign(b"log\n1\nroot\n")
    verifier = load_witness_verifier(made.vkey)

    assert loaded.vkey == made.vkey
    assert parse_vkey(made.vkey).algorithm == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert int.from_bytes(signature[:8], "big") == 5
    assert verifier.verify(b"log\n1\nroot\n", signature)
    assert not verifier.verify(b"log\n2\nroot\n", signature)
    for place in (7, 20, 60):
        bent = bytearray(signature)
        bent[place] ^= 1
        assert not verifier.verify(b"log\n1\nroot\n", bytes(bent))
    assert not verifier.verify(b"log\n1\nroot\n", signature[:-1])
    with pytest.raises(FileExistsError):
        generate_witness_key(str(path), "w.example.com", Clock())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PRIVATE+KEY+w+00",
        "PUBLIC+KEY+w+00000000+BAAA",
        "PRIVATE+KEY+w+00000000+!",
        "PRIVATE+KEY+w+00000000+BAAA",
    ],
)
def test_another_file_is_no_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(ConfigurationError):
        load_witness_key(str(path), Clock())


def test_a_key_with_another_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.key"
    made = generate_witness_key(str(path), "w.example.com", Clock())
    path.write_text(path.read_text().replace(made.key_id.hex(), "00000000"))

    with pytest.raises(ConfigurationError):
        load_witness_key(str(path), Clock())


def test_the_key_of_a_log_is_not_that_of_a_witness(tmp_path: Path) -> None:
    signer = generate_log_key(str(tmp_path / "log.key"), "log.example.com")

    with pytest.raises(ConfigurationError):
        load_witness_key(str(tmp_path / "log.key"), Clock())
    with pytest.raises(ConfigurationError):
        load_witness_verifier(signer.vkey)
    with pytest.raises(NotFoundError):
        load_witness_key(str(tmp_path / "none"), Clock())
