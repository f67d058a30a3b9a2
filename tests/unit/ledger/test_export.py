from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import (
    IntegrityError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)
from jenkins_notary.files.export_folder import FolderTarget
from jenkins_notary.ledger.export import export_tiles
from jenkins_notary.tlog.tiles import decode_bundle, tiles_of
from tests.unit.ledger.ledgers import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from jenkins_notary.ledger.export import ExportResult


class DictTarget(dict[str, bytes]):
    """An export in memory that keeps the order of writes."""

    def read(self, path: str) -> bytes | None:
        return self.get(path)

    def write(self, path: str, data: bytes) -> None:
        self.pop(path, None)
        self[path] = data


def export(ledger: Ledger, target: DictTarget | FolderTarget) -> ExportResult:
    view = ledger.view()
    return export_tiles(ledger.store, view.checkpoint, view.note, target)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_every_tile_of_the_tree_is_written_and_the_checkpoint_last(size: int) -> None:
    ledger, target = Ledger(), DictTarget()
    ledger.fill(size - 1)

    result = export(ledger, target)

    paths = list(target)
    width = size % 256 or 256
    last = f"tile/entries/00{(size - 1) // 256}" + (f".p/{width}" if size % 256 else "")
    assert paths[-1] == "checkpoint"
    assert target["checkpoint"] == ledger.view().note
    hashes = [one for one in paths if one.startswith("tile/") and "entries" not in one]
    assert len(hashes) == len(list(tiles_of(size)))
    assert list(decode_bundle(target[last], width)) == ledger.store.entries(
        "main", size - width, size
    )
    assert result.written == len(target)


def test_the_trust_log_stands_below_its_own_prefix() -> None:
    ledger, target = Ledger(), DictTarget()
    ledger.enrol("build")

    export(ledger, target)

    bundle = decode_bundle(target["trust/tile/entries/000.p/2"], 2)
    assert list(bundle) == ledger.store.entries("trust", 0, 2)
    assert "trust/tile/0/000.p/2" in target


def test_a_second_export_writes_nothing_and_a_third_what_came() -> None:
    ledger, target = Ledger(), DictTarget()
    ledger.fill(300)
    first = export(ledger, target)

    second = export(ledger, target)
    ledger.add("more")
    third = export(ledger, target)

    assert (second.written, second.kept) == (0, first.written)
    assert 0 < third.written < first.written
    assert third.to_dict()["size"] == 302


def test_a_tile_that_was_changed_is_written_again() -> None:
    ledger, target = Ledger(), DictTarget()
    ledger.fill(300)
    export(ledger, target)
    target["tile/0/000"] = bytes(8192)

    result = export(ledger, target)

    assert result.written == 1


def test_a_ledger_that_was_altered_gets_no_checkpoint() -> None:
    ledger, target = Ledger(), DictTarget()
    ledger.fill(300)
    entries = ledger.store._entries["main"]
    entries[7] = entries[8]

    with pytest.raises(IntegrityError, match="signed root"):
        export(ledger, target)
    assert "checkpoint" not in target


def test_a_ledger_that_lost_entries_is_refused() -> None:
    ledger = Ledger()
    ledger.fill(300)
    ledger.store._entries["main"].pop()

    with pytest.raises(IntegrityError, match="301 entries"):
        export(ledger, DictTarget())


def test_the_place_of_another_log_is_refused() -> None:
    target = DictTarget()
    export(Ledger(origin="other.example.com/log"), target)

    with pytest.raises(IntegrityError, match="name another folder"):
        export(Ledger(), target)


def test_an_older_ledger_than_the_export_is_refused() -> None:
    ledger, target = Ledger(), DictTarget()
    older = ledger.view()
    ledger.fill(10)
    export(ledger, target)

    with pytest.raises(IntegrityError, match="a fork or a rollback"):
        export_tiles(ledger.store, older.checkpoint, older.note, target)


def test_a_fork_of_the_export_is_refused() -> None:
    one, other, target = Ledger(), Ledger(), DictTarget()
    one.fill(10)
    other.fill(20)
    export(one, target)

    with pytest.raises(IntegrityError, match="consistency"):
        export(other, target)


def test_a_folder_takes_files_whole(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.fill(300)
    result = export(ledger, FolderTarget(str(tmp_path / "new" / "place")))

    names = [name for _, _, files in os.walk(tmp_path) for name in files]
    assert len(names) == result.written
    assert (tmp_path / "new/place/checkpoint").read_bytes() == ledger.view().note


@pytest.mark.parametrize("path", ["../out", "/etc/passwd", "a//b", "", "a/./b"])
def test_a_folder_refuses_paths_that_lead_out(tmp_path: Path, path: str) -> None:
    with pytest.raises(UsageError):
        FolderTarget(str(tmp_path)).write(path, b"")


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "tile").write_text("a file in the way")
    target = FolderTarget(str(tmp_path))

    with pytest.raises(StorageError):
        target.write("tile/0/000", b"")
    with pytest.raises(PermissionDeniedError):
        target.read("tile/0/000")
    assert os.listdir(tmp_path) == ["tile"]
