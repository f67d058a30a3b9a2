"""The real cosign accepts our envelopes, and refuses each after one byte is changed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.values.statement import predicate_uri
from tests.parts import require_part

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real("cosign")


class Signed(NamedTuple):
    """An envelope that the tool exported, with what it is about."""

    folder: Path
    assets: tuple[Path, Path]
    envelope: Path
    public_key: Path


@pytest.fixture(params=["ed25519", "ecdsa-p256"])
def signed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Signed:
    """Two files notarized in one record, by a key of each kind."""
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "a.bin", tmp_path / "b.bin"
    first.write_bytes(b"a" * 1000)
    second.write_bytes(b"b" * 1000)
    with Notary(str(tmp_path / "l.db"), key=str(tmp_path / "k.pem")) as notary:
        notary.generate_key(kind=request.param)
        notary.notarize(["a.bin", "b.bin"], job="ci:app#1", ephemeral_ok=True)
        envelope = tmp_path / "e.json"
        envelope.write_bytes(notary.envelope(notary.inspect("a.bin")[0]))
        public_key = tmp_path / "k.pub"
        public_key.write_text(notary.show_key().pem)
    return Signed(tmp_path, (first, second), envelope, public_key)


def cosign(signed: Signed, asset: Path, envelope: Path) -> int:
    """Return the exit code of cosign's check of an asset against an envelope."""
    done = subprocess.run(
        [
            str(require_part("cosign")),
            "verify-blob-attestation",
            *("--key", str(signed.public_key)),
            *("--signature", str(envelope)),
            *("--type", predicate_uri("notarization")),
            "--insecure-ignore-tlog=true",
            str(asset),
        ],
        env={**os.environ, "TUF_ROOT": str(signed.folder / "tuf")},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.returncode


@pytest.mark.parametrize("place", [0, 1], ids=["first subject", "second subject"])
def test_cosign_accepts_every_subject_of_our_envelope(
    signed: Signed, place: int
) -> None:
    code = cosign(signed, signed.assets[place], signed.envelope)

    assert code == 0


def test_cosign_refuses_an_asset_after_one_byte_is_changed(signed: Signed) -> None:
    changed = signed.folder / "changed.bin"
    changed.write_bytes(b"a" * 999 + b"b")

    assert cosign(signed, changed, signed.envelope) != 0


def test_cosign_refuses_an_envelope_after_one_byte_of_payload_is_changed(
    signed: Signed,
) -> None:
    value = json.loads(signed.envelope.read_bytes())
    payload = base64.b64decode(value["payload"])
    value["payload"] = base64.b64encode(
        payload.replace(b"TRUSTED", b"tRUSTED", 1)
    ).decode()
    changed = signed.folder / "changed.json"
    changed.write_text(json.dumps(value))

    assert cosign(signed, signed.assets[0], changed) != 0
