"""A real service beside the stand-in of a controller: collect, and an outbox."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.parts.jenkins import IDENTITY, STARTED_MS, TOKEN, USER, serve_jenkins
from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parts.jenkins import StandIn

LOG = b"Started by user admin\nbuilding\nFinished: SUCCESS\n"
OUTBOX = "0" * 32
KEY_HASH = hashlib.sha256(base64.b64decode(IDENTITY)).hexdigest()


class World(NamedTuple):
    """A controller, and a service that may read it."""

    jenkins: StandIn
    service: Serving
    instance: str
    hook: str

    def event(self, seq: int, kind: str = "finalized", **more: object) -> Any:  # noqa: ANN401 - a document
        """Return an event of build 1 of the job app."""
        value: dict[str, Any] = {
            "v": 1,
            "seq": seq,
            "at": "2026-11-28T00:20:00.000Z",
            "event": kind,
            "controller": {
                "url": self.jenkins.url,
                "version": "2.421",
                "identity": KEY_HASH,
            },
            "job": {"name": "payments/app"},
            "build": {"number": 1, "startedAt": STARTED_MS, "result": "SUCCESS"},
            "facts": {"mode": "enforce"},
            "claims": [],
        }
        return {**value, **more}

    def deliver(
        self,
        *events: object,
        token: str | None = None,
        outbox: str = OUTBOX,
        identity: str | None = KEY_HASH,
    ) -> Answer:
        """Send events as the hook does."""
        value = {
            "outbox": outbox,
            "identity": identity,
            "instance": self.instance,
            "events": [*events],
        }
        given = self.hook if token is None else token
        return self.service.ask("POST", "/api/v1/outbox", value, token=given)

    def types(self, job: str) -> list[str]:
        """Return the types of a job's records."""
        path = f"/api/v1/evidence?job={job.replace('#', '%23')}"
        answer = self.service.ask("GET", path)
        return [one["type"] for one in answer.json.get("records", [])]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with serve_jenkins("/jenkins") as jenkins:
        (folder / "token").write_text(TOKEN)
        (folder / "token").chmod(0o600)
        options = ("--jenkins-url", jenkins.url, "--jenkins-user", USER)
        access = ("--jenkins-token-file", str(folder / "token"))
        with Serving(folder, *options, *access) as service:
            instance = jenkins.url.split("/")[2].replace(":", "-")
            scope = ("--folder", f"{instance}:*")
            hook = service.token("hook", "--role", "controller", *scope)
            jenkins.add_folder("payments")
            job = jenkins.add_job("payments/app")
            job.add_build(log=LOG, artifacts={"a.jar": b"PK"})
            yield World(jenkins, service, instance, hook)


def test_build_is_collected_for_its_own_folder_alone(world: World) -> None:
    world.jenkins.add_job("payments/own").add_build(log=LOG)
    scope = ("--role", "writer", "--folder", "payments")
    writer = world.service.token("collector", *scope)

    def collect(job: str, only: str | None = None) -> Answer:
        value = {"job": job, "only": only}
        return world.service.ask("POST", "/api/v1/collect", value, token=writer)

    log = collect(f"{world.instance}:payments/own#1", "log")
    assert log.status == 200, log
    assert [one["type"] for one in log.json["records"]] == ["log"]
    whole = collect("payments/own#1")
    assert {one["type"] for one in whole.json["records"]} >= {"log", "provenance"}
    assert collect("payments-evil/own#1").status == 403
    assert collect("payments/own#2").status == 404
    assert collect("payments/gone#1").status == 404
    assert collect("no job").status == 400
    assert collect("elsewhere.example.com:payments/own#1").status == 503


def test_events_of_the_hook_become_records_once(world: World) -> None:
    first = world.deliver(world.event(1))
    job = f"{world.instance}:payments/app#1"

    assert first.status == 200, first
    assert first.json["accepted"] == 1
    assert first.json["receipts"][job].startswith("c2sp.org/tlog-proof@v1\n")
    assert "trust" in first.json["checkpoint"]
    found = world.types(job)
    assert {"log", "provenance"} <= set(found)
    # The hook sends again what it does not know to be durable.
    assert world.deliver(world.event(1)).json["accepted"] == 1
    assert world.types(job) == found


def test_changes_of_jobs_are_records(world: World) -> None:
    renamed = world.event(
        20, "renamed", build=None, job={"name": "payments/b"}, **names("a", "b")
    )
    gone = world.event(21, "build-deleted")
    answer = world.deliver(renamed, gone)

    assert answer.json["accepted"] == 21, answer


def names(old: str, new: str) -> dict[str, str]:
    return {"from": f"payments/{old}", "to": f"payments/{new}"}


