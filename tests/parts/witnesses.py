"""Run real witnesses: the third party's litewitness, and our own ``witness``."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from jenkins_notary.tlog.canonical import encode_base64
from jenkins_notary.tlog.merkle import Frontier
from tests.parts.build import PARTS
from tests.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_VKEY = re.compile(r'vkey="?([^\s"]+)"?')
_OURS = re.compile(r"witness key (\S+)")
_SERVING = re.compile(r"witnessing on (\S+)")


class RealWitness(NamedTuple):
    """A witness that runs."""

    url: str
    vkey: str
    pid: int


@contextmanager
def run_litewitness(
    folder: Path, logs: Mapping[str, str], *, name: str = "lite.example.com"
) -> Iterator[RealWitness]:
    """Run litewitness with a new key, for logs by origin with their vkey."""
    folder.mkdir(parents=True, exist_ok=True)
    key, agent = folder / "key", folder / "agent.sock"
    _add_logs(folder / "witness.db", logs)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True
    )
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key)], check=True, capture_output=True, text=True
    )
    program = PARTS["litewitness"].find()
    assert program is not None
    port = _free_port()
    with subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(agent)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as keeper:
        try:
            _wait_for(agent.exists)
            subprocess.run(
                ["ssh-add", "-q", str(key)],
                env={**os.environ, "SSH_AUTH_SOCK": str(agent)},
                check=True,
            )
            with subprocess.Popen(
                [
                    *(str(program), "-name", name, "-db", str(folder / "witness.db")),
                    *("-ssh-agent", str(agent), "-key", shown.stdout.split()[1]),
                    *("-listen", f"127.0.0.1:{port}"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as running:
                try:
                    vkey = _read_until(running, _VKEY)
                    url = f"http://127.0.0.1:{port}"
                    _wait_for(lambda: _answers(url))
                    yield RealWitness(url, vkey, running.pid)
                finally:
                    running.terminate()
        finally:
            keeper.terminate()


@contextmanager
def run_witness(
    folder: Path,
    vkeys: Sequence[str],
    *options: str,
    name: str = "ours.example.com",
    port: int = 0,
) -> Iterator[RealWitness]:
    """Run ``jenkins-notary witness`` for some logs."""
    folder.mkdir(parents=True, exist_ok=True)
    logs = folder / "logs.txt"
    logs.write_text("# the logs\n\n" + "".join(f"{one}\n" for one in vkeys))
    with subprocess.Popen(
        [
            *(*PROGRAM, "witness", "--logs", str(logs), "--port", str(port)),
            *("--witness-key", str(folder / "witness.key"), "--name", name, *options),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            vkey = _read_until(running, _OURS)
            yield RealWitness(_read_until(running, _SERVING), vkey, running.pid)
        finally:
            running.terminate()
            running.wait(timeout=40)


def send(url: str, data: bytes) -> tuple[int, str, bytes]:
    """Send a submission; return status, content type and body of the answer."""
    request = urllib.request.Request(f"{url}/add-checkpoint", data, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def _add_logs(path: Path, logs: Mapping[str, str]) -> None:
    """Do what witnessctl's add-log and add-key do: it cannot be had everywhere."""
    database = sqlite3.connect(path)
    with database:
        database.executescript(
            "CREATE TABLE IF NOT EXISTS log (origin TEXT PRIMARY KEY, tree_size INTEGER"
            " NOT NULL, tree_hash TEXT NOT NULL);"
            "CREATE TABLE IF NOT EXISTS key (origin TEXT NOT NULL, key TEXT NOT NULL,"
            " FOREIGN KEY(origin) REFERENCES log(origin));"
        )
        empty = encode_base64(Frontier().root())
        for origin, vkey in logs.items():
            database.execute("INSERT INTO log VALUES (?, 0, ?)", (origin, empty))
            database.execute("INSERT INTO key VALUES (?, ?)", (origin, vkey))
    database.close()


def _read_until(process: subprocess.Popen[str], wanted: re.Pattern[str]) -> str:
    """Return what a line of a program's standard error names."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        found = wanted.search(line)
        if found:
            return found[1]
    raise AssertionError("".join(said))


def _answers(url: str) -> bool:
    """Return whether something listens."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True


def _wait_for(is_so: object) -> None:
    """Wait until something is so."""
    assert callable(is_so)
    for _ in range(200):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError


def _free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
