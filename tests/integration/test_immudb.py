"""A ledger in a real immudb: as any other, and a server that lies is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from jenkins_notary.engines.immudb.connection import Connection
from jenkins_notary.engines.immudb.trail import Found, Trail
from jenkins_notary.engines.immudb.wire import MESSAGES
from jenkins_notary.ledger import mirror
from jenkins_notary.ledger.transfer import Transfer
from tests.parts.build import PARTS
from tests.parts.immudb import HOST, USER, server_at
from tests.parts.immudb_site import DATABASE, Site, SiteService
from tests.parts.serving import claim
from tests.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


pytestmark = pytest.mark.real("immudb")

JOB = "ci.example.com:payments/api/main#42"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path)
    found.serve()
    assert found.run("ledger", "init").code == 0
    yield found
    found.stop()


def test_a_ledger_in_immudb_is_as_any_other(site: Site) -> None:
    app = str(site.app)

    assert site.run("notarize", app, "--job", JOB).code == 0
    assert site.run("authenticate", app, "--strict").code == 0
    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0
    assert site.run("authenticate", app).code == 1
    found = site.run("evidence", JOB, "-o", "json").json["records"]
    assert [one["job"] for one in found] == [JOB]
    status = site.run("ledger", "status", "-o", "json").json
    assert (status["engine"], status["tree_size"]) == ("immudb", 3)
    assert site.run("ledger", "verify", "--signatures").code == 0
    assert site.run("ledger", "export", str(site.folder / "tiles")).code == 0


def ask_client(site: Site, *words: str) -> str:
    """Return what immudb's own client says."""
    client = PARTS["immuclient"].find()
    assert client is not None
    done = subprocess.run(
        [
            *(str(client), "--immudb-address", HOST),
            *("--immudb-port", str(site.port), "--username", USER),
            *("--password", USER, "--database", DATABASE, *words),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"HOME": str(site.home), "PATH": "/usr/bin:/bin"},
        cwd=site.home,
    )
    return done.stdout + done.stderr


def test_a_record_is_found_by_an_operator_of_immudb(site: Site) -> None:
    done = site.run("notarize", str(site.app), "--job", JOB, "-o", "json")
    digest = done.json["assets"][0]["digest"].removeprefix("sha256:")

    job = "job/payments/api/main#0000000042:ci.example.com"
    for key in (job, f"sha256/{digest}"):
        assert "0000000000000001" in ask_client(site, "safeget", key)
    assert job in ask_client(site, "scan", "job/payments/")
    assert digest in ask_client(site, "safeget", "main/0000000000000001")
    assert site.run("untrust", str(site.app), "--reason", "CVE-2026-0001").code == 0
    history = ask_client(site, "history", f"sha256/{digest}")
    assert "0000000000000001" in history
    assert "0000000000000002" in history


def test_an_operator_of_immudb_finds_what_inspect_proves(site: Site) -> None:
    """Each key leads immudb's client to the transaction that inspect names."""
    odd = "ci.example.com:pay $ments/api#42"
    app = str(site.app)
    assert site.run("notarize", app, "--job", odd).code == 0
    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0

    first, second = site.run("inspect", app, "--engine-proof", "-o", "json").json[
        "records"
    ]
    proofs = [first["engine_proof"], second["engine_proof"]]
    digest = first["digest"].removeprefix("sha256:")
    assert [
        (one["kind"], one["key"], one["revision"]) for one in proofs[0]["keys"]
    ] == [
        ("leaf", "main/0000000000000001", 1),
        ("checksum", f"sha256/{digest}", 1),
        ("job", "job/pay$ $$ments/api#0000000042:ci.example.com", 1),
    ]
    assert [(one["key"], one["revision"]) for one in proofs[1]["keys"]] == [
        ("main/0000000000000002", 1),
        (f"sha256/{digest}", 2),
    ]
    for proof in proofs:
        assert (proof["engine"], proof["database"]) == ("immudb", DATABASE)
        assert proof["verified"] == ["inclusion", "dual proof"]
        assert proof["state"]["signed"]
        assert proof["transaction"] <= proof["state"]["transaction"]
        leaf = ask_client(site, "safeget", proof["keys"][0]["key"])
        assert re.search(rf"tx:\s+{proof['transaction']}\b", leaf), leaf
    for key in proofs[0]["keys"][1:]:
        told = ask_client(site, "history", key["key"])
        assert re.search(rf"tx:\s+{proofs[0]['transaction']}\b", told), told