def test_claims_of_a_build_count_for_its_own_job(world: World) -> None:
    digest = f"sha256:{os.urandom(32).hex()}"
    subject = {"name": "x.jar", "digest": digest}
    asset = {"name": "x.jar", "kind": "file", "size": 1, "subjects": [subject]}
    claim = {
        "recordId": os.urandom(16).hex(),
        "claimedAt": "2026-11-28T00:20:00.000Z",
        "status": "TRUSTED",
        "job": {"id": f"{world.instance}:payments/app#1"},
        "assets": [asset],
    }
    foreign = {**claim, "job": {"id": f"{world.instance}:other/app#1"}}

    assert world.deliver(world.event(30, claims=[claim])).status == 200
    refused = world.deliver(world.event(31, claims=[foreign]))
    assert refused.status == 400
    assert refused.json["code"] == 64
    path = f"/api/v1/evidence?digest={digest}"
    record, compared = world.service.ask("GET", path).json["records"]
    job = record["predicate"]["job"]
    assert (job["identity"], job["class"]) == ("controller", "branch")
    signers = {one.signer: one for one in world.service.notary().signers.list()}
    assert not signers[record["signer"]].administrator
    assert compared["type"] == "corroboration"
    assert compared["predicate"]["claims"] == [record["index"]]


def test_event_that_is_wrong_stops_at_the_last_good_one(world: World) -> None:
    good, bad = world.event(40, "build-deleted"), world.event(41, "exploded")
    answer = world.deliver(good, bad)

    assert answer.json["accepted"] == 40
    alone = world.deliver(bad)
    assert (alone.status, alone.json["code"]) == (400, 64)


@pytest.mark.parametrize("place", ["seq", "order", "outbox", "identity"])
def test_request_of_a_wrong_form_is_refused(world: World, place: str) -> None:
    one = world.event(50, "build-deleted")
    answer = {
        "seq": lambda: world.deliver({**one, "seq": -1}),
        "order": lambda: world.deliver(world.event(51), one),
        "outbox": lambda: world.deliver(one, outbox="../x"),
        "identity": lambda: world.deliver(one, identity="x"),
    }[place]()

    assert answer.status == 400, answer


def test_no_build_delivers_as_its_controller(world: World) -> None:
    for role in ("writer", "security", "auditor", "reader", "status"):
        token = world.service.token(f"as-{role}", "--role", role)

        assert world.deliver(world.event(60), token=token).status == 403


def test_events_of_another_controller_are_refused(world: World) -> None:
    evil = {"url": "https://evil.example.com/", "version": "2", "identity": KEY_HASH}
    moved = world.event(61, "moved", build=None, **names("x", "y"))
    scope = ("--role", "controller", "--folder", f"{world.instance}:payments")
    token = world.service.token("payments-hook", *scope)
    outside = {**moved, "from": "other/x", "to": "payments/y"}

    assert world.deliver(world.event(61, controller=evil)).status == 403
    assert world.deliver(outside, token=token, outbox="2" * 32).status == 403


def test_copy_of_a_controller_is_refused_until_the_token_is_rotated(
    world: World,
) -> None:
    scope = ("--role", "controller", "--folder", f"{world.instance}:*")
    token = world.service.token("copied", *scope)
    one = world.event(70, "build-deleted")
    assert world.deliver(one, token=token, outbox="7" * 32).status == 200

    controller = {**one["controller"], "identity": "b" * 64}
    copied = {**one, "seq": 71, "controller": controller}
    refused = world.deliver(copied, token=token, outbox="7" * 32, identity="b" * 64)
    assert refused.status == 403
    assert "a copy of the controller" in refused.json["message"]
    assert world.deliver(one, token=token, outbox="8" * 32).status == 403
    # It cannot be of one controller outside and of another inside.
    assert world.deliver(copied, token=token, outbox="7" * 32).status == 403

    new = world.service.command("token", "rotate", "copied").strip()
    again = world.deliver(copied, token=new, outbox="7" * 32, identity="b" * 64)
    assert again.status == 200, again


def test_controller_that_is_away_is_told_as_away(world: World) -> None:
    world.jenkins.add_job("payments/away").add_build(log=LOG)
    fault = world.jenkins.fail("away", status=503, times=99)
    value = {"job": f"{world.instance}:payments/away#1", "only": None}
    answer = world.service.ask("POST", "/api/v1/collect", value)
    fault.times = 0

    assert answer.status == 503, answer
    assert "retry-after" in answer.headers
    assert TOKEN not in answer.body.decode()


def test_event_whose_claims_nobody_can_read_is_recorded_without_them(
    world: World,
) -> None:
    deep: list[Any] = []
    for _ in range(80):
        deep = [deep]
    for seq, build, claims in (
        (201, 1, [{"deep": deep}]),
        (202, 2, [7]),
        (203, 3, "no list"),
        (204, 4, [{"number": "HUGE"}]),
    ):
        world.jenkins.jobs["payments/app"].add_build(log=LOG)
        event = world.event(
            seq,
            claims=claims,
            build={"number": build, "startedAt": STARTED_MS, "result": "SUCCESS"},
            job={"name": "payments/unknown"},
        )
        body = {"outbox": OUTBOX, "identity": KEY_HASH, "events": [event]}
        text = json.dumps(body, separators=(",", ":")).replace('"HUGE"', "1e999")

        answer = world.service.ask(
            "POST", "/api/v1/outbox", text.encode(), token=world.hook
        )

        assert answer.status == 200, answer
        assert answer.json["accepted"] == seq
        path = f"/api/v1/evidence?job={world.instance}:payments/unknown%23{build}"
        (record,) = world.service.ask("GET", path).json["records"]
        gaps = record["predicate"]["jenkinsNotary_record"]["gaps"]
        assert gaps["claims"] == "refused"


