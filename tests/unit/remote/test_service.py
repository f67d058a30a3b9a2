"""Failures have the code of what the caller does next, after bounded attempts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jenkins_notary import errors
from jenkins_notary.errors import (
    AmbiguousError,
    FaultsError,
    IntegrityError,
    NotaryError,
    NotFoundError,
    PermissionDeniedError,
    StorageError,
    UnavailableError,
    UsageError,
)
from jenkins_notary.remote.address import parse_service_url
from jenkins_notary.remote.http import Route
from jenkins_notary.remote.service import (
    ATTEMPTS,
    Service,
    UnknownTokenError,
    parse_error,
)
from tests.parts.service import Fault, StandIn

if TYPE_CHECKING:
    from collections.abc import Mapping


class Watch:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def read(self) -> float:
        import time

        return time.monotonic() + self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def ask(
    service: StandIn, watch: Watch, timeout_s: float = 20.0, token: str | None = None
) -> Mapping[str, object]:
    """Return the answer to a question."""
    route = Route(parse_service_url(service.url), None, None, 5.0)
    asked = Service(
        route,
        token=token or service.token,
        timeout_s=timeout_s,
        clock=watch.read,
        pause=watch.wait,
    )
    return asked.post("/collect", {"job": "a#1", "only": "log"})


@pytest.fixture(autouse=True)
def log(service: StandIn) -> None:
    service.logs["a#1"] = b"text\n"


def test_good_answer_is_returned(service: StandIn, watch: Watch) -> None:
    (record,) = ask(service, watch)["records"]  # type: ignore[misc]  # JSON

    assert record["type"] == "log"  # type: ignore[has-type]
    assert service.seen[0].headers["user-agent"].startswith("jenkins-notary-agent/")


def test_passing_faults_are_tried_again(service: StandIn, watch: Watch) -> None:
    service.fail(Fault(503), Fault(500), Fault(cut=60), Fault(429))

    assert ask(service, watch)["records"]
    assert len(service.seen) == 5
    assert watch.pauses == [0.2, 0.4, 0.8, 1.6]


def test_attempts_are_bounded(service: StandIn, watch: Watch) -> None:
    service.fail(*[Fault(503)] * 20)

    with pytest.raises(UnavailableError, match="HTTP 503"):
        ask(service, watch, timeout_s=3600)

    assert len(service.seen) == ATTEMPTS


def test_time_is_bounded(service: StandIn, watch: Watch) -> None:
    service.fail(*[Fault(503)] * 20)

    with pytest.raises(UnavailableError):
        ask(service, watch, timeout_s=1)

    assert sum(watch.pauses) <= 1


def test_service_may_ask_for_a_longer_pause(service: StandIn, watch: Watch) -> None:
    service.fail(Fault(429, retry_after="7"))

    assert ask(service, watch)["records"]
    assert watch.pauses == [7.0]


def test_pause_beyond_the_time_ends_at_once(service: StandIn, watch: Watch) -> None:
    service.fail(Fault(429, retry_after="60"))

    with pytest.raises(UnavailableError, match="it asks to wait 60 s"):
        ask(service, watch)

    assert watch.pauses == []


@pytest.mark.parametrize("value", ["-1", "soon", "999999", "1.5", "\u0661"])
def test_other_pauses_are_not_honoured(
    service: StandIn, watch: Watch, value: str
) -> None:
    service.fail(Fault(503, retry_after=value))

    assert ask(service, watch)["records"]
    assert watch.pauses == [0.2]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UsageError),
        (413, UsageError),
        (422, UsageError),
        (401, UnknownTokenError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, AmbiguousError),
        (507, StorageError),
        (301, UnavailableError),
        (418, UnavailableError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "x"}'])
def test_status_alone_has_a_meaning(
    service: StandIn,
    watch: Watch,
    *,
    status: int,
    kind: type[NotaryError],
    body: bytes,
) -> None:
    service.fail(Fault(status, body=body))

    with pytest.raises(kind) as caught:
        ask(service, watch)

    assert type(caught.value) is kind
    assert len(service.seen) == 1


def test_redirect_is_not_followed(service: StandIn, watch: Watch) -> None:
    service.fail(Fault(307, location=f"{service.url}/elsewhere"))

    with pytest.raises(UnavailableError, match="not followed"):
        ask(service, watch)

    assert len(service.seen) == 1


def test_wrong_token_is_said_without_it(service: StandIn, watch: Watch) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        ask(service, watch, token="wr0ng")

    assert "wr0ng" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"1", b'{"a": 1', b'{"a": 1} {}', b"\xff", b'{"a":']
)
def test_body_that_is_no_object_is_no_answer(
    service: StandIn, watch: Watch, body: bytes
) -> None:
    service.fail(Fault(200, body=body, content_type="text/html"))

    with pytest.raises(UnavailableError, match="notary service"):
        ask(service, watch)


@pytest.mark.parametrize("status", [409, 500, 503])
def test_error_of_the_service_is_raised_as_it_was(
    service: StandIn, watch: Watch, status: int
) -> None:
    error = IntegrityError("leaf 7", expected="ab", got="cd", advice="run X")
    service.fail(Fault(status, body=json.dumps(error.to_dict()).encode()))

    with pytest.raises(IntegrityError) as caught:
        ask(service, watch)

    assert str(caught.value) == str(error)
    assert len(service.seen) == 1


KINDS = [
    one
    for one in vars(errors).values()
    if isinstance(one, type)
    and issubclass(one, NotaryError)
    and one not in (NotaryError, FaultsError, errors.HeadMovedError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda one: one.__name__)
def test_every_error_survives_its_json(kind: type[NotaryError]) -> None:
    error = kind("a", expected="b", got="c", advice="d")

    found = parse_error(json.loads(json.dumps(error.to_dict())))

    assert type(found) is kind
    assert found.to_dict() == error.to_dict()


def test_faults_survive_their_json() -> None:
    error = FaultsError([UsageError("a"), NotFoundError("b")], advice="c")
    found = parse_error(error.to_dict())

    assert isinstance(found, FaultsError)
    assert found.to_dict() == error.to_dict()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"error": "usage"},
        {"error": "usage", "code": 0},
        {"error": "usage", "code": 1},
        {"error": "usage", "code": 65},
        {"error": "usage", "code": "64"},
        {"error": ["usage"], "code": 64},
        {"error": "verdict", "code": 64},
        {"error": "faults", "code": 64},
        {"error": "faults", "code": 64, "faults": []},
        {"error": "faults", "code": 64, "faults": [{"error": "usage", "code": 1}]},
    ],
)
def test_anything_else_is_no_error_of_ours(value: object) -> None:
    assert parse_error(value) is None


def test_texts_of_an_error_are_bounded() -> None:
    found = parse_error({"error": "usage", "code": 64, "subject": "a" * 9999, "got": 7})

    assert found is not None
    assert len(found.subject) == 2000
    assert found.got == ""