def test_an_erased_record_is_proven_without_its_build(site: Site) -> None:
    assert site.run("notarize", str(site.app), "--job", JOB).code == 0
    assert site.run("ledger", "erase", "1", "--reason", "asked for").code == 0

    (found,) = site.run("inspect", str(site.app), "--engine-proof", "-o", "json").json[
        "records"
    ]
    assert found["erased_by"] == 2
    kinds = [one["kind"] for one in found["engine_proof"]["keys"]]
    assert kinds == ["leaf", "checksum"]


def test_the_proof_of_immudb_is_text_to_type(site: Site) -> None:
    assert site.run("notarize", str(site.app), "--job", JOB).code == 0

    text = site.run("inspect", str(site.app), "--engine-proof").text
    assert f"immudb://{HOST}:{site.port}/{DATABASE}" in text
    assert "signed by the server's key" in text
    keyless = {"JENKINS_NOTARY_IMMUDB_SERVER_KEY": ""}
    unsigned = site.run("inspect", str(site.app), "--engine-proof", **keyless)
    assert "signature not checked" in unsigned.text
    assert "'job/payments/api/main#0000000042:ci.example.com'  revision 1" in text
    twice = site.run("inspect", str(site.app), "--engine-proof", "--envelope")
    assert twice.code == 64


def test_an_answer_that_is_not_proven_is_not_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = str(site.app)
    assert site.run("notarize", app).code == 0
    assert site.run("untrust", app, "--reason", "CVE-2026-0001").code == 0
    read = Connection.read
    lies: list[Any] = []

    def lie(self: Connection, method: str, **fields: Any) -> Any:  # noqa: ANN401 - a message
        if method != "VerifiableGet" or not fields["key"].key.startswith(b"sha256/"):
            return read(self, method, **fields)
        return lies[-1](read, self, method, fields)

    def change_value(read: Any, link: Connection, method: str, fields: Any) -> Any:  # noqa: ANN401 - messages
        answer = read(link, method, **fields)
        answer.entry.value = b"0000000000000009"
        return answer

    def give_newest(read: Any, link: Connection, method: str, fields: Any) -> Any:  # noqa: ANN401 - messages
        fields["key"].atTx = 0
        return read(link, method, **fields)

    def cut_dual_proof(read: Any, link: Connection, method: str, fields: Any) -> Any:  # noqa: ANN401 - messages
        answer = read(link, method, **fields)
        del answer.verifiableTx.dualProof.linear.terms[:]
        return answer

    monkeypatch.setattr(Connection, "read", lie)
    for one in (change_value, give_newest, cut_dual_proof):
        lies.append(one)
        done = site.run("inspect", app, "--engine-proof")
        assert done.code == 65, (one, done.stderr, done.text)


@pytest.mark.parametrize(
    ("prefix", "value", "told"),
    [
        (b"sha256/", b"0000000000000009", "record #1"),
        (b"job/", None, "the key b'job/"),
    ],
)
def test_a_key_that_was_not_set_with_its_record_is_found(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    *,
    prefix: bytes,
    value: bytes | None,
    told: str,
) -> None:
    assert site.run("notarize", str(site.app), "--job", JOB).code == 0
    get = Trail.get

    def lie(self: Trail, key: bytes, *, at_tx: int = 0) -> Found:
        if not key.startswith(prefix):
            return get(self, key, at_tx=at_tx)
        if value is None:
            return get(self, key, at_tx=at_tx - 1)
        return get(self, key, at_tx=at_tx)._replace(value=value)

    monkeypatch.setattr(Trail, "get", lie)
    done = site.run("inspect", str(site.app), "--engine-proof")
    assert done.code == 65, done.stderr
    assert told in done.stderr


def test_a_database_of_another_layout_is_refused(site: Site) -> None:
    connection = Connection(server_at(site.port, DATABASE))
    head = connection.read("Get", key=b"head").value
    note = connection.read("Get", key=b"checkpoint").value
    for layout, got in ((b"", "layout 1"), (b"\x03", "layout 3")):
        pairs = [(b"head", layout + head[1:]), (b"checkpoint", layout + note[1:])]
        entries = [MESSAGES["KeyValue"](key=key, value=one) for key, one in pairs]
        connection.write("Set", entries=entries)

        for words in (("authenticate", str(site.app)), ("notarize", str(site.app))):
            done = site.run(*words)
            assert done.code == 78, done.stderr
            assert f"expected layout 2, got {got}" in done.stderr
    connection.close()


