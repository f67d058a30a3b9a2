"""A real service gives out packs: of what a token may see, and nothing of the rest."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from jenkins_notary.api.packs.making import PackCheck, verify_pack
from jenkins_notary.api.session import Choices
from jenkins_notary.standalone import verify
from tests.command import command
from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = "ci.example.com:payments/api/main#1"
OTHER = "ci.example.com:payments-evil/main#1"
DIGEST = "sha256:" + "ab" * 32
LOG = b"".join(b"line %d of the build\n" % number for number in range(200_000))
SECRET = b"password = 'hunter2-and-more'\n"


class World(NamedTuple):
    """A service with two builds, a log, and a log that is held back."""

    service: Serving
    reader: str
    auditor: str
    vkey: str

    def pack(self, query: str, token: str = "") -> Answer:
        """Ask for a pack."""
        path = f"/api/v1/pack?{query}".replace("#", "%23")
        return self.service.ask("GET", path, token=token or self.reader)

    def check(self, data: bytes) -> PackCheck:
        """Check a pack by both verifiers."""
        assert verify.check(io.BytesIO(data), self.vkey)
        return verify_pack(io.BytesIO(data), Choices(log=self.vkey), {})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("packs")
    (folder / "console.txt").write_bytes(LOG)
    (folder / "secret.txt").write_bytes(SECRET)
    with Serving(folder) as service:
        for job in (JOB, OTHER):
            attributes = {"release": "1.2"}
            answer = service.ask(
                "POST",
                "/api/v1/records",
                {**claim(DIGEST, job=job), "attributes": attributes},
            )
            assert answer.status == 200, answer
        service.command("log", "put", JOB, str(folder / "console.txt"))
        service.command(
            "log", "put", JOB, str(folder / "secret.txt"), "--stage", "Deploy"
        )
        yield World(
            service,
            service.token("reader", "--role", "reader", "--folder", "payments"),
            service.token("auditor", "--role", "auditor"),
            service.ask("GET", "/api/v1/status").json["vkey"],
        )


def test_build_is_given_out_as_a_pack_that_proves_itself(world: World) -> None:
    answer = world.pack(f"job={JOB}")

    assert answer.status == 200, answer.body[:500]
    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["content-disposition"].endswith('-main-1.pack.tar"')
    found = world.check(answer.body)
    assert found.checked.body_bytes == len(LOG)
    assert [one.why for one in found.checked.head.left_out] == ["held"]
    assert SECRET not in answer.body


def test_record_of_another_folder_is_there_as_its_leaf_alone(world: World) -> None:
    answer = world.pack(f"job={JOB}")

    assert len(world.check(answer.body).checked.head.withheld) == 1
    assert b"payments-evil" not in answer.body
    whole = world.pack(f"job={JOB}", world.auditor)
    assert world.check(whole.body).checked.head.withheld == ()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"job={OTHER}", 403),
        ("job=payments/api/main%2399", 404),
        ("since=2020-01-01", 403),
        ("since=2020-01-01&folder=payments-evil", 403),
        ("since=2020-01-01&folder=*", 400),
        ("since=x&folder=payments", 400),
        ("since=42&folder=payments", 400),
        ("job=%00", 400),
        ("job=payments/api/main%231&started=x", 400),
        ("release=%3D&folder=payments", 404),
        ("release=release", 400),
        ("release=release%3D9", 404),
        ("", 403),
        ("job=", 400),
        ("evil=1", 400),
        (f"job={JOB}&folder=payments", 400),
    ],
)
def test_pack_that_a_token_may_not_have_is_refused(
    world: World, query: str, status: int
) -> None:
    answer = world.pack(query)

    assert (answer.status, answer.json["code"]) != (200, 0)
    assert answer.status == status, answer.body


def test_release_and_period_are_those_of_the_tokens_folders(world: World) -> None:
    for query in ("release=release%3D1.2", "since=2020-01-01&folder=payments/*"):
        found = world.check(world.pack(query).body)
        assert found.checked.is_complete is None
        jobs = world.pack(query).body
        assert b"payments-evil" not in jobs


def test_auditor_gets_a_period_that_is_proven_to_be_complete(world: World) -> None:
    answer = world.pack("since=2020-01-01&bodies=false", world.auditor)

    found = world.check(answer.body)
    assert found.checked.is_complete is True
    assert found.checked.body_bytes == 0
    assert len(found.checked.head.selected) == found.checked.head.tree_size


def test_page_of_a_build_links_to_its_pack(world: World) -> None:
    job = JOB.replace("#", "%23")
    page = world.service.ask("GET", f"/jobs/{job}", token=world.reader)

    link = re.search(r'href="(/api/v1/pack[^"]*)"', page.body.decode())
    assert link is not None
    answer = world.service.ask("GET", html.unescape(link[1]), token=world.reader)
    assert world.check(answer.body)


def test_nobody_gets_a_pack_without_a_token(world: World) -> None:
    path = f"/api/v1/pack?job={JOB}".replace("#", "%23")

    assert world.service.ask("GET", path, token="").status == 401


def test_command_line_gets_a_pack_by_the_services_url(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = world.service.client(world.reader)

    assert command("pack", JOB, "--file", "a.tar", environ=environ).code == 0
    assert command("verify-pack", "a.tar", "--log", world.vkey).code == 0
    done = command("pack", JOB, "--no-bodies", "--file", "-", environ=environ)
    assert (done.code, LOG in done.stdout) == (0, False)
    assert world.check(done.stdout)
    assert command("pack", OTHER, environ=environ).code == 77
    policy = ["--policy", "a.tar"]
    assert command("pack", JOB, *policy, environ=environ).code == 64
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar"]
