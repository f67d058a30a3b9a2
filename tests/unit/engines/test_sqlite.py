"""What the SQLite engine promises beyond the Store port: files, crashes, disks."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.engines import mounts
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import (
    ConfigurationError,
    HeadMovedError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.ports import ROW_KINDS, Batch, Head, Row
from jenkins_notary.values.envelope import Signature, format_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]


def make_head(size: int) -> Head:
    return Head(size.to_bytes(8, "big"), b"", size)


def size_of(store: SqliteStore) -> int:
    head = store.head()
    return int.from_bytes(head.main, "big") if head else 0


def make_batch(start: int, entry: bytes = b"entry") -> Batch:
    """Make a batch of one record with a row of each kind and an envelope."""
    digest = hashlib.sha256(b"%d" % start + entry).digest()
    rows = [Row(kind, digest, start) for kind in ROW_KINDS]
    return Batch(make_head(start + 1), start, [entry], 0, [], {digest: entry}, {}, rows)


def append(store: SqliteStore, entry: bytes = b"entry") -> int:
    """Append one record, again and again until no other writer is first."""
    while True:
        head = store.head()
        start = int.from_bytes(head.main, "big") if head else 0
        with suppress(HeadMovedError):
            store.commit(make_batch(start, entry), onto=head)
            return start


def append_many(store: SqliteStore, count: int, entry_bytes: int) -> None:
    for _ in range(count):
        append(store, os.urandom(entry_bytes))


def check_whole(store: SqliteStore) -> None:
    """Check that entries, rows, envelopes and head are all of the same commits."""
    size = size_of(store)
    assert store.quick_check() == []
    assert len(store.entries("main", 0, 1 << 40)) == size
    assert len(list(store.scan_envelopes())) == size
    for kind in ROW_KINDS:
        assert sorted(row.index for row in store.scan_rows(kind)) == list(range(size))


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    with closing(SqliteStore.create(path)) as store:
        yield store


def run_python(
    code: str, *args: str, stdout: int | None = None
) -> subprocess.Popen[str]:
    """Start a Python process that has this module's functions."""
    setup = (
        "import importlib.util, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"spec = importlib.util.spec_from_file_location('part', {__file__!r})\n"
        "part = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(part)\n"
        "from jenkins_notary.engines.sqlite import SqliteStore\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", setup + code, *args], stdout=stdout, text=True
    )


# Making and opening


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_new_file_is_the_owners_alone_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    folder = tmp_path / "data"
    folder.mkdir(0o700)
    before = os.umask(umask)
    try:
        with closing(SqliteStore.create(str(folder / "ledger.db"))) as store:
            append(store)
            modes = {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}
    finally:
        os.umask(before)

    assert modes == {0o600}


def test_missing_folder_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.db"
    SqliteStore.create(str(path)).close()

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["ledger.db"]


def test_missing_file_is_not_found_and_not_made(path: str) -> None:
    with pytest.raises(NotFoundError, match="jenkins-notary ledger init") as caught:
        SqliteStore.open(path)
    assert caught.value.exit_code == 66
    assert not os.path.exists(path)


def test_create_leaves_an_existing_file_alone(path: str) -> None:
    Path(path).write_bytes(b"other")

    with pytest.raises(UsageError, match="exists"):
        SqliteStore.create(path)
    assert Path(path).read_bytes() == b"other"
    assert os.listdir(os.path.dirname(path)) == ["ledger.db"]


def test_of_two_that_create_at_once_one_succeeds(path: str) -> None:
    results: list[str] = []
    start = threading.Barrier(8)

    def create() -> None:
        start.wait()
        try:
            SqliteStore.create(path).close()
            results.append("made")
        except UsageError:
            results.append("exists")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["exists"] * 7 + ["made"]
    assert os.listdir(os.path.dirname(path)) == ["ledger.db"]