def test_a_database_that_loses_its_oldest_values_is_not_written_to(site: Site) -> None:
    day = MESSAGES["Milliseconds"](value=86_400_000)
    connection = Connection(server_at(site.port, "defaultdb"))
    connection.write(
        "CreateDatabaseV2",
        name="forgetful",
        settings=MESSAGES["Settings"](
            truncationSettings=MESSAGES["Truncation"](retentionPeriod=day)
        ),
    )
    connection.close()
    url = site.environ["JENKINS_NOTARY_LEDGER"].replace(DATABASE, "forgetful")

    done = site.run("ledger", "init", JENKINS_NOTARY_LEDGER=url)
    assert done.code == 78, done.stderr
    assert "got a retention period of 24 h" in done.stderr


def test_what_was_erased_is_in_no_file_that_reads_it(site: Site) -> None:
    done = site.run("notarize", str(site.app), "--attr", "owner=planted@example.com")
    assert done.code == 0
    assert site.run("ledger", "erase", "1", "--reason", "asked for").code == 0

    assert site.run("inspect", str(site.app), "--envelope").text == ""
    assert site.run("ledger", "verify", "--signatures").code == 0
    site.stop()
    stored = [one for one in (site.folder / "server").rglob("*") if one.is_file()]
    assert stored
    assert not any(b"planted@" in one.read_bytes() for one in stored)


def test_processes_write_at_once_and_nothing_is_lost(site: Site) -> None:
    names = [str(site.folder / f"{n}.txt") for n in range(40)]
    for name in names:
        Path(name).write_text(name)
    writers = [
        subprocess.Popen(
            [*PROGRAM, "notarize", *names[at : at + 10]],
            env={**site.environ, "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        for at in range(0, 40, 10)
    ]

    assert [one.wait(120) for one in writers] == [0] * 4
    assert site.run("authenticate", *names).code == 0
    assert site.run("ledger", "verify").code == 0


def test_a_server_that_is_away_is_unavailable_and_nothing_is_lost(site: Site) -> None:
    assert site.run("notarize", str(site.app)).code == 0
    site.stop()

    away = site.run("authenticate", str(site.app))
    assert away.code == 69
    assert f"immudb://{HOST}:{site.port}/{DATABASE}" in away.stderr
    site.serve()
    assert site.run("authenticate", str(site.app)).code == 0


def test_a_server_that_was_rolled_back_is_found(site: Site) -> None:
    site.stop()
    shutil.copytree(site.folder / "server", site.folder / "older")
    site.serve()
    assert site.run("notarize", str(site.app)).code == 0
    site.stop()
    shutil.rmtree(site.folder / "server")
    (site.folder / "older").rename(site.folder / "server")
    site.serve()

    for words in (("authenticate", str(site.app)), ("notarize", str(site.app))):
        done = site.run(*words)
        assert done.code == 65, done.stderr


def test_another_server_at_the_same_address_is_found(site: Site) -> None:
    """Not by its id, which it may choose, but by its past (CVE-2022-39199)."""
    assert site.run("notarize", str(site.app)).code == 0
    keys = site.home / "data/jenkins-notary/immudb"
    state = site.home / "state/jenkins-notary/pins"
    kept = {one: one.read_bytes() for one in state.iterdir()}
    site.stop()
    shutil.rmtree(site.folder / "server")
    site.serve()
    shutil.rmtree(state)
    for one in keys.iterdir():
        one.unlink()
    # An attacker's ledger, as large as the real one, at the same address.
    assert site.run("ledger", "init").code == 0
    for _ in range(3):
        assert site.run("notarize", str(site.app)).code == 0
    for path, data in kept.items():
        path.write_bytes(data)

    done = site.run("authenticate", str(site.app))
    assert done.code == 65, done.stderr


def test_an_emptied_database_is_no_new_one(site: Site) -> None:
    assert site.run("notarize", str(site.app)).code == 0
    site.stop()
    shutil.rmtree(site.folder / "server")
    site.serve()
    for words in (("authenticate", str(site.app)), ("notarize", str(site.app))):
        done = site.run(*words)
        assert done.code == 65, done.stderr


def test_a_state_that_is_not_signed_by_the_pinned_key_is_refused(site: Site) -> None:
    other = site.folder / "other.pem"
    key = generate_private_key(SECP256R1()).public_key()
    other.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    done = site.run(
        "notarize", str(site.app), JENKINS_NOTARY_IMMUDB_SERVER_KEY=str(other)
    )
    assert done.code == 65, done.stderr
    assert "signature" in done.stderr


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"JENKINS_NOTARY_IMMUDB_PASSWORD": "wrong"}, 77, "IMMUDB_PASSWORD"),
        ({"JENKINS_NOTARY_IMMUDB_PASSWORD": ""}, 78, "IMMUDB_PASSWORD"),
        ({"JENKINS_NOTARY_IMMUDB_USER": ""}, 78, "IMMUDB_USER"),
        ({"JENKINS_NOTARY_IMMUDB_SERVER_KEY": "/none"}, 78, "SERVER_KEY"),
        ({"JENKINS_NOTARY_IMMUDB_CERT": "/none"}, 78, "CERT"),
    ],
)
def test_what_is_configured_wrongly_is_said(
    site: Site, changes: dict[str, str], code: int, told: str
) -> None:
    done = site.run("authenticate", str(site.app), **changes)

    assert done.code == code, done.stderr
    assert told in done.stderr


