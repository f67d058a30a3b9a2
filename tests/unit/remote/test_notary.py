"""The methods of the API on a service's ledger: what is sent, and what is refused."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jenkins_notary.assets.claims import parse_claim
from jenkins_notary.assets.files import hash_file
from jenkins_notary.errors import (
    ConfigurationError,
    FaultsError,
    NotFoundError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.remote import bodies
from jenkins_notary.values.query import Query
from tests.parts.service import Fault, StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.remote.conftest import Client

JOB = "ci.example.com:payments/main#42"
POLICY = b"version: 1\nrules:\n  - name: a\n    require:\n      status: [TRUSTED]\n"
JENKINS = {
    "JENKINS_URL": "https://ci.example.com/",
    "JOB_NAME": "payments/main",
    "BUILD_NUMBER": "42",
}


def test_only_digests_and_facts_are_sent(client: Client, service: StandIn) -> None:
    client.open(environ=JENKINS).notarize(["app.jar"], attributes={"release": "1.2"})

    (seen,) = service.seen
    assert b"PK" not in seen.body
    assert seen.json["job"]["id"] == JOB
    assert seen.json["attributes"] == {"release": "1.2"}
    assert parse_claim(seen.json).assets[0].name == "app.jar"


def test_recording_is_idempotent(client: Client, service: StandIn) -> None:
    service.fail(Fault(cut=200))

    (made,) = client.open().notarize(["app.jar"])

    assert len(service.seen) == 2
    assert service.seen[0].body == service.seen[1].body
    with service.notary() as notary:
        assert notary.ledger.status().tree_size == made.index + 1


def test_attachments_and_manifests_are_sent_before(
    client: Client, service: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "report.xml").write_text("<x/>")

    client.open().notarize(["tree"], attachments=[("report.xml", "tests")])

    assert [one.method for one in service.seen] == ["PUT", "PUT", "POST"]
    sent = service.seen[-1].json["attachments"]
    assert [(one["name"], one["label"]) for one in sent] == [
        ("report.xml", "tests"),
        ("tree", "manifest"),
    ]
    with service.notary() as notary:
        digest = f"sha256:{sent[0]['body']['sha256']}"
        assert b"".join(notary.read_attachment(digest)) == b"<x/>"


def test_standard_input_is_attached(client: Client, service: StandIn) -> None:
    before = set(os.listdir("/tmp"))
    record = client.open(stdin=io.BytesIO(b"text")).attach(
        "-", job=JOB, label="log", mime="text/plain"
    )

    assert record.value["name"] == "stdin"
    assert record.value["predicate"]["mime"] == "text/plain"
    assert set(os.listdir("/tmp")) <= before | {one.name for one in os.scandir("/tmp")}
    assert not [one for one in os.listdir("/tmp") if one.startswith("notary-")]
    assert service.seen[0].body == b"text"


def test_attachment_needs_something_to_belong_to(client: Client) -> None:
    with pytest.raises(UsageError, match="a job or a digest"):
        client.open().attach("app.jar")
    with pytest.raises(UsageError, match="a closed one"):
        client.open().attach("-", job=JOB)


def test_file_that_changes_while_it_is_sent_is_refused(
    client: Client, service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def change(path: str) -> tuple[str, int]:
        found = hash_file(path)
        (tmp_path / "app.jar").write_bytes(b"PK\x03\x04 ap2")
        return found

    monkeypatch.setattr(bodies, "hash_file", change)

    with pytest.raises(UsageError, match="changed while it was sent"):
        client.open().attach("app.jar", job=JOB)
    assert [one for one in service.seen if one.method == "POST"] == []


def test_file_that_shrinks_while_it_is_sent_is_refused(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def change(path: str) -> tuple[str, int]:
        found = hash_file(path)
        (tmp_path / "app.jar").write_bytes(b"")
        return found

    monkeypatch.setattr(bodies, "hash_file", change)

    with pytest.raises(UsageError, match="changed while it was sent"):
        client.open().attach("app.jar", job=JOB)


def test_untrust_and_unsupport_need_a_reason(client: Client, service: StandIn) -> None:
    with pytest.raises(UsageError, match="reason"):
        client.open().untrust(["app.jar"], reason=" ")
    with pytest.raises(UsageError, match="reason"):
        client.open().unsupport(["app.jar"], reason="")

    assert service.seen == []


def test_superseding_record_lifts_an_untrusted_one(client: Client) -> None:
    (bad,) = client.open().untrust(["app.jar"], reason="x")
    client.open().notarize(["app.jar"], supersedes=[bad.index], reason="rebuilt")

    assert [one.code for one in client.open().authenticate(["app.jar"])] == [0]
    with pytest.raises(UsageError, match="--supersede"):
        client.open().notarize(["app.jar"], supersedes=[bad.index])


def test_faults_of_assets_come_together_and_nothing_is_sent(
    client: Client, service: StandIn
) -> None:
    with pytest.raises(FaultsError) as caught:
        client.open().notarize(["gone", "nope", "app.jar"])

    assert len(caught.value.faults) == 2
    assert service.seen == []


def test_registry_and_web_are_not_asked_from_an_agent(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("client", "http_source"):
        monkeypatch.setitem(sys.modules, f"jenkins_notary.registry.{name}", None)
    with pytest.raises(UsageError, match="--digest-file"):
        client.open().notarize(["image://registry.example.com/app:1.2"])
    with pytest.raises(UsageError, match="downloaded file"):
        client.open().notarize(["https://repo.example.com/app.jar"])


def test_registry_is_asked_where_the_package_is_installed(client: Client) -> None:
    with pytest.raises(UnavailableError):
        client.open(plain_http=["127.0.0.1:1"]).notarize(["image://127.0.0.1:1/app"])
    with pytest.raises(UsageError):
        client.open().notarize(["http://127.0.0.1:1/app.jar"])


def test_progress_is_reported(client: Client) -> None:
    steps: list[str] = []

    client.open(progress=lambda what, _done, _total: steps.append(what)).notarize(
        ["app.jar"]
    )

    assert steps[-1] == "hashing, 1 files"


def test_verdicts_keep_the_order_with_unread_assets(client: Client) -> None:
    client.open().notarize(["app.jar"])

    judged = client.open().authenticate(["gone", "app.jar", "nope"])

    assert [one.code for one in judged] == [66, 0, 66]
    assert [one.name for one in judged] == ["gone", "app.jar", "nope"]


def test_nothing_is_asked_for_unread_assets_alone(
    client: Client, service: StandIn
) -> None:
    (one,) = client.open().authenticate(["gone"])

    assert one.value["error"]["error"] == "not-found"
    assert service.seen == []


def test_no_assets_are_no_good_answer(client: Client) -> None:
    with pytest.raises(UsageError, match="at least one"):
        client.open().authenticate([])


def test_comparison_with_an_earlier_folder_is_refused(client: Client) -> None:
    with pytest.raises(UsageError, match="--against"):
        client.open().authenticate(["tree"], against="sha256:" + "ab" * 32)


def test_policy_that_is_no_text_is_a_configuration_fault(client: Client) -> None:
    with pytest.raises(ConfigurationError, match="UTF-8"):
        client.open().gate(b"\xff", ["app.jar"])


def test_wrong_policy_is_said_even_without_readable_assets(client: Client) -> None:
    with pytest.raises(FaultsError):
        client.open().gate(b"rules: 7\n", ["gone"])

    (one,) = client.open().gate(POLICY, ["gone"])
    assert (one.code, one.value["allowed"]) == (66, False)


def test_search_is_percent_encoded(client: Client, service: StandIn) -> None:
    with pytest.raises(NotFoundError):
        client.open().evidence(
            Query(job="ci.example.com:caf\u00e9 & x#1", as_of="1"), receipts=True
        )

    assert service.seen[0].path == (
        "/api/v1/evidence?job=ci.example.com%3Acaf%C3%A9%20%26%20x%231"
        "&limit=1000&asOf=1&receipts=true"
    )


def test_service_collects_a_log(client: Client, service: StandIn) -> None:
    service.logs[JOB] = b"text\n"

    (record,) = client.open().collect(JOB, only="log")

    assert record.value["type"] == "log"
    with pytest.raises(UnavailableError, match="Jenkins"):
        client.open().collect("a#1")


@pytest.mark.parametrize(
    "token", ["two words", "line\nbreak", "caf\u00e9", "\x7f", "a" * 4097]
)
def test_token_that_cannot_stand_in_a_header_is_refused_unseen(
    client: Client, service: StandIn, tmp_path: Path, token: str
) -> None:
    (tmp_path / "token").write_text(f"{token}\n")
    for choices in ({"token": token}, {"token_file": "token"}):
        with pytest.raises(ConfigurationError, match="plain characters") as caught:
            client.open(**choices).notarize(["app.jar"])

        assert token not in str(caught.value)
    assert service.seen == []


def test_token_is_read_from_a_file(
    client: Client, service: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{service.token}\r\n")

    assert client.open(token=None, token_file="token").notarize(["app.jar"])
    (tmp_path / "token").write_text("\n")
    for path in ("token", "gone", "tree", "\0"):
        with pytest.raises(ConfigurationError, match="token file"):
            client.open(token=None, token_file=path).notarize(["app.jar"])


def test_without_a_token_none_is_sent(client: Client, service: StandIn) -> None:
    from jenkins_notary.errors import PermissionDeniedError

    with pytest.raises(PermissionDeniedError):
        client.open(token=None).notarize(["app.jar"])

    assert "authorization" not in service.seen[0].headers


@pytest.mark.parametrize("timeout_s", [0, -1, 3601])
def test_time_out_has_bounds(client: Client, timeout_s: int) -> None:
    with pytest.raises(UsageError, match="--timeout"):
        client.open(timeout_s=timeout_s).notarize(["app.jar"])


def test_wrong_log_key_is_a_configuration_fault(client: Client) -> None:
    with pytest.raises(ConfigurationError, match="verifier key"):
        client.open(log="nonsense").notarize(["app.jar"])


def test_claims_are_written_and_nothing_is_sent(
    client: Client, service: StandIn, tmp_path: Path
) -> None:
    (one,) = client.open(claims="c.json", ledger=None).notarize(["app.jar"], job=JOB)

    claim = json.loads((tmp_path / "c.json").read_text())
    assert (claim["v"], claim["status"]) == (1, "TRUSTED")
    assert parse_claim(claim).assets[0].digest == one.value["digest"]
    assert (one.code, one.value["index"], one.value["job"]) == (0, None, JOB)
    assert service.seen == []
    assert [name for name in os.listdir(tmp_path) if "part" in name] == []


def test_claims_hold_no_files_and_answer_no_questions(client: Client) -> None:
    writer = client.open(claims="c.json")
    with pytest.raises(UsageError, match="--attach"):
        writer.notarize(["app.jar"], attachments=[("bad.jar", None)])
    with pytest.raises(UsageError, match="--claims"):
        writer.authenticate(["app.jar"])
    with pytest.raises(UsageError, match="an empty path"):
        client.open(claims=" ").notarize(["app.jar"])
    with pytest.raises(StorageError, match="--claims"):
        client.open(claims="gone/c.json").notarize(["app.jar"])
    with pytest.raises(StorageError, match="--claims"):
        client.open(claims="tree").notarize(["app.jar"])


def test_folder_is_claimed_by_its_digest(client: Client, tmp_path: Path) -> None:
    (one,) = client.open(claims="c.json").notarize(["tree"])

    assert json.loads((tmp_path / "c.json").read_text())["attachments"] == []
    assert one.value["kind"] == "directory"


def test_dirty_tree_is_sent_as_dirty_and_does_not_count(
    client: Client, service: StandIn, tmp_path: Path
) -> None:
    for words in (
        ["init", "-q"],
        ["add", "app.jar"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)

    client.open().notarize(["git://."])
    (one,) = client.open().authenticate(["git://."])

    assert service.seen[0].json["assets"][0]["dirty"] is True
    assert one.value["status"] == "UNKNOWN"
    assert "in no commit" in client.notices[0]
