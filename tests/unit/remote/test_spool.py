"""What cannot be recorded now waits on disk, in order, and is recorded once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from jenkins_notary.assets.claims import Attachment
from jenkins_notary.errors import (
    IntegrityError,
    NotaryError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.remote import spool as module
from jenkins_notary.remote.service import UnknownTokenError
from jenkins_notary.remote.spool import Entry, Spool
from jenkins_notary.values.query import Query
from tests.parts.service import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.parts.service import StandIn
    from tests.unit.remote.conftest import Client

AWAY = tuple(Fault(503) for _ in range(6))
ENTRY = Entry("", "http://127.0.0.1:1", "/records", {"recordId": "0"}, ())


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr("jenkins_notary.remote.service._FIRST_PAUSE_S", 0.001)


def names_in(service: StandIn) -> list[str]:
    """Return the names of the assets in a service's ledger, in log order."""
    with service.notary() as notary:
        found = notary.evidence(Query(limit=1000, since="2020-01-01T00:00:00Z"))
    views = sorted((one.to_dict() for one in found), key=lambda one: one["index"])
    return [
        asset["name"]
        for one in views
        if one["type"] == "notarization"
        for asset in one["predicate"]["assets"]
    ]


def keep(client: Client, name: str, **options: Any) -> None:  # noqa: ANN401 - passed on
    """Notarize while the service is away."""
    client.service.fail(*AWAY)
    (item,) = client.open(spool="spool").notarize([name], **options)

    assert (item.value["index"], item.code) == (None, 0)


def deliver(client: Client) -> list[tuple[str, bool]]:
    """Deliver all that waits; return each entry's name and whether it was taken."""
    keeper = client.open(spool="spool").open_keeper()
    return [(one.entry.name, one.error is None) for one in keeper.deliver()]


def test_a_service_that_answers_is_asked_at_once(client: Client) -> None:
    (item,) = client.open(spool="spool").notarize(["app.jar"])

    assert item.index > 0
    assert Spool("spool").names() == []


def test_what_waits_is_delivered_in_order_with_its_bodies(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "report.xml").write_text("<ok/>")
    keep(client, "app.jar", attachments=[("report.xml", "tests")])
    (tmp_path / "report.xml").unlink()
    keep(client, "dir://tree")
    client.service.fail(*AWAY)
    attached = client.open(spool="spool").attach(
        "bad.jar", digests=["sha256:" + "ab" * 32]
    )
    waiting = Spool("spool").names()
    taken = deliver(client)

    assert attached.value["index"] is None
    assert waiting == [f"{n:012}.json" for n in (1, 2, 3)]
    assert taken == [(one, True) for one in waiting]
    assert names_in(client.service) == ["app.jar", "tree"]
    assert os.listdir("spool/bodies") == []
    assert any("jenkins-notary deliver" in one for one in client.notices)


def test_what_waits_goes_before_what_comes(client: Client) -> None:
    keep(client, "app.jar")
    client.open(spool="spool").notarize(["bad.jar"])

    assert names_in(client.service) == ["app.jar", "bad.jar"]
    assert Spool("spool").names() == []


def test_an_answer_that_was_lost_is_no_second_record(client: Client) -> None:
    client.service.fail(*[Fault(cut=10) for _ in range(6)])
    client.open(spool="spool").notarize(["app.jar"])
    taken = deliver(client)

    assert [one for _, one in taken] == [True]
    assert names_in(client.service) == ["app.jar"]


def test_a_service_that_is_away_again_loses_nothing(client: Client) -> None:
    keep(client, "app.jar")
    keep(client, "bad.jar")
    client.service.fail(Fault(), *AWAY)

    with pytest.raises(UnavailableError):
        deliver(client)
    assert Spool("spool").names() == ["000000000002.json"]
    assert len(deliver(client)) == 1
    assert names_in(client.service) == ["app.jar", "bad.jar"]


def test_what_the_service_does_not_take_is_set_aside_with_its_reason(
    client: Client,
) -> None:
    keep(client, "app.jar")
    keep(client, "bad.jar")
    refusal = PermissionDeniedError("job", expected="one of payments").to_dict()
    client.service.fail(Fault(403, body=json.dumps(refusal).encode()))
    taken = deliver(client)
    spool = Spool("spool")
    (aside,) = spool.names(refused=True)
    error = spool.load(aside, refused=True).error
    again = spool.take_back()

    assert taken == [("000000000001.json", False), ("000000000002.json", True)]
    assert error == refusal
    assert again == 1
    assert deliver(client) == [("000000000001.json", True)]
    assert names_in(client.service) == ["bad.jar", "app.jar"]


def test_an_unknown_token_sets_nothing_aside(client: Client) -> None:
    keep(client, "app.jar")
    keeper = client.open(spool="spool", token="builds.other").open_keeper()

    with pytest.raises(UnknownTokenError, match="token"):
        list(keeper.deliver())
    assert Spool("spool").names() == ["000000000001.json"]


def test_what_is_wrong_with_a_claim_is_said_at_once(client: Client) -> None:
    refusal = UsageError("job", expected="another").to_dict()
    client.service.fail(Fault(400, body=json.dumps(refusal).encode()))

    with pytest.raises(UsageError, match="another"):
        client.open(spool="spool").notarize(["app.jar"])
    assert Spool("spool").names() == []


