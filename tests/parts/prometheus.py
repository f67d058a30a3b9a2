"""Run a real Prometheus that scrapes what a test serves, every second.

with serve_prometheus(tmp_path, [board.port]) as prometheus:
    prometheus.query("up")
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from tests.parts import require_part
from tests.parts.registry import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_START_S = 30.0


class Prometheus:
    """One that runs.

    Attributes:
        url: Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=20.0)

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()

    def query(self, expression: str) -> list[Any]:
        """Return the series that an expression has now."""
        return self._ask("query", query=expression)

    def query_range(self, expression: str, seconds: int = 60) -> list[Any]:
        """Return the series that an expression had in the last seconds."""
        now = time.time()
        return self._ask(
            "query_range", query=expression, start=now - seconds, end=now, step=1
        )

    def wait(self, expression: str, timeout_s: float = 20.0) -> list[Any]:
        """Return the series of an expression once there is one."""
        end = time.monotonic() + timeout_s
        while not (found := self.query(expression)):
            assert time.monotonic() < end, f"nothing for {expression}"
            time.sleep(0.2)
        return found

    def faults(self) -> list[str]:
        """Return why scrapes fail, a line a target that does."""
        found = self._pool.request("GET", f"{self.url}/api/v1/targets").json()
        targets = found["data"]["activeTargets"]
        return [one["lastError"] for one in targets if one["health"] == "down"]

    def is_ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            return self._pool.request("GET", f"{self.url}/-/ready").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def _ask(self, name: str, **asked: object) -> list[Any]:
        """Return the result of a query."""
        answer = self._pool.request(
            "GET", f"{self.url}/api/v1/{name}?{urlencode(asked)}"
        ).json()
        assert answer["status"] == "success", answer
        result: list[Any] = answer["data"]["result"]
        return result


@contextlib.contextmanager
def serve_prometheus(
    folder: Path, ports: Sequence[int], rules: Sequence[Path] = ()
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ports of this host, and evaluates rules."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(one) for one in rules],
        "scrape_configs": [
            {
                "job_name": "watcher",
                "honor_labels": True,
                "static_configs": [{"targets": [f"127.0.0.1:{one}" for one in ports]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(str(require_part("prometheus")), "--log.level=warn"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    found = Prometheus(f"http://127.0.0.1:{port}")
    try:
        end = time.monotonic() + _START_S
        while not found.is_ready():
            told = (folder / "prometheus.log").read_text()
            assert process.poll() is None, told
            assert time.monotonic() < end, told
            time.sleep(0.1)
        yield found
    finally:
        found.close()
        process.terminate()
        process.wait(20)
