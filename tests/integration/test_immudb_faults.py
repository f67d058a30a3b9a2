"""What may go wrong with a real immudb: the right code, and nothing lost or doubled."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.session import SystemClock
from jenkins_notary.engines.immudb import connection, store
from tests.parts.immudb import HOST
from tests.parts.immudb_replicas import Node
from tests.parts.immudb_site import DATABASE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real("immudb")


class NodeSite(Site):
    """A person with a ledger in a server that may be killed and paused.

    Attributes:
        node: The server.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.node = Node(folder / "server", "--signingKey", str(folder / "sk.pem"))
        self.port = self.node.port
        self.environ["JENKINS_NOTARY_LEDGER"] = (
            f"immudb://{HOST}:{self.port}/{DATABASE}"
        )

    def count(self, name: str) -> int:
        """Return how many records a file has."""
        found = self.run("inspect", name, "-o", "json")
        return len(found.json["records"]) if found.code == 0 else 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NodeSite]:
    """A ledger with one record."""
    found = NodeSite(tmp_path)
    found.node.start()
    try:
        assert found.run("ledger", "init").code == 0
        assert found.run("notarize", str(found.app)).code == 0
        yield found
    finally:
        found.node.stop()


def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(
    site: NodeSite,
) -> None:
    ended = threading.Event()

    def kill_and_start() -> None:
        draw = random.Random(7)
        while not ended.wait(draw.uniform(0.4, 1.2)):
            site.node.stop(signal.SIGKILL)
            site.node.start()

    names = [str(site.folder / f"{number}.txt") for number in range(6)]
    killer = threading.Thread(target=kill_and_start)
    killer.start()
    codes = {}
    try:
        for name in names:
            Path(name).write_text(name)
            codes[name] = site.run("notarize", name).code
    finally:
        ended.set()
        killer.join()

    assert set(codes.values()) <= {0, 69}
    assert 0 in codes.values()
    counts = {name: site.count(name) for name in names}
    assert all(counts[name] == 1 for name, code in codes.items() if code == 0)
    assert all(count <= 1 for count in counts.values())
    assert site.run("ledger", "verify").code == 0


def test_a_server_that_hangs_is_away_after_a_while(
    site: NodeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CALL_S", 1.0)
    monkeypatch.setattr(connection, "RETRY_S", 1.0)
    monkeypatch.setattr(store, "RETRY_S", 1.0)
    other = str(site.folder / "other.txt")
    Path(other).write_text("other")
    site.node.send(signal.SIGSTOP)
    started = time.monotonic()
    for words in (("authenticate", str(site.app)), ("notarize", other)):
        done = site.run(*words)
        assert done.code == 69, done.stderr
        assert f"{HOST}:{site.port}" in done.stderr
    assert time.monotonic() - started < 20

    site.node.send(signal.SIGCONT)
    assert site.run("authenticate", str(site.app)).code == 0
    assert site.count(other) <= 1
    assert site.run("ledger", "verify").code == 0


def test_an_older_copy_that_has_grown_another_way_is_a_fork(site: NodeSite) -> None:
    """It has as many transactions as were seen, and more."""
    older = site.folder / "older"
    state = site.home / "state"
    site.node.stop()
    shutil.copytree(site.folder / "server", older)
    shutil.copytree(state, site.folder / "state")
    site.node.start()
    assert site.run("untrust", str(site.app), "--reason", "CVE-2026-0001").code == 0
    site.node.stop()
    shutil.rmtree(site.folder / "server")
    older.rename(site.folder / "server")
    site.node.start()
    # Somebody who has not seen the newest record goes on with the older copy.
    unaware = {"XDG_STATE_HOME": str(site.folder / "state")}
    for _ in range(3):
        assert site.run("notarize", str(site.app), **unaware).code == 0

    for words in (("authenticate", str(site.app)), ("notarize", str(site.app))):
        done = site.run(*words)
        assert done.code == 65, done.stderr


def test_what_is_kept_here_and_cut_off_is_damaged(site: NodeSite) -> None:
    (state,) = (site.home / "state/jenkins-notary/pins").glob("*.immudb")
    (keys,) = (site.home / "data/jenkins-notary/immudb").glob("*.envelope-keys")
    for path in (state, keys):
        whole = path.read_bytes()
        for size in (0, 40, -1):
            path.write_bytes(whole.rstrip()[:size])
            done = site.run("inspect", str(site.app), "--envelope")
            assert done.code == 65, (size, done.stderr)
            assert str(path) in done.stderr
        path.write_bytes(whole)

    assert site.run("authenticate", str(site.app)).code == 0


def test_a_clock_that_jumps_bends_no_order(
    site: NodeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = SystemClock.now_ms
    for days in (-400, 400, 0):
        jump_ms = days * 86_400_000
        with monkeypatch.context() as patch:
            patch.setattr(
                SystemClock, "now_ms", lambda self, by=jump_ms: now_ms(self) + by
            )
            assert site.run("notarize", str(site.app)).code == 0

    assert site.run("authenticate", str(site.app), "--strict").code == 0
    assert site.run("ledger", "verify").code == 0


def test_another_program_at_the_address_is_no_immudb(
    site: NodeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RETRY_S", 1.0)
    site.node.stop()
    with HTTPServer((HOST, site.port), BaseHTTPRequestHandler) as other:
        answering = threading.Thread(target=other.serve_forever)
        answering.start()
        done = site.run("authenticate", str(site.app))
        other.shutdown()
        answering.join()

    assert done.code == 69, done.stderr


@pytest.mark.slow
def test_a_full_disk_of_the_server_is_said_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only the superuser may mount a small disk")
    monkeypatch.setattr(connection, "CALL_S", 3.0)
    monkeypatch.setattr(connection, "RETRY_S", 1.0)
    monkeypatch.setattr(store, "RETRY_S", 1.0)
    site = NodeSite(tmp_path)
    disk = site.node.folder
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m,mode=700", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        site.node.start()
        assert site.run("ledger", "init").code == 0
        fill(disk / "fill")
        codes = [site.run("notarize", str(site.app)) for _ in range(3)]
        full = codes[-1]
        assert full.code in {69, 74}, full.stderr
        assert "disk is full" in full.stderr
        (disk / "fill").unlink()
        assert site.run("notarize", str(site.app)).code == 0
        assert site.run("authenticate", str(site.app), "--strict").code == 0
        assert site.run("ledger", "verify").code == 0
        acknowledged = [one.code for one in codes].count(0) + 1
        assert acknowledged <= site.count(str(site.app)) <= 4
    finally:
        site.node.stop()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(path: Path) -> None:
    """Leave no room on the disk of a path."""
    with open(path, "wb", buffering=0) as file:
        for step in (1 << 16, 512):
            try:
                while file.write(bytes(step)):
                    pass
            except OSError as error:
                assert error.strerror == "No space left on device"  # noqa: PT017
