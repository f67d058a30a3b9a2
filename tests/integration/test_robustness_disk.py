"""Disks that are full or read-only: 74, nothing half written, and all is well after.

A disk of our own to fill is a tmpfs, which only the superuser may mount.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.program import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return what mounts a small disk on a folder below the test's own."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only the superuser may mount a small disk")
    with ExitStack() as mounted:

        def mount_on(name: str, *, size: str = "1m") -> Path:
            folder = tmp_path / name
            folder.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", folder],
                capture_output=True,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode()}")
            mounted.callback(unmount, folder)
            return folder

        yield mount_on


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with some files, beside all small disks."""
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        (tmp_path / f"file{number}").write_text(f"file {number}")
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    return tmp_path


def unmount(disk: Path) -> None:
    """Take a small disk away again."""
    subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no block of a disk free."""
    with open(disk / "fill", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert error.strerror == "No space left on device"  # noqa: PT017
    yield
    (disk / "fill").unlink()


def remount(disk: Path, mode: str) -> None:
    """Make a disk read-only (``ro``) or writable (``rw``)."""
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)


def read_size(*ledger: str) -> int:
    """Return how many records a sound ledger holds."""
    done = program("ledger", "verify", "-o", "json", *ledger)
    assert done.code == 0, done
    size: int = done.json["size"]
    return size


WRITERS = [
    pytest.param(["notarize", "file1"], id="notarize"),
    pytest.param(["untrust", "file0", "--reason", "flaw"], id="untrust"),
    pytest.param(["log", "put", "a/b#1", "big"], id="log-put"),
    pytest.param(["attach", "big", "--job", "a/b#1"], id="attach"),
    pytest.param(["notarize", "file1", "--attach", "big"], id="attachment"),
    pytest.param(["signer", "enrol", "other.pem"], id="enrol"),
    pytest.param(["ledger", "erase", "1", "--reason", "asked for"], id="erase"),
    pytest.param(["ledger", "rotate-key"], id="rotate"),
]


@pytest.fixture
def other_key(folder: Path) -> None:
    """Make another signer's public key, other.pem."""
    made = program("key", "generate", "--key", "secret.pem")
    shown = program("key", "show", "--key", "secret.pem", "--pem")
    assert (made.code, shown.code) == (0, 0)
    (folder / "other.pem").write_bytes(shown.stdout)


@pytest.mark.usefixtures("other_key")
@pytest.mark.parametrize("argv", WRITERS)
def test_full_disk_is_74_and_all_is_well_after(
    mount: Callable[..., Path], argv: list[str]
) -> None:
    disk = mount("disk", size="6m")
    ledger = ("--ledger", "disk/ledger.db")
    assert program("notarize", "file0", *ledger).code == 0

    with filled(disk):
        done = program(*argv, *ledger)

    assert done.code == 74, done
    assert done.stderr.startswith("jenkins-notary: error: ")
    assert done.stdout == b""
    assert read_size(*ledger) == 2
    assert program("authenticate", "file0", *ledger).code == 0
    assert program(*argv, *ledger).code == 0
    # An attachment has a record of its own.
    assert read_size(*ledger) == (4 if "--attach" in argv else 3)
    assert not list(disk.rglob("tmp/*"))
    assert not list(disk.rglob("*.new"))


@pytest.mark.usefixtures("other_key")
@pytest.mark.parametrize("argv", WRITERS)
def test_read_only_disk_is_74_and_can_be_read(
    mount: Callable[..., Path], argv: list[str]
) -> None:
    disk = mount("disk", size="20m")
    ledger = ("--ledger", "disk/ledger.db")
    assert program("notarize", "file0", *ledger).code == 0
    remount(disk, "ro")

    done = program(*argv, *ledger)

    assert done.code == 74, done
    assert "ead-only" in done.stderr
    assert program("authenticate", "file0", *ledger).code == 0
    assert read_size(*ledger) == 2
    remount(disk, "rw")
    assert program(*argv, *ledger).code == 0
    # An attachment has a record of its own.
    assert read_size(*ledger) == (4 if "--attach" in argv else 3)


