"""Run the real service: ``jenkins-notary serve`` as a process of its own.

with Serving(tmp_path) as service:
writer = service.token("payments", "--role", "writer", "--folder", "payments")
answer = service.ask("POST", "/api/v1/records", claim(), token=writer)
assert answer.status == 200
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from jenkins_notary.api.notary import Notary
from tests.program import PROGRAM

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

_READY = re.compile(r"serving (https?)://(\S+):(\d+)")


class Answer(NamedTuple):
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document's shape is the test's matter
        """Return the body's JSON."""
        return json.loads(self.body)


class Serving:
    """A service that runs until the block ends.

    Attributes:
        ledger: Its ledger's file.
        environ: The environment of whoever administers it.
        url: What ``--ledger`` takes.
        port: Where it listens.
        admin: The first administrator's token.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        """Prepare; nothing runs yet."""
        self.home = folder / "service"
        self.home.mkdir(parents=True, exist_ok=True)
        self.ledger = self.home / "ledger.db"
        kinds = ("DATA", "STATE", "CONFIG", "CACHE")
        self.environ = {
            **os.environ,
            "HOME": str(self.home),
            **{f"XDG_{one}_HOME": str(self.home / one.lower()) for one in kinds},
        }
        self._options = options
        self._log = self.home / "access.log"
        self.url, self.port, self.admin = "", 0, ""
        self._process: subprocess.Popen[bytes] | None = None
        self._said: list[str] = []

    def __enter__(self) -> Self:
        """Start, and wait until it serves."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._process is not None:
            self.stop()

    def start(self) -> None:
        """Start the process on the same ledger."""
        self._process = subprocess.Popen(
            [
                *PROGRAM,
                *("serve", "--ledger", str(self.ledger), "--port", str(self.port)),
                *("--access-log", str(self._log), *self._options),
            ],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        stderr = self._process.stderr
        assert stderr is not None
        for line in iter(stderr.readline, b""):
            self._said.append(line.decode())
            found = _READY.search(self._said[-1])
            if found:
                self.port = int(found[3])
                self.url = f"{found[1]}://127.0.0.1:{self.port}"
                break
        else:
            stderr.close()
            self._process.wait()
            self._process = None
            raise AssertionError(self.said)
        threading.Thread(target=self._drain, args=(stderr,), daemon=True).start()
        self.admin = (self.home / "ledger.db.admin-token").read_text().strip()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        code = process.wait(timeout=40)
        if process.stderr is not None:
            time.sleep(0.05)
        return code

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """Return what it has said on standard error."""
        return "".join(self._said)

    def _drain(self, stderr: Any) -> None:  # noqa: ANN401 - a pipe
        with stderr:
            for line in iter(stderr.readline, b""):
                self._said.append(line.decode())

    def notary(self) -> Notary:
        """Return the API on its ledger."""
        return Notary(str(self.ledger), environ=self.environ)

    def command(self, *words: str) -> str:
        """Run a command line of its administrator; return what it prints."""
        done = subprocess.run(
            [*PROGRAM, *words, "--ledger", str(self.ledger)],
            env=self.environ,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def token(self, name: str, *options: str) -> str:
        """Make a token; return its text."""
        return self.command("token", "create", name, *options).strip()

    def client(self, token: str) -> dict[str, str]:
        """Return the environment of an agent that uses this service."""
        return {"JENKINS_NOTARY_LEDGER": self.url, "JENKINS_NOTARY_TOKEN": token}

    def lines(self, count: int) -> list[dict[str, Any]]:
        """Return the access log, once it has so many lines."""
        for _ in range(100):
            text = self._log.read_text() if self._log.exists() else ""
            if text.count("\n") >= count:
                break
            time.sleep(0.05)
        return [json.loads(one) for one in text.splitlines()]

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> Answer:
        """Send one request, as the administrator if no token is given."""
        given = self.admin if token is None else token
        fields = {"Authorization": f"Bearer {given}"} if given else {}
        is_json = isinstance(body, (dict, list))
        data: Any = json.dumps(body) if is_json else body
        connection: http.client.HTTPConnection
        if self.url.startswith("https"):
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=60, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, data, {**fields, **(headers or {})})
            response = connection.getresponse()
            return Answer(
                response.status,
                {key.lower(): value for key, value in response.getheaders()},
                response.read(),
            )
        finally:
            connection.close()


def claim(
    digest: str | list[str] | None = None,
    *,
    job: str | None = "ci.example.com:payments/api/main#1",
    **facts: object,
) -> dict[str, Any]:
    """Return a claim on one digest; keys may be replaced."""
    digest = digest or f"sha256:{os.urandom(32).hex()}"
    names = [digest] if isinstance(digest, str) else digest
    return {
        "recordId": os.urandom(16).hex(),
        "claimedAt": "2026-01-02T03:04:05.006Z",
        "status": "TRUSTED",
        "job": None if job is None else {"id": job},
        "assets": [
            {
                "name": "app.jar",
                "kind": "file",
                "size": 9,
                "subjects": [{"name": one[:20], "digest": one} for one in names],
            }
        ],
        **facts,
    }
