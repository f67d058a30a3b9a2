"""Many processes at once, and processes that are killed: nothing is lost, ever.

`JENKINS_NOTARY_TEST_KILLS` says how often a process is killed, 30 times if it is unset.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engines import IMMUDB, SQLITE
from tests.parts.immudb import drop_ledger
from tests.program import Ran, finish, program, start, stored_envelopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROCESSES = 16
KILLS = int(os.environ.get("JENKINS_NOTARY_TEST_KILLS", "30"))
EMAIL = "jane.planted@example.com"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with a home of its own, which can be removed."""
    folder = tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("DATA", "STATE", "CACHE", "CONFIG"):
        monkeypatch.delenv(f"XDG_{name}_HOME")
    return folder


@pytest.fixture
def kills(engine: str) -> int:
    """Return how often to kill: a process of immudb's takes three times as long."""
    return KILLS if engine == SQLITE else KILLS // 5


@pytest.fixture
def chance() -> random.Random:
    """Chance whose seed is shown when a test fails."""
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    return random.Random(seed)


def write_files(count: int, prefix: str = "file") -> list[str]:
    """Make different files in the current folder; return their names."""
    names = [f"{prefix}{number}" for number in range(count)]
    for name in names:
        Path(name).write_text(name)
    return names


def assert_sound() -> dict[str, object]:
    """Check the whole ledger; return the report."""
    done = program("ledger", "verify", "-o", "json")

    assert done.code == 0, done
    report: dict[str, object] = done.json
    return report


def read_size() -> int:
    """Return how many records the ledger holds."""
    done = program("ledger", "status", "-o", "json")
    assert done.code == 0, done
    size: int = done.json["tree_size"]
    return size


def run_and_kill(after_s: float, *argv: str) -> Ran:
    """Start a command line, kill it after a while, and return what it had printed."""
    process = start(*argv)
    time.sleep(after_s)
    process.kill()
    return finish(process)


def measure(*argv: str) -> float:
    """Return how long a command line takes."""
    began = time.monotonic()
    done = program(*argv)
    assert done.code == 0, done
    return time.monotonic() - began


def kill_times(chance: random.Random, took_s: float, count: int) -> list[float]:
    """Return moments to kill at: from the first import to just behind the end."""
    return [chance.uniform(0.2, 1.1) * took_s for _ in range(count)]


def test_sixteen_processes_share_one_ledger(home: Path) -> None:
    rounds = 3
    names = write_files(PROCESSES * rounds)
    assert program("ledger", "init").code == 0

    done = []
    for number in range(rounds):
        ours = names[number * PROCESSES : (number + 1) * PROCESSES]
        done += [finish(one) for one in [start("notarize", name) for name in ours]]

    assert [(one.code, one.stderr) for one in done] == [(0, "")] * len(names)
    indexes = {int(one.text.split()[1][1:]) for one in done}
    assert indexes == set(range(1, len(names) + 1))
    assert program("authenticate", *names).code == 0
    assert assert_sound()["size"] == len(names) + 1
    assert home.is_dir()


def test_sixteen_first_uses_make_one_key_and_one_ledger(
    home: Path, engine: str
) -> None:
    names = write_files(PROCESSES)

    done = [finish(one) for one in [start("notarize", name) for name in names]]

    assert [one.code for one in done] == [0] * PROCESSES, done
    said = "".join(one.stderr for one in done)
    assert said.count("created signing key") == said.count("created ledger") == 1
    assert said.count("is its administrator") == 1
    assert program("authenticate", *names).code == 0
    assert assert_sound()["size"] == PROCESSES + 1
    genesis = program("evidence", "--signer", read_signer(), "-o", "json").json
    types = [one["type"] for one in genesis["records"]]
    assert types == ["trust"] + ["notarization"] * PROCESSES
    kinds = {one.rpartition(".")[2] for one in list_files(home / ".local/share")}
    kept = {"db"} if engine == SQLITE else {"envelope-keys"}
    assert kinds - {"lock"} == {"pem", "key"} | kept


def read_signer() -> str:
    """Return the id of the user's key."""
    signer: str = program("key", "show", "-o", "json").json["signer"]
    return signer


def list_files(folder: Path) -> list[str]:
    """Return the files below a folder, sorted."""
    return sorted(
        str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()
    )