@pytest.mark.parametrize("free", [0, 1, 2, 5, 12, 20, 26, 30, 34, 40, 41, 42, 43, 44])
def test_first_use_on_an_almost_full_disk_leaves_nothing_half(
    mount: Callable[..., Path], folder: Path, free: int
) -> None:
    disk = mount("disk")
    ledger = ("--ledger", "disk/ledger.db")
    assert program("key", "generate").code == 0

    with filled(disk):
        os.truncate(disk / "fill", (disk / "fill").stat().st_size - free * 4096)
        done = program("notarize", "file0", *ledger)

    assert done.code in {0, 74}, done
    assert program("notarize", "file1", *ledger).code == 0
    # Genesis, perhaps the first file, the second one.
    is_recorded = done.code == 0 or "are in the log" in done.stderr
    assert read_size(*ledger) == (3 if is_recorded else 2), done
    assert not [one for one in os.listdir(disk) if one.startswith(".")]
    assert folder.is_dir()


def test_disk_that_fills_up_while_many_are_recorded(
    mount: Callable[..., Path], folder: Path
) -> None:
    mount("disk", size="400k")
    ledger = ("--ledger", "disk/ledger.db")
    assert program("notarize", "file0", *ledger).code == 0
    (folder / "many").mkdir()
    for number in range(3000):
        (folder / "many" / f"{number}").write_text(str(number))

    done = program("notarize", "many/*", *ledger)

    assert done.code == 74, done
    assert read_size(*ledger) == 2
    assert program("notarize", "file1", *ledger).code == 0
    assert program("authenticate", "many/17", *ledger).code == 2


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["ledger", "backup", "disk/copy"], id="backup"),
        pytest.param(["ledger", "export", "disk/tiles"], id="export"),
        pytest.param(["notarize", "file0", "--receipts", "disk/r"], id="receipts"),
        pytest.param(["key", "generate", "--key", "disk/key.pem"], id="key"),
        pytest.param(["ledger", "init", "--ledger", "disk/new.db"], id="init"),
        pytest.param(["ledger", "audit", "--state", "disk/state"], id="audit"),
    ],
)
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_target_that_cannot_be_written_is_74(
    mount: Callable[..., Path], folder: Path, argv: list[str], how: str
) -> None:
    disk = mount("disk")
    assert program("notarize", "file1").code == 0

    if how == "full":
        with filled(disk):
            done = program(*argv)
    else:
        remount(disk, "ro")
        done = program(*argv)
        remount(disk, "rw")

    assert done.code == 74, done
    assert [
        one for one in disk.rglob("*") if one.is_file() and one.stat().st_size
    ] == []
    assert program("ledger", "verify").code == 0
    assert program(*argv).code in {0, 64}
    assert folder.is_dir()


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_state_folder_that_cannot_be_written_is_told_and_nothing_is_done_twice(
    mount: Callable[..., Path],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    disk = mount("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(disk))
    assert program("notarize", "file0").code == 0

    if how == "full":
        with filled(disk):
            done = program("notarize", "file1")
            read = program("authenticate", "file0")
    else:
        remount(disk, "ro")
        done = program("notarize", "file1")
        read = program("authenticate", "file0")
        remount(disk, "rw")

    # What was recorded is acknowledged, so that nobody records it again.
    assert done.code == 0, done
    assert "cannot be remembered" in done.stderr
    assert program("authenticate", "file1").code == 0
    assert read.code == 0
    assert read_size() == 3
    assert folder.is_dir()


def test_file_size_limit_is_74(folder: Path) -> None:
    assert program("notarize", "file0").code == 0
    script = 'ulimit -f 256; exec "$@"'
    argv = ["bash", "-c", script, "bash", *_words("log", "put", "a/b#1", "big")]

    done = subprocess.run(argv, capture_output=True, check=False, cwd=folder)

    assert done.returncode == 74, done
    assert read_size() == 2
    assert program("log", "put", "a/b#1", "big").code == 0


def _words(*argv: str) -> list[str]:
    from tests.program import PROGRAM

    return [*PROGRAM, *argv]
