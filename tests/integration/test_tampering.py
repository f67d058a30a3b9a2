"""Whoever changes the ledger's file is found by verify, and by verdicts that read it.

Every test changes the real SQLite file with another program's hand, as an intruder
with the rights of the ledger's owner would.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import zstandard

from jenkins_notary.blobs.files import FileBlobs
from jenkins_notary.engines.packing import (
    STATEMENT_WORDS,
    pack_entry,
    pack_envelope,
    unpack_entry,
)
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import IntegrityError, NotaryError
from jenkins_notary.files.export_folder import FolderTarget
from jenkins_notary.keys.signatures import KeyVerifier
from jenkins_notary.ledger.erase import erase, find_erasable
from jenkins_notary.ledger.export import export_tiles
from jenkins_notary.ledger.pins import check_pin
from jenkins_notary.ledger.verify import VerifyOptions, verify_ledger
from jenkins_notary.trust.verdict import TrustRule
from jenkins_notary.values.status import Status
from tests.unit.ledger.ledgers import Ledger, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jenkins_notary.ledger.verify import VerifyReport

EMAIL = "jane.doe@example.com"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger's file: #1 app, #2 lib, #3 lib untrusted, then 600 others."""
    folder = tmp_path / "data"
    store = SqliteStore.create(str(folder / "ledger.db"))
    ledger = Ledger(store)
    ledger.add("app", commit="a" * 40)
    ledger.add("lib")
    ledger.add("lib", "UNTRUSTED", reason="CVE")
    ledger.fill(600)
    store.close()
    return folder / "ledger.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Ledger]]:
    """Open the ledger, and close it in the end."""
    stores: list[SqliteStore] = []

    def reopen() -> Ledger:
        stores.append(SqliteStore.open(str(path)))
        return Ledger(stores[-1])

    yield reopen
    for store in stores:
        store.close()


def tamper(path: Path, *statements: str | tuple[str, tuple[object, ...]]) -> None:
    """Run SQL on the file, as any program could."""
    db = sqlite3.connect(path)
    for one in statements:
        sql, values = (one, ()) if isinstance(one, str) else one
        assert db.execute(sql, values).rowcount != 0
    db.commit()
    db.close()


def read(path: Path, sql: str, *values: object) -> bytes:
    """Return one value of the file."""
    db = sqlite3.connect(path)
    (found,) = db.execute(sql, values).fetchone()
    db.close()
    assert isinstance(found, bytes)
    return found


def verdict(ledger: Ledger, name: str) -> Status:
    return ledger.view().verdict(digest(name), TrustRule()).status


def assert_found(report: VerifyReport, *words: str) -> None:
    """Check that something was found, and that one finding has all the words."""
    assert not report.is_sound
    lines = [str(one) for one in report.findings]
    assert any(all(word in line for word in words) for line in lines), lines


def test_an_untouched_file_is_sound(opened: Callable[[], Ledger]) -> None:
    ledger = opened()

    assert ledger.verify().findings == ()
    assert verdict(ledger, "app") is Status.TRUSTED
    assert verdict(ledger, "lib") is Status.UNTRUSTED


def test_a_changed_leaf_is_found(path: Path, opened: Callable[[], Ledger]) -> None:
    entry = unpack_entry(read(path, "SELECT packed FROM main_entry WHERE at = 3"))
    forged = pack_entry(entry.replace(b"UNTRUSTED", b"TRUSTED"))
    tamper(path, ("UPDATE main_entry SET packed = ? WHERE at = 3", (forged,)))
    ledger = opened()

    assert_found(ledger.verify(), "record #3", "status")
    with pytest.raises(IntegrityError, match="leaf 3"):
        verdict(ledger, "lib")


def test_a_changed_envelope_is_found(path: Path, opened: Callable[[], Ledger]) -> None:
    ledger = opened()
    record = ledger.view().record(1)
    data = ledger.view().envelope_bytes(record)
    assert data is not None
    forged = pack_envelope(data[:-3] + b"A" + data[-2:])
    tamper(path, ("UPDATE envelope SET packed = ? WHERE id = 1", (forged,)))

    assert_found(ledger.verify(), "record #1", record.leaf.envelope_hex)
    with pytest.raises(IntegrityError, match="record #1 envelope"):
        verdict(opened(), "app")


