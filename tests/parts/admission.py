"""Run the admission webhook: ``jenkins-notary kube admission`` as a process.

with Admission(tmp_path, "--mode", "warn", environ=environ) as hook:
status, body = hook.ask("POST", "/validate", review)
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from tests.parts.registry import Authority
from tests.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_READY = re.compile(r"serving https://127\.0\.0\.1:(\d+)")


class Admission:
    """A webhook that runs until the block ends.

    Attributes:
        port: Where it listens.
        authority: Who signed its certificate.
        ca_file: PEM of that authority.
        files: Its certificate and key.
        client: The certificate and key that whoever asks shows, or None.
    """

    def __init__(
        self, folder: Path, *options: str, environ: Mapping[str, str] | None = None
    ) -> None:
        """Prepare; nothing runs yet."""
        self.folder = folder / "admission"
        self.folder.mkdir()
        self.authority = Authority()
        self.ca_file = self.authority.write(self.folder)
        self.files = self.authority.issue(self.folder, "server")
        self.client: tuple[Path, Path] | None = None
        self.port = 0
        self._options = options
        self._environ = {**os.environ, **(environ or {})}
        self._log = self.folder / "decisions.log"
        self._said: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, and wait until it can judge."""
        certificate, key = map(str, self.files)
        words = ("kube", "admission", "--port", "0", "--tls-cert", certificate)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*PROGRAM, *words, "--tls-key", key, *self._options],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
            )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for(lambda: self.port and self.ask("GET", "/readyz")[0] == 200)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._process is not None:
            self.stop()

    def stop(self) -> int:
        """Stop; return the exit code."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGTERM)
        return process.wait(40)

    @property
    def said(self) -> str:
        """Return what it has said on standard error."""
        return "".join(self._said)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of its log."""
        return [json.loads(one) for one in self._log.read_text().splitlines()]

    @property
    def url(self) -> str:
        """Return what a webhook's configuration names."""
        return f"https://127.0.0.1:{self.port}/validate"

    def wait_for(self, is_so: Any, seconds: float = 20) -> None:  # noqa: ANN401 - a test
        """Wait until something holds; fail with what the process said."""
        ends = time.monotonic() + seconds
        while not is_so():
            process = self._process
            is_over = process is None or process.poll() is not None
            assert not is_over, self.said
            assert time.monotonic() < ends, self.said
            time.sleep(0.02)

    def context(self) -> ssl.SSLContext:
        """Return how a client connects."""
        found = ssl.create_default_context(cafile=self.ca_file)
        if self.client is not None:
            found.load_cert_chain(*self.client)
        return found

    def ask(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Return (status, body) of one request."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, context=self.context()
        )
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _read(self) -> None:
        """Read what it says."""
        assert self._process is not None
        stderr = self._process.stderr
        assert stderr is not None
        with stderr:
            for line in iter(stderr.readline, b""):
                self._said.append(line.decode())
                found = _READY.search(self._said[-1])
                if found:
                    self.port = int(found[1])
