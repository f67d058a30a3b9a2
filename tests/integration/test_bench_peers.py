"""Hold the peers that the benchmarks measure beside: they are the real programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.immudb import run_immudb

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.real("immudb", "immudb-load")
def test_immudb_takes_verified_records_of_its_own_client(tmp_path: Path) -> None:
    with run_immudb(str(tmp_path)) as peer:
        first = peer.load(50, 100)
        second = peer.load(50, 100)

    assert first > 0
    assert second > 0
