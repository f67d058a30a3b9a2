"""What is printed is safe on a terminal, plain for programs, and never half."""

from __future__ import annotations

import errno
import io
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jenkins_notary.cli.output import Output, escape, format_table
from jenkins_notary.errors import FaultsError, NotFoundError, StorageError, UsageError
from tests.command import Terminal

DOCUMENT = {"assets": [{"name": "a\x1b[2J", "size": 1, "job": None}]}


def make_output(
    output_format: str = "text",
    *,
    terminal: bool = False,
    environ: dict[str, str] | None = None,
) -> tuple[Output, io.BytesIO, io.BytesIO]:
    stdout = Terminal() if terminal else io.BytesIO()
    stderr = io.BytesIO()
    return Output(stdout, stderr, environ or {}, format=output_format), stdout, stderr


class Broken(io.BytesIO):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, _: object) -> int:
        raise OSError(self.number, "broken")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\x1b[31mb", "a\\x1b[31mb", id="ansi"),
        pytest.param("a\nTRUSTED b", "a\\nTRUSTED b", id="line-break"),
        pytest.param("a\x9b2J", "a\\x9b2J", id="c1"),
        pytest.param("a\u202eb", "a\\u202eb", id="bidi"),
        pytest.param("a\u2066b", "a\\u2066b", id="isolate"),
        pytest.param("a\u200bb", "a\\u200bb", id="zero-width"),
        pytest.param("a\udcffb", "a\\udcffb", id="surrogate"),
        pytest.param("a\u2028b", "a\\u2028b", id="line-separator"),
        pytest.param("a\U000e0041b", "a\\U000e0041b", id="tag"),
        pytest.param("größe 日本", "größe 日本", id="letters-stay"),
    ],
)
def test_hostile_text_is_escaped(text: str, expected: str) -> None:
    assert escape(text) == expected


@given(st.text())
def test_escaped_text_is_one_line_that_can_be_encoded(text: str) -> None:
    safe = escape(text)

    assert len(safe.splitlines()) <= 1
    assert escape(safe) == safe
    safe.encode()


def test_json_is_one_exact_document() -> None:
    output, stdout, _ = make_output("json")

    output.show(DOCUMENT, list)

    assert json.loads(stdout.getvalue()) == DOCUMENT
    assert b"\x1b" not in stdout.getvalue()


def test_yaml_is_the_same_document() -> None:
    output, stdout, _ = make_output("yaml")

    output.show(DOCUMENT, list)

    assert yaml.safe_load(stdout.getvalue()) == DOCUMENT


def test_first_word_is_coloured_on_a_terminal_only() -> None:
    output, stdout, _ = make_output(terminal=True)
    plain, plain_stdout, _ = make_output()

    output.show({}, lambda: ["TRUSTED  a", "  TRUSTED"])
    plain.show({}, lambda: ["TRUSTED  a"])

    assert stdout.getvalue() == b"\x1b[32mTRUSTED\x1b[0m  a\n  TRUSTED\n"
    assert plain_stdout.getvalue() == b"TRUSTED  a\n"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_when_not_wanted(environ: dict[str, str]) -> None:
    output, stdout, _ = make_output(terminal=True, environ=environ)

    output.show({}, lambda: ["TRUSTED  a"])

    assert stdout.getvalue() == b"TRUSTED  a\n"


def test_name_cannot_forge_a_line_of_its_own() -> None:
    output, stdout, _ = make_output(terminal=True)

    output.show({}, lambda: ["UNKNOWN  a\nTRUSTED  b"])

    assert stdout.getvalue().count(b"\n") == 1


def test_error_is_text_on_standard_error_and_document_on_standard_output() -> None:
    output, stdout, stderr = make_output("json")

    code = output.fail(NotFoundError("file a\nb", got="none"))

    assert code == 66
    assert json.loads(stdout.getvalue())["error"] == "not-found"
    assert stderr.getvalue() == b"jenkins-notary: error: file a\\nb: got none\n"


def test_each_fault_has_a_line() -> None:
    output, stdout, stderr = make_output()
    faults = [UsageError("a\nb"), NotFoundError("c")]

    assert output.fail(FaultsError(faults, advice="look")) == 66
    assert stdout.getvalue() == b""
    assert stderr.getvalue().decode().splitlines() == [
        "jenkins-notary: error: 2 faults",
        "jenkins-notary:   a\\nb",
        "jenkins-notary:   c",
        "jenkins-notary:   look",
    ]


def test_quiet_drops_notices_and_keeps_errors() -> None:
    output, _, stderr = make_output()
    output.is_quiet = True

    output.notice("created key")
    output.fail(UsageError("a"))

    assert stderr.getvalue() == b"jenkins-notary: error: a\n"


def test_reader_that_went_away_is_no_failure() -> None:
    output = Output(Broken(errno.EPIPE), io.BytesIO(), {})

    output.write(b"a")
    output.write(b"b")

    assert output.is_closed


def test_full_disk_is_a_storage_error() -> None:
    output = Output(Broken(errno.ENOSPC), io.BytesIO(), {}, format="json")

    with pytest.raises(StorageError):
        output.write(b"a")


def test_error_that_cannot_be_printed_keeps_its_code() -> None:
    stderr = io.BytesIO()
    output = Output(Broken(errno.ENOSPC), stderr, {}, format="json")

    assert output.fail(UsageError("a")) == 64
    assert b"standard output" in stderr.getvalue()


def test_standard_error_that_went_away_is_no_failure() -> None:
    output = Output(io.BytesIO(), Broken(errno.EPIPE), {})

    assert output.fail(UsageError("a")) == 64


def test_foreign_bytes_are_exact_in_a_pipe_and_escaped_on_a_terminal() -> None:
    data = "a\tb\x1b[2J\ngröße".encode()
    output, stdout, _ = make_output()
    shown, terminal, _ = make_output(terminal=True)

    output.write_foreign(data)
    for place in range(len(data)):
        shown.write_foreign(data[place : place + 1])

    assert stdout.getvalue() == data
    assert terminal.getvalue().decode() == "a\tb\\x1b[2J\ngröße"


def test_bar_is_wiped_before_text() -> None:
    output, stdout, _ = make_output()
    calls: list[int] = []
    output.call_before_text(lambda: calls.append(len(stdout.getvalue())))

    output.write(b"a")
    output.notice("b")

    assert calls == [0, 1]


def test_table_without_rows_is_empty() -> None:
    assert format_table([]) == []
