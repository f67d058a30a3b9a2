"""Logs of builds: held back, released, cut by stage, proven offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jenkins_notary.evidence.checkpoint_lines import format_checkpoint_line
from tests.command import command
from tests.parts.jenkins import TOKEN, USER, serve_jenkins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.jenkins import StandIn

JOB = "ci.example.com:payments/api/main#42"
SECRET = "hunter2-and-more"
LOG = f"""Started
[Pipeline] {{ (Build)
export PASSWORD='{SECRET}'
[Pipeline] }}
Finished: SUCCESS
"""
CLEAN = LOG.replace(SECRET, "****")
REASON = "the password was changed"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a log that holds a secret, and one that holds none."""
    monkeypatch.chdir(tmp_path)
    assert command("ledger", "init").code == 0
    (tmp_path / "leaky.txt").write_text(LOG)
    (tmp_path / "clean.txt").write_text(CLEAN)
    return tmp_path


def every_way(job: str, digest: str) -> list[tuple[str, ...]]:
    """Return every command line that could print a log."""
    return [
        ("log", job),
        ("log", job, "-o", "json"),
        ("log", job, "--lines", "1:9"),
        ("log", job, "--grep", "PASSWORD"),
        ("log", job, "--stage", "Build"),
        ("log", job, "--checkpoints"),
        ("log", job, "--lines", "1:9", "--excerpt", "-"),
        ("inspect", digest, "--body"),
        ("inspect", digest),
        ("evidence", job),
        ("evidence", job, "-o", "json", "--receipt"),
        ("evidence", "--digest", digest),
        ("doctor",),
        ("ledger", "verify"),
    ]


def test_held_log_is_printed_by_no_command_until_it_is_released(folder: Path) -> None:
    put = command("log", "put", JOB, "leaky.txt", "-o", "json")
    said = put.json["records"][0]["predicate"]
    digest = "sha256:" + said["body"]["sha256"]

    assert (said["kept"], said["findings"]["lines"]) == (
        "held",
        [{"line": 3, "kind": "password"}],
    )
    assert "log release" in put.stderr
    for argv in every_way(JOB, digest):
        done = command(*argv)
        assert SECRET not in done.text + done.stderr, argv
        if argv[0] == "log" or "--body" in argv:
            assert done.code == 77, argv
    assert SECRET not in put.text + put.stderr
    assert command("log", "release", JOB).code == 64
    assert command("log", "release", JOB, "--reason", REASON).code == 0
    assert command("log", JOB).stdout == LOG.encode()
    assert command("inspect", digest, "--body").stdout == LOG.encode()
    assert REASON in command("evidence", JOB).text
    assert command("ledger", "verify").code == 0
    assert folder.exists()


def test_digest_of_a_log_is_kept_without_its_text(folder: Path) -> None:
    put = command("log", "put", JOB, "leaky.txt", "--secrets", "digest", "-o", "json")
    done = command("log", JOB, "-o", "json")

    assert put.json["records"][0]["predicate"]["kept"] == "digest"
    assert done.code == 66
    assert "--verify" in done.json["advice"]
    assert command("ledger", "verify").code == 0
    assert command("log", "release", JOB, "--reason", REASON).code == 64
    assert folder.exists()


def test_policy_comes_by_environment_and_a_wrong_one_is_refused(folder: Path) -> None:
    environ = {"JENKINS_NOTARY_SECRETS": "store"}

    assert command("log", "put", JOB, "leaky.txt", environ=environ).code == 0
    assert command("log", JOB).stdout == LOG.encode()
    assert command("log", "put", JOB, "leaky.txt", "--secrets", "print").code == 64
    assert folder.exists()


def test_log_says_on_the_side_which_one_it_is(folder: Path) -> None:
    command("log", "put", JOB, "clean.txt")

    done = command("log", JOB)
    assert done.stdout == CLEAN.encode()
    assert "record #1, put by 0x" in done.stderr
    assert "form consoleText" in done.stderr
    assert command("log", JOB, "--quiet").stderr == ""
    assert folder.exists()


def test_stage_is_cut_by_text_and_said_to_be_forgeable(folder: Path) -> None:
    command("log", "put", JOB, "clean.txt")

    done = command("log", JOB, "--stage", "Build")
    assert done.text.splitlines() == CLEAN.splitlines()[1:4]
    assert "by text, forgeable" in done.stderr
    numbered = command("log", JOB, "--stage", "Build", "--grep", "Pipeline")
    assert numbered.text == "2:[Pipeline] { (Build)\n4:[Pipeline] }\n"
    facts = command("log", JOB, "--stage", "Build", "-o", "json").json["log"]
    assert (facts["bounds"], facts["lines"]) == ("text", [[2, 4]])
    assert command("log", JOB, "--stage", "Deploy").code == 66
    assert folder.exists()


def test_checkpoint_lines_count_by_signature(folder: Path) -> None:
    note = command("ledger", "status", "-o", "json").json["checkpoint"].encode()
    lines = format_checkpoint_line(note) + format_checkpoint_line(b"forged" + note)
    (folder / "log").write_bytes(b"hello\n" + lines)
    command("log", "put", JOB, "log")

    found = command("log", JOB, "--checkpoints", "-o", "json").json
    assert [one["line"] for one in found["checkpoints"]] == [2]
    assert found["ignored"] == 1
    said = command("log", JOB, "--checkpoints").text
    assert "1 lines that look like checkpoints are not by the ledger" in said