def test_a_missing_database_is_no_ledger(site: Site) -> None:
    other = site.environ["JENKINS_NOTARY_LEDGER"].replace(DATABASE, "nowhere")

    assert (
        site.run("authenticate", str(site.app), JENKINS_NOTARY_LEDGER=other).code == 66
    )


def test_a_damaged_state_is_never_first_contact(site: Site) -> None:
    (state,) = (site.home / "state/jenkins-notary/pins").glob("*.immudb")
    whole = state.read_bytes()
    endless = re.sub(rb'"tx": \d+', b'"tx": Infinity', whole)
    for damaged in (whole[:40], b"", b"[" * 4000, endless):
        state.write_bytes(damaged)

        done = site.run("authenticate", str(site.app))
        assert done.code == 65
        assert "damaged" in done.stderr


def test_without_the_envelope_keys_nothing_is_made_up(site: Site) -> None:
    assert site.run("notarize", str(site.app)).code == 0
    (keys,) = (site.home / "data/jenkins-notary/immudb").glob("*.envelope-keys")
    kept = keys.read_bytes()
    keys.unlink()

    done = site.run("authenticate", str(site.app))
    assert done.code == 66
    assert "backup" in done.stderr
    keys.write_bytes(kept.replace(b'"0:0": "', b'"0:0": "0')[:-1])
    assert site.run("authenticate", str(site.app)).code == 65


def test_who_comes_first_after_a_move_is_told_where(site: Site, tmp_path: Path) -> None:
    old = {"JENKINS_NOTARY_LEDGER": str(tmp_path / "old.db")}
    place = site.environ["JENKINS_NOTARY_LEDGER"] + "_first"
    assert site.run("notarize", str(site.app), **old).code == 0
    assert site.run("ledger", "migrate", place, **old).code == 0
    shutil.rmtree(site.home / "state")

    refused = site.run("notarize", str(site.app), **old)
    assert refused.code == 78
    assert place in refused.stderr
    assert site.run("authenticate", str(site.app), **old).code == 0
    other = site.run("ledger", "migrate", str(tmp_path / "other.db"), **old)
    assert other.code == 64
    assert site.run("ledger", "migrate", place, **old).code == 0


def test_a_move_onto_another_ledger_is_refused(site: Site, tmp_path: Path) -> None:
    old = {"JENKINS_NOTARY_LEDGER": str(tmp_path / "old.db")}
    assert site.run("notarize", str(site.app), **old).code == 0
    done = site.run("ledger", "migrate", site.environ["JENKINS_NOTARY_LEDGER"], **old)

    assert done.code == 64
    assert site.run("notarize", str(site.app), **old).code == 0


