"""Sync to a service: signed at the edge, in order, by those alone who may."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.notary import Notary
from jenkins_notary.keys.pem import format_public_pem, generate_signer
from jenkins_notary.ledger.imports import hash_origin
from jenkins_notary.remote.reading.packed import pack_envelopes
from jenkins_notary.trust.imports import importers_of
from jenkins_notary.values.statement import Subject
from tests.command import command
from tests.parts.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Done

JOB = "ci.example.com:payments/api/main#42"
APP, BAD = (f"sha256:{one * 32}" for one in ("aa", "bb"))


class World:
    """An edge's ledger, and a service at the centre that knows who brings it."""

    def __init__(self, folder: Path, service: Serving) -> None:
        self.service = service
        self.path = str(folder / "edge.db")
        self.key = str(folder / "edge.pem")
        signer = generate_signer(self.key, passphrase=None)
        self.signer = signer.keyid
        public = folder / "edge.pub"
        public.write_text(format_public_pem(signer.public_der))
        self.edge = Notary(self.path, key=self.key)
        self.edge.ledger.init(origin="edge.example.com/1a2b3c4d")
        self.origin = self.edge.ledger.status().origin
        self.token = service.token("importer", "--role", "importer")
        service.command("signer", "enrol", str(public))

    def admit(self) -> None:
        self.service.command("org", "add", importers_of(self.origin), self.signer)

    def sync(self, *options: str, token: str = "") -> Done:
        environ = {**os.environ, "JENKINS_NOTARY_TOKEN": token or self.token}
        return command(
            *("ledger", "sync", self.path, self.service.url, "--key", self.key),
            *options,
            environ=environ,
        )

    def post(self, *imports: dict[str, Any]) -> tuple[int, Any]:
        """Send imports that the edge's key signs, whatever they say."""
        author = self.edge._session.author()
        named = [Subject(self.origin, hash_origin(self.origin))]
        signed = [author.sign("import", named, {"imported": one}) for one in imports]
        return self.send(pack_envelopes(signed))

    def send(self, body: bytes) -> tuple[int, Any]:
        answer = self.service.ask("POST", "/api/v1/imports", body, token=self.token)
        return answer.status, answer.json

    def imports(self) -> list[int]:
        with self.service.notary() as centre:
            size = centre.ledger.status().tree_size
            records = list(centre._session.view().records(range(size)))
        return [
            one.statement.facts["imported"]["index"]
            for one in records
            if one.leaf.type == "import" and one.statement is not None
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Serving(tmp_path) as service:
        made = World(tmp_path, service)
        yield made
        made.edge.close()


def test_records_are_brought_to_a_service_once_and_count_there(world: World) -> None:
    world.admit()
    world.edge.notarize([APP], job=JOB, name="app")
    first = world.sync("-o", "json")
    world.edge.untrust([BAD], reason="CVE-2026-0001")
    more = world.sync("-o", "json")
    again = world.sync()

    assert (first.code, more.code, again.code) == (0, 0, 0), first.stderr + more.stderr
    assert 0 < first.json["sent"] < 4000
    assert (first.json["size"], more.json["first"], more.json["size"]) == (2, 2, 3)
    assert world.imports() == [0, 1, 2]
    with world.service.notary() as centre:
        found = centre.authenticate([APP, BAD])
        assert not centre.ledger.verify().findings
    assert [str(one.status and one.status.name) for one in found] == [
        "TRUSTED",
        "UNTRUSTED",
    ]


def test_who_speaks_at_the_edge_and_is_a_stranger_at_the_centre_is_named(
    world: World, tmp_path: Path
) -> None:
    world.admit()
    other = generate_signer(str(tmp_path / "other.pem"), passphrase=None)
    with Notary(world.path, key=str(tmp_path / "other.pem")) as stranger:
        stranger.notarize([APP], job=JOB, name="app")
    done = world.sync()

    assert done.code == 77
    assert f"signer enrol {other.keyid}" in done.text + done.stderr


def test_a_signer_whom_nobody_let_import_is_refused(world: World) -> None:
    done = world.sync()
    status, answer = world.post({"origin": world.origin, "index": 0})

    assert done.code == 77
    assert f"org add import:{world.origin} {world.signer}" in done.stderr
    assert (status, answer["code"]) == (403, 77)
    assert not world.imports()


@pytest.mark.parametrize(
    ("role", "code"),
    [pytest.param("auditor", 77, id="auditor"), pytest.param("admin", 0, id="admin")],
)
def test_a_token_needs_the_role(world: World, role: str, code: int) -> None:
    world.admit()
    token = world.service.token("other", "--role", role)

    assert world.sync(token=token).code == code


@pytest.mark.parametrize("indexes", [[5], [0, 2], [1, 0], [0, 0]], ids=str)
def test_what_does_not_come_next_is_not_taken(world: World, indexes: list[int]) -> None:
    world.admit()
    status, answer = world.post(
        *({"origin": world.origin, "index": one} for one in indexes)
    )

    assert (status, answer["code"]) == (409, 67)
    assert not world.imports()


def test_a_request_that_comes_twice_is_taken_once(world: World) -> None:
    world.admit()
    author = world.edge._session.author()
    named = [Subject(world.origin, hash_origin(world.origin))]
    facts = {"imported": {"origin": world.origin, "index": 0, "receipt": ""}}
    body = pack_envelopes([author.sign("import", named, facts)])

    assert world.send(body)[1]["appended"] == 1
    assert world.send(body)[1]["appended"] == 0
    assert world.imports() == [0]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no frame", id="no-frame"),
        pytest.param(pack_envelopes([]), id="none"),
        pytest.param(pack_envelopes([b"{}"]), id="no-envelope"),
        pytest.param(pack_envelopes([b"{}"] * 257), id="too-many"),
    ],
)
def test_a_malformed_body_is_refused(world: World, body: bytes) -> None:
    status, answer = world.send(body)

    assert (status, answer["code"]) == (400, 64)


def test_only_imports_are_taken(world: World) -> None:
    world.admit()
    author = world.edge._session.author()
    signed = author.sign("notarization", [Subject("app", "aa" * 32)], {})
    forged = signed.replace(b'"sig":"', b'"sig":"AAAA', 1)
    body = {"body": {"sha256": "aa" * 32, "size": 1, "chunkSize": 1, "root": "bb" * 32}}
    named = [Subject(world.origin, hash_origin(world.origin))]
    attached = author.sign(
        "import", named, {"imported": {"origin": world.origin, "index": 0}, "x": body}
    )

    for one in (signed, forged, attached):
        assert world.send(pack_envelopes([one]))[0] == 400


def test_two_services_at_once_are_refused(world: World) -> None:
    done = command("ledger", "sync", world.service.url, world.service.url)

    assert done.code == 64
    assert "one token for both" in done.stderr


def test_an_unknown_range_of_records_is_refused(world: World) -> None:
    for query in ("", "?from=0", "?from=1&to=1", "?from=0&to=99", "?from=x&to=1"):
        answer = world.service.ask("GET", f"/api/v1/packed{query}")
        assert answer.status == 400, query
    token = world.service.token("some", "--role", "auditor", "--folder", "payments")
    answer = world.service.ask("GET", "/api/v1/packed?from=0&to=1", token=token)

    assert answer.status == 403
