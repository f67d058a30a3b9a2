"""What a service remembers beside its ledger."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import ConfigurationError, StorageError, UsageError
from jenkins_notary.service.state import ServiceState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ServiceState]:
    """Return a state of its own."""
    found = ServiceState(str(tmp_path / "state"))
    yield found
    found.close()


def in_ms(milliseconds: int) -> int:
    """Return a time that is so far off."""
    return time.time_ns() // 1_000_000 + milliseconds


def test_a_value_is_kept_replaced_and_forgotten(state: ServiceState) -> None:
    """A key has one value at a time."""
    state.put("kind", "key", {"a": [1, None]})
    assert state.get("kind", "key") == {"a": [1, None]}

    state.put("kind", "key", 2)
    assert (state.get("kind", "key"), state.get("other", "key")) == (2, None)

    state.delete("kind", "key")
    assert state.get("kind", "key") is None


def test_values_survive_the_process(tmp_path: Path) -> None:
    """What was put is there when the file is opened again."""
    first = ServiceState(str(tmp_path / "state"))
    first.put("cursor", "alerts", 41)
    first.close()

    again = ServiceState(str(tmp_path / "state"))
    assert again.get("cursor", "alerts") == 41
    again.close()


def test_what_has_ended_is_not_there(state: ServiceState) -> None:
    """A value behind its end is neither read nor taken, and makes room."""
    state.put("kind", "old", 1, ends_ms=in_ms(-1))
    state.put("kind", "new", 2, ends_ms=in_ms(60_000))

    assert state.get("kind", "old") is None
    assert state.take("kind", "old") is None
    assert [key for key, _ in state.scan("kind")] == ["new"]
    state.put("kind", "old", 1, ends_ms=in_ms(-1))
    assert state.add("kind", "old", 3)
    state.put("kind", "old", 1, ends_ms=in_ms(-1))
    assert (state.forget_ended(), state.get("kind", "new")) == (1, 2)


def test_a_value_is_added_once(state: ServiceState) -> None:
    """Who comes second changes nothing."""
    assert state.add("kind", "key", 1)
    assert not state.add("kind", "key", 2)
    assert state.get("kind", "key") == 1


def test_of_many_that_take_a_value_one_gets_it(state: ServiceState) -> None:
    """A nonce is used once, however many threads want it."""
    state.put("nonce", "key", "value")
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(state.take("nonce", "key")))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(map(str, found)) == ["None"] * 7 + ["value"]


def test_a_kind_is_read_page_by_page(state: ServiceState) -> None:
    """Keys are sorted; a prefix holds no wildcards."""
    for key in ("a%", "a1", "a2", "b", "a\uffff"):
        state.put("kind", key, key)

    assert [key for key, _ in state.scan("kind", limit=2)] == ["a%", "a1"]
    page = state.scan("kind", after="a1")
    assert [key for key, _ in page] == ["a2", "a\uffff", "b"]
    page = state.scan("kind", prefix="a")
    assert [key for key, _ in page] == ["a%", "a1", "a2", "a\uffff"]
    assert [key for key, _ in state.scan("kind", prefix="a%")] == ["a%"]


def test_a_huge_value_is_refused(state: ServiceState) -> None:
    """The file stays small."""
    with pytest.raises(UsageError):
        state.put("kind", "key", "x" * (1 << 20))


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It is made so, and refused otherwise."""
    path = tmp_path / "state"
    ServiceState(str(path)).close()
    assert os.stat(path).st_mode & 0o777 == 0o600

    path.chmod(0o640)
    with pytest.raises(ConfigurationError):
        ServiceState(str(path))


def test_a_newer_or_foreign_file_is_refused(tmp_path: Path) -> None:
    """It is neither misread nor overwritten."""
    path = tmp_path / "state"
    ServiceState(str(path)).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=2")
    database.close()
    with pytest.raises(ConfigurationError) as caught:
        ServiceState(str(path))
    assert "version 1" in str(caught.value)

    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError):
        ServiceState(str(path))
