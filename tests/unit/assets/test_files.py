"""Hash files: right, in order, and refusing what is no file at rest."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets import files
from jenkins_notary.assets.asset import raise_faults
from jenkins_notary.errors import (
    FaultsError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UsageError,
)

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {
    "empty": 0,
    "one byte": 1,
    "largest small": files.SMALL_BYTES,
    "smallest large": files.SMALL_BYTES + 1,
    "one buffer": files.BUFFER_BYTES,
    "buffers and a bit": 3 * files.BUFFER_BYTES + 17,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_hash_is_that_of_the_bytes(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    path = tmp_path / "a"
    path.write_bytes(content)

    assert files.hash_file(str(path)) == (hashlib.sha256(content).hexdigest(), size)


@pytest.mark.parametrize("workers", [None, 1, 7])
def test_results_keep_the_order_of_the_input(
    tmp_path: Path, workers: int | None
) -> None:
    contents = [bytes([i % 251]) * (i % 5 * files.SMALL_BYTES // 2) for i in range(60)]
    paths = []
    for number, content in enumerate(contents):
        path = tmp_path / str(number)
        path.write_bytes(content)
        paths.append(str(path))

    hashed = files.hash_files(paths, workers=workers)

    assert [one.sha256_hex for one in hashed] == [
        hashlib.sha256(content).hexdigest() for content in contents
    ]
    assert [one.head for one in hashed] == [content[:512] for content in contents]


def test_progress_ends_with_all_bytes_and_files(tmp_path: Path) -> None:
    paths = []
    for number, size in enumerate((10, files.SMALL_BYTES * 3, 20)):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * size)
        paths.append(str(path))
    seen: list[tuple[int, int]] = []

    files.hash_files(paths, progress=lambda b, f: seen.append((b, f)))

    assert seen[-1] == (files.SMALL_BYTES * 3 + 30, 3)
    assert seen == sorted(seen)


@pytest.mark.parametrize("path", ["", " ", "\t\n"], ids=["empty", "space", "blank"])
def test_empty_argument_is_a_usage_fault(path: str) -> None:
    with pytest.raises(UsageError, match="an empty argument"):
        files.hash_file(path)


def test_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        files.hash_file(str(tmp_path / "absent"))


def test_file_below_a_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(NotFoundError):
        files.hash_file(str(tmp_path / "a" / "b"))


def test_name_with_nul_is_a_usage_fault() -> None:
    with pytest.raises(UsageError, match="NUL"):
        files.hash_file("a\0b")


def test_name_that_is_too_long_is_a_usage_fault() -> None:
    with pytest.raises(UsageError, match="too long"):
        files.hash_file("a" * 5000)


def test_directory_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(files.DirectoryGivenError, match="dir://"):
        files.hash_file(str(tmp_path))


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(UsageError, match="a named pipe"):
        files.hash_file(str(tmp_path / "pipe"))


def test_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))

        with pytest.raises(UsageError, match="a socket or device"):
            files.hash_file(str(tmp_path / "s"))


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_device_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match="a character device"):
        files.hash_file(device)


def test_link_that_loops_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")

    with pytest.raises(UsageError, match="symbolic link"):
        files.hash_file(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("code", "expected"),
    [(13, PermissionDeniedError), (1, PermissionDeniedError), (5, StorageError)],
    ids=["EACCES", "EPERM", "EIO"],
)
def test_error_of_the_system_becomes_a_failure_by_what_to_do(
    code: int, expected: type[NotaryError]
) -> None:
    failure = files.explain_os_error("a", OSError(code, os.strerror(code)))

    assert type(failure) is expected


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="needs root, to become a user without rights",
)
def test_unreadable_file_is_denied() -> None:
    script = (
        "import os, sys\n"
        "from jenkins_notary.assets.files import hash_file\n"
        "os.setuid(65534)\n"
        "try: hash_file('/etc/shadow')\n"
        "except Exception as error: print(type(error).__name__, error.exit_code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )

    assert done.stdout.split() == ["PermissionDeniedError", "77"]


@pytest.mark.parametrize("size", [10, 4 * files.SMALL_BYTES], ids=["small", "large"])
@pytest.mark.parametrize("change", ["append", "truncate", "replace", "remove", "touch"])
def test_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, change: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)
    real_fstat, calls = os.fstat, iter(range(100))

    def fstat_then_change(descriptor: int) -> os.stat_result:
        found = real_fstat(descriptor)
        # A large file is looked at once before it goes to a thread.
        if next(calls) == (1 if size > files.SMALL_BYTES else 0):
            alter(path, change)
        return found

    monkeypatch.setattr(os, "fstat", fstat_then_change)

    with pytest.raises(UsageError, match="changed while it was read"):
        files.hash_file(str(path))


def alter(path: Path, change: str) -> None:
    """Change a file as another program would."""
    if change == "append":
        with path.open("ab") as file:
            file.write(b"y")
    elif change == "truncate":
        os.truncate(path, 5)
    elif change == "replace":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        times = path.stat()
        os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
        other.replace(path)
    elif change == "remove":
        path.unlink()
    else:
        os.utime(path, ns=(1, 1))


def test_file_that_is_returned_in_parts_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, _size: real(fd, 3))

    digest = hashlib.sha256(b"0123456789").hexdigest()
    assert files.hash_file(str(path)) == (digest, 10)


@pytest.mark.parametrize("other", ["folder", "nothing"])
def test_large_file_that_is_replaced_before_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(files.SMALL_BYTES + 1))
    real = files._hash_small

    def look_then_replace(name: str, flags: int) -> files.HashedFile | int:
        found = real(name, flags)
        path.unlink()
        if other == "folder":
            path.mkdir()
        return found

    monkeypatch.setattr(files, "_hash_small", look_then_replace)

    with pytest.raises((UsageError, NotFoundError)):
        files.hash_file(str(path))


def test_fault_of_a_thread_is_raised_by_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(files.SMALL_BYTES + 1))

    def fail(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(files._LargeRun, "_stream", fail)

    with pytest.raises(MemoryError):
        files.hash_files([str(path)])


def test_worst_of_many_faults_is_listed_even_if_it_comes_last() -> None:
    faults: list[NotaryError] = [UsageError(str(n)) for n in range(200)]

    with pytest.raises(FaultsError) as caught:
        raise_faults([*faults, StorageError("disk")])

    assert caught.value.exit_code == 74
    assert "disk" in str(caught.value)


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "good").touch()
    paths = [str(tmp_path / name) for name in ("absent", "good", "gone")] + [""]

    with pytest.raises(FaultsError) as caught:
        files.hash_files(paths)

    assert [type(fault) for fault in caught.value.faults] == [
        NotFoundError,
        NotFoundError,
        UsageError,
    ]
    assert caught.value.exit_code == 66


def test_report_of_ten_thousand_faults_is_bounded_and_keeps_the_worst() -> None:
    paths = [f"/absent/{number}" for number in range(10_000)] + ["/dev/null"] * 3

    with pytest.raises(FaultsError) as caught:
        files.hash_files(paths)

    assert len(str(caught.value).splitlines()) < 110
    assert "and 9903 more faults" in str(caught.value)
    assert caught.value.exit_code == 66


def test_interrupt_stops_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 * 1024)
    before = threading.active_count()

    def interrupt(_bytes: int, _files: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_POLL_S", 0.01)
    with pytest.raises(KeyboardInterrupt):
        files.hash_files([str(path)] * 2, progress=interrupt)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(2)

    assert threading.active_count() <= before


def test_no_thread_library_is_loaded_for_small_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    script = (
        "import sys\n"
        "from jenkins_notary.assets.files import hash_files\n"
        f"hash_files([{str(tmp_path / 'a')!r}])\n"
        "print({'threading', 'pathlib', 'subprocess', 'logging'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )

    assert done.stdout.strip() == "set()"