def test_an_entry_of_another_ledger_stays_where_it_is(client: Client) -> None:
    Spool("spool").keep(ENTRY, ())
    keep(client, "app.jar")

    assert deliver(client) == [("000000000002.json", True)]
    assert Spool("spool").names() == ["000000000001.json"]


def test_one_process_delivers_at_a_time(client: Client) -> None:
    keep(client, "app.jar")
    with Spool("spool").turn() as has_turn:
        (item,) = client.open(spool="spool").notarize(["bad.jar"])
        with pytest.raises(UnavailableError, match="another process"):
            deliver(client)

    assert has_turn
    assert item.value["index"] is None
    assert [taken for _, taken in deliver(client)] == [True, True]
    assert names_in(client.service) == ["app.jar", "bad.jar"]


def test_the_pause_that_the_service_asks_for_is_told(client: Client) -> None:
    keep(client, "app.jar")
    client.service.fail(Fault(429, retry_after="40"))
    keeper = client.open(spool="spool").open_keeper()

    with pytest.raises(UnavailableError, match="429"):
        list(keeper.deliver())
    assert keeper.wait_s == 40


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"v": 2}, id="version"),
        pytest.param({"path": "/../tokens"}, id="path"),
        pytest.param({"value": []}, id="value"),
        pytest.param({"bodies": [{"sha256": "../../etc", "size": 1}]}, id="body"),
        pytest.param({"bodies": [{"sha256": "ab" * 32, "size": -1}]}, id="size"),
        pytest.param({"ledger": None}, id="ledger"),
    ],
)
def test_a_damaged_entry_is_refused(client: Client, change: dict[str, object]) -> None:
    keep(client, "app.jar")
    path = "spool/000000000001.json"
    with open(path, encoding="ascii") as file:
        value = json.load(file)
    with open(path, "w", encoding="ascii") as file:
        json.dump({**value, **change}, file)

    with pytest.raises(IntegrityError, match="damaged"):
        deliver(client)


@pytest.mark.parametrize(
    "data", [None, b"short", b"<no/>"], ids=["gone", "cut", "other"]
)
def test_a_body_that_is_not_what_it_was_is_not_sent(
    client: Client, tmp_path: Path, data: bytes | None
) -> None:
    (tmp_path / "report.xml").write_bytes(b"<ok/>")
    keep(client, "app.jar", attachments=[("report.xml", None)])
    (body,) = (tmp_path / "spool/bodies").iterdir()
    if data is None:
        body.unlink()
    else:
        body.write_bytes(data)

    with pytest.raises(NotaryError) as caught:
        deliver(client)
    assert caught.value.exit_code in {64, 65}
    assert names_in(client.service) == []


def test_nothing_of_a_spool_is_for_others(client: Client, tmp_path: Path) -> None:
    keep(client, "app.jar")
    modes = {
        one.relative_to(tmp_path).as_posix(): one.stat().st_mode & 0o777
        for one in (tmp_path / "spool").rglob("*")
    }

    assert {one for name, one in modes.items() if name.endswith(".json")} == {0o600}
    assert modes["spool/bodies"] == modes["spool/refused"] == 0o700
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_a_full_spool_refuses_and_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(client, "app.jar")
    monkeypatch.setattr(module, "MAX_ENTRIES", 1)
    client.service.fail(*AWAY)

    with pytest.raises(StorageError, match="fewer than 1") as caught:
        client.open(spool="spool").notarize(["bad.jar"])
    assert "not sent either" in caught.value.advice


def test_a_full_disk_keeps_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(str(tmp_path / "spool"))

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space"):
        spool.keep(ENTRY, ())
    assert sorted(os.listdir(spool.path)) == ["bodies", "lock", "refused"]


def test_a_file_is_no_spool(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="a folder"):
        Spool(str(tmp_path / "file"))
    with pytest.raises(UsageError, match="empty path"):
        Spool(" ")


def test_a_body_stays_as_long_as_an_entry_needs_it(client: Client) -> None:
    shutil.copy("app.jar", "report.xml")
    keep(client, "app.jar", attachments=[("report.xml", None)])
    keep(client, "bad.jar", attachments=[("report.xml", None)])
    keeper = client.open(spool="spool").open_keeper()
    left = [len(os.listdir("spool/bodies")) for _ in keeper.deliver()]

    assert left == [1, 0]


def test_no_spool_is_a_usage_error(client: Client) -> None:
    with pytest.raises(UsageError, match="--spool"):
        client.open().open_keeper()


def test_a_number_that_would_not_be_found_again_is_not_given(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"))
    last = tmp_path / "spool" / "999999999999.json"
    last.write_bytes(b"{}")

    with pytest.raises(StorageError) as caught:
        spool.keep(ENTRY, [])
    assert "999999999999.json" in str(caught.value)
    last.unlink()
    assert spool.keep(ENTRY, []).name in spool.names()


def test_what_was_delivered_is_removed_though_another_entry_is_damaged(
    tmp_path: Path,
) -> None:
    spool = Spool(str(tmp_path / "spool"))
    body = hashlib.sha256(b"body").hexdigest()
    attachment = Attachment("report.xml", "tests", "text/xml", body, 4)
    entry = ENTRY._replace(bodies=((body, 4),))
    first = spool.keep(entry, [(attachment, lambda: [b"body"])])
    second = spool.keep(ENTRY, [])
    (tmp_path / "spool" / second.name).write_bytes(b"{}")

    spool.remove(first)
    assert spool.names() == [second.name]
    # The damaged one may need it.
    assert os.path.exists(spool.body_path(body))