@pytest.mark.parametrize("name", ["a b?c#d%41.db", "ü\N{SNOWMAN}.db", "x?mode=memory"])
def test_name_with_special_characters_is_that_files_name(
    tmp_path: Path, name: str
) -> None:
    with closing(SqliteStore.create(str(tmp_path / name))) as store:
        append(store)

    assert os.listdir(tmp_path) == [name]
    with closing(SqliteStore.open(str(tmp_path / name))) as store:
        assert size_of(store) == 1


def make_foreign(path: str, *pragmas: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE other (a)")
        for pragma in pragmas:
            db.execute(f"PRAGMA {pragma}")


@pytest.mark.parametrize(
    ("pragmas", "message"),
    [
        pytest.param([], "another program", id="no mark"),
        pytest.param(["application_id=7", "user_version=1"], "0x7", id="other mark"),
        pytest.param(
            [f"application_id={0x4A4E6F74}", "user_version=2"],
            "newer than this program",
            id="newer",
        ),
        pytest.param(
            [f"application_id={0x4A4E6F74}"],
            "jenkins-notary ledger upgrade",
            id="older",
        ),
    ],
)
def test_database_of_another_kind_is_refused(
    path: str, pragmas: list[str], message: str
) -> None:
    make_foreign(path, *pragmas)
    before = Path(path).read_bytes()

    with pytest.raises(ConfigurationError, match=message) as caught:
        SqliteStore.open(path)
    assert caught.value.exit_code == 78
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a database\n" * 500, id="text"),
        pytest.param(b"SQLite format 3\0" + bytes(84), id="header only"),
    ],
)
def test_file_that_is_no_database_is_damaged(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)

    with pytest.raises(NotaryError, match=r"ledger\.db") as caught:
        SqliteStore.open(path)
    assert caught.value.exit_code in {65, 78}
    assert Path(path).read_bytes() == content


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="got a folder"):
        SqliteStore.open(str(tmp_path))


def read_all(path: str) -> None:
    with closing(SqliteStore.open(path)) as store:
        assert store.quick_check()
        store.entries("main", 0, 300)


