from __future__ import annotations

import multiprocessing
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.errors import IntegrityError, PermissionDeniedError, StorageError
from jenkins_notary.files.pins import PinFiles
from jenkins_notary.ledger.pins import MAX_BYTES, Pin, format_pin
from jenkins_notary.tlog.checkpoint import Checkpoint, format_checkpoint
from tests.unit.trust.builders import ORIGIN, Log

if TYPE_CHECKING:
    from pathlib import Path


def make_pin(size: int, origin: str = ORIGIN) -> Pin:
    """Return a pin of a size; its signature is not looked at here."""
    text = format_checkpoint(Checkpoint(origin, size, bytes(32)))
    return Pin("vkey", f"{text}\n— x {'A' * 8}\n".encode())


@pytest.fixture
def pins(tmp_path: Path) -> PinFiles:
    return PinFiles(str(tmp_path / "state" / "pins"))


def test_a_log_that_was_never_seen_has_no_pin(pins: PinFiles) -> None:
    assert pins.load(ORIGIN) is None


def test_a_pin_is_kept_for_its_user_alone(pins: PinFiles) -> None:
    pin = make_pin(3)

    pins.save(ORIGIN, pin)

    path = pins.path(ORIGIN)
    assert pins.load(ORIGIN) == pin
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_a_real_note_is_kept(pins: PinFiles) -> None:
    log = Log()
    pin = Pin(log.signer.vkey, log.view().note)

    pins.save(ORIGIN, pin)

    assert pins.load(ORIGIN) == pin


def test_a_larger_tree_replaces_a_smaller_one_and_never_the_other_way(
    pins: PinFiles,
) -> None:
    for size in (3, 5, 4):
        pins.save(ORIGIN, make_pin(size))

    assert pins.load(ORIGIN) == make_pin(5)


def test_the_same_size_replaces_so_that_witnesses_can_be_added(pins: PinFiles) -> None:
    pins.save(ORIGIN, make_pin(3))
    newer = make_pin(3)._replace(vkey="other")

    pins.save(ORIGIN, newer)

    assert pins.load(ORIGIN) == newer


@pytest.mark.parametrize(
    "origin",
    [
        "a/b",
        "../../etc/passwd",
        "/abs",
        "...",
        "",
        "é/ü",
        "x" * 5000,
        "a\0b",
        "a\nb",
        "~",
    ],
    ids=lambda origin: repr(origin)[:20],
)
def test_no_origin_leads_out_of_the_folder(
    pins: PinFiles, tmp_path: Path, origin: str
) -> None:
    path = os.path.realpath(pins.path(origin))

    assert os.path.dirname(path) == str(tmp_path / "state" / "pins")
    assert not os.path.basename(path).startswith(".")
    assert len(os.path.basename(path)) < 120


def test_origins_that_look_alike_have_their_own_files(pins: PinFiles) -> None:
    paths = {pins.path(origin) for origin in ("a/b", "a_b", "a//b", "A/b", ".a/b")}

    assert len(paths) == 5


@pytest.mark.parametrize("data", [b"", b"{", b"x" * (MAX_BYTES + 10)])
def test_a_damaged_pin_is_neither_taken_for_none_nor_replaced(
    pins: PinFiles, data: bytes
) -> None:
    pins.save(ORIGIN, make_pin(3))
    with open(pins.path(ORIGIN), "wb") as file:
        file.write(data)

    with pytest.raises(IntegrityError):
        pins.load(ORIGIN)
    with pytest.raises(IntegrityError):
        pins.save(ORIGIN, make_pin(9))
    with open(pins.path(ORIGIN), "rb") as file:
        assert file.read() == data


def test_a_pin_whose_note_is_damaged_is_not_replaced(pins: PinFiles) -> None:
    pins.save(ORIGIN, make_pin(3))
    with open(pins.path(ORIGIN), "wb") as file:
        file.write(format_pin(Pin("vkey", b"no note")))

    with pytest.raises(IntegrityError):
        pins.save(ORIGIN, make_pin(9))


def test_a_note_that_is_none_is_not_kept(pins: PinFiles) -> None:
    with pytest.raises(IntegrityError):
        pins.save(ORIGIN, Pin("vkey", b"no note"))
    assert pins.load(ORIGIN) is None


def test_the_pin_of_another_log_is_not_replaced(pins: PinFiles) -> None:
    pins.save(ORIGIN, make_pin(3))

    with pytest.raises(IntegrityError, match=f"expected one of other, got {ORIGIN}"):
        pins.save(ORIGIN, make_pin(9, "other"))
    assert pins.load(ORIGIN) == make_pin(3)


def test_a_pin_that_cannot_be_read_is_an_error(pins: PinFiles) -> None:
    os.makedirs(pins.path(ORIGIN))

    with pytest.raises(PermissionDeniedError, match="Is a directory"):
        pins.load(ORIGIN)


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    pins = PinFiles(str(tmp_path / "file" / "pins"))

    with pytest.raises(StorageError, match="set XDG_STATE_HOME"):
        pins.save(ORIGIN, make_pin(3))


def test_a_full_disk_leaves_the_old_pin_and_nothing_else(
    pins: PinFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins.save(ORIGIN, make_pin(3))

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(StorageError, match="No space left"):
        pins.save(ORIGIN, make_pin(9))
    assert pins.load(ORIGIN) == make_pin(3)
    names = os.listdir(os.path.dirname(pins.path(ORIGIN)))
    assert sorted(name.rpartition(".")[2] for name in names) == ["lock", "pin"]


def test_an_interrupt_behind_the_rename_keeps_the_new_pin(
    pins: PinFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def interrupt(source: str, target: str) -> None:
        replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)

    with pytest.raises(KeyboardInterrupt):
        pins.save(ORIGIN, make_pin(9))
    assert pins.load(ORIGIN) == make_pin(9)


def save_in_a_process(folder: str, sizes: list[int]) -> None:
    """Save pins, as another command at the same time does."""
    pins = PinFiles(folder)
    for size in sizes:
        pins.save(ORIGIN, make_pin(size))


def test_the_largest_of_many_writers_wins(tmp_path: Path) -> None:
    folder = str(tmp_path / "pins")
    sizes = [
        [(step * 7 + number * 13) % 100 for step in range(15)] for number in range(8)
    ]

    threads = [
        threading.Thread(target=save_in_a_process, args=(folder, one))
        for one in sizes[4:]
    ]
    for one in threads:
        one.start()
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(save_in_a_process, [(folder, one) for one in sizes[:4]])
    for one in threads:
        one.join()

    assert PinFiles(folder).load(ORIGIN) == make_pin(max(max(one) for one in sizes))
    assert len(os.listdir(folder)) == 2
