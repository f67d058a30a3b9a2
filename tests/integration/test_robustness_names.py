"""Hostile names, odd places, secrets: nothing acts, nothing escapes, nothing leaks."""

from __future__ import annotations

import base64
import json
import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.program import program, stored_envelopes

if TYPE_CHECKING:
    from collections.abc import Iterator

EVIL = (
    "line\nTRUSTED  #9  sha256:x  forged",
    "return\rTRUSTED",
    "\x1b[2J\x1b]0;title\x07red",
    "rtl\u202egnp.exe",
    "iso\u2066late\u2069",
    "zero\u200bwidth",
    "bom\ufeff",
    "c1\x9b2J",
    "tab\there",
    "q'uo\"te`$(touch pwned)`",
    "<script>alert(1)<!--",
    "{{7*7}} ${7*7} %s %n",
    "; touch pwned & | > pwned",
    "-rf",
    "--output=json",
    "~",
    "..\\..\\windows",
    "sp ace ",
    "é" * 60,
    "😀",
)
ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, whose neighbours are seen when they change."""
    work = tmp_path / "deep" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return work


def list_all(folder: Path) -> set[str]:
    """Return everything below a folder."""
    return {str(one.relative_to(folder)) for one in folder.rglob("*")}


def test_hostile_file_names_are_escaped_in_text_and_exact_in_json(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "files").mkdir()
    words = [f"file://files/{name}" for name in EVIL]
    for number, name in enumerate(EVIL):
        (folder / "files" / name).write_text(str(number))
    before = list_all(tmp_path)

    made = program("notarize", "--receipts", "receipts", "-o", "json", *words)
    assert made.code == 0, made
    text = [
        program("notarize", *words),
        program("authenticate", *words),
        program("inspect", f"file://files/{EVIL[0]}"),
        program("untrust", *words, "--reason", EVIL[0]),
        program("authenticate", *words),
        program("evidence", "--signer", made.json["assets"][0]["signer"]),
    ]

    assert [one["name"] for one in made.json["assets"]] == [
        f"files/{name}" for name in EVIL
    ]
    for done in text:
        assert done.code in {0, 1}, done
        assert not ACTING.search(done.text + done.stderr)
        assert "\nTRUSTED  #9" not in done.text
    names = list_all(tmp_path) - before
    assert {one for one in names if not one.startswith("deep/work/receipts")} == set()
    made_files = os.listdir("receipts")
    assert len(made_files) == 2 * len(EVIL)
    assert all(re.fullmatch(r"[A-Za-z0-9._+=@,~-]+", one) for one in made_files)
    for name in made_files:
        if name.endswith(".tlog-proof"):
            stem = name.removesuffix(".tlog-proof")
            done = program(
                *("receipt", "verify", f"receipts/{name}", "--log", read_vkey()),
                *("--envelope", f"receipts/{stem}.dsse.json"),
            )
            assert done.code == 0, done


def read_vkey() -> str:
    """Return the ledger's verifier key."""
    vkey: str = program("ledger", "status", "-o", "json").json["vkey"]
    return vkey


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "/etc/passwd", "..", ".", "a/../../b", "CON", "~root"],
)
def test_receipts_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    Path("good").write_text("good")
    before = list_all(tmp_path)

    done = program("notarize", "good", "--name", name, "--receipts", "receipts")

    assert done.code == 0, done
    made = {one for one in list_all(tmp_path) - before if not one.endswith("receipts")}
    assert len(made) == 2
    assert all(os.path.dirname(one) == "deep/work/receipts" for one in made)


@pytest.mark.parametrize("text", EVIL)
def test_hostile_facts_are_escaped_in_text_and_exact_in_json(text: str) -> None:
    Path("good").write_text("good")
    Path(text).write_text("attached")
    label = "label" if not text.isprintable() else text
    argv = ("notarize", "good", "-a", f"fact={text}", f"--reason={text}")

    done = program(*argv, "--attach", f"./{text}:{label.replace('/', '')}")

    assert done.code == 0, done
    shown = program("inspect", "good")
    assert not ACTING.search(shown.text + shown.stderr)
    found = program("inspect", "good", "-o", "json").json["records"][0]
    assert found["predicate"]["attributes"] == {"fact": text}
    assert found["predicate"]["reason"] == text
    assert found["predicate"]["attachments"][0]["name"] == text
    assert not os.path.exists("pwned")


