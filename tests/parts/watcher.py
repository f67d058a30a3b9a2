"""Run the real watcher: `jenkins-notary kube watch` as a process of its own.

with Watching(cluster.kubeconfig, "--ledger", str(ledger), "--namespace", name) as it:
    line = it.expect(container="web", status="TRUSTED")
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from tests.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE_S = 30.0


class Watching:
    """A watcher that runs until the block ends.

    Attributes:
        lines: What it has logged, line by line.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *options: str,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            kubeconfig: How it reaches the API server; None for a pod's account.
            options: Further options.
            environ: Further variables.
        """
        config = [] if kubeconfig is None else ["--kubeconfig", str(kubeconfig)]
        self._words = [*PROGRAM, "kube", "watch", "--port", "0", *config, *options]
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._condition = threading.Condition()
        self._stderr: list[str] = []
        self.lines: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Start; it may not have listed anything yet."""
        self._process = subprocess.Popen(
            self._words,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for read in (self._read_lines, self._read_stderr):
            threading.Thread(target=read, args=(self._process,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Return where it serves, once it does."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = re.search(r"serving (\S+)", self.said)
            if found:
                return found[1]
            time.sleep(0.02)
        raise AssertionError(self.said)

    def read(self, path: str) -> bytes:
        """Return what its port answers.

        Raises:
            urllib.error.HTTPError: The status is not 2xx.
        """
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            data: bytes = answer.read()
            return data

    @property
    def said(self) -> str:
        """Return what it has said on standard error."""
        return "".join(self._stderr)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=PATIENCE_S)

    def wait(self) -> int:
        """Return the exit code, once it ends by itself."""
        assert self._process is not None
        return self._process.wait(timeout=PATIENCE_S)

    def expect(
        self, *, after: int = 0, within_s: float = PATIENCE_S, **facts: object
    ) -> dict[str, Any]:
        """Return the first line, from a place on, that has some facts.

        Raises:
            AssertionError: None comes in time.
        """
        deadline = time.monotonic() + within_s
        with self._condition:
            while True:
                for line in self.lines[after:]:
                    if all(line.get(key) == value for key, value in facts.items()):
                        return line
                if not self._condition.wait(max(0.0, deadline - time.monotonic())):
                    told = "\n".join(json.dumps(one) for one in self.lines[-20:])
                    message = f"no line with {facts} in\n{told}\n{self.said}"
                    raise AssertionError(message)

    def _read_lines(self, process: subprocess.Popen[bytes]) -> None:
        """Keep each line of standard output."""
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                with self._condition:
                    self.lines.append(json.loads(line))
                    self._condition.notify_all()

    def _read_stderr(self, process: subprocess.Popen[bytes]) -> None:
        """Keep what is said on the side."""
        assert process.stderr is not None
        with process.stderr as stream:
            for line in stream:
                self._stderr.append(line.decode(errors="replace"))
