from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import ConfigurationError, NotFoundError, UsageError
from tests.unit.api.people import digest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.api.people import Person


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256"])
def test_key_is_made_shown_and_used(newcomer: Person, kind: str) -> None:
    made = newcomer.notary().generate_key(kind=kind)

    shown = newcomer.notary().show_key()
    assert made == shown
    assert (shown.kind, shown.path) == (kind, str(newcomer.key))
    assert shown.pem.startswith("-----BEGIN PUBLIC KEY-----")
    assert shown.to_dict()["signer"] == shown.signer
    assert stat.S_IMODE(newcomer.key.stat().st_mode) == 0o600
    newcomer.record("app")
    assert newcomer.verdict("app") == "TRUSTED"


def test_key_is_never_replaced(newcomer: Person) -> None:
    newcomer.notary().generate_key()
    before = newcomer.key.read_bytes()

    with pytest.raises(UsageError, match="never replaced"):
        newcomer.notary().generate_key()
    assert newcomer.key.read_bytes() == before


@pytest.mark.parametrize("kind", ["", "rsa", "x" * 1000])
def test_other_kinds_are_refused(newcomer: Person, kind: str) -> None:
    with pytest.raises(UsageError, match="--kind") as caught:
        newcomer.notary().generate_key(kind=kind)

    assert len(str(caught.value)) < 200
    assert not newcomer.key.exists()


def test_showing_makes_no_key(newcomer: Person) -> None:
    with pytest.raises(NotFoundError):
        newcomer.notary().show_key()

    assert not newcomer.key.exists()


def test_encrypted_key_needs_its_passphrase(newcomer: Person, tmp_path: Path) -> None:
    path = str(tmp_path / "k.pem")
    newcomer.notary(key=path, passphrase=b"s3cret").generate_key()

    assert newcomer.notary(key=path, passphrase=b"s3cret").show_key().path == path
    for wrong in (None, b"other"):
        with pytest.raises(ConfigurationError) as caught:
            newcomer.notary(key=path, passphrase=wrong).notarize(
                [digest("a")], name="a"
            )
        assert "s3cret" not in str(caught.value)
    assert b"ENCRYPTED" in (tmp_path / "k.pem").read_bytes()