def test_hostile_environment_of_a_build_is_cleaned() -> None:
    Path("good").write_text("good")
    environ = {
        "JENKINS_URL": "https://ci.example.com/",
        "JOB_NAME": "folder/it's <b>$(touch pwned)</b> \u202eevil",
        "BUILD_NUMBER": "7",
        "BUILD_DISPLAY_NAME": EVIL[0],
        "GIT_BRANCH": EVIL[2],
        "NODE_NAME": "x" * 100_000,
        "BUILD_TAG": "\udcff\udc80",
        "STAGE_NAME": "<img src=x>",
    }
    refused = program("notarize", "good", "--ephemeral-ok", environ=environ)
    environ["JOB_NAME"] = "folder/it's $(touch pwned) \u202eevil"

    done = program("notarize", "good", "--ephemeral-ok", environ=environ)
    shown = program("evidence", "--digest", digest_of("good"))
    found = program("inspect", "good", "-o", "json").json["records"][0]

    assert refused.code == 64
    assert "JOB_NAME" in refused.stderr
    assert done.code == shown.code == 0
    assert not ACTING.search(shown.text)
    assert found["job"] == f"ci.example.com:{environ['JOB_NAME']}#7"
    kept = found["predicate"]["job"]["environment"]
    assert not any(
        ACTING.search(value) for name, value in kept.items() if name != "JOB_NAME"
    )
    assert max(len(value) for value in kept.values()) <= 2048
    assert program("evidence", found["job"]).code == 0
    assert not os.path.exists("pwned")


def digest_of(path: str) -> str:
    """Return the digest of a file that was recorded."""
    digest: str = program("authenticate", path, "-o", "json").json["assets"][0][
        "digest"
    ]
    return digest


SECRETS = {
    "GIT_URL": "https://bot:pw-in-git-url@git.example.com/app.git?token=query-token",
    "JENKINS_URL": "https://admin:pw-in-jenkins-url@ci.example.com/",
    "BUILD_URL": "https://admin:pw-in-build-url@ci.example.com/job/app/42/",
    "JOB_URL": "https://ci.example.com/job/app/?access_token=job-url-token",
    "CHANGE_URL": "https://git:pw-in-change-url@git.example.com/pull/1",
    "SVN_URL": "svn+ssh://u:pw-in-svn-url@svn.example.com/trunk",
    "PASSWORD": "plain-password",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-value",
    "GITHUB_TOKEN": "ghp_tokentokentokentokentokentokentoken",
    "CI_JOB_TOKEN": "job-token-value",
    "DOCKER_AUTH_CONFIG": '{"auths":{"r":{"auth":"ZG9ja2VyLWF1dGg="}}}',
    "JENKINS_NOTARY_KEY_PASSPHRASE": "key-passphrase-value",
    "JENKINS_NOTARY_TOKEN": "notary-token-value",
    "JENKINS_NOTARY_JENKINS_TOKEN": "jenkins-token-value",
    "HTTPS_PROXY": "http://proxy:pw-in-proxy@127.0.0.1:1",
    "GIT_AUTHOR_EMAIL": "jane.planted@example.com",
    "CHANGE_AUTHOR_EMAIL": "joe.planted@example.com",
    "WORKSPACE": "/var/lib/planted-workspace",
}
PLANTED = (
    *("pw-in-git-url", "query-token", "pw-in-jenkins-url", "pw-in-build-url"),
    *("job-url-token", "pw-in-change-url", "pw-in-svn-url", "plain-password"),
    *("aws-secret-value", "ghp_token", "job-token-value", "ZG9ja2VyLWF1dGg="),
    *("docker-auth", "key-passphrase-value", "notary-token-value"),
    *("jenkins-token-value", "pw-in-proxy", "jane.planted", "joe.planted"),
    "planted-workspace",
)


def test_no_secret_of_a_build_is_kept_or_printed(folder: Path) -> None:
    Path("good").write_text("good")
    Path("log").write_text("a harmless log\n")
    environ = {**SECRETS, "JOB_NAME": "app", "BUILD_NUMBER": "42"}
    calls = [
        ("notarize", "good", "--receipts", "r", "-o", "json", "--ephemeral-ok"),
        ("log", "put", "ci.example.com:app#42", "log"),
        ("attach", "log"),
        ("untrust", "good", "--reason", "flaw"),
        ("notarize", "missing"),
        ("notarize", "image://127.0.0.1:1/app:1"),
        ("authenticate", "good", "-o", "json"),
        ("inspect", "good", "--envelope"),
        ("inspect", "good", "-o", "json"),
        ("evidence", "ci.example.com:app#42", "-o", "yaml"),
        ("ledger", "status"),
        ("ledger", "export", "tiles"),
        ("ledger", "backup", "copy"),
        ("doctor",),
    ]

    ran = [program(*argv, environ=environ) for argv in calls]

    codes = [one.code for one in ran]
    assert codes[:4] == [0, 0, 0, 0], ran[:4]
    assert codes[6:12] == [1, 0, 0, 0, 0, 0], ran[6:12]
    printed = b"".join(one.stdout + one.stderr.encode() for one in ran)
    envelopes = [json.loads(line) for line in ran[7].stdout.splitlines()]
    payloads = b"".join(base64.b64decode(one["payload"]) for one in envelopes)
    assert b"git.example.com" in payloads
    kept = b"".join(read_everything(folder))
    assert b"git.example.com" in kept
    for secret in PLANTED:
        assert secret.encode() not in printed + payloads + kept, secret