def test_writers_of_all_kinds_at_once(home: Path) -> None:
    names = write_files(PROCESSES)
    Path("log").write_bytes(b"a line\n" * 100_000)
    assert program("notarize", "log").code == 0
    calls: list[tuple[str, ...]] = [("notarize", name) for name in names[:6]]
    calls += [("untrust", name, "--reason", "flaw") for name in names[6:9]]
    calls += [("log", "put", f"a/b#{number}", "log") for number in range(1, 4)]
    calls += [("attach", name, "--job", "a/b#9") for name in names[9:11]]
    calls += [("ledger", "backup", "copy"), ("ledger", "export", "tiles")]
    calls += [("ledger", "verify"), ("authenticate", "log")]

    done = [finish(one) for one in [start(*argv) for argv in calls]]

    assert [one.code for one in done] == [0] * len(calls), done
    assert assert_sound()["size"] == 2 + 14
    assert home.is_dir()


def test_what_was_acknowledged_survives_kill_9(
    home: Path, chance: random.Random, kills: int
) -> None:
    names = write_files(kills)
    assert program("ledger", "init").code == 0
    # Two run at once.
    took_s = 2 * measure("notarize", write_files(1, "warm")[0])
    acknowledged, killed = [], 0

    for name, after_s in zip(names, kill_times(chance, took_s, kills), strict=True):
        # A second writer goes on while the first one dies.
        other = start("notarize", "warm0")
        done = run_and_kill(after_s, "notarize", name)
        assert finish(other).code == 0
        killed += done.code == -9
        if done.stdout.endswith(b"\n"):
            acknowledged.append((name, int(done.text.split()[1][1:])))

    print("killed", killed, "acknowledged", len(acknowledged), "of", kills)
    # How many die depends on how busy the machine is; none would show nothing.
    assert killed > 0
    report = assert_sound()
    for name, index in acknowledged:
        (found,) = program("inspect", name, "-o", "json").json["records"]
        assert found["index"] == index
    # Each foreign writer's record is there, and at most one of each killed call.
    size = report["size"]
    assert isinstance(size, int)
    assert 2 + kills + len(acknowledged) <= size <= 2 + 2 * kills
    assert home.is_dir()


LOOP = """
import os, sys
from jenkins_notary.cli.main import main
streams = {"stdin": None, "stdout": sys.stdout.buffer, "stderr": open(os.devnull, "wb")}
for number in range(10_000):
    name = f"{sys.argv[1]}-{number}"
    with open(name, "w") as file:
        file.write(name)
    assert main(["notarize", name], os.environ, **streams) == 0
"""


def test_what_was_acknowledged_survives_kill_9_while_it_commits(
    home: Path, chance: random.Random, kills: int
) -> None:
    assert program("ledger", "init").code == 0
    acknowledged: dict[str, int] = {}
    started_s = 1.5 * measure("ledger", "status")

    for number in range(kills):
        # Two writers, over and over: they die while they commit, not while they start.
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", LOOP, f"{number}.{which}"],
                stdout=subprocess.PIPE,
            )
            for which in range(2)
        ]
        time.sleep(started_s + chance.uniform(0, 0.4))
        for writer in writers:
            writer.kill()
        for writer in writers:
            stdout, _ = writer.communicate()
            assert writer.returncode == -9
            for line in stdout.decode().split("\n")[:-1]:
                _, index, _, name = line.split()
                acknowledged[name] = int(index[1:])
        assert program("ledger", "status").code == 0

    print("acknowledged", len(acknowledged), "in", kills * 2, "killed processes")
    size = assert_sound()["size"]
    assert isinstance(size, int)
    # Beside them: the genesis, and at most one record of each killed process.
    assert 1 + len(acknowledged) <= size <= 1 + len(acknowledged) + kills * 2
    digests = {
        f"sha256:{hashlib.sha256(name.encode()).hexdigest()}": index
        for name, index in acknowledged.items()
    }
    found = program(
        "authenticate", "-", "-o", "json", stdin="\n".join(digests).encode()
    )
    assert found.code == 0, found
    assert {one["digest"]: one["index"] for one in found.json["assets"]} == digests
    assert home.is_dir()