def test_an_exchanged_envelope_is_found(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    tamper(
        path,
        "UPDATE envelope SET packed = (SELECT packed FROM envelope WHERE id = 2)"
        " WHERE id = 3",
    )
    ledger = opened()

    assert_found(ledger.verify(), "record #3")
    with pytest.raises(IntegrityError, match="record #3"):
        verdict(ledger, "lib")


def test_an_envelope_that_is_gone_is_found(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    tamper(path, "DELETE FROM envelope_id WHERE id = 1")
    ledger = opened()

    assert_found(ledger.verify(), "record #1", "no erasure record")
    with pytest.raises(IntegrityError, match="no erasure record"):
        verdict(ledger, "app")


def test_a_changed_tile_is_found(path: Path, opened: Callable[[], Ledger]) -> None:
    tile = read(path, "SELECT hashes FROM main_tile WHERE level = 0 AND n = 0")
    forged = bytes(32) + tile[32:]
    sql = "UPDATE main_tile SET hashes = ? WHERE level = 0 AND n = 0"
    tamper(path, (sql, (forged,)))
    ledger = opened()

    assert_found(ledger.verify(), "tile/0/000", "entry #0")
    with pytest.raises(IntegrityError):
        verdict(ledger, "app")


def test_a_lost_tile_is_found(path: Path, opened: Callable[[], Ledger]) -> None:
    tamper(path, "DELETE FROM main_tile WHERE level = 1")
    ledger = opened()

    assert_found(ledger.verify(), "tile/1/000")
    with pytest.raises(IntegrityError, match="tile/1/000"):
        verdict(ledger, "app")


@pytest.mark.parametrize(
    "kind", ["subject", "job", "name", "signer", "commit", "statement"]
)
def test_an_index_row_that_was_left_out_is_found(
    kind: str, path: Path, opened: Callable[[], Ledger]
) -> None:
    tamper(path, f"DELETE FROM {kind}_row WHERE at = 1")

    assert_found(opened().verify(), f"{kind} row of record #1", "got none")


@pytest.mark.parametrize(
    "kind", ["subject", "job", "name", "signer", "commit", "statement"]
)
def test_an_index_row_that_was_added_is_found(
    kind: str, path: Path, opened: Callable[[], Ledger]
) -> None:
    tamper(path, (f"INSERT INTO {kind}_row VALUES (?, 2)", (b"f" * 32,)))

    assert_found(opened().verify(), f"{kind} row of record #2")


def test_an_index_row_that_was_changed_is_found_by_the_verdict(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    key = bytes.fromhex(digest("app"))
    tamper(path, ("UPDATE subject_row SET at = 7 WHERE key = ?", (key,)))
    ledger = opened()

    assert_found(ledger.verify(), "subject row of record #7")
    with pytest.raises(IntegrityError, match="record #7, which does not"):
        verdict(ledger, "app")


def test_a_row_that_hides_an_untrust_hides_nothing(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    key = bytes.fromhex(digest("lib"))
    tamper(path, ("DELETE FROM subject_row WHERE key = ? AND at = 3", (key,)))
    ledger = opened()

    assert verdict(ledger, "lib") is Status.UNTRUSTED
    assert_found(ledger.verify(), "subject row of record #3", "got none")


@pytest.mark.parametrize("at", [0, 1])
def test_a_hidden_trust_record_is_found(
    at: int, path: Path, opened: Callable[[], Ledger]
) -> None:
    tamper(path, f"DELETE FROM trust_entry WHERE at = {at}")
    ledger = opened()

    assert_found(ledger.verify(), "trust")
    with pytest.raises(IntegrityError, match="trust"):
        verdict(ledger, "lib")


def test_a_trust_log_that_was_cut_with_its_head_is_found(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    ledger = opened()
    from jenkins_notary.tlog.merkle import Frontier, hash_leaf

    entry = ledger.store.entries("trust", 0, 1)[0]
    head = Frontier().append([hash_leaf(entry)]).encode()
    tamper(
        path,
        "DELETE FROM trust_entry WHERE at = 1",
        ("UPDATE head SET trust = ?", (head,)),
    )

    assert_found(ledger.verify(), "record #3", "hidden")
    with pytest.raises(IntegrityError, match="trust log"):
        verdict(opened(), "lib")
    with pytest.raises(IntegrityError, match="trust head"):
        opened().add("more")


def test_a_changed_checkpoint_is_found(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    note = read(path, "SELECT note FROM checkpoint")
    forged = note.replace(b"\n604\n", b"\n603\n")
    assert forged != note
    tamper(path, ("UPDATE checkpoint SET note = ?", (forged,)))
    ledger = opened()

    assert_found(ledger.verify(), "checkpoint", "is wrong")
    with pytest.raises(IntegrityError, match="signature"):
        verdict(ledger, "app")


def test_a_lost_checkpoint_is_found(path: Path, opened: Callable[[], Ledger]) -> None:
    tamper(path, "DELETE FROM checkpoint")

    assert_found(opened().verify(), "checkpoint", "got none")


def test_a_changed_head_is_found(path: Path, opened: Callable[[], Ledger]) -> None:
    head = read(path, "SELECT main FROM head")
    tamper(path, ("UPDATE head SET main = ?", (head[:-1] + b"x",)))
    ledger = opened()

    assert_found(ledger.verify(), "head", "main log")
    with pytest.raises(IntegrityError):
        ledger.add("more")


def test_an_entry_that_was_added_behind_the_head_is_found(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    tamper(
        path,
        "INSERT INTO main_entry SELECT 900, packed FROM main_entry WHERE at = 3",
    )

    assert_found(opened().verify(), "#604 or later", "beyond the head")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE main_entry SET packed = X'02ff' WHERE at = 300", ["main log", "#300"]),
        ("DELETE FROM main_entry WHERE at = 300", ["main log", "#300"]),
        ("UPDATE trust_entry SET packed = X'02ff' WHERE at = 1", ["trust log", "#1"]),
        ("UPDATE envelope SET packed = X'03ff' WHERE id = 1", ["envelope", "deflate"]),
        ("UPDATE envelope SET packed = X'09ff' WHERE id = 1", ["envelope", "codec"]),
        ("UPDATE head SET main = 'text'", ["head", "type"]),
        ("UPDATE checkpoint SET note = 'text'", ["checkpoint", "type"]),
        ("DELETE FROM head", ["head", "got none"]),
    ],
)
def test_what_cannot_be_read_back_is_found(
    sql: str, words: list[str], path: Path, opened: Callable[[], Ledger]
) -> None:
    store = SqliteStore.open(str(path))
    ledger = opened()
    store.close()
    tamper(path, sql)

    assert_found(ledger.verify(), *words)


def test_a_truncated_file_is_found(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)

    def check() -> None:
        store = SqliteStore.open(str(path))
        try:
            if store.quick_check():
                raise IntegrityError("ledger", got="a broken file")
            Ledger(store).verify().raise_findings()
        finally:
            store.close()

    with pytest.raises(NotaryError) as caught:
        check()
    assert caught.value.exit_code == 65


def test_an_older_copy_in_its_place_is_found_by_a_pin(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    older = path.with_suffix(".older")
    shutil.copy(path, older)
    ledger = opened()
    ledger.add("app", "UNTRUSTED")
    pin = ledger.pin()
    ledger.store.close()
    shutil.copy(older, path)
    again = opened()

    assert again.verify().is_sound
    with pytest.raises(IntegrityError, match="older copy"):
        check_pin(pin, again.view())


def test_an_untrusted_digest_that_is_built_and_notarized_again_stays_untrusted(
    opened: Callable[[], Ledger],
) -> None:
    ledger = opened()
    ledger.add("lib")
    ledger.add("lib", job="ci.example.com:payments/main#43")

    assert verdict(ledger, "lib") is Status.UNTRUSTED
    ledger.add("lib", supersedes=[3], reason="fixed")
    assert verdict(ledger, "lib") is Status.TRUSTED


def test_processes_find_what_one_finds(
    path: Path, opened: Callable[[], Ledger]
) -> None:
    from jenkins_notary.ledger import workers

    tamper(path, "DELETE FROM job_row WHERE at = 5")
    ledger = opened()
    options = VerifyOptions(workers=2, open_store=partial(SqliteStore.open, str(path)))
    patch = pytest.MonkeyPatch()
    patch.setattr(workers, "PARALLEL_FROM", 1)
    try:
        report = verify_ledger(ledger.store, ledger.verifiers, KeyVerifier, options)
    finally:
        patch.undo()

    assert [str(one) for one in report.findings] == [
        str(one) for one in ledger.verify(bodies=False).findings
    ]
    assert report._replace(findings=()) == ledger.verify(bodies=False)._replace(
        findings=()
    )


def test_a_person_stands_in_no_exported_leaf_and_after_erasure_nowhere(
    path: Path, tmp_path: Path
) -> None:
    store = SqliteStore.open(str(path))
    ledger = Ledger(store, blobs=FileBlobs(str(path.parent / "ledger.blobs")))
    ledger.add("mine", job=f"ci.example.com:people/{EMAIL}#7", attributes={"a": EMAIL})
    ledger.attach(b"log of " + EMAIL.encode() + b"\n" * 300_000)
    ledger.fill(300)
    view = ledger.view()
    target = FolderTarget(str(tmp_path / "export"))
    export_tiles(store, view.checkpoint, view.note, target)

    assert list(grep(tmp_path / "export")) == []
    assert list(grep(path.parent)) != []

    erase(
        ledger.view(),
        ledger.sequencer,
        find_erasable(ledger.view(), EMAIL, ledger.blobs),
        author=ledger.author(),
        store=store,
        blobs=ledger.blobs,
        reason="a request",
    )

    assert list(grep(path.parent)) == []
    assert ledger.verify().findings == ()
    store.close()
    assert list(grep(path.parent)) == []


def grep(folder: Path) -> Iterator[str]:
    """Yield where a folder's files hold the e-mail: raw, packed or compressed."""
    needles = (EMAIL.encode(), EMAIL.split("@", maxsplit=1)[0].encode())
    for below, _, names in os.walk(folder):
        for name in names:
            data = (folder / below / name).read_bytes()
            for place, text in ((0, data), *streams(data)):
                if any(needle in text for needle in needles):
                    yield f"{name} at {place}"


def streams(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (place, raw bytes) of whatever could be a compressed stream in a file."""
    for start, first in enumerate(data):
        if data[start : start + 4] == b"\x28\xb5\x2f\xfd":
            frames = zstandard.ZstdDecompressor()
            with suppress(zstandard.ZstdError):
                yield (
                    start,
                    frames.decompress(
                        data[start:], max_output_size=1 << 20, allow_extra_data=True
                    ),
                )
        elif first in {2, 3, 4}:
            inflate = zlib.decompressobj(-15, zdict=STATEMENT_WORDS)
            with suppress(zlib.error):
                yield start, inflate.decompress(data[start + 1 : start + 8192], 8192)
