from __future__ import annotations

import builtins
import threading
from typing import TYPE_CHECKING, Any

from jenkins_notary.files.locks import FileLock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_one_holds_the_lock_while_others_wait(tmp_path: Path) -> None:
    path, inside, most = str(tmp_path / "lock"), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with FileLock(path):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert most == 1
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_without_fcntl_it_locks_nothing_and_does_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_fcntl(name: str, *args: Any) -> object:  # noqa: ANN401 - passed on
        if name == "fcntl":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without_fcntl)

    with FileLock(str(tmp_path / "lock")), FileLock(str(tmp_path / "lock")):
        assert (tmp_path / "lock").exists()
