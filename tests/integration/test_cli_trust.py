"""Keys, signers and orgs, administered from the command line."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.command import command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the id of a second key, other.pem, beside a ledger."""
    monkeypatch.chdir(tmp_path)
    assert command("ledger", "init").code == 0
    done = command("key", "generate", "--key", "other.pem", "-o", "json")
    (tmp_path / "app.jar").write_text("app")
    return str(done.json["signer"])


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-p256"])
def test_key_is_made_once_and_private(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.pem"

    done = command("key", "generate", "--kind", kind, "--key", str(path), "-o", "json")
    again = command("key", "generate", "--key", str(path))

    assert done.json["kind"] == kind
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert again.code == 64
    shown = command("key", "show", "--key", str(path), "--pem").text
    assert shown.startswith("-----BEGIN PUBLIC KEY-----\n")


@pytest.mark.parametrize(
    ("argv", "environ", "code"),
    [
        pytest.param(["--passphrase-file", "good"], {}, 0, id="file"),
        pytest.param([], {"JENKINS_NOTARY_KEY_PASSPHRASE": "s3cret"}, 0, id="variable"),
        pytest.param(
            ["--passphrase-file", "good"],
            {"JENKINS_NOTARY_KEY_PASSPHRASE": "bad"},
            0,
            id="flag-over-variable",
        ),
        pytest.param(
            ["--config", "config.yaml"],
            {"JENKINS_NOTARY_KEY_PASSPHRASE": "s3cret"},
            0,
            id="variable-over-file",
        ),
        pytest.param(["--passphrase-file", "bad"], {}, 78, id="wrong"),
        pytest.param(["--passphrase-file", "missing"], {}, 78, id="missing"),
        pytest.param(["--passphrase-file", "long"], {}, 78, id="too-long"),
        pytest.param([], {}, 78, id="none"),
    ],
)
def test_passphrase_comes_from_file_or_environment(  # noqa: PLR0917 - fixtures and the row
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    environ: dict[str, str],
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").write_text("s3cret\n")
    (tmp_path / "bad").write_text("other")
    (tmp_path / "long").write_text("x" * 5000)
    (tmp_path / "config.yaml").write_text("passphrase-file: bad\n")
    key = ["--key", "key.pem"]
    assert command("key", "generate", *key, "--passphrase-file", "good").code == 0

    done = command("key", "show", *key, *argv, environ=environ)

    assert done.code == code
    assert "s3cret" not in done.text + done.stderr


def test_missing_key_is_66_and_none_is_made(tmp_path: Path) -> None:
    assert command("key", "show").code == 66
    assert os.listdir(tmp_path) == []


def test_signer_counts_once_it_is_enrolled(other: str) -> None:
    command("notarize", "app.jar", "--key", "other.pem")

    before = command("authenticate", "app.jar")
    enrolled = command("signer", "enrol", other, "--level", "1")
    after = command("authenticate", "app.jar")

    assert before.code == 2
    assert f"signer enrol {other}" in before.text
    assert (enrolled.code, after.code) == (0, 0)


def test_signer_is_enrolled_by_its_public_key(other: str) -> None:
    pem = command("key", "show", "--key", "other.pem", "--pem").stdout
    with open("other.pub", "wb") as file:
        file.write(pem)

    command("signer", "enrol", "other.pub", "--level", "3", "--org", "acme")

    found = command("signer", "list", "-o", "json").json["signers"]
    (one,) = [one for one in found if one["signer"] == other]
    assert (one["level"], one["orgs"]) == (3, ["acme"])
    assert other in command("signer", "list").text


def test_org_of_the_configuration_enrols_nobody_into_it(other: str) -> None:
    command("notarize", "app.jar", "--key", "other.pem")

    command("signer", "enrol", other, environ={"JENKINS_NOTARY_ORG": "acme"})

    assert command("org", "list", "-o", "json").json == {"orgs": {}}


def test_org_decides_who_counts(other: str) -> None:
    command("notarize", "app.jar", "--key", "other.pem")
    command("signer", "enrol", other)

    joined = command("org", "add", "acme", other)
    member = command("authenticate", "app.jar", "--org", "acme").code
    shown = command("org", "list").text
    left = command("org", "remove", "acme", other)

    assert (joined.code, member, left.code) == (0, 0, 0)
    assert shown == f"acme\n  {other}\n"


def test_revoked_signer_is_4(other: str) -> None:
    index = command(*("notarize", "app.jar", "--key", "other.pem", "-o", "json")).json[
        "assets"
    ][0]["index"]
    command("signer", "enrol", other)

    done = command("signer", "revoke", other, "--from", str(index))

    assert done.code == 0
    assert command("authenticate", "app.jar").code == 4
    assert f"revoked from #{index}" in command("signer", "list").text


def test_level_can_be_changed(other: str) -> None:
    command("notarize", "app.jar", "--key", "other.pem")
    command("signer", "enrol", other)

    assert command("signer", "level", other, "7").code == 0
    assert command("signer", "level", other, "much").code == 64
    assert "level 7" in command("signer", "list").text


def test_administrators_are_named_anew_by_those_before(
    other: str, tmp_path: Path
) -> None:
    pems: list[str] = []
    for key in (["--key", "other.pem"], []):
        pems.append(str(tmp_path / f"{len(pems)}.pub.pem"))
        shown = command("key", "show", "--pem", *key).text
        (tmp_path / pems[-1]).write_text(shown)

    both = command("signer", "administrators", *pems, "--threshold", "2")
    alone = command("signer", "level", other, "7")
    together = command("signer", "level", other, "7", "--co-key", "other.pem")
    too_many = command("signer", "administrators", *pems, "--threshold", "3")

    assert (both.code, alone.code, together.code, too_many.code) == (0, 77, 0, 64)


def test_other_than_an_administrator_is_refused(other: str) -> None:
    done = command("signer", "enrol", other, "--key", "other.pem")

    assert done.code in {66, 77}


def test_two_administrators_must_sign_where_the_ledger_asks_for_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.jar").write_text("app")
    ledger = ["--ledger", str(tmp_path / "two.db")]
    command("key", "generate", "--key", "bob.pem")
    command("key", "generate")
    made = command("ledger", "init", *ledger, "--co-key", "bob.pem", "--threshold", "2")
    signer = command("key", "show", "-o", "json").json["signer"]

    alone = command("org", "add", "acme", signer, *ledger)
    both = command("org", "add", "acme", signer, *ledger, "--co-key", "bob.pem")

    assert (made.code, alone.code, both.code) == (0, 77, 0)
