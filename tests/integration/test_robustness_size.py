"""Big files and long logs in constant memory, byte for byte."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.program import PROGRAM, program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MIB = 1 << 20
PEAK_KIB = 60 * 1024

MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_measured(
    *argv: str, stdin: str | None = None, stdout: str | None = None
) -> int:
    """Run a command line, which must do well; return its peak memory in KiB.

    Coverage is not measured here: its memory is not the program's.
    """
    environ = {name: v for name, v in os.environ.items() if "COV" not in name}
    with (
        open(stdin or os.devnull, "rb") as source,
        open(stdout or os.devnull, "wb") as target,
    ):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *PROGRAM, *argv],
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            check=False,
            env=environ,
        )
    assert done.returncode == 0, done
    return int(done.stderr.split()[-1])


def test_file_of_4_gib_takes_little_memory(folder: Path) -> None:
    with open("big", "wb") as file:
        file.truncate(4096 * MIB)
        file.seek(4096 * MIB - 1)
        file.write(b"x")

    peak_kib = run_measured("notarize", "big", "-q")

    print("peak", peak_kib, "KiB")
    assert peak_kib < PEAK_KIB
    (found,) = program("inspect", "sha256:" + hash_file("big"), "-o", "json").json[
        "records"
    ]
    assert found["size"] == 4096 * MIB
    assert folder.is_dir()


def hash_file(path: str) -> str:
    """Return the SHA-256 of a file by another program's hand."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("source", ["file", "standard-input"])
def test_log_of_256_mib_comes_back_byte_for_byte(folder: Path, source: str) -> None:
    random_bytes = random.Random(1)
    with open("log", "wb") as file:
        for number in range(128):
            file.write(random_bytes.randbytes(MIB))
            file.write((b"line %d of the log\r\n\x1b[0m" % number).ljust(MIB, b"\n"))
    assert program("ledger", "init").code == 0

    if source == "file":
        put_kib = run_measured("log", "put", "a/b#1", "log")
    else:
        put_kib = run_measured("log", "put", "a/b#1", "-", stdin="log")
    read_kib = run_measured("log", "a/b#1", stdout="back")

    print("peak", put_kib, read_kib, "KiB")
    assert hash_file("back") == hash_file("log")
    assert max(put_kib, read_kib) < PEAK_KIB
    assert program("ledger", "verify").code == 0
    assert folder.is_dir()


def test_body_of_an_attachment_is_found_by_its_digest(folder: Path) -> None:
    (folder / "body").write_text("body")
    (folder / "app").write_text("app")
    assert program("notarize", "app", "--attach", "body").code == 0

    done = program("inspect", "sha256:" + hash_file("body"), "--body")

    assert (done.code, done.stdout) == (0, b"body")


def test_attachment_of_64_mib_takes_little_memory(folder: Path) -> None:
    (folder / "body").write_bytes(random.Random(2).randbytes(64 * MIB))
    (folder / "app").write_text("app")

    peak_kib = run_measured("notarize", "app", "--attach", "body:sbom")
    attach_kib = run_measured("attach", "body", "--job", "a/b#1")
    read_kib = run_measured(
        "inspect", "sha256:" + hash_file("body"), "--body", stdout="back"
    )

    assert hash_file("back") == hash_file("body")
    assert max(peak_kib, attach_kib, read_kib) < PEAK_KIB
