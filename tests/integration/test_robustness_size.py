"""Big files and long logs in constant memory, byte for byte."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.evidence.checkpoint_lines import format_checkpoint_line
from tests.parts.jenkins import TOKEN, USER, serve_jenkins
from tests.program import PROGRAM, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MIB = 1 << 20
PEAK_KIB = 60 * 1024
JENKINS_PEAK_KIB = 80 * 1024
"""With what reads Jenkins loaded."""

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


def write_hostile_log(path: str) -> None:
    """Write 256 MiB of log: control characters, forged marks, forged checkpoints."""
    forged = format_checkpoint_line(b"example.com/log\n1\nAAAA\n")
    block = b"".join(
        (
            b"\x1b[31m\x07 line of a log \x00\xff\r\n",
            b"[Pipeline] { (Deploy)\n",
            forged,
            b"x" * 1000 + b"\n",
        )
    )
    with open(path, "wb") as file:
        file.write(b"[Pipeline] { (Build)\nmake\n[Pipeline] }\n")
        times = MIB // len(block)
        file.writelines(block * times for _ in range(256))


def test_hostile_log_of_256_mib_is_read_in_little_memory(folder: Path) -> None:
    write_hostile_log("log")
    job = "ci.example.com:a/b#1"
    program("ledger", "init")

    peaks = [run_measured("log", "put", job, "log", "-q")]
    peaks.append(run_measured("log", job, "-q", stdout="back"))
    assert hash_file("back") == hash_file("log")
    for argv in (
        ("--stage", "Build"),
        ("--grep", "no such text"),
        ("--checkpoints",),
        ("--lines", "900000:900009"),
    ):
        peaks.append(run_measured("log", job, "-q", *argv, stdout="out"))
        print(argv, peaks[-1], "KiB")
    found = program("log", job, "--checkpoints", "-o", "json").json
    assert found["checkpoints"] == []
    assert found["ignored"] > 200_000
    stage = program("log", job, "--stage", "Build", "-q")
    assert stage.text == "[Pipeline] { (Build)\nmake\n[Pipeline] }\n"
    assert max(peaks) < PEAK_KIB
    assert folder.is_dir()


def test_long_logs_are_compared_with_jenkins_in_little_memory(folder: Path) -> None:
    def serve(last: bytes) -> Callable[[], Iterator[bytes]]:
        def pieces() -> Iterator[bytes]:
            for _ in range(256):
                yield (b"x" * 99 + b"\n") * 10486
            # One line of 300 MB.
            for _ in range(300):
                yield b"y" * 1_000_000
            yield last

        return pieces

    with serve_jenkins() as jenkins:
        build = jenkins.add_job("a").add_build(log=serve(b"\nend\n"))
        environ = {
            "JENKINS_NOTARY_JENKINS_URL": jenkins.url,
            "JENKINS_NOTARY_JENKINS_USER": USER,
            "JENKINS_NOTARY_JENKINS_TOKEN": TOKEN,
        }
        program("ledger", "init")
        os.environ.update(environ)
        try:
            peaks = [run_measured("collect", "a#1", "-q")]
            peaks.append(run_measured("log", "a#1", "--verify", "-q"))
            build.log = serve(b"!\nend\n")
            done = program("log", "a#1", "--verify", "-o", "json")
        finally:
            for name in environ:
                del os.environ[name]
    print("peaks", peaks, "KiB")
    assert max(peaks) < JENKINS_PEAK_KIB
    assert done.code == 65
    difference = done.json["difference"]
    assert difference["line"] == 256 * 10486 + 1
    assert difference["recorded"].endswith("y")
    assert difference["served"].endswith("y!")
    assert folder.is_dir()
