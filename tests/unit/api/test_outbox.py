from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.api.builds.claims import IDENTITY
from jenkins_notary.api.builds.collect import Choice, Collected, Collector
from jenkins_notary.api.builds.outbox import MAX_WAIT_MS, drain
from jenkins_notary.errors import (
    IntegrityError,
    NotFoundError,
    UnavailableError,
)
from jenkins_notary.evidence.events import derive_record_id
from jenkins_notary.jenkins.memory import STARTED_MS, MemoryJenkins
from jenkins_notary.ports import Controller
from jenkins_notary.values.leaf import hash_job_name
from jenkins_notary.values.statement import EXTENSION
from tests.unit.api.people import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jenkins_notary.api.notary import Notary
    from tests.unit.api.people import Person

OUTBOX = "0123456789abcdef" * 2
IDENTITY_HEX = "ab" * 32
JOB = "payments/api"
ID = "ci.example.com:payments/api#7"
AT = "2026-01-02T03:15:05.006Z"


class Hook:
    """Writes events as the hook of a controller does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = folder / "events"
        self.events.mkdir(parents=True)
        self.last = 0
        self.say(id=OUTBOX, identity=IDENTITY_HEX)

    def say(self, **about: object) -> None:
        (self.folder / "outbox.json").write_text(json.dumps({"v": 1, **about}))

    def write(self, event: str, **more: object) -> dict[str, Any]:
        """Write the next event."""
        self.last += 1
        value: dict[str, Any] = {
            "v": 1,
            "seq": self.last,
            "at": AT,
            "event": event,
            "controller": {
                "url": "https://ci.example.com/",
                "version": "2.421",
                "identity": IDENTITY_HEX,
                "hook": "0.1.0",
            },
            "job": {
                "name": JOB,
                "type": "WorkflowJob",
                "url": "https://ci.example.com/",
            },
            "build": None,
            **more,
        }
        self.put(json.dumps(value).encode())
        return value

    def finalize(self, **more: object) -> None:
        """Write the end of build 7."""
        self.write("finalized", build=build(), **{"facts": {}, "claims": [], **more})

    def put(self, data: bytes) -> None:
        (self.events / f"{self.last:016}.json").write_bytes(data)

    @property
    def waiting(self) -> list[str]:
        return sorted(one.name for one in self.events.glob("*.json"))

    @property
    def bad(self) -> list[str]:
        return sorted(one.name for one in (self.events / "bad").glob("*.json"))


class OneController:
    """The configured controllers: one, or none."""

    def __init__(self, jenkins: MemoryJenkins | None) -> None:
        self._jenkins = jenkins
        self.instances = [] if jenkins is None else ["ci.example.com"]

    def client(self, _instance: str) -> MemoryJenkins:
        assert self._jenkins is not None
        return self._jenkins

    def close(self) -> None:
        pass


def build() -> dict[str, Any]:
    return {
        "number": 7,
        "startedAt": STARTED_MS + 7 * 60_000,
        "durationMs": 5300,
        "result": "SUCCESS",
        "queueId": 3,
    }


def claim(name: str, status: str = "TRUSTED", **more: object) -> dict[str, Any]:
    return {
        "v": 1,
        "recordId": "cd" * 16,
        "claimedAt": "2026-01-02T03:14:00.000Z",
        "status": status,
        "job": {"id": ID},
        "reason": None if status == "TRUSTED" else "bad",
        "supersedes": [],
        "attributes": {"release": "1.2"},
        "assets": [
            {
                "name": name,
                "kind": "file",
                "size": 3,
                "subjects": [{"name": name, "digest": digest(name)}],
            }
        ],
        "attachments": [],
        **more,
    }


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path / "outbox")


@pytest.fixture
def jenkins() -> MemoryJenkins:
    found = MemoryJenkins()
    found.add(JOB, 7, log=b"one\ntwo\n", artifacts={"app.jar": b"PK"})
    return found


@pytest.fixture
def run(
    notary: Notary, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[Collected]]:
    """Drain the outbox, with a controller or without access to one."""

    def drain_once(
        jenkins: MemoryJenkins | None = None, *, seconds: int | None = None
    ) -> list[Collected]:
        session = notary._session
        monkeypatch.setattr(session, "controllers", lambda: OneController(jenkins))
        return list(drain(session, str(hook.folder), Choice(seconds=seconds)))

    return drain_once


@pytest.fixture
def set_clock(notary: Notary, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the time of the ledger's user."""

    def set_ms(now_ms: int) -> None:
        monkeypatch.setattr(notary._session.clock, "now_ms", lambda: now_ms)

    return set_ms