def test_truncated_or_overwritten_file_is_damaged(
    store: SqliteStore, path: str
) -> None:
    for _ in range(300):
        append(store, os.urandom(300))
    store.close()
    whole = Path(path).read_bytes()
    broken = {
        "cut": whole[: len(whole) // 2 // 4096 * 4096],
        "noise": whole[:4096] + os.urandom(len(whole) - 4096),
    }

    for content in broken.values():
        Path(path).write_bytes(content)
        with pytest.raises(IntegrityError) as caught:
            read_all(path)
        assert caught.value.exit_code == 65


class Everything:
    def __contains__(self, _: object) -> bool:
        return True


def test_ledger_on_a_network_file_system_needs_to_be_asked_for(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteStore.create(path).close()
    monkeypatch.setattr(mounts, "NETWORK_TYPES", Everything())

    with pytest.raises(ConfigurationError, match="local file system"):
        SqliteStore.open(path)
    with pytest.raises(ConfigurationError, match="local file system"):
        SqliteStore.create(path + "2")
    SqliteStore.open(path, allow_network=True).close()


def test_path_through_a_file_is_not_found(path: str) -> None:
    SqliteStore.create(path).close()

    with pytest.raises(NotFoundError):
        SqliteStore.open(path + "/ledger.db")


def test_use_after_close_is_a_wrong_call_order(store: SqliteStore) -> None:
    store.close()

    with pytest.raises(RuntimeError, match="closed"):
        store.head()
    store.close()


def test_closed_ledger_is_one_file(store: SqliteStore, path: str) -> None:
    append(store)
    store.publish(b"note", size=1)
    store.close()

    assert os.listdir(os.path.dirname(path)) == ["ledger.db"]


# Many writers


WRITER = """
with __import__("contextlib").closing(SqliteStore.open(sys.argv[1])) as store:
    for number in range(int(sys.argv[3])):
        part.append(store, f"{sys.argv[2]}-{number}".encode())
"""


def test_eight_processes_append_all_and_never_fork(
    store: SqliteStore, path: str
) -> None:
    writers = [run_python(WRITER, path, str(n), "25") for n in range(8)]

    assert [writer.wait(60) for writer in writers] == [0] * 8
    assert sorted(store.entries("main", 0, 1000)) == sorted(
        b"%d-%d" % (n, number) for n in range(8) for number in range(25)
    )
    check_whole(store)


def test_waiting_for_another_writer_ends_in_unavailable(path: str) -> None:
    SqliteStore.create(path).close()
    with (
        closing(SqliteStore.open(path, wait_s=0.3)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"within 0\.3 s") as caught:
            append(store)
        waited_s = time.monotonic() - started
        assert store.head() is None
        other.execute("ROLLBACK")
        append(store)

        assert 0.3 <= waited_s < 3
        assert caught.value.exit_code == 69
        assert type(caught.value) is UnavailableError
        assert size_of(store) == 1


def test_child_and_parent_go_on_after_a_fork(store: SqliteStore) -> None:
    append(store, b"before")
    child = os.fork()
    if not child:
        code = 1
        with suppress(BaseException):
            append(store, b"child")
            store.close()
            code = 0
        os._exit(code)
    append(store, b"parent")

    assert os.waitpid(child, 0)[1] == 0
    assert sorted(store.entries("main", 0, 9)) == [b"before", b"child", b"parent"]
    check_whole(store)


# Crashes and interrupts


CRASHING = """
with __import__("contextlib").closing(SqliteStore.open(sys.argv[1])) as store:
    while True:
        print(part.append(store, part.os.urandom(3000)), flush=True)
"""


def test_every_acknowledged_record_survives_kill(path: str) -> None:
    SqliteStore.create(path).close()
    acknowledged = -1
    for number in range(20):
        writer = run_python(CRASHING, path, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        time.sleep(number * 0.002)
        writer.kill()
        rest = writer.stdout.read().splitlines(keepends=True)
        acknowledged = max(
            [acknowledged, *(int(line) for line in rest if line.endswith("\n"))]
        )
        writer.wait()
        writer.stdout.close()
        with closing(SqliteStore.open(path)) as store:
            assert size_of(store) in {acknowledged + 1, acknowledged + 2}
            check_whole(store)


@contextmanager
def interrupt_after(delay_ms: int) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block after a while, as Ctrl-C does."""
    is_inside = True

    def interrupt(*_: object) -> None:
        if is_inside:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, delay_ms / 1000)
        yield
    finally:
        is_inside = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupt_commits(store: SqliteStore) -> None:
    """Interrupt large commits early and late; each is whole or not there."""
    append(store)
    keys = [hashlib.sha256(b"%d" % n).digest() for n in range(60_000)]
    rows = [Row("subject", key, 1) for key in keys]
    interrupted = 0
    for delay_ms in (1, 5, 20, 40, 60, 80):
        size = size_of(store)
        batch = make_batch(size)._replace(rows=rows)
        with suppress(KeyboardInterrupt), interrupt_after(delay_ms):
            store.commit(batch, onto=make_head(size))
        interrupted += size_of(store) == size
        found = sum(1 for _ in store.scan_rows("subject"))
        assert found == (1 if size_of(store) == 1 else 60_001)

    assert interrupted
    assert store.quick_check() == []
    append(store)


def test_interrupt_in_a_commit_rolls_back(path: str) -> None:
    SqliteStore.create(path).close()
    # In a process of its own: the test tools' own callbacks would catch the interrupt.
    code = "part.interrupt_commits(SqliteStore.open(sys.argv[1]))"

    assert run_python(code, path).wait(60) == 0


def test_failure_at_the_end_of_a_commit_leaves_nothing(
    store: SqliteStore, path: str
) -> None:
    append(store)
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TRIGGER fail BEFORE INSERT ON head"
            " BEGIN SELECT raise(ABORT, 'injected'); END"
        )

    with pytest.raises(IntegrityError, match="injected"):
        append(store)
    # The write lock is given back at once, not only when this store is used again.
    alter(path, "DROP TRIGGER fail")
    check_whole(store)
    assert size_of(store) == 1


# Disks


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Let no file grow beyond a limit, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_file_that_cannot_grow_leaves_nothing_half_written(store: SqliteStore) -> None:
    append(store)
    with file_size_limit(600_000), pytest.raises(StorageError) as caught:
        append_many(store, 200, 20_000)
    size = size_of(store)

    assert caught.value.exit_code == 74
    assert 1 < size < 200
    check_whole(store)
    append(store)
    assert size_of(store) == size + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 2 MiB; skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("mounting a tmpfs needs the rights to")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    path = str(small_disk / "ledger.db")
    with closing(SqliteStore.create(path)) as store:
        with pytest.raises(StorageError, match=r"ledger\.db") as caught:
            append_many(store, 2000, 5000)
        size = size_of(store)
        check_whole(store)
    with closing(SqliteStore.open(path)) as store:
        check_whole(store)

        assert size_of(store) == size > 1
    assert caught.value.exit_code == 74
    assert "free space" in str(caught.value)


def test_full_disk_leaves_no_new_ledger(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"")
    with suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass

    with pytest.raises(StorageError):
        SqliteStore.create(str(small_disk / "ledger.db"))
    assert os.listdir(small_disk) == ["filler"]


def remount_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def test_read_only_folder_is_read_and_not_written(small_disk: Path) -> None:
    path = str(small_disk / "ledger.db")
    with closing(SqliteStore.create(path)) as store:
        append(store)
    remount_read_only(small_disk)

    with closing(SqliteStore.open(path)) as store:
        assert store.read_only
        check_whole(store)
        with pytest.raises(StorageError, match="read-only") as caught:
            append(store)
        store.backup(str(small_disk.parent / "copy.db"))
    assert caught.value.exit_code == 74
    with closing(SqliteStore.open(str(small_disk.parent / "copy.db"))) as store:
        assert size_of(store) == 1


def test_read_only_folder_with_a_log_never_shows_an_older_state(
    store: SqliteStore, small_disk: Path, path: str
) -> None:
    append(store)
    for name in (path, path + "-wal"):
        shutil.copy(name, small_disk)
    remount_read_only(small_disk)

    with pytest.raises(StorageError, match="-wal"):
        SqliteStore.open(str(small_disk / "ledger.db"))


def test_file_without_rights_is_read_or_refused(path: str) -> None:
    SqliteStore.create(path).close()
    code = (
        "import os\n"
        "if not os.getuid(): os.setuid(65534)\n"
        "try:\n"
        "    store = SqliteStore.open(sys.argv[1])\n"
        "    print(store.read_only, store.head())\n"
        "except part.NotaryError as error: print(error.exit_code)\n"
    )
    folder = Path("/tmp") / f"jn-{os.urandom(8).hex()}"  # tmp_path is closed to others.
    folder.mkdir(0o755)
    try:
        copy = Path(shutil.copy(path, folder))
        answers = []
        for mode, folder_mode in ((0o444, 0o555), (0o000, 0o555), (0o444, 0o600)):
            copy.chmod(mode)
            folder.chmod(folder_mode)
            reader = run_python(code, str(copy), stdout=subprocess.PIPE)
            answers.append(reader.communicate()[0].strip())
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)

    assert answers == ["True None", "77", "77"]


# Erasing

SEEDS_THAT_LEAVE_COPIES = (1, 2, 6)
"""With these, pages keep a copy of a deleted row, in SQLite 3.40's way to split."""


def test_erased_bytes_stand_in_no_file(store: SqliteStore, path: str) -> None:
    secrets = [os.urandom(200) for _ in range(40)]
    names = [b"people/%s" % os.urandom(12).hex().encode() for _ in range(40)]
    marks = {
        digest: raw for raw in secrets for digest in [hashlib.sha256(raw).digest()]
    }
    rows = []
    for number in range(40):
        # Many small commits in random order make the trees split and move their cells.
        for _ in range(10):
            append(store, os.urandom(150))
        at = size_of(store)
        row = Row("name", names[number], at)
        rows.append(row)
        raw = secrets[number]
        batch = make_batch(at)
        store.commit(
            batch._replace(
                envelopes={**batch.envelopes, hashlib.sha256(raw).digest(): raw},
                rows=[
                    *batch.rows,
                    row,
                    *(Row("name", os.urandom(20), at) for _ in "abcde"),
                ],
            ),
            onto=store.head(),
        )

    def is_found(mark: bytes) -> bool:
        folder = Path(path).parent
        return any(mark in one.read_bytes() for one in folder.iterdir())

    assert all(map(is_found, [*secrets, *names]))
    store.erase(marks, rows)
    assert not any(map(is_found, [*secrets, *names]))
    assert os.path.getsize(path + "-wal") == 0
    assert store.quick_check() == []
    # Erasing all the rest moves what is left again: nothing of it may come back.
    store.erase([], list(store.scan_rows("subject"))[::2])
    assert not any(map(is_found, [*secrets, *names]))


@pytest.mark.parametrize("seed", SEEDS_THAT_LEAVE_COPIES)
def test_copies_that_a_tree_left_behind_are_erased_too(
    store: SqliteStore, path: str, seed: int
) -> None:
    chance = random.Random(seed)
    rows = []
    for at in range(300):
        folders = (b"team/app", b"people/x", b"zzz/y")
        keys = [
            chance.choice(folders) + chance.randbytes(chance.randint(12, 120))
            for _ in range(chance.randint(1, 20))
        ]
        rows += [Row("name", key, at) for key in keys]
        batch = make_batch(at)._replace(rows=rows[-len(keys) :])
        store.commit(batch, onto=store.head())
    chance.shuffle(rows)
    gone = rows[: len(rows) // 3]
    store.erase([], gone)

    content = Path(path).read_bytes()
    assert [row for row in gone if row.key in content] == []
    assert set(store.scan_rows("name")) == set(rows[len(gone) :])


def test_erasing_beside_a_reader_says_that_bytes_may_be_left(path: str) -> None:
    SqliteStore.create(path).close()
    raw = os.urandom(300)
    digest = hashlib.sha256(raw).digest()
    with (
        closing(SqliteStore.open(path, wait_s=0.2)) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
    ):
        store.commit(make_batch(0)._replace(envelopes={digest: raw}), onto=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM head").fetchall()
        with pytest.raises(UnavailableError):
            store.erase([digest], [])
        assert store.envelopes([digest]) == {}
        reader.execute("COMMIT")
        store.erase([digest], [])

        assert raw not in Path(path).read_bytes()
        assert os.path.getsize(path + "-wal") == 0


# Backups and checks


def test_backup_is_one_state_while_others_write(store: SqliteStore, path: str) -> None:
    for _ in range(200):
        append(store, os.urandom(9000))
    writer = run_python(WRITER, path, "w", "300")
    steps: list[tuple[int, int]] = []
    store.backup(
        path + ".copy", progress=lambda done, total: steps.append((done, total))
    )
    is_running = writer.poll() is None
    assert writer.wait(60) == 0

    with closing(SqliteStore.open(path + ".copy")) as copy:
        check_whole(copy)
        assert 200 <= size_of(copy) <= 500
    assert is_running
    assert stat.S_IMODE(os.stat(path + ".copy").st_mode) == 0o600
    assert steps
    assert steps[-1][0] == steps[-1][1]
    check_whole(store)


def test_backup_leaves_an_existing_file_alone(store: SqliteStore, path: str) -> None:
    Path(path + ".copy").write_bytes(b"kept")

    with pytest.raises(UsageError, match="exists"):
        store.backup(path + ".copy")
    assert Path(path + ".copy").read_bytes() == b"kept"


def test_interrupted_backup_leaves_nothing(store: SqliteStore, path: str) -> None:
    append(store)

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.backup(path + ".copy", progress=interrupt)
    assert not [name for name in os.listdir(os.path.dirname(path)) if "copy" in name]
    append(store)


def test_backup_to_a_full_disk_leaves_nothing(
    store: SqliteStore, small_disk: Path
) -> None:
    append(store, os.urandom(3 << 20))

    with pytest.raises(StorageError):
        store.backup(str(small_disk / "copy.db"))
    assert os.listdir(small_disk) == []


# Altered files


def alter(path: str, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        pytest.param("UPDATE main_entry SET packed = NULL", "entries", id="entry null"),
        pytest.param("UPDATE main_entry SET packed = 'x'", "entries", id="entry text"),
        pytest.param("DELETE FROM main_entry WHERE at = 1", "entries", id="entry gone"),
        pytest.param("DROP TABLE main_entry", "entries", id="table gone"),
        pytest.param("UPDATE head SET main = 7", "head", id="head number"),
        pytest.param("UPDATE head SET at_ms = 'now'", "head", id="head time"),
        pytest.param("INSERT INTO job_row VALUES ('k', 1)", "scan", id="row key text"),
        pytest.param("INSERT INTO job_row VALUES (x'00', 'a')", "scan", id="row index"),
        pytest.param("UPDATE envelope SET packed = x'63'", "envelopes", id="codec"),
        pytest.param("UPDATE main_tile SET hashes = 'h'", "tile", id="tile text"),
        pytest.param(
            "UPDATE envelope SET packed = zeroblob(30000000)", "envelopes", id="huge"
        ),
    ],
)
def test_altered_file_is_an_integrity_error(
    store: SqliteStore, path: str, statement: str, read: str
) -> None:
    for number in range(3):
        tiles: dict[Any, bytes] = {("main", 0, 0): b"h" * 8192}
        batch = make_batch(number)._replace(tiles=tiles)
        store.commit(batch, onto=store.head())
    digests = list(store.scan_envelopes())
    alter(path, statement)
    reads: dict[str, Callable[[], object]] = {
        "entries": lambda: store.entries("main", 0, 3),
        "head": store.head,
        "scan": lambda: list(store.scan_rows("job")),
        "envelopes": lambda: store.envelopes(digests),
        "tile": lambda: store.tile("main", 0, 0, 256),
    }

    with pytest.raises(IntegrityError, match=r"ledger\.db"):
        reads[read]()


def test_envelopes_in_parts_are_those_of_their_bytes(store: SqliteStore) -> None:
    signatures = (Signature("0x" + "ab" * 20, b"sig"),)
    raws = [format_envelope(b'{"n":%d}' % n, signatures) for n in range(1200)]
    raws.append(b"no envelope")
    digests = [hashlib.sha256(raw).digest() for raw in raws]
    envelopes = dict(zip(digests, raws, strict=True))
    store.commit(make_batch(0)._replace(envelopes=envelopes), onto=None)

    asked = [*digests, b"n" * 32, *digests[:3]]
    parts = store.envelope_parts(asked)

    assert store.envelopes(asked) == envelopes
    assert parts.keys() == envelopes.keys()
    assert parts[digests[-1]] == b"no envelope"
    assert {
        digest: one
        if isinstance(one, bytes)
        else format_envelope(one.payload, one.signatures)
        for digest, one in parts.items()
    } == envelopes


def test_an_altered_envelope_is_named_in_parts_too(
    store: SqliteStore, path: str
) -> None:
    store.commit(make_batch(0), onto=None)
    digests = list(store.scan_envelopes())
    alter(path, "UPDATE envelope SET packed = x'04ff'")

    with pytest.raises(IntegrityError, match=digests[0].hex()):
        store.envelope_parts(digests)


def test_scan_needs_no_more_memory_for_more_rows(store: SqliteStore) -> None:
    rows = [Row("subject", n.to_bytes(32, "big"), n) for n in range(50_000)]
    store.commit(make_batch(0)._replace(rows=rows), onto=None)
    del rows
    tracemalloc.start()
    count = sum(1 for _ in store.scan_rows("subject"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert count == 50_000
    assert peak < 1 << 20
