"""What was recorded is found again: logs, files, records by any key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import command

if TYPE_CHECKING:
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#42"
LOG = b"Started\n\x1b[31mred\x1b[0m\n[Pipeline] sh\nERROR: no\nFinished: FAILURE\n"


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, after a build's log was recorded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.jar").write_text("app")
    (tmp_path / "console.txt").write_bytes(LOG)
    assert command("notarize", "app.jar", "--job", JOB).code == 0
    assert command("log", "put", JOB, "console.txt").code == 0
    return tmp_path


def test_log_comes_back_byte_for_byte(logged: Path) -> None:
    done = command("log", JOB)

    assert logged.exists()
    assert (done.code, done.stdout) == (0, LOG)


def test_only_immudb_proves_by_itself(logged: Path) -> None:
    done = command("inspect", "app.jar", "--engine-proof", "--ledger", "own.db")

    assert logged.exists()
    assert done.code == 64
    assert "expected a ledger in immudb: only immudb has proofs" in done.stderr
    assert "got sqlite" in done.stderr


def test_a_service_does_not_prove_as_immudb(logged: Path) -> None:
    url = "https://notary.example.com"
    done = command("inspect", "app.jar", "--engine-proof", "--ledger", url)

    assert logged.exists()
    assert done.code == 64
    assert "got a notary service" in done.stderr


def test_log_of_standard_input(logged: Path) -> None:
    job = JOB.replace("42", "43")

    assert command("log", "put", job, "-", stdin=b"from a pipe\n").code == 0
    assert command("log", job).stdout == b"from a pipe\n"
    assert logged.exists()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        pytest.param(["--lines", "3:4"], b"[Pipeline] sh\nERROR: no\n", id="lines"),
        pytest.param(["--lines", "1"], b"Started\n", id="one-line"),
        pytest.param(["--grep", "ERROR"], b"4:ERROR: no\n", id="grep"),
    ],
)
def test_part_of_a_log(logged: Path, argv: list[str], expected: bytes) -> None:
    assert logged.exists()
    assert command("log", JOB, *argv).stdout == expected


def test_log_on_a_terminal_is_escaped(logged: Path) -> None:
    done = command("log", JOB, terminal=True)

    assert logged.exists()
    assert "\\x1b[31mred" in done.text
    assert "\x1b[31m" not in done.text


def test_log_as_a_document(logged: Path) -> None:
    done = command("log", JOB, "-o", "json")

    assert logged.exists()
    said = done.json
    facts = said.pop("log")
    assert said == {"job": JOB, "size": len(LOG), "text": LOG.decode()}
    assert (facts["form"], facts["state"], facts["source"], facts["kept"]) == (
        *("consoleText", "whole", "agent", "stored"),
    )
    assert (facts["index"], facts["indexes"], facts["findings"]) == (2, [2], 0)


def test_log_too_long_for_a_document_says_so(
    logged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jenkins_notary.cli.log.MAX_DOCUMENT_BYTES", len(LOG) - 1)

    assert logged.exists()
    assert command("log", JOB, "-o", "json").code == 64


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(["payments/api/main#7"], 66, id="no-log"),
        pytest.param(["payments"], 64, id="no-job-id"),
        pytest.param([JOB, "--lines", "4:3"], 64, id="backwards"),
        pytest.param([JOB, "--lines", "0:3"], 64, id="line-0"),
        pytest.param([JOB, "--lines", "a"], 64, id="no-number"),
        pytest.param([JOB, "--lines", "1", "--grep", "a"], 64, id="both"),
        pytest.param([JOB, "--grep", ""], 64, id="empty-text"),
        pytest.param([JOB, "--grep", "a", "--as-of", "2"], 66, id="before-it"),
    ],
)
def test_log_that_cannot_be_shown(logged: Path, argv: list[str], code: int) -> None:
    assert logged.exists()
    assert command("log", *argv).code == code


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param([JOB], id="build"),
        pytest.param(["payments/api/main#42"], id="build-without-instance"),
        pytest.param(["--job", "payments/*"], id="folder"),
        pytest.param(["--since", "2020-01-01T00:00:00Z"], id="since"),
    ],
)
def test_records_are_found(logged: Path, argv: list[str]) -> None:
    done = command("evidence", *argv, "-o", "json")

    types = [one["type"] for one in done.json["records"]]
    assert logged.exists()
    assert done.code == 0
    assert types[-2:] == ["notarization", "log"]


def test_records_of_a_signer_and_of_a_digest_are_found(logged: Path) -> None:
    signer = command("key", "show", "-o", "json").json["signer"]
    digest = command("authenticate", "app.jar", "-o", "json").json["assets"][0][
        "digest"
    ]

    by_signer = command("evidence", "--signer", signer, "-o", "json").json["records"]
    by_digest = command("evidence", "--digest", digest, "--receipt", "-o", "json")

    assert logged.exists()
    assert len(by_signer) == 3
    assert len(by_digest.json["records"]) == 1
    assert by_digest.json["records"][0]["receipt"]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param([], 64, id="nothing-to-look-for"),
        pytest.param(["a#1", "--job", "b"], 64, id="two-jobs"),
        pytest.param(["payments/api/main#7"], 66, id="absent"),
        pytest.param(["--commit", "xyz"], 64, id="no-commit"),
        pytest.param(["--until", "yesterday"], 64, id="no-time"),
        pytest.param(["--digest", "sha256:12"], 64, id="no-digest"),
    ],
)
def test_wrong_or_empty_search(logged: Path, argv: list[str], code: int) -> None:
    assert logged.exists()
    assert command("evidence", *argv).code == code


def test_option_that_means_something_else_is_not_taken(logged: Path) -> None:
    environ = {"JENKINS_NOTARY_SIGNER": "0x" + "1" * 40}

    assert logged.exists()
    assert command("evidence", JOB, environ=environ).code == 0


def test_attached_file_is_found_by_job_and_read_back(logged: Path) -> None:
    (logged / "report.xml").write_text("<report/>")

    done = command(
        *("attach", "report.xml", "--job", JOB, "--label", "tests", "-o", "json")
    )
    (record,) = done.json["records"]
    digest = "sha256:" + record["subjects"][0]["digest"]["sha256"]

    assert record["predicate"]["label"] == "tests"
    assert command("inspect", digest, "--body").stdout == b"<report/>"


def test_attached_file_of_a_digest(logged: Path) -> None:
    digest = command("authenticate", "app.jar", "-o", "json").json["assets"][0][
        "digest"
    ]

    done = command("attach", "-", "--digest", digest, stdin=b"{}")

    assert logged.exists()
    assert done.code == 0
    assert "attachment" in command("inspect", digest).text


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(["app.jar"], 64, id="of-nothing"),
        pytest.param(["missing", "--job", JOB], 66, id="missing"),
        pytest.param([".", "--job", JOB], 64, id="folder"),
    ],
)
def test_file_that_cannot_be_attached(logged: Path, argv: list[str], code: int) -> None:
    assert logged.exists()
    assert command("attach", *argv).code == code