def predicates(result: Collected, own_type: str) -> list[dict[str, Any]]:
    return [
        one.to_dict()["predicate"]
        for one in result.records
        if one.record.leaf.type == own_type
    ]


def test_a_build_is_read_through_the_api_with_the_facts_merged(
    hook: Hook, jenkins: MemoryJenkins, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(
        facts={
            "approvals": [{"id": "Deploy", "submitter": "robin", "at": AT}],
            "script": {"kind": "pipeline", "sha256": "ef" * 32, "source": "inline"},
            "stages": [{"id": "4", "name": "Build", "lines": [[1, 2]]}],
            "log": {"size": 8, "lines": 2},
        }
    )

    (result,) = run(jenkins)

    assert (result.outcome, result.code, result.job) == ("collected", 0, ID)
    (provenance,) = predicates(result, "provenance")
    definition = provenance["buildDefinition"]
    assert definition["internalParameters"]["approvals"][0]["submitter"] == "robin"
    assert definition["externalParameters"]["script"]["sha256"] == "ef" * 32
    record = provenance[EXTENSION]
    assert record["sources"]["approvals"] == "hook"
    assert record["sources"]["result"] == "api, hook"
    assert record["event"] == {
        "outbox": OUTBOX,
        "seq": 1,
        "kind": "finalized",
        "at": AT,
    }
    assert record["recordId"] == derive_record_id("outbox", OUTBOX, "1")
    assert record["claimedAt"] == AT
    (log,) = predicates(result, "log")
    assert log["stages"] == [
        {"id": "4", "name": "Build", "lines": [[1, 2]], "source": "controller"}
    ]
    assert result.records[-1].receipt is not None
    assert hook.waiting == []


def test_without_access_a_build_is_recorded_by_the_facts_alone(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(facts={"causes": [{"kind": "UserIdCause", "user": "ann"}]})

    (result,) = run()

    (provenance,) = predicates(result, "provenance")
    record = provenance[EXTENSION]
    assert (result.outcome, result.code) == ("collected", 0)
    assert record["sources"] == {
        "result": "hook",
        "queueId": "hook",
        "causes": "hook",
    }
    assert record["gaps"] == {"log": "unread", "artifacts": "unread"}
    assert provenance["runDetails"]["metadata"]["finishedOn"] == (
        "2026-01-02T03:11:10.306Z"
    )
    assert hook.waiting == []


def test_a_build_recorded_by_facts_is_read_when_access_comes(
    hook: Hook,
    notary: Notary,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
) -> None:
    from jenkins_notary.api.builds.collect import Collector

    hook.finalize()
    run()

    result = Collector(notary._session, jenkins).collect(JOB, 7)

    assert result.outcome == "collected"


def test_an_event_that_is_taken_twice_is_recorded_once(
    hook: Hook,
    notary: Notary,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
) -> None:
    hook.finalize(claims=[claim("app.jar")])
    hook.write("renamed", **{"from": JOB, "to": "payments/new"})
    events = {one: (hook.events / one).read_bytes() for one in hook.waiting}
    first = run(jenkins)
    size = notary.ledger.status().tree_size
    for name, data in events.items():
        (hook.events / name).write_bytes(data)

    second = run(jenkins)

    assert notary.ledger.status().tree_size == size
    # What was claimed is held to the controller once, and not told again.
    assert [one.record.leaf.type for one in first[0].records[-2:]] == [
        "notarization",
        "corroboration",
    ]
    assert second[0].records[-1].record.index == first[0].records[-2].record.index
    assert second[1].records[-1].record.index == first[1].records[-1].record.index
    assert hook.waiting == []


def test_a_file_is_deleted_only_after_its_event_is_durable(
    hook: Hook,
    notary: Notary,
    run: Callable[..., list[Collected]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook.finalize()
    append = notary._session.append

    def check(envelopes: Any) -> list[int]:  # noqa: ANN401 - passed on
        assert hook.waiting == ["0000000000000001.json"]
        return append(envelopes)

    monkeypatch.setattr(notary._session, "append", check)

    run()

    assert hook.waiting == []


def test_events_are_recorded_in_the_order_of_their_numbers(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    for number in range(12):
        hook.write("renamed", **{"from": f"a{number}", "to": f"b{number}"})

    indexes = [one.records[0].record.index for one in run()]

    assert indexes == sorted(indexes)
    assert len(indexes) == 12


def test_a_deleted_build_is_a_deletion_record_found_by_its_job_id(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.write("build-deleted", build=build())

    (result,) = run()

    (deletion,) = predicates(result, "deletion")
    assert deletion["job"] == {"id": ID}
    assert deletion["build"]["startedAt"] == "2026-01-02T03:11:05.006Z"
    assert deletion["event"]["kind"] == "build-deleted"
    assert result.records[0].job == ID


def test_a_deleted_job_is_a_deletion_record_found_by_its_name(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.write("job-deleted", range={"first": 3, "last": 9, "count": None})

    (result,) = run()

    (deletion,) = predicates(result, "deletion")
    assert deletion["name"] == JOB
    assert deletion["range"] == {"first": 3, "last": 9}
    assert set(result.records[0].record.leaf.subjects) == {
        hash_job_name(JOB, "ci.example.com"),
        hash_job_name(JOB),
    }


@pytest.mark.parametrize("kind", ["renamed", "moved"])
def test_a_new_name_is_an_alias_record_found_by_both_names(
    hook: Hook, run: Callable[..., list[Collected]], kind: str
) -> None:
    hook.write(kind, **{"from": "old/api", "to": JOB})

    (result,) = run()

    (alias,) = predicates(result, "alias")
    assert (alias["from"], alias["to"], alias["instance"]) == (
        "old/api",
        JOB,
        "ci.example.com",
    )
    assert set(result.records[0].record.leaf.subjects) == {
        hash_job_name(name, instance)
        for name in ("old/api", JOB)
        for instance in ("ci.example.com", None)
    }


def test_what_a_build_claims_is_notarized_with_the_hook_as_identity(
    hook: Hook, notary: Notary, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(claims=[claim("app.jar")])

    (result,) = run()

    (record,) = predicates(result, "notarization")
    assert record["job"]["id"] == ID
    assert record["job"]["identity"] == IDENTITY
    assert record["recordId"] == "cd" * 16
    (verdict,) = notary.authenticate([digest("app.jar")])
    assert verdict.code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        claim("a", job={"id": "ci.example.com:payments/main#7"}),
        claim("a", job={"id": "ci.example.com:payments/api#8"}),
        claim("a", supersedes=[1], reason="again"),
        claim("release.jar", "UNTRUSTED"),
        claim("a", status="REVOKED"),
        claim("a", assets=[]),
        {"v": 2},
    ],
    ids=[
        "another job",
        "another build",
        "lifts a record",
        "others' digest",
        "status",
        "no asset",
        "version",
    ],
)
def test_a_claim_that_a_build_may_not_make_is_set_aside(
    hook: Hook,
    notary: Notary,
    run: Callable[..., list[Collected]],
    wrong: dict[str, Any],
) -> None:
    hook.finalize(claims=[wrong, claim("good.jar", recordId="ef" * 16)])

    (result,) = run()

    assert result.code == 64
    assert hook.waiting == []
    assert hook.bad == ["0000000000000001.json"]
    assert len(predicates(result, "notarization")) == 1
    assert notary.authenticate([digest("good.jar")])[0].code == 0
    assert notary.authenticate([digest("release.jar")])[0].code == 2


@pytest.mark.parametrize(
    "claims",
    [
        b'[{"v":1,"recordId":' + b"7" * 20_000 + b"}]",
        b'[{"v":1,"assets":' + b"[" * 200_000 + b"]" * 200_000 + b"}]",
        b'[{"v":1,"text":"' + b"\\u007f" * (3 << 20) + b'"}]',
        b'[{"v":1,"v":1}]',
        b'[{"v":NaN}]',
        b'["x"]',
        b"[7",
    ],
    ids=["digits", "nested", "long", "twice", "NaN", "no object", "cut"],
)
def test_no_claim_keeps_its_build_out_of_the_ledger(
    hook: Hook,
    admin: Person,
    run: Callable[..., list[Collected]],
    claims: bytes,
) -> None:
    value = hook.write("finalized", build=build(), facts={"core": "2.421"})
    data = json.dumps(value, separators=(",", ":")).encode()
    hook.put(data[:-1] + b',"claims":' + claims + b"}")
    hook.write("renamed", **{"from": "a", "to": "b"})

    first, second = run()

    (provenance,) = predicates(first, "provenance")
    assert provenance[EXTENSION]["gaps"]["claims"] == "refused"
    assert provenance["runDetails"]["builder"]["version"]["jenkins"] == "2.421"
    assert [first.code, second.code] == [0, 0]
    assert any("event 1: its claims" in one for one in admin.notices)
    assert hook.waiting == []


def test_what_the_hook_left_out_of_an_event_is_a_gap(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(dropped=["claims", "parameters"])

    (result,) = run()

    (provenance,) = predicates(result, "provenance")
    assert provenance[EXTENSION]["gaps"]["facts"] == {
        "claims": "too long for an event",
        "parameters": "too long for an event",
    }


def test_a_build_may_untrust_what_its_own_job_has_recorded(
    hook: Hook, notary: Notary, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(claims=[claim("app.jar")])
    run()
    hook.finalize(claims=[claim("app.jar", "UNTRUSTED", recordId="ef" * 16)])

    (result,) = run()

    assert result.code == 0
    assert notary.authenticate([digest("app.jar")])[0].code == 1


def test_no_build_makes_others_digest_its_own_by_claiming_it_first(
    hook: Hook, notary: Notary, run: Callable[..., list[Collected]]
) -> None:
    notary.notarize([digest("release.jar")], name="r", job="ci.example.com:release#1")
    untrust = claim("release.jar", "UNTRUSTED", recordId="ef" * 16)
    hook.finalize(claims=[claim("release.jar"), untrust])
    hook.finalize(claims=[{**untrust, "recordId": "12" * 16}])

    first, second = run()

    assert (first.code, second.code) == (64, 64)
    assert "and no other job" in str(first.faults[0])
    assert notary.authenticate([digest("release.jar")])[0].code == 0


def test_a_build_cannot_untrust_what_only_the_same_event_has_recorded(
    hook: Hook,
    notary: Notary,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
) -> None:
    untrust = claim("app.jar", "UNTRUSTED", recordId="ef" * 16)
    hook.finalize(claims=[claim("app.jar"), untrust])

    (result,) = run(jenkins)

    assert result.code == 64
    assert notary.authenticate([digest("app.jar")])[0].code == 0


def test_a_record_that_was_made_after_the_event_is_none_of_before(
    hook: Hook,
    notary: Notary,
    run: Callable[..., list[Collected]],
) -> None:
    hook.finalize(claims=[claim("app.jar", "UNTRUSTED")])
    notary.notarize([digest("app.jar")], name="a", job=ID)

    (result,) = run()

    assert result.code == 64
    assert notary.authenticate([digest("app.jar")])[0].code == 0


def test_a_digest_that_a_record_without_a_job_names_is_not_the_builds(
    hook: Hook, notary: Notary, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(claims=[claim("app.jar")])
    run()
    notary.notarize([digest("app.jar")], name="a")
    hook.finalize(claims=[claim("app.jar", "UNTRUSTED", recordId="ef" * 16)])

    assert run()[0].code == 64


@pytest.mark.parametrize(
    "more",
    [
        {"facts": {"replay": {"isReplay": True, "original": 6}}},
        {"facts": {"replay": "maybe"}},
        {"facts": {"script": {"kind": "pipeline"}}},
        {"facts": {"change": {"id": "PR-1", "fork": True}}},
        {"facts": {"change": 7}},
        {"dropped": ["change"]},
        {
            "controller": {
                "url": "https://ci.example.com/",
                "version": "2.421",
                "identity": None,
            }
        },
    ],
    ids=[
        "replay",
        "replay malformed",
        "replay unknown",
        "fork",
        "change malformed",
        "change left out",
        "no identity",
    ],
)
def test_no_claim_is_taken_of_a_build_that_may_not_have_run_what_its_job_says(
    hook: Hook,
    notary: Notary,
    run: Callable[..., list[Collected]],
    more: dict[str, Any],
) -> None:
    hook.finalize(claims=[claim("app.jar")], **more)

    (result,) = run()

    assert result.code == 64
    assert predicates(result, "notarization") == []
    assert len(predicates(result, "provenance")) == 1
    assert notary.authenticate([digest("app.jar")])[0].code == 2


def test_claims_of_a_pipeline_that_is_no_replay_are_taken(
    hook: Hook, notary: Notary, run: Callable[..., list[Collected]]
) -> None:
    facts = {
        "script": {"kind": "pipeline", "source": "scm"},
        "replay": {"isReplay": False},
        "change": {"id": "PR-1", "fork": False},
    }
    hook.finalize(claims=[claim("app.jar")], facts=facts)

    assert run()[0].code == 0
    assert notary.authenticate([digest("app.jar")])[0].code == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"v": 1',
        b"[]",
        b'{"v": 2, "seq": 1, "event": "finalized"}',
        b'{"v": 1, "seq": 1, "event": "exploded"}',
        b"\x00" * 4096,
    ],
    ids=["empty", "cut", "list", "newer", "unknown", "zeros"],
)
def test_a_malformed_event_is_set_aside_and_stops_no_other(
    hook: Hook, run: Callable[..., list[Collected]], data: bytes
) -> None:
    hook.last += 1
    hook.put(data)
    hook.write("renamed", **{"from": "a", "to": "b"})

    first, second = run()

    assert (first.outcome, first.code) == ("failed", 65)
    assert "set aside" in str(first.faults[0])
    assert second.code == 0
    assert hook.waiting == []
    assert hook.bad == ["0000000000000001.json"]
    assert (hook.events / "bad/0000000000000001.json").read_bytes() == data


@pytest.mark.parametrize(
    "more",
    [
        {"seq": 2},
        {"at": "yesterday"},
        {"job": {"name": "a//b"}},
        {"job": {}},
        {"controller": {"url": "nowhere"}},
        {"build": {"number": 0, "startedAt": 1}},
        {"build": {"number": 7}},
        {"build": {"number": 7, "startedAt": 1 << 60}},
    ],
    ids=lambda more: json.dumps(more)[:30],
)
def test_an_event_without_what_it_needs_is_set_aside(
    hook: Hook, run: Callable[..., list[Collected]], more: dict[str, Any]
) -> None:
    hook.write("finalized", **{"build": build(), **more})

    (result,) = run()

    assert (result.outcome, result.code) == ("failed", 65)
    assert hook.bad == ["0000000000000001.json"]


def test_a_rename_to_the_same_name_is_set_aside(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.write("renamed", **{"from": "a", "to": "a"})

    (result,) = run()

    assert result.code == 64
    assert hook.bad == ["0000000000000001.json"]


def test_a_fact_of_a_wrong_form_costs_only_itself(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(facts={"core": "2.421", "plugins": "many"})

    (result,) = run()

    (provenance,) = predicates(result, "provenance")
    assert result.code == 0
    assert provenance["runDetails"]["builder"]["version"]["jenkins"] == "2.421"
    assert provenance[EXTENSION]["gaps"]["facts"] == {
        "plugins": "expected a list of at most 10000"
    }


def test_a_link_in_the_place_of_an_event_is_not_followed(
    hook: Hook, run: Callable[..., list[Collected]], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    hook.last += 1
    os.symlink(secret, hook.events / "0000000000000001.json")

    (result,) = run()

    assert result.code == 65
    assert secret.read_text() == "{}"


def test_a_pipe_in_the_place_of_an_event_holds_nobody(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    os.mkfifo(hook.events / "0000000000000001.json")

    (result,) = run()

    assert result.code == 65


def test_events_of_a_copy_of_the_controller_are_refused(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.say(id=OUTBOX, identity="99" * 32)
    hook.finalize()

    (result,) = run()

    assert (result.outcome, result.code) == ("waiting", 77)
    assert "a copy of it" in str(result.faults[0])
    assert hook.waiting == ["0000000000000001.json"]


def test_events_of_an_accepted_controller_are_taken(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.say(id=OUTBOX, identity="99" * 32, accepted=True)
    hook.finalize()

    assert run()[0].code == 0


def test_events_from_before_a_controller_was_accepted_are_taken(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    former = [{"identity": None, "url": "x"}, {"identity": IDENTITY_HEX}]
    hook.say(id=OUTBOX, identity="99" * 32, former=former)
    hook.finalize()

    assert run()[0].code == 0


def test_another_controller_at_the_configured_address_is_refused(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize()
    other = MemoryJenkins(
        Controller("ci.example.com", "https://ci.example.com/", "2.421", "99" * 32)
    )

    (result,) = run(other)

    assert (result.outcome, result.code) == ("waiting", 77)
    assert "right controller" in str(result.faults[0])
    assert hook.waiting == ["0000000000000001.json"]


def test_a_build_that_is_gone_is_recorded_by_the_facts(
    hook: Hook, jenkins: MemoryJenkins, run: Callable[..., list[Collected]]
) -> None:
    jenkins.delete(JOB, 7)
    hook.finalize(facts={"core": "2.421"})

    (result,) = run(jenkins)

    (provenance,) = predicates(result, "provenance")
    assert (result.outcome, result.code) == ("partial", 66)
    assert provenance[EXTENSION]["gaps"]["build"] == "deleted"
    assert hook.waiting == []


def test_a_build_of_a_job_that_was_made_again_is_not_taken_for_the_events(
    hook: Hook, jenkins: MemoryJenkins, run: Callable[..., list[Collected]]
) -> None:
    jenkins.add(JOB, 7, log=b"another\n", timestamp=STARTED_MS)
    hook.finalize()

    (result,) = run(jenkins)

    assert [one.record.leaf.type for one in result.records] == ["provenance"]
    (provenance,) = predicates(result, "provenance")
    assert provenance[EXTENSION]["build"]["startedAt"] == "2026-01-02T03:11:05.006Z"


def test_a_controller_that_is_away_stops_the_draining_in_order(
    hook: Hook,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
    set_clock: Callable[[int], None],
) -> None:
    hook.finalize()
    hook.write("renamed", **{"from": JOB, "to": "b"})
    jenkins.faults["build", 7] = UnavailableError("Jenkins", got="nothing")
    set_clock(STARTED_MS + 10**6)

    (result,) = run(jenkins)

    assert (result.outcome, result.code) == ("waiting", 69)
    assert len(hook.waiting) == 2


def test_an_event_that_has_waited_for_an_hour_is_recorded_by_its_facts(
    hook: Hook,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
    set_clock: Callable[[int], None],
) -> None:
    hook.finalize()
    hook.write("renamed", **{"from": JOB, "to": "b"})
    jenkins.faults["build", 7] = UnavailableError("Jenkins", got="nothing")
    set_clock(STARTED_MS + 10**6 + MAX_WAIT_MS)

    first, second = run(jenkins)

    assert (first.outcome, first.code) == ("partial", 69)
    assert second.code == 0
    assert hook.waiting == []


@pytest.fixture(params=["console", "artifact"])
def slow(
    request: pytest.FixtureRequest,
    jenkins: MemoryJenkins,
    set_clock: Callable[[int], None],
) -> str:
    """Have the controller take 11 s to give something; return what."""
    method = str(request.param)
    now_ms = STARTED_MS + 10**6
    set_clock(now_ms)

    def wait(asked: str) -> None:
        if asked == method:
            set_clock(now_ms + 11_000)

    jenkins.on_request = wait
    return method


def test_a_build_that_takes_too_long_to_read_holds_up_no_other(
    hook: Hook, jenkins: MemoryJenkins, run: Callable[..., list[Collected]], slow: str
) -> None:
    hook.finalize(facts={"core": "2.421"})
    hook.write("renamed", **{"from": "a", "to": "b"})

    (first,) = run(jenkins, seconds=10)
    (second,) = run(jenkins, seconds=10)

    (provenance,) = predicates(first, "provenance")
    gaps = provenance[EXTENSION]["gaps"]
    assert (first.outcome, first.code) == ("partial", 69)
    assert gaps.get("log") == ("too long" if slow == "console" else None)
    assert gaps["artifacts"]["named"] == [{"path": "app.jar", "why": "too long"}]
    assert gaps["stages"] == "too long"
    assert provenance["runDetails"]["builder"]["version"]["jenkins"] == "2.421"
    assert (second.code, second.job) == (0, "ci.example.com:payments/api")
    assert hook.waiting == []


def test_a_log_that_has_fewer_lines_than_the_hook_saw_is_truncated(
    hook: Hook, jenkins: MemoryJenkins, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(facts={"log": {"size": 999, "lines": 40}})

    (result,) = run(jenkins)

    assert (result.outcome, result.code) == ("partial", 65)
    assert predicates(result, "log") == []
    assert predicates(result, "provenance")[0][EXTENSION]["gaps"] == {
        "log": "truncated"
    }


def test_a_truncated_log_stays_truncated_for_a_sweep_without_the_hook(
    hook: Hook,
    notary: Notary,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
) -> None:
    hook.finalize(facts={"log": {"size": 999, "lines": 40}})
    run(jenkins)

    result = Collector(notary._session, jenkins).collect(JOB, 7)

    assert result.outcome == "present"


def test_artifacts_that_the_hook_counted_and_the_api_lacks_are_a_gap(
    hook: Hook, jenkins: MemoryJenkins, run: Callable[..., list[Collected]]
) -> None:
    hook.finalize(facts={"artifacts": 3})

    (result,) = run(jenkins)

    assert (result.outcome, result.code) == ("partial", 66)
    gaps = predicates(result, "provenance")[0][EXTENSION]["gaps"]
    assert gaps == {"artifacts": {"count": 2, "named": []}}


def test_a_missing_number_is_told(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.write("renamed", **{"from": "a", "to": "b"})
    hook.last += 2
    hook.write("renamed", **{"from": "c", "to": "d"})

    _, lost, last = run()

    assert (lost.outcome, lost.code, lost.job) == ("lost", 65, "event 2 to 3")
    assert last.code == 0
    assert hook.waiting == []


@pytest.mark.parametrize("noted", [True, False], ids=["by the folder", "by the ledger"])
def test_a_number_that_is_missing_since_the_last_time_is_told_once(
    hook: Hook, run: Callable[..., list[Collected]], *, noted: bool
) -> None:
    hook.write("renamed", **{"from": "a", "to": "b"})
    run()
    if not noted:
        (hook.folder / "taken").unlink()
    hook.last += 1
    hook.write("renamed", **{"from": "c", "to": "d"})

    first, _ = run()
    assert first.job == "event 2 to 2"
    hook.write("renamed", **{"from": "e", "to": "f"})
    assert [one.outcome for one in run()] == ["collected"]


def test_an_event_that_was_set_aside_is_not_lost(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.last += 1
    hook.put(b"")
    run()
    (hook.folder / "taken").write_text("x")
    hook.write("renamed", **{"from": "a", "to": "b"})

    assert [one.outcome for one in run()] == ["collected"]


def test_no_more_events_are_taken_than_asked_for(
    hook: Hook, notary: Notary, admin: Person
) -> None:
    for number in range(3):
        hook.write("renamed", **{"from": f"a{number}", "to": "b"})

    found = list(drain(notary._session, str(hook.folder), Choice(), limit=2))

    assert len(found) == 2
    assert hook.waiting == ["0000000000000003.json"]
    assert any("1 more events wait" in one for one in admin.notices)


def test_other_files_in_the_folder_are_left_alone(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    for name in (".0000000000000001.json.tmp", "1.json", "notes.txt"):
        (hook.events / name).write_text("x")

    assert run() == []
    assert len(list(hook.events.iterdir())) == 3


def test_a_folder_that_is_no_outbox_is_said_so(notary: Notary, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"outbox\.json"):
        list(drain(notary._session, str(tmp_path), Choice()))


@pytest.mark.parametrize(
    "about",
    [
        {"id": "short"},
        {"id": OUTBOX, "identity": "x"},
        {"id": 7},
        {"id": OUTBOX, "accepted": "yes"},
        {"id": OUTBOX, "former": [{"identity": 1}]},
    ],
)
def test_a_malformed_outbox_is_refused(
    hook: Hook, run: Callable[..., list[Collected]], about: dict[str, Any]
) -> None:
    hook.say(**about)

    with pytest.raises(IntegrityError, match="outbox"):
        run()


def test_an_outbox_without_events_gives_nothing(
    hook: Hook, run: Callable[..., list[Collected]]
) -> None:
    hook.events.rmdir()

    assert run() == []


def test_a_build_that_still_runs_for_the_api_keeps_its_event(
    hook: Hook,
    jenkins: MemoryJenkins,
    run: Callable[..., list[Collected]],
    set_clock: Callable[[int], None],
) -> None:
    jenkins.add(JOB, 7, log=b"one\n", building=True)
    hook.finalize()
    set_clock(STARTED_MS + 10**6)

    (result,) = run(jenkins)

    assert (result.outcome, result.code) == ("waiting", 69)
    assert hook.waiting == ["0000000000000001.json"]
