from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.api.ledgers import creation as creation_module
from jenkins_notary.engines.sqlite import SqliteStore
from jenkins_notary.errors import (
    ConfigurationError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.files.locks import FileLock
from jenkins_notary.keys.log_key import generate_log_key, load_log_key
from jenkins_notary.values.query import Query
from tests.unit.api.people import JOB, ORIGIN, Person, digest, tamper
from tests.unit.ledger.ledgers import log_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.api.notary import Notary

POLICY = b"version: 1\nrules: [{name: any}]\n"

COMMANDS: dict[str, Callable[[Notary], object]] = {
    "authenticate": lambda one: one.authenticate([digest("app")]),
    "gate": lambda one: one.gate(POLICY, [digest("app")]),
    "notarize": lambda one: one.notarize([digest("b")], name="b"),
    "untrust": lambda one: one.untrust([digest("app")], reason="CVE"),
    "unsupport": lambda one: one.unsupport([digest("app")], reason="old"),
    "evidence": lambda one: one.evidence(Query(digest=digest("app"))),
    "inspect": lambda one: one.inspect(digest("app")),
    "attach": lambda one: one.attach("file.txt", job=JOB),
    "put-log": lambda one: one.put_log(JOB, "file.txt"),
    "import": lambda one: one.import_records("import.csv"),
    "signers": lambda one: one.signers.list(),
    "orgs": lambda one: one.signers.orgs(),
    "status": lambda one: one.ledger.status(),
    "verify": lambda one: one.ledger.verify(),
    "audit": lambda one: one.ledger.audit("audit.pin"),
    "export": lambda one: one.ledger.export("out"),
    "erase": lambda one: one.ledger.erase([1], reason="old"),
    "resume": lambda one: one.ledger.resume_erasures(),
    "prune": lambda one: one.ledger.prune(before="2026-01-01T00:00:00Z"),
    "backup": lambda one: one.ledger.backup("copy"),
    "rotate": lambda one: one.ledger.rotate_key(),
}
"""Every command that reads or writes a ledger."""


@pytest.fixture
def files(tmp_path: Path) -> None:
    """What the commands read, in the current folder."""
    (tmp_path / "work" / "file.txt").write_text("text")
    (tmp_path / "work" / "import.csv").write_text(f"digest,name\n{digest('c')},c\n")


def entries(ledger: Path) -> int:
    """Return how many records a ledger's file holds."""
    store = SqliteStore.open(str(ledger))
    found = store.entries("main", 0, 1000)
    store.close()
    return len(found)


# Making a ledger


def test_first_notarize_makes_key_and_ledger_and_says_so(newcomer: Person) -> None:
    index = newcomer.record("app")

    assert index == 1
    assert newcomer.key.exists()
    assert newcomer.log_key.exists()
    assert "created signing key" in newcomer.notices[0]
    assert "created ledger sqlite:///" in newcomer.notices[1]
    assert "its administrator and first enrolled signer" in newcomer.notices[2]
    assert len(newcomer.notices) == 3
    assert newcomer.verdict("app") == "TRUSTED"
    assert len(newcomer.notices) == 3


def test_default_origin_is_made_of_the_host(newcomer: Person) -> None:
    newcomer.record("app")

    origin = newcomer.notary().ledger.status().origin
    assert origin.rpartition("/")[0] in socket.gethostname().lower()


@pytest.mark.parametrize(
    "name",
    [one for one in COMMANDS if one not in {"notarize", "import"}],
)
def test_only_notarize_makes_a_ledger(newcomer: Person, files: None, name: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        COMMANDS[name](newcomer.notary())

    assert caught.value.exit_code == 66
    assert not newcomer.ledger.exists()
    assert files is None


def test_init_refuses_a_ledger_that_is_there(admin: Person) -> None:
    with pytest.raises(UsageError, match="an initialized one"):
        admin.notary().ledger.init()


@pytest.mark.parametrize("origin", ["a b", "../x", "", "é", "x" * 300])
def test_init_refuses_a_bad_origin(newcomer: Person, origin: str) -> None:
    if not origin:
        newcomer.notary().ledger.init(origin=origin)
        return
    with pytest.raises(UsageError):
        newcomer.notary().ledger.init(origin=origin)

    assert not newcomer.ledger.exists()


def test_init_refuses_a_threshold_that_cannot_be_reached(newcomer: Person) -> None:
    with pytest.raises(UsageError, match="threshold"):
        newcomer.notary().ledger.init(threshold=2)

    # What was begun is finished by a call that is right.
    newcomer.notary().ledger.init()


@pytest.mark.parametrize(
    "build",
    [
        pytest.param({"BUILD_URL": "https://ci.example.com/job/a/1/"}, id="jenkins"),
        pytest.param({"GITLAB_CI": "true"}, id="gitlab"),
        pytest.param({"GITHUB_ACTIONS": "true"}, id="github"),
        pytest.param({"TF_BUILD": "True"}, id="azure"),
    ],
)
def test_ephemeral_agent_is_refused_and_can_be_allowed(
    newcomer: Person, build: dict[str, str]
) -> None:
    agent = newcomer.notary(environ={"KUBERNETES_SERVICE_HOST": "10.0.0.1", **build})

    with pytest.raises(ConfigurationError, match="container") as caught:
        agent.notarize([digest("app")], name="app", job=JOB)
    assert caught.value.exit_code == 78
    assert not newcomer.ledger.exists()
    assert not newcomer.key.exists()
    (done,) = agent.notarize([digest("app")], name="app", job=JOB, ephemeral_ok=True)
    assert done.index == 1
    (again,) = agent.notarize([digest("b")], name="b", job=JOB)
    assert again.index == 2


def test_container_that_is_no_build_may_make_a_ledger(newcomer: Person) -> None:
    pod = newcomer.notary(environ={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})

    assert pod.ledger.init().tree_size == 1


def test_build_on_a_host_that_stays_may_make_a_ledger(
    newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "exists", _hide_containers(os.path.exists))
    host = newcomer.notary(environ={"GITLAB_CI": "true"})

    assert host.ledger.init().tree_size == 1


def _hide_containers(exists: Callable[[str], bool]) -> Callable[[str], bool]:
    marks = {"/.dockerenv", "/run/.containerenv"}
    return lambda path: path not in marks and exists(path)


# Interrupted creation


def test_creation_is_continued_from_its_key_file(newcomer: Person) -> None:
    newcomer.ledger.parent.mkdir()
    key = generate_log_key(str(newcomer.log_key), ORIGIN)

    status = newcomer.notary().ledger.init()

    assert (status.origin, status.vkey) == (ORIGIN, key.vkey)


def test_creation_continued_refuses_another_name(newcomer: Person) -> None:
    newcomer.ledger.parent.mkdir()
    generate_log_key(str(newcomer.log_key), ORIGIN)

    with pytest.raises(UsageError, match="the name in the key file"):
        newcomer.notary().ledger.init(origin="ci.example.com/other")


@pytest.mark.parametrize("settings", [False, True], ids=["empty", "with-settings"])
def test_creation_is_continued_from_a_database_without_genesis(
    newcomer: Person, *, settings: bool
) -> None:
    newcomer.ledger.parent.mkdir()
    key = generate_log_key(str(newcomer.log_key), ORIGIN)
    store = SqliteStore.create(str(newcomer.ledger))
    if settings:
        store.put_setting("origin", ORIGIN.encode())
        store.put_setting("vkey", key.vkey.encode())
    store.close()

    with pytest.raises(NotFoundError):
        newcomer.notary().authenticate([digest("app")])
    assert newcomer.record("app") == 1
    assert newcomer.notary().ledger.status().vkey == key.vkey


def test_creation_is_continued_from_a_genesis_that_was_not_published(
    admin: Person,
) -> None:
    tamper(admin.ledger, "DELETE FROM checkpoint")
    with pytest.raises(IntegrityError, match="as seen before"):
        admin.notary().authenticate([digest("app")])
    # Who died before it was published has not seen it either.
    admin.pins[0].unlink()

    with pytest.raises(NotFoundError):
        admin.notary().authenticate([digest("app")])
    assert admin.record("app") == 1
    assert admin.is_sound()


def test_ledger_made_meanwhile_is_used(
    newcomer: Person, meet: Callable[[str], Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two first calls at once: the one that waits finds the other's ledger."""
    lock = FileLock

    def made_meanwhile(path: str) -> object:
        monkeypatch.setattr(creation_module, "FileLock", lock)
        meet("other").notary().ledger.init(origin=ORIGIN)
        return lock(path)

    monkeypatch.setattr(creation_module, "FileLock", made_meanwhile)
    index = newcomer.record("app")

    assert index == 1
    assert newcomer.notary().ledger.status().origin == ORIGIN
    assert newcomer.verdict("app") == "UNKNOWN"


# The signer's key


def test_key_that_was_named_is_never_made(newcomer: Person, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")

    with pytest.raises(NotFoundError):
        newcomer.notary(key=missing).notarize([digest("app")], name="app")

    assert not os.path.exists(missing)


def test_key_made_meanwhile_is_used(
    newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jenkins_notary.keys import pem

    made = pem.generate_signer

    def lose(path: str, **how: object) -> object:
        made(path)
        return made(path, **how)  # type: ignore[arg-type]  # It raises.

    monkeypatch.setattr(pem, "generate_signer", lose)
    newcomer.record("app")

    assert newcomer.verdict("app") == "TRUSTED"
    assert "created signing key" not in newcomer.said


# First contact and pins


def test_first_contact_is_said_once(admin: Person, reader: Person) -> None:
    admin.record("app")

    assert reader.verdict("app") == "TRUSTED"
    assert len(reader.notices) == 1
    assert f"first contact with {ORIGIN}" in reader.notices[0]
    assert admin.notary().ledger.status().vkey in reader.notices[0]
    assert reader.verdict("app") == "TRUSTED"
    assert len(reader.notices) == 1


def test_first_contact_with_the_right_log_key_needs_no_notice(
    admin: Person, reader: Person
) -> None:
    vkey = admin.notary().ledger.status().vkey

    assert reader.notary(log=vkey).ledger.status().vkey == vkey
    assert reader.notices == []
    assert len(reader.pins) == 1


def test_nobody_needs_to_listen(admin: Person, tmp_path: Path) -> None:
    from jenkins_notary.api.notary import Notary

    with Notary(str(admin.ledger), environ={"HOME": str(tmp_path / "quiet")}) as one:
        answers = one.authenticate([digest("app")], strict=True)
        assert one.ledger.verify().is_sound

    assert [answer.code for answer in answers] == [2]


@pytest.mark.parametrize("name", COMMANDS)
def test_another_log_key_is_refused_everywhere(
    admin: Person, files: None, name: str
) -> None:
    admin.record("app")
    other = log_key(ORIGIN, number=1).vkey

    with pytest.raises(NotaryError) as caught:
        _run(COMMANDS[name], admin.notary(log=other))

    assert caught.value.exit_code == 65
    assert entries(admin.ledger) == 2
    assert files is None


def test_log_key_of_another_origin_is_refused(admin: Person) -> None:
    other = log_key("ci.example.com/other").vkey

    with pytest.raises(IntegrityError):
        admin.notary(log=other).authenticate([digest("app")])


def test_malformed_log_key_is_a_wrong_configuration(admin: Person) -> None:
    with pytest.raises(ConfigurationError):
        admin.notary(log="no key").authenticate([digest("app")])


@pytest.mark.parametrize("name", COMMANDS)
def test_damaged_pin_stops_every_command(admin: Person, files: None, name: str) -> None:
    admin.record("app")
    (pin,) = admin.pins
    pin.write_bytes(pin.read_bytes()[:-9])

    with pytest.raises(NotaryError) as caught:
        _run(COMMANDS[name], admin.notary())

    assert caught.value.exit_code == 65
    assert entries(admin.ledger) == 2
    assert files is None


@pytest.mark.parametrize("name", COMMANDS)
def test_older_copy_in_its_place_stops_every_command(
    admin: Person, tmp_path: Path, files: None, name: str
) -> None:
    admin.record("app")
    admin.close()
    shutil.copy(admin.ledger, tmp_path / "older.db")
    admin.record("b2")
    admin.close()
    shutil.copy(tmp_path / "older.db", admin.ledger)

    with pytest.raises(IntegrityError, match="older copy") as caught:
        _run(COMMANDS[name], admin.notary())

    assert caught.value.exit_code == 65
    assert entries(admin.ledger) == 2
    assert files is None


def _run(act: Callable[[Notary], object], notary: Notary) -> None:
    """Run a command; an answer with findings is as good as an error."""
    from jenkins_notary.ledger.verify import VerifyReport

    answer = act(notary)
    if isinstance(answer, VerifyReport):
        answer.raise_findings()


def test_pin_moves_with_the_log(admin: Person, reader: Person) -> None:
    reader.verdict("app")
    (pin,) = reader.pins
    before = pin.read_bytes()
    admin.record("app")
    reader.verdict("app")

    assert pin.read_bytes() != before


def test_ledger_of_another_name_than_its_checkpoint_is_refused(admin: Person) -> None:
    vkey = admin.notary().ledger.status().vkey
    tamper(admin.ledger, "UPDATE setting SET value = ? WHERE name = 'origin'", b"x")

    with pytest.raises(IntegrityError, match="the log x"):
        admin.notary(log=vkey).authenticate([digest("app")])


def test_ledger_without_its_settings_is_not_initialized(admin: Person) -> None:
    tamper(admin.ledger, "DELETE FROM checkpoint")
    tamper(admin.ledger, "DELETE FROM setting WHERE name = 'origin'")

    with pytest.raises(NotFoundError, match="its origin"):
        admin.notary().authenticate([digest("app")])


def test_ledger_that_lost_its_settings_was_altered(admin: Person) -> None:
    tamper(admin.ledger, "DELETE FROM setting WHERE name = 'origin'")

    with pytest.raises(IntegrityError, match="its origin, as it has a checkpoint"):
        admin.notary().authenticate([digest("app")])


# The ledger's key


def test_who_lacks_the_ledger_key_reads_and_cannot_write(admin: Person) -> None:
    admin.record("app")
    admin.log_key.unlink()

    assert admin.verdict("app") == "TRUSTED"
    with pytest.raises(NotFoundError, match="can read the ledger") as caught:
        admin.record("b")
    assert caught.value.exit_code == 66


def test_key_of_another_ledger_is_refused(admin: Person) -> None:
    admin.log_key.unlink()
    generate_log_key(str(admin.log_key), "ci.example.com/other")

    with pytest.raises(ConfigurationError, match=f"the key of {ORIGIN}"):
        admin.record("app")
    assert entries(admin.ledger) == 1


def test_another_key_of_the_same_name_is_refused(admin: Person) -> None:
    admin.log_key.unlink()
    generate_log_key(str(admin.log_key), ORIGIN)

    with pytest.raises(ConfigurationError, match="copy the ledger's present key"):
        admin.record("app")
    assert entries(admin.ledger) == 1


def test_key_that_others_may_read_is_refused(admin: Person) -> None:
    admin.log_key.chmod(0o644)

    with pytest.raises(NotaryError) as caught:
        admin.record("app")

    assert caught.value.exit_code in {77, 78}


# One object, used for long


def test_open_ledger_sees_what_others_write(admin: Person, reader: Person) -> None:
    opened = reader.notary()
    assert opened.authenticate([digest("app")])[0].code == 2

    admin.record("app")
    assert opened.authenticate([digest("app")])[0].code == 0
    admin.notary().untrust([digest("app")], reason="CVE")
    (answer,) = opened.authenticate([digest("app")])
    assert answer.code == 1
    assert answer.as_of is not None
    assert answer.as_of.tree_size == 3
    assert opened.ledger.status().tree_size == 3


def test_closed_ledger_may_be_used_again(admin: Person) -> None:
    opened = admin.notary()
    opened.notarize([digest("app")], name="app")

    opened.close()
    opened.close()

    assert opened.authenticate([digest("app")])[0].code == 0
    assert opened.notarize([digest("b")], name="b")[0].index == 2


def test_leaving_the_block_releases_the_ledger(admin: Person) -> None:
    with admin.notary() as opened:
        opened.ledger.status()
        assert opened._session._store is not None

    assert opened._session._store is None


def test_ledger_that_is_exchanged_while_open_is_found(
    admin: Person, tmp_path: Path
) -> None:
    opened = admin.notary()
    opened.notarize([digest("app")], name="app")
    admin.close()
    other = Person(tmp_path / "o", tmp_path / "o" / "ledger.db")
    other.notary().ledger.init(origin=ORIGIN)
    other.close()
    shutil.copy(other.ledger, admin.ledger)

    with pytest.raises(IntegrityError):
        opened.authenticate([digest("app")])


# Rotation of the ledger's key


def test_readers_follow_a_rotated_key(admin: Person, reader: Person) -> None:
    admin.record("app")
    before = reader.notary().ledger.status().vkey
    admin.notary().ledger.rotate_key()
    admin.record("b")

    assert reader.verdict("b") == "TRUSTED"
    after = reader.notary().ledger.status().vkey
    assert before != after == load_log_key(str(admin.log_key)).vkey
    assert reader.verdict("app", strict=True) == "TRUSTED"
    assert reader.notary().ledger.verify().is_sound


def test_newcomers_meet_a_ledger_with_a_rotated_key(
    admin: Person, meet: Callable[[str], Person]
) -> None:
    admin.notary().ledger.rotate_key()
    admin.notary().ledger.rotate_key()
    admin.record("app")
    late = meet("late")

    assert late.verdict("app") == "TRUSTED"
    now = load_log_key(str(admin.log_key)).vkey
    assert late.notary().ledger.status().vkey == now


def test_key_that_was_rotated_out_cannot_write(admin: Person) -> None:
    old = admin.log_key.read_bytes()
    admin.notary().ledger.rotate_key()
    admin.log_key.write_bytes(old)

    with pytest.raises(ConfigurationError, match="rotated out"):
        admin.record("app")


def test_checkpoint_by_a_key_that_was_rotated_out_is_refused(
    admin: Person, reader: Person
) -> None:
    """Who stole the old key can sign a checkpoint, and nobody believes it."""
    from jenkins_notary.keys.log_key import load_log_verifier
    from jenkins_notary.ledger.sequencer import Sequencer

    reader.notary().ledger.status()
    stolen = load_log_key(str(admin.log_key))
    admin.notary().ledger.rotate_key()
    session = admin.notary()._session
    present = load_log_key(str(admin.log_key))
    both = [load_log_verifier(one.vkey) for one in (stolen, present)]
    author = session.author()
    thief = Sequencer(session.store, stolen, both, session.clock)
    thief.append([author.sign("notarization", [], {"status": "TRUSTED"})])

    acts: list[Callable[[Notary], object]] = [
        lambda one: one.authenticate([digest("app")]),
        lambda one: one.ledger.status(),
        lambda one: one.ledger.audit("audit.pin"),
        lambda one: one.ledger.export("out"),
        lambda one: one.evidence(Query(digest=digest("app"))),
    ]
    for act in acts:
        with pytest.raises(IntegrityError) as caught:
            act(reader.notary())
        assert caught.value.exit_code == 65


# Succession


def test_follower_of_a_log_is_told_what_is_lost(
    admin: Person, reader: Person, tmp_path: Path
) -> None:
    admin.record("app")
    reader.verdict("app")
    reader.notices.clear()
    new = tmp_path / "data" / "new.db"
    admin.notary().ledger.succeed(str(new))

    (answer,) = reader.notary(at=new).authenticate([digest("app")])

    assert answer.code == 0
    assert "2 records were taken over, 0 are lost" in reader.said


def test_stranger_to_the_old_log_meets_its_successor(
    admin: Person, meet: Callable[[str], Person], tmp_path: Path
) -> None:
    admin.record("app")
    new = tmp_path / "data" / "new.db"
    admin.notary().ledger.succeed(str(new))
    late = meet("late")

    (answer,) = late.notary(at=new).authenticate([digest("app")])

    assert answer.code == 0
    assert "taken over" not in late.said


def test_busy_ledger_is_unavailable_not_altered(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    opened = admin.notary()
    opened.ledger.status()
    store = opened._session.store
    assert isinstance(store, SqliteStore)
    monkeypatch.setattr(store._database, "wait_s", 0.0)
    holder = sqlite3.connect(admin.ledger, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    with pytest.raises(UnavailableError):
        opened.notarize([digest("app")], name="app")

    holder.execute("ROLLBACK")
    holder.close()
    assert opened.notarize([digest("app")], name="app")[0].index == 1


def test_missing_ledger_is_not_made_where_a_certain_log_is_expected(
    newcomer: Person,
) -> None:
    other = log_key(ORIGIN).vkey

    with pytest.raises(NotFoundError, match="another key"):
        newcomer.notary(log=other).notarize([digest("app")], name="app")
    assert not newcomer.ledger.exists()


def test_pin_that_cannot_be_kept_is_said_and_the_answer_given(
    admin: Person, reader: Person
) -> None:
    admin.record("app")
    (reader.home / ".local").mkdir()
    (reader.home / ".local" / "state").write_text("a file, where a folder should be")

    with pytest.raises(NotaryError):
        # What was seen cannot be read either: that is no first contact.
        reader.verdict("app")


def test_disk_that_is_full_for_pins_costs_no_answer(
    admin: Person, reader: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jenkins_notary.files.pins import PinFiles

    def fail(*_: object) -> None:
        raise StorageError("pin", got="no space left on device")

    admin.record("app")
    monkeypatch.setattr(PinFiles, "save", fail)

    assert reader.verdict("app") == "TRUSTED"
    assert "cannot be remembered" in reader.said


def test_checkpoint_that_a_power_cut_took_back_is_the_pins(
    admin: Person,
) -> None:
    """The ledger holds all that the pin has seen; only its newest note was lost."""
    older = admin.notary().ledger.status().checkpoint.encode()
    admin.record("app")
    admin.close()
    tamper(admin.ledger, "UPDATE checkpoint SET note = ?, size = 1", older)

    assert admin.verdict("app") == "TRUSTED"
    assert admin.record("b") == 2
    assert admin.is_sound()
