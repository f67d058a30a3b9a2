"""The real service, started as a person would: roles, folders, records, proofs, limits.

Each test has its own tokens and digests; the process is shared.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from jenkins_notary.api.receipts import verify_receipt
from jenkins_notary.keys.log_key import load_log_verifier
from jenkins_notary.keys.pem import generate_signer
from jenkins_notary.ledger.author import Author
from jenkins_notary.service.routes import EVENTS, OPEN, ROUTES, STATIC
from jenkins_notary.tlog.checkpoint import open_checkpoint
from jenkins_notary.tlog.note import parse_note
from jenkins_notary.values.statement import Subject
from tests.command import command
from tests.parts import require_part
from tests.parts.serving import Answer, Serving, claim

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "ci.example.com:payments/api/main#1"
EVIL = "ci.example.com:payments-evil/api/main#1"
OTHER = "ci.example.com:other/main#1"
DIGEST = "sha256:" + "ab" * 32


class People(NamedTuple):
    """One token of each role."""

    writer: str
    other: str
    status: str
    security: str
    reader: str
    auditor: str
    controller: str
    importer: str
    admin: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("serving")) as one:
        yield one


@pytest.fixture(scope="module")
def people(service: Serving) -> People:
    folder = ("--folder", "payments")
    return People(
        service.token("writer", "--role", "writer", *folder),
        service.token("evil", "--role", "writer", "--folder", "payments-evil"),
        service.token("status", "--role", "status", *folder),
        service.token("security", "--role", "security"),
        service.token("reader", "--role", "reader", *folder),
        service.token("auditor", "--role", "auditor"),
        service.token("hook", "--role", "controller", "--folder", "ci.example.com:*"),
        service.token("importer", "--role", "importer"),
        service.admin,
    )


def new_digest() -> str:
    return f"sha256:{os.urandom(32).hex()}"


def record(service: Serving, token: str, value: object) -> Answer:
    return service.ask("POST", "/api/v1/records", value, token=token)


def question(digest: str) -> dict[str, Any]:
    asset = {"name": "app.jar", "kind": "file", "digest": digest}
    return {"assets": [asset], "org": None, "signers": [], "asOf": None}


def verdict(service: Serving, token: str, digest: str) -> str:
    answer = service.ask("POST", "/api/v1/verdicts", question(digest), token=token)
    assert answer.status == 200, answer
    return str(answer.json["assets"][0]["status"])


# Records


def test_record_is_durable_and_proven_offline(service: Serving, people: People) -> None:
    digest = new_digest()
    answer = record(service, people.writer, claim(digest))

    assert answer.status == 200, answer
    (asset,) = answer.json["assets"]
    envelope = answer.json["envelopes"][str(asset["index"])].encode()
    status = service.ask("GET", "/api/v1/status").json
    view = verify_receipt(
        asset["receipt"].encode(), vkey=status["vkey"], envelope=envelope
    )
    assert view.checked.index == asset["index"]
    assert verdict(service, people.reader, digest) == "TRUSTED"
    with service.notary() as notary:
        assert notary.ledger.verify().findings == ()


def test_record_says_who_sent_it_and_that_its_job_is_only_asserted(
    service: Serving, people: People
) -> None:
    answer = record(service, people.writer, claim())
    index = answer.json["assets"][0]["index"]

    found = service.ask("GET", f"/api/v1/records/{index}", token=people.reader).json
    predicate = found["record"]["predicate"]
    assert predicate["submitter"] == {"token": "writer", "role": "writer"}
    assert predicate["job"] == {"id": OURS, "identity": "asserted", "class": "weak"}


def test_claim_sent_again_is_the_same_record(service: Serving, people: People) -> None:
    value = claim()
    first = record(service, people.writer, value).json
    again = record(service, people.writer, value).json

    assert first["assets"][0]["index"] == again["assets"][0]["index"]
    assert first["envelopes"] == again["envelopes"]


def test_many_claims_are_recorded_together_or_not_at_all(
    service: Serving, people: People
) -> None:
    size = service.ask("GET", "/api/v1/status").json["tree_size"]
    good = record(service, people.writer, {"claims": [claim(), claim()]})
    bad = record(service, people.writer, {"claims": [claim(), claim(job=EVIL)]})

    assert [len(one["assets"]) for one in good.json["results"]] == [1, 1]
    assert bad.status == 403
    assert service.ask("GET", "/api/v1/status").json["tree_size"] == size + 2


def test_large_claim_is_recorded_in_as_many_records_as_it_needs(
    service: Serving, people: People
) -> None:
    value = claim()
    (asset,) = value["assets"]
    value["assets"] = [
        {**asset, "subjects": [{"name": "x" * 90, "digest": new_digest()}]}
        for _ in range(1400)
    ]
    assert len(json.dumps(value)) > 256 << 10
    answer = record(service, people.writer, {**value, "reason": "x" * 4000})

    assert answer.status == 200, answer
    assert len(answer.json["assets"]) == 1400
    assert len(answer.json["envelopes"]) == 3
    again = record(service, people.writer, {**value, "reason": "x" * 4000})
    assert again.json["assets"] == answer.json["assets"]


def make_envelope(folder: Path, job: str, *, kind: str = "notarization") -> bytes:
    signer = generate_signer(str(folder / f"{os.urandom(4).hex()}.pem"))
    facts = {"status": "TRUSTED", "job": {"id": job}}
    if kind == "trust":
        facts = {"action": "enrol"}
    subject = Subject("app.jar", os.urandom(32).hex())
    author = Author((signer,), os.urandom(16).hex(), 0)
    return author.sign(kind, [subject], facts)


def test_record_that_the_client_signed_is_verified_and_kept_as_it_is(
    service: Serving, people: People, tmp_path: Path
) -> None:
    data = make_envelope(tmp_path, OURS)
    answer = record(service, people.writer, {"envelopes": [data.decode()]})

    assert answer.status == 200, answer
    (one,) = answer.json["records"]
    assert one["standing"] == "not enrolled"
    found = service.ask("GET", f"/api/v1/records/{one['index']}", token=people.reader)
    assert found.json["envelope"].encode() == data


@pytest.mark.parametrize("place", ["payload", "sig", "keyid"])
def test_record_with_a_changed_byte_is_refused(
    service: Serving, people: People, tmp_path: Path, place: str
) -> None:
    value = json.loads(make_envelope(tmp_path, OURS))
    holder = value if place == "payload" else value["signatures"][0]
    text = holder[place]
    middle = len(text) // 2
    holder[place] = (
        text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
    )

    answer = record(service, people.writer, {"envelopes": [json.dumps(value)]})
    assert answer.status == 400, answer


@pytest.mark.parametrize(
    ("job", "kind"), [(EVIL, "notarization"), (OURS, "trust"), (OURS, "administration")]
)
def test_signed_record_is_bound_by_role_and_folder(
    service: Serving, people: People, tmp_path: Path, *, job: str, kind: str
) -> None:
    data = make_envelope(tmp_path, job, kind=kind)

    assert record(service, people.writer, {"envelopes": [data.decode()]}).status == 403


def test_client_cannot_sign_what_only_a_service_says_of_itself(
    service: Serving, people: People, tmp_path: Path
) -> None:
    signer = generate_signer(str(tmp_path / "key.pem"))
    author = Author((signer,), os.urandom(16).hex(), 0)
    facts = {"job": {"id": OURS}, "recorder": "service", "sources": {"node": "hook"}}
    subject = Subject("app.jar", os.urandom(32).hex())
    data = author.sign_standard("https://slsa.dev/provenance/v1", [subject], {}, facts)

    answer = record(service, people.writer, {"envelopes": [data.decode()]})

    assert answer.status == 403
    assert "recorder, sources" in answer.json["message"]


def test_evidence_of_a_build_has_its_view_with_the_level_that_it_can_claim(
    service: Serving, people: People
) -> None:
    job = f"{OURS.partition('#')[0]}#77"
    assert record(service, people.writer, claim(job=job)).status == 200

    path = f"/api/v1/evidence?job={job.replace('#', '%23')}"
    answer = service.ask("GET", path, token=people.reader)

    assert answer.json["build"]["slsa"]["level"] is None
    assert answer.json["build"]["corroborations"] == []
    part = service.ask("GET", f"{path}&before=1000000", token=people.reader)
    assert "build" not in part.json


# Who may what


@pytest.mark.parametrize(
    "text",
    [
        "",
        "writer.",
        "writer.AAAA",
        "nobody." + "A" * 43,
        "admin.null",
        "../../etc/passwd." + "A" * 43,
        "x" * 8000,
    ],
)
def test_who_is_not_known_gets_401_and_no_reason(service: Serving, text: str) -> None:
    for path in ("/api/v1/status", "/api/v1/nope", "/checkpoint", "/", "/etc/passwd"):
        answer = service.ask("GET", path, token=text)

        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json["message"] == "token: expected one of this service"


@pytest.mark.parametrize(
    "header", ["Basic YTpi", "Bearer", "bearer  ", "Token x", "Bearer a b"]
)
def test_other_logins_are_none(service: Serving, header: str) -> None:
    answer = service.ask(
        "GET", "/api/v1/status", token="", headers={"Authorization": header}
    )

    assert answer.status == 401


RIGHTS = {
    ("POST", "/api/v1/records"): {"writer", "status", "security", "admin"},
    ("PUT", f"/api/v1/blobs/{DIGEST}"): {"writer", "security", "admin"},
    ("GET", f"/api/v1/blobs/{DIGEST}"): {
        *("writer", "status", "security", "reader", "auditor", "admin"),
    },
    ("POST", "/api/v1/attachments"): {"writer", "security", "admin"},
    ("POST", "/api/v1/verdicts"): {
        *("writer", "status", "security", "reader", "auditor", "admin"),
    },
    ("POST", "/api/v1/gate"): {
        *("writer", "status", "security", "reader", "auditor", "admin"),
    },
    ("GET", "/api/v1/evidence"): {
        *("writer", "status", "security", "reader", "auditor", "admin"),
    },
    ("GET", "/api/v1/pack"): {
        *("writer", "status", "security", "reader", "auditor", "admin"),
    },
    ("GET", "/api/v1/records/0"): {
        *("writer", "status", "security", "reader", "auditor", "admin"),
    },
    ("POST", "/api/v1/collect"): {"writer", "admin"},
    ("POST", "/api/v1/outbox"): {"controller", "admin"},
    ("GET", "/api/v1/proofs"): {"auditor", "admin"},
    ("POST", "/api/v1/envelopes"): {"auditor", "admin"},
    ("GET", "/api/v1/packed"): {"auditor", "admin"},
    ("GET", "/api/v1/imports"): {"importer", "admin"},
    ("POST", "/api/v1/imports"): {"importer", "admin"},
    ("GET", "/api/v1/witnesses"): {"auditor", "admin"},
    ("GET", "/checkpoint"): {"auditor", "admin"},
    ("GET", "/metrics"): {"auditor", "admin"},
    ("GET", "/tile/0/000.p/1"): {"auditor", "admin"},
    ("GET", "/trust/tile/0/000.p/1"): {"auditor", "admin"},
    ("GET", "/api/v1/status"): set(People._fields) - {"other"},
}


@pytest.mark.parametrize("place", RIGHTS, ids=" ".join)
def test_each_route_is_for_its_roles_alone(
    service: Serving, people: People, place: tuple[str, str]
) -> None:
    method, path = place
    body: object = None if method == "GET" else {}
    allowed = set()
    for role, token in people._asdict().items():
        if role != "other":
            answer = service.ask(method, path, body, token=token)
            is_refused = answer.status == 403 and "the role" in answer.json["message"]
            allowed |= set() if is_refused else {role}

    assert allowed == RIGHTS[place]


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(EVIL, id="prefix"),
        pytest.param(OTHER, id="other"),
        pytest.param("ci.example.com:other/payments#1", id="deeper"),
        pytest.param("ci.example.com:Payments/api#1", id="case"),
        pytest.param("ci.example.com:payments%2Fapi#1", id="encoded"),
        pytest.param("payments-evil#1", id="no-instance"),
        pytest.param(None, id="none"),
    ],
)
def test_writer_records_for_its_folder_alone(
    service: Serving, people: People, job: str | None
) -> None:
    value = claim(job=job)
    digest = value["assets"][0]["subjects"][0]["digest"]

    assert record(service, people.writer, value).status == 403
    assert verdict(service, people.admin, digest) == "UNKNOWN"


@pytest.mark.parametrize(
    "job",
    [
        "ci.example.com:payments/../other#1",
        "ci.example.com:/payments#1",
        "ci.example.com:payments//x#1",
        "ci.example.com:payments/\x00#1",
        "ci.example.com:payments/api#0",
        "payments:payments/api#1\n",
        "https://ci.example.com/job/payments/1/",
        "",
    ],
)
def test_job_that_cannot_be_is_refused(
    service: Serving, people: People, job: str
) -> None:
    assert record(service, people.writer, claim(job=job)).status == 400


def test_writer_says_nothing_negative_and_lifts_nothing(
    service: Serving, people: People
) -> None:
    digest = new_digest()
    record(service, people.writer, claim(digest))
    negative = claim(digest, status="UNTRUSTED", reason="x")

    assert record(service, people.writer, negative).status == 403
    index = record(service, people.security, negative).json["assets"][0]["index"]
    lift = claim(digest, supersedes=[index], reason="rebuilt")
    assert record(service, people.writer, lift).status == 403
    assert verdict(service, people.reader, digest) == "UNTRUSTED"
    assert record(service, people.security, lift).status == 200
    assert verdict(service, people.reader, digest) == "TRUSTED"


def test_status_is_for_digests_that_its_jobs_recorded_first(
    service: Serving, people: People
) -> None:
    own, foreign, unknown = new_digest(), new_digest(), new_digest()
    record(service, people.writer, claim(own))
    record(service, people.other, claim(foreign, job=EVIL))
    # Recording what others recorded before does not make it one's own.
    record(service, people.writer, claim(foreign))

    def untrust(digest: str | list[str]) -> int:
        value = claim(digest, job=None, status="UNTRUSTED", reason="CVE")
        return record(service, people.status, value).status

    assert untrust(own) == 200
    assert untrust(foreign) == 403
    assert untrust(unknown) == 403
    assert untrust([own, foreign]) == 403
    assert record(service, people.status, claim(own)).status == 403
    assert verdict(service, people.reader, own) == "UNTRUSTED"
    assert verdict(service, people.reader, foreign) == "TRUSTED"


def test_writer_links_no_digest_of_others_to_its_own(
    service: Serving, people: People
) -> None:
    victim, own = new_digest(), new_digest()
    record(service, people.writer, claim(victim))

    linked = claim([own, victim], job=EVIL)
    assert record(service, people.other, linked).status == 403
    assert (
        record(service, people.other, claim([own, new_digest()], job=EVIL)).status
        == 200
    )


def test_evidence_of_other_folders_is_not_seen(
    service: Serving, people: People
) -> None:
    digest = new_digest()
    mine = record(service, people.writer, claim(digest)).json["assets"][0]["index"]
    theirs = record(service, people.other, claim(digest, job=EVIL)).json["assets"][0]

    def find(token: str, query: str) -> list[int]:
        answer = service.ask("GET", f"/api/v1/evidence?{query}", token=token)
        assert answer.status in {200, 404, 403}, answer
        return [one["index"] for one in answer.json.get("records", [])]

    assert find(people.reader, f"digest={digest}") == [mine]
    assert find(people.other, f"digest={digest}") == [theirs["index"]]
    assert find(people.auditor, f"digest={digest}") == [mine, theirs["index"]]
    assert find(people.other, "job=payments/*") == []
    assert find(people.other, f"job={OURS.replace('#', '%23')}") == []
    assert mine not in find(people.other, "since=2020-01-01")
    assert theirs["index"] in find(people.other, "job=payments-evil")
    for path in (f"records/{mine}", f"records/{mine}/receipt"):
        assert service.ask("GET", f"/api/v1/{path}", token=people.other).status == 404
        assert service.ask("GET", f"/api/v1/{path}", token=people.reader).status == 200


def test_evidence_comes_in_pages_that_leave_nothing_out(
    service: Serving, people: People
) -> None:
    job = "ci.example.com:payments/pages#7"
    sent = [
        record(service, people.writer, claim(job=job)).json["assets"][0]["index"]
        for _ in range(5)
    ]
    found: list[int] = []
    before = ""
    while True:
        path = f"/api/v1/evidence?job={job.replace('#', '%23')}&limit=2{before}"
        page = service.ask("GET", path, token=people.reader).json
        found = [one["index"] for one in page["records"]] + found
        if page["next"] is None:
            break
        before = f"&before={page['next']}"

    assert found == sent


@pytest.mark.parametrize(
    "query",
    [
        "",
        "job=",
        "job=a&job=b",
        "x=1",
        "limit=0",
        "limit=-1",
        "limit=1001",
        "digest=sha256:00",
        "since=yesterday",
        "job=../x%231",
        "before=x",
        "signer=0x12",
        "commit=abc",
        "job=%ff%23",
    ],
)
def test_query_that_is_wrong_is_told(service: Serving, query: str) -> None:
    assert service.ask("GET", f"/api/v1/evidence?{query}").status == 400


def test_token_that_is_revoked_or_rotated_holds_no_more(service: Serving) -> None:
    old = service.token("short", "--role", "reader")
    assert service.ask("GET", "/api/v1/status", token=old).status == 200

    new = service.command("token", "rotate", "short").strip()
    assert service.ask("GET", "/api/v1/status", token=old).status == 401
    assert service.ask("GET", "/api/v1/status", token=new).status == 200

    service.command("token", "revoke", "short")
    assert service.ask("GET", "/api/v1/status", token=new).status == 401


def test_token_that_is_over_holds_no_more(service: Serving) -> None:
    from datetime import UTC, datetime, timedelta

    soon = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    text = service.token("brief", "--role", "reader", "--expires", soon)
    assert service.ask("GET", "/api/v1/status", token=text).status == 200
    for _ in range(80):
        answer = service.ask("GET", "/api/v1/status", token=text)
        if answer.status == 401:
            return
        import time

        time.sleep(0.1)
    pytest.fail("it still holds")


def test_administration_is_recorded_without_secrets(service: Serving) -> None:
    text = service.token("audited", "--role", "reader", "--folder", "payments")
    with service.notary() as notary:
        from jenkins_notary.values.query import Query

        records = notary.evidence(Query(since="2020-01-01"))
        acts = [one for one in records if one.record.leaf.type == "administration"]
        envelopes = b"".join(notary.envelope(one) for one in acts)

    facts = acts[-1].to_dict()["predicate"]
    assert facts["action"] == "token-create"
    assert facts["token"]["name"] == "audited"
    assert facts["token"]["folders"] == ["payments"]
    assert text.partition(".")[2].encode() not in envelopes
    assert hashlib.sha256(text.partition(".")[2].encode()).hexdigest() not in str(facts)


# Bodies


def put(service: Serving, token: str, data: bytes, digest: str | None = None) -> Answer:
    digest = digest or hashlib.sha256(data).hexdigest()
    return service.ask("PUT", f"/api/v1/blobs/sha256:{digest}", data, token=token)


def attach(service: Serving, token: str, data: bytes, job: str) -> Answer:
    body = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return service.ask(
        "POST",
        "/api/v1/attachments",
        {
            "recordId": os.urandom(16).hex(),
            "claimedAt": "2026-01-02T03:04:05.006Z",
            "job": {"id": job},
            "digests": [],
            "attachment": {
                "name": "report.xml",
                "label": None,
                "mime": "text/xml",
                "body": body,
            },
        },
        token=token,
    )


def test_body_goes_in_and_comes_out_proven(service: Serving, people: People) -> None:
    data = os.urandom(3 << 20)
    path = f"/api/v1/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
    assert put(service, people.writer, data).json["body"]["size"] == len(data)
    assert service.ask("GET", path, token=people.reader).status == 404

    assert attach(service, people.writer, data, OURS).status == 200
    got = service.ask("GET", path, token=people.reader)
    assert got.body == data
    assert got.headers["content-disposition"] == "attachment"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert service.ask("GET", path, token=people.other).status == 404


def test_body_that_was_altered_on_the_disk_is_not_given_out(
    service: Serving, people: People
) -> None:
    data = os.urandom(700_000)
    digest = hashlib.sha256(data).hexdigest()
    put(service, people.writer, data)
    attach(service, people.writer, data, OURS)
    path = service.home / f"ledger.db.blobs/sha256/{digest[:2]}/{digest[2:4]}/{digest}"
    whole = bytearray(path.read_bytes())
    whole[100] ^= 1
    path.write_bytes(whole)
    try:
        with pytest.raises(http.client.IncompleteRead):
            service.ask("GET", f"/api/v1/blobs/sha256:{digest}", token=people.reader)
    finally:
        # The whole ledger is verified by others of these tests.
        whole[100] ^= 1
        path.write_bytes(whole)


def test_body_of_another_digest_is_refused_and_not_kept(
    service: Serving, people: People
) -> None:
    digest = os.urandom(32).hex()

    assert put(service, people.writer, b"other bytes", digest).status == 422
    assert not [*(service.home / "ledger.db.blobs").rglob(digest)]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "AB" * 32, "ab", ""]
)
def test_body_under_a_name_that_is_no_digest_is_refused(
    service: Serving, name: str
) -> None:
    for method in ("PUT", "GET"):
        path = f"/api/v1/blobs/sha256:{name}"
        answer = service.ask(method, path, b"x" if method == "PUT" else None)

        assert answer.status in {400, 404}, answer


def test_who_knows_a_digest_alone_gets_no_body_by_it(
    service: Serving, people: People
) -> None:
    data = b"a secret report of payments " + os.urandom(8)
    put(service, people.writer, data)
    attach(service, people.writer, data, OURS)

    stolen = attach(service, people.other, data, EVIL)
    assert stolen.status == 404, stolen
    body = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    named = {"name": "x", "label": None, "mime": "text/plain", "body": body}
    value = claim(job=EVIL, attachments=[named])
    assert record(service, people.other, value).status == 404


@pytest.mark.parametrize("place", ["body", "attachments"])
def test_signed_record_names_no_body_that_its_sender_did_not_send(
    service: Serving, people: People, tmp_path: Path, place: str
) -> None:
    data = b"another secret report of payments " + os.urandom(8)
    put(service, people.writer, data)
    attached = attach(service, people.writer, data, OURS)
    body = attached.json["records"][0]["predicate"]["body"]
    one = {"body": body, "kept": "digest"}
    facts = one if place == "body" else {"attachments": [one]}
    signer = generate_signer(str(tmp_path / "key.pem"))

    def send(token: str, job: str) -> int:
        author = Author((signer,), os.urandom(16).hex(), 0)
        subject = Subject("report", str(body["sha256"]))
        signed = author.sign("attachment", [subject], {"job": {"id": job}, **facts})
        return record(service, token, {"envelopes": [signed.decode()]}).status

    assert send(people.other, EVIL) == 404
    address = f"/api/v1/blobs/sha256:{body['sha256']}"
    assert service.ask("GET", address, token=people.other).status == 404
    # Who has sent it may name it, as it is.
    assert send(people.writer, OURS) == 200
    body["root"] = "0" * 64
    assert send(people.writer, OURS) == 404
    body["size"] = -1
    assert send(people.writer, OURS) == 400


# The log


@pytest.mark.real("fsck")
def test_fsck_verifies_the_log_over_http(
    service: Serving, people: People, tmp_path: Path
) -> None:
    record(service, people.writer, {"claims": [claim() for _ in range(90)]})
    for _ in range(3):
        record(service, people.writer, {"claims": [claim() for _ in range(90)]})
    status = service.ask("GET", "/api/v1/status").json
    assert status["tree_size"] > 300
    (tmp_path / "vkey").write_text(status["vkey"] + "\n")
    done = subprocess.run(
        [
            str(require_part("fsck")),
            "--ui=false",
            f"--storage_url={service.url}/",
            f"--public_key={tmp_path / 'vkey'}",
            f"--bearer_token={people.auditor}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert f"Successfully fsck'd log with size {status['tree_size']}" in done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/001",
        "/tile/0/000.p/0",
        "/tile/0/000.p/257",
        "/tile/0/999",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/00/000",
        "/tile/0/0",
        "/tile/entries/999",
        "/tile/entries/../../checkpoint",
        "/tile/0/x001/000",
        "/tile/",
        "/tile/0/..%2f..%2f..%2fetc%2fpasswd",
    ],
)
def test_tile_that_the_checkpoint_does_not_cover_is_none(
    service: Serving, people: People, path: str
) -> None:
    assert service.ask("GET", path, token=people.auditor).status == 404


def test_checkpoint_is_signed_by_the_ledgers_key(
    service: Serving, people: People
) -> None:
    note = service.ask("GET", "/checkpoint", token=people.auditor).body
    vkey = service.ask("GET", "/api/v1/status").json["vkey"]

    opened = open_checkpoint(note, [load_log_verifier(vkey)])
    assert parse_note(note).text.startswith(opened.checkpoint.origin)


def test_proofs_prove_record_and_growth(service: Serving, people: People) -> None:
    from base64 import b64decode

    from jenkins_notary.tlog.merkle import hash_leaf
    from jenkins_notary.tlog.proofs import verify_consistency, verify_inclusion
    from jenkins_notary.tlog.tiles import decode_bundle

    vkey = service.ask("GET", "/api/v1/status").json["vkey"]

    def opened(note: bytes) -> Any:  # noqa: ANN401 - a checkpoint
        return open_checkpoint(note, [load_log_verifier(vkey)]).checkpoint

    def ask(query: str) -> Any:  # noqa: ANN401 - a document
        path = f"/api/v1/proofs?{query}"
        return service.ask("GET", path, token=people.auditor).json

    old = opened(service.ask("GET", "/checkpoint").body)
    record(service, people.writer, claim())
    grown = ask(f"from={old.size}")
    new = opened(grown["checkpoint"].encode())
    proof = [b64decode(one) for one in grown["hashes"]]
    verify_consistency(old.size, old.root, new.size, new.root, proof)

    found = ask("index=0")
    new = opened(found["checkpoint"].encode())
    path = f"/tile/entries/000.p/{new.size}" if new.size < 256 else "/tile/entries/000"
    bundle = service.ask("GET", path, token=people.auditor).body
    entry = decode_bundle(bundle, min(new.size, 256))[0]
    proof = [b64decode(one) for one in found["hashes"]]
    verify_inclusion(hash_leaf(entry), 0, new.size, proof, new.root)
    for query in ("", "index=0&from=1", "index=99999", "from=0", "from=1&size=99999"):
        path = f"/api/v1/proofs?{query}"
        assert service.ask("GET", path, token=people.auditor).status == 400


# Bodies of requests that are wrong


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b"{",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"claims": []}',
        b'{"claims": 7}',
        b'{"envelopes": [7]}',
        b'{"envelopes": ["{}"]}',
        b'{"recordId": "x"}',
        b'{"assets": 7, "policy": 7}',
        b'{"assets": [7], "policy": "x", "strict": 7}',
        b'{"assets": [], "signers": [7]}',
        b'{"assets": [], "org": 7}',
        b'{"job": 7}',
        b'{"job": "x", "only": 7}',
        b'{"outbox": "x", "events": []}',
        b'{"outbox": "00000000000000000000000000000000", "events": [7]}',
        b'{"attachment": 7}',
    ],
)
def test_body_that_is_wrong_is_a_fault_of_its_sender(
    service: Serving, data: bytes
) -> None:
    for name in ("records", "verdicts", "gate", "attachments", "collect", "outbox"):
        answer = service.ask("POST", f"/api/v1/{name}", data)

        assert answer.status in {400, 422}, (name, answer)
        assert answer.json["code"] in {64, 78}


def test_body_that_is_too_large_is_413(service: Serving) -> None:
    said = service.ask("POST", "/api/v1/collect", b"{" + b" " * (1 << 20) + b"}")
    assert said.status == 413
    chunked = service.ask(
        "POST",
        "/api/v1/collect",
        iter([b" " * 65536] * 40),
    )
    assert chunked.status == 413


def test_length_of_many_digits_is_a_number_like_any_other(service: Serving) -> None:
    path = f"/api/v1/blobs/sha256:{hashlib.sha256(b'abc').hexdigest()}"
    length = {"Content-Length": "0" * 5000 + "3"}

    assert service.ask("PUT", path, b"abc", headers=length).status == 200


def test_encoded_body_is_refused(service: Serving) -> None:
    answer = service.ask(
        "POST", "/api/v1/collect", b"x", headers={"Content-Encoding": "gzip"}
    )

    assert answer.status == 400


def test_other_method_and_other_path_are_told_to_who_may_ask(service: Serving) -> None:
    wrong = service.ask("DELETE", "/api/v1/records")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert service.ask("GET", "/api/v1/../../etc/passwd").status == 404


def test_errors_tell_nothing_of_the_host(service: Serving) -> None:
    policy = {**question(DIGEST), "policy": "rules: 7\n"}
    answers = [
        service.ask("GET", "/api/v1/evidence?job=x%231"),
        service.ask("POST", "/api/v1/collect", {"job": OURS}),
        service.ask("GET", "/api/v1/records/99999999"),
        service.ask("GET", "/api/v1/status"),
        service.ask("POST", "/api/v1/gate", policy),
    ]

    assert [one.status for one in answers] == [404, 503, 404, 200, 422]
    assert "retry-after" in answers[1].headers
    for one in answers:
        assert str(service.home).encode() not in one.body
        assert "server" not in one.headers
        assert one.headers["cache-control"] == "no-store"


# Health, access log, help


def test_health_is_told_to_everybody_and_nothing_else(service: Serving) -> None:
    assert service.ask("GET", "/healthz", token="").json == {"status": "ok"}
    assert service.ask("GET", "/readyz", token="").json == {"status": "ready"}


def test_access_log_tells_who_and_what_and_no_token(
    service: Serving, people: People
) -> None:
    mark = os.urandom(8).hex()
    service.ask("GET", f"/api/v1/evidence?job={mark}", token=people.reader)
    service.ask("GET", f"/nope/{mark}%0aforged", token="nobody." + "A" * 43)
    lines: list[dict[str, Any]] = []
    for _ in range(50):
        lines = [one for one in service.lines(1) if mark in json.dumps(one)]
        if len(lines) == 2:
            break
        import time

        time.sleep(0.1)

    assert [(one["token"], one["status"], one["code"]) for one in lines] == [
        ("reader", 404, 66),
        (None, 401, 77),
    ]
    text = json.dumps(service.lines(1))
    assert "A" * 43 not in text
    for token in people:
        assert token.partition(".")[2] not in text


def test_openapi_describes_every_route_of_programs(service: Serving) -> None:
    found = service.ask("GET", "/api/v1/openapi.json").json
    described = {
        (method.upper(), path)
        for path, each in found["paths"].items()
        for method in each
    }
    assert described == {
        (one.method, one.path.replace(":path}", "}"))
        for one in ROUTES
        if not one.is_page and one.lane not in {OPEN, STATIC, EVENTS}
    }


@pytest.mark.slow
def test_schemathesis_finds_no_fault_and_no_answer_that_is_not_described(
    tmp_path: Path,
) -> None:
    checks = (
        *("not_a_server_error", "status_code_conformance", "ignored_auth"),
        *("content_type_conformance", "response_schema_conformance"),
    )
    with Serving(tmp_path) as service:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                *("run", f"{service.url}/api/v1/openapi.json"),
                *("--header", f"Authorization: Bearer {service.admin}"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "25"),
                *("--checks", ",".join(checks), "--seed", "1", "--no-color"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=110,
        )
        with service.notary() as notary:
            assert notary.ledger.verify().findings == ()

    assert done.returncode == 0, done.stdout[-5000:]
    # All but the description itself.
    described = sum(
        not one.is_page and one.lane not in {OPEN, STATIC, EVENTS} for one in ROUTES
    )
    assert f"{described - 1} passed" in done.stdout


# The command line


def test_token_commands_on_a_ledger(tmp_path: Path) -> None:
    ledger = str(tmp_path / "ledger.db")
    missing = command("token", "list", "--ledger", ledger)
    assert missing.code == 66
    command("ledger", "init", "--ledger", ledger)
    scope = ("--role", "writer", "--folder", "payments")
    made = command("token", "create", "ci", *scope, "--ledger", ledger, "-o", "json")
    assert made.json["token"].startswith("ci.")
    listed = command("token", "list", "--ledger", ledger, "-o", "json")
    assert [one["name"] for one in listed.json["tokens"]] == ["ci"]
    assert made.json["token"].partition(".")[2] not in listed.text
    assert "payments" in command("token", "list", "--ledger", ledger).text
    rotated = command("token", "rotate", "ci", "--ledger", ledger)
    assert rotated.text.strip() != made.json["token"]
    revoked = command("token", "revoke", "ci", "--ledger", ledger)
    assert revoked.text == "revoked ci\n"
    assert command("token", "revoke", "ci", "--ledger", ledger).code == 66
    number = command(
        *("token", "create", "ci", "--role", "writer", "--expires", "5"),
        *("--ledger", ledger),
    )
    assert number.code == 64


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--host", "0.0.0.0"], id="plain-for-all"),
        pytest.param(["--host", "192.0.2.1"], id="plain-for-others"),
        pytest.param(["--tls-cert", "x.pem"], id="certificate-alone"),
        pytest.param(["--port", "70000"], id="port"),
    ],
)
def test_serve_refuses_what_it_must_not(words: list[str], tmp_path: Path) -> None:
    done = command("serve", "--ledger", str(tmp_path / "l.db"), *words)

    assert done.code == 64
    assert not (tmp_path / "l.db").exists()
