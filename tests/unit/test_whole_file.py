"""A file is there whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import StorageError
from jenkins_notary.whole_file import replace_file, sync_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(str(path), [b"old"])
    replace_file(str(path), [b"n", b"ew"], sync=False)

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_rights_are_those_that_are_asked_for(tmp_path: Path) -> None:
    replace_file(str(tmp_path / "file"), [b"x"], mode=0o644)

    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_what_fails_or_is_interrupted_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_file(str(path), pieces())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_is_not_there_is_the_callers_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(str(tmp_path / "none" / "file"), [b"x"])


def test_a_folder_that_cannot_be_synced_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_folder(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        sync_folder(str(tmp_path / "none"))

    def refuse(_: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError):  # noqa: PT011 - any
        sync_folder(str(tmp_path))


def test_a_private_file_is_written_or_the_reason_told(tmp_path: Path) -> None:
    write_private(str(tmp_path / "file"), b"x")

    assert (tmp_path / "file").read_bytes() == b"x"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StorageError, match="No such file"):
        write_private(str(tmp_path / "none" / "file"), b"x")
