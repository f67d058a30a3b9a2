"""Read a real service's ledger with the installed command line, by its URL alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from jenkins_notary.errors import IntegrityError, NotFoundError
from jenkins_notary.keys.log_key import generate_log_key
from jenkins_notary.remote.notary import RemoteChoices
from jenkins_notary.remote.reading.notary import RemoteReader
from jenkins_notary.version import VERSION
from tests.agent import agent
from tests.command import Done, command
from tests.parts.serving import Serving, claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#1"
OTHER = "ci.example.com:other/main#1"
DIGEST = "sha256:" + "ab" * 32
LOG = b"[Pipeline] { (Build)\nmake all\nwarning: old\n[Pipeline] }\nFinished: SUCCESS\n"


class World(NamedTuple):
    """A service with a build, its log and its attachment."""

    service: Serving
    reader: str
    auditor: str
    vkey: str
    attachment: str

    def run(self, *words: str, token: str = "", **more: str) -> Done:
        """Run a command line of a reader, who has no ledger."""
        environ = {**self.service.client(token or self.reader), **more}
        return command(*words, environ=environ)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("remote")
    (folder / "report.xml").write_bytes(b"<report/>")
    (folder / "console.txt").write_bytes(LOG)
    with Serving(folder) as service:
        service.ask("POST", "/api/v1/records", claim(DIGEST, job=JOB))
        service.ask("POST", "/api/v1/records", claim(job=OTHER))
        service.command("log", "put", JOB, str(folder / "console.txt"))
        put = service.command(
            "attach", str(folder / "report.xml"), "--job", JOB, "-o", "json"
        )
        yield World(
            service,
            service.token("reader", "--role", "reader", "--folder", "payments"),
            service.token("auditor", "--role", "auditor"),
            service.ask("GET", "/api/v1/status").json["vkey"],
            json.loads(put)["records"][0]["digest"],
        )


def test_status_is_that_of_the_checkpoint_that_the_named_key_has_signed(
    world: World,
) -> None:
    done = world.run("ledger", "status", "-o", "json", JENKINS_NOTARY_LOG=world.vkey)

    assert done.code == 0, done.stderr
    assert done.json["vkey"] == world.vkey
    assert done.json["ledger"] == world.service.url
    assert done.json["checkpoint"].splitlines()[0] == done.json["origin"]


def test_status_signed_by_another_key_is_an_integrity_fault(
    world: World, tmp_path: Path
) -> None:
    other = generate_log_key(str(tmp_path / "key"), "notary.example.com/other").vkey

    assert world.run("ledger", "status", JENKINS_NOTARY_LOG=other).code == 65


def test_signers_and_orgs_are_those_of_the_ledger(world: World) -> None:
    done, here = world.run("signer", "list", "-o", "json"), world.service.notary()

    assert done.json["signers"] == [one.to_dict() for one in here.signers.list()]
    assert "administrator" in world.run("signer", "list").text
    assert world.run("org", "list", "-o", "json").json == {"orgs": {}}


def test_inspect_shows_the_history_of_a_digest(world: World) -> None:
    done = world.run("inspect", DIGEST, "-o", "json", "--receipt")
    (one,) = done.json["records"]

    assert one["job"] == JOB
    assert one["receipt"].startswith("c2sp.org/tlog-proof@v1")


def test_envelope_comes_byte_for_byte(world: World) -> None:
    with world.service.notary() as here:
        (expected,) = [here.envelope(one) for one in here.inspect(DIGEST)]

    assert world.run("inspect", DIGEST, "--envelope").stdout == expected + b"\n"


def test_body_comes_byte_for_byte_to_whom_it_may_be_shown(world: World) -> None:
    other = world.service.token("else", "--role", "reader", "--folder", "else")

    assert world.run("inspect", world.attachment, "--body").stdout == b"<report/>"
    assert world.run("inspect", world.attachment, "--body", token=other).code == 66


def test_folder_is_searched_by_its_prefix(world: World) -> None:
    done = world.run("evidence", "--job", "payments/*", "-o", "json")

    assert {one["job"] for one in done.json["records"]} == {JOB}


def test_log_comes_byte_for_byte(world: World) -> None:
    done = world.run("log", JOB)

    assert done.stdout == LOG
    assert f"log of {JOB}: record #" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--lines", "2:3"), b"make all\nwarning: old\n"),
        (("--grep", "warning"), b"3:warning: old\n"),
        (("--stage", "Build"), b"".join(LOG.splitlines(keepends=True)[:4])),
        (
            ("--stage", "Build", "--grep", "Pipe"),
            b"1:[Pipeline] { (Build)\n4:[Pipeline] }\n",
        ),
    ],
    ids=["lines", "grep", "stage", "both"],
)
def test_lines_of_a_log_are_those_of_the_ledger(
    world: World, words: tuple[str, ...], expected: bytes
) -> None:
    here = world.service.command("log", JOB, *words).encode()

    assert world.run("log", JOB, *words).stdout == expected == here


def test_log_of_another_folder_is_refused(world: World) -> None:
    assert world.run("log", OTHER).code == 77


@pytest.mark.parametrize("option", ["--verify", "--checkpoints", "--excerpt=x.json"])
def test_what_needs_the_ledger_itself_says_where_to_run_it(
    world: World, option: str
) -> None:
    done = world.run("log", JOB, option)

    assert done.code == 64
    assert "on the service's own host" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("ledger", "backup", "there"),
        ("ledger", "init"),
        ("signer", "level", "0x" + "0" * 40, "3"),
        ("token", "list"),
        ("log", "release", JOB, "--reason", "why"),
    ],
    ids=" ".join,
)
def test_commands_that_need_files_and_keys_say_so(
    world: World, words: tuple[str, ...]
) -> None:
    done = world.run(*words)

    assert done.code == 64
    assert "a ledger on this machine" in done.stderr
    assert "on the service's own host" in done.stderr


def test_doctor_tells_of_service_token_and_versions(world: World) -> None:
    done = world.run("doctor", "-o", "json", JENKINS_NOTARY_LOG=world.vkey)
    found = {one["name"]: one for one in done.json["checks"]}

    assert done.code == 0, done.stdout
    assert f"service {VERSION}, API v1" in found["versions"]["found"]
    assert found["token"]["found"] == "reader, reader of payments"
    assert "signed by the key" in found["log key"]["found"]
    assert "clients" not in found


def test_doctor_names_the_versions_that_ask_and_the_one_that_is_too_old(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "app.jar").write_bytes(b"app")
    writer = world.service.token("old", "--role", "writer", "--folder", "payments")
    ran = agent(
        *("notarize", str(tmp_path / "app.jar"), "--job", JOB),
        environ=world.service.client(writer),
    )
    assert ran.code == 0, ran.stderr
    before = world.run("doctor", "-o", "json", token=world.auditor)
    hook = {"User-Agent": "jenkins-notary-hook/9.0.0"}
    world.service.ask("GET", "/api/v1/about", token=writer, headers=hook)
    after = world.run("doctor", "-o", "json", token=world.auditor)
    words = ("doctor", "--ledger", str(world.service.ledger), "-o", "json")
    at_home = command(*words, environ=world.service.environ)

    found = {one["name"]: one["found"] for one in before.json["checks"]}
    assert f"library and agent part {VERSION} (token old, " in found["clients"]
    assert after.code == 78
    clients = after.json["checks"][-1]
    assert clients["found"].startswith("hook 9.0.0 (token old, ")
    assert clients["advice"] == "upgrade the service: it comes first"
    assert at_home.code == 78
    assert at_home.json["checks"][-1] == clients


def test_doctor_says_which_service_does_not_answer() -> None:
    environ = {
        "JENKINS_NOTARY_LEDGER": "http://127.0.0.1:9",
        "JENKINS_NOTARY_TOKEN": "a",
    }
    done = command("doctor", "--timeout", "2", environ=environ)

    assert done.code == 69
    assert "ERROR  service" in done.text


def test_wrong_token_is_named_by_doctor(world: World) -> None:
    done = world.run("doctor", token="reader.wrong")

    assert done.code == 77
    assert "JENKINS_NOTARY_TOKEN" in done.text


class Lying(RemoteReader):
    """A client of a service that changes its answers."""

    change: Callable[[dict[str, Any]], object]

    def ask(self, path: str, **parameters: str | None) -> Mapping[str, Any]:
        """Return a changed answer."""
        answer = json.loads(json.dumps(super().ask(path, **parameters)))
        self.change(answer)
        return dict(answer)


def lie(world: World, change: Callable[[dict[str, Any]], object]) -> Lying:
    """Return a client of a service that lies."""
    found = Lying(
        RemoteChoices(
            world.service.url,
            world.vkey,
            None,
            None,
            world.reader,
            20,
            None,
            (),
            {},
            None,
            print,
            None,
        )
    )
    found.change = change
    return found


def set_first_piece(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Return what changes a value of a log's first piece."""
    return lambda answer: answer["pieces"][0].update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.update(log=None),
        lambda answer: answer.update(pieces=[]),
        lambda answer: answer.update(pieces=[None]),
        lambda answer: answer["pieces"][0].pop("record"),
        lambda answer: answer["log"].update(indexes=[0]),
        lambda answer: answer["log"].update(job=OTHER),
        lambda answer: answer["log"].update(lines="all"),
        lambda answer: answer["log"].update(lines=[[2, 1]]),
        lambda answer: answer["log"].update(lines=[[1, 3], [2, 4]]),
        set_first_piece("envelope", None),
        set_first_piece("envelope", "{}"),
        lambda answer: answer["pieces"][0]["record"].update(receipt="none"),
    ],
    ids=range(12),
)
def test_log_that_is_not_proven_is_refused(
    world: World, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(IntegrityError):
        lie(world, change).find_log(JOB)


def test_other_bytes_than_were_signed_are_not_handed_out(world: World) -> None:
    client = lie(world, lambda _: None)
    log = client.find_log(JOB)
    other = log.bodies[0]._replace(sha256_hex=world.attachment[7:], size=9)
    wrong = log._replace(bodies=[other._replace(size=8)])
    short = log._replace(bodies=[other._replace(size=10)])

    for one in (wrong, short):
        with pytest.raises(IntegrityError, match="bytes"):
            list(client.read_log(one))


def test_envelope_of_another_record_is_refused(world: World) -> None:
    (one,) = lie(world, lambda _: None).inspect(DIGEST)

    with pytest.raises(IntegrityError):
        lie(world, lambda found: found.update(envelope="{}")).envelope(one)
    with pytest.raises(IntegrityError):
        lie(world, lambda found: found["record"].update(index=0)).envelope(one)
    with pytest.raises(NotFoundError, match="erased by #7"):
        lie(
            world,
            lambda found: found.update(
                envelope=None, record={"index": one.index, "erased_by": 7}
            ),
        ).envelope(one)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer.update(tree_size=1),
        lambda answer: answer.update(checkpoint="none"),
        lambda answer: answer.pop("root"),
    ],
    ids=["size", "note", "root"],
)
def test_status_that_its_checkpoint_does_not_have_is_refused(
    world: World, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(IntegrityError):
        lie(world, change).ledger.status()


@pytest.mark.parametrize("value", [None, [{}], [1], [{"signer": "0x", "level": "1"}]])
def test_signers_of_another_form_are_refused(world: World, value: object) -> None:
    client = lie(world, lambda answer: answer.update(signers=value, orgs=[value]))

    with pytest.raises(IntegrityError):
        client.signers.list()
    with pytest.raises(IntegrityError):
        client.signers.orgs()
