"""A witness's start, and its answers that need no ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import (
    ConfigurationError,
    NotaryError,
    NotFoundError,
    StorageError,
    UsageError,
)
from jenkins_notary.keys.log_key import generate_log_key
from jenkins_notary.ledger.witness import MAX_BYTES
from jenkins_notary.service.witness import protocol as witnessing
from jenkins_notary.service.witness.asking import WitnessSettings
from jenkins_notary.service.witness.client import Witness
from jenkins_notary.service.witness.protocol import WitnessApplication
from jenkins_notary.service.witness.serving import open_witness, parse_logs
from tests.command import command

if TYPE_CHECKING:
    from pathlib import Path


def test_a_witness_needs_a_name_once_and_its_state_always(tmp_path: Path) -> None:
    path = str(tmp_path / "w.key")
    with pytest.raises(UsageError, match="name"):
        open_witness(path, None)
    with pytest.raises(UsageError, match="name"):
        open_witness(path, "a b")
    made, state = open_witness(path, "w.example.com")
    state.close()
    again, state = open_witness(path, None)
    state.close()
    with pytest.raises(UsageError, match="got another"):
        open_witness(path, "other.example.com")
    (tmp_path / "w.key.state").unlink()

    assert again.vkey == made.vkey
    with pytest.raises(NotFoundError, match="signed so far"):
        open_witness(path, "w.example.com")


def test_logs_are_a_key_a_line_and_may_have_several(tmp_path: Path) -> None:
    first = generate_log_key(str(tmp_path / "a"), "log.example.com/a").vkey
    second = generate_log_key(str(tmp_path / "b"), "log.example.com/a").vkey
    found = parse_logs(f"# ours\n\n {first}\r\n{second}\n".encode())

    assert [len(one) for one in found.values()] == [2]
    for data in (b"", b"# nothing\n", b"x\n", b"\xff\n"):
        with pytest.raises(ConfigurationError):
            parse_logs(data)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--logs"),
        (("--logs", "logs.txt"), "--witness-key"),
        (("--logs", "none"), "none"),
        (("--logs", "logs.txt", "--port", "65536"), "--port"),
        (("--logs", "logs.txt", "--tls-cert", "a"), "--tls-key"),
        (("--logs", "logs.txt", "--witness-key", "w"), "--name"),
        (
            (
                *("--logs", "logs.txt", "--witness-key", "w", "--name", "w.example"),
                *("--port", "0", "--tls-cert", "a", "--tls-key", "b"),
            ),
            "--tls-cert",
        ),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
def test_a_command_line_that_cannot_be_meant_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    vkey = generate_log_key(str(tmp_path / "a"), "log.example.com/a").vkey
    (tmp_path / "logs.txt").write_text(vkey)
    done = command("witness", *words)

    assert done.code in {64, 66, 78}
    assert told in done.stderr


class _Application:
    """A witness without logs, asked without a network."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        signer, self.state = open_witness(str(folder / "w.key"), "w.example.com")
        self.vkey = signer.vkey
        self.app = WitnessApplication({}, self.state, signer, self.said.append)

    def ask(self, method: str, path: str, *pieces: bytes) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        sent: list[Any] = []
        messages = [
            {"type": "http.request", "body": one, "more_body": True} for one in pieces
        ]
        messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Any:  # noqa: ANN401 - ASGI
            if not messages:
                await asyncio.sleep(60)
            return messages.pop(0)

        async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
            sent.append(message)

        scope: Any = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [],
            "query_string": b"",
            "server": ("localhost", 80),
            "scheme": "http",
            "client": None,
        }
        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], b"".join(one.get("body", b"") for one in sent)


def test_the_key_is_shown_and_other_paths_are_not_there(tmp_path: Path) -> None:
    app = _Application(tmp_path)

    assert app.ask("GET", "/") == (200, f"{app.vkey}\n".encode())
    assert app.ask("GET", "/logz")[0] == 404
    assert app.ask("GET", "/add-checkpoint")[0] == 405
    assert app.ask("POST", "/add-checkpoint", b"old 0\n")[0] == 400
    assert app.ask("POST", "/add-checkpoint", b"x" * MAX_BYTES, b"x")[0] == 413
    assert "400" in app.said[3]
    app.state.close()


def test_too_many_and_too_slow_requests_are_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _Application(tmp_path)
    monkeypatch.setattr(witnessing, "MAX_WAITING", 0)
    busy = app.ask("POST", "/add-checkpoint", b"old 0\n")
    monkeypatch.undo()
    monkeypatch.setattr(witnessing, "BODY_S", 0.0)
    slow = app.ask("POST", "/add-checkpoint", b"old 0\n")

    assert (busy[0], slow[0]) == (503, 408)
    app.state.close()


def test_a_disk_that_fails_signs_nothing_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise StorageError("/secret/place", got="full")

    app = _Application(tmp_path)
    monkeypatch.setattr(witnessing, "add_checkpoint", fail)

    assert app.ask("POST", "/add-checkpoint", b"x") == (500, b"storage\n")
    app.state.close()


def test_other_protocols_are_not_answered(tmp_path: Path) -> None:
    app = _Application(tmp_path)
    asyncio.run(app.app({"type": "lifespan"}, None, None))  # type: ignore[arg-type]  # never called

    assert not app.said
    app.state.close()


@pytest.mark.parametrize(
    "section",
    [
        {"ask": [("https://w.example.com", "x")]},
        {"quorum": 0, "every": 2},
        {"quorum": 3},
        {"every": 0},
        {"twice": True},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(
    tmp_path: Path, section: dict[str, Any]
) -> None:
    vkey = open_witness(str(tmp_path / "w.key"), "w.example.com")[0].vkey
    count = 2 if section.pop("twice", False) else 1
    given = section.pop("ask", [("https://w.example.com", vkey)] * count)
    asked = tuple(Witness(url=url, vkey=key) for url, key in given)

    with pytest.raises(NotaryError):
        WitnessSettings(ask=asked, **section).check()
