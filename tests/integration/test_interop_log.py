"""Programs that others wrote accept our log, and refuse it after one byte is changed.

The static export goes to Tessera's `fsck`, notes and proofs to Go's `sumdb` packages.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.files.export_folder import FolderTarget
from jenkins_notary.ledger.export import export_tiles
from jenkins_notary.ledger.receipts import make_receipt
from jenkins_notary.ledger.sequencer import read_hashes
from jenkins_notary.tlog.canonical import encode_base64
from jenkins_notary.tlog.proofs import consistency_proof
from tests.parts import require_part
from tests.unit.ledger.ledgers import Ledger

if TYPE_CHECKING:
    from pathlib import Path


def fill(ledger: Ledger, size: int) -> None:
    """Let a ledger grow to a size with small, foreign records, quickly."""
    from jenkins_notary.values.envelope import Signature, format_envelope

    start = ledger.view().size
    for first in range(start, size, 5000):
        ledger.append(
            *(
                format_envelope(
                    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"n":%d},'
                    b'"predicateType":"https://example.com/n","subject":[]}' % place,
                    (Signature("n", b"0"),),
                )
                for place in range(first, min(first + 5000, size))
            )
        )


def export(ledger: Ledger, folder: Path) -> None:
    """Write the static files of a ledger, and its key."""
    view = ledger.view()
    target = FolderTarget(str(folder / "log"))
    export_tiles(ledger.store, view.checkpoint, view.note, target)
    (folder / "vkey").write_text(ledger.key.vkey + "\n")


def fsck(folder: Path) -> str:
    """Return what the real fsck says of an export, "hangs" if it comes to no end.

    The exit code says nothing: version 1.0.4 ends with 0 after "fsck failed", and where
    a tile does not fit while others are still being read, it waits for ever.
    """
    program = [
        str(require_part("fsck")),
        "--ui=false",
        f"--storage_url=file://{folder / 'log'}/",
        f"--public_key={folder / 'vkey'}",
    ]
    try:
        done = subprocess.run(
            program, capture_output=True, text=True, check=False, timeout=8
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    return done.stderr


def is_accepted(folder: Path, size: int) -> bool:
    """Return whether the real fsck has found an export of a size sound."""
    said = fsck(folder)
    is_sound = f"Successfully fsck'd log with size {size}" in said
    assert is_sound != ("fsck failed" in said or said == "hangs"), said
    return is_sound


def flip(path: Path, place: int) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.real("fsck")
@pytest.mark.parametrize(
    "size", [1, 255, 256, 257, pytest.param(70_000, marks=pytest.mark.slow)]
)
def test_fsck_accepts_an_export(size: int, tmp_path: Path) -> None:
    ledger = Ledger()
    fill(ledger, size)
    export(ledger, tmp_path)

    assert is_accepted(tmp_path, size)


@pytest.mark.real("fsck")
def test_fsck_accepts_an_export_that_was_continued(tmp_path: Path) -> None:
    ledger = Ledger()
    for size in (200, 256, 300, 600):
        fill(ledger, size)
        export(ledger, tmp_path)

        assert is_accepted(tmp_path, size)


@pytest.mark.real("fsck")
@pytest.mark.parametrize("place", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ],
)
def test_fsck_refuses_an_export_after_one_byte_was_changed(
    path: str, place: int, tmp_path: Path
) -> None:
    ledger = Ledger()
    fill(ledger, 300)
    export(ledger, tmp_path)
    flip(tmp_path / "log" / path, place)

    assert not is_accepted(tmp_path, 300)


@pytest.mark.real("fsck")
def test_fsck_refuses_the_key_of_another_log(tmp_path: Path) -> None:
    export(Ledger(), tmp_path)
    (tmp_path / "vkey").write_text(Ledger(origin="other.example.com/x").key.vkey)

    assert not is_accepted(tmp_path, 1)


def sumdbcheck(command: str, vkey: str, *files: Path) -> int:
    """Return the exit code of Go's check of notes or proofs."""
    program = str(require_part("sumdbcheck"))
    return subprocess.run(
        [program, command, vkey, *map(str, files)],
        capture_output=True,
        check=False,
        timeout=60,
    ).returncode


@pytest.fixture
def files(tmp_path: Path) -> tuple[Ledger, dict[str, Path]]:
    """A ledger with notes, a receipt and a consistency proof as files."""
    ledger = Ledger()
    ledger.fill(99)
    old = ledger.view()
    ledger.fill(0)
    fill(ledger, 300)
    view = ledger.view()
    hashes = read_hashes(ledger.store, "main", view.size)
    proof = consistency_proof(old.size, view.size, hashes)
    contents = {
        "old": old.note,
        "new": view.note,
        "receipt": make_receipt(view, 42),
        "leaf": view.leaf(42)[0],
        "proof": "".join(f"{encode_base64(one)}\n" for one in proof).encode(),
    }
    paths = {name: tmp_path / name for name in contents}
    for name, data in contents.items():
        paths[name].write_bytes(data)
    return ledger, paths


CHECKS = [
    ("note", ["new"]),
    ("inclusion", ["receipt", "leaf"]),
    ("consistency", ["old", "new", "proof"]),
]


@pytest.mark.real("sumdbcheck")
@pytest.mark.parametrize(("command", "names"), CHECKS)
def test_sumdb_accepts_notes_and_proofs(
    command: str, names: list[str], files: tuple[Ledger, dict[str, Path]]
) -> None:
    ledger, paths = files

    assert sumdbcheck(command, ledger.key.vkey, *(paths[name] for name in names)) == 0


@pytest.mark.real("sumdbcheck")
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize(
    ("check", "changed"), [(check, name) for check in CHECKS for name in check[1]]
)
def test_sumdb_refuses_after_one_byte_was_changed(
    check: tuple[str, list[str]],
    changed: str,
    share: float,
    files: tuple[Ledger, dict[str, Path]],
) -> None:
    ledger, paths = files
    data = paths[changed].read_bytes()
    # Go takes the leaf from its own file and does not look at the `extra` line.
    start = data.index(b"\nindex") if changed == "receipt" else 0
    flip(paths[changed], start + int((len(data) - start) * share))

    given = [paths[name] for name in check[1]]
    assert sumdbcheck(check[0], ledger.key.vkey, *given) == 1