def test_an_interrupted_move_is_gone_on_with(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"JENKINS_NOTARY_LEDGER": str(tmp_path / "old.db")}
    place = site.environ["JENKINS_NOTARY_LEDGER"] + "_again"
    for number in range(5):
        site.app.write_bytes(b"%d" % number)
        assert site.run("notarize", str(site.app), **old).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "PAGE", 2)
        add, calls = Transfer.add, iter(range(100))

        def fail(self: Transfer, items: Sequence[Any]) -> None:
            if next(calls) == 2:
                raise KeyboardInterrupt
            add(self, items)

        patch.setattr(Transfer, "add", fail)
        assert site.run("ledger", "migrate", place, **old).code == 130
    assert site.run("notarize", str(site.app), **old).code == 78

    assert site.run("ledger", "migrate", place, **old).code == 0
    new = {"JENKINS_NOTARY_LEDGER": place}
    assert site.run("ledger", "verify", "--signatures", **new).code == 0
    assert site.run("authenticate", str(site.app), **new).code == 0


def test_a_ledger_moves_with_all_its_proofs(site: Site, tmp_path: Path) -> None:
    """From a file to immudb and back: the same log, and receipts hold."""
    immudb = {"JENKINS_NOTARY_LEDGER": site.environ["JENKINS_NOTARY_LEDGER"]}
    immudb["JENKINS_NOTARY_LEDGER"] += "_moved"
    old = {"JENKINS_NOTARY_LEDGER": str(tmp_path / "old.db")}
    third = {"JENKINS_NOTARY_LEDGER": str(tmp_path / "third.db")}
    app, receipts = str(site.app), str(tmp_path / "receipts")
    log = site.folder / "console.txt"
    log.write_bytes(b"line\n" * 60_000)
    assert site.run("notarize", app, "--receipts", receipts, **old).code == 0
    assert site.run("log", "put", JOB, str(log), **old).code == 0
    before = site.run("ledger", "status", "-o", "json", **old).json

    moved = site.run("ledger", "migrate", immudb["JENKINS_NOTARY_LEDGER"], **old)
    assert moved.code == 0, moved.stderr
    after = site.run("ledger", "status", "-o", "json", **immudb).json
    assert (after["origin"], after["vkey"]) == (before["origin"], before["vkey"])
    assert after["tree_size"] == before["tree_size"] + 2
    assert site.run("authenticate", app, "--strict", **immudb).code == 0
    assert site.run("log", JOB, **immudb).stdout == log.read_bytes()
    assert site.run("ledger", "verify", "--signatures", **immudb).code == 0
    (receipt,) = Path(receipts).glob("*.tlog-proof")
    done = site.run("receipt", "verify", str(receipt), "--log", before["vkey"])
    assert done.code == 0, done.stderr

    refused = site.run("notarize", app, **old)
    assert refused.code == 78
    assert "sealed" in refused.stderr
    assert immudb["JENKINS_NOTARY_LEDGER"] in refused.stderr
    assert site.run("authenticate", app, **old).code == 78
    assert site.run("notarize", app, **immudb).code == 0
    again = site.run("ledger", "migrate", str(tmp_path / "other.db"), **old)
    assert again.code == 78
    back = site.run("ledger", "migrate", str(tmp_path / "third.db"), **immudb)
    assert back.code == 0, back.stderr
    assert site.run("notarize", app, **immudb).code == 78
    assert site.run("notarize", app, **third).code == 0
    assert site.run("ledger", "verify", "--signatures", **third).code == 0


def test_several_services_on_one_immudb_share_one_log(
    site: Site, tmp_path: Path
) -> None:
    """Each takes records while the other does; nothing is lost, nothing forks."""
    digests = [f"sha256:{n:064x}" for n in range(1, 81)]
    with (
        SiteService(site, tmp_path / "one") as one,
        SiteService(site, tmp_path / "two") as two,
    ):

        def record(number: int) -> int:
            service = (one, two)[number % 2]
            answer = service.ask("POST", "/api/v1/records", claim(digests[number]))
            return answer.status

        with ThreadPoolExecutor(16) as pool:
            statuses = [*pool.map(record, range(80))]
        sizes = {o.ask("GET", "/api/v1/status").json["tree_size"] for o in (one, two)}

    assert statuses == [200] * 80
    assert len(sizes) == 1
    found = site.run("evidence", claim()["job"]["id"], "-o", "json", "--limit", "200")
    recorded = [one["subjects"][0]["digest"] for one in found.json["records"]]
    assert sorted(f"sha256:{one['sha256']}" for one in recorded) == digests
    assert site.run("ledger", "verify").code == 0
