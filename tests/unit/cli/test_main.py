"""Whatever happens ends in one of the codes, one line, and no traceback."""

from __future__ import annotations

import errno
import io
import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.cli import main as edge
from jenkins_notary.cli.commands import COMMANDS, Command, find_command, load_command
from jenkins_notary.errors import AmbiguousError
from tests.command import command

if TYPE_CHECKING:
    from collections.abc import Callable

    from jenkins_notary.cli.context import Context


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make ``doctor`` raise something."""

    def arrange(error: BaseException) -> None:
        real = load_command("doctor")

        def run(_: Context) -> int:
            raise error

        def load(_: str, _edition: object) -> Command:
            return real._replace(run=run)

        monkeypatch.setattr(edge, "load_command", load)

    return arrange


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        pytest.param(AmbiguousError("job a"), 67, "job a", id="ours"),
        pytest.param(ValueError("odd"), 70, "ValueError: odd", id="fault"),
        pytest.param(MemoryError(), 70, "memory", id="memory"),
        pytest.param(RecursionError("deep"), 70, "RecursionError", id="recursion"),
        pytest.param(KeyboardInterrupt(), 130, "interrupted", id="ctrl-c"),
        pytest.param(
            OSError(errno.ENOSPC, "full", "/a"), 74, "/a: got full", id="full"
        ),
        pytest.param(
            OSError(errno.EROFS, "read-only"), 74, "read-only", id="read-only"
        ),
        pytest.param(PermissionError(errno.EACCES, "no", "/a"), 77, "/a", id="rights"),
        pytest.param(
            FileNotFoundError(errno.ENOENT, "no", "/a"), 66, "/a", id="absent"
        ),
        pytest.param(
            OSError(errno.ENOTCONN, "odd"), 70, "OSError", id="other-os-error"
        ),
        pytest.param(AssertionError(), 70, "AssertionError", id="assertion"),
        pytest.param(ValueError("a\nb\x1b"), 70, "a\\nb\\x1b", id="hostile-text"),
    ],
)
def test_failure_is_one_line_with_its_code(
    raising: Callable[[BaseException], None],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    raising(error)

    done = command("doctor")

    assert done.code == code
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == b""


@pytest.mark.parametrize("error", [ValueError("odd"), OSError(errno.ENOSPC, "full")])
def test_debug_adds_the_traceback(
    raising: Callable[[BaseException], None], error: Exception
) -> None:
    raising(error)

    done = command("doctor", environ={"JENKINS_NOTARY_DEBUG": "1"})

    assert "Traceback" in done.stderr
    assert done.code in {70, 74}


def test_failure_is_a_document_too(raising: Callable[[BaseException], None]) -> None:
    raising(ValueError("odd"))

    done = command("doctor", "-o", "json")

    assert done.json["code"] == done.code == 70
    assert "ValueError" in done.stderr


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        pytest.param([], "expected a command", id="nothing"),
        pytest.param(["notarise"], "did you mean jenkins-notary notarize?", id="typo"),
        pytest.param(["ledger"], "expected a command of ledger", id="group"),
        pytest.param(
            ["ledger", "stauts"], "did you mean jenkins-notary ledger", id="in"
        ),
        pytest.param(["--ledger=x"], "expected a command first", id="option-first"),
        pytest.param(["notarize"], "expected at least one", id="no-asset"),
        pytest.param(
            ["notarize", "--colour"], "unknown option '--colour'", id="option"
        ),
        pytest.param(["log"], "no JOB_ID", id="no-argument"),
        pytest.param(["untrust", "a"], "--reason: expected a value", id="no-reason"),
        pytest.param(
            ["notarize", "a", "--limit"], "unknown option", id="foreign-option"
        ),
        pytest.param(["doctor", "\x1b[2J"], "'\\x1b[2J'", id="hostile"),
    ],
)
def test_wrong_command_line_is_64_with_one_line(argv: list[str], text: str) -> None:
    done = command(*argv)

    assert done.code == 64
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["-o", "json"],
        ["-ojson"],
        ["--output", "json"],
        ["--output=json"],
        ["-o=json"],
    ],
)
def test_wrong_command_line_is_a_document_too(argv: list[str]) -> None:
    done = command("notarize", "--colour", *argv)

    assert done.json["error"] == "usage"
    assert done.json["code"] == done.code == 64


def test_format_of_the_environment_holds_for_wrong_command_lines() -> None:
    done = command("notarize", "--colour", environ={"JENKINS_NOTARY_OUTPUT": "json"})

    assert json.loads(done.stdout)["code"] == 64


@pytest.mark.parametrize("argv", [["-o"], ["-o", "xml"], ["--", "-o", "json"]])
def test_unusable_format_falls_back_to_text(argv: list[str]) -> None:
    done = command("log", *argv, "a", "b", "c")

    assert done.code == 64
    assert done.stdout == b""


def test_help_lists_every_command_with_its_line() -> None:
    done = command("--help")

    assert done.code == 0
    for words, (_, summary) in COMMANDS.items():
        assert any(
            line.split() == [*words.split(), *summary.split()]
            for line in done.text.splitlines()
        )


def test_help_of_a_group_lists_its_commands() -> None:
    done = command("ledger", "--help")

    assert done.code == 0
    assert "ledger status" in done.text
    assert "notarize  " not in done.text


@pytest.mark.parametrize("words", COMMANDS)
def test_help_of_a_command_has_examples_and_codes(words: str) -> None:
    done = command(*words.split(), "--help")

    assert done.code == 0
    assert "examples:\n  " in done.text
    assert f"jenkins-notary {words}" in done.text
    assert "exit codes: 0" in done.text
    assert max(map(len, done.text.splitlines())) <= 120


def test_version_is_printed() -> None:
    done = command("--version")

    assert done.code == 0
    assert done.text.startswith("jenkins-notary ")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["log", "put", "a#1", "-"], "log put"),
        (["log", "a#1"], "log"),
        (["ledger"], ""),
        (["sign"], ""),
        ([], ""),
    ],
)
def test_longest_command_is_found(argv: list[str], words: str) -> None:
    assert find_command(argv) == words


@pytest.mark.parametrize("words", COMMANDS)
def test_command_stands_in_the_module_that_the_table_names(words: str) -> None:
    assert load_command(words).run.__module__.startswith("jenkins_notary.cli.")


def test_warning_of_a_typo_goes_to_standard_error_only() -> None:
    done = command("completion", "bash", environ={"JENKINS_NOTARY_LEGDER": "x"})

    assert done.code == 0
    assert "JENKINS_NOTARY_LEGDER" in done.stderr
    assert b"LEGDER" not in done.stdout


def test_wrong_configuration_is_78_with_all_faults(tmp_path: object) -> None:
    file = f"{tmp_path}/config.yaml"
    with open(file, "w", encoding="utf-8") as stream:
        stream.write("colour: red\ntoken: hunter2\n")

    done = command("doctor", "--config", file, "-o", "json")

    assert done.code == done.json["code"] == 78
    assert len(done.json["faults"]) == 2
    assert "hunter2" not in done.text + done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_options(shell: str) -> None:
    done = command("completion", shell)

    assert done.code == 0
    assert "notarize" in done.text
    assert "plain-http" in done.text


def test_completion_of_an_unknown_shell_is_64() -> None:
    assert command("completion", "fish").code == 64


def test_stream_that_cannot_be_written_is_74() -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    stderr = io.BytesIO()

    code = edge.main(["--help"], {}, stdin=None, stdout=Full(), stderr=stderr)

    assert code == 74
    assert b"standard output" in stderr.getvalue()