def test_a_bad_event_behind_good_ones_does_not_hold_them_up(world: World) -> None:
    good = world.event(210, "build-deleted")
    bad = {**world.event(211, "build-deleted"), "claims": [{"n": "HUGE"}]}
    body = {"outbox": OUTBOX, "identity": KEY_HASH, "events": [good, bad]}
    text = json.dumps(body, separators=(",", ":")).replace('"HUGE"', "1e999")

    answer = world.service.ask(
        "POST", "/api/v1/outbox", text.encode(), token=world.hook
    )

    assert answer.json["accepted"] == 210, answer
    broken = text.replace('"seq":210', '"seq":NaN')
    answer = world.service.ask(
        "POST", "/api/v1/outbox", broken.encode(), token=world.hook
    )
    assert answer.status == 400


def test_numbers_that_are_missing_are_told_once(world: World) -> None:
    world.deliver(world.event(220, "build-deleted"))
    answer = world.deliver(world.event(225, "build-deleted"))

    assert answer.json["accepted"] == 225
    assert "event 221 to 224" in answer.json["fault"]
    assert answer.json["faults"]["code"] == 65
    world.service.stop()
    world.service.start()
    again = world.deliver(
        world.event(225, "build-deleted"), world.event(226, "build-deleted")
    )
    assert "fault" not in again.json


def test_an_event_that_the_service_refused_is_not_lost(world: World) -> None:
    world.deliver(world.event(230, "build-deleted"))
    refused = world.deliver(world.event(231, "exploded"))
    assert refused.status == 400

    answer = world.deliver(world.event(232, "build-deleted"))

    assert answer.json["accepted"] == 232
    assert "fault" not in answer.json


def test_claims_are_held_to_the_controller_once_their_build_has_ended(
    world: World,
) -> None:
    job = world.jenkins.add_job("payments/held")
    build = job.add_build(log=LOG, artifacts={"a.jar": b"PK"}, building=True)
    name = f"{world.instance}:payments/held#1"
    digest = f"sha256:{hashlib.sha256(b'PK').hexdigest()}"
    writer = world.service.token("held", "--role", "writer", "--folder", "payments")
    assert record(world, claim(digest, job=name), writer) == 200
    assert record(world, claim(digest, job=name), writer) == 200

    time.sleep(3)
    assert world.types(name) == ["notarization"] * 2
    build.finish("SUCCESS")
    deadline = time.monotonic() + 30
    while "corroboration" not in world.types(name):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    path = f"/api/v1/evidence?job={name.replace('#', '%23')}"
    view = world.service.ask("GET", path).json["build"]
    (found,) = view["corroborations"]
    assert found["verdict"] == "agrees"
    assert len(found["claims"]) == 2
    assert [one["verdict"] for one in found["artifacts"]] == ["agrees"]


def test_a_claim_on_a_build_that_never_was_is_found(world: World) -> None:
    name = f"{world.instance}:payments/app#4711"
    writer = world.service.token("liar", "--role", "writer", "--folder", "payments")
    assert record(world, claim(job=name), writer) == 200

    deadline = time.monotonic() + 30
    while "corroboration" not in world.types(name):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    path = f"/api/v1/evidence?job={name.replace('#', '%23')}"
    (found,) = world.service.ask("GET", path).json["build"]["corroborations"]
    assert found["verdict"] == "differs"
    assert "there never was one" in found["fields"][0]["why"]
    page = world.service.ask("GET", f"/jobs/{name.replace('#', '%23')}")
    text = page.body.decode()
    assert "Corroboration" in text
    assert "there never was one" in text
    assert "L1 not claimed: because no provenance" in text


def record(world: World, value: object, token: str) -> int:
    return world.service.ask("POST", "/api/v1/records", value, token=token).status


def test_a_controller_that_hangs_holds_up_neither_requests_nor_the_end(
    tmp_path: Path,
) -> None:
    with serve_jenkins("/jenkins") as jenkins:
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "token").chmod(0o600)
        options = ("--jenkins-url", jenkins.url, "--jenkins-user", USER)
        access = ("--jenkins-token-file", str(tmp_path / "token"))
        with Serving(tmp_path, *options, *access) as service:
            jenkins.fail("", hang=True)
            instance = jenkins.url.split("/")[2].replace(":", "-")
            value = claim(job=f"{instance}:payments/app#1")
            assert service.ask("POST", "/api/v1/records", value).status == 200
            # Long enough for the claim to be taken up.
            time.sleep(4)
            assert service.ask("GET", "/readyz").status == 200
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < 30
