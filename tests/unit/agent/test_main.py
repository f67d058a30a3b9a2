"""The agent part has its commands and refuses the others by name."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from jenkins_notary.agent.main import AGENT
from jenkins_notary.cli.commands import COMMANDS
from jenkins_notary.cli.main import main
from jenkins_notary.version import VERSION
from tests.parts.service import StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Done(NamedTuple):
    """What a command line of the agent part came to."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document's shape is the test's matter
        return json.loads(self.stdout)


def agent(*argv: str, environ: Mapping[str, str] | None = None) -> Done:
    """Run a command line of the agent part in this process."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    code = main(
        argv, environ or {}, stdin=None, stdout=stdout, stderr=stderr, edition=AGENT
    )
    return Done(code, stdout.getvalue(), stderr.getvalue().decode())


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.jar").write_bytes(b"PK")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_version_names_the_agent_part() -> None:
    assert agent("--version").stdout == f"jenkins-notary-agent {VERSION}\n".encode()


def test_help_lists_its_commands_alone() -> None:
    text = agent("--help").stdout.decode()

    assert all(f"  {words} " in text for words in AGENT.commands)
    assert "ledger init" not in text


@pytest.mark.parametrize("words", sorted(set(COMMANDS) - set(AGENT.commands)))
def test_other_command_is_refused_by_name(words: str) -> None:
    done = agent(*words.split(), "-o", "json")

    assert done.code == 64
    assert done.json["subject"] == f"command {words}"


def test_unknown_command_is_one() -> None:
    assert agent("notarise").code == 64
    assert "did you mean" in agent("notarise").stderr


@pytest.mark.parametrize("ledger", ["", "ledger.db", "sqlite:///x", "immudb://x/y"])
def test_only_a_service_can_be_asked(ledger: str) -> None:
    done = agent("notarize", "app.jar", environ={"JENKINS_NOTARY_LEDGER": ledger})

    assert done.code == 64
    assert "https://... of a notary service" in done.stderr


@pytest.mark.parametrize("option", ["--key", "--passphrase-file"])
def test_option_of_a_local_ledger_is_refused(option: str) -> None:
    done = agent("notarize", "app.jar", f"{option}=x", "--ledger", "https://n.example")

    assert done.code == 64
    assert option in done.stderr


def test_option_of_a_local_ledger_in_the_environment_is_said() -> None:
    done = agent(
        *("notarize", "app.jar", "--claims", "c.json"),
        environ={"JENKINS_NOTARY_KEY": "key.pem", "JENKINS_NOTARY_RECEIPTS": "r"},
    )

    assert done.code == 0
    assert "key is not used" in done.stderr


def test_yaml_is_neither_read_nor_written(work: Path) -> None:
    home = work / "jenkins-notary"
    home.mkdir()
    (home / "config.yaml").write_text("org: acme\n")
    found = agent("authenticate", "app.jar", environ={"XDG_CONFIG_HOME": str(work)})
    named = agent("authenticate", "app.jar", "--config", "x.yaml")
    printed = agent("authenticate", "app.jar", "-o", "yaml")

    assert (found.code, named.code, printed.code) == (64, 64, 64)
    assert "does not read" in found.stderr
    assert "text or json" in printed.stderr


def test_claims_are_shown_as_text() -> None:
    done = agent("notarize", "app.jar", "--claims", "c.json", "-q")

    assert done.stdout.decode().startswith("TRUSTED  -  sha256:")


def test_collect_asks_the_service(tmp_path: Path) -> None:
    with StandIn(tmp_path) as service:
        service.logs["ci.example.com:app#1"] = b"text\n"
        words = ("collect", "ci.example.com:app#1", "--only", "log", "-o", "json")
        done = agent(*words, environ=service.client)
        away = agent("collect", "app#2", "-o", "json", environ=service.client)
        wrong = agent("collect", "app", environ=service.client)

    assert (done.code, done.json["records"][0]["type"]) == (0, "log")
    assert (away.code, away.json["error"]) == (69, "unavailable")
    assert wrong.code == 64
    assert service.seen[0].json == {"job": "ci.example.com:app#1", "only": "log"}


def test_flag_for_the_token_file_wins_over_the_environment(tmp_path: Path) -> None:
    with StandIn(tmp_path) as service:
        (tmp_path / "token").write_text(service.token)
        wrong = {**service.client, "JENKINS_NOTARY_TOKEN": "wrong"}
        words = ("notarize", "app.jar", "-q")
        by_flag = agent(*words, "--token-file", "token", environ=wrong)
        by_variable = agent(
            *words, environ={**wrong, "JENKINS_NOTARY_TOKEN_FILE": "token"}
        )

    assert (by_flag.code, by_variable.code) == (0, 77)