@pytest.fixture
def forget(
    home: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """Return what takes a ledger away, with all that its user knows of it."""
    url = os.environ.get("JENKINS_NOTARY_LEDGER", "")
    numbers = itertools.count()

    def run() -> None:
        shutil.rmtree(home)
        if engine == IMMUDB:
            drop_ledger(os.environ["JENKINS_NOTARY_LEDGER"])
            # A database that was deleted leaves its name taken.
            monkeypatch.setenv("JENKINS_NOTARY_LEDGER", f"{url}_{next(numbers)}")

    yield run
    run()


def test_killed_first_use_is_finished_by_the_next_call(
    chance: random.Random, forget: Callable[[], None], kills: int
) -> None:
    write_files(2)
    took_s = measure("notarize", "file0")

    for after_s in kill_times(chance, took_s, max(kills // 2, 5)):
        forget()
        first = run_and_kill(after_s, "notarize", "file0")
        done = program("notarize", "file1")

        assert done.code == 0, (first, done)
        assert program("authenticate", "file1").code == 0
        if first.stdout:
            assert program("authenticate", "file0").code == 0
        assert_sound()


def test_killed_log_put_leaves_no_half_of_a_body(
    home: Path, chance: random.Random, kills: int
) -> None:
    Path("big").write_bytes(random.Random(1).randbytes(8 << 20))
    Path("small").write_bytes(b"small")
    assert program("ledger", "init").code == 0
    took_s = measure("log", "put", "warm#1", "big")
    body = next((home / ".local/share").rglob("*.blobs"))

    for number, after_s in enumerate(kill_times(chance, took_s, kills // 3), 2):
        # Another body each time, or it would not be written again.
        Path("big").write_bytes(random.Random(number).randbytes(8 << 20))
        done = run_and_kill(after_s, "log", "put", f"a/b#{number}", "big")
        if done.stdout:
            log = program("log", f"a/b#{number}")
            assert (log.code, log.stdout) == (0, Path("big").read_bytes())

    assert program("log", "put", "a/b#999", "small").code == 0
    assert program("log", "a/b#999").stdout == b"small"
    assert list((body / "tmp").iterdir()) == []
    assert_sound()


def test_killed_backup_harms_nothing_and_is_no_backup(
    home: Path, chance: random.Random, kills: int
) -> None:
    Path("big").write_bytes(random.Random(1).randbytes(4 << 20))
    assert program("notarize", *write_files(50)).code == 0
    assert program("log", "put", "a/b#1", "big").code == 0
    took_s = measure("ledger", "backup", "whole")

    for number, after_s in enumerate(kill_times(chance, took_s, max(kills // 5, 5))):
        done = run_and_kill(after_s, "ledger", "backup", f"copy{number}")
        restored = program(
            "ledger", "restore", f"copy{number}", "--ledger", f"restored{number}.db"
        )
        is_whole = os.path.exists(f"copy{number}/manifest.json")
        assert restored.code == (0 if is_whole else 66), (done, restored)
        if not is_whole:
            assert not os.path.exists(f"restored{number}.db")

    assert_sound()
    assert program("ledger", "restore", "whole", "--ledger", "whole.db").code == 0
    assert home.is_dir()


def test_killed_erasure_is_finished_by_the_next_one(
    home: Path, chance: random.Random, kills: int
) -> None:
    names = write_files(kills)
    Path("mail").write_text(EMAIL)
    erase = ("ledger", "erase", "--containing", EMAIL, "--reason", "asked for")
    assert program("notarize", "mail", "-a", f"by={EMAIL}").code == 0
    took_s = measure(*erase)

    for name, after_s in zip(
        names[: kills // 3], kill_times(chance, took_s, kills // 3), strict=True
    ):
        argv = ("notarize", name, "-a", f"by={EMAIL}", "--attach", "mail")
        assert program(*argv).code == 0
        run_and_kill(after_s, *erase)
        assert_sound()
    # Killed behind its record, before all was destroyed: what is left is destroyed by
    # the next erasure, whatever that is of.
    last = program(*erase)
    assert last.code in {0, 66}, last
    assert program("notarize", "mail", "-a", "by=nobody").code == 0
    assert program("ledger", "erase", str(read_size() - 1), "--reason", "x").code == 0

    assert_sound()
    assert find_text(home, EMAIL) == []
    assert EMAIL.encode() not in b"".join(stored_envelopes())
    body = hashlib.sha256(EMAIL.encode()).hexdigest()
    assert list(home.rglob(body)) == []


def find_text(folder: Path, text: str) -> list[str]:
    """Return the files below a folder that hold a text as it is."""
    return [
        str(one)
        for one in folder.rglob("*")
        if one.is_file() and text.encode() in one.read_bytes()
    ]


def test_killed_rotation_is_finished_by_the_next_one(
    home: Path, chance: random.Random, kills: int
) -> None:
    write_files(1)
    assert program("notarize", "file0").code == 0
    took_s = measure("ledger", "rotate-key")

    for after_s in kill_times(chance, took_s, max(kills // 3, 5)):
        run_and_kill(after_s, "ledger", "rotate-key")
        again = program("ledger", "rotate-key")

        assert again.code == 0, again
        assert program("notarize", "file0").code == 0
        assert program("authenticate", "file0").code == 0
        assert_sound()
    assert not list(home.rglob("*.key.new"))


@pytest.fixture
def stop_before() -> Callable[[str], None]:
    """Return what runs ``ledger rotate-key`` and dies at a chosen step."""

    def run(step: str) -> None:
        script = Path("dies.py")
        script.write_text(
            "import os, sys\n"
            "from jenkins_notary.engines.immudb.store import ImmudbStore\n"
            "from jenkins_notary.engines.sqlite import SqliteStore\n"
            "from jenkins_notary.cli.main import run\n"
            "def die(*_, **__): os._exit(137)\n"
            "step, replace = sys.argv.pop(1), os.replace\n"
            "def move(old, new): die() if new.endswith('.key') else replace(old, new)\n"
            "if step == 'replace': os.replace = move\n"
            "else:\n"
            "    for store in (ImmudbStore, SqliteStore): setattr(store, step, die)\n"
            "run()\n"
        )
        process = subprocess_of(script, step, "ledger", "rotate-key")
        assert process.code == 137, process

    return run


def subprocess_of(script: Path, *argv: str) -> Ran:
    """Run a script with the interpreter of the tests."""
    done = subprocess.run(
        [sys.executable, str(script), *argv], capture_output=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("step", ["publish", "put_setting", "replace"])
def test_ledger_works_on_after_a_killed_rotation(
    home: Path, stop_before: Callable[[str], None], step: str
) -> None:
    write_files(2)
    assert program("notarize", "file0").code == 0
    stop_before(step)

    assert program("notarize", "file1").code == 0
    assert program("authenticate", "file0", "file1").code == 0
    assert program("ledger", "status").code == 0
    assert home.is_dir()


def test_writers_go_on_while_the_key_is_rotated(home: Path) -> None:
    names = write_files(48)
    assert program("ledger", "init").code == 0

    writers, rotations = [], []
    for number in range(0, len(names), 8):
        writers += [start("notarize", name) for name in names[number : number + 8]]
        rotations.append(program("ledger", "rotate-key", "-q"))
    done = [finish(one) for one in writers]

    assert [one.code for one in rotations] == [0] * len(rotations), rotations
    failed = [one for one in done if one.code]
    assert failed == []
    assert program("authenticate", *names).code == 0
    assert_sound()
    assert home.is_dir()


def test_checkpoint_that_a_power_cut_took_is_made_again(home: Path) -> None:
    write_files(3)
    assert program("notarize", "file0").code == 0
    older = read_checkpoint(home)
    assert program("notarize", "file1").code == 0
    # A commit is synced, the publication behind it is not; the pin file is.
    db = sqlite3.connect(next(home.rglob("ledger.db")))
    db.execute("UPDATE checkpoint SET size = 2, note = ?", (older,))
    db.commit()
    db.close()

    assert program("authenticate", "file0").code == 0
    assert program("notarize", "file2").code == 0
    assert program("authenticate", "file0", "file1", "file2").code == 0
    assert_sound()


def read_checkpoint(home: Path) -> bytes:
    """Return the checkpoint note that a ledger's file holds."""
    db = sqlite3.connect(next(home.rglob("ledger.db")))
    ((note,),) = db.execute("SELECT note FROM checkpoint").fetchall()
    db.close()
    assert isinstance(note, bytes)
    return note
