"""H3: hash 2 GiB in 200 files; and a file larger than memory should ever be.

The files lie in a temporary folder and were just written, so they are read from the
page cache: what is measured is hashing, not the disk.
"""

from __future__ import annotations

import os
import shutil
from functools import partial

from bench.measure import (
    Figure,
    Goal,
    peak_memory_kib,
    run_process,
    take_turns,
    time_call,
    usable_processors,
)
from bench.run import Run, install_program
from jenkins_notary.assets.files import hash_files

FILES = 200
BYTES = 2 << 30
QUICK_BYTES = 512 << 20
SPARSE_BYTES = 4 << 30
QUICK_SPARSE_BYTES = 1 << 30
ROUNDS = 7
FILES_A_PROCESS = 10
"""Files that xargs hands to one sha256sum: so both processors have work to the end."""


def measure(run: Run) -> list[Figure]:
    """Measure hashing against sha256sum, and memory on a large file."""
    home = run.make_folder("hashing")
    total = QUICK_BYTES if run.is_quick else BYTES
    run.say(f"H3: writing {total >> 20} MiB in {FILES} files")
    paths = _write_files(run.make_folder("large"), total)
    listed = os.path.join(home, "list")
    with open(listed, "w", encoding="utf-8") as file:
        file.write("".join(f"{path}\n" for path in paths))
    program = install_program(home, listed)
    run.say("H3: hashing")
    found = take_turns(
        {
            "xargs": lambda: run_process(_peer(listed), program.env).seconds,
            "hash_files": lambda: time_call(lambda: hash_files(paths)),
            "notarize -, whole process": partial(
                program.time, "notarize", "-", stdin=listed
            ),
        },
        rounds=run.rounds(ROUNDS),
    )
    shutil.rmtree(os.path.dirname(paths[0]))
    rate = {name: total / 1e6 / seconds for name, seconds in found.items()}
    return [*_figures(total, rate), _measure_memory(run, home)]


def _figures(total: int, rate: dict[str, float]) -> list[Figure]:
    """Return both ways to hash beside sha256sum."""
    notes = {
        "hash_files": f"{total >> 20} MiB in {FILES} files, from the page cache.",
        "notarize -, whole process": "Start, signature and durable record included.",
    }
    return [
        Figure(
            "H3",
            name,
            rate[name],
            "MB/s",
            f"xargs -P{usable_processors()} sha256sum",
            rate["xargs"],
            Goal(">=", 0.9),
            note,
        )
        for name, note in notes.items()
    ]


def _measure_memory(run: Run, home: str) -> Figure:
    """Measure the memory that a sparse file of some GiB takes."""
    size = QUICK_SPARSE_BYTES if run.is_quick else SPARSE_BYTES
    small, large = os.path.join(home, "small"), os.path.join(home, "sparse")
    for path, length in ((small, 1), (large, size)):
        with open(path, "wb") as file:
            file.truncate(length)
    program = install_program(home, small)
    run.say(f"memory on a file of {size >> 30} GiB")
    peaks = [
        peak_memory_kib([*program.argv, "notarize", path], program.env) / 1024
        for path in (small, large)
    ]
    os.remove(large)
    return Figure(
        "",
        f"peak memory, notarize of {size >> 30} GiB",
        peaks[1],
        "MiB",
        "the same of 1 byte",
        peaks[0],
        None,
        "A sparse file; high-water mark of the process.",
    )


def _write_files(folder: str, total: int) -> list[str]:
    """Write files of equal size; return their paths."""
    size = total // FILES
    block = os.urandom(1 << 20)
    paths = []
    for number in range(FILES):
        path = os.path.join(folder, f"part-{number:03d}.bin")
        with open(path, "wb") as file:
            file.write(number.to_bytes(8, "big"))
            left = size - 8
            while left > 0:
                left -= file.write(block[: min(left, len(block))])
        paths.append(path)
    return paths


def _peer(listed: str) -> list[str]:
    """Return the command that hashes a list of files with coreutils."""
    xargs = shutil.which("xargs") or "/usr/bin/xargs"
    return [
        xargs,
        "--arg-file",
        listed,
        f"-P{usable_processors()}",
        f"-n{FILES_A_PROCESS}",
        "sha256sum",
    ]
