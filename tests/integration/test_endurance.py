"""A service under load that is killed loses nothing; many clients cost little memory.

The long forms are ``make bench BENCH_ARGS='endurance memory'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.endurance import endure
from bench.measure import child_environment
from bench.memory import weigh

if TYPE_CHECKING:
    from pathlib import Path

CONNECTIONS = 300
LOG_BYTES = 64 << 20


def test_a_service_that_is_killed_under_load_keeps_what_it_said(tmp_path: Path) -> None:
    env = child_environment(str(tmp_path))
    found = endure(str(tmp_path / "ledger.db"), env, seconds=9, every_s=3)

    assert (found.missing, found.doubled, found.findings) == ([], [], [])
    assert found.kills >= 1
    assert 0 < found.acknowledged <= found.size


def test_open_connections_and_a_long_log_cost_little_memory(tmp_path: Path) -> None:
    env = child_environment(str(tmp_path))
    ledger = str(tmp_path / "ledger.db")
    found = weigh(ledger, env, connections=CONNECTIONS, log_bytes=LOG_BYTES)

    assert found.answered == CONNECTIONS
    # The log is longer than what it may cost.
    assert found.uploaded - found.idle < 48
