"""Sync from edge to centre: proven, in order, once, over a connection that breaks."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.ledgers import sync as syncing
from jenkins_notary.api.ledgers.sync_ends import SessionSource, SessionTarget
from jenkins_notary.api.notary import Notary
from jenkins_notary.errors import (
    IntegrityError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.pem import format_public_pem, generate_signer, load_signer
from jenkins_notary.ledger.imports import hash_origin
from jenkins_notary.ledger.receipts import check_receipt
from jenkins_notary.trust.imports import importers_of
from jenkins_notary.values.statement import Subject
from tests.command import command
from tests.parts.immudb import HOST, USER, serve_immudb
from tests.parts.serving import Serving
from tests.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jenkins_notary.ledger.view import LedgerView

JOB = "ci.example.com:payments/api/main#42"
APP, LIB, BAD = (f"sha256:{one * 32}" for one in ("aa", "bb", "cc"))


def elsewhere(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has seen nothing yet."""
    kinds = ("DATA", "STATE", "CONFIG", "CACHE")
    return {f"XDG_{one}_HOME": str(folder / "other" / one.lower()) for one in kinds}


class World:
    """An edge and a centre, whose administrators and signers are different people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.edge_key, self.edge_pub = self._person("edge")
        self.centre_key, self.centre_pub = self._person("centre")
        self.edge = Notary(str(folder / "edge.db"), key=self.edge_key)
        self.edge.ledger.init(origin="edge.example.com/1a2b3c4d")
        self.centre = Notary(str(folder / "centre.db"), key=self.centre_key)
        self.centre.ledger.init(origin="centre.example.com/1a2b3c4d")

    def _person(self, name: str) -> tuple[str, str]:
        signer = generate_signer(str(self.folder / f"{name}.pem"), passphrase=None)
        public = self.folder / f"{name}.pub"
        public.write_text(format_public_pem(signer.public_der))
        return str(self.folder / f"{name}.pem"), str(public)

    def sync(self) -> syncing.Synced:
        return self.centre.ledger.sync(str(self.folder / "edge.db"))

    def status(self, digest: str) -> str:
        (found,) = self.centre.authenticate([digest])
        assert found.status is not None
        return found.status.name

    def imports(self) -> list[dict[str, Any]]:
        size = self.centre.ledger.status().tree_size
        return [
            record.statement.facts["imported"]
            for record in self.centre._session.view().records(range(size))
            if record.leaf.type == "import" and record.statement is not None
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.edge.close()
    made.centre.close()


def test_each_record_arrives_once_in_order_and_proves_itself(world: World) -> None:
    world.edge.notarize([APP], job=JOB, name="app")
    world.edge.untrust([BAD], reason="CVE-2026-0001")
    first = world.sync()
    again = world.sync()
    world.edge.notarize([LIB], job=JOB, name="lib")
    world.edge.close()
    more = world.sync()

    size = world.edge.ledger.status().tree_size
    assert (first.first, first.size) == (0, size - 1)
    assert (again.first, again.size) == (size - 1, size - 1)
    assert (more.first, more.size) == (size - 1, size)
    imports = world.imports()
    assert [one["index"] for one in imports] == list(range(size))
    key = world.edge.ledger.status().vkey
    for one in imports:
        parsed = check_receipt(
            one["receipt"].encode(),
            [load_log_verifier(key)],
            envelope=one["envelope"]["text"].encode(),
        )
        assert parsed.index == one["index"]
    assert not world.centre.ledger.verify().findings


def test_an_import_counts_once_its_signer_is_enrolled_at_the_centre(
    world: World,
) -> None:
    world.edge.notarize([APP], job=JOB, name="app")
    done = world.sync()
    before = world.status(APP)
    world.centre.signers.enrol(world.edge_pub)

    assert before == "UNKNOWN"
    assert len(done.unenrolled) == 1
    assert world.status(APP) == "TRUSTED"
    found = command("evidence", JOB, "--ledger", str(world.folder / "centre.db"))
    assert "import" in found.text


def test_an_import_never_lifts_what_the_centre_holds_against_it(world: World) -> None:
    world.centre.signers.enrol(world.edge_pub)
    negative = world.centre.untrust([APP], reason="CVE-2026-0001")
    assert negative
    world.edge.untrust([APP], reason="a test")
    index = world.edge.ledger.status().tree_size - 1
    world.edge.notarize([APP], name="app", supersedes=[index], reason="again")
    world.sync()

    assert world.status(APP) == "UNTRUSTED"


def test_what_the_edge_distrusts_is_distrusted_at_the_centre(world: World) -> None:
    world.centre.signers.enrol(world.edge_pub)
    world.centre.notarize([APP], name="app")
    world.edge.untrust([APP], reason="CVE-2026-0001")
    world.sync()

    assert world.status(APP) == "UNTRUSTED"


def test_who_the_edge_enrols_is_nobody_at_the_centre(world: World) -> None:
    other, public = world._person("other")
    world.edge.signers.enrol(public)
    with Notary(str(world.folder / "edge.db"), key=other) as edge:
        edge.notarize([APP], name="app")
    world.sync()

    assert world.status(APP) == "UNKNOWN"
    assert len(world.centre.signers.list()) == 1


def test_a_revocation_at_the_centre_reaches_imports(world: World) -> None:
    enrolled = world.centre.signers.enrol(world.edge_pub)
    assert enrolled
    world.centre.signers.revoke(load_signer(world.edge_key, passphrase=None).keyid)
    world.edge.notarize([APP], name="app")
    world.sync()

    assert world.status(APP) == "REVOKED"


def test_a_fork_of_the_edge_is_refused_and_nothing_comes(
    world: World, tmp_path: Path
) -> None:
    world.edge.ledger.backup(str(tmp_path / "old"), with_key=True)
    world.edge.notarize([APP], name="app")
    world.sync()
    size = world.centre.ledger.status().tree_size
    fork = str(tmp_path / "old" / "ledger.db")
    shutil.copy(f"{world.folder}/edge.db.key", f"{fork}.key")
    with Notary(fork, key=world.edge_key, environ=elsewhere(tmp_path)) as forked:
        forked.notarize([BAD], name="bad")
        forked.notarize([BAD], name="bad")
    # Another user, without a pin: what was imported itself tells.
    with (
        Notary(
            str(tmp_path / "centre.db"),
            key=world.centre_key,
            environ=elsewhere(tmp_path),
        ) as centre,
        pytest.raises(IntegrityError),
    ):
        centre.ledger.sync(fork)

    assert world.centre.ledger.status().tree_size == size


def test_a_log_is_not_synced_with_itself_nor_by_a_stranger(world: World) -> None:
    with pytest.raises(UsageError, match="two different logs"):
        world.centre.ledger.sync(str(world.folder / "centre.db"))
    with (
        Notary(str(world.folder / "centre.db"), key=world.edge_key) as stranger,
        pytest.raises(PermissionDeniedError, match="enrolled"),
    ):
        stranger.ledger.sync(str(world.folder / "edge.db"))


def test_an_import_that_claims_more_than_there_is_stops_the_sync(world: World) -> None:
    world.sync()
    last = {**world.imports()[-1], "index": 1 << 40}
    centre = world.centre._session
    origin = last["origin"]
    named = [Subject(origin, hash_origin(origin))]
    centre.append([centre.author().sign("import", named, {"imported": last})])
    with pytest.raises(IntegrityError, match="claims more"):
        world.sync()


def test_a_signer_who_may_not_import_claims_no_progress(world: World) -> None:
    other, public = world._person("other")
    world.centre.signers.enrol(public, level=9)
    world.centre.signers.enrol(world.edge_pub)
    world.sync()
    last = world.imports()[-1]
    world.edge.untrust([APP], reason="CVE-2026-0001")
    named = [Subject(last["origin"], hash_origin(last["origin"]))]
    size = world.edge.ledger.status().tree_size
    with Notary(str(world.folder / "centre.db"), key=other) as stranger:
        skipping = {"imported": {**last, "index": size - 1}}
        author = stranger._session.author()
        stranger._session.append([author.sign("import", named, skipping)])
    done = world.sync()

    assert (done.first, done.size) == (size - 1, size)
    assert world.status(APP) == "UNTRUSTED"


def test_an_administrator_says_who_else_may_import(world: World) -> None:
    other, public = world._person("other")
    found = world.centre.signers.enrol(public)
    assert found
    signer = load_signer(other, passphrase=None).keyid
    org = importers_of(world.edge.ledger.status().origin)
    with Notary(str(world.folder / "centre.db"), key=other) as importer:
        with pytest.raises(PermissionDeniedError, match="may import from") as refused:
            importer.ledger.sync(str(world.folder / "edge.db"))
        assert f"org add {org} {signer}" in refused.value.advice
        world.centre.signers.change_org(org, [signer], joined=True)
        one = importer.ledger.sync(str(world.folder / "edge.db"))
        # What was imported stays so when others take over.
        world.centre.signers.change_org(org, [signer], joined=False)
        with pytest.raises(PermissionDeniedError, match="may import from"):
            importer.ledger.sync(str(world.folder / "edge.db"))
    two = world.sync()

    assert two.first == two.size == one.size


def test_of_two_administrators_one_alone_cannot_begin_to_import(
    world: World, tmp_path: Path
) -> None:
    other, _ = world._person("other")
    path = str(tmp_path / "two.db")
    with Notary(path, key=world.centre_key, co_keys=[other]) as both:
        both.ledger.init(threshold=2)
        with (
            Notary(path, key=world.centre_key) as one,
            pytest.raises(PermissionDeniedError, match="may import from"),
        ):
            one.ledger.sync(str(world.folder / "edge.db"))
        both.ledger.sync(str(world.folder / "edge.db"))
    with Notary(path, key=world.centre_key) as one:
        done = one.ledger.sync(str(world.folder / "edge.db"))

    assert done.first == done.size == world.edge.ledger.status().tree_size


def test_a_process_that_is_killed_is_gone_on_with_and_nothing_comes_twice(
    world: World, tmp_path: Path
) -> None:
    digests = [f"sha256:{number:064x}" for number in range(1500)]
    world.edge.notarize(digests[:1], job=JOB, name="app")
    author = world.edge._session.author()
    signed = [
        author._replace(record_id=one[7:39]).sign(
            "notarization", [Subject("app", one[7:])], {"status": "TRUSTED"}
        )
        for one in digests[1:]
    ]
    world.edge._session.append(signed)
    world.edge.close()
    world.centre.close()
    centre = str(tmp_path / "centre.db")
    words = ("ledger", "sync", str(tmp_path / "edge.db"), centre, "--key")
    kills = 0
    for delay_s in (0.4, 0.8, 1.0, 0.6, 1.2):
        process = subprocess.Popen(
            [*PROGRAM, *words, world.centre_key], stderr=subprocess.DEVNULL
        )
        try:
            process.wait(delay_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    done = command(*words, world.centre_key, "-o", "json")

    assert kills > 1
    assert done.code in {0, 77}, done.stderr
    assert [one["index"] for one in world.imports()] == list(range(done.json["size"]))
    assert done.json["size"] == world.edge.ledger.status().tree_size
    assert not world.centre.ledger.verify().findings


def test_an_erased_record_keeps_its_place_at_both_ends(world: World) -> None:
    world.centre.signers.enrol(world.edge_pub)
    world.edge.untrust([BAD], reason="CVE-2026-0001")
    world.edge.notarize([APP], name="app")
    size = world.edge.ledger.status().tree_size
    world.edge.ledger.erase([size - 2, size - 1], reason="a request")
    world.edge.close()
    done = world.sync()
    kept = world.centre.ledger.status().tree_size
    world.centre.ledger.erase([kept - 1], reason="a request")
    again = world.sync()

    assert done.size == again.size == again.first == size + 1
    assert world.status(BAD) == "UNTRUSTED"
    assert world.status(APP) == "UNKNOWN"
    assert not world.centre.ledger.verify().findings


class Breaking:
    """A TCP relay that breaks every connection in the middle, as often as it is told.

    Attributes:
        port: Where it listens.
        broken: Connections that were broken.
    """

    def __init__(self, port: int, every: int) -> None:
        self._target, self._every = port, every
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.broken = self._seen = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._seen += 1
            with client, socket.create_connection(("127.0.0.1", self._target)) as there:
                self._relay(client, there, is_whole=self._seen % self._every == 0)

    def _relay(
        self, client: socket.socket, there: socket.socket, *, is_whole: bool
    ) -> None:
        request = client.recv(1 << 16)
        there.sendall(request)
        head, _, rest = request.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        left = (int(found[1]) if found else 0) - len(rest)
        while left > 0:
            piece = client.recv(left)
            there.sendall(piece)
            left -= len(piece)
        answer = b""
        while piece := there.recv(1 << 16):
            answer += piece
        if not is_whole:
            self.broken += 1
            answer = answer[: len(answer) // 2]
        client.sendall(answer)


def test_a_service_is_synced_over_a_connection_that_breaks(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "PAGE", 4)
    with Serving(tmp_path) as service:
        with service.notary() as edge:
            for number in range(10):
                edge.notarize([f"sha256:{number:064x}"], job=JOB, name="app")
        auditor = service.token("auditor", "--role", "auditor")
        proxy = Breaking(service.port, every=3)
        environ = {**os.environ, "JENKINS_NOTARY_TOKEN": auditor}
        words = ("ledger", "sync", f"http://127.0.0.1:{proxy.port}")
        to = (str(tmp_path / "centre.db"), "--key", world.centre_key)
        done = command(*words, *to, "-o", "json", environ=environ)
        again = command(*words, *to, "-o", "json", environ=environ)
        proxy.close()

    assert done.code == 77, done.stderr
    assert again.code == 0
    assert proxy.broken > 3
    assert [one["index"] for one in world.imports()] == list(range(done.json["size"]))
    assert again.json["first"] == again.json["size"] == done.json["size"]
    assert not world.centre.ledger.verify().findings


def test_a_source_that_stays_away_is_given_up_in_bounded_time(world: World) -> None:
    waited: list[float] = []

    class Away(SessionSource):
        def open_view(self) -> LedgerView:
            raise UnavailableError("edge", expected="an answer", got="none")

    with pytest.raises(UnavailableError):
        syncing.sync(
            SessionTarget(world.centre._session),
            Away(world.edge._session),
            pause=waited.append,
        )

    assert len(waited) == syncing.ATTEMPTS - 1
    assert max(waited) <= 30


def test_a_page_of_long_records_is_appended_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "BATCH_BYTES", 8000)
    for number in range(5):
        world.edge.notarize([f"sha256:{number:064x}"], job=JOB, name="app")
    done = world.sync()

    assert [one["index"] for one in world.imports()] == list(range(done.size))


def test_bandwidth_is_held(world: World) -> None:
    for number in range(5):
        world.edge.notarize([f"sha256:{number:064x}"], job=JOB, name="app")
    begun = time.monotonic()
    done = world.centre.ledger.sync(str(world.folder / "edge.db"), rate=10_000)

    assert time.monotonic() - begun >= done.bytes / 10_000 * 0.9


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["edge.db", "centre.db", "--bandwidth", "0"], 64, id="bandwidth"),
        pytest.param(["none.db", "centre.db"], 66, id="no-source"),
        pytest.param(["edge.db", "none.db"], 66, id="no-target"),
        pytest.param(["edge.db", "centre.db"], 77, id="text"),
    ],
)
def test_command_line(
    world: World, words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.edge.notarize([APP], name="app")
    monkeypatch.chdir(world.folder)
    done = command("ledger", "sync", *words, "--key", world.centre_key)

    assert done.code == code, done.stderr


@pytest.mark.real("immudb")
def test_between_a_file_and_immudb_both_ways(world: World, tmp_path: Path) -> None:
    world.edge.notarize([APP], job=JOB, name="app")
    home = {"HOME": str(tmp_path), **elsewhere(tmp_path)}
    with serve_immudb(str(tmp_path)) as port:
        environ = {
            **home,
            "JENKINS_NOTARY_IMMUDB_USER": USER,
            "JENKINS_NOTARY_IMMUDB_PASSWORD": USER,
        }
        centre = f"immudb://{HOST}:{port}/centre"
        key = ("--key", world.centre_key)
        edge = str(tmp_path / "edge.db")
        made = command("ledger", "init", "--ledger", centre, *key, environ=environ)
        assert made.code == 0, made.stderr
        one = command("ledger", "sync", edge, centre, *key, environ=environ)
        two = command("ledger", "sync", edge, centre, *key, environ=environ)
        back = command(
            *("ledger", "sync", centre, str(tmp_path / "centre.db"), *key),
            *("-o", "json"),
            environ=environ,
        )
        checked = command("ledger", "verify", "--ledger", centre, environ=environ)

    assert (one.code, two.code) == (77, 0), one.stderr + two.stderr
    assert back.code == 0, back.stderr
    assert checked.code == 0, checked.stderr
    # A genesis, who may import, and the edge's two records.
    assert back.json["size"] == 4
    # What another log had imported is evidence, and no word of that log.
    assert world.status(APP) == "UNKNOWN"
