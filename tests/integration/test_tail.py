"""Log files go into the ledger: each line once, through rotations and restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.logs import tail as tailing
from jenkins_notary.api.logs.tail import hash_source
from jenkins_notary.api.notary import Notary
from jenkins_notary.keys.pem import generate_signer
from jenkins_notary.values.statement import Subject
from tests.command import command
from tests.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jenkins_notary.api.logs.tail import Tailed


class World:
    """A ledger, and a program that writes a log."""

    def __init__(self, folder: Path) -> None:
        self.ledger = str(folder / "ledger.db")
        self.log = folder / "app.log"
        self.notary = Notary(self.ledger)
        self.notary.ledger.init()

    def write(self, data: bytes | str) -> None:
        with self.log.open("ab") as file:
            file.write(data.encode() if isinstance(data, str) else data)

    def tail(self, **options: str) -> Tailed:
        return self.notary.ledger.tail(str(self.log), **options).record_new()

    def pieces(self) -> list[dict[str, Any]]:
        size = self.notary.ledger.status().tree_size
        return [
            dict(one.statement.facts)
            for one in self.notary._session.view().records(range(size))
            if one.leaf.type == "attachment" and one.statement is not None
        ]

    def recorded(self) -> bytes:
        """Return all lines in the ledger, in order."""
        return b"".join(
            b"".join(self.notary.read_attachment(f"sha256:{one['body']['sha256']}"))
            for one in self.pieces()
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.notary.close()


def test_each_whole_line_is_recorded_once(world: World) -> None:
    world.write('{"level": "info"}\nplain\nunfini')
    first = world.tail()
    again = world.tail()
    world.write("shed\n")
    more = world.tail()

    assert (first.records, first.lines, first.json, first.bad) == (1, 2, 1, 0)
    assert again.records == 0
    assert (more.records, more.lines) == (1, 1)
    assert world.recorded() == world.log.read_bytes()
    assert not world.notary.ledger.verify().findings


def test_bad_lines_are_kept_and_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tailing, "PIECE_BYTES", 64)
    world.write(b"\xff\xfe\n" + b'{"a": 1, "a": 2}\n{"cut\n' + b"x" * 100 + b"\nend\n")
    done = world.tail()

    assert done.bad == 4
    assert done.json == 0
    assert world.recorded() == world.log.read_bytes()


@pytest.mark.parametrize("ending", [".1", "-20261128"])
def test_a_rotated_file_is_read_to_its_end_first(world: World, ending: str) -> None:
    world.write("one\n")
    world.tail()
    world.write("two\nthree, without an end")
    old = Path(f"{world.log}{ending}")
    world.log.rename(old)
    world.write("four\n")
    done = world.tail()

    assert done.gaps == 0
    assert world.recorded() == b"one\ntwo\nthree, without an endfour\n"


@pytest.mark.parametrize("is_renamed", [True, False])
def test_files_that_begin_alike_are_told_apart(
    world: World, *, is_renamed: bool
) -> None:
    banner = "#" * 5000 + "\n"
    world.write(f"{banner}one\n")
    world.tail()
    if is_renamed:
        world.log.rename(f"{world.log}.1")
    else:
        world.log.unlink()
    world.write(f"{banner}two\nthree\n")
    done = world.tail()

    assert done.gaps == (0 if is_renamed else 1)
    assert world.recorded().decode() == f"{banner}one\n{banner}two\nthree\n"


def test_several_rotations_between_two_looks_lose_nothing(world: World) -> None:
    world.write("one\n")
    world.tail()
    for number, ending in enumerate((".2", ".1")):
        old = Path(f"{world.log}{ending}")
        world.write(f"more {number}\n")
        world.log.rename(old)
        os.utime(old, ns=(number, number))
    world.write("last\n")
    done = world.tail()

    assert done.gaps == 0
    assert world.recorded() == b"one\nmore 0\nmore 1\nlast\n"


def test_a_file_that_is_copied_and_cut_loses_nothing(world: World) -> None:
    world.write("one\n")
    world.tail()
    world.write("two\n")
    Path(f"{world.log}.1").write_bytes(world.log.read_bytes())
    os.truncate(world.log, 0)
    world.write("3\n")
    world.tail()

    assert world.recorded() == b"one\ntwo\n3\n"


def test_a_file_that_went_away_leaves_a_gap_that_is_said(world: World) -> None:
    world.write("one\ntwo\n")
    world.tail()
    world.log.unlink()
    Path(f"{world.log}.gz").write_bytes(b"compressed")
    world.write("other\n")
    done = world.tail()

    assert done.gaps == 1
    assert [one["tail"]["gap"] for one in world.pieces()] == [False, True]


def test_nobody_else_moves_the_place_on(world: World, tmp_path: Path) -> None:
    world.write("one\n")
    done = world.tail()
    world.write("two\n")
    key = str(tmp_path / "other.pem")
    generate_signer(key, passphrase=None)
    facts = {**world.pieces()[-1]}
    facts["tail"] = {**facts["tail"], "stop": 1 << 30}
    named = [Subject(done.source, hash_source(done.source))]
    with Notary(world.ledger, key=key) as other:
        author = other._session.author()
        other._session.append([author.sign("attachment", named, facts)])
    world.tail()

    assert world.notary._session.view().size
    assert [one["tail"]["stop"] for one in world.pieces()] == [4, 1 << 30, 8]


def test_an_erased_piece_does_not_come_again(world: World) -> None:
    world.write("secret of a person\n")
    world.tail()
    size = world.notary.ledger.status().tree_size
    world.notary.ledger.erase([size - 1], reason="a request")
    world.write("next\n")
    world.tail()
    world.write("and on\n")
    world.tail()

    assert world.recorded() == b"and on\n"
    assert [one["tail"]["gap"] for one in world.pieces()] == [True, False]


def test_a_piece_with_secrets_is_held(world: World) -> None:
    world.write("PASSWORD=hunter2-0123456789\n")
    world.tail()
    world.write("fine\n")
    world.tail(secrets="store")

    assert [one["kept"] for one in world.pieces()] == ["held", "stored"]


def test_names_keep_sources_apart(world: World) -> None:
    world.write("one\n")
    world.tail(name="app-1", job="ci.example.com:payments/api/main#42")
    done = world.tail(name="app-2")

    assert done.source == "app-2"
    assert [one["tail"]["source"] for one in world.pieces()] == ["app-1", "app-2"]
    assert world.pieces()[0]["job"]["id"].endswith("main#42")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["none.log"], 66, id="no-file"),
        pytest.param(["."], 64, id="folder"),
        pytest.param(["app.log", "--interval", "0"], 64, id="interval"),
        pytest.param(["app.log", "--secrets", "x"], 64, id="policy"),
        pytest.param(["app.log", "--ledger", "https://ci.example.com"], 64, id="url"),
        pytest.param(["app.log"], 0, id="text"),
    ],
)
def test_command_line(
    world: World, words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("one\n")
    monkeypatch.chdir(world.log.parent)
    ledger = () if "--ledger" in words else ("--ledger", world.ledger)
    done = command("ledger", "tail", *words, *ledger)

    assert done.code == code, done.stderr
    assert code or "lines" in done.text


def test_it_follows_through_rotations_and_kills(world: World) -> None:
    words = ("ledger", "tail", str(world.log), "--ledger", world.ledger)
    written = 0
    for number in range(3):
        process = subprocess.Popen(
            [*PROGRAM, *words, "--follow", "--interval", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(10):
            world.write(f"line {written}\n")
            written += 1
            time.sleep(0.1)
        if world.log.exists():
            old = Path(f"{world.log}.{number}")
            world.log.rename(old)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL if number else signal.SIGINT)
        process.wait(30)
        world.write("")
    command(*words)

    assert world.recorded() == b"".join(b"line %d\n" % n for n in range(written))
