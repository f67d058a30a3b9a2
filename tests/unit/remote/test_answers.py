"""What a service says is believed only for what it proves."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.errors import IntegrityError, NotaryError
from jenkins_notary.tlog import receipt as receipts
from tests.parts.service import Fault, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.remote.conftest import Client

JOB = "ci.example.com:payments/main#42"
OTHER = "sha256:" + "ab" * 32
POLICY = b"version: 1\nrules:\n  - name: a\n    require:\n      status: [TRUSTED]\n"

Change = "Callable[[Any], object]"


def put(*path: str | int, value: object) -> Callable[[Any], object]:
    """Return what puts a value into an answer."""

    def change(answer: Any) -> object:  # noqa: ANN401 - any JSON
        place = answer
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        return answer

    return change


def drop(*path: str | int) -> Callable[[Any], object]:
    """Return what takes a key out of an answer."""

    def change(answer: Any) -> object:  # noqa: ANN401 - any JSON
        place = answer
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        return answer

    return change


RECORD_CHANGES = {
    "no-assets": drop("assets"),
    "no-list": put("assets", value={}),
    "fewer": drop("assets", 0),
    "no-object": put("assets", 0, value=[]),
    "other-name": put("assets", 0, "name", value="other.jar"),
    "other-kind": put("assets", 0, "kind", value="image"),
    "other-digest": put("assets", 0, "digest", value=OTHER),
    "other-size": put("assets", 0, "size", value=1),
    "other-ref": put("assets", 0, "ref", value="a"),
    "other-status": put("assets", 0, "status", value="UNTRUSTED"),
    "other-job": put("assets", 0, "job", value="ci.example.com:payments/main#43"),
    "no-job": put("assets", 0, "job", value=None),
    "other-signer": put("assets", 0, "signer", value="0x" + "0" * 40),
    "verdict-code": put("assets", 0, "code", value=1),
    "truth-as-code": put("assets", 0, "code", value=False),
    "other-index": put("assets", 0, "index", value=0),
    "no-index": drop("assets", 0, "index"),
    "no-receipt": drop("assets", 0, "receipt"),
    "empty-receipt": put("assets", 0, "receipt", value=""),
    "null-receipt": put("assets", 0, "receipt", value=None),
    "odd-receipt": put("assets", 0, "receipt", value="\ud800"),
    "no-envelopes": drop("envelopes"),
    "list-of-envelopes": put("envelopes", value=[]),
    "other-envelope": put("envelopes", value={"1": "{}"}),
    "null-envelope": put("envelopes", value={"1": None}),
}


@pytest.mark.parametrize("name", RECORD_CHANGES)
def test_changed_answer_to_a_claim_is_refused(
    client: Client, service: StandIn, name: str
) -> None:
    service.fail(Fault(change=RECORD_CHANGES[name]))

    with pytest.raises(IntegrityError):
        client.open().notarize(["app.jar"], job=JOB)


@pytest.mark.parametrize("log", [True, False], ids=["with-key", "without-key"])
def test_every_altered_receipt_is_refused(
    client: Client, service: StandIn, *, log: bool
) -> None:
    client.open().notarize(["bad.jar"])
    choices = {} if log else {"log": None}
    good = client.open(**choices).notarize(["app.jar"])[0].value["receipt"]
    lines = good.split("\n")
    for place, line in enumerate(lines):
        # Without the key, what only the signature covers cannot be told.
        if not line or (not log and line.startswith(("\u2014", "trust"))):
            continue
        middle = len(line) // 2
        other = line[:middle] + ("A" if line[middle] != "A" else "B")
        text = "\n".join(
            [*lines[:place], other + line[middle + 1 :], *lines[place + 1 :]]
        )
        service.fail(Fault(change=put("assets", 0, "receipt", value=text)))

        with pytest.raises(IntegrityError):
            client.open(**choices).notarize(["app.jar"])


def test_receipt_by_another_log_is_refused(client: Client, tmp_path: Path) -> None:
    with (
        StandIn(tmp_path / "other") as other,
        pytest.raises(IntegrityError, match="no known key"),
    ):
        client.open(ledger=other.url).notarize(["app.jar"])


def test_receipt_of_another_record_is_refused(client: Client, service: StandIn) -> None:
    (other,) = client.open().notarize(["bad.jar"])

    def swap(answer: Any) -> object:  # noqa: ANN401 - any JSON
        answer["assets"][0]["receipt"] = other.receipt
        answer["assets"][0]["index"] = other.index
        answer["envelopes"] = {
            str(other.index): next(iter(answer["envelopes"].values()))
        }
        return answer

    service.fail(Fault(change=swap))

    with pytest.raises(IntegrityError):
        client.open().notarize(["app.jar"])


def test_record_of_another_call_is_refused(client: Client, service: StandIn) -> None:
    kept: list[Any] = []

    def keep(answer: Any) -> object:  # noqa: ANN401 - any JSON
        kept.append(copy.deepcopy(answer))
        return answer

    service.fail(Fault(change=keep))
    client.open().notarize(["app.jar"])
    service.fail(Fault(change=lambda _: kept[0]))

    with pytest.raises(IntegrityError, match="record id"):
        client.open().notarize(["app.jar"])


def test_without_the_logs_key_that_is_said(client: Client) -> None:
    client.open(log=None).notarize(["app.jar"])

    assert "no log key is named" in client.notices[0]


def test_records_of_many_assets_are_proven_by_their_envelope(
    client: Client, tmp_path: Path
) -> None:
    names = [f"f{number}" for number in range(60)]
    for name in names:
        (tmp_path / name).write_text(name)

    made = client.open().notarize(names)
    judged = client.open().authenticate(names[:3])

    assert len({one.index for one in made}) == 1
    assert '"at"' not in made[0].receipt
    assert receipts.parse_receipt(made[0].receipt.encode()).extra is not None
    assert [one.code for one in judged] == [0, 0, 0]


VERDICT_CHANGES = {
    "other-digest": put("assets", 0, "digest", value=OTHER),
    "more": lambda answer: {"assets": answer["assets"] * 2},
    "unknown-word": put("assets", 0, "status", value="FINE"),
    "no-word": put("assets", 0, "status", value=None),
    "word-without-code": put("assets", 0, "status", value="UNTRUSTED"),
    "code-without-word": put("assets", 0, "code", value=1),
    "denied-code": put("assets", 0, "code", value=5),
    "no-state": put("assets", 0, "as_of", value=None),
    "odd-state": put("assets", 0, "as_of", value={"tree_size": "1"}),
    "no-receipt": put("assets", 0, "receipt", value=None),
    "other-signer": put("assets", 0, "signer", value="0x" + "0" * 40),
    "other-job": put("assets", 0, "job", value="a#1"),
    "error-with-a-verdict": put("assets", 0, "error", value={"code": 0}),
    "error-that-is-none": put("assets", 0, "error", value="no"),
}


@pytest.mark.parametrize("name", VERDICT_CHANGES)
def test_changed_verdict_is_refused(
    client: Client, service: StandIn, name: str
) -> None:
    client.open().notarize(["app.jar"], job=JOB)
    service.fail(Fault(change=VERDICT_CHANGES[name]))

    with pytest.raises(IntegrityError):
        client.open().authenticate(["app.jar"])


def test_trusted_by_the_record_of_another_asset_is_refused(
    client: Client, service: StandIn
) -> None:
    client.open().notarize(["bad.jar"])
    (good,) = client.open().authenticate(["bad.jar"])
    digest = client.open().authenticate(["app.jar"])[0].value["digest"]

    def forge(_: Any) -> object:  # noqa: ANN401 - any JSON
        forged = {**good.value, "name": "app.jar", "digest": digest}
        return {"assets": [forged]}

    service.fail(Fault(change=forge))

    with pytest.raises(IntegrityError, match="a record of"):
        client.open().authenticate(["app.jar"])


def test_untrusted_record_is_not_taken_for_a_trusted_one(
    client: Client, service: StandIn
) -> None:
    client.open().untrust(["app.jar"], reason="x")

    def forge(answer: Any) -> object:  # noqa: ANN401 - any JSON
        answer["assets"][0].update(status="TRUSTED", code=0)
        return answer

    service.fail(Fault(change=forge))

    with pytest.raises(IntegrityError, match="status TRUSTED"):
        client.open().authenticate(["app.jar"])


def test_error_on_one_asset_is_passed_on(client: Client, service: StandIn) -> None:
    error = {"error": "integrity", "code": 65, "message": "x"}

    def fail(answer: Any) -> object:  # noqa: ANN401 - any JSON
        answer["assets"][0].update(
            status=None, code=65, receipt=None, error=error, as_of=None
        )
        return answer

    service.fail(Fault(change=fail))
    (one,) = client.open().authenticate(["app.jar"])

    assert (one.code, one.value["error"]) == (65, error)


GATE_CHANGES = {
    "other-policy": put("assets", 0, "policy", value=OTHER),
    "denied-as-allowed": put("assets", 0, "allowed", value=True),
    "allowed-code": put("assets", 0, "code", value=0),
    "no-reasons": put("assets", 0, "reasons", value=[]),
    "odd-answer": put("assets", 0, "allowed", value="yes"),
    "error-allowed": put("assets", 0, "error", value={"code": 65}),
}


@pytest.mark.parametrize("name", GATE_CHANGES)
def test_changed_decision_is_refused(
    client: Client, service: StandIn, name: str
) -> None:
    service.fail(Fault(change=GATE_CHANGES[name]))

    with pytest.raises(IntegrityError):
        client.open().gate(POLICY, ["app.jar"])


def test_decision_that_failed_is_passed_on(client: Client, service: StandIn) -> None:
    error = {"error": "integrity", "code": 65, "message": "x"}

    def fail(answer: Any) -> object:  # noqa: ANN401 - any JSON
        answer["assets"][0].update(
            status=None, code=65, error=error, reasons=[], allowed=False, as_of=None
        )
        return answer

    service.fail(Fault(change=fail))
    (one,) = client.open().gate(POLICY, ["app.jar"])

    assert one.code == 65


FOUND_CHANGES = {
    "no-list": put("records", value={}),
    "no-objects": put("records", value=[1]),
    "other-code": put("records", 0, "code", value=3),
    "odd-index": put("records", 0, "index", value="1"),
    "odd-type": put("records", 0, "type", value=None),
    "odd-receipt": put("records", 0, "receipt", value="x"),
    "other-place": put("records", 0, "index", value=0),
}


@pytest.mark.parametrize("name", FOUND_CHANGES)
def test_changed_records_are_refused(
    client: Client, service: StandIn, name: str
) -> None:
    from jenkins_notary.values.query import Query

    client.open().notarize(["app.jar"], job=JOB)
    service.fail(Fault(change=FOUND_CHANGES[name]))

    with pytest.raises(IntegrityError):
        client.open().evidence(Query(job=JOB), receipts=True)


@pytest.mark.parametrize(
    "change",
    [put("records", 0, "digests", value=[OTHER]), put("records", value=[])],
    ids=["other-body", "none"],
)
def test_attached_record_of_another_body_is_refused(
    client: Client, service: StandIn, change: Callable[[Any], object]
) -> None:
    service.fail(Fault(), Fault(change=change))

    with pytest.raises(IntegrityError):
        client.open().attach("app.jar", job=JOB)


def test_body_that_was_stored_as_another_is_refused(
    client: Client, service: StandIn
) -> None:
    service.fail(Fault(change=put("body", "size", value=1)))

    with pytest.raises(IntegrityError, match="the body"):
        client.open().attach("app.jar", job=JOB)


def test_dirty_tree_never_counts(client: Client, service: StandIn) -> None:
    from jenkins_notary.assets.asset import Asset, Subject
    from jenkins_notary.remote.answers import AnswerChecker

    client.open().notarize(["app.jar"])
    (good,) = client.open().authenticate(["app.jar"])
    asset = Asset(
        "app.jar", "file", 8, (Subject("app.jar", good.value["digest"]),), dirty=True
    )

    with pytest.raises(NotaryError, match="its tree is dirty"):
        AnswerChecker(service.url, []).check_verdicts({"assets": [good.value]}, [asset])
