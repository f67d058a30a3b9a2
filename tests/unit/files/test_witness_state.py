from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import ConfigurationError, NotFoundError, StorageError
from jenkins_notary.files.witness_state import WitnessFile
from jenkins_notary.tlog.checkpoint import TreeHead

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "log.example.com/a"


def head(size: int) -> TreeHead:
    """Return a head of that size."""
    return TreeHead(size, bytes([size]) * 32)


def test_a_head_is_kept_in_place_of_the_one_it_extends(tmp_path: Path) -> None:
    path = str(tmp_path / "state")
    state = WitnessFile(path, create=True)
    empty = state.load(ORIGIN)
    found = [
        state.advance(ORIGIN, empty, head(3)),
        state.advance(ORIGIN, empty, head(4)),
        state.advance(ORIGIN, TreeHead(3, bytes(32)), head(4)),
        state.advance(ORIGIN, head(3), head(5)),
        state.advance(ORIGIN, head(5), head(5)),
    ]
    state.close()
    again = WitnessFile(path, create=False)

    assert empty.size == 0
    assert found == [True, False, False, True, True]
    assert (again.load(ORIGIN), again.load("other")) == (head(5), empty)
    again.close()


def test_of_several_that_extend_one_head_one_wins(tmp_path: Path) -> None:
    state = WitnessFile(str(tmp_path / "state"), create=True)
    empty = state.load(ORIGIN)
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda one: state.advance(ORIGIN, empty, head(one)), range(1, 9))
        )

    assert found.count(True) == 1
    state.close()


def test_a_state_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="make a new key"):
        WitnessFile(str(tmp_path / "state"), create=False)


def test_a_state_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.touch(mode=0o644)

    with pytest.raises(ConfigurationError, match="0600"):
        WitnessFile(str(path), create=False)


def test_a_state_in_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError):
        WitnessFile(str(tmp_path / "file" / "state"), create=True)


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    WitnessFile(str(path), create=True).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=9")
    database.close()

    with pytest.raises(ConfigurationError, match="version 1"):
        WitnessFile(str(path), create=False)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"x" * 4096)
    path.chmod(0o600)

    with pytest.raises(StorageError):
        WitnessFile(str(path), create=False)