def test_excerpt_is_checked_with_no_ledger(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("log", "put", JOB, "clean.txt")
    vkey = command("ledger", "status", "-o", "json").json["vkey"]
    made = command("log", JOB, "--lines", "2:3", "--excerpt", "lines.json")
    again = command("log", JOB, "--lines", "2:3", "--excerpt", "lines.json")
    file = str(folder / "lines.json")
    for name in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(folder / "elsewhere"))

    done = command("receipt", "verify", "--excerpt", file, "--log", vkey)
    document = command("receipt", "verify", "--excerpt", file, "--log", vkey, "-o=json")
    assert (made.code, again.code, done.code) == (0, 64, 0)
    assert "2: [Pipeline] { (Build)" in done.text
    assert document.json["job"] == JOB
    assert document.json["lines"][0]["first"] == 2
    assert command("receipt", "verify", "--log", vkey).code == 64
    assert command("receipt", "verify", file, "--excerpt", file).code == 64
    text = (folder / "lines.json").read_text()
    for old, new in (('"firstLine": 2', '"firstLine": 1'), ("index 1", "index 0")):
        (folder / "altered.json").write_text(text.replace(old, new))
        argv = ("receipt", "verify", "--excerpt", "altered.json", "--log", vkey)
        assert command(*argv).code == 65


# Compared with Jenkins

CONSOLE = b"Started\n\x1b[31mred\x1b[0m\nFinished: SUCCESS\n"


@pytest.fixture
def jenkins() -> Iterator[StandIn]:
    """Return a controller that answers as Jenkins does."""
    with serve_jenkins() as served:
        yield served


def login(jenkins: StandIn) -> dict[str, str]:
    """Return the environment that names a controller."""
    return {
        "JENKINS_NOTARY_JENKINS_URL": jenkins.url,
        "JENKINS_NOTARY_JENKINS_USER": USER,
        "JENKINS_NOTARY_JENKINS_TOKEN": TOKEN,
    }


def test_log_is_compared_with_what_jenkins_serves(
    folder: Path, jenkins: StandIn
) -> None:
    build = jenkins.add_job("payments/api").add_build(log=CONSOLE)
    environ = login(jenkins)
    job = f"payments/api#{build.number}"
    assert command("collect", job, environ=environ).code == 0

    same = command("log", job, "--verify", environ=environ)
    assert (same.code, same.text.splitlines()[0]) == (
        0,
        "Jenkins serves the notarized log",
    )
    build.log = CONSOLE.replace(b"red", b"green")
    other = command("log", job, "--verify", environ=environ)
    document = command("log", job, "--verify", "-o", "json", environ=environ).json
    assert other.code == 65
    assert "first line that differs: 2" in other.text
    assert "- notarized: \\x1b[31mred\\x1b[0m" in other.text
    assert "+ Jenkins:   \\x1b[31mgreen\\x1b[0m" in other.text
    assert "\x1b" not in other.text
    assert document["difference"]["line"] == 2
    assert document["code"] == 65
    build.log_lost = True
    lost = command("log", job, "--verify", environ=environ)
    assert lost.code == 66
    assert command("log", job).stdout == CONSOLE
    assert folder.exists()


def test_controller_that_is_away_or_not_configured_is_no_altered_log(
    folder: Path, jenkins: StandIn
) -> None:
    build = jenkins.add_job("payments/api").add_build(log=CONSOLE)
    environ = login(jenkins)
    job = f"payments/api#{build.number}"
    assert command("collect", job, environ=environ).code == 0

    assert command("log", job, "--verify").code == 78
    wrong = {**environ, "JENKINS_NOTARY_JENKINS_TOKEN": "wrong"}
    assert command("log", job, "--verify", environ=wrong).code == 77
    assert folder.exists()


def test_comparison_of_a_held_log_shows_no_text(folder: Path, jenkins: StandIn) -> None:
    build = jenkins.add_job("app").add_build(log=LOG.encode())
    environ = login(jenkins)
    assert command("collect", "app#1", environ=environ).code == 0
    build.log = LOG.replace("SUCCESS", "FAILURE").encode()

    done = command("log", "app#1", "--verify", environ=environ)
    assert done.code == 65
    assert "first line that differs: 5" in done.text
    assert "it is not shown" in done.text
    assert SECRET not in done.text + done.stderr
    assert "FAILURE" not in done.text
    assert folder.exists()


def test_log_that_ends_before_the_other_says_so(folder: Path, jenkins: StandIn) -> None:
    build = jenkins.add_job("app").add_build(log=CONSOLE)
    environ = login(jenkins)
    assert command("collect", "app#1", environ=environ).code == 0
    build.log = b"Started\n"

    done = command("log", "app#1", "--verify", environ=environ)
    assert done.code == 65
    assert "only the beginning of the notarized log" in done.text
    assert "+ Jenkins:   (the log ends before it)" in done.text
    assert folder.exists()
