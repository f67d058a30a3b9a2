"""What a verdict says through rebuilds, strangers, revocations, and at other times."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.program import program

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a file and a ledger that knows it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").write_text("app")
    assert program("notarize", "app").code == 0
    return tmp_path


def judge(*options: str) -> int:
    """Return the verdict's code, which its document must agree with."""
    done = program("authenticate", "app", "-o", "json", *options)
    (one,) = done.json["assets"]
    assert done.code == one["code"], done
    return done.code


def test_untrusted_digest_that_is_rebuilt_stays_1_until_it_is_superseded() -> None:
    assert program("untrust", "app", "--reason", "CVE").code == 0
    Path("app").unlink()
    Path("app").write_text("app")

    assert program("notarize", "app", "--job", "a/b#2").code == 0
    assert judge() == 1
    assert judge("--strict") == 1
    assert program("notarize", "app", "-a", "again=yes").code == 0
    assert judge() == 1
    assert program("notarize", "app", "--supersede", "1", "--reason", "no").code == 64
    assert program("notarize", "app", "--supersede", "2", "--reason", "fixed").code == 0
    assert judge() == judge("--strict") == 0
    assert program("untrust", "app", "--reason", "worse").code == 0
    assert judge() == 1
    assert program("notarize", "app", "--supersede", "2", "--reason", "old").code == 0
    assert judge() == 1


@pytest.fixture
def other() -> Sequence[str]:
    """Return the options of a second signer, whose record of the file is there."""
    assert program("key", "generate", "--key", "other.pem").code == 0
    Path("app").write_text("other app")
    assert program("notarize", "app", "--key", "other.pem").code == 0
    return ["--key", "other.pem"]


def test_stranger_is_2_with_the_command_that_enrols_him(other: Sequence[str]) -> None:
    done = program("authenticate", "app", "-o", "json")
    (one,) = done.json["assets"]

    assert done.code == one["code"] == 2
    words = shlex.split(one["advice"] if "advice" in one else one["next"])
    assert words[:3] == ["jenkins-notary", "signer", "enrol"]
    assert words[3] in program("authenticate", "app").text
    assert program(*words[1:]).code == 0
    assert judge() == judge("--strict") == 0
    assert judge("--signer", words[3]) == 0
    assert other


def test_revoked_signer_is_4_from_the_index_on(other: Sequence[str]) -> None:
    signer = program("key", "show", *other, "-o", "json").json["signer"]
    assert program("signer", "enrol", signer).code == 0
    assert judge() == 0

    assert program("signer", "revoke", signer, "--from", "2").code == 0

    assert judge() == judge("--strict") == 4
    assert program("notarize", "app", *other).code == 0
    assert judge() == 4
    assert program("notarize", "app").code == 0
    assert judge() == 0


def test_record_from_before_a_revocation_stands(other: Sequence[str]) -> None:
    signer = program("key", "show", *other, "-o", "json").json["signer"]
    assert program("signer", "enrol", signer).code == 0
    assert program("signer", "revoke", signer).code == 0

    assert judge() == 0
    assert program("notarize", "app", *other).code == 0
    assert judge("--signer", signer) in {0, 4}


def test_verdict_then_and_now() -> None:
    then = read_time()
    time.sleep(0.01)
    assert program("untrust", "app", "--reason", "CVE").code == 0
    between = read_time()
    time.sleep(0.01)
    assert program("notarize", "app", "--supersede", "2", "--reason", "ok").code == 0

    assert judge() == 0
    assert [judge("--as-of", size) for size in ("1", "2", "3", "4")] == [2, 0, 1, 0]
    assert [judge("--as-of", at) for at in (then, between)] == [0, 1]
    assert judge("--as-of", "9999-12-31T23:59:59Z") == 0
    early = program("authenticate", "app", "--as-of", "2000-01-01")
    late = program("authenticate", "app", "--as-of", "5")
    assert (early.code, late.code) == (66, 66)
    assert "2000-01-01T00:00:00" in early.stderr
    assert judge("--as-of", "3", "--strict") == 1


def read_time() -> str:
    """Return the commit time of the newest record."""
    at: str = program("ledger", "status", "-o", "json").json["timestamp"]
    return at


def test_history_is_shown_as_it_was() -> None:
    assert program("untrust", "app", "--reason", "CVE").code == 0

    now = program("inspect", "app", "-o", "json").json["records"]
    then = program("inspect", "app", "-o", "json", "--as-of", "2").json["records"]

    assert [one["index"] for one in now] == [1, 2]
    assert [one["index"] for one in then] == [1]