def read_everything(folder: Path) -> Iterator[bytes]:
    """Yield all that the program has written, packed and unpacked."""
    for place in (folder, Path.home()):
        for one in place.rglob("*"):
            if one.is_file():
                data = one.read_bytes()
                yield data
                yield from unpack(data)
    for envelope in stored_envelopes():
        yield envelope
        yield base64.b64decode(json.loads(envelope)["payload"])


def unpack(data: bytes) -> Iterator[bytes]:
    """Yield each zstandard frame in a file, unpacked."""
    for found in re.finditer(re.escape(b"\x28\xb5\x2f\xfd"), data):
        try:
            yield (
                zstandard.ZstdDecompressor()
                .decompressobj()
                .decompress(data[found.start() :])
            )
        except (zstandard.ZstdError, zlib.error):
            continue


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("sp ace/led ger.db", id="space"),
        pytest.param("per%cent%20/l%00.db", id="percent"),
        pytest.param("what?mode=memory/l?x=1.db", id="question-mark"),
        pytest.param("ha#sh/l#.db", id="hash"),
        pytest.param("uni—code/größe.db", id="unicode"),
        pytest.param("quo'te\"/l.db", id="quote"),
        pytest.param("new\nline/l.db", id="newline"),
        pytest.param("-dash/-l.db", id="dash"),
        pytest.param("../work/./l.db", id="dots"),
        pytest.param("file:l.db", id="file-uri"),
    ],
)
def test_ledger_may_stand_at_any_path(folder: Path, place: str) -> None:
    Path("good").write_text("good")
    ledger = f"--ledger={place}"
    url = f"--ledger=sqlite://{folder / place}"

    assert program("notarize", "good", ledger).code == 0
    done = program("log", "put", "a#1", "good", ledger)

    assert done.code == 0, done
    assert program("authenticate", "good", url).code == 0
    assert program("ledger", "verify", ledger).code == 0
    assert program("log", "a#1", url).stdout == b"good"
    home = Path.home() / ".local/share/jenkins-notary"
    assert sorted(os.listdir(home)) == ["key.pem"]
    real = Path(os.path.normpath(folder / place))
    assert real.is_file()
    assert {one.name for one in real.parent.iterdir()} - {"good"} == {
        real.name,
        f"{real.name}.blobs",
        f"{real.name}.key",
        f"{real.name}.lock",
    }


def test_two_ledgers_know_nothing_of_each_other(folder: Path) -> None:
    Path("good").write_text("good")

    assert program("notarize", "good", "--ledger", "one.db").code == 0
    assert program("notarize", "one.db.key", "--ledger", "two.db").code == 0

    assert program("authenticate", "good", "--ledger", "one.db").code == 0
    assert program("authenticate", "good", "--ledger", "two.db").code == 2
    one, two = (
        program("ledger", "status", "-o", "json", "--ledger", name).json
        for name in ("one.db", "two.db")
    )
    assert one["origin"] != two["origin"]
    # The other's receipt is refused; so is the other ledger in this one's place.
    wrong = program("authenticate", "good", "--ledger", "one.db", "--log", two["vkey"])
    assert wrong.code == 65, wrong
    assert folder.is_dir()


def test_one_ledger_reached_by_two_paths_is_one(folder: Path) -> None:
    Path("good").write_text("good")
    (folder / "data").mkdir()
    (folder / "link").symlink_to("data")

    assert program("notarize", "good", "--ledger", "data/l.db").code == 0
    assert program("notarize", "good", "--ledger", "link/l.db").code == 0
    assert program("authenticate", "good", "--ledger", "link/l.db").code == 0
    assert program("ledger", "verify", "--ledger", "data/l.db").code == 0


XDG = ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")


def test_without_a_home_it_says_what_to_set(folder: Path) -> None:
    Path("good").write_text("good")
    nothing = {"HOME": "", "USERPROFILE": "", **dict.fromkeys(XDG, "")}
    there = {**nothing, **{name: str(folder / "xdg") for name in XDG}}

    done = program("notarize", "good", environ=nothing)

    assert done.code == 78, done
    assert "HOME" in done.stderr
    assert program("notarize", "good", environ=there).code == 0
    assert program("authenticate", "good", environ=there).code == 0


def test_relative_xdg_folder_is_ignored(folder: Path) -> None:
    Path("good").write_text("good")
    environ = dict.fromkeys(XDG, "relative")

    assert program("notarize", "good", environ=environ).code == 0

    assert not (folder / "relative").exists()
    assert (Path.home() / ".local/share/jenkins-notary/key.pem").exists()
